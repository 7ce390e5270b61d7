"""Answer samples with one model file and time it: what `measuring.measure` runs in a process of its own.

    python -m kerasfusion.formats.answer_process MODEL SAMPLES.npz ANSWERS.npz STARTED RUNS

STARTED is time.time() before the process was started.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from kerasfusion.formats.opening import open_model
from kerasfusion.machine.stage_clock import peak_memory_mb


def main(path: str, samples: str, answers: str, started: str, runs: str) -> None:
    """Write the answers to `answers` and print the times as JSON."""
    with np.load(samples) as arrays:
        given = {name: _as_asked(values) for name, values in arrays.items()}
    count = len(next(iter(given.values())))
    rows = [{name: values[row : row + 1] for name, values in given.items()} for row in range(count)]
    model = open_model(Path(path))
    found = [model.answer(rows[0])]
    start_s = time.time() - float(started)
    found += [model.answer(row) for row in rows[1:]]
    times = []
    for run in range(int(runs)):
        begin = time.perf_counter()
        model.answer(rows[run % count])
        times.append(time.perf_counter() - begin)
    np.savez(answers, **{name: np.concatenate([each[name] for each in found]) for name in model.outputs})
    print(json.dumps({"start_s": start_s, "p50_ms": 1000 * float(np.median(times)), "memory_mb": peak_memory_mb()}))


def _as_asked(values: np.ndarray) -> np.ndarray:
    """Pixels come as uint8 to keep the file small; models take them as float32."""
    return values.astype(np.float32) if values.dtype == np.uint8 else values


if __name__ == "__main__":
    main(*sys.argv[1:])

#!/usr/bin/env python3
"""Open saved files in older versions of Keras, and compare their answers with those of the installed one.

    .venv/bin/python tools/old_keras.py runs/roadwork/fusion.keras runs/fume/fume.keras

Makes an environment for each version in a folder that is kept, 2.1 GB each; needs a package index. The exit code is 1
if one of them cannot open a file, or answers otherwise.
"""

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import click
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # kerasfusion as it is in this checkout

from kerasfusion.reporting import table  # noqa: E402

VERSIONS = {"3.5.0": "2.18.1", "3.8.0": "2.19.1", "3.11.0": "2.20.0"}
"""Keras -> the TensorFlow of its time."""
FARTHEST = 1e-5
"""Largest difference of an output: other versions multiply in another order."""
WORK = Path(tempfile.gettempdir()) / "kerasfusion-old-keras"

ANSWER = """
import sys
import keras, numpy as np
model = keras.saving.load_model(sys.argv[1], compile=False)
rng = np.random.default_rng(0)
inputs = {}
for name, tensor in model.input.items():  # pictures in 0..255; what is not a picture is probabilities, or which gases
    shape = (4, *tensor.shape[1:])
    values = rng.uniform(0, 255, shape) if len(shape) == 4 else rng.uniform(0, 1, shape).round()
    inputs[name] = values.astype("float32")
np.savez(sys.argv[2], **{name: np.asarray(value) for name, value in model(inputs, training=False).items()})
"""


def python_with(keras: str, work: Path) -> Path:
    """The Python of an environment with this version of Keras, made if it is not there."""
    folder = work / f"keras-{keras}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (folder / "complete").exists():
        click.echo(f"installing keras {keras} and tensorflow {VERSIONS[keras]} into {folder}", err=True)
        venv.create(folder, with_pip=True, clear=True)
        wanted = [f"keras=={keras}", f"tensorflow=={VERSIONS[keras]}"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
        (folder / "complete").touch()
    return python


def answers(python: Path | str, file: Path) -> dict[str, np.ndarray] | str:
    """What a version answers to the same random inputs, or the last line of why it cannot."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "answers.npz")
        command = [python, "-c", ANSWER, str(file.resolve()), str(out)]
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)
        if done.returncode:
            return (done.stderr.strip().splitlines() or ["no message"])[-1]
        with np.load(out) as found:
            return dict(found)


def row_of(keras: str, file: Path, found: dict[str, np.ndarray] | str, expected: dict[str, np.ndarray]) -> dict:
    """A line of the table; `opens` is the error where it does not."""
    row = {"file": file.name, "keras": keras, "tensorflow": VERSIONS[keras]}
    if isinstance(found, str):
        return row | {"opens": found[:80], "largest difference": None}
    apart = max(float(np.abs(found[name] - value).max()) for name, value in expected.items())
    return row | {"opens": "yes" if apart <= FARTHEST else "answers otherwise", "largest difference": apart}


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--work", type=click.Path(path_type=Path), default=WORK, show_default=True, help="Kept between runs.")
def main(files: tuple[Path, ...], work: Path) -> None:
    """Open FILES in older versions of Keras."""
    rows = []
    for file in files:
        expected = answers(sys.executable, file)
        if isinstance(expected, str):
            raise click.ClickException(f"{file}: the installed Keras cannot open it: {expected}")
        rows += [row_of(keras, file, answers(python_with(keras, work), file), expected) for keras in VERSIONS]
    click.echo(table(rows, digits=7))
    sys.exit(0 if all(row["opens"] == "yes" for row in rows) else 1)


if __name__ == "__main__":
    main()

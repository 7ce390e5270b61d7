"""Which of a model's files to open, where that is left to this program: the fastest in the precision asked for.

A trial is remembered beside the model in `timings.json`: {processor: {file: {"size", "modified_ns", "p50_ms"}}}, where
a p50_ms of null stands for a file that this machine cannot run. It holds for as long as the files stay what they are.
"""

import os
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pydantic

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.files.json_yaml import read_json, write_json
from kerasfusion.files.one_writer import turn_to_update
from kerasfusion.formats.measuring import measure, model_parts
from kerasfusion.formats.opening import FORMATS, read_description
from kerasfusion.machine.cpu import this_cpu
from kerasfusion.reporting import command_line
from kerasfusion.roadwork.detect.sample_pictures import drawn_pictures

REMEMBERED = "timings.json"
FINAL = 1.5
"""Files up to this many times as slow as the fastest are measured once more: the machine may have been busy."""


def choose_file(path: Path, precision: str, report: Callable[[str], None] = lambda line: None) -> Path:
    """Choose among a model's file and the exports of the same model beside it.

    Each candidate answers a few pictures in a process of its own, the fastest ones twice; one that this machine cannot
    run is left out with a warning. The times are remembered. A single candidate is taken without that.

    Args:
        path: `fusion.keras` or one of its exports.
        precision: "float32", "bfloat16", "int8", or "auto" for any.
        report: is told which file is taken, and that there is a trial.

    Raises:
        RequestError: there is no such export.
        KerasFusionError: this machine runs none of them.
    """
    description = read_description(path)
    if "model_sha256" not in description:
        raise RequestError(
            "trained parts have no exports", where=path, todo="name fusion.keras, or leave --precision out"
        )
    same = _files_of(description["model_sha256"], path)
    candidates = [other for other, its in same.items() if precision in ("auto", its)]
    if not candidates:
        raise RequestError(
            f"no {precision} export of this model beside it",
            where=path.parent,
            todo=command_line(["kerasfusion", "export", path, "--format", "openvino", "--precision", precision]),
        )
    if len(candidates) == 1:
        report(f"taken: {candidates[0]}")
        return candidates[0]
    times = _times(candidates, report)
    if not times:
        raise KerasFusionError(
            "this machine runs none of the model's files",
            where=path.parent,
            todo=f"delete {path.parent / REMEMBERED} to try them again",
        )
    fastest = min(times, key=times.get)
    report(f"taken: {fastest} (p50 {times[fastest]:.1f} ms)")
    return fastest


def _files_of(model_sha256: str, path: Path) -> dict[Path, str]:
    """The files of a model beside `path`, with their precisions: of each format and precision one.

    Files of other kinds or models are passed over. Of several, such as what `calibrate --undo` wrote beside its
    original, `path` itself is taken, else the shortest name: copies are named after their original.
    """
    found: dict[tuple[str, str], Path] = {}
    for other in sorted(path.parent.iterdir(), key=lambda each: (each.name != path.name, len(each.name), each.name)):
        if other.suffix in FORMATS.values():
            with suppress(RequestError):
                said = read_description(other)
                if said.get("model_sha256") == model_sha256:
                    found.setdefault((other.suffix, said["precision"]), other)
    return {other: its for (_, its), other in found.items()}


def _times(candidates: list[Path], report: Callable[[str], None]) -> dict[Path, float]:
    """Median milliseconds of the files that this machine runs, remembered or measured now."""
    memory, machine = candidates[0].parent / REMEMBERED, f"{this_cpu()}, {os.cpu_count()} cores"
    remembered = _read(memory)
    files = remembered.get(machine, {})
    if any(_identity(path).items() - files.get(path.name, {}).items() for path in candidates):
        report(f"trying {len(candidates)} files of this model; {memory} keeps what comes of it")
        times = _measure_all(candidates)
        files = {path.name: _identity(path) | {"p50_ms": times.get(path)} for path in candidates}
        # A folder that is only read costs the next call a trial, no more.
        with suppress(KerasFusionError), turn_to_update(memory):
            remembered = _read(memory)  # with what others have added
            write_json(memory, remembered | {machine: remembered.get(machine, {}) | files})
    else:
        failed = [path.name for path in candidates if files[path.name]["p50_ms"] is None]
        if failed:
            report(f"left out as before: {', '.join(failed)}; delete {memory} to try again")
    known = {path: files[path.name]["p50_ms"] for path in candidates}
    return {path: ms for path, ms in known.items() if ms is not None}


def _measure_all(candidates: list[Path]) -> dict[Path, float]:
    """The better one of two measurements, since a busy machine only ever makes a file slower; None is never better."""
    pictures = drawn_pictures(_sizes(read_description(candidates[0])), count=4)
    times: dict[Path, float] = {}
    for path in candidates:
        try:
            times[path] = measure(path, pictures).p50_ms
        except KerasFusionError as error:
            warnings.warn(f"left out: {path}: {error.what}", stacklevel=2)
    close = [path for path, ms in times.items() if ms <= FINAL * min(times.values())]
    for path in close if len(close) > 1 else ():
        with suppress(KerasFusionError):  # it has answered once
            times[path] = min(times[path], measure(path, pictures).p50_ms)
    return times


def _identity(path: Path) -> dict[str, int]:
    stats = [part.stat() for part in model_parts(path) if part.exists()]
    return {"size": sum(each.st_size for each in stats), "modified_ns": max(each.st_mtime_ns for each in stats)}


def _read(memory: Path) -> dict:
    """What was remembered; nothing where the file is damaged: it is only a memory, and is measured again."""
    try:
        return read_json(memory, dict[str, dict[str, _Timing]]) or {}
    except KerasFusionError:
        return {}


class _Timing(pydantic.BaseModel):
    size: int
    modified_ns: int
    p50_ms: pydantic.PositiveFloat | None


def _sizes(description: dict) -> dict[str, int]:
    return {name: description[f"{name}_size"] for name in description["pixels"]}

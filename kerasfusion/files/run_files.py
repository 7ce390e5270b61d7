"""The files of a run folder that a report is made from, and what `evaluate` and `benchmark` add to them."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydantic

from kerasfusion.errors import RequestError
from kerasfusion.files.json_yaml import read_json, read_yaml, update_json
from kerasfusion.yaml_text import setting_value

METRICS, EVALUATED, LATENCY, ENVIRONMENT = "metrics.json", "evaluated.json", "latency.json", "environment.json"


class _Kept(pydantic.BaseModel):
    # Pydantic before 2.10 warns of names that begin as model_sha256 does.
    model_config = pydantic.ConfigDict(protected_namespaces=())


class _Evaluated(_Kept):
    """What is relied on wherever evaluated.json is read; the reports check more."""

    model: str | None = None
    model_sha256: str | None = None
    answers_sha256: str | None = None


class _Timed(_Kept):
    stages: dict[str, dict[str, float]]


class _Environment(_Kept):
    command: str | None = None
    python: str | None = None
    platform: str | None = None
    packages: dict[str, str | None] = {}


_SHAPES = {
    METRICS: dict[str, dict[str, dict[str, Any]]],
    EVALUATED: dict[str, _Evaluated],
    LATENCY: dict[str, _Timed],
    ENVIRONMENT: _Environment,
}


def read_metrics(path: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """{split: {output: {metric: value}}} of a metrics.json; of fume also {"network": {part: {...}}}; {} without one.

    Raises:
        DamagedError: it is damaged; names each wrong key. So do the others that read.
    """
    return read_json(path, _SHAPES[METRICS]) or {}


def read_evaluated(folder: Path) -> dict[str, dict[str, Any]]:
    """{split: what its metrics were measured with}, of evaluated.json; {} without one."""
    return _read(folder, EVALUATED)


def read_latency(folder: Path) -> dict[str, dict[str, Any]]:
    """{model file: what `benchmark` measured}, of latency.json; {} without one."""
    return _read(folder, LATENCY)


def read_environment(folder: Path) -> dict[str, Any]:
    """What environment.json says of the training; {} without one."""
    return _read(folder, ENVIRONMENT)


def keep_metrics(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Rewrite metrics.json with what `change` makes of it."""
    update_json(folder / METRICS, change, _SHAPES[METRICS])


def record_evaluation(folder: Path, split: str, record: dict[str, Any]) -> None:
    """Note in evaluated.json what the metrics of a split were measured with: {split: record}."""
    update_json(folder / EVALUATED, lambda known: known | {split: record}, _SHAPES[EVALUATED])


def record_latency(model: Path, result: dict[str, Any]) -> Path | None:
    """Keep what `benchmark` measured in the model's run folder, as {file name: result} in latency.json.

    Returns:
        The file; None if the model does not lie in a run folder, or in one that cannot be written to.
    """
    folder = run_folder_of(model)
    if folder is None or not os.access(folder, os.W_OK):
        return None
    update_json(folder / LATENCY, lambda known: known | {model.name: result}, _SHAPES[LATENCY])
    return folder / LATENCY


def run_folder_of(model: Path) -> Path | None:
    """The run folder that a model's file lies in, if it lies in one."""
    return model.parent if (model.parent / "config.yaml").is_file() else None


def own_settings(folder: Path) -> list[str]:
    """The words by which a command takes a run folder's configuration, and works in this very folder.

    In a folder that was copied or renamed the configuration names the other one still.
    """
    path, here = folder / "config.yaml", folder.resolve()
    tree = read_yaml(path) or {}
    name_key, named = ("experiment.name", tree.get("experiment")) if tree.get("system") == "fume" else ("name", tree)
    is_named = Path(str(tree.get("runs_folder")), str((named or {}).get("name"))).resolve() == here
    changes = {} if is_named else {"runs_folder": str(here.parent), name_key: here.name}
    return ["-c", str(path), *(word for key in changes for word in ("--set", f"{key}={setting_value(changes[key])}"))]


def system_of_run(folder: Path) -> str:
    """ "roadwork" or "fume": what its configuration says, else what its metrics look like.

    Raises:
        RequestError: no such folder. DamagedError: a damaged file.
    """
    require_run_folder(folder)
    said = (read_yaml(folder / "config.yaml") or {}).get("system")
    return said or ("fume" if "network" in (read_json(folder / METRICS) or {}) else "roadwork")


def _read(folder: Path, name: str) -> dict[str, Any]:
    return read_json(folder / name, _SHAPES[name]) or {}


def require_run_folder(folder: Path) -> None:
    """Check that a run is named by its folder.

    Raises:
        RequestError: a file, or nothing, has this name.
    """
    if folder.is_file():
        raise RequestError("this is a file", where=folder, expected="a run folder", todo=f"name {folder.parent}")
    if not folder.is_dir():
        raise RequestError("the run folder does not exist", where=folder, todo="name a folder such as runs/roadwork")


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """{"section.key": value as in YAML} of nested mappings."""
    found: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return found


def different_names(first: Path, second: Path) -> tuple[str, str]:
    """What two runs are called beside each other: their folders' names, with what tells them apart if these are one.

    Raises:
        RequestError: it is one folder twice.
    """
    first, second = first.resolve(), second.resolve()
    if first == second:
        raise RequestError("the same run twice", where=first, expected="two runs")
    if first.name != second.name:
        return first.name, second.name
    a, b = ("-".join(folder.parts[-2:]) for folder in (first, second))
    return (a, b) if a != b else (f"{a}-1", f"{b}-2")


def settings_side_by_side(a: dict[str, Any], b: dict[str, Any], name_a: str, name_b: str) -> list[dict[str, str]]:
    """The settings in which two configurations differ: a row each, "not set" where one lacks the key."""
    flat_a, flat_b = flat(a), flat(b)
    return [
        {"setting": key, name_a: flat_a.get(key, "not set"), name_b: flat_b.get(key, "not set")}
        for key in dict.fromkeys([*flat_a, *flat_b])
        if flat_a.get(key) != flat_b.get(key)
    ]

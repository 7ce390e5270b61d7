"""What every run leaves beside its results, so that it can be understood and made again: settings and environment."""

import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from kerasfusion.address import Address, Place
from kerasfusion.config import to_yaml
from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.files.json_yaml import read_json, write_json
from kerasfusion.files.one_writer import only_writer
from kerasfusion.files.writing import LOCK, existing_part, own_partial, part_of, write_text
from kerasfusion.reporting import command_line

PACKAGES = ("kerasfusion", "tensorflow", "keras", "keras-hub", "keras-cv", "ultralytics", "torch", "numpy", "pillow")

IN_PLACE_OF = {"tensorflow": "tensorflow-cpu"}
"""Package -> another that brings the same modules."""

_DEMO = ".kerasfusion-demo"
_KEPT = {_DEMO, LOCK}


def describe_run(folder: Path, config: Any) -> None:
    """Write `config.yaml` (resolved) and `environment.json` into the run folder."""
    write_text(folder / "config.yaml", to_yaml(config))
    write_json(folder / "environment.json", environment())


def claim_checkpoints(folder: Path, settings: dict[str, Any]) -> Path:
    """The folder of a run's checkpoints, which are only gone on with under the settings that they were begun with.

    Settings without a checkpoint (`*.npz`) are of a run that never finished an epoch: they bind nobody.

    Args:
        folder: the run's.
        settings: JSON value: all that decides the trained weights.

    Raises:
        RequestError: an earlier run had other settings; names each that differs.
    """
    refuse_other_settings(folder, settings)
    path = folder / "checkpoints" / "settings.json"
    write_json(path, settings)
    return path.parent


def binding_settings(folder: Path) -> Path | None:
    """The file of the settings that a run folder's checkpoints were begun with; None where they bind nobody."""
    path = folder / "checkpoints" / "settings.json"
    kept = (each for each in path.parent.glob("*.npz") if part_of(each.name) is None)
    return path if path.exists() and any(kept) else None


def forget_checkpoints(folder: Path) -> None:
    """Delete a run's checkpoints, all or none of them: the run begins anew.

    Raises:
        KerasFusionError: another program holds one of them, or they may not be deleted.
    """
    path = folder / "checkpoints"
    aside = own_partial(path)
    shutil.rmtree(aside, ignore_errors=True)  # left over: in a container every process may have the same number
    try:
        path.rename(aside)
    except FileNotFoundError:
        return
    except OSError as error:
        raise KerasFusionError(
            f"the checkpoints of the earlier run cannot be deleted: {error.strerror or error}",
            where=path,
            todo="close the program that has one of them open, then run the same command again",
        ) from error
    shutil.rmtree(aside, ignore_errors=True)


def refuse_other_settings(folder: Path, settings: dict[str, Any]) -> None:
    """The check of `claim_checkpoints`, which writes nothing."""
    if path := binding_settings(folder):
        changed = differences(
            json.loads(json.dumps(settings)), read_json(path, todo="begin this run anew with --restart") or {}
        )
        if changed:
            raise RequestError(
                "the run folder holds a run with other settings:\n  - " + "\n  - ".join(changed),
                where=folder,
                todo="give this run another --name, or begin it anew with --restart",
            )


def differences(expected: dict[str, Any], found: dict[str, Any], prefix: str = "") -> list[str]:
    """Name every key whose value differs between two (nested) mappings, with both values: then and now."""
    lines = []
    for key in sorted(expected.keys() | found.keys()):
        ours, theirs = expected.get(key), found.get(key)
        if isinstance(ours, dict) and isinstance(theirs, dict):
            lines += differences(ours, theirs, f"{prefix}{key}.")
        elif ours != theirs:
            lines.append(f"{prefix}{key}: was {_short(theirs)}, is now {_short(ours)}")
    return lines


def require_folder(*folders: Place) -> None:
    """Check, before long work, that files can be written to folders; they need not exist yet, but an address' bucket.

    Raises:
        RequestError: one, or a folder above it, is a file or may not be written to; or what `require_bucket` raises.
    """
    for folder in folders:
        if isinstance(folder, Address):
            folder.require_bucket()
            continue
        existing = existing_part(folder)
        if not existing.is_dir():
            raise RequestError(
                "this is a file",
                where=existing,
                expected="a folder, or a name that is not taken",
                todo="name another one",
            )
        if not os.access(existing, os.W_OK | os.X_OK):
            raise RequestError("this folder cannot be written to", where=existing, todo="name another one")


def refuse_used(out: Path, what: str, numbers: Mapping[str, int]) -> None:
    """Check what is asked for where something is generated: a folder of its own, and numbers of 0 or more.

    Args:
        out: the folder.
        what: is generated into it, for the message.
        numbers: the seed and what is counted, by name.

    Raises:
        RequestError: the folder holds something or is a file, or a number is negative.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RequestError(
            f"the folder for the generated {what} is already in use",
            where=out,
            expected="a folder that does not exist or is empty",
            todo="name another folder, or remove this one first",
        )
    for name, value in numbers.items():
        if value < 0:
            raise RequestError(f"{name} is {value}", where=name, expected="0 or more", todo="give another number")


@contextmanager
def demo_folder(folder: Path) -> Iterator[None]:
    """Hold an empty folder for a demo; one that an earlier demo made is emptied.

    Raises:
        RequestError: the folder holds something else, or cannot be written to.
        KerasFusionError: another demo is at work in it.
    """
    require_folder(folder)
    _refuse_foreign(folder)  # before a lock is put into it
    with only_writer(folder, "demo's folder"):
        _refuse_foreign(folder)
        (folder / _DEMO).touch()
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name not in _KEPT:
                path.unlink()
        yield


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and {path.name for path in folder.iterdir()} - _KEPT and not (folder / _DEMO).exists():
        raise RequestError("the folder holds something else", where=folder, todo="name another folder with --out")


def environment() -> dict[str, Any]:
    """Python, system and package versions, and the command line."""
    return {
        "command": command_line([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) or _version(IN_PLACE_OF.get(name, name)) for name in PACKAGES},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _short(value: Any) -> str:
    """As one would write it in YAML: null, true, [a, b]."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 24 else f"{text[:12]}..."

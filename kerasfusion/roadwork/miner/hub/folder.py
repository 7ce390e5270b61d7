"""A folder as model hubs want it: the model, README.md, and model_card.json as the subnet's validators read it."""

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Annotated, Any

import pydantic

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.files.json_yaml import read_json, write_json
from kerasfusion.files.one_writer import only_writer_of
from kerasfusion.files.writing import copy_file, part_of, remove_abandoned, require_free_space, write_text
from kerasfusion.formats.measuring import measure, model_parts, refuse_nonfinite
from kerasfusion.roadwork.detect.sample_pictures import drawn_pictures
from kerasfusion.roadwork.miner.hub.card import Card, render, sizes
from kerasfusion.roadwork.miner.hub.evidence import Evidence, find_evidence
from kerasfusion.roadwork.miner.hub.hotkey import refuse_other_than_hotkey
from kerasfusion.roadwork.miner.whole_model import describe_whole

MODEL_CARD, README, MARK = "model_card.json", "README.md", ".kerasfusion-package.json"
PICTURES = 4


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        model: `fusion.keras` or an export of it.
        out: the folder; made, or one that an earlier call made.
        name: the model's name.
        version: X.Y.Z.
        submitted_by: SS58 address of a hotkey.
        description: one line; None says what the model is.
        licence: as the hub spells licences.
        evaluation: metrics.json; None looks beside the model.
    """

    model: Path
    out: Path
    name: str
    version: str
    submitted_by: str
    description: str | None = None
    licence: str = "agpl-3.0"
    evaluation: Path | None = None


@dataclass(frozen=True)
class HubFolder:
    """What was made.

    Attributes:
        folder: where.
        files: names of the files in it that belong on the hub.
        model_card: what model_card.json says.
        evidence: the evaluation of this file, or why there is none.
    """

    folder: Path
    files: list[str]
    model_card: dict[str, Any]
    evidence: Evidence


def make_folder(request: Request, report: Callable[[str], None] = print) -> HubFolder:
    """Make the folder, or bring one that was made by an earlier call up to date.

    Args:
        request: what is asked for.
        report: takes a line for the person who waits.

    Raises:
        RequestError: a wrong name, version or hotkey, no model of roadwork, an evaluation of another file, or a folder
            with other things in it or with texts that were edited since they were made. The folder is left as it was.
        KerasFusionError: the file does not answer in a process of its own, or another run is writing the folder.
    """
    _refuse_wrong_texts(request)
    with only_writer_of(request.out):
        return _make(request, report)


def _make(request: Request, report: Callable[[str], None]) -> HubFolder:
    description = _describe(request.model)
    earlier = _refuse_foreign_files(request.out)
    evidence = find_evidence(request.model, request.evaluation)
    if paths := list(_paths_of_this_machine(description)):
        report(f"note: the model's file names folders of this machine, which go with it: {', '.join(paths)}")
    report(f"asking {request.model} in a process of its own")
    refuse_nonfinite(measure(request.model, drawn_pictures(sizes(description), PICTURES), runs=1), request.model)
    digests = {part.name: file_sha256(part) for part in model_parts(request.model)}
    model_card = _model_card(request, description, evidence, digests)
    names = [*digests, README, MODEL_CARD]
    card = Card(model_card, request.licence, description, evidence, digests)
    _write(request, names, earlier, digests, render(card), model_card)
    return HubFolder(request.out, names, model_card, evidence)


def _refuse_wrong_texts(request: Request) -> None:
    texts = {"--name": request.name, "--description": request.description}
    for option, text in texts.items():
        if text is not None and (not text.strip() or not text.isprintable()):
            raise RequestError("one line of text is needed", where=option, expected="printable characters")
    if not re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", request.version, re.ASCII):
        raise RequestError(f"{request.version!r} is no version", where="--version", expected="X.Y.Z, such as 1.0.0")
    if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", request.licence):
        raise RequestError(
            f"{request.licence!r} is no licence's short name",
            where="--licence",
            expected="as https://huggingface.co/docs/hub/repositories-licenses spells it, such as agpl-3.0 or other",
        )
    refuse_other_than_hotkey(request.submitted_by)


def _describe(model: Path) -> dict[str, Any]:
    description = describe_whole(model)
    if missing := [part for part in model_parts(model) if not part.is_file()]:
        raise RequestError("a part of the model is missing", where=missing[0], todo="copy it beside the model again")
    return description


def _refuse_foreign_files(folder: Path) -> list[str]:
    """Names of the files that an earlier call made."""
    if not folder.exists():
        return []
    if not folder.is_dir():
        raise RequestError("this is a file", where=folder, expected="a folder, or a name that is not taken")
    record = _read_mark(folder)
    earlier = record.get("files", [])
    known = {*earlier, MARK}
    there = (path.name for path in folder.iterdir())
    foreign = sorted(name for name in there if name not in known and part_of(name) not in known)
    if foreign:
        raise RequestError(
            f"the folder holds other things: {', '.join(foreign[:5])}",
            where=folder,
            expected="an empty folder, a new name, or one that this command made",
            todo="name another folder with --out, or move them away",
        )
    for name, digests in record.get("texts", {}).items():
        if _digest(folder / name) not in (None, *digests):
            raise RequestError(
                "this file was edited since it was made, and would be written anew",
                where=folder / name,
                todo="move it away, make the folder again and put the edit in again; or name another folder with --out",
            )
    return earlier


def _plain(name: str) -> str:
    if name in ("", ".", "..") or PureWindowsPath(name).name != name:
        raise ValueError("not the name of a file in this folder")
    return name


_Name = Annotated[str, pydantic.AfterValidator(_plain)]
"""The mark may have come with the folder: what it names is deleted where it is no longer made."""


class _Mark(pydantic.BaseModel):
    files: list[_Name]
    models: dict[str, str]
    texts: dict[_Name, list[str]]


def _read_mark(folder: Path) -> dict[str, Any]:
    """What an earlier call noted; {} where there was none."""
    return read_json(folder / MARK, _Mark, _anew(folder)) or {}


def _anew(folder: Path) -> str:
    return f"delete the folder {folder}, then run the same command again"


def _paths_of_this_machine(value: Any) -> Iterator[str]:
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if isinstance(each, str) and Path(each).is_absolute():
            yield each
        else:
            yield from _paths_of_this_machine(each)


def _model_card(request: Request, description: dict, evidence: Evidence, digests: dict[str, str]) -> dict[str, Any]:
    branches = ", ".join(name for name in description["outputs"] if name != "fusion")
    said = {
        "model_name": request.name,
        "description": request.description or f"P(roadwork) of street photos, fused of {branches}",
        "version": request.version,
        "submitted_by": request.submitted_by,
        "submission_time": int(time.time()),
        "validated": evidence.missing is None,
    }
    before = read_json(request.out / MODEL_CARD, todo=_anew(request.out))
    if before is not None and _read_mark(request.out).get("models") == digests:
        known = before | {"submission_time": said["submission_time"]}
        if known == said:
            return before  # the same submission: making it again changes nothing
    return said


def _write(
    request: Request, names: list[str], earlier: list[str], digests: dict[str, str], readme: str, model_card: dict
) -> None:
    folder = request.out
    texts = {README: readme, MODEL_CARD: json.dumps(model_card, indent=2, ensure_ascii=False) + "\n"}
    made = {name: [hashlib.sha256(text.encode()).hexdigest()] for name, text in texts.items()}
    before = _read_mark(folder).get("texts", {})
    parts = [part for part in model_parts(request.model) if digests[part.name] != _digest(folder / part.name)]
    require_free_space(folder, sum(part.stat().st_size for part in parts))
    # First what will be here, so that a killed call's files are known as its own.
    either = {name: its + before.get(name, []) for name, its in made.items()}
    write_json(folder / MARK, {"files": sorted({*names, *earlier}), "models": {}, "texts": either})
    remove_abandoned(folder, is_held=True)
    for name in set(earlier) - set(names):
        (folder / name).unlink(missing_ok=True)
    for part in parts:
        copy_file(part, folder / part.name)
    for name, text in texts.items():
        write_text(folder / name, text)
    write_json(folder / MARK, {"files": names, "models": digests, "texts": made})


def _digest(path: Path) -> str | None:
    return file_sha256(path) if path.is_file() else None

"""Put the one file into a miner's source tree as its detector InceptionFusion, and take it out again.

Three things change in the tree: a module and its YAML are written, and one line in detectors/__init__.py imports the
module, since the miner's registry only knows what that package imports.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from kerasfusion.config import load_config
from kerasfusion.errors import RequestError
from kerasfusion.files.one_writer import only_writer_of
from kerasfusion.files.writing import write_file
from kerasfusion.roadwork.miner.plugin.detector_module import IMPORT_LINE, imported_names, module_text
from kerasfusion.roadwork.miner.plugin.detector_settings import DetectorSettings
from kerasfusion.roadwork.miner.plugin.install_record import (
    NAME,
    Edit,
    InstallRecord,
    LineEntry,
    read_record,
    write_record,
)
from kerasfusion.roadwork.miner.plugin.layout import CONFIG, DETECTOR, Layout, find_layout
from kerasfusion.roadwork.miner.plugin.line_edits import apply_edits, read_lines, undo_edits
from kerasfusion.roadwork.miner.plugin.miner_env import env_edits, read_env
from kerasfusion.roadwork.miner.plugin.whole_files import keep_original, restore_file
from kerasfusion.roadwork.miner.whole_model import describe_whole


@dataclass(frozen=True)
class InstallRequest:
    """What is installed where.

    Attributes:
        root: top folder of the miner's source tree.
        model: `fusion.keras` or an export of it; may be left out where a service answers.
        precision, tta, full: as DetectorSettings has them.
        service_url: of `kerasfusion miner serve`; None answers in the miner's process.
        device: what miner.env says: "cpu", "cuda" or "auto".
        write_env: whether miner.env is changed.
    """

    root: Path
    model: Path | None
    precision: str | None = None
    tta: bool = False
    full: bool = False
    service_url: str | None = None
    device: str = "cpu"
    write_env: bool = False

    @property
    def variables(self) -> dict[str, str]:
        """What miner.env must say."""
        return {
            "IMAGE_DETECTOR": DETECTOR,
            "IMAGE_DETECTOR_CONFIG": CONFIG,
            "IMAGE_DETECTOR_DEVICE": self.device,
        }


def install(request: InstallRequest, report: Callable[[str], None] = lambda line: None) -> list[Path]:
    """Write module, YAML, import line and, if asked for, miner.env. Run again, it changes only what differs.

    Returns:
        The files that were changed.

    Raises:
        RequestError: no miner's tree, no roadwork model, a miner.env that the tree's own script has yet to make or that
            cannot be read, or a file that was edited since it was installed; then nothing of ours is written.
        KerasFusionError: another run installs or uninstalls there.
    """
    layout = find_layout(request.root)
    with only_writer_of(layout.detectors / NAME):
        return _install(layout, request, report)


def _install(layout: Layout, request: InstallRequest, report: Callable[[str], None]) -> list[Path]:
    if layout.env.exists():
        read_env(layout.env)  # one that the shell reads otherwise is refused before anything is written
    if request.write_env:
        _refuse_to_forestall(layout)
    texts = {layout.config: _config_text(request, report), layout.module: module_text(layout)}
    record = read_record(layout.detectors) or InstallRecord()
    before = {path: _bytes(path) for path in (*texts, layout.detectors / "__init__.py", layout.env)}
    for path, text in texts.items():
        name = _name(layout, path)
        record.files[name] = keep_original(path, record.files.get(name), text)
    write_record(layout.detectors, record)  # before the first change, so that an interrupted run can be undone
    for path, text in texts.items():
        if before[path] != text:
            write_file(path, text)
    for path, edits in _edits(layout, request).items():
        name = _name(layout, path)

        def keep(entry: LineEntry, name: str = name) -> None:
            record.lines[name] = entry
            write_record(layout.detectors, record)

        apply_edits(path, record.lines.get(name), edits, keep)
    return [path for path, data in before.items() if _bytes(path) != data]


def uninstall(root: Path) -> list[str]:
    """Undo `install`, byte for byte; what was edited since stays.

    Returns:
        What was done, for a person.

    Raises:
        RequestError: no miner's tree, or nothing was installed there.
        KerasFusionError: another run installs or uninstalls there.
    """
    layout = find_layout(root)
    with only_writer_of(layout.detectors / NAME):
        return _uninstall(layout)


def _uninstall(layout: Layout) -> list[str]:
    record = read_record(layout.detectors)
    if record is None:
        raise RequestError("nothing was installed here", where=layout.detectors, expected=NAME)
    done = []
    # Only these: the record may have come with the tree.
    for path in (layout.detectors / "__init__.py", layout.env):
        if entry := record.lines.get(_name(layout, path)):
            done += undo_edits(path, entry)
    for path in (layout.config, layout.module):
        if entry := record.files.get(_name(layout, path)):
            done.append(restore_file(path, entry))
    (layout.detectors / NAME).unlink()
    return done


def _refuse_to_forestall(layout: Layout) -> None:
    """The script passes over a miner.env that is there: wallet, network and port would never be in it."""
    if layout.setup is not None and not layout.env.exists():
        script = layout.setup.relative_to(layout.root).as_posix()
        raise RequestError(
            f"there is no miner.env yet; with one of ours, {script} would not write wallet, network and port into it",
            where=layout.env,
            todo=f"run {script} first (bash {script} in {layout.root}), or leave --write-env out",
        )


def _config_text(request: InstallRequest, report: Callable[[str], None]) -> bytes:
    if request.model is not None:
        describe_whole(request.model)
    if request.service_url is not None:
        if request.precision or request.tta or request.full:
            raise RequestError(
                "with a service, precision, tta and full are chosen where it is started", where="--service"
            )
        settings = _service_settings(request.service_url)
        keys = {"service_url": settings.service_url, "timeout_s": settings.timeout_s}
    elif request.model is None:
        raise RequestError("neither a model nor a service is named", expected="--model FILE or --service URL")
    else:
        if request.precision:
            from kerasfusion.roadwork.detect.precision import choose_file

            choose_file(request.model, request.precision, report)  # that there is one; a trial is remembered
        keys = {
            "model_path": str(request.model.parent.resolve() / request.model.name),
            "precision": request.precision,
            "tta": request.tta,
            "full": request.full,
        }
    return ("# Written by kerasfusion miner install.\n" + yaml.safe_dump(keys, sort_keys=False)).encode()


def _service_settings(url: str) -> DetectorSettings:
    try:
        return load_config(DetectorSettings, flags={"service_url": url})
    except RequestError as error:
        raise RequestError(
            f"not the address of a service: {url}", where="--service", expected="such as http://127.0.0.1:8100"
        ) from error


def _edits(layout: Layout, request: InstallRequest) -> dict[Path, list[Edit]]:
    """The lines to change, by file; only files with any."""
    edits = {}
    if not imported_names(layout):
        edits[layout.detectors / "__init__.py"] = [Edit(written=IMPORT_LINE, before=None)]
    if request.write_env:
        edits[layout.env] = env_edits(read_lines(layout.env), request.variables)
    return {path: found for path, found in edits.items() if found}


def _name(layout: Layout, path: Path) -> str:
    return path.relative_to(layout.root).as_posix()


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None

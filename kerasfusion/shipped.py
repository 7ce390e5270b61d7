"""What comes with the package and is no code: configurations to start from, the tested versions, notebooks."""

from pathlib import Path

from kerasfusion.errors import RequestError
from kerasfusion.files.run_folder import require_folder
from kerasfusion.files.writing import copy_file

PACKAGE = Path(__file__).parent
IN_WHEEL = PACKAGE / "shipped"
"""Where a wheel holds them (setup.py); the source has them beside the package."""

STARTING_FILES = {
    "roadwork": ("configs/roadwork.yaml", "configs/miner/*.yaml", "tools/colab.ipynb"),
    "fume": ("configs/fume/**/*.yaml", "tools/colab_fume.ipynb"),
}
"""{system: what its guide speaks of}, each file under the name that it has there."""

OF_BOTH = ("configs/REFERENCE.md", "tools/constraints.txt")


def write_starting_files(system: str, folder: Path) -> list[Path]:
    """Copy a system's starting files below `folder`, so that the command lines of its guide work there.

    Args:
        system: a key of STARTING_FILES.
        folder: made if need be. Files that are there already, byte for byte, stay as they are.

    Returns:
        What was written, in the order of the names: nothing if all of it was there.

    Raises:
        RequestError: another file has such a name, or the folder cannot be; nothing is written.
        KerasFusionError: a file cannot be written.
    """
    require_folder(folder)
    source = IN_WHEEL if IN_WHEEL.is_dir() else PACKAGE.parent
    names = [path for pattern in (*STARTING_FILES[system], *OF_BOTH) for path in sorted(source.glob(pattern))]
    wanted = {path: folder / path.relative_to(source) for path in names}
    require_folder(*{target.parent for target in wanted.values()})
    new = {path: target for path, target in wanted.items() if not (target.exists() or target.is_symlink())}
    others = [target for path, target in wanted.items() if path not in new and not _is_copy(path, target)]
    if others:
        shown = ", ".join(target.relative_to(folder).as_posix() for target in others)
        raise RequestError(
            f"{shown}: there already, with other content",
            where=folder,
            expected="a folder without such files; nothing is overwritten",
            todo="choose another folder, and take over what you need from there",
        )
    for path, target in new.items():
        copy_file(path, target)
    return list(new.values())


def _is_copy(path: Path, target: Path) -> bool:
    return target.is_file() and target.read_bytes() == path.read_bytes()

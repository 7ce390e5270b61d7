"""Copies of files from an address in the user's own cache: what is here and unchanged is not brought again."""

from collections.abc import Sequence
from pathlib import Path

from kerasfusion.address import Address
from kerasfusion.errors import KerasFusionError
from kerasfusion.files.digests import lines_sha256
from kerasfusion.files.writing import require_free_space, write_file
from kerasfusion.parallel import ordered_map
from kerasfusion.progress import track

THREADS = 16
"""That ask at a time: most of a small file's time is waiting."""


def home_folder() -> Path:
    """Where the copies are kept; it may be deleted at any time."""
    return Path.home() / ".cache" / "kerasfusion" / "at_home"


def home_path(address: Address) -> Path:
    """Where the copy of a listed file is, or will be.

    Its name is a digest of address and version, so that a file that changes has another: keys are longer than file
    names may be, differ in capitals alone, and hold what other systems forbid.
    """
    digest = lines_sha256([address.url, str(address.size), str(address.version)])
    return home_folder() / digest[:2] / f"{digest}{address.suffix.lower()}"


def bring_home(addresses: Sequence[Address], label: str) -> list[Path]:
    """Copies of listed files, in their order.

    A copy is written whole or not at all: a run that is killed goes on where it was.

    Args:
        addresses: with versions, as `Address.files` lists them.
        label: what is brought, for the progress.

    Raises:
        RequestError: as `Address.read_bytes`.
        KerasFusionError: the same; no room here; or a file is gone or has another size than was listed.
    """
    paths = [home_path(address) for address in addresses]
    missing = [pair for pair in zip(addresses, paths, strict=True) if not _is_here(*pair)]
    if missing:
        home_folder().mkdir(parents=True, exist_ok=True)
        require_free_space(home_folder(), sum(address.size or 0 for address, _ in missing))
        work = ordered_map(_bring, missing, ahead=4 * THREADS, threads=THREADS)
        for _ in track(work, f"bring {label} home", total=len(paths), done=len(paths) - len(missing)):
            pass
    return paths


def _is_here(address: Address, path: Path) -> bool:
    try:
        return address.size in (None, path.stat().st_size)
    except OSError:
        return False


def _bring(pair: tuple[Address, Path]) -> None:
    address, path = pair
    try:
        data = address.read_bytes()
    except FileNotFoundError as error:
        raise _changed(address) from error
    if address.size not in (None, len(data)):
        raise _changed(address)
    write_file(path, data)


def _changed(address: Address) -> KerasFusionError:
    return KerasFusionError(
        "a file is gone, or not the one that was listed", where=address, todo="run the same command again"
    )

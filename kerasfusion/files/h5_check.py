"""What an HDF5 file of weights may hold: numbers, all of them in the file itself.

HDF5 lets a file point into others, by links, by data kept outside or put together from elsewhere, and declare arrays
far larger than what it stores. Opened as weights, another file's content would become the model's (CVE-2026-1669).
"""

from pathlib import Path

from kerasfusion.errors import RequestError, first_line

EXPANSION = 20
"""An array may be this many times as large as what the file stores of it, from FLOOR bytes on."""
FLOOR = 1_000_000


def refuse_foreign_weights(weights: Path, path: Path) -> None:
    """Check every group and array of a weights file.

    Args:
        weights: the HDF5 file.
        path: what to name in an error: the file that it came in.

    Raises:
        RequestError: not HDF5, damaged, or with anything but plain arrays of numbers; names it.
    """
    import h5py

    try:
        with h5py.File(weights, "r") as file:
            _check_groups(file, path)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:  # what h5py raises on damaged files
        what = f"the weights in the file are damaged: {first_line(error)}"
        raise RequestError(what, where=path, todo="copy the file again, or make it again") from error


def _check_groups(file, path: Path) -> None:
    import h5py

    seen, waiting = {file.id.__hash__()}, [file]
    while waiting:
        group = waiting.pop()
        for name in group:
            place = f"{group.name.rstrip('/')}/{name}"
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                target = f"{getattr(link, 'filename', '')} {link.path}".strip()
                _refuse(f"{place} is a link to {target!r}", path)
            each = group[name]
            if isinstance(each, h5py.Dataset):
                _check_array(each, place, path)
            elif not isinstance(each, h5py.Group) or each.id.__hash__() in seen:
                _refuse(f"{place} is neither an array nor a group of its own", path)
            else:
                seen.add(each.id.__hash__())
                waiting.append(each)


def _check_array(array, place: str, path: Path) -> None:
    if array.external:
        _refuse(f"{place} is kept in another file: {array.external[0][0]!r}", path)
    if array.is_virtual:
        _refuse(f"{place} is put together from another file: {array.virtual_sources()[0].file_name!r}", path)
    if array.dtype.hasobject or array.dtype.fields:
        _refuse(f"{place} holds {array.dtype} and not numbers", path)
    if array.nbytes > max(FLOOR, EXPANSION * array.id.get_storage_size()):
        _refuse(f"{place} declares {array.nbytes:,} bytes and stores {array.id.get_storage_size():,}", path)


def _refuse(what: str, path: Path) -> None:
    raise RequestError(
        f"refused, nothing was run: {what}",
        where=path,
        expected="weights as Keras writes them: arrays of numbers in the file itself",
        todo="do not open this file with other programs either, unless you trust whoever made it",
    )

"""Whether a source still says what it said when it was imported, and which rows do not."""

from collections.abc import Mapping

from kerasfusion.errors import RequestError
from kerasfusion.roadwork.data.importing.record import ImportRecord, row_number

_NAMED = 10


def refuse_changes(record: ImportRecord, now: Mapping[str, str], source: str) -> None:
    """Stop where the source gives other photos or labels than those that were imported.

    Args:
        record: of the earlier import.
        now: {path below OUT: sha256} as the source says now, of the splits that were imported.
        source: SOURCE as it is given now.

    Raises:
        RequestError: names ten of the rows or files.
    """
    changes = describe_changes(record.digests, now)
    if not changes:
        return
    more = [f"and {len(changes) - _NAMED} more"] if len(changes) > _NAMED else []
    what = "the source has changed since" if source == record.source else "OUT holds an import of another source"
    raise RequestError(
        f"{what}: {len(changes)} differ: {'; '.join(changes[:_NAMED] + more)}",
        where=record.out,
        expected=f"{record.source} as it was ({record.identity})",
        todo="take the source as it is now with --update, or choose another OUT",
    )


def describe_changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """One line for each photo that differs between two {path below OUT: sha256}."""
    old, new = _by_photo(before), _by_photo(now)
    lines = []
    for name in sorted(old.keys() | new.keys()):
        (was, was_digest), (is_, is_digest) = old.get(name, (None, None)), new.get(name, (None, None))
        if was is None or is_ is None:
            lines.append(f"{name} {'is new' if was is None else 'is gone'}")
        elif was.split("/")[1] != is_.split("/")[1]:
            lines.append(f"{name} was {was.split('/')[1]}, is {is_.split('/')[1]}")
        elif was_digest != is_digest:
            lines.append(f"{name} is another photo")
    return lines


def _by_photo(files: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """{what the photo is called in the source: (path below OUT, sha256)}; its class is not part of that name."""
    found: dict[str, tuple[str, str]] = {}
    for path, digest in files.items():
        split, _, rest = path.partition("/")
        row = row_number(split, path)
        name = f"{split}/{rest.partition('/')[2]}" if row is None else f"split {split}, row {row}"
        # A photo of one name in both classes is known by its class too.
        found[name if name not in found else path] = (path, digest)
    return found

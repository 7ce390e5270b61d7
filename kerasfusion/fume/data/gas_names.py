"""What the names of files and folders say of the gas that a frame or a film shows."""

import re
from collections.abc import Iterable
from pathlib import Path, PurePath

from kerasfusion.fume.data.annotations import GASES

GAS_IN_NAME = {gas: re.compile(rf"(?i)[ _.-]?(?<![a-z0-9]){gas}(?![a-z0-9])") for gas in GASES}
"""Gas -> where a file's name says it, with the separator before it."""


def without_gas(name: str, gas: str) -> str:
    """A file's name without the gas in it: a_co2_1 and a_ch4_1 are both a_1."""
    return GAS_IN_NAME[gas].sub("", name).strip(" _.-")


def named_gas(path: PurePath) -> str | None:
    """The gas that a file's name has in it, or else that the nearest folder is called by, such as ch4/0001.png.

    Returns:
        "co2" or "ch4"; None if nothing says it, or the file's name has both.
    """
    said = [gas for gas in GASES if GAS_IN_NAME[gas].search(path.name)]
    if not said:
        said = [name for folder in path.parents if (name := folder.name.lower()) in GASES][:1]
    return said[0] if len(said) == 1 else None


def original_of(film: Path, gas: str) -> str:
    """What a film shows, whatever the gas: its name without the gas, or else that of the nearest folder with more."""
    path = film.parent.resolve() / film.name
    names = [path.stem, *(folder.name for folder in path.parents)]
    return next((left for name in names if (left := without_gas(name, gas))), gas)


def misnamed(given: Iterable[tuple[str, PurePath]]) -> list[str]:
    """A warning if names say the other gas.

    Args:
        given: ("co2" or "ch4", the file that is taken for a frame of it).

    Returns:
        One line, or none.
    """
    other = [(gas, path) for gas, path in given if named_gas(path) not in (None, gas)]
    if not other:
        return []
    gas, path = other[0]
    more = f", and {len(other) - 1} more" if len(other) > 1 else ""
    return [f"{path} is taken for {gas.upper()}, and its name says {named_gas(path).upper()}{more}"]

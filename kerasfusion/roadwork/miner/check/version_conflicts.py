"""Whether kerasfusion and a miner's packages can share one Python environment."""

import importlib.metadata
from collections.abc import Iterable, Iterator, Mapping

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from kerasfusion.files.run_folder import IN_PLACE_OF
from kerasfusion.roadwork.miner.check.their_requirements import PYTHON, Need, parse_need

THE_SAME = {build: name for name, build in IN_PLACE_OF.items()}
"""A build of a package -> the package that is asked for."""


def our_needs() -> dict[str, Need]:
    """What the base installation of this package asks for, by name, with PYTHON."""
    lines = importlib.metadata.requires("kerasfusion") or []
    needs = [need for line in lines if (need := parse_need(line, "kerasfusion"))]
    python = importlib.metadata.metadata("kerasfusion")["Requires-Python"]
    return {need.name: need for need in [Need(PYTHON, python, SpecifierSet(python), "kerasfusion"), *needs]}


def find_conflicts(
    theirs: Iterable[Need], ours: Mapping[str, Need], installed: Mapping[str, str]
) -> list[dict[str, str | None]]:
    """The ranges that no version meets on both sides; and their Python, if this package does not run on it.

    Args:
        theirs: what the miner's side asks for.
        ours: as `our_needs` gives it.
        installed: name -> version in the miner's environment.

    Returns:
        Rows {"package", "theirs", "ours", "installed there"}.
    """
    rows = []
    for need in sorted(theirs, key=lambda need: need.name):
        our = ours.get(THE_SAME.get(need.name, need.name))
        if our and not can_be_met(need.versions & our.versions):
            rows.append(_row(need.name, f"{need.text} ({need.source})", our, installed))
    python = installed.get(PYTHON)
    if python and python not in ours[PYTHON].versions and not any(row["package"] == PYTHON for row in rows):
        rows.insert(0, _row(PYTHON, "as installed", ours[PYTHON], installed))
    return rows


def can_be_met(versions: SpecifierSet) -> bool:
    """Whether some version is in a range: where one is, so is one of the range's own numbers or a neighbour of one."""
    if any(each.operator == "===" for each in versions):
        return True  # a text, which need not be a version
    return not len(versions) or any(near in versions for each in versions for near in _near(each.version))


def _near(text: str) -> Iterator[str]:
    """A bound's number, one just above, and one just below."""
    number = text.removesuffix(".*")
    yield number
    release = list(Version(number).release)
    epoch = f"{Version(number).epoch}!"
    yield epoch + ".".join(map(str, [*release, 0, 0, 1]))
    while release and release[-1] == 0:
        release.pop()
    if release:
        yield epoch + ".".join(map(str, [*release[:-1], release[-1] - 1, 999_999]))


def _row(name: str, theirs: str, our: Need, installed: Mapping[str, str]) -> dict[str, str | None]:
    return {"package": name, "theirs": theirs, "ours": our.text, "installed there": installed.get(name)}

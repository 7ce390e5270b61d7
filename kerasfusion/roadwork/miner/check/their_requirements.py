"""Which versions of Python and of packages a miner's source tree asks for."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from kerasfusion.errors import RequestError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PYTHON = "python"
LISTED = "requirements.miner.txt"


@dataclass(frozen=True)
class Need:
    """One version range that is asked for.

    Attributes:
        name: canonical name of the package, or PYTHON.
        text: the range as it is written there.
        versions: the range.
        source: who asks.
    """

    name: str
    text: str
    versions: SpecifierSet
    source: str


def read_needs(root: Path) -> list[Need]:
    """The ranges in pyproject.toml and requirements.miner.txt; none where neither is there.

    Raises:
        RequestError: pyproject.toml is not TOML.
    """
    return _from_pyproject(root / "pyproject.toml") + _from_list(root / LISTED)


def parse_need(text: str, source: str, environment: dict[str, str] | None = None) -> Need | None:
    """One line as pip reads it; None if it names no version, is an option, or is not meant for the environment.

    Args:
        text: such as "numpy>=2; python_version < '3.12'".
        source: who asks.
        environment: what markers are compared with beside this machine, such as {"python_version": "3.10"}.
    """
    try:
        need = Requirement(text)
    except InvalidRequirement:
        return None
    if need.marker is not None and not need.marker.evaluate({"extra": "", **(environment or {})}):
        return None
    return Need(canonicalize_name(need.name), str(need.specifier), need.specifier, source)


def poetry_range(text: str) -> SpecifierSet:
    """A range in Poetry's notation: ^1.2.3, ~1.2, *, 1.2.3, or >=1,<2.

    Raises:
        InvalidSpecifier: another notation.
    """
    parts = [part.strip() for part in text.split(",")]
    return SpecifierSet(",".join(filter(None, map(_poetry_part, parts))))


def _poetry_part(text: str) -> str:
    if text == "*":
        return ""
    if text[0] not in "^~" or text.startswith("~="):
        return text if text[0] in "<>=!~" else f"=={text}"
    lowest = text[1:].strip()
    release = [int(number) for number in re.match(r"\d+(?:\.\d+)*", lowest)[0].split(".")]
    if text[0] == "~":  # the second number is fixed, or the first where it stands alone
        kept = min(2, len(release))
    else:  # up to the first number that is not zero
        kept = next((i + 1 for i, number in enumerate(release) if number), len(release))
    upper = [*release[: kept - 1], release[kept - 1] + 1]
    return f">={lowest},<{'.'.join(map(str, upper))}"


def _from_pyproject(path: Path) -> list[Need]:
    if not path.is_file():
        return []
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"not valid TOML: {error}", where=path) from error
    project = tree.get("project", {})
    needs = []
    if "requires-python" in project:
        needs.append(_need(PYTHON, project["requires-python"], SpecifierSet, path.name))
    lines = {path.name: project.get("dependencies", [])}
    lines |= {f"{path.name} [{extra}]": texts for extra, texts in project.get("optional-dependencies", {}).items()}
    needs += [parse_need(text, source) for source, texts in lines.items() for text in texts]
    for name, value in tree.get("tool", {}).get("poetry", {}).get("dependencies", {}).items():
        text = value.get("version") if isinstance(value, dict) else value
        if isinstance(text, str):
            needs.append(_need(name, text, poetry_range, path.name))
    return [need for need in needs if need]


def _from_list(path: Path) -> list[Need]:
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    needs = [parse_need(re.sub(r"(^|\s)#.*", "", line).strip(), path.name) for line in lines]
    return [need for need in needs if need]


def _need(name: str, text: str, parse, source: str) -> Need | None:
    try:
        return Need(canonicalize_name(name), text, parse(text), source)
    except (InvalidSpecifier, TypeError):  # a notation of its own, such as ^1 || ^2: nothing is said about it
        return None

"""Which packages are there, against what this one asks for, without importing any of them."""

import configparser
import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from kerasfusion.errors import install_command
from kerasfusion.files.run_folder import IN_PLACE_OF
from kerasfusion.machine.findings import MISSING, OK, WARNING, Finding, Need

NAME = "kerasfusion"
SOURCE = Path(__file__).parents[2] / "setup.cfg"

EXTRAS = {
    "train": "training, data import, figures",
    "yolo": "train-yolo and precompute",
    "export": "export to OpenVINO, ONNX and LiteRT",
    "serve": "miner serve",
    "heic": "telephones' photos in HEIC",
    "video": "fume: films and cameras",
    "camera": "fume: FLIR's radiometric JPEG",
    "coco": "fume: masks as COCO's outlines",
    "wandb": "Weights & Biases",
    "ray": "work on a cluster, --on",
    "remote": "photos and cache at s3:// and the like",
    "dev": "the tests",
}
"""Extra -> what it is for."""


@dataclass(frozen=True)
class Package:
    """An installed package: its version, and what it asks for itself."""

    version: str
    requires: tuple[str, ...] = ()


@dataclass(frozen=True)
class Declared:
    """What this package asks for.

    Attributes:
        python: supported versions.
        base: requirements of every use.
        extras: {extra: further requirements}.
    """

    python: SpecifierSet
    base: list[Requirement]
    extras: dict[str, list[Requirement]] = field(default_factory=dict)


def declared(source: Path = SOURCE) -> Declared:
    """Read it from the source's setup.cfg, or where the package was installed without its source, from its metadata."""
    if source.is_file():
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(source, encoding="utf-8")
        options = parser["options"]
        extras = {name: _requirements(text.splitlines()) for name, text in parser["options.extras_require"].items()}
        base = _requirements(options["install_requires"].splitlines())
        return Declared(SpecifierSet(options["python_requires"]), base, extras)
    metadata = importlib.metadata.distribution(NAME)
    everything = _requirements(metadata.requires or [])
    base = [each for each in everything if each.marker is None or each.marker.evaluate({"extra": ""})]
    extras = {
        name: [_unmarked(each) for each in everything if each not in base and each.marker.evaluate({"extra": name})]
        for name in metadata.metadata.get_all("Provides-Extra") or []
    }
    return Declared(SpecifierSet(metadata.metadata["Requires-Python"]), base, extras)


def _unmarked(requirement: Requirement) -> Requirement:
    """Without `extra == ...`, which was asked already."""
    return Requirement(f"{requirement.name}{requirement.specifier}")


def installed_packages() -> dict[str, Package]:
    """{canonical name: package} of everything that this Python can import."""
    packages: dict[str, Package] = {}
    for found in importlib.metadata.distributions():
        if found.name:  # a leftover of a broken removal has none
            packages.setdefault(canonicalize_name(found.name), Package(found.version, tuple(found.requires or ())))
    return packages


def check_packages(asked: Declared, packages: Mapping[str, Package]) -> list[Finding]:
    """Python, this package's requirements and extras, conflicts between packages, and the torch pair."""
    findings = [_python(asked), _requirement_finding("packages", asked.base, packages, "", MISSING)]
    for extra, purpose in EXTRAS.items():
        findings.append(
            _requirement_finding(f"extra {extra}", asked.extras.get(extra, []), packages, purpose, WARNING, extra)
        )
    conflicts = find_conflicts(packages)
    shown = "; ".join(conflicts[:5]) + (f"; and {len(conflicts) - 5} more" if len(conflicts) > 5 else "")
    findings.append(
        Finding("conflicts", WARNING, shown, f"{install_command()} brings the tested versions")
        if conflicts
        else Finding("conflicts", OK, f"none between {len(packages)} installed packages")
    )
    return findings + ([pair] if (pair := _torch_pair(packages)) else [])


def find_conflicts(packages: Mapping[str, Package]) -> list[str]:
    """Requirements of installed packages that are not met, as `pip check` finds them."""
    lines = []
    for name, package in sorted(packages.items()):
        if name == NAME:
            continue  # told by the rows of its own
        for requirement in _requirements(package.requires):
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
                continue
            if (problem := _problem(requirement, packages)) is not None:
                lines.append(f"{name} {package.version}: {problem}")
    return lines


def missing_of(requirements: Sequence[Requirement], packages: Mapping[str, Package]) -> list[str]:
    """What is not there or too old, each in a few words."""
    return [
        problem
        for requirement in requirements
        if canonicalize_name(requirement.name) != NAME
        and (requirement.marker is None or requirement.marker.evaluate({"extra": ""}))
        and (problem := _problem(requirement, packages)) is not None
    ]


def lacks_extra(extra: str, asked: Declared, packages: Mapping[str, Package]) -> Need | None:
    """What an extra lacks, and the command that brings it."""
    problems = missing_of(asked.extras.get(extra, []), packages)
    return Need("; ".join(problems[:3]), install_command(extra)) if problems else None


def _problem(requirement: Requirement, packages: Mapping[str, Package]) -> str | None:
    name = canonicalize_name(requirement.name)
    package = packages.get(name) or packages.get(IN_PLACE_OF.get(name, ""))
    if package is None:
        return f"{requirement.name} is missing"
    if requirement.specifier.contains(package.version, prereleases=True):
        return None
    return f"{requirement.name} is {package.version}, needs {requirement.specifier}"


def _python(asked: Declared) -> Finding:
    version = platform.python_version()
    if asked.python.contains(version, prereleases=True):
        return Finding("Python", OK, version)
    return Finding("Python", MISSING, f"{version}, but {asked.python} is needed", "install it under one of these")


def _requirement_finding(about, requirements, packages, purpose: str, status: str, extra: str = "") -> Finding:
    problems = missing_of(requirements, packages)
    suffix = f" (for {purpose})" if purpose else ""
    if not problems:
        count = "1 requirement is" if len(requirements) == 1 else f"{len(requirements)} requirements are"
        return Finding(about, OK, f"{count} met{suffix}")
    return Finding(about, status, "; ".join(problems) + suffix, install_command(extra))


def _torch_pair(packages: Mapping[str, Package]) -> Finding | None:
    """torch and torchvision are built for each other: of one release and for one kind of processor."""
    torch, vision = packages.get("torch"), packages.get("torchvision")
    if torch is None or vision is None:
        return None
    shown = f"torch {torch.version} and torchvision {vision.version}"
    asked = [each for each in _requirements(vision.requires) if canonicalize_name(each.name) == "torch"]
    fits = all(each.specifier.contains(Version(torch.version).public, prereleases=True) for each in asked)
    if fits and Version(torch.version).local == Version(vision.version).local:
        return Finding("torch pair", OK, shown)
    return Finding(
        "torch pair",
        WARNING,
        f"{shown} are not of one build: YOLO will not import",
        "pip install torch torchvision --index-url https://download.pytorch.org/whl/cpu (both from one index)",
    )


def _requirements(lines: Sequence[str]) -> list[Requirement]:
    """Those that can be read; other people's packages hold a few that cannot."""
    found = []
    for line in lines:
        try:
            found += [Requirement(line)] if line.strip() else []
        except InvalidRequirement:
            continue
    return found

"""Whether a node would answer as this machine does, and sees what it is to read and write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from kerasfusion.errors import RequestError
from kerasfusion.machine.packages import IN_PLACE_OF
from kerasfusion.roadwork.cluster.ray_library import Cluster, Node

COMPARED = ("kerasfusion", "tensorflow", "keras", "keras-hub", "ultralytics", "torch", "numpy", "pillow")
"""The packages that decide answers."""
ASKED = (*COMPARED, *IN_PLACE_OF.values())


@dataclass(frozen=True)
class Needs:
    """What every node has to see as this machine does.

    Attributes:
        files: {key of the configuration: files that are read}.
        folders: {key: folder that is written to}.
    """

    files: Mapping[str, Sequence[Path]]
    folders: Mapping[str, Path]


def refuse_unfit(cluster: Cluster, node: Node, needs: Needs) -> None:
    """Check a node before it is worked on.

    Raises:
        RequestError: it has other packages, or does not see a file or folder; names each.
        WorkerDied: it is gone.
    """
    sizes = {str(path): path.stat().st_size for paths in needs.files.values() for path in paths if path.is_file()}
    look = cluster.look(node, ASKED, [Path(name) for name in sizes], list(needs.folders.values()))
    if lines := other_versions(versions_here(), look.versions):
        raise RequestError(
            "a machine of the cluster has other packages than this one:\n  - " + "\n  - ".join(lines),
            where=node.name,
            todo="install the same versions on all machines, or take this one out of the cluster: ray stop",
        )
    lines = [
        f"{key}: {path} {'is not there' if look.sizes[str(path)] is None else 'is another file'}"
        for key, paths in needs.files.items()
        for path in paths
        if str(path) in sizes and look.sizes[str(path)] != sizes[str(path)]
    ]
    lines += [
        f"{key}: {path} is no folder to write to" for key, path in needs.folders.items() if not look.writable[str(path)]
    ]
    if lines:
        raise RequestError(
            "a machine of the cluster does not see what it is to work on:\n  - " + "\n  - ".join(lines),
            where=node.name,
            expected="a folder that all machines share, under the same path",
            todo="mount it there, or name another one",
        )


def versions_here() -> dict[str, str | None]:
    """Versions of this Python's packages."""
    found: dict[str, str | None] = {}
    for name in ASKED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def other_versions(here: Mapping[str, str | None], there: Mapping[str, str | None]) -> list[str]:
    """Packages of COMPARED whose versions differ, each with both."""
    return [
        f"{name}: {theirs or 'not installed'} there, {ours or 'not installed'} here"
        for name in COMPARED
        if (ours := _public(here, name)) != (theirs := _public(there, name))
    ]


def _public(found: Mapping[str, str | None], name: str) -> str | None:
    """A version without the kind of processor that it was built for, as in torch 2.9.0+cpu."""
    known = found.get(name) or found.get(IN_PLACE_OF.get(name, ""))
    return known.partition("+")[0] if known else None

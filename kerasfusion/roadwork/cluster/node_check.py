"""Whether a node would answer as this machine does, and sees what it is to read and write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from kerasfusion.address import Address, Place, file_size
from kerasfusion.errors import RequestError
from kerasfusion.machine.findings import MISSING, OK, Finding
from kerasfusion.machine.packages import IN_PLACE_OF
from kerasfusion.roadwork.cluster.ray_library import Cluster, Look, Node, WorkerDied, connected

COMPARED = (
    "kerasfusion",
    "tensorflow",
    "keras",
    "keras-hub",
    "ultralytics",
    "torch",
    "numpy",
    "pillow",
    "pillow-heif",
    "imagehash",
    "openvino",
    "onnxruntime",
    "ai-edge-litert",
)
"""The packages that decide answers, of any command that works on a cluster."""
LOOKED_FOR = 3
"""Photos, spread over a set, whose sizes every node has to see."""
ASKED = (*COMPARED, *IN_PLACE_OF.values())


@dataclass(frozen=True)
class Needs:
    """What every node has to see as this machine does.

    Attributes:
        files: {key of the configuration: files that are read}; those at an address with their sizes.
        folders: {key: folder that is written to}.
    """

    files: Mapping[str, Sequence[Place]]
    folders: Mapping[str, Place]

    @property
    def looked_for(self) -> list[tuple[str, Place]]:
        """(key, file) of the files that are there for this machine."""
        return [
            (key, path)
            for key, paths in self.files.items()
            for path in paths
            if isinstance(path, Address) or path.is_file()
        ]


def refuse_unfit(cluster: Cluster, node: Node, needs: Needs) -> None:
    """Check a node before it is worked on.

    Raises:
        RequestError: it has other packages, or does not see a file or folder; names each.
        WorkerDied: it is gone.
    """
    look = look_at(cluster, node, needs)
    if lines := other_versions(versions_here(), look.versions):
        raise RequestError(
            "a machine of the cluster has other packages than this one:\n  - " + "\n  - ".join(lines),
            where=node.name,
            todo="install the same versions on all machines, or take this one out of the cluster: ray stop",
        )
    if lines := unseen(look, needs):
        raise RequestError(
            "a machine of the cluster does not see what it is to work on:\n  - " + "\n  - ".join(lines),
            where=node.name,
            expected="a folder that all machines share, under the same path, or an address that all of them reach",
            todo=f"{_todo(look)}, or name another one",
        )


def describe_nodes(address: str, needs: Needs) -> list[Finding]:
    """A finding for each machine of a cluster, for `doctor`.

    Raises:
        RequestError: Ray is not installed, or no cluster answers.
    """
    with connected(address) as cluster:
        return [_finding(cluster, node, needs) for node in cluster.nodes()]


def _finding(cluster: Cluster, node: Node, needs: Needs) -> Finding:
    has = f"{node.memory / 1e9:.1f} GB memory, processors: {node.cpus}" + (f", GPUs: {node.gpus}" if node.gpus else "")
    try:
        look = look_at(cluster, node, needs)
    except WorkerDied as death:
        return Finding(node.name, MISSING, f"{has}; does not answer: {death}", "ray stop and ray start there")
    if lines := other_versions(versions_here(), look.versions):
        return Finding(node.name, MISSING, f"{has}; {'; '.join(lines)}", "install the same versions there")
    if lines := unseen(look, needs):
        return Finding(node.name, MISSING, f"{has}; {'; '.join(lines)}", _todo(look))
    seen = " and ".join([*needs.files, *needs.folders])
    return Finding(node.name, OK, f"{has}; the same packages; sees {seen}")


def look_at(cluster: Cluster, node: Node, needs: Needs) -> Look:
    """What a node sees of all this."""
    return cluster.look(node, ASKED, [path for _, path in needs.looked_for], list(needs.folders.values()))


def _todo(look: Look) -> str:
    if look.reasons:
        return "install the library there, and set credentials and endpoint before `ray start`"
    return "mount the folder there under the same path"


def unseen(look: Look, needs: Needs) -> list[str]:
    """What a node does not see as this machine does, each in a line."""
    lines = []
    for key, path in needs.looked_for:
        found = look.sizes[str(path)]
        if found != file_size(path):
            what = "is another file" if found is not None else look.reasons.get(str(path), "is not there")
            lines.append(f"{key}: {path} {what}")
    for key, path in needs.folders.items():
        if not look.writable[str(path)]:
            lines.append(f"{key}: {path} {look.reasons.get(str(path), 'is no folder to write to')}")
    return lines


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

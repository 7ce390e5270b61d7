"""A cluster without Ray: nodes that come and go, and workers that die when they are told to."""

import pickle
from contextlib import contextmanager

from kerasfusion.address import file_size
from kerasfusion.roadwork.cluster import mapping, node_check
from kerasfusion.roadwork.cluster.node_check import ASKED, versions_here
from kerasfusion.roadwork.cluster.ray_library import Look, Node, WorkerDied
from kerasfusion.roadwork.precompute import on_cluster


def node(name: str) -> Node:
    return Node(id=name, name=name, cpus=1, gpus=0, memory=0)


class OwnWorker:
    """Holds objects in this process."""

    def __init__(self, of: Node):
        self.node, self._made, self.dead = of, {}, False

    def make(self, name, factory, *arguments):
        self._alive()
        factory, arguments = _carried((factory, arguments))
        self._made[name] = factory(*arguments)

    def call(self, name, method, *arguments):
        self._alive()
        return _carried(getattr(self._made[name], method)(*_carried(arguments)))

    def end(self):
        self.dead = True

    def _alive(self):
        if self.dead:
            raise WorkerDied("killed")


def _carried(value):
    """As it comes out at the other end of a wire."""
    return pickle.loads(pickle.dumps(value))


def use(cluster, monkeypatch):
    """Everything that is done on a cluster is done on this one."""

    @contextmanager
    def connected(address):
        yield cluster

    for module in (mapping, node_check, on_cluster):
        monkeypatch.setattr(module, "connected", connected)
    return cluster


class OwnCluster:
    """Its nodes are `names`, which a test may change at any time.

    Attributes:
        opened: how many workers each node had.
        versions, sizes, writable, reasons: what `look` finds otherwise than this machine does, by node.
    """

    def __init__(self, *names: str):
        self.names, self.opened = list(names), dict.fromkeys(names, 0)
        self.versions, self.sizes, self.writable, self.reasons = {}, {}, {}, {}

    def nodes(self):
        return [node(name) for name in self.names]

    def look(self, of, packages, files, folders):
        assert tuple(packages) == ASKED
        sizes = {str(path): file_size(path) for path in files}
        writable = {str(path): True for path in folders}
        return Look(
            versions_here() | self.versions.get(of.name, {}),
            sizes | self.sizes.get(of.name, {}),
            writable | self.writable.get(of.name, {}),
            self.reasons.get(of.name, {}),
        )

    @contextmanager
    def worker(self, of):
        self.opened[of.name] = self.opened.get(of.name, 0) + 1
        yield OwnWorker(of)

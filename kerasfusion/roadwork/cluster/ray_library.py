"""Ray: the nodes of a running cluster, and workers on them. The only file that imports it."""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kerasfusion.address import Place
from kerasfusion.errors import KerasFusionError, RequestError, first_line, require

LOCAL = "local"
AUTO = "auto"
CLIENT = "ray://"
CLIENT_PORT = 10001
PATIENCE_S = 5.0
"""How long a cluster's port is waited for."""
TRIES = 3
"""How often a session is asked for."""
START = "RAY_USAGE_STATS_ENABLED=0 ray start --head --ray-client-server-port 10001"


class WorkerDied(Exception):
    """A worker's process, or its node, is gone; what it was at is not done."""


@dataclass(frozen=True)
class Node:
    """A machine of the cluster that may be worked on.

    Attributes:
        id: Ray's name for it.
        name: host name, address and the beginning of its id.
        cpus, gpus: what it offers to Ray.
        memory: bytes that it offers.
    """

    id: str
    name: str
    cpus: int
    gpus: int
    memory: int


@dataclass(frozen=True)
class Look:
    """What a node sees.

    Attributes:
        versions: {package: installed version, or None}.
        sizes: {file: its bytes, or None where it cannot be found}.
        writable: {folder: whether files can be written to it; of an address, whether it can be listed}.
        reasons: {address: why it cannot be read or listed}, of those that cannot.
    """

    versions: dict[str, str | None]
    sizes: dict[str, int | None]
    writable: dict[str, bool]
    reasons: dict[str, str]


def refuse_other_address(address: str) -> None:
    """Check what `--on` names.

    Raises:
        RequestError: it is none of local, auto and ray://HOST:PORT.
    """
    if address in (LOCAL, AUTO):
        return
    expected = "local, auto (the cluster that this machine is part of) or ray://HOST:10001"
    try:
        parts = urlsplit(address)
        if address.startswith(CLIENT) and parts.hostname and not parts.path.strip("/") and (parts.port or 1) > 0:
            return
    except ValueError:  # a port that is no number
        pass
    raise RequestError("this names no cluster", where=f"--on {address}", expected=expected)


class Worker:
    """A process on a node that holds objects and calls their methods.

    Args:
        ray: the library.
        node: where it lives.
        actor: Ray's handle.
    """

    def __init__(self, ray, node: Node, actor):
        self._ray, self.node, self._actor = ray, node, actor

    def make(self, name: str, factory: Callable, *arguments) -> None:
        """Make an object there, `factory(*arguments)`, which is called `name` from now on.

        Raises:
            WorkerDied: it, or its node, is gone.
            KerasFusionError: what the making raised.
        """
        self._unpack(_result(self._ray, self._actor.make.remote(name, factory, arguments), self.node))

    def call(self, name: str, method: str, *arguments) -> Any:
        """What a method of an object there gives; raises as `make`."""
        return self._unpack(_result(self._ray, self._actor.call.remote(name, method, arguments), self.node))

    def end(self) -> None:
        """End the process."""
        with suppress(Exception):  # it, or the cluster, may be gone
            self._ray.kill(self._actor)

    @staticmethod
    def _unpack(answer: tuple[bool, Any]) -> Any:
        worked, value = answer
        if not worked:
            raise value
        return value


class Cluster:
    """A cluster that answers; see `connected`."""

    def __init__(self, ray):
        self._ray = ray

    def nodes(self) -> list[Node]:
        """Those that live and offer a processor, in the order of their names.

        Raises:
            KerasFusionError: the head node is gone.
        """
        with _session_errors(self._ray):
            listed = self._ray.nodes()
        found = []
        for node in listed:
            offered = node["Resources"]
            if node["Alive"] and offered.get("CPU", 0) >= 1:
                name = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']}, node {node['NodeID'][:8]})"
                counts = (int(offered[kind]) if kind in offered else 0 for kind in ("CPU", "GPU", "memory"))
                found.append(Node(node["NodeID"], name, *counts))
        return sorted(found, key=lambda node: (node.name, node.id))

    def look(self, node: Node, packages: Sequence[str], files: Sequence[Place], folders: Sequence[Place]) -> Look:
        """What a node sees, whatever else it is at; without addresses nothing of this package is needed there.

        Raises:
            WorkerDied: the node is gone.
        """
        ask = self._ray.remote(_look_function()).options(num_cpus=0, max_retries=0, **self._only_on(node))
        names = list(map(str, files)), list(map(str, folders))
        return Look(*_result(self._ray, ask.remote(list(packages), *names), node))

    @contextmanager
    def worker(self, node: Node) -> Iterator[Worker]:
        """A worker that has all processors of a node; its first call waits until other work there leaves them."""
        actor = self._ray.remote(_actor_class()).options(num_cpus=node.cpus, num_gpus=node.gpus, **self._only_on(node))
        worker = Worker(self._ray, node, actor.remote())
        try:
            yield worker
        finally:
            worker.end()

    def _only_on(self, node: Node) -> dict[str, Any]:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node.id, soft=False)}


@contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """The cluster at an address, for as long as the block lasts; its workers end with the block, or this process.

    Args:
        address: "auto", or ray://HOST:PORT.

    Raises:
        RequestError: Ray is not installed, no cluster answers there, or one of another version of Ray or Python.
        KerasFusionError: a cluster answers, and has no time or room for us.
    """
    refuse_other_address(address)
    # Else a call that comes after the end starts a cluster of its own. Ray reads it when it is imported.
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"
    ray = require("ray", extra="ray")
    if address.startswith(CLIENT):
        _refuse_silence(address)
    try:
        _begin_session(ray, address)
    except ConnectionError as error:
        raise _no_cluster(address, first_line(error)) from error
    except RuntimeError as error:
        if "version" not in str(error).lower():
            raise
        raise RequestError(
            f"the cluster runs another version of Ray or Python: {' '.join(str(error).split())}",
            where=address,
            todo="install the same Python and Ray on all machines, this one too",
        ) from error
    try:
        yield Cluster(ray)
    finally:
        ray.shutdown()


def _begin_session(ray, address: str) -> None:
    """Let Ray connect; again where the port answers and the process that it starts for us does not.

    Ray forks that process beside the threads of gRPC, and now and then it does not get up.
    """
    for left in reversed(range(TRIES)):
        try:
            ray.init(address, log_to_driver=False, logging_level="critical")
            return
        except ConnectionError as error:
            if "Initialization failure" not in str(error):
                raise
            ray.shutdown()
            if not left:
                raise KerasFusionError(
                    f"the cluster's head node did not begin our session: {str(error).strip().splitlines()[-1]}",
                    where=f"--on {address}",
                    todo="run the same command again; if it fails again, on the head node itself: --on auto",
                ) from error


def _refuse_silence(address: str) -> None:
    """Ray itself waits for half a minute."""
    parts = urlsplit(address)
    try:
        socket.create_connection((parts.hostname, parts.port or CLIENT_PORT), PATIENCE_S).close()
    except OSError as error:
        raise _no_cluster(address, error.strerror or str(error)) from error


def _no_cluster(address: str, reason: str) -> RequestError:
    return RequestError(
        f"no Ray cluster answers: {reason}",
        where=f"--on {address}",
        expected="a running head node, and its port 10001 open for ray://HOST:10001",
        todo=f"on the head node: {START}",
    )


def _result(ray, reference, node: Node) -> Any:
    """What a call on a node gives; raises as `Worker.make`."""
    errors = ray.exceptions
    gone = (errors.RayActorError, errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError)
    lost = (errors.ObjectLostError, errors.LocalRayletDiedError)
    unschedulable = (errors.ActorUnschedulableError, errors.TaskUnschedulableError)
    try:
        with _session_errors(ray):
            return ray.get(reference)
    except (*gone, *lost, *unschedulable) as error:
        raise WorkerDied(first_line(error)) from error
    except errors.RayTaskError as error:
        cause = getattr(error, "cause", None) or error
        raise KerasFusionError(
            f"a worker failed: {type(cause).__name__}: {first_line(cause)}",
            where=node.name,
            todo="its log is in /tmp/ray/session_latest/logs on that machine",
        ) from error


@contextmanager
def _session_errors(ray) -> Iterator[None]:
    """Say in a sentence that the head node is gone, which Ray tells in several ways after half a minute."""
    try:
        yield
    except ray.exceptions.RayTaskError:  # what a worker raised; it is of that error's class, too
        raise
    except (ConnectionError, ValueError, ray.exceptions.RaySystemError) as error:
        if isinstance(error, ValueError) and "closed channel" not in str(error):  # that one is gRPC's
            raise
        raise KerasFusionError(
            f"the cluster's head node no longer answers: {first_line(error)}",
            todo="start it again and run the same command again: what was finished is kept",
        ) from error


def _look_function() -> Callable[..., tuple[dict, dict, dict, dict]]:
    """Made in here, it travels as a whole: a node without this package can answer, too."""

    def look(packages, files, folders):
        import os
        from importlib.metadata import PackageNotFoundError, version

        reasons = {}

        def ask(url, question):
            try:
                from kerasfusion.address import place

                return getattr(place(url), question)()
            except Exception as error:  # of many kinds, also that this package is not there
                reasons[url] = str(error).partition("\n")[0]

        def size_of(name):
            return ask(name, "file_size") if "://" in name else try_out(os.path.getsize, name, OSError)

        def is_writable(name):
            if "://" in name:
                ask(name, "require_bucket")
                return name not in reasons
            return Path(name).is_dir() and os.access(name, os.W_OK | os.X_OK)

        def try_out(function, argument, errors):
            try:
                return function(argument)
            except errors:
                return None

        return (
            {name: try_out(version, name, PackageNotFoundError) for name in packages},
            {name: size_of(name) for name in files},
            {name: is_writable(name) for name in folders},
            reasons,
        )

    return look


def _actor_class() -> type:
    """The class of a worker's process, made in here for the same reason."""

    class KerasfusionWorker:
        def __init__(self):
            self._made = {}

        def make(self, name, factory, arguments):
            return self._try(lambda: self._made.__setitem__(name, factory(*arguments)))

        def call(self, name, method, arguments):
            return self._try(lambda: getattr(self._made[name], method)(*arguments))

        def _try(self, work):
            from kerasfusion.errors import KerasFusionError

            try:
                return True, work()
            except KerasFusionError as error:  # as a value: Ray would wrap it into one of its own
                return False, error

    return KerasfusionWorker

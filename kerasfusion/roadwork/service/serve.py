"""The service from its start to its end: the socket, uvicorn, and the tasks beside it."""

import asyncio
import errno
import ipaddress
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from kerasfusion.errors import KerasFusionError, RequestError, require
from kerasfusion.roadwork.service.app import Service, build_app
from kerasfusion.roadwork.service.batching import Batching
from kerasfusion.roadwork.service.connections import bounded_protocol
from kerasfusion.roadwork.service.metrics import ServiceMetrics
from kerasfusion.roadwork.service.settings import ServiceSettings
from kerasfusion.roadwork.service.worker import Worker

OPEN_FILES = 16_384
"""Connections that may be open at once, where the system's hard limit allows it; its soft one is often 1024."""


def serve(
    settings: ServiceSettings,
    prepare: Callable[[], None] | None = None,
    report: Callable[[str], None] = lambda line: None,
    warn: Callable[[str], None] = lambda line: None,
) -> None:
    """Answer requests until SIGTERM or SIGINT; those that are in the house by then are still answered.

    Args:
        settings: of the service.
        prepare: called in the worker's process before it opens the model; must be importable there.
        report: is told when the service is ready.
        warn: is told what else the person who runs it should know.

    Raises:
        RequestError: a library is missing, no such host, or the model cannot be opened.
        KerasFusionError: the port is taken, or the address is another machine's.
    """
    uvicorn = require("uvicorn", extra="serve")
    listener = listen(settings.host, settings.port)
    url = _url(listener)
    if not ipaddress.ip_address(listener.getsockname()[0]).is_loopback:
        warn(f"warning: {url} can be reached from other machines, and nobody is asked who they are")
    _raise_file_limit()
    metrics, worker = ServiceMetrics(), Worker(settings, prepare, warn)
    service = Service(settings, worker, Batching(worker, settings, metrics), metrics)
    failures: list[BaseException] = []

    @asynccontextmanager
    async def lifespan(app) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(each) for each in (worker.run(), service.batching.run(), _announce())]
        for task in tasks:
            task.add_done_callback(note_end)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await worker.stop()

    async def _announce() -> None:
        await worker.decided()
        report(f"ready: {settings.model} ({worker.opened.precision}), {url}")

    def note_end(task: asyncio.Task) -> None:
        if not task.cancelled() and task.exception() is not None:
            failures.append(task.exception())
            server.should_exit = True

    server = uvicorn.Server(_configure(uvicorn, build_app(service, lifespan), settings))
    for name in (signal.SIGINT, signal.SIGTERM):
        # uvicorn raises the signal that stopped it once more when it has stopped: by then it has been obeyed.
        signal.signal(name, lambda number, frame: None)
    server.run(sockets=[listener])
    if failures:
        raise failures[0]


def _configure(uvicorn, app, settings: ServiceSettings):
    return uvicorn.Config(
        app,
        http=bounded_protocol(settings.read_s),
        ws="none",
        log_level="info" if settings.access_log else "warning",
        access_log=settings.access_log,
        server_header=False,
        timeout_graceful_shutdown=int(settings.deadline_s + settings.read_s) + 1,
    )


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        RequestError: no such host.
        KerasFusionError: the port is taken or not allowed, or the address is another machine's.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise RequestError(f"no such host: {error.strerror}", where=host, todo="--host 127.0.0.1") from error
    family, *_, address = found[0]
    try:
        return socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as error:
        not_ours = error.errno == errno.EADDRNOTAVAIL
        raise KerasFusionError(
            f"cannot listen: {os.strerror(error.errno)}",
            where=f"{host}, port {port}",
            expected="an address of this machine" if not_ours else None,
            todo="--host 127.0.0.1, or --host 0.0.0.0 for all of its addresses"
            if not_ours
            else "stop what uses it, or name another --port",
        ) from error


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _raise_file_limit() -> None:
    try:
        import resource
    except ModuleNotFoundError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

"""A server that answers as S3 does, on this machine and in this process, and counts what it is asked."""

import logging
import os
import re
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kerasfusion import address

BUCKET = "scenes"
_ASKED = re.compile(r'"(?:\x1b\[[0-9;]*m)*([A-Z]+) (\S+) HTTP')


class Asked(logging.Handler):
    """Takes the lines of the server's log.

    Attributes:
        requests: (method, path without the query) of each request, in order.
    """

    def __init__(self):
        super().__init__()
        self.requests: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a request."""
        if found := _ASKED.search(record.getMessage()):
            self.requests.append((found[1], found[2].partition("?")[0]))

    def counts(self, method: str, part: str = "") -> Counter:
        """How often each path that holds `part` was asked for."""
        return Counter(path for name, path in self.requests if name == method and part in path)


@contextmanager
def s3_server() -> Iterator[Asked]:
    """Run it, with the standard variables set for it and an empty BUCKET in it."""
    from moto.server import ThreadedMotoServer

    asked, log = Asked(), logging.getLogger("werkzeug")
    log.addHandler(asked)
    log.propagate, before, log.level = False, (log.propagate, log.level), logging.INFO
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
                patch.delenv(name, raising=False)
            patch.setenv("AWS_ACCESS_KEY_ID", "anybody")
            patch.setenv("AWS_SECRET_ACCESS_KEY", "anything")
            patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
            patch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
            # What this process keeps for an earlier server goes.
            urllib.request.urlopen(f"{os.environ['AWS_ENDPOINT_URL']}/moto-api/reset", data=b"").close()
            with _forgotten():
                system().mkdir(BUCKET)
                yield asked
    finally:
        server.stop()
        log.removeHandler(asked)
        log.propagate, log.level = before


@contextmanager
def _forgotten() -> Iterator[None]:
    """No connection to another server is used, here or later."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    address._file_system.cache_clear()
    try:
        yield
    finally:
        s3fs.S3FileSystem.clear_instance_cache()
        address._file_system.cache_clear()


def system():
    """The library's object for the server that runs."""
    return address._file_system("s3")


def send(folder: Path, name: str) -> str:
    """Put a folder's files into BUCKET; returns their address."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        system().pipe_file(f"{BUCKET}/{name}/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return f"s3://{BUCKET}/{name}"


def fetch(name: str, folder: Path) -> Path:
    """Write what lies below a name in BUCKET into a folder."""
    for key in system().find(f"{BUCKET}/{name}"):
        path = folder / key.removeprefix(f"{BUCKET}/{name}/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(system().cat_file(key))
    return folder

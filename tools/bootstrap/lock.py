"""Keep two runs out of one .venv."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:
    import msvcrt

    def _try(stream: IO) -> None:
        msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
else:

    def _try(stream: IO) -> None:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextlib.contextmanager
def exclusive(path: Path, poll_seconds: float = 1.0) -> Iterator[None]:
    """Hold the operating system's lock on `path`, waiting for whoever holds it; it never outlives the process."""
    with path.open("a") as stream:
        waiting = False
        while True:
            try:
                _try(stream)
                break
            except OSError:
                if not waiting:
                    print("another run is installing into .venv: waiting for it", flush=True)
                waiting = True
                time.sleep(poll_seconds)
        yield

"""Leave out known notes of libraries, and nothing else of what they write."""

import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_log(logger: str | None, text: str) -> Iterator[None]:
    """Leave out a logger's records that contain a text.

    Args:
        logger: its name; None is the root logger.
        text: part of the message.
    """

    def is_other(record: logging.LogRecord) -> bool:
        return text not in record.getMessage()

    source = logging.getLogger(logger)
    source.addFilter(is_other)
    try:
        yield
    finally:
        source.removeFilter(is_other)


@contextmanager
def without_lines(pattern: str) -> Iterator[None]:
    """Leave out the lines of this process's stderr that match; all others are written once the work has ended.

    For what comes from below Python, where neither warnings nor logging reach it.

    Args:
        pattern: regular expression, searched for in each line.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            written.seek(0)
            for line in written:
                if not re.search(pattern.encode(), line):
                    os.write(stderr, line)
            os.close(stderr)

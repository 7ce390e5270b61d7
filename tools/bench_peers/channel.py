"""The worker's end: a process that answers requests, one line of JSON each, until its standard input ends."""

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping


def open_replies():
    """Take standard output for the replies alone; call it before the libraries, whose own prints then go to stderr."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return replies


def serve(replies, handlers: Mapping[str, Callable]) -> None:
    """Answer requests {"do": name, argument: value, ...} with {"value": ...} or {"error": traceback}."""
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = {"value": handlers[request.pop("do")](**request)}
        except Exception:  # whatever it is, the other end raises it
            reply = {"error": traceback.format_exc()}
        print(json.dumps(reply), file=replies, flush=True)

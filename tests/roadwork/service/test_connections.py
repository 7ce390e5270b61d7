"""Connections that keep the service waiting: each is closed in its time, and others are answered meanwhile."""

import json
import select
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.roadwork.service.material import photo

HEAD = b"POST /v1/detect HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
LIMIT_S = 1.0
"""`read_s` of the module's service."""

pytestmark = pytest.mark.services


def connect(running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", running.port), timeout=10)


def until_closed(connection: socket.socket, trickle: bytes = b"", seconds: float = 20) -> tuple[bytes, float]:
    """What arrives until the other side closes, and the seconds until then; a byte is sent every tenth of a second."""
    begin, said, at = time.monotonic(), b"", 0
    while (passed := time.monotonic() - begin) < seconds:
        try:
            if select.select([connection], [], [], 0.1)[0]:
                part = connection.recv(65536)
                if not part:
                    return said, passed
                said += part
            elif at < len(trickle):
                connection.sendall(trickle[at : at + 1])
                at += 1
        except ConnectionError:
            return said, passed
    raise AssertionError(f"still open after {seconds} s; {said[:200]!r}")


def test_half_open_connections_are_closed_and_others_answered_meanwhile(service):
    begun = (b"", b"P", HEAD[:20], HEAD, HEAD + b"Content-Length: 9\r\n")
    with ExitStack() as stack, ThreadPoolExecutor(50) as pool:
        connections = [stack.enter_context(connect(service)) for _ in range(50)]
        for at, connection in enumerate(connections):
            connection.sendall(begun[at % len(begun)])
        ends = [pool.submit(until_closed, connection) for connection in connections]
        assert service.detect(photo(204)).json()["p_roadwork"] == pytest.approx(0.8)
        for at, end in enumerate(ends):
            said, seconds = end.result()
            assert seconds > LIMIT_S / 2
            if at % len(begun):
                assert said.startswith(b"HTTP/1.1 408 ") and b"connection: close" in said
                body = json.loads(said.partition(b"\r\n\r\n")[2])
                assert "head of the request did not arrive within 1 s" in body["error"] and all(body.values())
            else:
                assert said == b""  # a browser that connected ahead of time asked for nothing
    assert service.metric("queue_length") == 0


def test_a_head_that_trickles_has_no_more_time(service):
    with connect(service) as fresh:
        said, seconds = until_closed(fresh, HEAD)
    assert said.startswith(b"HTTP/1.1 408 ") and LIMIT_S / 2 < seconds < 5
    with connect(service) as kept:
        kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.3)
        said, seconds = until_closed(kept, HEAD)
    first, _, second = said.partition(b'{"alive":true}')
    assert first.startswith(b"HTTP/1.1 200 ") and second.startswith(b"HTTP/1.1 408 ") and seconds < 5


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (HEAD + b"Content-Length: 999999\r\n\r\n", b"413"),
        (HEAD.replace(b"image/png", b"text/plain") + b"Transfer-Encoding: chunked\r\n\r\nfff\r\n", b"415"),
        (b"POST /elsewhere HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n", b"404"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n", b"200"),
    ],
)
def test_the_rest_of_a_body_that_nobody_needs_is_not_waited_for(service, head, status):
    with connect(service) as connection:
        connection.sendall(head)
        said, seconds = until_closed(connection, b"x" * 200)
    assert said.startswith(b"HTTP/1.1 " + status) and seconds < 5


def test_a_connection_is_kept_between_whole_requests(service):
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    with connect(service) as connection:
        for _ in range(4):  # longer than the limit in all
            connection.sendall(request[:9])
            time.sleep(0.2)
            connection.sendall(request[9:])
            time.sleep(0.2)
        connection.sendall(request + request)  # one after the other, without waiting
        said = b""
        while said.count(b'{"alive":true}') < 6:
            said += connection.recv(4096)
    assert said.count(b"HTTP/1.1 200 ") == 6


def test_responses_that_are_not_taken_are_given_up(service):
    with connect(service) as connection:
        connection.settimeout(0.2)
        request, sent = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 100, 0
        begin = time.monotonic()
        while time.monotonic() - begin < 20:
            try:
                connection.sendall(request)
            except TimeoutError:  # both sides' buffers are full
                sent += 1
            except ConnectionError:
                break
        else:
            raise AssertionError("still open")
        assert sent
    assert service.detect(photo(204)).status_code == 200


def test_what_is_not_http_is_said_as_json(service):
    with connect(service) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        said, _ = until_closed(connection)
    assert said.startswith(b"HTTP/1.1 400 ") and set(json.loads(said.partition(b"\r\n\r\n")[2])) == {
        "error",
        "expected",
        "todo",
    }
    with connect(service) as connection:  # within a body whose request is refused already
        connection.sendall(HEAD.replace(b"image/png", b"text/plain") + b"Transfer-Encoding: chunked\r\n\r\n")
        time.sleep(0.2)
        connection.sendall(b"no length\r\n")
        said, _ = until_closed(connection)
    assert said.startswith(b"HTTP/1.1 415 ") and said.count(b"HTTP/1.1") == 1


def test_half_open_connections_do_not_hold_up_a_stop(start, model):
    running = start(model=model, read_s=30)
    with connect(running) as empty, connect(running) as half:
        half.sendall(HEAD)
        time.sleep(0.2)
        begin = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - begin < 15
        assert until_closed(empty)[0] == b""
    assert running.said == []

"""Many requests at once: each gets an answer or is refused at once, and memory stays bounded."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import httpx
import pytest

from tests.roadwork.service.material import photo, slow_colour

pytestmark = pytest.mark.services


def send_together(running, photos) -> list[httpx.Response]:
    """All at once, each over a connection of its own."""

    async def send(some: Sequence[bytes]) -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=running.url, limits=limits, timeout=60, verify=False) as client:
            headers = {"Content-Type": "image/jpeg"}
            return await asyncio.gather(*(client.post("/v1/detect", content=each, headers=headers) for each in some))

    async def send_all() -> list[httpx.Response]:
        # A client takes long to find a free one among many connections.
        parts = [photos[at : at + 50] for at in range(0, len(photos), 50)]
        return list(chain.from_iterable(await asyncio.gather(*map(send, parts))))

    return asyncio.run(send_all())


def test_a_thousand_requests_at_once_are_answered_or_refused(start, model):
    # A thousand connections keep the test's own client busy for longer than a body may usually take to arrive.
    running = start(model=model, queue=64, deadline_s=60, read_s=60)
    levels = [level % 256 for level in range(1000)]
    jpegs = {level: photo(level, kind="JPEG") for level in set(levels)}
    responses = send_together(running, [jpegs[level] for level in levels])
    found = Counter(response.status_code for response in responses)
    assert set(found) <= {200, 429} and found[200] >= 64
    for level, response in zip(levels, responses, strict=True):
        if response.status_code == 200:
            assert response.json()["p_roadwork"] == pytest.approx(level / 255, abs=1e-6)
        else:
            assert response.headers["Retry-After"] == "1" and "64 requests" in response.json()["error"]
    for status, count in found.items():
        assert running.metric(f'requests_total{{status="{status}"}}') == count
    assert running.metric("queue_length") == 0
    assert running.stop() == 0 and running.said == []


def test_requests_that_wait_together_are_one_batch(start, model):
    running = start(model=model, batch=4, batch_wait_ms=500, deadline_s=30)
    levels = (10, 60, 110, 160)
    together = send_together(running, [photo(level) for level in levels])
    assert running.metric("batch_photos_count") == 1
    for level, response in zip(levels, together, strict=True):
        assert response.json()["p_roadwork"] == running.detect(photo(level)).json()["p_roadwork"]


def test_one_bad_photo_does_not_touch_its_batch(start, model):
    running = start(model=model, batch=3, batch_wait_ms=500)
    good, bad, other = send_together(running, [photo(51), b"hello", photo(102)])
    assert running.metric("batch_photos_count") == 1
    assert (good.status_code, bad.status_code, other.status_code) == (200, 400, 200)
    assert other.json()["p_roadwork"] == pytest.approx(0.4)


def test_a_place_is_taken_before_the_body_is_read(start, model):
    running = start(model=model, queue=2)
    with running.slow_client(), running.slow_client():
        running.wait_for_queue(2)
        refused = running.detect(bytes(3_000_000))
        assert refused.status_code == 429
        assert refused.json()["expected"] == "at most 2 at a time"
        assert running.metric("queue_length") == 2


def test_a_photo_whose_deadline_passes_is_not_computed(start, model):
    running = start(model=model, hostile=True, batch=1, deadline_s=1)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(running.detect, photo(slow_colour(3)))
        running.wait_for_queue(1)
        others = send_together(running, [photo(level) for level in range(5)])
        assert slow.result().status_code == 504
    assert [response.status_code for response in others] == [504] * 5
    assert "within 1 s" in others[0].json()["error"]
    asked = 1
    while running.detect(photo(51)).status_code != 200:
        asked += 1
    assert running.metric("batch_photos_count") <= 1 + asked  # the slow one and those of now: none of the five


def test_a_worker_that_hangs_is_ended(start, model):
    running = start(model=model, hostile=True, deadline_s=0.2)
    old = running.worker()
    assert running.detect(photo(slow_colour(20))).status_code == 504
    old.wait(timeout=20)
    running.wait_until(ready=True)
    running.stop()
    assert "does not answer" in "".join(running.said)

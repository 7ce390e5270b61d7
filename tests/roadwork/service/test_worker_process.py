"""The process that answers: ended, given a photo that ends it, and a model that is replaced under it."""

import hashlib
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from kerasfusion.images.decoding import ImageError
from kerasfusion.roadwork.service import answering
from tests.roadwork.service.material import KILLER, photo, slow_colour, write_model

pytestmark = pytest.mark.services


LEVELS = (51, 102, 153, 204)
SLOW = slow_colour(1)


@pytest.fixture
def pool():
    with ThreadPoolExecutor(32) as threads:
        yield threads


def test_a_killed_worker_loses_no_request(start, model, pool):
    running = start(model=model, hostile=True, deadline_s=30)
    old = running.worker()
    slow = pool.submit(running.detect, photo(SLOW))
    running.wait_for_queue(1)
    others = {level: pool.submit(running.detect, photo(level)) for level in LEVELS}
    running.wait_for_queue(1 + len(LEVELS))
    old.kill()
    for level, future in others.items():
        assert future.result().json()["p_roadwork"] == pytest.approx(level / 255)
    assert slow.result().json()["p_roadwork"] == pytest.approx(sum(SLOW) / 3 / 255)
    assert running.worker().pid != old.pid
    assert running.metric("worker_restarts") == 1
    assert running.client.get("/healthz").status_code == 200


def test_a_spare_takes_the_place_of_a_killed_worker_and_nobody_notices(start, model, pool):
    running = start(model=model, spare=True)
    stop, statuses = threading.Event(), []

    def ask():
        while not stop.is_set():
            statuses.append(running.detect(photo(51)).status_code)

    asking = [pool.submit(ask) for _ in range(4)]
    pids = set()
    for killed in (1, 2, 3):
        running.wait_for("spare_ready", 1)
        worker = min(running.workers(), key=lambda process: process.create_time())
        pids.add(worker.pid)
        worker.kill()
        running.wait_for("worker_restarts", killed)
    running.wait_for("spare_ready", 1)
    stop.set()
    for each in asking:
        each.result()
    assert set(statuses) == {200}
    assert len(pids) == 3
    assert running.metric("worker_ready") == 1
    lines = "".join(running.said)
    assert lines.count("was ended by SIGKILL; another one takes its place") == 3


def test_a_spare_with_the_file_of_before_is_not_taken(start, model):
    running = start(model=model, spare=True)
    running.wait_for("spare_ready", 1)
    write_model(model, slope=0.5)
    running.wait_for("spare_ready", 0)
    min(running.workers(), key=lambda process: process.create_time()).kill()
    running.wait_for("worker_restarts", 1)
    running.wait_until(ready=True)
    assert running.detect(photo(204)).json()["p_roadwork"] == pytest.approx(0.4)
    running.wait_for("spare_ready", 1)
    assert len(running.workers()) == 2


def test_a_photo_that_ends_the_worker_ends_its_spare_too_and_no_more(start, model, pool):
    running = start(model=model, hostile=True, spare=True, deadline_s=30, batch_wait_ms=300)
    running.wait_for("spare_ready", 1)
    killer = pool.submit(running.detect, photo(KILLER))
    others = {level: pool.submit(running.detect, photo(level)) for level in LEVELS}
    assert killer.result().status_code == 500
    for level, future in others.items():
        assert future.result().json()["p_roadwork"] == pytest.approx(level / 255)
    assert running.metric("worker_restarts") == 2


def test_only_the_photo_that_ends_the_worker_goes_without_an_answer(start, model, pool):
    running = start(model=model, hostile=True, deadline_s=30, batch_wait_ms=300)
    futures = {level: pool.submit(running.detect, photo(level)) for level in LEVELS[:2]}
    killer = pool.submit(running.detect, photo(KILLER))
    futures |= {level: pool.submit(running.detect, photo(level)) for level in LEVELS[2:]}
    assert killer.result().status_code == 500
    assert "ended twice" in killer.result().json()["error"]
    for level, future in futures.items():
        assert future.result().json()["p_roadwork"] == pytest.approx(level / 255)
    running.wait_until(ready=True)
    assert running.detect(photo(51)).status_code == 200


def test_what_is_no_probability_is_never_a_decision_and_touches_no_other_photo(start, tmp_path, pool):
    """Dark photos are answered: the model is found out by bright ones alone, for which it says 3 x their level."""
    running = start(model=write_model(tmp_path / "fusion.onnx", slope=3.0), batch_wait_ms=300)
    worker = running.worker().pid
    levels = {level: pool.submit(running.detect, photo(level)) for level in (17, 34, 204, 68, 255)}
    for level in (17, 34, 68):
        assert levels[level].result().json()["p_roadwork"] == pytest.approx(3 * level / 255)
    for level, said in ((204, "-1.4"), (255, "-2")):  # P(no roadwork), which comes first
        response = levels[level].result()
        assert response.status_code == 500
        assert response.json()["error"] == f"the model is broken: its output fusion answers {said}"
        assert response.json()["expected"] == "probabilities: numbers in 0..1"
        assert response.json()["todo"]
    assert running.worker().pid == worker
    assert running.metric('requests_total{status="500"}') == 2
    assert len([line for line in running.said if "the model is broken" in line]) == 1


@pytest.mark.parametrize("slope", [float("nan"), float("inf")])
def test_a_model_that_is_broken_for_every_photo_ends_the_service_with_that_sentence(start, tmp_path, slope):
    running = start(model=write_model(tmp_path / "fusion.onnx", slope=slope))
    assert running.ready_line == ""
    assert running.stop() == 2
    assert "the model is broken: its output fusion answers nan" in "".join(running.said)


def test_a_replaced_model_answers_once_the_worker_is_started_again(start, model):
    running = start(model=model, cache=10)
    old = hashlib.sha256(model.read_bytes()).hexdigest()
    write_model(model, slope=0.5)
    new = hashlib.sha256(model.read_bytes()).hexdigest()
    before = running.detect(photo(204)).json()
    assert (before["p_roadwork"], before["model_sha256"]) == (pytest.approx(0.8), old)
    running.worker().kill()
    running.wait_until(ready=False)
    assert running.wait_until(ready=True)["model_sha256"] == new
    after = running.detect(photo(204)).json()  # the answer that was remembered is the other model's
    assert (after["p_roadwork"], after["model_sha256"]) == (pytest.approx(0.4), new)


def test_a_broken_model_is_said_and_tried_again(start, model):
    running = start(model=model, retry_s=0.5)
    whole = model.read_bytes()
    model.write_bytes(whole[:100])
    assert running.detect(photo(204)).status_code == 200
    running.worker().kill()
    said = running.wait_until(ready=False)
    while "cut short" not in said["error"]:
        said = running.wait_until(ready=False)
    assert running.client.get("/healthz").status_code == 200
    refused = running.detect(photo(204))
    assert (refused.status_code, refused.json()["error"]) == (503, said["error"])
    assert int(refused.headers["Retry-After"]) > 0
    model.write_bytes(whole)
    running.wait_until(ready=True)
    assert running.detect(photo(204)).json()["p_roadwork"] == pytest.approx(0.8)
    running.stop()
    lines = "".join(running.said)
    assert "was ended by SIGKILL" in lines and "cut short" in lines and "answers again" in lines


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_answers_what_is_in_the_house(start, model, pool, number):
    running = start(model=model, hostile=True)
    worker = running.worker()
    slow = pool.submit(running.detect, photo(SLOW))
    running.wait_for_queue(1)
    worker.send_signal(number)  # as from a terminal or systemd, which reach both processes
    running.process.send_signal(number)
    assert slow.result().json()["p_roadwork"] == pytest.approx(sum(SLOW) / 3 / 255)
    assert running.process.wait(timeout=20) == 0
    assert not worker.is_running()


def test_a_service_that_is_killed_leaves_no_worker(start, model):
    running = start(model=model)
    worker = running.worker()
    os.kill(running.process.pid, signal.SIGKILL)
    worker.wait(timeout=20)


def test_a_photo_that_is_slow_to_decode_holds_up_none_of_its_batch(start, model, pool):
    running = start(model=model, hostile=True, deadline_s=30, batch_wait_ms=500)
    slow = pool.submit(running.detect, photo(slow_colour(8)))
    others = {level: pool.submit(running.detect, photo(level)) for level in LEVELS}
    for level, future in others.items():
        assert future.result().json()["p_roadwork"] == pytest.approx(level / 255)
    assert not slow.done()
    assert slow.result().json()["p_roadwork"] == pytest.approx(sum(slow_colour(8)) / 3 / 255)


def test_large_photos_keep_no_other_waiting(start, model, pool):
    """Each has 16 million pixels and takes half a second to decode; the others came last and are answered first."""
    running = start(model=model, hostile=True, deadline_s=60)
    large = photo(slow_colour(0.5), size=(4000, 4000))
    first = [pool.submit(running.detect, large) for _ in range(6)]
    running.wait_for_queue(6)
    others = {level: pool.submit(running.detect, photo(level)) for level in LEVELS}
    for level, future in others.items():
        assert future.result().json()["p_roadwork"] == pytest.approx(level / 255)
    assert not all(each.done() for each in first)
    assert {each.result().status_code for each in first} == {200}


@pytest.mark.parametrize("late", [{0}, {3}, {1, 2}, {0, 1, 2, 3}])
def test_photos_are_answered_without_those_that_are_still_being_decoded(monkeypatch, pool, late):
    """In the order in which they came, whatever is late; a photo that cannot be read is known at once."""
    released = threading.Event()

    def decode(data, max_pixels):
        if int(data) in late:
            assert released.wait(60)
        if int(data) == 2:
            raise ImageError("cut", expected="a whole one")
        return int(data)

    detector = SimpleNamespace(
        prepare=lambda pixels: {"image": pixels}, detect_prepared=lambda views: [view["image"] for view in views]
    )
    monkeypatch.setattr(answering, "decode_image", decode)
    monkeypatch.setattr(answering, "PATIENCE_S", 0.5)
    parts = answering.answer_batch(detector, pool, [b"0", b"1", b"2", b"3"], 9)
    threading.Timer(0 if len(late) == 4 else 60, released.set).start()
    found = {
        number: answering.Unreadable(False, "cut", "a whole one") if number == 2 else number for number in range(4)
    }
    for expected in filter(None, (sorted(set(range(4)) - late), sorted(late))):
        part = next(parts)
        assert (part.places, part.found) == (expected, [found[place] for place in expected])
        released.set()
    assert next(parts, None) is None

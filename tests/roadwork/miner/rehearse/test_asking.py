"""What a service may do to a question: each loss has its name, and none ends the rehearsal."""

import numpy as np
import pytest

from kerasfusion.formats.open_model import OpenModel
from kerasfusion.roadwork.detect.detector import Detector
from kerasfusion.roadwork.miner.plugin.detector_settings import DetectorSettings
from kerasfusion.roadwork.miner.rehearse.asking import ask_detector, ask_service
from tests.roadwork.miner.rehearse.material import ToldService
from tests.roadwork.service.material import photo

JPEG = photo(100, kind="JPEG")


def asked(*told, timeout_s=5.0, deadline_s=5.0):
    with ToldService(*told) as service:
        ask = ask_service(DetectorSettings(service_url=service.url, timeout_s=timeout_s), deadline_s)
        return [ask(JPEG) for _ in told]


@pytest.mark.parametrize(
    ("told", "lost"),
    [
        (("status", 429), "refused (429)"),
        (("status", 503), "refused (503)"),
        (("hang up",), "without an answer"),
        (b"no JSON", "of a wrong type"),
        (b"", "of a wrong type"),
        (b"[0.5]", "of a wrong type"),
        (b"{}", "of a wrong type"),
        (b"[" * 100_000, "of a wrong type"),
        (b'{"p_roadwork": 1' + b"0" * 400 + b"}", "of a wrong type"),  # larger than a float
        (None, "of a wrong type"),
        ("roadwork", "of a wrong type"),
        ([0.5], "of a wrong type"),
        (1.0001, "outside 0..1"),
        (-1, "outside 0..1"),
        (float("nan"), "outside 0..1"),
        (float("inf"), "outside 0..1"),
    ],
)
def test_an_answer_that_is_none_is_lost_and_named_and_the_next_one_counts(told, lost):
    first, second = asked(told, 0.25)
    assert (first.lost, first.p) == (lost, {})
    assert (second.lost, second.p) == (None, {"fusion": 0.25})
    assert first.seconds >= 0


@pytest.mark.parametrize(("told", "timeout_s"), [(("wait", 2), 0.2), (("wait", 2), 5.0), (("drip",), 5.0)])
def test_a_late_answer_is_given_up_at_the_plug_ins_timeout_or_the_validators_deadline(told, timeout_s):
    first, second = asked(told, 0.25, timeout_s=timeout_s, deadline_s=0.6)
    assert (first.lost, first.p) == ("late", {})
    assert first.seconds < 1.5
    assert second.p == {"fusion": 0.25}


def test_numbers_are_read_as_the_plug_in_reads_them():
    assert [reply.p["fusion"] for reply in asked("0.75", 1, 0, True)] == [0.75, 1.0, 0.0, 1.0]


def test_the_vit_and_the_files_digest_are_taken_where_they_are_said():
    whole = b'{"p_roadwork": 0.7, "branches": {"vit": 0.2, "yolo": 0.9}, "model_sha256": "ab"}'
    odd = b'{"p_roadwork": 0.7, "branches": {"vit": "much"}, "model_sha256": 5}'
    first, second, third = asked(whole, odd, b'{"p_roadwork": 0.7, "branches": 3}')
    assert (first.p, first.model_sha256) == ({"fusion": 0.7, "vit": 0.2}, "ab")
    assert (second.p, second.model_sha256) == ({"fusion": 0.7}, None)
    assert third.p == {"fusion": 0.7}


def test_nobody_there_is_told_apart_from_a_refusal():
    with ToldService(0.5) as service:
        ask = ask_service(DetectorSettings(service_url=service.url), 5)
    reply = ask(JPEG)
    assert reply.lost == "nobody there"
    assert "miner serve" in reply.error.todo


def level(inputs, broken=None):
    p = inputs["image"].mean(axis=(1, 2, 3)) / 255
    p = np.where(p > 0, p if broken is None else broken, p)
    return {name: np.stack([1 - p, p], axis=1) for name in ("fusion", "vit", "yolo")}


def test_a_model_in_this_process_is_asked_as_the_plug_in_asks_it():
    detector = Detector(OpenModel(level, {"image": (4, 4, 3)}, ("fusion", "vit", "yolo"), {}))
    reply = ask_detector(detector, 9)(JPEG)
    assert reply.p == pytest.approx({"fusion": 100 / 255, "vit": 100 / 255}, abs=0.01)
    assert reply.seconds > 0
    assert ask_detector(detector, 0)(JPEG).lost == "late"


@pytest.mark.parametrize("broken", [np.nan, 1.5, -0.2])
def test_a_broken_model_gives_no_answer_instead_of_an_impossible_one(broken):
    detector = Detector(
        OpenModel(lambda inputs: level(inputs, broken), {"image": (4, 4, 3)}, ("fusion", "vit", "yolo"), {})
    )
    reply = ask_detector(detector, 9)(JPEG)
    assert (reply.lost, reply.p) == ("outside 0..1", {})
    assert "the model is broken" in str(reply.error)

"""How an estimate is added up and told, and how a training's steps are timed."""

import json

import pytest

from kerasfusion.machine.probe import Estimate, Stage, duration, spread
from kerasfusion.machine.step_clock import StepClock


@pytest.fixture
def estimate():
    stages = [Stage("read", 100, "photos", 0.01, 2.0), Stage("train", 0, "batches", 5.0)]
    return Estimate(
        "fit", {"done_before": {"epochs": 1200}}, stages, {"cache": 2_500_000}, 3_000_000_000, "3 steps", 4.0
    )


def test_stages_are_added_up(estimate):
    assert estimate.seconds == pytest.approx(3.0)
    told = json.loads(json.dumps(estimate.to_json()))
    assert told["seconds"] == pytest.approx(3.0)
    assert [stage["seconds"] for stage in told["stages"]] == [pytest.approx(3.0), 0.0]
    assert told["is_estimate"] is True
    assert told["done_before"] == {"epochs": 1200}


def test_the_text_says_that_it_is_an_estimate(estimate):
    text = estimate.to_text()
    assert "done before  epochs 1,200" in text
    assert "about 3 s in all; disk: 2.5 MB for cache; memory: 3.0 GB or more" in text
    assert "This is an estimate, from 3 steps in 4 s" in text


def test_the_table_tells_what_comes_once_and_leaves_out_what_is_not_done(estimate):
    rows = [line.split() for line in estimate.to_text().splitlines()]
    assert ["read", "100", "photos", "10.0", "2.0", "3.0"] in rows
    assert "train" not in estimate.to_text()
    assert [stage["stage"] for stage in estimate.to_json()["stages"]] == ["read", "train"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(59.6, "60 s"), (600, "10 min"), (7160, "119 min"), (7190, "2 h"), (9000, "2 h 30 min"), (50_580, "14 h 3 min")],
)
def test_durations(seconds, said):
    assert duration(seconds) == said


def test_some_of_all():
    assert spread(range(10), 3) == [0, 3, 6]
    assert spread(range(2), 3) == [0, 1]


class Model:
    """What a callback sees of one."""

    stop_training = stop_evaluating = False


def run(clock, monkeypatch, step, first, validation, tail):
    """What keras' fit does with 40 batches and 5 batches of validation, on a clock of its own."""
    now = [0.0]
    monkeypatch.setattr("kerasfusion.machine.step_clock.time.perf_counter", lambda: now[0])
    clock.set_model(Model())
    clock.on_train_begin()
    trained = []
    for epoch in range(2):
        clock.on_epoch_begin(epoch)
        for batch in range(40):
            now[0] += first if (epoch, batch) == (0, 0) else step
            clock.on_train_batch_end(batch)
            trained.append((epoch, batch))
            if clock.model.stop_training:
                break
        clock.on_test_begin()
        for batch in range(5):
            now[0] += validation + (0.5 if (epoch, batch) == (0, 0) else 0.0)
            clock.on_test_batch_end(batch)
            if clock.model.stop_evaluating:
                break
        clock.on_test_end()
        clock.on_epoch_end(epoch)
        now[0] += tail
        if clock.model.stop_training:
            break
    clock.on_train_end()
    return trained


def test_the_clock_parts_a_training_into_what_recurs_and_what_does_not(monkeypatch):
    clock = StepClock(steps=20, seconds=100, batches=2)
    trained = run(clock, monkeypatch, step=0.5, first=8.0, validation=0.25, tail=1.0)
    assert trained == [(0, batch) for batch in range(20)] + [(1, 0)]
    pace = clock.pace()
    assert pace.step == pytest.approx(0.5)
    assert pace.first_step == pytest.approx(7.5)
    assert pace.validation_batch == pytest.approx(0.25)
    assert pace.first_validation == pytest.approx(0.5)
    assert pace.epoch == pytest.approx(1.0)
    assert pace.first_epoch == pytest.approx(0.0)
    assert clock.seconds == pytest.approx(8 + 19 * 0.5 + 0.5 + (0.5 + 2 * 0.25) + 0.25 + 2 * 1)


def test_the_clock_ends_slow_steps_early(monkeypatch):
    clock = StepClock(steps=20, seconds=5, batches=2)
    trained = run(clock, monkeypatch, step=3.0, first=9.0, validation=0.25, tail=1.0)
    assert trained == [(0, 0), (0, 1), (0, 2), (1, 0)]
    assert clock.pace().step == pytest.approx(3.0)


def test_the_clock_ends_slow_validations_early(monkeypatch):
    clock = StepClock(steps=2, seconds=5, batches=4)
    run(clock, monkeypatch, step=0.5, first=1.0, validation=3.0, tail=1.0)
    assert clock.pace().validation_batch == pytest.approx(3.0)
    # Two steps and one, three batches (6 s after the first) and one.
    assert clock.seconds == pytest.approx(1.0 + 0.5 + 0.5 + 0.5 + 3 * 3.0 + 3.0 + 2 * 1)

"""Copies, and photos of one drive or place, count together in what is said of a split."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from kerasfusion.roadwork.challenge.kinds import Kind
from kerasfusion.roadwork.data.dataset import Sample
from kerasfusion.roadwork.evaluate.answers import Answers
from kerasfusion.roadwork.evaluate.challenges import challenge_reports
from kerasfusion.roadwork.evaluate.split import evaluate

COUNT = 40
LABELS = np.arange(COUNT) % 2


def samples():
    names = [f"test/{number:02}.jpg" for number in range(COUNT)]
    return [Sample(name, Path(name), "test", int(label)) for name, label in zip(names, LABELS, strict=True)]


def evaluated(keys, digest_of, unreadable=()):
    """Of answers of the fusion that are all right, and of the ViT that are all wrong, to each photo and one crop."""
    photos = samples()

    def ask(*_, **options):
        right = np.stack([LABELS, LABELS], axis=1).astype(float)
        digests = {each.sample_id: digest_of(number) for number, each in enumerate(photos) if number not in unreadable}
        kinds = [[None, Kind("crop", 1)] for _ in photos]
        return Answers("test", photos, {"fusion": right, "vit": 1 - right}, kinds, {}, digests)

    detector = SimpleNamespace(outputs=("fusion", "vit"), window=None)
    return evaluate(detector, photos, keys=keys, ask=ask)


def own_digest(number):
    return f"{number:064x}"


def drives(size):
    return {each.sample_id: f"drive{number // size}" for number, each in enumerate(samples())}


def test_photos_by_themselves_have_mcnemars_test():
    found = evaluated({}, own_digest)
    assert found.groups is None
    assert found.report["fusion"]["vs_vit"]["mcnemar_p"] == 2 / 2**COUNT
    assert found.challenges["test_crop_1"]["fusion"]["vs_vit"]["sign_flip_p"] < 1e-11


@pytest.mark.parametrize(
    ("keys", "digest_of"), [(drives(10), own_digest), ({}, lambda number: own_digest(number // 10))]
)
def test_four_drives_or_four_photos_in_ten_copies_are_four(keys, digest_of):
    found = evaluated(keys, digest_of)
    for report in (found.report, found.challenges["test_crop_1"]):
        against = report["fusion"]["vs_vit"]
        assert against["sign_flip_p"] == pytest.approx(2 / 2**4)
        assert (against["only_fusion_right"], against["verdict"]) == (COUNT, "no clear difference")
    assert len(set(found.groups)) == 4


def test_photos_that_cannot_be_read_are_no_copies_of_each_other():
    assert evaluated({}, own_digest, unreadable=(3, 4, 5)).groups is None


def test_intervals_of_challenges_are_by_group():
    rng = np.random.default_rng(0)
    right = np.repeat(rng.random(COUNT // 10) < 0.5, 10)
    answers = {"fusion": np.where(right, LABELS, 1 - LABELS)[:, None].astype(float)}
    kinds = [[Kind("crop", 1)]] * COUNT
    groups = np.arange(COUNT) // 10
    alone, grouped = (
        challenge_reports("test", LABELS, answers, kinds, "vit", each)["test_crop_1"]["fusion"]["accuracy_ci95"]
        for each in (None, groups)
    )
    assert grouped[1] - grouped[0] > 2 * (alone[1] - alone[0])

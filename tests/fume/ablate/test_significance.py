"""Differences from the first row of an ablation: p-values by hand, and what may be compared with what."""

import math

import numpy as np
import pytest

from kerasfusion.errors import RequestError
from kerasfusion.files.kept_answers import predictions_path
from kerasfusion.fume.ablate.results import Result
from kerasfusion.fume.ablate.significance import against_first, compare, holm, in_words, p_value
from kerasfusion.fume.data.samples import GasFrame, Sample, paired_path, single_frames, write_samples
from kerasfusion.fume.evaluate.predictions import write_predictions
from kerasfusion.fume.evaluate.split import Answers, Asked
from tests.fume.ablate.ablation_material import configured

ORIGINALS, COPIES = 24, 2


def pairs(originals=ORIGINALS, copies=COPIES):
    """Both gases of some originals; those of CH4 have other names, so that a pair's group is its CO2 original."""
    return [
        Sample(*(GasFrame(f"{gas}{n}_{copy}.png", f"{gas}{n}_{copy}_mask.png", f"{gas}-{n}") for gas in ("co2", "ch4")))
        for n in range(originals)
        for copy in range(copies)
    ]


def labelled(samples):
    return [Sample(sample.co2, sample.ch4, 6.0, number // COPIES % 3) for number, sample in enumerate(samples)]


SAMPLES = labelled(pairs())
FRAMES = {frame.frame_path: (each.sample_id, each.group) for each in SAMPLES for frame in each.frames.values()}


def answers(samples, wrong=(), hits=None):
    """Right states but for the originals in `wrong`; of each frame's 10 gas pixels `hits` (by original) are found."""
    number = {sample: int(sample.frames[next(iter(sample.frames))].original_id.split("-")[1]) for sample in samples}
    said = [(sample.class_id + (number[sample] in wrong)) % 3 for sample in samples]
    pixels = {}
    for gas in ("co2", "ch4"):
        counts = np.zeros((len(samples), 3, 3), np.int64)
        for row, sample in enumerate(samples):
            if gas in sample.frames:
                found = 5 if hits is None else hits[number[sample]]
                counts[row, 0, 0], counts[row, 2] = 90, (10 - found, 0, found)
        pixels[f"{gas}_mask"] = counts
    return Answers([Asked(sample, False, True) for sample in samples], np.eye(3, dtype=np.float32)[said], pixels)


LEARNED = {"state", "co2_mask", "ch4_mask"}


def compared(first, other, parts=LEARNED, resamples=2000):
    return compare(first, other, FRAMES, parts, resamples)


def test_p_is_twice_the_smaller_tail_with_the_datas_own_draw():
    draws = np.array([-1.0] * 3 + [2.0] * 96 + [math.nan] * 50)
    assert p_value(draws, 30) == pytest.approx(2 * (3 + 1) / (99 + 1))
    assert p_value(-draws, 30) == pytest.approx(2 * (3 + 1) / (99 + 1))
    assert p_value(np.ones(99), 30) == pytest.approx(2 / 100)
    assert p_value(np.ones(99), 4) == 2**-3  # four originals of one sign: two of sixteen ways
    assert p_value(np.ones(99), 1) == 1
    assert p_value(np.zeros(99), 30) == 1
    assert p_value(np.full(9, math.nan), 30) is None


@pytest.mark.parametrize(
    ("values", "corrected"),
    [
        ([None, 0.01, 0.04, 0.03, None, 0.005], [None, 0.03, 0.06, 0.06, None, 0.02]),
        ([None, 0.5, 0.6], [None, 1.0, 1.0]),
        ([None, 0.04], [None, 0.04]),
        ([None, None], [None, None]),
        ([], []),
    ],
)
def test_holm_by_hand(values, corrected):
    assert holm(values) == [each if each is None else pytest.approx(each) for each in corrected]


def test_the_same_answers_do_not_differ_and_others_do():
    worse = answers(SAMPLES, wrong=range(12), hits=[5] * 12 + [2] * 12)
    assert compared([answers(SAMPLES)], [answers(SAMPLES)]) == {"balanced_accuracy": 1, "iou_gas": 1}
    found = compared([answers(SAMPLES)], [worse])
    assert found["balanced_accuracy"] < 0.01
    assert found["iou_gas"] < 0.01
    # One original of 24 is not drawn in (23 / 24)^24 = 0.36 of the draws: then there is no difference.
    of_one = compared([answers(SAMPLES)], [answers(SAMPLES, wrong=[3])])["balanced_accuracy"]
    assert of_one == pytest.approx(2 * (23 / 24) ** 24, abs=0.05)


def test_copies_of_an_original_are_no_evidence_of_their_own():
    samples = [Sample(each.co2, each.ch4, 6.0, n % 3) for n, each in enumerate(pairs(originals=3, copies=60))]
    frames = {frame.frame_path: (each.sample_id, each.group) for each in samples for frame in each.frames.values()}
    worse = answers(samples, wrong=range(3))
    assert compare([answers(samples)], [worse], frames, LEARNED, 500)["balanced_accuracy"] == 0.25
    alone = {path: (name, name) for path, (name, _) in frames.items()}
    assert compare([answers(samples)], [worse], alone, LEARNED, 500)["balanced_accuracy"] < 0.01


def test_single_frames_stand_beside_the_pairs_that_they_are_of():
    wrong, hits = [1, 5, 6, 20], [n % 7 for n in range(ORIGINALS)]
    first, frame_by_frame = answers(SAMPLES, wrong, hits), answers(single_frames(SAMPLES), wrong, hits)
    assert compared([first], [frame_by_frame]) == {"balanced_accuracy": 1, "iou_gas": 1}  # equal on every draw


def test_only_samples_that_both_were_asked_about_count():
    co2_alone = [sample.only("co2") for sample in SAMPLES[: len(SAMPLES) // 2]]
    first = answers(SAMPLES, wrong=range(12, 24), hits=[5] * 12 + [0] * 12)  # wrong where the other was not asked
    assert compared([first], [answers(co2_alone)]) == {"balanced_accuracy": 1, "iou_gas": 1}
    assert compared([first], [answers(co2_alone)], {"ch4_mask"}) == {"balanced_accuracy": None, "iou_gas": None}
    elsewhere = [Sample(GasFrame("x.png", "x_mask.png", "co2-1"), None, 6.0, 0)]
    assert compared([first], [answers(elsewhere)]) == {"balanced_accuracy": None, "iou_gas": None}


def test_seeds_are_averaged_before_they_are_compared():
    ups_and_downs = [answers(SAMPLES, wrong=range(12)), answers(SAMPLES, wrong=range(12, 24))]
    crossed = ups_and_downs[::-1]
    assert compared(ups_and_downs, crossed)["balanced_accuracy"] == 1
    assert compared(ups_and_downs, [answers(SAMPLES)] * 3)["balanced_accuracy"] < 0.01


def kept(tmp_path, name, given, *settings, parts=LEARNED):
    """A finished run whose answers are kept."""
    config = configured(tmp_path / "data", name, "FUMEFastSCNN", *settings)
    config.run_folder.mkdir(parents=True)
    if given is not None:
        write_predictions(predictions_path(config.run_folder, "test"), given)
    return [Result(config, {part: {} for part in parts}, {}, {}, 1)]


def test_configurations_are_compared_with_the_first_by_their_kept_answers(tmp_path):
    for root in (tmp_path / "data", tmp_path / "other"):
        root.mkdir()
        write_samples(paired_path(root, "test"), SAMPLES)
    worse = answers(SAMPLES, wrong=range(12))
    runs = {
        "first": kept(tmp_path, "first", answers(SAMPLES)),
        "worse": kept(tmp_path, "worse", worse),
        "same": kept(tmp_path, "same", answers(SAMPLES)),
        "masks": kept(tmp_path, "masks", worse, parts={"co2_mask"}),
        "lost": kept(tmp_path, "lost", None),
        "elsewhere": kept(tmp_path, "elsewhere", worse, f"data.dataset_root={tmp_path / 'other'}"),
    }
    found = against_first(runs)
    assert list(found) == list(runs)
    states = {name: values["balanced_accuracy_p"] for name, values in found.items()}
    assert states == {
        "first": None,
        "worse": pytest.approx(2 * 2 / 10_001),  # the least that 10,000 draws say, times two tests
        "same": 1,
        "masks": None,
        "lost": None,
        "elsewhere": None,
    }
    assert [values["iou_gas_p"] for values in found.values()] == [None, 1, 1, 1, None, None]
    rows = [{"name": name, **values} for name, values in found.items()]
    assert in_words(rows) == (
        "Clearly other than first (p < 0.05) in balanced accuracy: worse (p < 0.001) of 2; in gas IoU: none of 3."
    )
    assert in_words([{"name": "alone", "iou_gas_p": None}]) is None


def test_altered_answers_are_refused(tmp_path):
    (tmp_path / "data").mkdir()
    write_samples(paired_path(tmp_path / "data", "test"), SAMPLES)
    runs = {"first": kept(tmp_path, "first", answers(SAMPLES)), "b": kept(tmp_path, "b", answers(SAMPLES))}
    (runs["b"][0].config.run_folder / "evaluated.json").write_text('{"test": {"answers_sha256": "0123456789abcdef"}}')
    with pytest.raises(RequestError, match="damaged or were altered"):
        against_first(runs)

import dataclasses
import random
from collections import Counter

import pytest

from kerasfusion.errors import RequestError
from kerasfusion.fume.data.annotations import Frame
from kerasfusion.fume.data.leaks import ambiguous_originals, find_leak, refuse_repeats, regroup
from tests.fume.data.frames_material import make_frames


def frames_of(prefix, *originals, gas="co2"):
    return [Frame(gas, f"{prefix}{i}.png", "m.png", 6.5, 0, original) for i, original in enumerate(originals)]


def test_a_leak_is_measured_between_each_two_splits():
    splits = {
        "train": frames_of("t", "a", "a", "b", "c", "d"),
        "val": frames_of("v", "a", "e"),
        "test": frames_of("s", "a", "b", "b", "f"),
    }
    leak = find_leak(splits)
    assert leak.originals == ("a", "b")
    assert (leak.all_originals, leak.frames, leak.all_frames) == (6, 7, 11)
    assert leak.to_json()["splits"] == {
        "train/val": {"originals": 1, "frames": {"train": 2, "val": 1}, "shares": {"train": 0.4, "val": 0.5}},
        "train/test": {"originals": 2, "frames": {"train": 3, "test": 3}, "shares": {"train": 0.6, "test": 0.75}},
        "val/test": {"originals": 1, "frames": {"val": 1, "test": 1}, "shares": {"val": 0.5, "test": 0.25}},
    }
    assert leak.lines() == [
        "2 of 6 originals are in more than one split, which touches 7 of 11 frames (63.6%)",
        "train/val: 1 originals; 1 frames of val (50.0%) have a copy of their original in train",
        "train/test: 2 originals; 3 frames of test (75.0%) have a copy of their original in train",
        "val/test: 1 originals; 1 frames of test (25.0%) have a copy of their original in val",
    ]


def test_an_id_is_one_original_in_both_gases():
    leak = find_leak({"train": frames_of("t", "a"), "test": frames_of("s", "a", gas="ch4")})
    assert leak.originals == ("a",)


def test_no_leak_has_no_lines():
    leak = find_leak({"train": frames_of("t", "a", "a"), "test": frames_of("s", "b"), "val": []})
    assert not leak
    assert leak.lines() == []
    assert leak.to_json()["splits"] == {}


@pytest.mark.parametrize("seed", range(8))
def test_regrouped_splits_hold_every_frame_once_and_share_no_original(seed):
    frames = make_frames(seed, originals=40, shared_ids=bool(seed % 2))
    splits = regroup(frames, seed=seed)
    assert Counter(f.frame_path for found in splits.values() for f in found) == Counter(f.frame_path for f in frames)
    originals = [{f.original_id for f in found} for found in splits.values()]
    assert sum(map(len, originals)) == len(set.union(*originals))
    assert not find_leak(splits)
    random.Random(seed).shuffle(frames)
    assert regroup(frames, seed=seed) == splits
    assert regroup(frames, seed=seed + 100) != splits


def test_regrouped_splits_are_stratified_as_the_public_data_are_shaped():
    rows = [("Healthy", 0, 192), ("Transitional", 1, 11), ("Acidotic", 2, 225)]
    frames = [
        Frame("ch4" if number % 3 == 0 else "co2", f"{name}{number}-{copy}", "m", 5.0, class_id, f"{name}{number}")
        for name, class_id, originals in rows
        for number in range(originals)
        for copy in range(21)
    ]
    splits = regroup(frames)
    for split, share in (("train", 0.7), ("val", 0.15), ("test", 0.15)):
        for _, class_id, originals in rows:
            count = sum(f.class_id == class_id for f in splits[split])
            assert abs(count - share * originals * 21) <= 2 * 21
            assert {f.gas for f in splits[split] if f.class_id == class_id} == {"co2", "ch4"}


def test_regroup_refuses_what_cannot_be_divided():
    for val, test in ((0.5, 0.5), (-0.1, 0.2), (float("nan"), 0.1)):
        with pytest.raises(RequestError, match="leave nothing to train on"):
            regroup(make_frames(0), val=val, test=test)
    with pytest.raises(RequestError, match="1 original\\(s\\) cannot be divided into 3 splits"):
        regroup(frames_of("t", "a", "a", "a"))
    splits = regroup(make_frames(0), val=0, test=0.2)
    assert splits["val"] == []
    assert splits["test"]


def test_a_frame_in_two_rows_is_named_with_both():
    frames = [dataclasses.replace(f, source=f"train line {i}") for i, f in enumerate(make_frames(0))]
    refuse_repeats(frames)
    again = dataclasses.replace(frames[5], source="test line 9", gas="ch4")
    with pytest.raises(RequestError) as error:
        refuse_repeats([*frames, again])
    assert f"1 frame(s) are listed more than once:\n  - {again.frame_path}: train line 5, test line 9" in str(
        error.value
    )


def test_ids_of_two_states_are_suspicious():
    frames = frames_of("t", "a", "b", "a")
    assert ambiguous_originals(frames) == []
    assert ambiguous_originals([*frames, dataclasses.replace(frames[1], ph_value=6.2)]) == ["b"]

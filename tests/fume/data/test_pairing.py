import dataclasses
import random
from collections import Counter

import pytest

from kerasfusion.errors import RequestError
from kerasfusion.fume.data.annotations import Frame
from kerasfusion.fume.data.pairing import STRATEGIES, count_samples, pair_frames
from tests.fume.data.frames_material import make_frames

CASES = [(strategy, seed, shared) for strategy in STRATEGIES for seed in range(8) for shared in (True, False)]


def frame(gas, name, original, augmentation="", ph_value=6.5, class_id=0):
    return Frame(gas, f"{gas}-{name}", f"mask-{gas}-{name}", ph_value, class_id, original, augmentation)


def pairs_of(samples):
    return {(s.co2.frame_path, s.ch4.frame_path) for s in samples if s.is_paired}


@pytest.mark.parametrize(("strategy", "seed", "shared"), CASES)
def test_each_frame_is_used_once_with_a_partner_of_its_class_and_ph(strategy, seed, shared):
    frames = make_frames(seed, shared_ids=shared)
    by_path = {f.frame_path: f for f in frames}
    samples = pair_frames(frames, strategy, seed)
    used = Counter(found.frame_path for sample in samples for found in sample.frames.values())
    assert used == Counter(list(by_path))
    for sample in samples:
        for gas, found in sample.frames.items():
            original = by_path[found.frame_path]
            assert (original.gas, original.ph_value, original.class_id) == (gas, sample.ph_value, sample.class_id)
            assert (found.mask_path, found.original_id) == (original.mask_path, original.original_id)


@pytest.mark.parametrize(("strategy", "seed", "shared"), CASES)
def test_as_many_pairs_as_the_rarer_gas_of_each_kind_allows(strategy, seed, shared):
    frames = make_frames(seed, shared_ids=shared)
    same = {
        "random": lambda f: (f.ph_value, f.class_id),
        "original_based": lambda f: (f.ph_value, f.class_id, f.original_id),
        "augmentation_matched": lambda f: (f.ph_value, f.class_id, f.augmentation_id),
    }[strategy]
    counts = {gas: Counter(same(f) for f in frames if f.gas == gas) for gas in ("co2", "ch4")}
    expected = sum((counts["co2"] & counts["ch4"]).values())
    assert len(pairs_of(pair_frames(frames, strategy, seed))) == expected
    by_path = {f.frame_path: f for f in frames}
    for one, other in pairs_of(pair_frames(frames, strategy, seed)):
        assert same(by_path[one]) == same(by_path[other])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_rows_order_does_not_matter_but_the_seed_does(strategy):
    frames = [f for seed in range(3) for f in make_frames(seed, shared_ids=False)]
    frames = [
        dataclasses.replace(f, frame_path=f"{i}-{f.frame_path}", original_id=f"{i % 5}") for i, f in enumerate(frames)
    ]
    first = pair_frames(frames, strategy, seed=1)
    for shuffle in range(3):
        other = frames[:]
        random.Random(shuffle).shuffle(other)
        assert pair_frames(other, strategy, seed=1) == first
    assert pairs_of(pair_frames(frames, strategy, seed=2)) != pairs_of(first)


def test_random_is_random_over_paths_and_over_who_stays_alone():
    frames = [frame("co2", f"{i:02d}", f"a{i}") for i in range(20)] + [
        frame("ch4", f"{i:02d}", f"b{i}") for i in range(10)
    ]
    alone, partners = Counter(), Counter()
    for seed in range(200):
        samples = pair_frames(frames, "random", seed)
        assert len(pairs_of(samples)) == 10
        alone.update(s.co2.frame_path for s in samples if not s.is_paired)
        partners.update(one for one, other in pairs_of(samples) if other == "ch4-00")
    assert min(alone.values()) > 60
    assert max(alone.values()) < 140
    assert len(partners) == 20


def test_original_based_prefers_the_same_augmentation_and_pairs_no_strangers():
    frames = [
        frame("co2", "a0", "a", "0"), frame("co2", "a1", "a", "1"), frame("co2", "a2", "a", "2"),
        frame("ch4", "a1", "a", "1"), frame("ch4", "a3", "a", "3"),
        frame("co2", "b0", "b", "0"), frame("ch4", "c0", "c", "0"),
        frame("ch4", "b0", "b", "0", ph_value=6.2),
    ]  # fmt: skip
    for seed in range(10):
        samples = pair_frames(frames, "original_based", seed)
        found = pairs_of(samples)
        assert ("co2-a1", "ch4-a1") in found
        assert len(found) == 2
        assert {one for one, other in found if other == "ch4-a3"} < {"co2-a0", "co2-a2"}
        assert {s.sample_id for s in samples if not s.is_paired} > {"co2-b0", "ch4-c0", "ch4-b0"}


def test_augmentation_matched_keeps_one_geometry_and_two_originals_together():
    copies = [str(i) for i in range(4)]
    frames = [frame("co2", f"{o}{i}", o, i) for o in "abc" for i in copies]
    frames += [frame("ch4", f"{o}{i}", o, i) for o in "cde" for i in copies]
    seen = set()
    for seed in range(20):
        found = pairs_of(pair_frames(frames, "augmentation_matched", seed))
        assert len(found) == 12
        assert all(one[-1] == other[-1] for one, other in found)
        originals = {(one[-2], other[-2]) for one, other in found}
        assert ("c", "c") in originals
        assert len(originals) == 3
        seen.add(frozenset(originals))
    assert len(seen) == 2


def test_an_empty_augmentation_is_the_frame_as_filmed_but_not_for_all_frames():
    frames = [
        frame("co2", "a", "a"),
        frame("co2", "a1", "a", "1"),
        frame("ch4", "b", "b"),
        frame("ch4", "b2", "b", "2"),
    ]
    assert pairs_of(pair_frames(frames, "augmentation_matched")) == {("co2-a", "ch4-b")}
    with pytest.raises(RequestError, match="no frame has an augmentation_id"):
        pair_frames([frames[0], frames[2]], "augmentation_matched")
    with pytest.raises(RequestError, match="no strategy 'best'"):
        pair_frames(frames, "best")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_one_gas_alone_or_no_frame_at_all(strategy):
    frames = [f for f in make_frames(1) if f.gas == "ch4"]
    samples = pair_frames(frames, strategy)
    assert len(samples) == len(frames)
    assert all(s.co2 is None for s in samples)
    assert pair_frames([], strategy) == []


def test_counts_by_class_and_ph():
    frames = [
        frame("co2", "1", "a"),
        frame("co2", "2", "b"),
        frame("ch4", "1", "c"),
        frame("ch4", "2", "d", "", 5.0, 2),
    ]
    assert count_samples(pair_frames(frames)) == [
        {"class_name": "Healthy", "ph_value": 6.5, "paired": 1, "co2_only": 1, "ch4_only": 0, "total": 2},
        {"class_name": "Acidotic", "ph_value": 5.0, "paired": 0, "co2_only": 0, "ch4_only": 1, "total": 1},
    ]

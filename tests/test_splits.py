import collections
import random

import pytest

from kerasfusion.errors import RequestError
from kerasfusion.splits import assign_splits


def tally(labels, splits):
    return collections.Counter(zip(splits, labels, strict=True))


def test_single_samples_meet_the_fractions_per_class():
    labels = ["a"] * 1000 + ["b"] * 250 + ["c"] * 33
    splits = assign_splits(labels, [f"g{i}" for i in range(len(labels))])
    counts = tally(labels, splits)
    assert {s: counts[s, "a"] for s in ("train", "val", "test")} == {"train": 800, "val": 100, "test": 100}
    assert {s: counts[s, "b"] for s in ("train", "val", "test")} == {"train": 200, "val": 25, "test": 25}
    for split, exact in (("train", 26.4), ("val", 3.3), ("test", 3.3)):
        assert abs(counts[split, "c"] - exact) < 1


def test_groups_are_never_divided():
    rng = random.Random(0)
    groups = [f"video{rng.randrange(60)}" for _ in range(2000)]
    labels = [rng.randrange(2) for _ in groups]
    splits = assign_splits(labels, groups)
    assert all(len({s for s, g in zip(splits, groups, strict=True) if g == key}) == 1 for key in set(groups))
    counts = tally(labels, splits)
    for label in (0, 1):
        total = labels.count(label)
        # 60 groups of about 33, half of each label: the nearest reachable count is within half a group.
        assert abs(counts["train", label] - 0.8 * total) < 17
        assert abs(counts["val", label] - 0.1 * total) < 17
        assert abs(counts["test", label] - 0.1 * total) < 17


def test_the_order_of_the_samples_does_not_matter():
    labels = [i % 3 for i in range(300)]
    groups = [f"g{i // 4}" for i in range(300)]
    before = dict(zip(range(300), assign_splits(labels, groups), strict=True))
    order = random.Random(1).sample(range(300), 300)
    after = assign_splits([labels[i] for i in order], [groups[i] for i in order])
    assert dict(zip(order, after, strict=True)) == before


def test_the_seed_changes_the_assignment_and_nothing_else_does():
    labels, groups = [i % 2 for i in range(200)], [str(i) for i in range(200)]
    assert assign_splits(labels, groups, seed=1) == assign_splits(labels, groups, seed=1)
    assert assign_splits(labels, groups, seed=1) != assign_splits(labels, groups, seed=2)


def test_the_split_does_not_follow_the_names():
    splits = assign_splits([0] * 1000, [f"photo_{i:04d}" for i in range(1000)])
    first_half = collections.Counter(splits[:500])
    assert 30 < first_half["test"] < 70  # 50 expected, standard deviation under 5


@pytest.mark.parametrize("size", [3, 4, 5, 9])
def test_a_tiny_class_reaches_every_split(size):
    labels = ["many"] * 500 + ["few"] * size
    counts = tally(labels, assign_splits(labels, [str(i) for i in range(len(labels))]))
    assert min(counts[split, "few"] for split in ("train", "val", "test")) >= 1
    assert counts["train", "few"] == max(counts[split, "few"] for split in ("train", "val", "test"))


def test_tiny_classes_in_mixed_groups_reach_every_split():
    groups = [f"video{i}" for i in range(6) for _ in range(10)]
    labels = [0 if i % 10 else 1 for i in range(60)]
    counts = tally(labels, assign_splits(labels, groups))
    assert all(counts[split, label] for split in ("train", "val", "test") for label in (0, 1))


def test_fewer_groups_than_splits_go_to_train_first():
    assert assign_splits([0, 0], ["one", "one"]) == ["train", "train"]


def test_a_large_group_does_not_fill_a_small_split():
    groups = ["long"] * 500 + [f"g{i}" for i in range(500)]
    splits = assign_splits([0] * 1000, groups)
    assert splits[0] == "train"
    assert collections.Counter(splits) == {"train": 800, "val": 100, "test": 100}


def test_other_fractions_and_an_empty_split():
    splits = assign_splits([0] * 90, [str(i) for i in range(90)], {"train": 2 / 3, "val": 1 / 3, "test": 0.0})
    assert collections.Counter(splits) == {"train": 60, "val": 30}
    assert assign_splits([], []) == []


@pytest.mark.parametrize("fractions", [{"train": 0.8, "val": 0.1}, {"train": 1.2, "val": -0.2}])
def test_fractions_that_divide_nothing_are_refused(fractions):
    with pytest.raises(RequestError, match="fractions"):
        assign_splits([0], ["a"], fractions)


def test_lengths_must_agree():
    with pytest.raises(RequestError, match="2 labels but 1 groups"):
        assign_splits([0, 1], ["a"])

"""Whether the gases that are there tell the state, on tables whose answer is known."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import mutual_info_score

from kerasfusion.fume.data.modality import dependence
from kerasfusion.fume.data.modality_balance import balance_modality
from kerasfusion.fume.data.samples import GasFrame, Sample

KITS = (("co2", "ch4"), ("co2",), ("ch4",))


def samples_of(table, copies=1):
    """`copies` samples of each of so many originals by state and kit."""
    made = []
    for class_id, row in enumerate(table):
        for kit, count in zip(KITS, row, strict=True):
            for number in range(count):
                for copy in range(copies):
                    name = f"{class_id}{'-'.join(kit)}{number}"
                    frames = {gas: GasFrame(f"{name}_{copy}_{gas}.png", "m.png", name) for gas in kit}
                    made.append(Sample(**dict.fromkeys(("co2", "ch4")) | frames, ph_value=6.0, class_id=class_id))
    return made


def bits_by_scikit(table):
    cells = [(row, column) for row in range(3) for column in range(3) for _ in range(table[row][column])]
    return mutual_info_score(*zip(*cells, strict=True)) / np.log(2)


NEVER_PAIRED = [[20, 0, 0], [0, 10, 10], [20, 0, 0]]
ALIKE = [[10, 5, 5], [20, 10, 10], [4, 2, 2]]
SOME = [[30, 5, 5], [4, 20, 20], [30, 5, 8]]


@pytest.mark.parametrize(
    ("table", "tells", "guess"),
    # By hand: both gases say Healthy or Acidotic, one gas Transitional.
    [(NEVER_PAIRED, True, 2 / 3), (ALIKE, False, 1 / 3), (SOME, True, (30 / 40 + 20 / 44 + 20 / 44) / 3)],
)
def test_what_the_gases_tell(table, tells, guess):
    found = dependence(samples_of(table))
    assert bool(found) == tells
    assert found.bits == pytest.approx(bits_by_scikit(table), abs=1e-9)
    assert found.guess == pytest.approx(guess)
    np.testing.assert_array_equal(found.table, table)
    assert ("does not tell" in found.line()) != tells


def test_the_sentence_names_what_gives_it_away():
    line = dependence(samples_of(NEVER_PAIRED)).line()
    assert "tells its state (0.92 of 1.58 bits, p = 0.001" in line
    assert "Healthy 100% both gases, 0% CO2 alone, 0% CH4 alone; Transitional 0% both gases, 50% CO2 alone" in line


def test_copies_of_few_originals_are_no_evidence():
    """Three originals a state, ten copies each: the same table of thirty samples would be beyond doubt."""
    few = [[3, 0, 0], [2, 1, 0], [2, 1, 0]]
    assert not dependence(samples_of(few, copies=10))
    assert dependence(samples_of(np.array(few) * 10))


def test_nothing_is_asked_where_all_have_the_same_gases_or_one_state():
    assert dependence(samples_of([[5, 0, 0], [6, 0, 0], [7, 0, 0]])) is None
    assert dependence(samples_of([[5, 3, 2], [0, 0, 0], [0, 0, 0]])) is None


@pytest.mark.parametrize(
    ("table", "kept"),
    [
        (ALIKE, 34 * 2 + 34),
        (SOME, None),
        # All apart; each state then has as many frames of the one gas as of the other.
        (NEVER_PAIRED, 40 + 20 + 40),
        # Transitional has no CH4 at all, so nothing else can have any.
        ([[10, 0, 0], [0, 8, 0], [10, 0, 0]], 10 + 8 + 10),
    ],
)
def test_balancing_makes_the_gases_say_nothing(table, kept):
    samples = samples_of(table)
    balanced = balance_modality(samples, seed=1)
    measured = dependence(balanced)
    assert not measured
    assert measured is None or measured.bits < 0.005
    frames = [frame for sample in balanced for frame in sample.frames.values()]
    given = {frame for sample in samples for frame in sample.frames.values()}
    assert len(set(frames)) == len(frames)
    assert set(frames) <= given
    assert kept is None or len(frames) == kept
    assert balance_modality(samples[::-1], seed=1) == balanced


def test_a_learner_that_could_cheat_looks_at_the_frames_again():
    """The state is in both gases; CH4 is taken away from Healthy samples that had both, as `evaluate` does."""
    table = [[120, 0, 0], [0, 60, 60], [120, 0, 0]]
    rng = np.random.default_rng(3)

    def pixels(samples):
        """Presence, and a noisy look at the state in each gas that is there."""
        there = np.array([[gas in sample.frames for gas in ("co2", "ch4")] for sample in samples], float)
        state = np.array([sample.class_id for sample in samples])
        seen = [np.eye(3)[state] * 1.5 + rng.normal(0, 1, (len(state), 3)) for _ in range(2)]
        return np.hstack(
            [there, there.prod(axis=1, keepdims=True), *(seen[gas] * there[:, gas : gas + 1] for gas in (0, 1))]
        )

    def right_without_ch4(samples):
        learner = LogisticRegression(max_iter=2000).fit(pixels(samples), [sample.class_id for sample in samples])
        healthy = [sample.only("co2") for sample in samples_of([[300, 0, 0], [0] * 3, [0] * 3])]
        return (learner.predict(pixels(healthy)) == 0).mean()

    samples = samples_of(table)
    assert right_without_ch4(samples) < 0.05
    assert right_without_ch4(balance_modality(samples, seed=2)) > 0.5

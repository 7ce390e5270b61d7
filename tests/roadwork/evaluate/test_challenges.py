"""Reports of challenges: which stands for what a validator sends, also where there are few, and what they count."""

from types import SimpleNamespace

import numpy as np
import pytest

from kerasfusion.report_page.blocks import Chart, Table
from kerasfusion.roadwork.challenge.kinds import Kind
from kerasfusion.roadwork.challenge.views import grid
from kerasfusion.roadwork.data.dataset import Sample
from kerasfusion.roadwork.evaluate.answers import Answers
from kerasfusion.roadwork.evaluate.challenges import challenge_reports, main_mix
from kerasfusion.roadwork.evaluate.job import as_text
from kerasfusion.roadwork.evaluate.split import evaluate
from kerasfusion.roadwork.report.challenges import challenge_blocks

LABELS = np.array([0, 1])


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["test", "test_crop_0", "test_crop_mix", "test_plain", "test_mix"], "test_mix"),
        (["val_crop_1", "val_crop_2", "val_crop_mix"], "val_crop_mix"),
        (["test", "test_plain"], "test_plain"),
        (["val_crop_2"], "val_crop_2"),  # of few photos that drew one level
        (["val"], None),
        ([], None),
    ],
)
def test_the_widest_mix_or_the_only_kind_stands_for_all(names, chosen):
    assert main_mix(names[0].split("_")[0] if names else "val", dict.fromkeys(names)) == chosen


@pytest.fixture
def of_one_kind(tmp_path):
    """Two photos of val/ that drew a crop of the same level each."""
    samples = [Sample(f"val/{label}.jpg", tmp_path / f"{label}.jpg", "val", label) for label in (0, 1)]
    right = np.stack([LABELS, LABELS], axis=1).astype(float)
    digests = {sample.sample_id: sample.sample_id for sample in samples}
    said = Answers("val", samples, {"fusion": right, "vit": 1 - right}, [[None, Kind("crop", 2)]] * 2, {}, digests)
    detector = SimpleNamespace(outputs=("fusion", "vit"), window=None)
    return evaluate(detector, samples, ask=lambda *_, **options: said)


def test_challenges_of_one_kind_are_put_into_words(of_one_kind):
    assert list(of_one_kind.challenges) == ["val_crop_2"]
    assert "on val_crop_2, with intervals by photo:" in as_text(of_one_kind)


def test_the_report_shows_challenges_of_one_kind(of_one_kind, tmp_path):
    about = {"metrics": {"val": of_one_kind.report}, "folder": tmp_path, "vit": "vit", "has_default_vit": True}
    run = SimpleNamespace(split="val", evaluate_command=lambda split: "kerasfusion evaluate", **about)
    blocks = challenge_blocks(run, of_one_kind.challenges)
    (table,) = (block for block in blocks if isinstance(block, Table))
    assert [row["asked"] for row in table.rows] == ["the photos", "crop 2"]
    (chart,) = (block for block in blocks if isinstance(block, Chart))
    assert "intervals by photo (copies, and photos of one group, count as one)." in chart.caption


def test_a_plain_view_stands_for_four_in_the_mix_of_a_grid():
    """Each of two photos is asked four crops, four letterboxes and one plain view; only the plain one is wrong."""
    kinds = [grid("mix")] * 2
    plain = [kind.layout == "plain" for kind in kinds[0]]
    answers = np.where(plain, 1 - LABELS[:, None], LABELS[:, None]).astype(float)
    mix = challenge_reports("test", LABELS, {"fusion": answers}, kinds, "vit")["test_mix"]["fusion"]
    assert (len(kinds[0]), mix["n"], mix["n_valid"]) == (9, 24, 24)
    assert mix["confusion_matrix"] == [[8, 4], [4, 8]]
    assert mix["accuracy"] == pytest.approx(2 / 3)

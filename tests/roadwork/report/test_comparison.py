import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from kerasfusion.errors import RequestError
from kerasfusion.roadwork.evaluate.comparison import against_each
from kerasfusion.roadwork.report.two_runs.comparison import write_comparison
from kerasfusion.roadwork.report.two_runs.pair import read_pair
from tests.material.page_checks import check_page, check_source
from tests.roadwork.report.material import HISTORY, answered, without, write_evaluation, write_training
from tests.roadwork.report.test_page import images, plain

pytestmark = pytest.mark.trains


FIRST_WRONG, SECOND_WRONG = (0, 3, 7, 9), (3,)


@pytest.fixture
def runs(photos, tmp_path):
    for name, wrong, head in (("first", FIRST_WRONG, "linear"), ("second", SECOND_WRONG, "mlp")):
        write_training(tmp_path / name, photos, f"fusion.head={head}")
        write_evaluation(tmp_path / name, photos, answered(photos, wrong))
    return tmp_path / "first", tmp_path / "second"


def test_two_runs_stand_side_by_side(runs, photos, tmp_path):
    path = write_comparison(*runs, tmp_path / "both.html")
    text = plain(path)
    assert "On the same 12 drawn scenes (not photos) of test/, judged by the fusion" in text
    assert "fusion.head linear mlp" in text
    assert "fit.epochs" not in text
    kept = [answered(photos, wrong) for wrong in (FIRST_WRONG, SECOND_WRONG)]
    answers = {name: each.answers["fusion"] for name, each in zip(("first", "second"), kept, strict=True)}
    expected = against_each(kept[0].labels, answers, "second")["first"]
    assert "Those that only second has right: 3; only first: 0; McNemar p = 0.25" in text
    low, high = expected["reward_difference_ci95"]
    assert f"reward {expected['reward_difference']:+.3f} {low:+.3f} to {high:+.3f}" in text
    wrong = [kept[0].sample_ids[row] for row in (0, 7, 9)]
    assert sorted(images(path)) == sorted(wrong)
    assert "There is no photo that first has right and second wrong." in text
    check_source(path.read_text(encoding="utf-8"))
    check_page(path, pictures=3)


def test_only_the_same_photos_are_compared(runs, photos):
    kept = answered(photos, SECOND_WRONG)
    changed = kept.digests | {kept.sample_ids[5]: "0" * 64}
    write_evaluation(runs[1], photos, without(replace(kept, digests=changed), [0]))
    pair = read_pair(*runs)
    ids = [name for row, name in enumerate(kept.sample_ids) if row not in (0, 5)]
    assert [each.sample_ids for each in pair.kept] == [ids, ids]
    assert pair.left_out == 2
    assert pair.answers["first"][0] == answered(photos, FIRST_WRONG).answers["fusion"][1]


def test_order_of_the_photos_does_not_matter(runs, photos):
    kept = answered(photos, SECOND_WRONG)
    answers = {name: p[::-1] for name, p in kept.answers.items()}
    backwards = replace(kept, sample_ids=kept.sample_ids[::-1], labels=kept.labels[::-1], answers=answers)
    before = read_pair(*runs).answers
    write_evaluation(runs[1], photos, backwards)
    after = read_pair(*runs).answers
    assert {name: p.tolist() for name, p in after.items()} == {name: p.tolist() for name, p in before.items()}


@pytest.mark.usefixtures("without_figures")
def test_what_cannot_be_compared_is_said(runs, photos, tmp_path):
    out = tmp_path / "both.html"
    other = replace(answered(photos), digests=dict.fromkeys(answered(photos).sample_ids, "0" * 64))
    write_evaluation(runs[1], photos, other)
    assert "No photo was answered by both" in plain(write_comparison(*runs, out))
    (runs[1] / "history.csv").write_text("epoch,loss\n1,x\n2,0.5\n")
    assert "second: history.csv: the training history is damaged: line 2" in plain(write_comparison(*runs, out))
    (runs[1] / "history.csv").write_text(HISTORY)
    (runs[1] / "predictions_test.csv").unlink()
    (runs[0] / "history.csv").unlink()
    text = plain(write_comparison(*runs, out))
    assert "The answers of second were not kept." in text
    assert "No history.csv in first" in text
    write_training(runs[0], photos, "fusion.fit_on=train")
    assert "fitted in different ways (fusion.fit_on)" in plain(write_comparison(*runs, out))
    (runs[1] / "metrics.json").unlink()
    text = plain(write_comparison(*runs, out))
    assert "were not evaluated on the same split" in text
    assert f"kerasfusion evaluate {runs[1] / 'fusion.keras'}" in text


@pytest.mark.usefixtures("without_figures")
def test_runs_of_one_name_are_told_apart(runs, tmp_path):
    other = shutil.copytree(runs[0], tmp_path / "others" / "first")
    pair = read_pair(runs[0], other)
    assert len(set(pair.names)) == 2
    assert pair.names[1] == "others-first"
    text = plain(write_comparison(runs[0], other, tmp_path / "both.html"))
    for name, folder in zip(pair.names, (runs[0], other), strict=True):
        assert f"{name} {folder.resolve()}" in text
    assert f"Both answered every photo alike: the curve of {pair.names[0]} lies on that of others-first" in text


@pytest.mark.usefixtures("without_figures")
def test_answers_that_differ_only_in_their_sureness_are_said_to(runs, photos, tmp_path):
    kept = answered(photos, FIRST_WRONG)
    surer = kept.answers | {"fusion": np.where(kept.answers["fusion"] > 0.5, 0.97, 0.03)}
    write_evaluation(runs[1], photos, replace(kept, answers=surer))
    text = plain(write_comparison(*runs, tmp_path / "both.html"))
    assert "Where both coincide, first lies on second. No answer differs at threshold 0.5." in text


def test_a_run_is_not_compared_with_itself(runs):
    with pytest.raises(RequestError, match="the same run twice"):
        write_comparison(runs[0], runs[0].parent / "." / "first")


@pytest.mark.usefixtures("without_figures")
def test_the_page_is_named_after_both(runs, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    path = write_comparison(*runs)
    assert re.fullmatch(r"report-first-second\.html", path.name)
    assert (tmp_path / path.name).is_file()

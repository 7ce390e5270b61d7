import hashlib
import html
import json
import re
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from kerasfusion.cli.main import main
from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.files.json_yaml import read_json
from kerasfusion.files.kept_answers import answers_record
from kerasfusion.files.run_files import record_evaluation
from kerasfusion.fume.report.page import write_report
from kerasfusion.fume.report.run import read_run
from kerasfusion.fume.report.two_runs.comparison import write_comparison
from tests.fume.report.report_material import ROWS, write_data, write_run
from tests.material.page_checks import check_page, check_source

pytestmark = pytest.mark.trains


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two runs of one data set; the second one was asked about frames that say other states."""
    base = tmp_path_factory.mktemp("runs")
    root = write_data(base / "data")
    # It has the fourth sample right and the second wrong, and draws the same masks.
    said = [
        (gases, truth, {1: 0, 3: 2}.get(n, said), original) for n, (gases, truth, said, original) in enumerate(ROWS)
    ]
    other = write_data(base / "other", said)
    with pytest.MonkeyPatch.context() as patch:
        first = write_run(base / "first", root, patch)
        second = write_run(base / "second", root, patch, "experiment.seed=7", asked=other)
        frames = write_run(base / "frames", root, patch, name="MultiTaskFastSCNN")
    return {"base": base, "first": first, "second": second, "frames": frames}


@pytest.fixture(scope="module")
def page(folders):
    return write_report(folders["first"])


def text_of(path):
    """What a reader reads, spaces and line ends as single spaces."""
    plain = re.sub(r"<(style|svg).*?</\1>|<[^>]+>", " ", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return " ".join(html.unescape(plain).split())


def test_the_verdict_stands_first_with_numbers_that_can_be_worked_out(page):
    text = text_of(page)
    # Recalls 1, 1 and 1/2 of two; F1 4/5, 1 and 2/3; the masks are read off the frames.
    assert "On 6 test samples of 4 originals" in text
    assert f"balanced accuracy {(1 + 1 + 0.5) / 3:.3f}" in text
    assert f"macro F1 {(4 / 5 + 1 + 2 / 3) / 3:.3f}" in text
    assert "F1 of Transitional 1.000" in text
    assert "CO2 1.000 (95 % interval 1.000 to 1.000)" in text
    assert text.index("On 6 test samples") < text.index("Summary") < text.index("Rumen state")


def test_every_section_is_there_and_nothing_is_fetched(page):
    raw = page.read_text(encoding="utf-8")
    check_source(raw)
    titles = re.findall(r"<h2>([^<]+)</h2>", raw)
    assert titles == [
        *("Summary", "What these numbers do not say", "Rumen state", "A missing gas", "Masks", "The worst mistakes"),
        *("Training curves", "What was trained on what", "What an answer costs"),
    ]
    text = text_of(page)
    assert "boundary F of tube boundary F of gas pixels right n CO2 1.000" in text
    for part in ("1,656,236 trainable parameters", "0.250 GMACs a pair", "seed 42", "epoch 2, whose weights were kept"):
        assert part in text


def test_limits_are_those_of_this_run(folders, page, tmp_path, without_figures):
    text = text_of(page)
    assert "train/test: 2 originals; 4 frames of test (40.0%) have a copy of their original in train" in text
    assert "Few originals stand behind the states (Healthy 1, Transitional 1, Acidotic 2)" in text
    assert "generated ones" not in text
    assert "longer training" not in text  # the best of three epochs was the second
    assert "mirrored" not in text
    copy = shutil.copytree(folders["first"], tmp_path / "changed")
    record = copy / "evaluated.json"
    record.write_text(record.read_text().replace('"flips": false', '"flips": true'))
    (copy / "fume.keras").write_bytes(b"another file")
    changed = text_of(write_report(copy))
    assert "is not the file that was evaluated" in changed
    assert "means over the frames and their mirrored copies" in changed
    assert "No pictures: the file that answered (fume.keras) is not in the run folder any more" in changed


def test_what_a_missing_gas_costs_is_counted_on_the_same_pairs(folders, page):
    answers = read_run(folders["first"]).main_answers
    both, co2, ch4 = (answers.rows(view) for view in ("_paired", "_co2_only", "_ch4_only"))
    paths = [[answers.asked[row].sample.frames["co2"].frame_path for row in rows] for rows in (both, co2)]
    assert paths[0] == paths[1]
    assert [answers.asked[row].sample.frames["ch4"].frame_path for row in both] == [
        answers.asked[row].sample.frames["ch4"].frame_path for row in ch4
    ]
    text = text_of(page)
    assert "on the same 4 pairs" in text
    assert "The mask of a gas is the same with and without the other gas." in text


def test_the_worst_mistake_is_drawn_with_what_was_said(page):
    raw, text = page.read_text(encoding="utf-8"), text_of(page)
    assert "Wrong states: 1 of 6 samples" in text
    assert "Acidotic, said Healthy" in text
    assert "co2/frames/test03.png + ch4/frames/test03.png" in text
    assert raw.count("<img ") == 1 + 4  # the wrong one, and the lowest gas IoU of each original


def test_a_browser_shows_it_everywhere(page):
    check_page(page, pictures=5)


def test_names_are_escaped_and_frames_that_are_gone_are_listed(folders, tmp_path, without_figures):
    copy = shutil.copytree(folders["first"], tmp_path / "moved")
    kept = copy / "predictions_test.csv"
    kept.write_text(kept.read_text(encoding="utf-8").replace("test03.png", "<img src=x>.png"), encoding="utf-8")
    record_evaluation(copy, "test", read_json(copy / "evaluated.json")["test"] | answers_record(copy, "test"))
    page = write_report(copy, tmp_path / "page.html")
    raw = page.read_text(encoding="utf-8")
    assert "<img" not in raw
    assert "co2/frames/&lt;img src=x&gt;.png" in raw
    assert "No pictures: frames are not at hand" in text_of(page)


def test_a_run_that_is_not_finished_says_what_makes_the_rest(folders, tmp_path, without_figures):
    copy = shutil.copytree(folders["first"], tmp_path / "young")
    for name in ("metrics.json", "evaluated.json", "predictions_test.csv"):
        (copy / name).unlink()
    text = text_of(write_report(copy))
    assert "was trained for 3 epochs, and never evaluated" in text
    assert f"kerasfusion evaluate {copy / 'fume.keras'}" in text
    (copy / "fume.keras").unlink()
    renamed = f"--set runs_folder={tmp_path} --set experiment.name=young"  # else it would train the first
    assert f"kerasfusion fit -c {copy / 'config.yaml'} {renamed}" in text_of(write_report(copy))
    (copy / "history.csv").unlink()
    with pytest.raises(RequestError, match="nothing to report yet"):
        write_report(copy)


def test_an_older_evaluation_without_its_answers_is_reported_as_far_as_it_goes(folders, tmp_path, without_figures):
    copy = shutil.copytree(folders["first"], tmp_path / "older")
    for name in ("evaluated.json", "predictions_test.csv"):
        (copy / name).unlink()
    text = text_of(write_report(copy))
    assert "The answers of the evaluation were not kept" in text
    assert "A missing gas" in text
    assert "ROC" not in text


def test_shortened_and_exchanged_answers_are_refused(folders, tmp_path):
    copy = shutil.copytree(folders["first"], tmp_path / "cut")
    kept = copy / "predictions_test.csv"
    lines = kept.read_text(encoding="utf-8").splitlines(keepends=True)
    kept.write_text("".join(lines[:4]), encoding="utf-8")  # of the first sample all three questions
    with pytest.raises(KerasFusionError, match=r"not complete: 1 samples \(state\)") as refused:
        write_report(copy)
    assert (refused.value.where, refused.value.expected) == (kept, "6 samples, as in metrics.json beside it")
    assert refused.value.todo == f"kerasfusion evaluate {copy / 'fume.keras'}"
    shutil.copy(folders["second"] / kept.name, kept)
    with pytest.raises(KerasFusionError, match="are others than those that were counted: state"):
        write_report(copy)
    kept.write_text(lines[0], encoding="utf-8")
    with pytest.raises(KerasFusionError, match=r"not complete: 0 samples \(state\)"):
        write_report(copy)
    kept.write_text("".join(lines).replace("test03.png", "test04.png"), encoding="utf-8")  # counted alike
    with pytest.raises(RequestError, match="not the one that evaluate wrote"):
        write_report(copy)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (["test", "state"], "test.state"),
        (["test", "state", "macro_f1"], "test.state.macro_f1"),
        (["test_paired", "co2_mask", "iou_tube"], "test_paired.co2_mask.iou_tube"),
        (["network", "speed", "fps"], "network.speed.fps"),
    ],
)
def test_metrics_that_lack_something_are_refused_with_its_name(folders, tmp_path, path, said):
    copy = shutil.copytree(folders["first"], tmp_path / "lacks")
    file = copy / "metrics.json"
    whole = json.loads(file.read_text(encoding="utf-8"))
    part = whole
    for key in path[:-1]:
        part = part[key]
    del part[path[-1]]
    file.write_text(json.dumps(whole), encoding="utf-8")
    with pytest.raises(KerasFusionError, match=f"incomplete: no {re.escape(said)}\n") as refused:
        write_report(copy)
    assert refused.value.where == file


@pytest.mark.parametrize("test", [{}, [], None])
def test_metrics_without_any_value_are_not_those_of_a_network_that_tells_nothing(folders, tmp_path, test):
    copy = shutil.copytree(folders["first"], tmp_path / "empty")
    (copy / "metrics.json").write_text(json.dumps({"test": test}), encoding="utf-8")
    done = CliRunner().invoke(main, ["report", str(copy), "--out", str(tmp_path / "page.html")])
    assert done.exit_code == 2
    for part in ("damaged or incomplete: no ", "test", str(copy / "metrics.json"), "kerasfusion evaluate"):
        assert part in done.output
    assert not (tmp_path / "page.html").exists()


def test_a_network_of_single_frames_has_its_report(folders, without_figures):
    text = text_of(write_report(folders["frames"]))
    assert "On 10 test samples of 7 originals" in text
    assert "takes frames one by one" in text
    assert "one mask" not in text  # it is counted gas by gas


def test_what_was_not_learned_is_not_reported(folders, tmp_path, without_figures):
    copy = shutil.copytree(folders["first"], tmp_path / "masks")
    path = copy / "config.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("cls_weight: 1.0", "cls_weight: 0.0"), encoding="utf-8")
    text = text_of(write_report(copy))
    assert "does not tell the state" in text
    assert "Rumen state" not in text
    assert "co2 mask gas iou" in text  # among the validation values of the best epoch
    assert "state balanced accuracy" not in text
    metrics = copy / "metrics.json"  # as `evaluate` leaves it; earlier versions counted the state too
    kept = {name: without(parts, "state", "joint") for name, parts in json.loads(metrics.read_text()).items()}
    metrics.write_text(json.dumps(kept))
    assert text_of(write_report(copy)) == text


def without(parts, *names):
    return {name: values for name, values in parts.items() if name not in names}


def test_two_runs_are_compared_on_the_same_samples(folders, tmp_path):
    out = tmp_path / "two.html"
    page = write_comparison(folders["first"], folders["second"], out)
    raw, text = page.read_text(encoding="utf-8"), text_of(page)
    check_source(raw)
    # first: recalls 1, 1, 1/2; second: 1, 1/2, 1. Each has one sample right that the other has wrong.
    assert "On the same 6 test samples (as they are): second does not clearly tell the state better or worse" in text
    assert "balanced accuracy 0.833 and 0.833, difference +0.000" in text
    assert "Only second has 1 states right, only first 1: p = 1 by the sign-flip test by original" in text
    assert "first right, second wrong: 1 sample;" in text
    assert "boundary F of the gas, CO2 1.000 1.000 0.000" in text
    assert "Transitional: first said Transitional, second Healthy" in text
    settings = re.search(r"<h2>Settings that differ</h2>.*?</section>", raw, re.DOTALL)[0]
    assert re.findall(r"<th scope=row[^>]*>([^<]+)</th>", settings) == ["experiment.name", "experiment.seed"]
    check_page(page, pictures=2)


def test_runs_of_other_kinds_share_what_both_were_asked(folders, tmp_path, without_figures):
    text = text_of(write_comparison(folders["first"], folders["frames"], tmp_path / "kinds.html"))
    assert "On the same 4 samples (CO2 alone)" in text
    assert "are left out below" in text


def test_the_command_writes_both_and_refuses_one_run_twice(folders, tmp_path, without_figures):
    first, second = str(folders["first"]), str(folders["second"])
    done = CliRunner().invoke(main, ["report", first, "--out", str(tmp_path / "one.html")])
    assert (done.exit_code, done.stdout) == (0, f"report: {tmp_path / 'one.html'}\n")
    done = CliRunner().invoke(main, ["report", first, second, "--out", str(tmp_path / "two.html")])
    assert done.exit_code == 0
    assert (tmp_path / "two.html").is_file()
    done = CliRunner().invoke(main, ["report", first, first])
    assert done.exit_code == 2
    assert "the same run twice" in done.output


def test_answers_come_back_as_they_were_written(folders):
    from kerasfusion.fume.evaluate.report import report_views

    run = read_run(folders["first"])
    answers = run.main_answers
    assert len(answers.asked) == 6 + 2 * 4
    assert answers.states.dtype == np.float32
    np.testing.assert_allclose(answers.states.sum(axis=-1), 1, atol=1e-6)
    again = report_views(answers, "test", seed=run.record["seed"])
    assert again == {name: run.report[name] for name in again}


def test_evaluate_keeps_figures_and_what_was_asked_about_what(folders):
    first = folders["first"]
    names = {path.name for path in (first / "figures").iterdir()}
    assert names == {f"test_{name}.png" for name in ("confusion_matrices", "gas_iou", "reliability", "roc_pr", "views")}
    record = json.loads((first / "evaluated.json").read_text(encoding="utf-8"))["test"]
    assert record["model_sha256"] == hashlib.sha256((first / "fume.keras").read_bytes()).hexdigest()
    counts = {"state": "Acidotic", "paired": 1, "co2_only": 0, "ch4_only": 1, "samples": 2, "originals": 3}
    assert record["splits"]["test"][2] == counts
    assert list(record["splits"]) == ["train", "test"]
    assert record["leak"]["originals"] == 2  # co2-b and ch4-b

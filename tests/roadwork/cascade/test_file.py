"""One file that answers in two stages: made by `calibrate --cascade`, opened, asked photo by photo, and undone."""

import json
import shutil

import keras
import numpy as np
import pytest

from kerasfusion.errors import RequestError
from kerasfusion.files.run_files import read_metrics
from kerasfusion.files.saving import load_model, read_description
from kerasfusion.formats.keras_serving import serve
from kerasfusion.formats.opening import open_model
from kerasfusion.roadwork.cascade.choose import windows
from kerasfusion.roadwork.cascade.record import read_cascade
from kerasfusion.roadwork.detect.detector import Detector, open_detector
from kerasfusion.roadwork.evaluate.predictions import read_predictions
from kerasfusion.roadwork.miner.hub.evidence import Evidence
from kerasfusion.roadwork.miner.hub.facts import limits
from kerasfusion.roadwork.scoring.window import read_window
from tests.roadwork.cascade.material import SURE, UNSURE, greys, prepared, run, write_fusion

pytestmark = pytest.mark.commands


@pytest.fixture
def compared_once(monkeypatch):
    monkeypatch.setattr("kerasfusion.roadwork.calibrate.job.comparison_inputs", lambda model: None)


def test_calibrate_says_what_it_found(done):
    path, said, shown = done
    cascade = said["cascade"]
    assert said["outputs"] == ["fusion", "yolo", "efficientnetv2", "vit", "first"]
    assert cascade["first"] == ["first", "yolo", "efficientnetv2"]
    low, high = cascade["window"]
    assert low == pytest.approx(1 - high)
    (row,) = (row for row in cascade["curve"] if row["taken"])
    assert row["skipped"] >= 0.9
    assert row["changed_upper95"] <= 0.05
    assert row["ms"] == pytest.approx(cascade["stage_ms"]["first"] + (1 - row["skipped"]) * cascade["stage_ms"]["rest"])
    assert (cascade["photos"], cascade["views"], cascade["disagree"]) == (120, 1, 0.05)
    assert "none: the fusion" in shown
    assert f"{low:g} to {high:g} *" in shown
    assert read_description(path)["cascade"] == cascade


def test_plain_keras_gives_the_full_answer_for_any_batch(done, model):
    given = greys(0.1, UNSURE, SURE)
    whole = keras.saving.load_model(done[0], compile=False)(given, training=False)
    before = open_model(model).answer(given)
    assert set(whole) == {*before, "first"}
    for name in ("vit", "yolo", "efficientnetv2"):
        np.testing.assert_allclose(np.asarray(whole[name]), before[name], atol=1e-6)
    np.testing.assert_array_equal(np.asarray(whole["fusion"])[:, 1] > 0.5, before["fusion"][:, 1] > 0.5)
    # The first head by hand: a logistic regression on the logits of its two branches, which rises with both.
    first = np.asarray(whole["first"])[:, 1]
    assert first[0] < 0.1 < first[1] < 0.9 < first[2]


def test_both_stages_together_answer_as_the_whole_on_the_same_weights(done):
    network, description = load_model(done[0])
    given = greys(0.2, 0.45, UNSURE, 0.55, SURE)
    opened = serve(network, description)
    expected = {name: np.asarray(values) for name, values in network(given, training=False).items()}
    found = opened.answer(given)
    assert set(found) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-6)
    layer = network.get_layer("vit_logits")
    layer.set_weights([np.zeros_like(weights) for weights in layer.get_weights()])
    np.testing.assert_allclose(opened.answer(given)["vit"], 0.5)


def test_the_first_stage_needs_no_vit(done):
    network, description = load_model(done[0])
    layer = network.get_layer("vit_logits")
    layer.set_weights([np.full_like(weights, np.nan) for weights in layer.get_weights()])
    found = serve(network, description).stages.first(greys(SURE))
    assert {"first", "yolo", "efficientnetv2"} <= set(found)
    assert "vit" not in found
    assert all(np.isfinite(values).all() for values in found.values())


def test_a_batch_goes_on_with_those_that_are_not_sure(done, monkeypatch):
    opened = open_model(done[0])
    asked = []
    rest = opened.stages.rest
    object.__setattr__(opened.stages, "rest", lambda given: asked.append(len(given["image"])) or rest(given))
    detector = Detector(opened)
    asked.clear()
    found = detector.detect_prepared(prepared(0.1, UNSURE, SURE, 0.49, 0.9))
    assert [each.stage for each in found] == ["first", "full", "first", "full", "first"]
    assert asked == [2]
    alone = [detector.detect_prepared(prepared(value))[0] for value in (0.1, UNSURE, SURE, 0.49, 0.9)]
    assert asked == [2, 1, 1]
    for together, single in zip(found, alone, strict=True):
        assert together.p_roadwork == pytest.approx(single.p_roadwork, abs=1e-6)
        assert together.branches == pytest.approx(single.branches, abs=1e-6)
    assert set(found[0].branches) == {"yolo", "efficientnetv2"}
    assert set(found[1].branches) == {"yolo", "efficientnetv2", "vit"}


def test_each_stage_answers_with_its_own_output_also_mirrored(done):
    given = greys(SURE, UNSURE)
    whole = open_model(done[0]).answer(given)
    for tta in (False, True):  # a grey photo is its own mirror image
        sure, unsure = open_detector(done[0], tta=tta).detect_prepared(prepared(SURE, UNSURE))
        assert sure.p_roadwork == pytest.approx(whole["first"][0, 1], abs=1e-6)
        assert unsure.p_roadwork == pytest.approx(whole["fusion"][1, 1], abs=1e-6)


def test_full_asks_all_branches_about_every_photo(done):
    detector = open_detector(done[0], full=True)
    assert detector.window is None
    (found,) = detector.detect_prepared(prepared(SURE))
    assert found.stage == "full"
    assert found.p_roadwork == pytest.approx(open_model(done[0]).answer(greys(SURE))["fusion"][0, 1], abs=1e-6)
    assert set(found.branches) == {"yolo", "efficientnetv2", "vit"}


def test_predict_prints_the_stage(done, photos):
    folder = photos / "test" / "roadwork"
    sure, unsure = folder / "001.png", folder / "000.png"
    lines = run("predict", done[0], sure, unsure).stdout.splitlines()
    assert "  first  " in lines[0]
    assert "vit" not in lines[0]
    assert "  full   " in lines[1]
    assert "vit" in lines[1]
    said = [json.loads(line) for line in run("predict", done[0], "--json", sure, unsure).stdout.splitlines()]
    assert [each["stage"] for each in said] == ["first", "full"]
    (line,) = run("predict", done[0], "--full", sure).stdout.splitlines()
    assert "vit" in line
    assert "first" not in line


def test_evaluate_scores_what_is_answered(done, detector, photos, tmp_path, monkeypatch):
    monkeypatch.setattr("kerasfusion.roadwork.evaluate.job.draw_figures", lambda result, folder: None)  # takes long
    (tmp_path / "cascade").mkdir()
    result = run("evaluate", done[0], "--data", photos, "--out", tmp_path / "cascade", "--set", "views.count=0")
    kept = read_predictions(tmp_path / "cascade" / "predictions_test.csv")
    found = detector.detect_batch([photos / name for name in kept.sample_ids])
    np.testing.assert_allclose(kept.answers["fusion"], [each.p_roadwork for each in found], atol=1e-6)
    assert kept.stages == [each.stage for each in found]
    assert not np.isnan(kept.answers["vit"]).any()
    count = kept.stages.count("first")
    assert 0 < count < 120
    assert f"the first stage answers {count} of 120 photos" in result.stdout
    fusion = read_metrics(tmp_path / "cascade" / "metrics.json")["test"]["fusion"]
    assert fusion["skipped"] == pytest.approx(count / 120)
    (tmp_path / "full").mkdir()
    run("evaluate", done[0], "--data", photos, "--full", "--out", tmp_path / "full", "--set", "views.count=0")
    full = read_predictions(tmp_path / "full" / "predictions_test.csv")
    assert full.stages is None
    at_once = np.array(kept.stages) == "first"
    assert not np.allclose(full.answers["fusion"][at_once], kept.answers["fusion"][at_once], atol=1e-4)
    np.testing.assert_allclose(full.answers["fusion"][~at_once], kept.answers["fusion"][~at_once], atol=1e-6)
    changed = (full.answers["fusion"] > 0.5) != (kept.answers["fusion"] > 0.5)
    assert fusion["changed"] == pytest.approx(changed.mean())


@pytest.mark.usefixtures("compared_once")
def test_undo_and_a_new_calibration_leave_no_cascade(done, model, tmp_path):
    run("calibrate", done[0], "--undo", "--out", tmp_path / "undone.keras")
    assert load_model(tmp_path / "undone.keras")[1] == load_model(model)[1]
    given = greys(0.3, UNSURE)
    for name, values in open_model(model).answer(given).items():
        np.testing.assert_array_equal(open_model(tmp_path / "undone.keras").answer(given)[name], values)
    run("calibrate", done[0], "--out", tmp_path / "again.keras", "--set", "views.count=0")
    network, said = load_model(tmp_path / "again.keras")
    assert "cascade" not in said
    assert set(network.output) == set(said["outputs"]) == {"fusion", "yolo", "efficientnetv2", "vit"}


def test_where_nothing_can_be_vouched_for_nothing_is_written(model, tmp_path):
    result = run("calibrate", model, "--cascade", "--out", tmp_path / "x.keras", "--set", "views.count=0", code=1)
    assert "none: the fusion" in result.stderr
    assert "nothing was written" in result.output
    assert "hold out 299 photos" in result.output
    assert not (tmp_path / "x.keras").exists()


def test_a_cascade_needs_a_vit_and_something_beside_it(photos, tmp_path, monkeypatch):
    monkeypatch.setattr("kerasfusion.cli.calibrate.import_tensorflow", lambda: pytest.fail("TensorFlow was loaded"))
    for without, message in [(("vit",), "without the ViT"), (("yolo", "efficientnetv2"), "without any branch but")]:
        path = write_fusion(tmp_path / f"{len(without)}.keras", photos, without)
        assert message in run("calibrate", path, "--cascade", code=2).output


@pytest.mark.usefixtures("compared_once")
@pytest.mark.parametrize("without", ["yolo", "efficientnetv2"])
def test_one_branch_beside_the_vit_is_enough(photos, tmp_path, without):
    path = write_fusion(tmp_path / "fusion.keras", photos, (without,))
    run("calibrate", path, "--cascade", "--disagree", "0.05", "--set", "views.count=0")
    detector = open_detector(tmp_path / "fusion-calibrated.keras")
    given = [{name: view[name] for name in load_model(path)[0].input} for view in prepared(0.9, UNSURE)]
    assert [each.stage for each in detector.detect_prepared(given)] == ["first", "full"]


def test_options_that_make_no_sense_are_refused(model, done):
    assert "--disagree is for --cascade" in run("calibrate", model, "--disagree", "0.1", code=2).output
    assert "no number of photos" in run("calibrate", model, "--cascade", "--disagree", "0", code=2).output
    assert "--undo fits nothing" in run("calibrate", done[0], "--undo", "--cascade", code=2).output


@pytest.mark.parametrize(
    ("damage", "key"),
    [
        ({"window": [0.6, 0.9]}, "cascade.window.0"),
        ({"window": [0.1]}, "cascade.window"),
        ({"window": [0.1, float("nan")]}, "cascade.window.1"),
        ({"window": "wide"}, "cascade.window"),
        ({"first": ["yolo"]}, "cascade.first"),
        ({"first": "first"}, "cascade.first"),
    ],
)
def test_a_damaged_window_is_named(damage, key):
    said = {"cascade": {"window": [0.1, 0.9], "first": ["first", "yolo"]} | damage}
    with pytest.raises(RequestError, match=key):
        read_window(said, "fusion.keras")


def test_the_report_has_the_curve(model, photos, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(model, folder / "fusion.keras")
    (folder / "config.yaml").write_text(json.dumps({"system": "roadwork", "data": {"root": str(photos)}}))
    monkeypatch.setattr("kerasfusion.roadwork.calibrate.job.comparison_inputs", lambda model: None)
    result = run("calibrate", folder / "fusion.keras", "--cascade", "--disagree", "0.05", "--set", "views.count=0")
    assert (folder / "figures" / "cascade.png").is_file()
    assert f"kept in {folder / 'figures' / 'cascade.png'}" in result.stderr
    monkeypatch.setattr("kerasfusion.roadwork.evaluate.job.draw_figures", lambda result, folder: None)  # takes long
    run("evaluate", folder / "fusion-calibrated.keras", "--data", photos, "--set", "views.count=0")
    run("report", folder)
    page = (folder / "report.html").read_text()
    assert "Answers without the ViT" in page
    assert "asks YOLO and EfficientNetV2 first" in page
    assert "first stage" in page  # as an output of its own
    found = read_cascade(read_description(folder / "fusion-calibrated.keras"), folder)
    assert f"{found.row.skipped:.1%}" in page
    assert len(found.curve) == len(windows()) + 1


def test_a_cascade_without_its_output_is_refused():
    said = {"cascade": {"window": [0.1, 0.9], "first": ["first", "yolo"]}, "outputs": ["fusion", "yolo", "vit"]}
    with pytest.raises(RequestError, match="without the output first"):
        read_window(said, "fusion.keras")


def test_a_model_card_says_what_is_not_asked(done):
    said = read_description(done[0])
    evidence = Evidence({}, {}, missing="not evaluated")
    low, high = said["cascade"]["window"]
    (line,) = (line for line in limits(said, evidence) if "`first`" in line)
    assert f"between {low:g} and {high:g}" in line
    assert "on 120 held-out photos" in line
    del said["cascade"]
    assert not any("`first`" in line for line in limits(said, evidence))


def test_a_damaged_curve_is_named(done):
    said = read_description(done[0])
    cascade = said["cascade"]
    for damage, key in [
        ({"curve": cascade["curve"][:1]}, "cascade.curve"),
        ({"curve": [cascade["curve"][0] | {"ms": -1.0}, *cascade["curve"][1:]]}, "cascade.curve.0.ms"),
        ({"curve": [row | {"taken": False} for row in cascade["curve"]]}, "no one window taken"),
        ({"photos": 0}, "cascade.photos"),
    ]:
        with pytest.raises(RequestError, match=key):
            read_cascade({"cascade": cascade | damage}, done[0])

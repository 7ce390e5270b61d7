"""evaluate, predict, benchmark and export on one fitted toy model."""

import io
import json
import shutil
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, matthews_corrcoef

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.files.saving import load_model, read_description, save_model
from kerasfusion.images.decoding import crop_centre, read_image, squash
from kerasfusion.roadwork.data.dataset import scan
from kerasfusion.roadwork.detect.detector import open_default, open_detector
from kerasfusion.roadwork.detect.latency import measure_latency
from kerasfusion.roadwork.detect.predict import list_images, predict
from kerasfusion.roadwork.evaluate.answers import cached_branches
from kerasfusion.roadwork.evaluate.job import Request, as_text, run
from kerasfusion.roadwork.evaluate.predictions import read_predictions
from kerasfusion.roadwork.evaluate.split import evaluate
from tests.material.hugging_face_vit import SIZE

pytestmark = pytest.mark.usefixtures("yolo_in_this_process")


@pytest.fixture(scope="module")
def parts(fitted):
    return fitted.run_folder / "trained_parts.keras"


@pytest.fixture(scope="module")
def evaluation(detector, fitted):
    return evaluate(detector, scan(fitted.data.root, ("test",)), batch=5)


@pytest.fixture
def without_figures_of_answers(monkeypatch):
    """Drawing takes most of an evaluation's time."""
    monkeypatch.setattr("kerasfusion.roadwork.evaluate.job.draw_figures", lambda result, folder: None)


def test_answers_are_those_of_the_file_with_pixels_made_by_hand(evaluation, model, photos):
    network, _ = load_model(model)
    for row, sample in enumerate(scan(photos, ("test",))[:5]):
        pixels, _ = read_image(sample.path)
        inputs = {"image": squash(pixels, SIZE), "yolo_image": crop_centre(pixels, 32)}
        expected = network({name: view[None].astype(np.float32) for name, view in inputs.items()})
        for name, value in expected.items():
            assert evaluation.answers[name][row] == pytest.approx(float(value[0, 1]), abs=1e-5)


@pytest.mark.usefixtures("without_figures_of_answers")
def test_the_parts_with_the_branch_cache_answer_as_the_one_file(evaluation, parts, fitted, tmp_path):
    """What was fitted is what is deployed: the cache has ultralytics' and keras-hub's answers, the file its own."""
    result = run(Request(parts, fitted, out=tmp_path), lambda line: None)
    for name, answers in evaluation.answers.items():
        np.testing.assert_allclose(result.answers[name], answers, atol=1e-4)


def test_the_parts_alone_say_what_they_lack(parts, fitted, make_config, tmp_path):
    with pytest.raises(RequestError, match="no branch cache"):
        run(Request(parts, make_config(tmp_path)), lambda line: None)


def test_report_agrees_with_sklearn(evaluation):
    assert list(evaluation.report) == ["fusion", "vit", "yolo", "efficientnetv2"]
    for name, values in evaluation.report.items():
        decisions = evaluation.answers[name] > 0.5
        accuracy, mcc = accuracy_score(evaluation.labels, decisions), matthews_corrcoef(evaluation.labels, decisions)
        assert values["accuracy"] == pytest.approx(accuracy)
        assert values["mcc"] == pytest.approx(mcc)
        assert values["reward"] == pytest.approx(((max(mcc, 0) + accuracy) / 2) ** 3)
        assert (values["n"], values["n_valid"]) == (12, 12)
        assert values["accuracy_ci95"][0] <= accuracy <= values["accuracy_ci95"][1]
    assert "vs_vit" in evaluation.report["fusion"]


def test_a_file_is_answered_as_its_row_in_the_evaluation(detector, evaluation, photos):
    """No difference between evaluating and predicting."""
    paths = [str(sample.path) for sample in scan(photos, ("test",))]
    answers = list(predict(detector, paths, io.BytesIO(), batch=5))
    for row, answer in enumerate(answers):
        for name, p in ({"fusion": answer.found.p_roadwork} | answer.found.branches).items():
            assert p == pytest.approx(evaluation.answers[name][row], abs=1e-5)
    stdin = io.BytesIO(scan(photos, ("test",))[0].path.read_bytes())
    (from_stdin,) = predict(detector, ["-"], stdin)
    assert from_stdin.found.p_roadwork == pytest.approx(answers[0].found.p_roadwork, abs=1e-5)
    assert from_stdin.to_json()["roadwork"] == (answers[0].found.p_roadwork > 0.5)
    assert from_stdin.to_json()["stage"] == "full"


def test_an_unreadable_photo_is_an_invalid_answer(detector, photos, tmp_path):
    root = shutil.copytree(photos, tmp_path / "photos")
    broken = sorted((root / "test" / "roadwork").iterdir())[0]
    broken.write_bytes(b"cut")
    result = evaluate(detector, scan(root, ("test",)), with_default=False)
    assert list(result.unreadable) == [broken.relative_to(root).as_posix()]
    assert "vit" not in result.report
    assert (result.report["fusion"]["n"], result.report["fusion"]["n_valid"]) == (12, 11)


def test_a_photo_that_changed_since_precompute_is_refused(parts, fitted, photos, tmp_path):
    root = shutil.copytree(photos, tmp_path / "photos")
    first, second = sorted((root / "test" / "roadwork").iterdir())[:2]
    first.write_bytes(second.read_bytes())
    records = cached_branches(fitted, "test", read_description(parts), ("yolo_probs", "vit_probs"))
    with pytest.raises(RequestError, match="cache and data differ"):
        evaluate(open_detector(parts), scan(root, ("test",)), records=records)


def test_run_keeps_metrics_and_figures_of_every_split_beside_the_model(model, fitted, request):
    lines = []
    result = run(Request(model, fitted, split="val"), lines.append)
    request.getfixturevalue("without_figures_of_answers")  # from here on
    run(Request(model, fitted, split="test", max_samples=8), lines.append)
    metrics = json.loads((model.parent / "metrics.json").read_text())
    assert list(metrics) == ["val", "test"]
    assert metrics["val"]["fusion"]["accuracy"] == result.report["fusion"]["accuracy"]
    assert metrics["test"]["yolo"]["n"] == 8
    for name in ("val_confusion_matrices", "val_curves", "val_reliability", "history"):
        with Image.open(model.parent / "figures" / f"{name}.png") as image:
            assert image.width > 400
    text = as_text(result)
    for part in ("vit (default)", "fusion against the default ViT: ", "McNemar p = ", "95 % bootstrap intervals"):
        assert part in text


def test_run_keeps_every_answer_and_what_was_asked(model, fitted, photos, tmp_path, request):
    result = run(Request(model, fitted, split="val", out=tmp_path), lambda line: None)
    kept = read_predictions(tmp_path / "predictions_val.csv")
    assert kept.sample_ids == [sample.sample_id for sample in result.samples]
    assert kept.labels.tolist() == result.labels.tolist()
    assert kept.digests == {sample.sample_id: file_sha256(sample.path) for sample in result.samples}
    for name, p in result.answers.items():
        np.testing.assert_array_equal(kept.answers[name].astype(np.float32), p.astype(np.float32))
    record = json.loads((tmp_path / "evaluated.json").read_text())["val"]
    assert (record["model"], record["model_sha256"]) == ("fusion.keras", file_sha256(model))
    assert Path(record["data_root"]) == photos.resolve()
    counts = {split: (part["no_roadwork"], part["roadwork"]) for split, part in record["photos"].items()}
    assert counts == {"train": (12, 12), "val": (6, 6), "test": (6, 6)}
    known = read_description(model)["data"]
    assert {split: part["listing_sha256"] for split, part in record["photos"].items()} == known
    for name in ("reliability", "mcc_against_threshold", "fusion_against_branches"):
        assert (tmp_path / "figures" / f"val_{name}.png").is_file()
    request.getfixturevalue("without_figures_of_answers")  # from here on
    lines = []
    copy = shutil.copy(model, tmp_path / "copy.keras")
    run(Request(copy, fitted, split="val", max_samples=4, out=tmp_path), lines.append)
    assert any("was of fusion.keras, and will be of copy.keras" in line for line in lines)


@pytest.mark.usefixtures("without_figures_of_answers")
def test_default_only_needs_no_model_of_ours(fitted, photos, vit_folder, evaluation):
    result = run(Request(None, fitted, default_only=True), lambda line: None)
    assert list(result.report) == ["vit"]
    np.testing.assert_allclose(result.answers["vit"], evaluation.answers["vit"], atol=1e-5)
    assert open_default(str(vit_folder)).outputs == ("vit",)


@pytest.mark.parametrize("choices", [{"model": None}, {"default_only": True}])
def test_contradictory_requests_are_refused(fitted, model, choices):
    with pytest.raises(RequestError):
        run(Request(**({"model": model, "config": fitted} | choices)))


def test_images_are_listed_and_bad_paths_refused(photos, tmp_path):
    folder = photos / "test" / "roadwork"
    assert list_images([str(folder)]) == sorted(str(path) for path in folder.iterdir())
    assert list_images(["-", str(next(folder.iterdir()))])[0] == "-"
    with pytest.raises(RequestError, match=r"no photo(.|\n)*\.jpg(.|\n)*what to do"):
        list_images([str(tmp_path)])
    with pytest.raises(RequestError, match="no such file"):
        list_images([str(tmp_path / "gone.jpg")])
    with pytest.raises(RequestError, match="no address"):
        list_images(["s3://"])


def test_an_unreadable_image_gives_its_reason_and_the_others_their_answers(detector, photos, tmp_path):
    broken = tmp_path / "text.jpg"
    broken.write_text("text")
    good = str(scan(photos, ("test",))[0].path)
    first, second, third = predict(detector, [good, str(broken), good], io.BytesIO())
    assert first.found.branches == pytest.approx(third.found.branches, abs=1e-6)
    assert second.found is None
    assert second.to_json()["p_roadwork"] is None
    assert "not an image in a known format" in second.error


def test_latency_is_measured_stage_by_stage(model):
    result = measure_latency(lambda: open_detector(model), runs=4, warmup=1)
    assert list(result["stages"]) == ["decode", "preprocess", "forward", "total"]
    stages = result["stages"]
    parts = sum(stages[name]["mean_ms"] for name in ("decode", "preprocess", "forward"))
    assert stages["total"]["mean_ms"] >= parts > 0
    for values in stages.values():
        assert values["p50_ms"] <= values["p95_ms"] <= values["p99_ms"]
    assert result["image"]["width"] == 1280
    assert result["memory_mb"] > 100
    with pytest.raises(RequestError, match="does not exist"):
        measure_latency(lambda: open_detector(model), image=model.with_name("gone.jpg"))
    with pytest.raises(RequestError, match=r"config\.yaml"):
        measure_latency(lambda: open_detector(model), image=model.with_name("config.yaml"))


def test_a_file_that_answers_otherwise_is_not_saved(tmp_path, monkeypatch):
    image = keras.Input((2,), name="image")
    network = keras.Model({"image": image}, {"out": keras.layers.Dense(2)(image)})
    sample = {"image": np.ones((1, 2), np.float32)}
    monkeypatch.setattr(
        "kerasfusion.files.saving._answers_of_a_clean_process", lambda path, sample: {"out": np.full((1, 2), 9.0)}
    )
    with pytest.raises(KerasFusionError, match="output out differs"):
        save_model(network, tmp_path / "model.keras", {}, sample)
    assert list(tmp_path.iterdir()) == []


def test_other_files_are_refused_by_name(tmp_path, model):
    with pytest.raises(RequestError, match="does not exist"):
        read_description(tmp_path / "gone.keras")
    text = tmp_path / "text.keras"
    text.write_text("text")
    with pytest.raises(RequestError, match=r"not a \.keras file"):
        read_description(text)
    plain = tmp_path / "plain.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(plain)
    with pytest.raises(RequestError, match=r"no kerasfusion\.json"):
        read_description(plain)
    cut = tmp_path / "cut.keras"
    with zipfile.ZipFile(cut, "w") as archive:
        archive.writestr("kerasfusion.json", "{}")
    with pytest.raises(RequestError, match=r"holds no config\.json"):
        load_model(cut)

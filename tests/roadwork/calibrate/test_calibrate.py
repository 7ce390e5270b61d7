"""Temperature and threshold: fitted against values worked out otherwise, inside the graph, and out of it again."""

import json
import shutil

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from sklearn.metrics import brier_score_loss, log_loss, matthews_corrcoef, roc_auc_score

from kerasfusion.cli.main import main
from kerasfusion.files.saving import load_model, save_model
from kerasfusion.formats.opening import format_module, open_model
from kerasfusion.roadwork.branches.ensemble import HEADS
from kerasfusion.roadwork.branches.one_file import model_digest
from kerasfusion.roadwork.calibrate.graph import calibrated, uncalibrated
from kerasfusion.roadwork.calibrate.job import UNDONE, refuse_model
from kerasfusion.roadwork.detect.detector import open_detector
from kerasfusion.roadwork.scoring import calibration
from kerasfusion.roadwork.scoring.calibration import best_threshold, fit, fit_temperature, sigmoid
from kerasfusion.roadwork.scoring.probability_scores import brier, negative_log_likelihood

pytestmark = pytest.mark.exports


SIZE = 8


def fit_photos(labels, logits, **options):
    """`fit` on photos alone."""
    return fit(labels, logits[:, None], **options)


def noisy(count, temperature, shift=0.0, seed=0):
    """(N,) labels and logits of a model whose logits are `temperature` times too large, and moved by `shift`."""
    rng = np.random.default_rng(seed)
    honest = rng.normal(0, 2, count)
    labels = (rng.uniform(size=count) < sigmoid(honest)).astype(np.int64)
    return labels, temperature * honest + shift


def run(*arguments, code=0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


def build_model():
    """P(roadwork) rises with the mean brightness of the photo: a logit of 6 (mean - 0.7)."""
    inputs = {name: keras.Input((SIZE, SIZE, 3), name=name) for name in ("image", "yolo_image")}
    means = {name: keras.ops.mean(value, axis=(1, 2, 3), keepdims=False) for name, value in inputs.items()}
    column = keras.layers.Reshape((1,))(means["image"] / 255)
    dense = keras.layers.Dense(2, activation="softmax", name="fusion_probs")
    answer = dense(column)
    dense.set_weights([np.float32([[-3, 3]]), np.float32([2.1, -2.1])])
    yolo = keras.layers.Reshape((1,))(means["yolo_image"] / 255)
    outputs = {"fusion": answer, "vit": answer, "yolo": keras.ops.concatenate([1 - yolo, yolo], axis=-1)}
    named = {name: keras.layers.Identity(name=name, dtype="float32")(value) for name, value in outputs.items()}
    return keras.Model(inputs, named, name="fusion")


@pytest.fixture(scope="module", autouse=True)
def fewer_resamples():
    """A fifth of those that judge whether a fit pays, which take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "RESAMPLES", 200)
        yield


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """60 grey photos of each class: roadwork is brighter, but the cut lies at 0.4 and not at the model's 0.7."""
    root, rng = tmp_path_factory.mktemp("grey"), np.random.default_rng(1)
    for label, name in enumerate(("no_roadwork", "roadwork")):
        folder = root / "val" / name
        folder.mkdir(parents=True)
        for number in range(60):
            grey = np.clip(0.25 + 0.3 * label + rng.normal(0, 0.1), 0, 1)
            own = PngInfo()  # so that none is another's copy
            own.add_text("number", str(number))
            image = Image.fromarray(np.full((SIZE, SIZE, 3), round(255 * grey), np.uint8))
            image.save(folder / f"{number:02d}.png", pnginfo=own)
    return root


@pytest.fixture(scope="module")
def model(tmp_path_factory, pictures):
    network = build_model()
    description = {
        "system": "roadwork",
        "outputs": list(network.output),
        "image_size": SIZE,
        "yolo_image_size": SIZE,
        "config": {"data": {"root": str(pictures)}, "fusion": {"fit_on": "val"}},
        "model_sha256": model_digest(network),
        "format": "keras",
        "precision": "float32",
    }
    path = tmp_path_factory.mktemp("model") / "fusion.keras"
    save_model(network, path, description, None)
    return path


@pytest.fixture(scope="module")
def done(model):
    """The calibrated file, and what `calibrate --json` printed."""
    said = json.loads(run("calibrate", model, "--json", "--set", "views.count=0").stdout)
    return model.with_name("fusion-calibrated.keras"), said["calibration"]


@pytest.fixture(scope="module")
def grey_inputs(pictures):
    photos = [np.asarray(Image.open(path), np.float32) for path in sorted((pictures / "val").rglob("*.png"))]
    return {"image": np.stack(photos), "yolo_image": np.stack(photos)}


@pytest.fixture
def compared_once(monkeypatch):
    """Without the clean process, which takes seconds: `done` was compared in one."""
    monkeypatch.setattr("kerasfusion.roadwork.calibrate.job.comparison_inputs", lambda model: None)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_is_that_with_the_smallest_likelihood_on_a_grid(temperature):
    labels, logits = noisy(4000, temperature)
    found = fit_temperature(labels, logits)
    assert found == pytest.approx(temperature, rel=0.1)
    grid = np.linspace(0.3, 4, 200)
    losses = [log_loss(labels, sigmoid(logits / each)) for each in grid]
    assert found == pytest.approx(grid[np.argmin(losses)], abs=grid[1] - grid[0])


def test_classes_are_weighed_to_the_prior_and_views_of_a_photo_count_as_rows():
    labels, logits = noisy(300, 2.0, seed=5)
    rare = np.flatnonzero(labels == 1)[:30]
    kept = np.concatenate([np.flatnonzero(labels == 0), rare])
    labels = labels[kept]
    views = np.stack([logits[kept], logits[kept] * 0.5 - 1], axis=1)
    found = fit(labels, views, prior=0.5)
    rows, said = np.repeat(labels, 2), views.ravel()
    weights = np.where(rows == 1, 0.5 / rows.mean(), 0.5 / (1 - rows.mean()))
    grid = np.linspace(0.3, 6, 300)
    losses = [log_loss(rows, sigmoid(said / each), sample_weight=weights) for each in grid]
    assert found.best_temperature == pytest.approx(grid[np.argmin(losses)], abs=grid[1] - grid[0])
    cuts = np.unique(sigmoid(said / found.best_temperature))
    p = sigmoid(said / found.best_temperature)
    best = max(matthews_corrcoef(rows, p > cut, sample_weight=weights) for cut in cuts[:-1])
    at_found = matthews_corrcoef(rows, said > found.best_logit, sample_weight=weights)
    assert at_found == pytest.approx(best)
    unweighed, _ = best_threshold(rows, p)
    assert at_found > matthews_corrcoef(rows, p > unweighed, sample_weight=weights) + 0.01


def test_photos_that_do_not_fix_the_temperature_leave_it():
    labels = np.repeat([0, 1], 50)
    assert fit_temperature(labels, np.where(labels == 1, 2.0, -2.0)) is None
    assert fit_temperature(labels, np.where(labels == 1, -2.0, 2.0)) is None


def test_scores_agree_with_sklearn():
    labels, logits = noisy(500, 2.0)
    p = sigmoid(logits)
    assert negative_log_likelihood(labels, p) == pytest.approx(log_loss(labels, p))
    assert brier(labels, p) == pytest.approx(brier_score_loss(labels, p))
    assert negative_log_likelihood(np.array([1, 0]), np.array([0.0, 1.0])) == pytest.approx(30 * np.log(10))


def test_the_best_threshold_is_that_of_trying_them_all():
    for seed in range(5):
        labels, logits = noisy(80, 1.5, shift=1.0, seed=seed)
        p = np.round(sigmoid(logits), 2)  # ties
        threshold, value = best_threshold(labels, p)
        cuts = [cut for cut in np.arange(0.005, 1, 0.01) if p.min() < cut < p.max()]
        # The MCC is the correlation of two columns of 0 and 1.
        assert value == pytest.approx(max(np.corrcoef(labels, p > cut)[0, 1] for cut in cuts))
        assert matthews_corrcoef(labels, p > threshold) == pytest.approx(value)
    assert best_threshold(np.array([0, 1]), np.array([0.3, 0.3])) == (0.5, 0.0)


def test_of_equal_plateaus_the_middle_nearest_to_one_half_is_taken():
    # Cuts above 0.2 and above 0.8 both make one mistake of each kind's mirror: MCC 1/sqrt(3) each.
    labels, p = np.array([0, 1, 0, 1]), np.array([0.1, 0.3, 0.6, 0.9])
    assert best_threshold(labels, p)[0] == pytest.approx(0.75)
    assert best_threshold(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.3, 0.9]))[0] == pytest.approx(0.25)


def test_the_threshold_only_moves_where_that_pays_on_photos_it_was_not_chosen_on():
    honest = fit_photos(*noisy(300, 1.0), seed=1)
    assert not honest.threshold_moved
    assert honest.threshold_logit == 0
    assert honest.best_logit != 0
    shifted = fit_photos(*noisy(300, 1.0, shift=3.0), seed=1)
    assert shifted.threshold_moved
    assert shifted.threshold_logit == pytest.approx(3, abs=1.2)
    assert fit_photos(*noisy(300, 1.0, shift=3.0), seed=1) == shifted
    assert fit_photos(*noisy(300, 1.0, shift=3.0), seed=2).mcc_gain != shifted.mcc_gain


def test_ten_copies_of_each_photo_say_no_more_than_one():
    """Forty photos do not show that a moved threshold pays; four hundred would."""
    labels, logits = noisy(40, 1.0, shift=1.3)
    alone = fit_photos(labels, logits, seed=1)
    assert not alone.threshold_moved
    copies = np.repeat(labels, 10), np.repeat(logits, 10)
    assert fit_photos(*copies, seed=1).threshold_moved
    together = fit_photos(*copies, seed=1, groups=np.repeat(np.arange(40), 10))
    assert together.mcc_gain == pytest.approx(alone.mcc_gain)
    assert together.nll_gain == pytest.approx(alone.nll_gain)


def test_a_temperature_is_only_used_where_that_pays_on_photos_it_was_not_fitted_on():
    honest = fit_photos(*noisy(200, 1.0, seed=3))
    assert not honest.temperature_fitted
    assert honest.temperature == 1
    assert honest.best_temperature != 1
    sure = fit_photos(*noisy(200, 4.0, seed=3))
    assert sure.temperature_fitted
    assert sure.temperature == pytest.approx(4 * honest.best_temperature, rel=1e-4)


def test_the_graph_computes_the_formula_also_where_a_probability_is_0_or_1():
    probs = keras.Input((2,), name="probs")
    model = keras.Model({"probs": probs}, {"fusion": keras.layers.Identity(name="fusion")(probs)})
    graph = calibrated(model, 2.5, -0.8)
    logits = np.concatenate([np.linspace(-60, 60, 999), [-0.8]])
    given = np.stack([sigmoid(-logits), sigmoid(logits)], axis=1).astype(np.float32)
    found = np.asarray(graph({"probs": given})["fusion"])
    np.testing.assert_allclose(found[:, 1], sigmoid((logits + 0.8) / 2.5), rtol=2e-5, atol=1e-7)
    assert (np.diff(found[:-1, 1]) >= 0).all()
    assert found[-1, 1] == pytest.approx(0.5, abs=1e-6)
    ends = np.asarray(graph({"probs": np.float32([[1, 0], [0, 1]])})["fusion"])
    assert np.isfinite(ends).all()
    np.testing.assert_allclose(ends, [[1, 0], [0, 1]], atol=1e-6)


def test_calibrate_makes_one_half_the_best_cut(done, model, grey_inputs):
    path, said = done
    p = open_model(path).answer(grey_inputs)["fusion"][:, 1]
    before = open_model(model).answer(grey_inputs)["fusion"][:, 1]
    labels = np.repeat([0, 1], 60)
    assert said["threshold_moved"]
    assert said["n_per_class"] == {"no_roadwork": 60, "roadwork": 60}
    np.testing.assert_array_equal(p > 0.5, before > said["threshold"])
    assert best_threshold(labels, p)[1] == pytest.approx(matthews_corrcoef(labels, p > 0.5))
    assert roc_auc_score(labels, p) == pytest.approx(roc_auc_score(labels, before))
    for name, answers in (("before", before), ("after", p)):
        assert said[name]["mcc"] == pytest.approx(matthews_corrcoef(labels, answers > 0.5))
        assert said[name]["nll"] == pytest.approx(log_loss(labels, np.float64(answers)), abs=1e-5)
    assert said["after"]["mcc"] > said["before"]["mcc"] + 0.2
    assert said["temperature_alone"]["nll"] < said["before"]["nll"]


def test_the_file_says_what_was_done_and_works_as_any_other(done, model, pictures):
    path, said = done
    described = json.loads(run("info", path).output)
    assert described["calibration"] == said
    original = json.loads(run("info", model).output)
    assert said["uncalibrated_sha256"] == original["model_sha256"] != described["model_sha256"]
    photo = next((pictures / "val" / "roadwork").iterdir())
    assert open_detector(path).detect(photo).branches == open_detector(model).detect(photo).branches


@pytest.mark.usefixtures("compared_once")
def test_undo_gives_the_answers_of_the_original_exactly(done, model, grey_inputs, tmp_path):
    run("calibrate", done[0], "--undo", "--out", tmp_path / "undone.keras")
    expected, found = (open_model(path).answer(grey_inputs) for path in (model, tmp_path / "undone.keras"))
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)
    assert load_model(tmp_path / "undone.keras")[1] == load_model(model)[1]
    assert "is not calibrated" in run("calibrate", model, "--undo", code=2).output
    assert "--undo fits nothing" in run("calibrate", done[0], "--undo", "--split", "test", code=2).output


@pytest.mark.usefixtures("compared_once")
def test_a_calibrated_model_is_fitted_anew_from_its_uncalibrated_fusion(done, tmp_path):
    photos = ("--set", "views.count=0")
    again = json.loads(run("calibrate", done[0], "--json", *photos, "--out", tmp_path / "again.keras").stdout)
    assert again["calibration"] == done[1]
    network, _ = load_model(tmp_path / "again.keras")
    assert [layer.name for layer in network.layers].count("fusion_calibration") == 1


@pytest.mark.parametrize(("name", "precision"), [("openvino", "float32"), ("onnx", "int8"), ("litert", "int8")])
def test_every_format_answers_as_the_calibrated_file(done, name, precision, tmp_path, grey_inputs):
    network, description = load_model(done[0])
    module = format_module(name)
    path = tmp_path / f"fusion{module.SUFFIX}"
    module.write(network, path, precision, description, HEADS)
    some = {key: values[::10] for key, values in grey_inputs.items()}
    expected = open_model(done[0]).answer(some)["fusion"]
    np.testing.assert_allclose(open_model(path).answer(some)["fusion"], expected, atol=2e-3)


def test_bfloat16_leaves_the_calibration_in_float32(done):
    from kerasfusion.formats.keras_file import in_bfloat16

    network, _ = load_model(done[0])
    copy = in_bfloat16(network, HEADS)
    (layer,) = (layer for layer in copy.layers if layer.name == "fusion_calibration")
    assert {weight.dtype for weight in layer.weights} == {"float32"}
    assert uncalibrated(copy).output["fusion"].dtype == "float32"


def test_what_cannot_be_calibrated_is_refused_by_name(model, tmp_path):
    network, description = load_model(model)
    cases = {
        "an export cannot be calibrated": description | {"precision": "bfloat16"},
        "calibrate is for roadwork models": description | {"system": "fume"},
        "trained parts cannot be calibrated": {k: v for k, v in description.items() if k != "model_sha256"},
    }
    for number, (expected, said) in enumerate(cases.items()):
        save_model(network, tmp_path / f"{number}.keras", said, None)
        assert expected in run("calibrate", tmp_path / f"{number}.keras", code=2).output
    assert "does not exist" in run("calibrate", tmp_path / "gone.keras", code=2).output
    assert "must end in .keras" in run("calibrate", model, "--out", tmp_path / "x.onnx", code=2).output


def test_only_its_own_earlier_copy_is_replaced(done, model, tmp_path):
    """Nothing is computed: each file must be what it was, and the refusals come before TensorFlow is loaded."""
    network, description = load_model(model)
    bfloat16, stranger, text = (tmp_path / name for name in ("bfloat16.keras", "stranger.keras", "text.keras"))
    save_model(network, bfloat16, description | {"precision": "bfloat16"}, None)
    save_model(network, stranger, description | {"model_sha256": "0", "calibration": {}}, None)
    text.write_text("mine")
    before = {path: path.read_bytes() for path in (model, done[0], bfloat16, stranger, text)}
    link = tmp_path / "link.keras"
    link.symlink_to(model)
    for source, out, undo, message in [
        (model, model, (), "overwrite the model itself"),
        (model, link, (), "overwrite the model itself"),
        (done[0], done[0], ("--undo",), "overwrite the model itself"),
        (done[0], model, (), "another file would be lost"),
        (model, stranger, (), "another file would be lost"),
        (model, text, (), "another file would be lost"),
        (done[0], bfloat16, ("--undo",), "another file would be lost"),
    ]:
        assert message in run("calibrate", source, "--out", out, *undo, code=2).output, (source, out)
    assert {path: path.read_bytes() for path in before} == before
    assert refuse_model(model, None) == refuse_model(done[0], None) == done[0]
    assert refuse_model(done[0], model, UNDONE) == model


def test_too_few_photos_are_refused_before_tensorflow_is_loaded(model, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr("kerasfusion.cli.calibrate.import_tensorflow", lambda: pytest.fail("TensorFlow was loaded"))
    for name, count in (("no_roadwork", 40), ("roadwork", 29)):
        folder = tmp_path / "val" / name
        folder.mkdir(parents=True)
        for path in sorted((pictures / "val" / name).iterdir())[:count]:
            (folder / path.name).write_bytes(path.read_bytes())
    output = run("calibrate", model, "--data", tmp_path, code=2).output
    assert "40 no_roadwork, 29 roadwork" in output
    assert "at least 30 of each class" in output


def test_photos_of_few_drives_are_too_few(model, pictures, tmp_path):
    root = shutil.copytree(pictures, tmp_path / "grey")
    for written in ("groups", "copies"):
        for name in ("no_roadwork", "roadwork"):
            files = sorted((root / "val" / name).iterdir())
            if written == "copies":
                (root / "groups.csv").unlink(missing_ok=True)
                for number, file in enumerate(files):
                    file.write_bytes(files[number % 29].read_bytes())
                continue
            rows = [f"val/{name}/{file.name},{name} {number % 29}" for number, file in enumerate(files)]
            with (root / "groups.csv").open("a") as file:
                file.write("\n".join(["path,group", *rows] if name == "no_roadwork" else rows) + "\n")
        output = run("calibrate", model, "--data", root, "--out", tmp_path / "x.keras", code=2).output
        assert "29 no_roadwork, 29 roadwork (copies, and photos of one drive or place, count as one)" in output


@pytest.mark.usefixtures("compared_once")
def test_unreadable_photos_are_left_out_and_counted(model, pictures, tmp_path):
    root = shutil.copytree(pictures, tmp_path / "grey")
    sorted((root / "val" / "roadwork").iterdir())[0].write_bytes(b"cut")
    result = run("calibrate", model, "--data", root, "--out", tmp_path / "x.keras", "--json")
    said = json.loads(result.stdout)["calibration"]
    assert (said["n"], said["unreadable"]) == (119, 1)
    assert "unreadable, left out: val/roadwork/00.png" in result.stderr

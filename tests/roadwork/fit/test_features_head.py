"""The head of features: what it sees, that it is fitted on the right rows, and that the one file answers the same."""

import json
import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest

from kerasfusion.errors import RequestError
from kerasfusion.files.saving import load_model, read_description
from kerasfusion.formats.opening import FORMATS, format_module, open_model
from kerasfusion.roadwork.branches.ensemble import HEADS
from kerasfusion.roadwork.branches.features_head import build_features_head, set_weights, what_it_sees
from kerasfusion.roadwork.config import Fusion
from kerasfusion.roadwork.data.dataset import scan
from kerasfusion.roadwork.detect.detector import open_detector
from kerasfusion.roadwork.dry_run.fit import estimate_fit
from kerasfusion.roadwork.evaluate.job import Request, run
from kerasfusion.roadwork.fit.head_rows import trunk_features
from kerasfusion.roadwork.fit.job import fit
from kerasfusion.roadwork.fit.parts import build_parts
from kerasfusion.roadwork.fit.sources import make_sources
from kerasfusion.roadwork.fit.training_data import load_photos, stored_pixels
from kerasfusion.roadwork.head.build import new_head
from kerasfusion.roadwork.head.fitting import fit_head
from kerasfusion.roadwork.head.logistic import FOLDS, STRENGTHS
from kerasfusion.roadwork.head.rows import HeadRows
from kerasfusion.roadwork.precompute import branch_cache
from tests.material.hugging_face_vit import HIDDEN, SIZE

pytestmark = [pytest.mark.usefixtures("yolo_in_this_process"), pytest.mark.trains]

BRANCHES = ("yolo", "vit", "efficientnetv2")


def probs(p):
    p = np.asarray(p, np.float64)
    return np.stack([1 - p, p], axis=1).astype(np.float32)


def rows_of(rng, count, views=1):
    """Rows without anything to learn."""
    labels = np.repeat(rng.permutation(np.arange(count) % 2), views).astype(np.int32)
    inputs = {name: probs(rng.uniform(0.01, 0.99, len(labels))) for name in BRANCHES}
    inputs |= {f"{name}_features": rng.normal(size=(len(labels), 6)).astype(np.float32) for name in BRANCHES[1:]}
    return HeadRows(labels, np.repeat(np.arange(count), views), inputs, views)


@pytest.fixture
def head():
    return build_features_head({"vit_features": 6, "efficientnetv2_features": 6}, BRANCHES)


def answers_of(head, rows):
    return np.asarray(head({name: rows.inputs[name] for name in head.input}))[:, 1]


def test_it_sees_logits_and_features_and_no_logit_beyond_ten_thousand_to_one(head):
    rows = rows_of(np.random.default_rng(0), 5)
    p = np.array([0.0, 1.0, 0.5, 0.9, 1e-12])
    rows = replace(rows, inputs=dict(rows.inputs) | {"vit": probs(p)})
    seen = what_it_sees(head, rows.inputs)
    np.testing.assert_allclose(seen[:, 1], np.log([1e-4, 1e4, 1, 9, 1e-4]), rtol=1e-4, atol=1e-6)
    for column, name in ((0, "yolo"), (2, "efficientnetv2")):
        no, yes = rows.inputs[name].T.astype(np.float64)
        np.testing.assert_allclose(seen[:, column], np.log(yes / no), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(seen[:, 3:9], rows.inputs["vit_features"])
    np.testing.assert_array_equal(seen[:, 9:], rows.inputs["efficientnetv2_features"])


def test_its_weights_are_those_of_a_sigmoid(head):
    rows = rows_of(np.random.default_rng(1), 20)
    weights, bias = np.random.default_rng(2).normal(size=15), -0.3
    set_weights(head, weights, bias)
    expected = 1 / (1 + np.exp(-(what_it_sees(head, rows.inputs) @ weights + bias)))
    np.testing.assert_allclose(answers_of(head, rows), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["vit_features", "efficientnetv2_features", "yolo"])
def test_it_finds_the_one_input_that_tells(make_config, tmp_path, head, name):
    rng = np.random.default_rng(3)
    rows, new = rows_of(rng, 60, views=2), rows_of(rng, 200)
    told = []
    for each in (rows, new):
        values = each.inputs[name].copy()
        if name == "yolo":
            values = probs(np.where(each.labels == 1, 0.8, 0.2))
        else:
            values[:, 2] = 100 + 7 * each.labels  # neither where the others lie nor of their size
        told.append(replace(each, inputs=dict(each.inputs) | {name: values}))
    said = fit_head(make_config(tmp_path, "fusion.head=features"), head, told[0])
    assert ((answers_of(head, told[1]) > 0.5) == new.labels).mean() > 0.97
    assert (said["photos"], said["views"], said["folds"]) == (60, 120, FOLDS)
    assert said["strength"] in STRENGTHS


def test_roadwork_is_weighed_to_the_prior(make_config, tmp_path, head):
    """The share of roadwork that is said is the one that is expected, whatever it was among the photos."""
    rows = rows_of(np.random.default_rng(5), 80)
    few = np.flatnonzero((rows.labels == 0) | (np.arange(80) % 4 == 0))
    rare = HeadRows(rows.labels[few], rows.groups[few], {name: v[few] for name, v in rows.inputs.items()})
    for prior, expected in ((0.5, 0.5), (0.2, 0.2), (None, rare.labels.mean())):
        config = make_config(tmp_path, "fusion.head=features", f"fusion.prior={'null' if prior is None else prior}")
        fit_head(config, head, rare)
        said = np.average(answers_of(head, rare), weights=rare.weights(prior))
        assert said == pytest.approx(expected, abs=0.01)


@pytest.fixture(scope="module")
def with_features(make_config, featured):
    """Builds a configuration of another run with this head on the finished cache."""

    def make(folder, *settings):
        cache = (f"cache.folder={featured.cache.folder}", "views.count=2", "fit.augmentation=none", "fit.epochs=1")
        return make_config(folder, *cache, "fusion.head=features", *settings)

    return make


@pytest.fixture(scope="module")
def composed(with_features, tmp_path_factory):
    """A finished run with the head of features: parts, one file, record."""
    config = with_features(tmp_path_factory.mktemp("features_head"))
    fit(config, report=lambda line: None)
    return config


def test_the_record_of_the_choice_is_in_the_run_and_in_the_file(composed):
    said = json.loads((composed.run_folder / "head.json").read_text())
    assert (said["head"], said["photos"], said["views"]) == ("features", 12, 24)
    assert min(said["nll"], key=lambda row: row["nll"])["strength"] == said["strength"]
    assert read_description(composed.run_folder / "fusion.keras")["head"] == said


def test_the_one_file_answers_as_the_parts_with_the_cached_features(composed):
    """And both as the sum over logits and features that the head's weights stand for."""
    folder = composed.run_folder
    parts, _ = load_model(folder / "trained_parts.keras")
    assert parts.input["vit_features"].shape == (None, HIDDEN)
    whole = open_detector(folder / "fusion.keras")
    records = branch_cache.read_cache(composed.cache.folder, ("val",))
    photos = scan(composed.data.root, ("val",))
    opened = open_detector(folder / "trained_parts.keras")
    assert set(opened.other_inputs) == {"yolo_probs", "vit_probs", "vit_features"}
    result = run(Request(folder / "trained_parts.keras", composed, split="val", out=folder / "of_parts"), print)
    found = dict(zip([sample.sample_id for sample in result.samples], result.answers["fusion"], strict=True))
    kernel, bias = parts.get_layer("fusion_head").get_layer("fusion_probs").get_weights()
    trunk, classifier = parts.get_layer("efficientnetv2-b0"), parts.get_layer("efficientnetv2_classifier")
    for sample in photos[::5]:
        record = records[sample.sample_id]
        seen = trunk(whole.prepare(opened._pixels(sample.path))["image"][None].astype(np.float32))
        answers = [record.yolo_probs[0], record.vit_probs[0], np.asarray(classifier(seen))[0]]
        logits = [np.log(max(p[1], 1e-4)) - np.log(max(p[0], 1e-4)) for p in answers]
        z = np.concatenate([logits, record.vit_features[0], np.asarray(seen)[0]]) @ kernel + bias
        assert found[sample.sample_id] == pytest.approx(1 / (1 + np.exp(z[0] - z[1])), abs=1e-3)
        assert whole.detect(sample.path).p_roadwork == pytest.approx(found[sample.sample_id], abs=2e-3)


@pytest.fixture(scope="module")
def small_fusion():
    """A model with this head whose branches are one layer each."""
    keras.utils.set_random_seed(5)
    image = keras.Input((6, 6, 3), name="image")
    pixels = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image))
    answers = {name: keras.layers.Dense(2, "softmax", name=f"{name}_probs")(pixels) for name in BRANCHES}
    features = {f"{name}_features": keras.layers.Dense(6, "tanh")(pixels) for name in BRANCHES[1:]}
    head = build_features_head(dict.fromkeys(features, 6), BRANCHES)
    set_weights(head, np.random.default_rng(6).normal(size=15), 0.2)
    fusion = keras.layers.Identity(name="fusion")(head(answers | features))
    return keras.Model({"image": image}, {"fusion": fusion}, name="fusion")


@pytest.mark.exports
@pytest.mark.parametrize("format", FORMATS)
def test_every_format_answers_alike(small_fusion, tmp_path, format):
    path = tmp_path / f"fusion{FORMATS[format]}"
    description = {"format": format, "precision": "float32", "outputs": ["fusion"], "model_sha256": "abc"}
    format_module(format).write(small_fusion, path, "float32", description, HEADS)
    pictures = {"image": np.random.default_rng(7).uniform(0, 255, (5, 6, 6, 3)).astype(np.float32)}
    expected = np.asarray(small_fusion(pictures)["fusion"])
    assert np.ptp(expected[:, 1]) > 0.1
    np.testing.assert_allclose(open_model(path).answer(pictures)["fusion"], expected, atol=1e-5)


@pytest.mark.exports
def test_in_bfloat16_the_head_itself_stays_in_float32(small_fusion, tmp_path):
    path = tmp_path / "fusion-bfloat16.keras"
    format_module("keras").write(small_fusion, path, "bfloat16", {"precision": "bfloat16"}, HEADS)
    head = load_model(path)[0].get_layer("fusion_head")
    assert {head.get_layer(name).compute_dtype for name in ("fusion_seen", "fusion_probs")} == {"float32"}


def test_a_finished_run_fitted_again_gives_the_same_weights(composed):
    before = load_model(composed.run_folder / "trained_parts.keras")[0].get_weights()
    shutil.move(composed.run_folder / "fusion.keras", composed.run_folder / "kept.keras")
    fit(replace(composed, vit=replace(composed.vit, weights=str(composed.run_folder / "gone"))), report=print)
    shutil.move(composed.run_folder / "kept.keras", composed.run_folder / "fusion.keras")
    for old, new in zip(before, load_model(composed.run_folder / "trained_parts.keras")[0].get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_of_a_trunk_that_learns_it_sees_what_the_final_one_makes_of_held_out_photos(with_features, tmp_path):
    config = with_features(tmp_path, "efficientnetv2.fine_tune_blocks=1")
    manifest = branch_cache.read_manifest(config.cache.folder)
    training, validation = load_photos(config, manifest)
    parts = build_parts(config, SIZE, training.features)
    source = make_sources(config, parts, SIZE, training, validation)[1]
    parts.trunk.get_layer("top_conv").set_weights([parts.trunk.get_layer("top_conv").get_weights()[0] * 1.5])
    pixels = stored_pixels(validation, config, SIZE, "val").take(np.arange(24)).astype(np.float32)
    found = trunk_features(config, parts, source)
    np.testing.assert_allclose(found, np.asarray(parts.trunk(pixels, training=False)), atol=1e-4)
    assert {sample.split for sample in source.photos.samples} == {"val"}


def test_a_cache_without_features_is_refused_with_what_to_run(make_config, tmp_path, cached):
    config = make_config(tmp_path, f"cache.folder={cached.cache.folder}", "fusion.head=features")
    with pytest.raises(RequestError, match=r"probabilities alone(.|\n)*precompute(.|\n)*--cache(.|\n)*linear"):
        fit(config, report=print)
    assert not config.run_folder.exists()


@pytest.mark.parametrize("asked", ["fusion.head=features", "fusion.head=auto", "fusion.vit_adapted=true"])
def test_too_few_drives_are_refused_before_anything_is_trained(make_config, featured, photos, tmp_path, asked):
    """Four drives of roadwork, where a fold each needs five; the drives of the other class are its six photos."""
    root = shutil.copytree(photos, tmp_path / "photos")
    drives = [f"{sample.sample_id},{n % 4}" for n, sample in enumerate(scan(root, ("val",))) if sample.label]
    (root / "groups.csv").write_text("\n".join(["path,group", *drives]))
    cache = (f"cache.folder={featured.cache.folder}", "views.count=2", f"data.root={root}")
    config = make_config(tmp_path, *cache, asked)
    said = rf"groups .* {asked.replace('=', ': ')}, .*: 6 no_roadwork, 4 roadwork(.|\n)*drive or place, count as one"
    for work in (fit, estimate_fit):
        with pytest.raises(RequestError, match=said) as caught:
            work(config)
        assert caught.value.where == root
    assert not config.run_folder.exists()
    load_photos(make_config(tmp_path, *cache, "fusion.head=linear"), branch_cache.read_manifest(featured.cache.folder))


def test_the_joint_way_is_refused(with_features, tmp_path):
    with pytest.raises(RequestError, match=r"fusion\.fit_on: train(.|\n)*fusion\.fit_on: val"):
        fit(with_features(tmp_path, "fusion.fit_on=train"), report=print)


def test_parts_of_features_are_not_evaluated_on_a_cache_without(composed, cached):
    config = replace(composed, cache=cached.cache, views=cached.views)
    with pytest.raises(RequestError, match=r"learned from the ViT's features(.|\n)*--cache"):
        run(Request(composed.run_folder / "trained_parts.keras", config, split="val"), print)


def test_a_dry_run_counts_the_fits(with_features, tmp_path):
    estimate = estimate_fit(with_features(tmp_path))
    (stage,) = (stage for stage in estimate.stages if stage.stage == "fit the head")
    assert (stage.count, stage.unit) == (FOLDS * len(STRENGTHS), "fits")
    assert stage.seconds_each > 0
    assert not (tmp_path / "runs").exists()


def test_a_new_head_has_the_widths_of_its_features():
    head = new_head(Fusion(head="features"), BRANCHES, {"vit_features": 768, "efficientnetv2_features": 1280})
    assert head.count_params() == 2 * (3 + 768 + 1280) + 2
    assert isinstance(head, keras.Model)


def test_of_a_branch_that_is_left_out_it_sees_nothing(with_features, composed, tmp_path):
    """The fit of EfficientNetV2 aside, so that only the head's rows and the composed graph are new."""
    config = with_features(tmp_path, "fusion.without=[efficientnetv2]", f"fit.pixel_cache={composed.fit.pixel_cache}")
    result = fit(config, report=lambda line: None)
    parts, description = load_model(result.parts)
    assert description["outputs"] == ["fusion", "vit", "yolo"]
    assert set(parts.input) == {"yolo_probs", "vit_probs", "vit_features"}
    seen = parts.get_layer("fusion_head").get_layer("fusion_seen").output.shape[-1]
    assert seen == 2 + HIDDEN
    assert set(load_model(result.fusion)[0].input) == {"image", "yolo_image"}


def test_without_the_vit_no_features_of_it_are_asked_for(make_config, cached, tmp_path):
    settings = ("fusion.head=features", "fusion.without=[vit]")
    config = make_config(tmp_path, f"cache.folder={cached.cache.folder}", *settings)
    assert not config.fusion.needs_features
    head = new_head(config.fusion, config.fusion.branches, {"vit_features": None, "efficientnetv2_features": 6})
    assert set(head.input) == {"yolo", "efficientnetv2", "efficientnetv2_features"}
    adapted = replace(config, fusion=replace(config.fusion, vit_adapted=True))
    with pytest.raises(RequestError, match="leaves the ViT out"):
        fit(adapted)

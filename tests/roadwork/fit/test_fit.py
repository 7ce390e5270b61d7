import csv
import dataclasses
import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasfusion import trainer
from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.files.run_folder import claim_checkpoints
from kerasfusion.files.saving import load_model, read_description
from kerasfusion.images.augmentation import STRENGTHS, image_augmentation
from kerasfusion.roadwork.branches.ensemble import build_head, build_trained_parts
from kerasfusion.roadwork.data.dataset import scan
from kerasfusion.roadwork.fit.head_rows import head_rows
from kerasfusion.roadwork.fit.job import fit
from kerasfusion.roadwork.fit.parts import build_parts
from kerasfusion.roadwork.fit.sources import make_sources
from kerasfusion.roadwork.fit.train import fit_parts, settings_of
from kerasfusion.roadwork.fit.training_data import load_photos, stored_pixels
from kerasfusion.roadwork.head.fitting import fit_head
from kerasfusion.roadwork.head.rows import HeadRows
from kerasfusion.roadwork.precompute import branch_cache
from tests.material.hugging_face_vit import SIZE, write_vit

pytestmark = [pytest.mark.usefixtures("yolo_in_this_process"), pytest.mark.trains]


def quiet(line):
    """Takes a line for the person who waits."""


def parts_of(config):
    return load_model(config.run_folder / "trained_parts.keras")[0].get_weights()


@pytest.fixture(scope="module")
def with_cache(make_config, cached):
    """Builds a configuration of another run on the finished cache."""

    def make(folder, *settings):
        # Without a ViT only the parts are saved: composing, with its clean process, takes most of a toy run's time.
        settings = (f"cache.folder={cached.cache.folder}", f"vit.weights={folder / 'no-vit'}", *settings)
        return make_config(folder, *settings)

    return make


def test_the_run_folder_holds_what_the_run_is_understood_by(fitted):
    folder = fitted.run_folder
    for name in ("config.yaml", "environment.json", "history.csv", "trained_parts.keras", "fusion.keras"):
        assert (folder / name).is_file(), name
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= set(rows[0])


def test_the_file_describes_itself(fitted, yolo_weights, vit_folder):
    description = read_description(fitted.run_folder / "fusion.keras")
    assert description["system"] == "roadwork"
    assert description["class_names"] == ["no_roadwork", "roadwork"]
    assert description["weights"] == {
        "yolo": file_sha256(yolo_weights),
        "vit": file_sha256(vit_folder / "model.safetensors"),
    }
    assert description["config"]["fit"]["epochs"] == 3
    json.dumps(description)


def test_a_finished_run_is_fitted_again_without_training(fitted):
    before = parts_of(fitted)
    parts = fit_parts(fitted, branch_cache.read_manifest(fitted.cache.folder))
    model = build_trained_parts(parts.trunk, parts.classifier, parts.head)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_files_of_an_earlier_fit_stay_until_its_weights_change(fitted, make_config, tmp_path, monkeypatch):
    for name in ("runs", "cache", "pixels"):
        shutil.copytree(fitted.runs_folder.parent / name, tmp_path / name)
    config = make_config(tmp_path)
    parts, fusion = (config.run_folder / name for name in ("trained_parts.keras", "fusion.keras"))

    def digests_after(difference):
        """Fit, with weights of the head that come out otherwise by so much."""
        said = []
        with monkeypatch.context() as patch:
            patch.setattr("kerasfusion.roadwork.fit.train.fit_head", moved_by(difference))
            fit(config, report=said.append)
        assert any(line.startswith("composing") for line in said) != any("stay as they are" in line for line in said)
        return file_sha256(parts), file_sha256(fusion)

    before = digests_after(0.0)
    assert digests_after(1e-7) == before  # rounding
    earlier = fusion.read_bytes()
    moved = digests_after(1e-3)
    assert not set(moved) & set(before)
    fusion.write_bytes(earlier)  # as where a fit was killed after it had kept its parts
    kept, composed = digests_after(1e-3)
    assert kept == moved[0]
    assert composed != before[1]
    heads = [load_model(path)[0].get_layer("fusion_head").get_weights() for path in (parts, fusion)]
    for one, other in zip(*heads, strict=True):
        np.testing.assert_array_equal(one, other)


def moved_by(difference):
    def fit_and_move(config, head, rows):
        record = fit_head(config, head, rows)
        head.set_weights([weights + difference for weights in head.get_weights()])
        return record

    return fit_and_move


def test_killed_and_resumed_with_augmentation_ends_in_the_same_weights(fitted, make_config, tmp_path, monkeypatch):
    settings = (f"cache.folder={fitted.cache.folder}", f"fit.pixel_cache={fitted.fit.pixel_cache}")
    config = make_config(tmp_path, *settings)
    manifest = branch_cache.read_manifest(config.cache.folder)

    def killed(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(trainer, "write_history", killed)  # the first epoch's checkpoint is there by then
        fit_parts(config, manifest)
    assert trainer.read_checkpoint(config.run_folder / "checkpoints" / "efficientnetv2.npz").epoch == 1
    parts = fit_parts(config, manifest)
    model = build_trained_parts(parts.trunk, parts.classifier, parts.head)
    for undisturbed, resumed in zip(parts_of(fitted), model.get_weights(), strict=True):
        np.testing.assert_array_equal(undisturbed, resumed)


def test_a_frozen_trunk_sees_the_augmented_photos(fitted):
    """Its features come from outside the trained graph, and are those of the network that is saved."""
    training, validation = load_photos(fitted, branch_cache.read_manifest(fitted.cache.folder))
    parts = build_parts(fitted, SIZE)
    train, val = make_sources(fitted, parts, SIZE, training, validation)
    assert (train.name, val.name) == ("image", "features")
    arrays, seed = train.gather(np.arange(4)), tf.constant([42, 7])
    found = train.transform({name: tf.constant(value) for name, value in arrays.items()}, seed)
    assert set(found) == {"features", "yolo_probs", "vit_probs", "label", "efficientnetv2_weight", "fusion_weight"}
    pixels = tf.constant(arrays["image"].astype(np.float32))
    changed = image_augmentation(STRENGTHS["light"])(pixels, seed)
    expected = np.asarray(parts.trunk(changed, training=False))
    np.testing.assert_allclose(found["features"], expected, atol=1e-4)
    assert np.abs(np.asarray(parts.trunk(pixels, training=False)) - expected).max() > 1e-3
    original = stored_pixels(validation, fitted, SIZE, "val").take(np.arange(4)).astype(np.float32)
    np.testing.assert_allclose(
        val.gather(np.arange(4))["features"], np.asarray(parts.trunk(original, training=False)), atol=1e-4
    )


def test_another_content_of_the_weights_file_is_another_run(with_cache, tmp_path):
    path = tmp_path / "b0.weights.h5"
    config = with_cache(tmp_path, f"efficientnetv2.weights={path}")
    manifest = branch_cache.read_manifest(config.cache.folder)
    with pytest.raises(RequestError, match="does not exist"):
        claim_checkpoints(config.run_folder, settings_of(config, manifest))
    path.write_bytes(b"some weights")
    claim_checkpoints(config.run_folder, settings_of(config, manifest))
    (config.run_folder / "checkpoints" / "efficientnetv2.npz").touch()
    claim_checkpoints(config.run_folder, settings_of(config, manifest))
    path.write_bytes(b"other weights")
    with pytest.raises(RequestError, match=r"efficientnetv2\.weights_sha256(.|\n)*--restart"):
        claim_checkpoints(config.run_folder, settings_of(config, manifest))


def test_other_settings_in_the_same_folder_are_refused_by_name(fitted, with_cache):
    other = with_cache(fitted.runs_folder.parent, "fit.epochs=4", "fit.learning_rate=0.01")
    with pytest.raises(RequestError, match=r"fit\.epochs(.|\n)*fit\.learning_rate(.|\n)*--restart"):
        fit(other, report=quiet)


def test_a_refused_fit_leaves_the_run_folder_as_it_was(fitted, with_cache, tmp_path):
    settings = (fitted.run_folder / "config.yaml").read_text()
    with pytest.raises(RequestError):
        fit(with_cache(fitted.runs_folder.parent, "fit.epochs=4"), report=quiet)
    assert (fitted.run_folder / "config.yaml").read_text() == settings
    gone = with_cache(tmp_path, f"efficientnetv2.weights={tmp_path / 'gone.h5'}")
    with pytest.raises(RequestError, match="does not exist"):
        fit(gone, restart=True, report=quiet)
    assert not gone.run_folder.exists()


def test_a_restart_whose_checkpoints_are_held_is_refused(fitted, monkeypatch):
    rename = Path.rename

    def held(path, target):
        if path.name == "checkpoints":
            raise PermissionError(13, "Permission denied", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", held)
    before = sorted((fitted.run_folder / "checkpoints").iterdir())
    with pytest.raises(KerasFusionError, match="cannot be deleted: Permission denied"):
        fit(fitted, restart=True, report=quiet)
    assert before and sorted((fitted.run_folder / "checkpoints").iterdir()) == before


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_joint_way_without_augmentation_uses_kept_features(with_cache, tmp_path, head):
    config = with_cache(
        tmp_path, "fusion.fit_on=train", "fit.augmentation=none", f"fusion.head={head}", "fit.class_weights=true"
    )
    fit(config, report=quiet)
    names = sorted(path.name.split("-")[0] for path in config.fit.pixel_cache.iterdir())
    assert names == ["features", "features", "squash", "squash"]
    with (config.run_folder / "history.csv").open() as file:
        assert {"fusion_loss", "efficientnetv2_loss", "val_fusion_accuracy"} <= set(next(csv.DictReader(file)))


def test_features_and_pixels_give_the_same_training(with_cache, tmp_path):
    """Without augmentation a frozen trunk's kept features stand for the photos."""
    features = with_cache(tmp_path / "a", "fit.augmentation=none", "efficientnetv2.dropout=0")
    fit(features, report=quiet)
    model, _ = load_model(features.run_folder / "trained_parts.keras")
    photos, _ = load_photos(features, branch_cache.read_manifest(features.cache.folder))
    pixels = np.load(next(features.fit.pixel_cache.glob(f"squash-{SIZE}-*.npy")))
    stored = sorted(features.fit.pixel_cache.glob("features-*.npy"))
    assert all("efficientnetv2-b0" in path.name for path in stored)
    trunk = model.get_layer("efficientnetv2-b0")
    expected = np.asarray(trunk(pixels[:4].astype(np.float32), training=False))
    assert min(np.abs(np.load(path)[:4] - expected).max() for path in stored) < 1e-4
    assert len(photos) == 24


def test_the_last_blocks_learn_with_a_rate_of_their_own(with_cache, tmp_path):
    settings = ["efficientnetv2.fine_tune_blocks=1", "fit.augmentation=none", "fit.epochs=1", "fit.learning_rate=0.01"]
    config = with_cache(tmp_path, *settings, "efficientnetv2.fine_tune_learning_rate=0.000001")
    keras.utils.set_random_seed(config.seed)
    before = build_parts(config, SIZE)
    fit(config, report=quiet)
    model, _ = load_model(config.run_folder / "trained_parts.keras")
    after = model.get_layer("efficientnetv2-b0")
    moved = {
        old.path: np.abs(new.numpy() - old.numpy()).max()
        for old, new in zip(before.trunk.weights, after.weights, strict=True)
    }
    frozen = [path for path in moved if not path.startswith(("block3a", "top"))]
    assert max(moved[path] for path in frozen) == 0
    # Adam moves a variable by about its rate a step: 3 steps of 1e-6.
    assert 1e-7 < moved["top_conv/kernel"] < 1e-5
    classifier = model.get_layer("efficientnetv2_classifier")
    kernel = before.classifier.get_layer("efficientnetv2_probs").kernel.numpy()
    assert np.abs(classifier.get_layer("efficientnetv2_probs").kernel.numpy() - kernel).max() > 1e-3


def test_class_weights_weigh_the_training_loss_alone(make_config, tmp_path, fitted):
    training, validation = load_photos(fitted, branch_cache.read_manifest(fitted.cache.folder))
    rare = dataclasses.replace(training, labels=np.array([0] * 18 + [1] * 6, np.int32))
    parts = build_parts(fitted, SIZE)
    weighted = make_config(tmp_path, "fit.class_weights=true", f"fit.pixel_cache={fitted.fit.pixel_cache}")
    train, val = make_sources(weighted, parts, SIZE, rare, validation)
    # n / (2 n_c): 24 / 36 and 24 / 12.
    np.testing.assert_allclose(train.gather(np.array([0, 23]))["efficientnetv2_weight"], [2 / 3, 2])
    assert set(val.gather(np.arange(12))["efficientnetv2_weight"]) == {1}
    plain, _ = make_sources(fitted, parts, SIZE, rare, validation)
    assert set(plain.gather(np.arange(24))["efficientnetv2_weight"]) == {1}


def test_the_head_weighs_roadwork_to_the_prior_and_leaves_validation_alone(make_config, tmp_path, fitted):
    training, validation = load_photos(fitted, branch_cache.read_manifest(fitted.cache.folder))
    rare = dataclasses.replace(training, labels=np.array([0] * 18 + [1] * 6, np.int32))
    parts = build_parts(fitted, SIZE)
    # 6 of 24 show roadwork: (1 - 0.2) / 0.75 and 0.2 / 0.25.
    for prior, expected in (("0.5", [2 / 3, 2]), ("0.2", [16 / 15, 0.8]), ("null", [1, 1])):
        config = make_config(tmp_path, f"fusion.prior={prior}", f"fit.pixel_cache={fitted.fit.pixel_cache}")
        train, val = make_sources(config, parts, SIZE, rare, validation)
        np.testing.assert_allclose(train.gather(np.array([0, 23]))["fusion_weight"], expected, rtol=1e-6)
        assert set(val.gather(np.arange(12))["fusion_weight"]) == {1}


def test_the_head_learns_which_branch_to_trust(make_config, tmp_path):
    """YOLO is right, the others are noise: the fusion must follow YOLO."""
    config = make_config(tmp_path, "fusion.epochs=120")
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200).astype(np.int32)

    def probs(p):
        return np.stack([1 - p, p], axis=1).astype(np.float32)

    right = probs(np.where(labels == 1, 0.8, 0.2) + rng.uniform(-0.15, 0.15, 200))
    noise = [probs(rng.uniform(0, 1, 200)) for _ in range(2)]
    head = build_head(config.fusion)
    answered = {"yolo": right, "vit": noise[0], "efficientnetv2": noise[1]}
    fit_head(config, head, HeadRows(labels, np.arange(200), answered))
    answers = np.asarray(head(answered))
    assert (answers.argmax(axis=1) == labels).mean() > 0.98


def test_without_a_branchs_weights_the_parts_are_kept_and_the_reason_is_said(with_cache, tmp_path):
    config = with_cache(tmp_path, "fit.augmentation=none", "fit.epochs=1", f"yolo.weights={tmp_path / 'best.pt'}")
    result = fit(config, report=quiet)
    assert result.parts.is_file()
    assert result.fusion is None
    assert "no ViT checkpoint" in result.reason
    assert f"the YOLO weights are not at {tmp_path / 'best.pt'}" in result.reason


def test_other_yolo_weights_than_the_caches_are_refused(with_cache, tmp_path, yolo_weights):
    other = tmp_path / "best.pt"
    other.write_bytes(yolo_weights.read_bytes() + b"x")
    with pytest.raises(RequestError, match=r"other YOLO weights than those that precompute(.|\n)*run precompute"):
        fit(with_cache(tmp_path, f"yolo.weights={other}"), report=quiet)


def test_another_vit_than_the_caches_is_refused_before_training(with_cache, tmp_path):
    other = write_vit(tmp_path / "vit", seed=4)
    config = with_cache(tmp_path, f"vit.weights={other}")
    with pytest.raises(RequestError, match="other ViT weights than those that precompute ran with"):
        fit(config, report=quiet)
    assert not (config.run_folder / "history.csv").exists()


def test_changed_photos_are_refused_by_name(with_cache, tmp_path, photos):
    root = shutil.copytree(photos, tmp_path / "photos")
    config = with_cache(tmp_path, f"data.root={root}")
    manifest = branch_cache.read_manifest(config.cache.folder)
    load_photos(config, manifest)
    first, second, third = sorted((root / "train" / "roadwork").iterdir())[:3]
    first.write_bytes(second.read_bytes())
    third.rename(third.with_name("other.jpg"))
    with pytest.raises(RequestError) as caught:
        load_photos(config, manifest)
    text = str(caught.value)
    assert f"1 photo(s) changed since precompute: train/roadwork/{first.name}" in text
    assert "1 photo(s) not in the cache: train/roadwork/other.jpg" in text
    assert f"1 photo(s) in the cache but gone from the data: train/roadwork/{third.name}" in text


def test_the_head_is_not_fitted_on_photos_that_yolo_has_learned_from(with_cache, tmp_path, capsys):
    config = with_cache(tmp_path)
    manifest = branch_cache.read_manifest(config.cache.folder)
    yolo, photo = manifest["yolo"], load_photos(config, manifest)[1]
    seen = manifest | {"yolo": yolo | {"train_sha256": [*yolo["train_sha256"], photo.digests[3]]}}
    with pytest.raises(
        RequestError, match=rf"YOLO has learned from 1 of 12 held-out photos: {photo.samples[3].sample_id}"
    ):
        load_photos(config, seen)
    load_photos(with_cache(tmp_path, "fusion.fit_on=train"), seen)
    assert "warning" not in capsys.readouterr().err
    older = {key: value for key, value in yolo.items() if key != "train_sha256"}
    load_photos(config, manifest | {"yolo": older})
    assert "warning" not in capsys.readouterr().err
    trained_on = yolo["trained_on"] | {"sample_ids_sha256": "0" * 64}
    load_photos(config, manifest | {"yolo": older | {"trained_on": trained_on}})
    assert "warning: YOLO was trained on other photos than train/ holds now" in capsys.readouterr().err


def test_without_val_a_part_of_train_is_held_out(with_cache, make_config, tmp_path, photos):
    from kerasfusion.roadwork.precompute.job import precompute

    root = shutil.copytree(photos, tmp_path / "photos")
    shutil.rmtree(root / "val")
    config = make_config(tmp_path, f"data.root={root}", "data.validation_fraction=0.25", "yolo.weights=null")
    with pytest.raises(RequestError):
        load_photos(config, {"splits": {}})  # no cache yet
    config = make_config(tmp_path, f"data.root={root}", "data.validation_fraction=0.25")
    joint = make_config(tmp_path, f"data.root={root}", "data.validation_fraction=0.25", "fusion.fit_on=train")
    manifest = precompute(joint, ["train"])
    for work in (lambda: load_photos(config, manifest), lambda: precompute(config, ["train"])):
        with pytest.raises(RequestError, match="YOLO has learned from 6 of 6 held-out photos"):
            work()
    training, validation = load_photos(joint, manifest)
    assert (len(training), len(validation)) == (18, 6)
    assert np.bincount(validation.labels).tolist() == [3, 3]
    assert not {s.sample_id for s in training.samples} & {s.sample_id for s in validation.samples}
    of = [(s.sample_id, f"{s.label} {number // 3}") for number, s in enumerate(scan(root, ("train",)))]
    (root / "groups.csv").write_text("\n".join(["path,group", *(f"{name},{drive}" for name, drive in of)]))
    training, validation = load_photos(joint, manifest)
    assert np.bincount(validation.labels).tolist() == [3, 3]
    drives = [{dict(of)[s.sample_id] for s in photos.samples} for photos in (training, validation)]
    assert (len(drives[0]), len(drives[1]), drives[0] & drives[1]) == (6, 2, set())
    assert np.bincount(head_rows(validation).groups).tolist() == [3, 3]  # as it is cross-validated
    nothing = make_config(tmp_path, f"data.root={root}", "data.validation_fraction=0")
    with pytest.raises(RequestError, match="held-out photos, and there are none"):
        load_photos(nothing, manifest)


def test_a_class_without_photos_is_refused(make_config, tmp_path, photos):
    from kerasfusion.roadwork.precompute.job import precompute

    root = shutil.copytree(photos, tmp_path / "photos")
    shutil.rmtree(root / "train" / "roadwork")
    config = make_config(tmp_path, f"data.root={root}")
    manifest = precompute(config, ["train", "val"])
    with pytest.raises(RequestError, match="train/ has no roadwork photos"):
        load_photos(config, manifest)


def test_there_must_be_a_cache(make_config, tmp_path):
    with pytest.raises(KerasFusionError, match=r"no branch cache(.|\n)*kerasfusion precompute"):
        fit(make_config(tmp_path), report=quiet)

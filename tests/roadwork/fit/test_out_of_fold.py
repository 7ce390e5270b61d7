"""fusion.fit_on: all: the head learns from train/ and val/ without any branch having seen the photo it learns from."""

import csv
import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest

from kerasfusion.config import load_config
from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.roadwork.branches.ensemble import build_head
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.data.dataset import Sample
from kerasfusion.roadwork.data.folds import assign_folds
from kerasfusion.roadwork.dry_run.fit import estimate_fit
from kerasfusion.roadwork.fit import out_of_fold, train
from kerasfusion.roadwork.fit.head_rows import head_rows
from kerasfusion.roadwork.fit.job import fit
from kerasfusion.roadwork.fit.out_of_fold import FoldRows, answers_out_of_fold
from kerasfusion.roadwork.fit.parts import Parts
from kerasfusion.roadwork.fit.sources import Source
from kerasfusion.roadwork.fit.train import fit_parts
from kerasfusion.roadwork.fit.training_data import Photos, load_photos
from kerasfusion.roadwork.head.fitting import fit_head
from kerasfusion.roadwork.precompute import branch_cache

pytestmark = pytest.mark.trains


def probs(p):
    return np.stack([1 - p, p], axis=1).astype(np.float32)


class InMemory:
    """Stands in for a StoredArray."""

    def __init__(self, rows):
        self.rows = rows

    def take(self, numbers):
        return self.rows[numbers]


def make_photos(count, rng, views=1):
    """Photos without files: half of each class, answered at random by YOLO and the ViT."""
    labels = np.arange(count) % 2
    samples = [Sample(f"train/{n}.jpg", None, "train", int(label)) for n, label in enumerate(labels)]
    said = [probs(rng.uniform(0.01, 0.99, count * views)) for _ in range(2)]
    digests = [f"{n:064d}" for n in range(count)]
    return Photos(samples, digests, digests, np.repeat(labels, views).astype(np.int32), *said)


def memoriser(known, photos, rng):
    """A branch that answers what it has learned perfectly, and everything else by chance."""
    right = np.where(photos.labels == 1, 0.98, 0.02)
    seen = np.repeat([sample.sample_id in known for sample in photos.samples], photos.views)
    return probs(np.where(seen, right, rng.uniform(0.02, 0.98, len(photos))))


def weight_of(head, branch):
    """By how much a linear head's logit rises with a branch's P(roadwork)."""
    kernel = head.get_layer("fusion_probs").get_weights()[0]
    return {name: kernel[row, 1] - kernel[row, 0] for row, name in enumerate(("yolo", "vit", "efficientnetv2"))}[branch]


@pytest.mark.parametrize("branch", ["yolo", "efficientnetv2"])
def test_a_branch_that_memorises_gets_no_weight_out_of_fold_and_most_in_the_naive_way(branch):
    """The ViT is right on four photos of five; the planted branch knows the photos that it has learned from alone."""
    config = load_config(RoadworkConfig, settings=["fusion.epochs=60", "fusion.l2=0.001"])
    rng = np.random.default_rng(0)
    photos = make_photos(2000, rng)
    right = rng.uniform(size=2000) < 0.8
    vit = probs(np.where((photos.labels == 1) == right, 0.85, 0.15))
    ids = {sample.sample_id for sample in photos.samples}
    folds = assign_folds(photos.labels.tolist(), [sample.sample_id for sample in photos.samples], 3, 1)
    out = np.empty((2000, 2), np.float32)
    for number in (1, 2, 3):
        own = np.flatnonzero(np.array(folds) == number)
        known = ids - {photos.samples[each].sample_id for each in own}
        out[own] = memoriser(known, photos.choose(own), rng)
    weights = {}
    for way, planted in (("naive", memoriser(ids, photos, rng)), ("out of fold", out)):
        noise = probs(rng.uniform(0.02, 0.98, 2000))
        yolo, efficientnetv2 = (planted, noise) if branch == "yolo" else (noise, planted)
        head = build_head(config.fusion)
        fit_head(config, head, head_rows(dataclasses.replace(photos, yolo_probs=yolo, vit_probs=vit), efficientnetv2))
        weights[way] = abs(weight_of(head, branch)) / abs(weight_of(head, "vit"))
    assert weights["naive"] > 1.5
    assert weights["out of fold"] < 0.15  # its sampling error is about 0.05


def test_efficientnetv2_answers_each_photo_without_having_seen_it(tmp_path):
    """Features in which each photo has a number of its own can be learned by heart and nothing else."""
    config = load_config(
        RoadworkConfig,
        settings=[
            f"runs_folder={tmp_path}",
            "fusion.fit_on=all",
            "fit.epochs=40",
            "fit.batch=8",
            "fit.learning_rate=0.1",
            "fit.patience=0",
            "efficientnetv2.dropout=0",
        ],
    )
    rng = np.random.default_rng(1)
    photos = make_photos(24, rng, views=2)
    ones = np.ones(2, np.float32)
    own_number = np.repeat(np.eye(24, dtype=np.float32), 2, axis=0)
    source = Source(photos, "features", InMemory(own_number), {"efficientnetv2": ones, "fusion": ones})
    trunk = keras.Sequential([keras.Input((24,)), keras.layers.Identity()], name="trunk")
    folds = FoldRows(3, np.array(assign_folds(photos.labels[::2].tolist(), photos.digests, 3, 1)))
    found = answers_out_of_fold(config, Parts(trunk, None, None), source, None, folds)
    right = found[np.arange(48), photos.labels]
    assert np.abs(found[::2] - found[1::2]).max() < 1e-6  # both views of a photo are answered by the same classifier
    # Of a photo that was not seen, its class is not known: the classifier's bias and start alone speak.
    assert 0.3 < right.mean() < 0.7
    assert right.max() < 0.95
    for number in (1, 2, 3):
        assert (config.run_folder / "checkpoints" / f"efficientnetv2_fold_{number}.npz").is_file()
        assert (config.run_folder / f"history_fold_{number}.csv").is_file()
    again = answers_out_of_fold(config, Parts(trunk, None, None), source, None, folds)
    np.testing.assert_array_equal(again, found)


@pytest.fixture(scope="module")
def folded(make_config, cached, tmp_path_factory):
    """The toy cache with three folds told in its manifest: who answered in it does not matter to what fit does."""
    folder = tmp_path_factory.mktemp("folded")
    shutil.copytree(cached.cache.folder, folder / "cache")
    path = folder / "cache" / "manifest.json"
    manifest = json.loads(path.read_text())
    names = sorted(branch_cache.read_cache(folder / "cache", ("train",)))
    labels = [int("/roadwork/" in name) for name in names]
    of = dict(zip(names, assign_folds(labels, names, 3, 1), strict=True))
    classifiers = [{"sha256": str(number) * 64, "trained_on": None} for number in (1, 2, 3)]
    manifest["folds"] = {"count": 3, "seed": 1, "held_out": "final", "classifiers": classifiers, "of": of}
    path.write_text(json.dumps(manifest))
    return folder / "cache"


@pytest.fixture
def make_folded(make_config, folded, tmp_path):
    def make(*settings, folder=tmp_path):
        own = (f"cache.folder={folded}", f"vit.weights={folder / 'no-vit'}", "yolo.folds=3", "fusion.fit_on=all")
        return make_config(folder, *own, "fit.augmentation=none", *settings)

    return make


def test_the_head_learns_from_all_photos_and_the_answers_are_kept(make_folded, monkeypatch):
    config, learned = make_folded(), []
    manifest = branch_cache.read_manifest(config.cache.folder)
    original = train.fit_head
    monkeypatch.setattr(train, "fit_head", lambda *given: learned.append(given[2:]) or original(*given))
    fit_parts(config, manifest)
    ((learned_from,),) = learned
    training, validation = load_photos(config, manifest)
    np.testing.assert_array_equal(learned_from.labels, np.concatenate([training.labels, validation.labels]))
    yolo = np.concatenate([training.yolo_probs, validation.yolo_probs])
    np.testing.assert_array_equal(learned_from.inputs["yolo"], yolo)
    said = learned_from.inputs["efficientnetv2"]
    assert said.shape == (36, 2)
    with (config.run_folder / "out_of_fold.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["sample_id"] for row in rows] == [sample.sample_id for sample in training.samples]
    assert [int(row["fold"]) for row in rows] == [manifest["folds"]["of"][row["sample_id"]] for row in rows]
    np.testing.assert_allclose([float(row["efficientnetv2"]) for row in rows], said[:24, 1], rtol=1e-6)
    np.testing.assert_allclose([float(row["yolo"]) for row in rows], training.yolo_probs[:, 1], rtol=1e-6)
    record = json.loads((config.run_folder / "out_of_fold.json").read_text())
    assert record["answers_sha256"] == file_sha256(config.run_folder / "out_of_fold.csv")
    assert record["yolo"] == ["1" * 64, "2" * 64, "3" * 64]


def test_killed_between_folds_it_ends_in_the_same_weights(make_folded, tmp_path, monkeypatch):
    config = make_folded(folder=tmp_path / "a")
    manifest = branch_cache.read_manifest(config.cache.folder)
    undisturbed = fit_parts(config, manifest)
    other, original = make_folded(folder=tmp_path / "b"), out_of_fold.train_graph

    def killed(*given, fold=None, **how):
        if fold == 2:
            raise KeyboardInterrupt
        return original(*given, fold=fold, **how)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(out_of_fold, "train_graph", killed)
        fit_parts(other, manifest)
    assert (other.run_folder / "checkpoints" / "efficientnetv2_fold_1.npz").is_file()
    resumed = fit_parts(other, manifest)
    for name in ("classifier", "head"):
        for one, two in zip(
            getattr(undisturbed, name).get_weights(), getattr(resumed, name).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(one, two)
    files = [run.run_folder / "out_of_fold.csv" for run in (config, other)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_where_the_trunk_learns_each_fold_has_a_trunk_of_its_own(make_folded, monkeypatch):
    config = make_folded("efficientnetv2.fine_tune_blocks=1", "fit.epochs=1")
    trunks, original = [], out_of_fold.train_graph

    def seen(config, parts, training, *others, **how):
        trunks.append((id(parts.trunk), training.name, len(training.photos)))
        return original(config, parts, training, *others, **how)

    monkeypatch.setattr(out_of_fold, "train_graph", seen)
    parts = fit_parts(config, branch_cache.read_manifest(config.cache.folder))
    assert len({number for number, _, _ in trunks} | {id(parts.trunk)}) == 4
    assert {(name, rows) for _, name, rows in trunks} == {("image", 16)}


def test_augmented_views_are_learned_from_and_plain_ones_answered(make_folded, monkeypatch):
    config = make_folded("fit.augmentation=light", "fit.epochs=1")
    asked, original = [], out_of_fold.answer_all
    monkeypatch.setattr(out_of_fold, "answer_all", lambda *given: asked.append(given[2]) or original(*given))
    fit_parts(config, branch_cache.read_manifest(config.cache.folder))
    assert [(source.name, source.transform, len(source.photos)) for source in asked] == [("features", None, 8)] * 3


def test_without_held_out_photos_the_head_learns_from_training_photos_alone(make_folded, photos, tmp_path, monkeypatch):
    config = make_folded("data.validation_fraction=0")
    manifest = branch_cache.read_manifest(config.cache.folder)
    training, _ = load_photos(config, manifest)
    monkeypatch.setattr(train, "load_photos", lambda *given: (training, None))
    fit_parts(config, manifest)
    assert (config.run_folder / "out_of_fold.csv").is_file()


def test_a_cache_without_folds_or_with_photos_in_none_is_refused(make_config, cached, make_folded, tmp_path):
    config = make_config(tmp_path, f"cache.folder={cached.cache.folder}", "fusion.fit_on=all")
    with pytest.raises(RequestError, match=r"made without folds(.|\n)*train-yolo --folds 3") as caught:
        fit(config, report=lambda line: None)
    assert caught.value.exit_code == 2
    config = make_folded()
    manifest = branch_cache.read_manifest(config.cache.folder)
    name = sorted(manifest["folds"]["of"])[0]
    del manifest["folds"]["of"][name]
    with pytest.raises(RequestError, match=rf"1 training photo\(s\) were in no fold when YOLO was trained: {name}"):
        load_photos(config, manifest)


def test_a_dry_run_counts_every_fold(make_folded):
    config = make_folded()
    stages = {stage.stage: stage for stage in estimate_fit(config).stages}
    assert stages["train without each fold"].count == 3 * 3 * 2  # folds, epochs, batches of 8 of 16 photos
    assert stages["validate"].count == 3 + 3 * 3
    assert stages["train"].count == 3 * 3

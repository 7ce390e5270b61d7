"""A branch cache with folds: who answers which photo, what the manifest tells, and what is refused."""

import json
import shutil

import numpy as np
import pytest

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.images.decoding import crop_centre, read_image
from kerasfusion.roadwork.branches.yolo_classifier import YoloClassifier, YoloClassifiers
from kerasfusion.roadwork.challenge.views import views_of
from kerasfusion.roadwork.data.dataset import scan
from kerasfusion.roadwork.data.folds import find_folds
from kerasfusion.roadwork.dry_run.precompute import estimate_precompute
from kerasfusion.roadwork.fit.training_data import load_photos
from kerasfusion.roadwork.precompute import branch_cache
from kerasfusion.roadwork.precompute.job import precompute
from tests.material.yolo_folds import SEED, write_folds

pytestmark = [pytest.mark.usefixtures("yolo_in_this_process"), pytest.mark.trains]


@pytest.fixture(scope="module")
def classifiers(yolo_weights, photos, tmp_path_factory):
    """best.pt with three folds beside it."""
    return write_folds(tmp_path_factory.mktemp("folds"), yolo_weights, photos, 3)


@pytest.fixture(scope="module")
def with_folds(make_config, classifiers):
    """Builds a configuration with these three classifiers."""

    def make(folder, *settings):
        return make_config(folder, f"yolo.weights={classifiers}", "yolo.folds=3", "views.count=2", *settings)

    return make


@pytest.fixture(scope="module")
def folded(with_folds, tmp_path_factory):
    """A finished cache with three folds."""
    config = with_folds(tmp_path_factory.mktemp("folded"))
    with pytest.MonkeyPatch.context() as patch:
        from tests.conftest import YoloInThisProcess

        patch.setattr("kerasfusion.roadwork.precompute.answering.YoloProcess", YoloInThisProcess)
        precompute(config)
    return config


def crops_of(sample, config):
    pixels, digest = read_image(sample.path)
    return np.stack([crop_centre(view, 32) for view in views_of(pixels, digest, sample.split, config.views)])


def fold_classifiers(weights):
    return [YoloClassifier(weights)] + [YoloClassifier(weights.parent / f"fold_{n}" / "best.pt") for n in (1, 2, 3)]


def test_a_training_photo_is_answered_by_the_classifier_that_has_not_seen_it(folded, photos, classifiers):
    records = branch_cache.read_cache(folded.cache.folder, ("train", "val", "test"))
    each, folds = fold_classifiers(classifiers), find_folds(scan(photos, ("train",)), photos, 3, SEED).of
    for sample in scan(photos)[::3]:
        answers = [classifier.predict(crops_of(sample, folded)) for classifier in each]
        expected = answers[folds[sample.sample_id] if sample.split == "train" else 0]
        np.testing.assert_allclose(records[sample.sample_id].yolo_probs, expected, atol=1e-5)
        others = [np.abs(answer - expected).max() for answer in answers]
        assert sorted(others)[1] > 1e-3  # it is told apart from every other


def test_the_mean_of_the_folds_answers_held_out_photos_where_that_is_asked_for(
    with_folds, photos, classifiers, tmp_path
):
    config = with_folds(tmp_path, "yolo.held_out=mean")
    precompute(config, ["val"])
    records = branch_cache.read_cache(config.cache.folder, ("val",))
    each = fold_classifiers(classifiers)
    for sample in scan(photos, ("val",))[::5]:
        expected = np.mean([classifier.predict(crops_of(sample, config)) for classifier in each[1:]], axis=0)
        np.testing.assert_allclose(records[sample.sample_id].yolo_probs, expected, atol=1e-5)


def test_the_manifest_tells_who_answered_what(folded, photos, classifiers):
    manifest = json.loads((folded.cache.folder / "manifest.json").read_text())
    told = manifest["folds"]
    assert (told["count"], told["held_out"], told["seed"]) == (3, "final", SEED)
    paths = [classifiers.parent / f"fold_{number}" / "best.pt" for number in (1, 2, 3)]
    assert [each["sha256"] for each in told["classifiers"]] == [file_sha256(path) for path in paths]
    assert [each["trained_on"]["n"] for each in told["classifiers"]] == [16, 16, 16]
    assert told["of"] == find_folds(scan(photos, ("train",)), photos, 3, SEED).of
    assert manifest["yolo"]["sha256"] == file_sha256(classifiers)


def files_of(folder):
    return {path: file_sha256(path) for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def test_a_resumed_cache_ends_in_the_same_bytes(folded, with_folds, tmp_path):
    folder = shutil.copytree(folded.cache.folder, tmp_path / "cache")
    before = files_of(folder)
    for path in sorted(folder.rglob("*.tfrecord"))[::2]:
        path.unlink()
    precompute(with_folds(tmp_path))
    assert files_of(folder) == before


def test_without_folds_the_answers_are_the_same_to_the_bit(cached, yolo_weights):
    assert "folds" not in branch_cache.read_manifest(cached.cache.folder)
    crops = np.random.default_rng(0).integers(0, 256, (7, 32, 32, 3), dtype=np.uint8)
    alone = YoloClassifier(yolo_weights).predict(crops)
    assert YoloClassifiers([yolo_weights]).predict(crops, [(0,)] * 7).tobytes() == alone.tobytes()


@pytest.mark.parametrize(
    ("settings", "said", "todo"),
    [
        (
            ("yolo.folds=0",),
            "with 3 folds .* asks for one without folds",
            "--set yolo.folds=3 --set yolo.held_out=final",
        ),
        (("yolo.held_out=mean",), "by the mean of the folds' classifiers", "--set yolo.held_out=final"),
        (
            ("yolo.folds=5",),
            "asks for one with 5 folds",
            "kerasfusion train-yolo --folds 5, then kerasfusion precompute",
        ),
    ],
)
def test_a_cache_of_other_folds_is_refused_with_what_to_run(folded, with_folds, settings, said, todo, tmp_path):
    config = with_folds(tmp_path, f"cache.folder={folded.cache.folder}", *settings)
    manifest = branch_cache.read_manifest(folded.cache.folder)
    work = [lambda: load_photos(config, manifest)]
    if "yolo.folds=5" not in settings:  # of those there are no classifiers
        work.append(lambda: precompute(config))
    for each in work:
        with pytest.raises(RequestError, match=said) as caught:
            each()
        assert todo in caught.value.todo


def test_a_cache_without_folds_is_refused_where_folds_are_asked_for(cached, with_folds, tmp_path):
    config = with_folds(tmp_path, f"cache.folder={cached.cache.folder}", "views.count=0")
    with pytest.raises(RequestError, match="made without folds, and the configuration asks for one with 3 folds"):
        load_photos(config, branch_cache.read_manifest(cached.cache.folder))


def test_a_cache_of_other_classifiers_or_photos_in_other_folds_is_refused_by_name(
    folded, with_folds, yolo_weights, photos, tmp_path
):
    shutil.copytree(folded.cache.folder, tmp_path / "cache")
    path = tmp_path / "cache" / "manifest.json"
    manifest = json.loads(path.read_text())
    name = sorted(manifest["folds"]["of"])[3]
    manifest["folds"]["of"][name] = manifest["folds"]["of"][name] % 3 + 1
    manifest["folds"]["classifiers"][1]["sha256"] = "0" * 64
    path.write_text(json.dumps(manifest))
    with pytest.raises(RequestError, match=f"classifiers of fold 2 are others; 1 photo.* in another fold: {name}"):
        precompute(with_folds(tmp_path))


def test_classifiers_that_have_seen_other_photos_are_refused(with_folds, yolo_weights, photos, tmp_path):
    weights = write_folds(tmp_path / "yolo", yolo_weights, photos, 3)

    def refused(said, root=photos):
        config = with_folds(tmp_path, f"yolo.weights={weights}", f"data.root={root}")
        for work in (precompute, estimate_precompute):
            with pytest.raises(RequestError, match=said):
                work(config)
        assert not config.cache.folder.exists()

    other = shutil.copytree(photos, tmp_path / "photos")
    next((other / "train" / "roadwork").iterdir()).unlink()
    refused(
        r"classifier of fold 1 was trained with other folds(.|\n)*sample_ids_sha256(.|\n)*train-yolo --folds 3"
        r"(.|\n)*singly",
        other,
    )
    record = weights.parent / "fold_2" / "training.json"
    whole = record.read_text()
    record.write_text(json.dumps(json.loads(whole) | {"fold": {"number": 1, "of": 3}}))
    refused(r"classifier of fold 2 was trained with other folds(.|\n)*fold\.number: was 1, is now 2")
    record.unlink()
    refused(r"no training\.json beside it says so(.|\n)*delete the folder .*fold_2")
    record.write_text(whole)
    (weights.parent / "fold_3" / "best.pt").unlink()
    refused(r"classifier of fold_3 does not exist(.|\n)*train-yolo --folds 3, or --set yolo\.folds=0")


def test_classifiers_of_different_sizes_are_refused(classifiers, monkeypatch):
    sizes = iter([32, 32, 64, 32])
    monkeypatch.setattr(
        "kerasfusion.roadwork.branches.yolo_classifier.YoloClassifier",
        lambda path, device: type("Classifier", (), {"image_size": next(sizes)})(),
    )
    with pytest.raises(RequestError, match=r"different sizes: 64 and 32(.|\n)*yolo\.image_size"):
        YoloClassifiers([classifiers] * 4)


def test_a_dry_run_asks_the_classifiers_of_the_folds(with_folds, tmp_path):
    config = with_folds(tmp_path)
    estimate = estimate_precompute(config, ("train", "val"))
    assert {stage.stage: stage.count for stage in estimate.stages}["ask both"] == 2 * 36
    assert not any(tmp_path.iterdir())

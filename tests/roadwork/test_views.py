"""One toy run on photos and their challenges: cache, rows that are learned from, metrics of every kind."""

import json
import shutil

import numpy as np
import pytest
from sklearn.metrics import matthews_corrcoef

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.images.decoding import crop_centre, read_image, squash
from kerasfusion.roadwork.branches.vit import build_vit, read_checkpoint
from kerasfusion.roadwork.branches.yolo_classifier import YoloClassifier
from kerasfusion.roadwork.challenge.views import view_kinds, views_of
from kerasfusion.roadwork.data.dataset import scan
from kerasfusion.roadwork.evaluate.job import Request, as_text, run
from kerasfusion.roadwork.fit.job import fit
from kerasfusion.roadwork.fit.training_data import load_photos, stored_pixels
from kerasfusion.roadwork.precompute import branch_cache
from kerasfusion.roadwork.precompute.job import precompute
from kerasfusion.roadwork.report.page import write_report
from tests.material.hugging_face_vit import SIZE

pytestmark = [pytest.mark.usefixtures("yolo_in_this_process"), pytest.mark.trains]

SETTINGS = ("views.count=3", "fit.augmentation=none", "cache.batch=7")


@pytest.fixture(scope="module")
def run_of_views(make_config, tmp_path_factory):
    """The configuration of a finished run whose photos have views: cache, trained parts, metrics."""
    folder = tmp_path_factory.mktemp("views")
    # Without the ViT's weights only the parts are saved, and the cache answers for the other branches.
    with_vit, config = make_config(folder, *SETTINGS), make_config(folder, *SETTINGS, f"vit.weights={folder / 'none'}")
    with pytest.MonkeyPatch.context() as patch:
        from tests.conftest import YoloInThisProcess

        patch.setattr("kerasfusion.roadwork.precompute.answering.YoloProcess", YoloInThisProcess)
        precompute(with_vit)
    fit(config, report=lambda line: None)
    return config


@pytest.fixture(scope="module")
def evaluation(run_of_views):
    return run(Request(run_of_views.run_folder / "trained_parts.keras", run_of_views), lambda line: None)


def test_every_view_is_answered_as_its_branches_answer_it_alone(run_of_views, photos, yolo_weights, vit_folder):
    records = branch_cache.read_cache(run_of_views.cache.folder, ("train", "test"))
    yolo, vit = YoloClassifier(yolo_weights), build_vit(read_checkpoint(str(vit_folder)))
    for sample in [scan(photos, ("train",))[5], scan(photos, ("test",))[3]]:
        pixels, digest = read_image(sample.path)
        views, record = views_of(pixels, digest, sample.split, run_of_views.views), records[sample.sample_id]
        assert len(views) == (10 if sample.split == "test" else 3)
        crops = np.stack([crop_centre(view, 32) for view in views])
        squashed = np.stack([squash(view, SIZE) for view in views]).astype("float32")
        np.testing.assert_allclose(record.yolo_probs, yolo.predict(crops), atol=1e-5)
        np.testing.assert_allclose(record.vit_probs, np.asarray(vit(squashed)), atol=1e-5)


def test_a_resumed_cache_of_views_ends_in_the_same_bytes(run_of_views, make_config, tmp_path):
    folder = shutil.copytree(run_of_views.cache.folder, tmp_path / "cache")
    config = make_config(tmp_path, *SETTINGS)
    before = {path: file_sha256(path) for path in folder.rglob("*.tfrecord")}
    for path in list(before)[::2]:
        path.unlink()
    precompute(config)
    assert {path: file_sha256(path) for path in folder.rglob("*.tfrecord")} == before


@pytest.mark.parametrize(("change", "what"), [("views.count=0", "--set views.count=3"), ("views.layout=crop", "mix")])
def test_a_cache_of_other_views_is_refused_and_what_to_set_is_said(run_of_views, make_config, change, what, tmp_path):
    config = make_config(tmp_path, *SETTINGS, f"cache.folder={run_of_views.cache.folder}", change)
    for work in (precompute, lambda config: fit(config, report=lambda line: None)):
        with pytest.raises(RequestError, match="views") as raised:
            work(config)
        assert what in raised.value.todo
    assert not config.run_folder.exists()


def test_fit_learns_on_each_view_with_its_own_answers(run_of_views):
    manifest = branch_cache.read_manifest(run_of_views.cache.folder)
    training, validation = load_photos(run_of_views, manifest)
    assert (len(training.samples), training.views, len(training)) == (24, 3, 72)
    assert (len(validation.samples), validation.views, len(validation)) == (12, 3, 36)
    assert training.labels.tolist() == [sample.label for sample in training.samples for _ in range(3)]
    records = branch_cache.read_cache(run_of_views.cache.folder, ("train",))
    np.testing.assert_array_equal(training.yolo_probs[3 * 7 + 2], records[training.samples[7].sample_id].yolo_probs[2])
    rows = stored_pixels(training, run_of_views, SIZE, "train")
    sample = training.samples[7]
    pixels, digest = read_image(sample.path)
    for number, view in enumerate(views_of(pixels, digest, "train", run_of_views.views)):
        np.testing.assert_array_equal(rows.take(np.array([3 * 7 + number]))[0], squash(view, SIZE))


def test_each_kind_of_challenge_has_metrics_of_its_own(evaluation, run_of_views):
    metrics = json.loads((run_of_views.run_folder / "metrics.json").read_text())
    kinds = [f"test_{layout}_{level}" for layout in ("crop", "letterbox") for level in (0, 1, 2, 3)]
    assert set(metrics) == {"test", *kinds, "test_crop_mix", "test_letterbox_mix", "test_plain", "test_mix"}
    labels, fusion = evaluation.labels, evaluation.views["fusion"]
    # The views of a test photo: itself, crop 0 to 3, letterbox 0 to 3, plain.
    level_3 = metrics["test_letterbox_3"]["fusion"]
    assert level_3["mcc"] == pytest.approx(matthews_corrcoef(labels, fusion[:, 8] > 0.5))
    crop = metrics["test_crop_mix"]["fusion"]
    assert crop["n"] == 4 * len(labels)
    assert crop["mcc"] == pytest.approx(matthews_corrcoef(np.repeat(labels, 4), fusion[:, 1:5].ravel() > 0.5))
    mix = np.concatenate([fusion[:, 1:9], *[fusion[:, 9:]] * 4], axis=1)
    assert metrics["test_mix"]["fusion"]["mcc"] == pytest.approx(
        matthews_corrcoef(np.repeat(labels, 12), mix.ravel() > 0.5)
    )
    assert "mcnemar_p" not in metrics["test_mix"]["fusion"]["vs_vit"]
    assert 0 < metrics["test_mix"]["fusion"]["vs_vit"]["sign_flip_p"] <= 1
    assert "mcnemar_p" in metrics["test"]["fusion"]["vs_vit"]


def test_the_intervals_of_a_mix_are_by_photo(evaluation):
    """Four views that all say the same are no more than one: their interval must not be half as wide."""
    low, high = evaluation.challenges["test_crop_mix"]["vit"]["accuracy_ci95"]
    right = (evaluation.views["vit"][:, 1:5] > 0.5) == evaluation.labels[:, None]
    by_photo = right.mean(axis=1)
    rng = np.random.default_rng(0)
    drawn = by_photo[rng.integers(0, len(by_photo), (4000, len(by_photo)))].mean(axis=1)
    np.testing.assert_allclose([low, high], np.percentile(drawn, [2.5, 97.5]), atol=1 / len(by_photo) + 1e-9)
    assert high - low > 1.4 * np.ptp(np.percentile(rng.binomial(48, right.mean(), 4000) / 48, [2.5, 97.5]))


def test_what_a_validator_sends_is_told_and_drawn(evaluation, run_of_views):
    text = as_text(evaluation)
    assert "letterbox 3" in text
    assert "on test_mix, with intervals by photo:" in text
    for name in ("test_challenge_sheet.png", "test_mcc_by_challenge.png"):
        assert (run_of_views.run_folder / "figures" / name).read_bytes().startswith(b"\x89PNG")
    page = write_report(run_of_views.run_folder).read_text()
    assert "What a validator sends" in page
    assert "letterbox 3" in page


def test_photos_alone_leave_no_metrics_of_challenges_behind(evaluation, run_of_views, cached, tmp_path):
    """A split that is evaluated again without views loses the numbers of its challenges, which were of another time."""
    from kerasfusion.roadwork.evaluate.job import metrics_with
    from kerasfusion.roadwork.evaluate.split import Evaluation

    alone = Evaluation(**{**vars(evaluation), "challenges": {}})
    kept = metrics_with({"val": {"a": 1}, "val_mix": {}, "test_mix": {}, "test": {}}, alone)
    assert set(kept) == {"val", "val_mix", "test"}


def test_an_unreadable_photo_counts_as_no_roadwork_in_every_kind(run_of_views, photos, tmp_path, vit_folder):
    root = shutil.copytree(photos, tmp_path / "photos")
    broken = scan(root, ("test",))[-1]
    broken.path.write_bytes(b"no photo")
    from kerasfusion.roadwork.detect.detector import open_default
    from kerasfusion.roadwork.evaluate.split import evaluate

    result = evaluate(open_default(str(vit_folder)), scan(root, ("test",)), views=run_of_views.views)
    for name in ("test_crop_2", "test_plain", "test_mix"):
        values = result.challenges[name]["vit"]
        assert values["n"] - values["n_valid"] == (12 if name == "test_mix" else 1)
    assert view_kinds(run_of_views.views, "test", None) == result.kinds[-1]

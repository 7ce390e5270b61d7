"""One detector: whatever a photo comes as, from however many threads, with the pixels that training saw."""

import io
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from kerasfusion.errors import RequestError
from kerasfusion.formats.open_model import OpenModel
from kerasfusion.images.decoding import ImageError, read_image
from kerasfusion.roadwork.data.dataset import scan
from kerasfusion.roadwork.detect.detector import Detector, open_detector
from kerasfusion.roadwork.detect.latency import measure_latency
from kerasfusion.roadwork.detect.predict import predict
from kerasfusion.roadwork.fit.training_data import load_photos, stored_pixels
from kerasfusion.roadwork.precompute import branch_cache
from kerasfusion.roadwork.precompute.shards import _read
from tests.material.hugging_face_vit import SIZE


@pytest.fixture(scope="module")
def paths(photos):
    return [sample.path for sample in scan(photos, ("test",))]


def test_bytes_paths_and_pillow_images_get_the_same_answer(detector, paths):
    expected = detector.detect(paths[0])
    assert 0 < expected.p_roadwork < 1
    assert expected.roadwork == (expected.p_roadwork > 0.5)
    assert set(expected.branches) == {"vit", "yolo", "efficientnetv2"}
    assert detector.detect(str(paths[0])) == expected
    assert detector.detect(paths[0].read_bytes()) == expected
    with Image.open(paths[0]) as image:
        assert detector.detect(image) == expected


def test_a_batch_is_answered_as_its_photos_one_by_one(detector, paths):
    for together, path in zip(detector.detect_batch(paths[:5]), paths, strict=False):
        assert together.p_roadwork == pytest.approx(detector.detect(path).p_roadwork, abs=1e-5)
    assert detector.detect_batch([]) == []


def test_many_threads_get_the_answers_of_one(detector, paths):
    expected = [detector.detect(path) for path in paths]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(detector.detect, paths * 3)) == expected * 3


def test_pixels_are_those_that_training_and_precompute_saw(detector, fitted):
    """Zero skew between training and serving."""
    training, _ = load_photos(fitted, branch_cache.read_manifest(fitted.cache.folder))
    trained_on = stored_pixels(training, fitted, SIZE, "train")
    branches = SimpleNamespace(sizes={"image": SIZE, "yolo_image": 32}, answering=lambda sample_id: (0,))
    for row, sample in enumerate(training.samples):
        served = detector.prepare(read_image(sample.path)[0])
        np.testing.assert_array_equal(served["image"], trained_on.take(np.array([row]))[0])
        _, (asked,) = _read(sample, branches, fitted)
        np.testing.assert_array_equal(served["image"], asked.squashed)
        np.testing.assert_array_equal(served["yolo_image"], asked.crop)


def test_test_time_augmentation_averages_with_the_mirrored_photo(paths):
    """A model that answers with the mean of the photo's left half tells the two apart."""

    def left_half(inputs):
        p = inputs["image"][:, :, :2].mean(axis=(1, 2, 3)) / 255
        return {"fusion": np.stack([1 - p, p], axis=1)}

    model = OpenModel(left_half, {"image": (4, 4, 3)}, ("fusion",), {})
    photo = Image.fromarray(np.repeat(np.uint8([[0, 0, 255, 255]]), 4, axis=0))
    assert Detector(model).detect(photo).p_roadwork == 0
    assert Detector(model, tta=True).detect(photo).p_roadwork == pytest.approx(0.5)


def test_branches_come_in_one_order_whatever_runs_the_model(paths):
    """ONNX Runtime and LiteRT give outputs in an order of their own."""
    names = ("fusion", "vit", "yolo", "efficientnetv2")

    def answer(inputs):
        return {name: np.full((len(inputs["image"]), 2), 0.5) for name in sorted(names)}

    detector = Detector(OpenModel(answer, {"image": (4, 4, 3)}, names, {}))
    assert list(detector.detect(paths[0]).branches) == ["vit", "yolo", "efficientnetv2"]


def test_what_is_no_photo_or_no_model_is_refused(detector, tmp_path):
    with pytest.raises(ImageError, match="not an image"):
        detector.detect(b"text")
    with pytest.raises(ImageError, match="cannot read the file"):
        detector.detect(tmp_path / "gone.jpg")
    with pytest.raises(ImageError, match="at most 100 pixels"):
        Detector(detector._model, max_pixels=100).detect(Image.new("RGB", (20, 20)))
    with pytest.raises(RequestError, match="no name of a model file"):
        open_detector(tmp_path / "model.h5")
    (tmp_path / "fusion.onnx").touch()
    with pytest.raises(RequestError, match=r"a folder, not a model file(.|\n)*such as .*fusion\.onnx"):
        open_detector(tmp_path)
    with pytest.raises(RequestError, match="does not exist"):
        open_detector(tmp_path / "gone.keras")


def answering(value, names=("fusion", "vit")):
    """A model that answers every photo but a black one with a number for P(roadwork) of its last output."""

    def answer(inputs):
        count = len(inputs["image"])
        found = {name: np.full((count, 2), 0.5, np.float32) for name in names}
        found[names[-1]][inputs["image"].any(axis=(1, 2, 3)), 1] = value
        return found

    return OpenModel(answer, {"image": (4, 4, 3)}, names, {})


@pytest.mark.parametrize(
    ("value", "said"), [(np.nan, "nan"), (-np.inf, "-inf"), (173.0, "173"), (-0.001, "-0.001"), (1.0001, "1.0001")]
)
def test_a_model_that_answers_no_probability_is_called_broken(value, said):
    photo = Image.new("RGB", (8, 8), (200, 100, 50))
    for tta in (False, True):
        detector = Detector(answering(value), tta, where="runs/a/fusion.onnx")
        with pytest.raises(RequestError, match=rf"broken: its output vit answers {said}\n(.|\n)*runs/a/fusion.onnx"):
            detector.detect(photo)


def test_what_rounding_adds_to_a_probability_is_taken_off():
    found = Detector(answering(np.float32(1.0000005))).detect(Image.new("RGB", (8, 8), (200, 100, 50)))
    assert found.branches["vit"] == 1.0


@pytest.mark.parametrize(("shape", "said"), [((1,), r"\(1,\)"), ((1, 1), r"\(1, 1\)"), ((1, 3), r"\(1, 3\)")])
def test_a_model_of_other_outputs_is_called_broken_when_it_is_opened(shape, said):
    with pytest.raises(RequestError, match=f"output fusion has the shape {said}"):
        Detector(OpenModel(lambda inputs: {"fusion": np.zeros(shape)}, {"image": (4, 4, 3)}, ("fusion",), {}))
    with pytest.raises(RequestError, match="output fusion is missing"):
        Detector(OpenModel(lambda inputs: {}, {"image": (4, 4, 3)}, ("fusion",), {}))


def test_trained_parts_say_that_they_cannot_answer_a_photo(fitted, paths):
    parts = open_detector(fitted.run_folder / "trained_parts.keras")
    expected = r"trained parts alone(.|\n)*vit_probs(.|\n)*trained_parts\.keras(.|\n)*fusion\.keras"
    for ask in (
        lambda: parts.detect(paths[0]),
        lambda: parts.detect_batch(paths[:2]),
        lambda: list(predict(parts, [str(paths[0])], io.BytesIO())),
        lambda: measure_latency(lambda: parts, paths[0], runs=1, warmup=0),
    ):
        with pytest.raises(RequestError, match=expected) as caught:
            ask()
        assert len(str(caught.value)) < 500

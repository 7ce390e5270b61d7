import hashlib
import os
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kerasfusion.errors import RequestError
from kerasfusion.images.decoding import crop_centre, read_image
from kerasfusion.roadwork.branches import ultralytics_library, ultralytics_models
from kerasfusion.roadwork.branches.yolo_classifier import YoloClassifier
from kerasfusion.roadwork.branches.yolo_keras import build_yolo, read_checkpoint
from tests.material.warm_python import WARM
from tests.material.yolo_weights import SIZE, photo_pixels, save_weights

pytestmark = pytest.mark.exports


JPEG_BOUND = 1e-6


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return save_weights(tmp_path_factory.mktemp("weights") / "best.pt")


@pytest.fixture(scope="module")
def classifier(weights):
    return YoloClassifier(weights)


@pytest.fixture(scope="module")
def crops():
    return np.stack([crop_centre(np.asarray(photo_pixels(80, 120, seed)), SIZE) for seed in range(5)])


def probabilities_of_file(weights, path):
    """What a user of ultralytics gets for the file, by class name."""
    (result,) = ultralytics_library.import_ultralytics().YOLO(weights).predict(path, device="cpu", verbose=False)
    by_name = {result.names[i]: float(p) for i, p in enumerate(result.probs.data)}
    return np.array([by_name["no_roadwork"], by_name["roadwork"]])


def our_probabilities(classifier, path):
    return classifier.predict(crop_centre(read_image(path)[0], SIZE)[None])[0]


def test_the_test_network_tells_pictures_apart(classifier, crops):
    assert np.ptp(classifier.predict(crops)[:, 1]) > 0.05


@pytest.mark.parametrize(("height", "width"), [(90, 161), (161, 90), (64, 64), (40, 50), (300, 97)])
def test_png_equals_ultralytics_predict(classifier, weights, tmp_path, height, width):
    path = tmp_path / "photo.png"
    photo_pixels(height, width, seed=height).save(path)
    expected = probabilities_of_file(weights, path)
    np.testing.assert_allclose(our_probabilities(classifier, path), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_jpeg_equals_ultralytics_predict(classifier, weights, tmp_path, orientation, subsampling):
    path, exif = tmp_path / "photo.jpg", Image.Exif()
    exif[0x0112] = orientation  # 6: to be turned by 90 degrees
    photo_pixels(90, 160, seed=3).save(path, quality=85, subsampling=subsampling, exif=exif)
    expected = probabilities_of_file(weights, path)
    np.testing.assert_allclose(our_probabilities(classifier, path), expected, rtol=0, atol=JPEG_BOUND)


def test_batch_equals_single(classifier, crops):
    single = np.concatenate([classifier.predict(crop[None]) for crop in crops])
    # This network amplifies the rounding of another summation order (measured: 1.3e-5; 1.3e-6 with trained weights).
    np.testing.assert_allclose(classifier.predict(crops), single, rtol=0, atol=1e-4)


def test_predictions_repeat_exactly(classifier, weights, crops):
    first = classifier.predict(crops)
    np.testing.assert_array_equal(classifier.predict(crops), first)
    np.testing.assert_array_equal(YoloClassifier(weights).predict(crops), first)
    assert first.dtype == np.float32
    np.testing.assert_allclose(first.sum(axis=1), 1, atol=1e-6)


def test_channels_are_not_swapped(classifier, crops):
    swapped = classifier.predict(np.ascontiguousarray(crops[..., ::-1]))
    assert np.abs(swapped - classifier.predict(crops)).max() > 1e-3


def test_classes_are_mapped_by_name(classifier, tmp_path, crops):
    reversed_names = YoloClassifier(save_weights(tmp_path / "reversed.pt", names=("roadwork", "no_roadwork")))
    np.testing.assert_array_equal(reversed_names.predict(crops), classifier.predict(crops)[:, ::-1])


def test_what_it_says_of_itself(classifier, weights):
    assert classifier.image_size == SIZE
    assert classifier.names == {0: "no_roadwork", 1: "roadwork"}
    assert classifier.sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()


def test_another_image_size(weights, crops):
    small = YoloClassifier(weights, image_size=32)
    assert small.predict(crops[:, :32, :32]).shape == (5, 2)
    with pytest.raises(ValueError, match="expected"):
        small.predict(crops)


def test_an_empty_batch_and_wrong_dtype(classifier, crops):
    assert classifier.predict(crops[:0]).shape == (0, 2)
    with pytest.raises(ValueError, match="float32"):
        classifier.predict(crops.astype(np.float32))


AFTER_TENSORFLOW = """
import sys
import zipfile
import numpy, tensorflow
from kerasfusion.roadwork.branches.yolo_classifier import YoloClassifier
print(YoloClassifier(sys.argv[1]).predict(numpy.load(sys.argv[2])).tobytes().hex())
print(tensorflow.reduce_sum(tensorflow.ones((3, 3)) @ tensorflow.ones((3, 3))).numpy())
"""


def test_it_works_in_a_process_that_has_tensorflow(classifier, weights, crops, tmp_path):
    np.save(tmp_path / "crops.npy", crops)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", AFTER_TENSORFLOW, str(weights), str(tmp_path / "crops.npy")]
    done = WARM.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == [classifier.predict(crops).tobytes().hex(), "27.0"]


def test_nothing_is_written_where_it_runs(weights, crops, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    YoloClassifier(weights).predict(crops)
    assert list(tmp_path.iterdir()) == []


def test_missing_weights(tmp_path):
    with pytest.raises(RequestError, match=r"do not exist[^$]*nothing\.pt[^$]*train-yolo"):
        YoloClassifier(tmp_path / "nothing.pt")


@pytest.mark.parametrize("content", [b"", b"this is text\n", b"PK\x03\x04 cut short"])
def test_a_file_that_is_no_checkpoint(tmp_path, content):
    path = tmp_path / "best.pt"
    path.write_bytes(content)
    with pytest.raises(RequestError, match=r"not a readable weights file[^$]*best\.pt"):
        YoloClassifier(path)


def test_other_classes_are_named(tmp_path):
    path = save_weights(tmp_path / "pets.pt", names=("cat", "dog"))
    with pytest.raises(RequestError, match=r"other classes: cat, dog[^$]*no_roadwork and roadwork"):
        YoloClassifier(path)


def test_a_third_class_is_refused(tmp_path):
    path = save_weights(tmp_path / "three.pt", names=("no_roadwork", "roadwork", "zebra"))
    with pytest.raises(RequestError, match="zebra"):
        YoloClassifier(path)


def test_detection_weights_are_refused(tmp_path):
    path = save_weights(tmp_path / "detector.pt", config="yolo11n.yaml")
    with pytest.raises(RequestError, match="made to detect"):
        YoloClassifier(path)


@pytest.mark.parametrize("size", [20, 100])
def test_an_image_size_that_ultralytics_would_change(weights, size):
    with pytest.raises(RequestError, match=r"multiple of 32, for example (32|96)"):
        YoloClassifier(weights, image_size=size)


class Touch:
    """Unpickling it would create a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_checkpoint_cannot_run_code(tmp_path):
    mark, path = tmp_path / "it-ran", tmp_path / "best.pt"
    torch.save({"model": Touch(mark)}, path)
    with pytest.raises(RequestError, match="cannot open the model"):
        YoloClassifier(path)
    assert not Path(mark).exists()


def test_a_damaged_file_is_refused_before_ultralytics_opens_it(weights, tmp_path, monkeypatch):
    path = tmp_path / "best.pt"
    data = bytearray(weights.read_bytes())
    monkeypatch.setattr(ultralytics_library.import_ultralytics(), "YOLO", lambda *_: pytest.fail("it was opened"))
    for share in (0.3, 0.6, 0.9):
        place = int(len(data) * share)
        path.write_bytes(data[:place] + bytes([data[place] ^ 64]) + data[place + 1 :])
        with pytest.raises(RequestError, match=r"damaged: .*data(.|\n)*best\.pt"):
            YoloClassifier(path)
        with pytest.raises(RequestError, match=r"damaged: .*data(.|\n)*best\.pt"):
            ultralytics_models.starting_model(str(path))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused_by_both_readers(weights, tmp_path, value):
    saved = torch.load(weights, weights_only=False)
    saved["model"].model[-1].linear.bias.data[0] = value
    torch.save(saved, tmp_path / "best.pt")
    for open_it in (YoloClassifier, lambda path: build_yolo(read_checkpoint(path))):
        with pytest.raises(RequestError, match=r"broken: .*bias holds 1 NaN or infinite(.|\n)*best\.pt"):
            open_it(tmp_path / "best.pt")


@pytest.mark.parametrize("name", ["best.PT", "best.Pt"])
def test_one_flipped_bit_is_refused_however_the_suffix_is_written(weights, tmp_path, name):
    path = tmp_path / name
    with zipfile.ZipFile(weights) as archive:
        largest = max(archive.infolist(), key=lambda member: member.file_size)
    data = bytearray(weights.read_bytes())
    data[largest.header_offset + largest.file_size // 2 + 64] ^= 1
    path.write_bytes(data)
    with pytest.raises(RequestError, match="is damaged"):
        ultralytics_models.load_classifier(path)


@pytest.mark.parametrize("name", ["best-cls.onnx", "best.pth", "yolo11n-cls"])
def test_weights_under_another_suffix_are_refused_by_name(weights, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(weights.read_bytes())
    path.with_name("yolo11n-cls.pt").write_bytes(weights.read_bytes())  # what ultralytics would open for the last one
    with pytest.raises(RequestError, match="of a kind that is not opened here") as raised:
        ultralytics_models.load_classifier(path)
    assert raised.value.where == path

"""Decisions of an export against the float32 model's, and the choice among a model's files."""

import shutil

import keras
import numpy as np
import pytest

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.formats.measuring import Measurement
from kerasfusion.formats.opening import FORMATS, format_module
from kerasfusion.roadwork.detect import precision
from kerasfusion.roadwork.detect.precision import choose_file
from kerasfusion.roadwork.export.check import compare

pytestmark = pytest.mark.exports


CASES = [("keras", "float32"), ("keras", "bfloat16"), ("openvino", "bfloat16"), ("onnx", "int8"), ("litert", "float32")]


def describe(name, its):
    said = {"format": name, "precision": its, "outputs": ["fusion"], "model_sha256": "abc"}
    return said | {"pixels": {"image": "", "yolo_image": ""}, "image_size": 8, "yolo_image_size": 6}


@pytest.fixture
def files(tmp_path):
    """A model in several formats and precisions."""
    x = keras.Input((4,), name="x")
    hidden = keras.layers.Dense(32, activation="relu")(x)
    model = keras.Model({"x": x}, {"fusion": keras.layers.Dense(2, activation="softmax", name="fusion")(hidden)})
    found = {}
    for name, its in CASES:
        found[name, its] = tmp_path / f"fusion-{its}{FORMATS[name]}"
        format_module(name).write(model, found[name, its], its, describe(name, its))
    return found


def answered(p):
    probs = np.stack([1 - np.float32(p), np.float32(p)], axis=1)
    return Measurement(1.0, 2.0, 3.0, {"fusion": probs, "vit": probs})


def test_changed_decisions_are_counted_and_too_many_refused(tmp_path):
    path = tmp_path / "fusion-int8.onnx"
    path.write_bytes(bytes(2_000_000))
    reference = answered(np.linspace(0, 1, 100))
    p = np.linspace(0, 1, 100)
    p[49] += 0.02  # 0.4949 -> 0.5149
    row = compare(path, describe("onnx", "int8"), reference, answered(p))
    assert (row["changed"], row["size MB"], row["precision"]) == ("1 of 100", 2.0, "int8")
    assert row["max |dp|"] == pytest.approx(0.02, abs=1e-6)
    with pytest.raises(KerasFusionError, match="100 of 100 decisions differ"):
        compare(path, describe("onnx", "int8"), reference, answered(1 - np.linspace(0, 1, 100)))


def test_the_fastest_file_in_the_precision_asked_for_is_chosen(files, monkeypatch):
    base = files["keras", "float32"]
    times = {path: 10.0 + number for number, path in enumerate(files.values())}
    times[files["onnx", "int8"]] = 3.0
    times[files["litert", "float32"]] = 2.0

    def timed(path, pictures):
        if path == files["litert", "float32"]:
            raise KerasFusionError("cannot run here")
        return Measurement(1.0, times[path], 1.0, {})

    monkeypatch.setattr(precision, "measure", timed)
    lines = []
    with pytest.warns(UserWarning, match="cannot run here"):
        assert choose_file(base, "auto", lines.append) == files["onnx", "int8"]
    assert lines[-1] == f"taken: {files['onnx', 'int8']} (p50 3.0 ms)"
    assert choose_file(base, "bfloat16") == min((files[c] for c in CASES if c[1] == "bfloat16"), key=times.get)
    with pytest.raises(RequestError, match="no float16 export"):
        choose_file(base, "float16")


def test_of_each_format_and_precision_one_file_is_tried_and_the_named_one_first(files, monkeypatch):
    tried = []

    def timed(path, pictures):
        tried.append(path)
        return Measurement(1.0, 5.0, 1.0, {})

    monkeypatch.setattr(precision, "measure", timed)
    base = files["keras", "float32"]
    copy = base.with_name("a-fusion-float32-uncalibrated.keras")  # first by the alphabet
    shutil.copy(base, copy)
    choose_file(files["onnx", "int8"], "auto")
    assert set(tried) == set(files.values())
    tried.clear()
    choose_file(copy, "auto")
    assert set(tried) == {copy, *files.values()} - {base}
    assert choose_file(copy, "float32") != base
    files["litert", "float32"].unlink()
    assert choose_file(copy, "float32") == copy
    assert choose_file(base, "float32") == base


def test_a_trial_is_remembered_until_a_file_changes(files, monkeypatch):
    base, measured = files["keras", "float32"], []

    def timed(path, pictures):
        measured.append(path)
        if path == files["litert", "float32"]:
            raise KerasFusionError("cannot run here")
        # The machine is busy when the fastest is measured for the first time.
        slow = path == files["onnx", "int8"] and measured.count(path) == 1
        return Measurement(1.0, {"fusion-int8.onnx": 9.0 if slow else 4.0}.get(path.name, 7.0), 1.0, {})

    monkeypatch.setattr(precision, "measure", timed)
    with pytest.warns(UserWarning, match="cannot run here"):
        assert choose_file(base, "auto") == files["onnx", "int8"]
    count, lines = len(measured), []
    assert choose_file(base, "auto", lines.append) == files["onnx", "int8"]
    assert choose_file(base, "bfloat16", lines.append).name.startswith("fusion-bfloat16")
    assert len(measured) == count
    assert "left out as before: fusion-float32.tflite" in lines[0]
    files["litert", "float32"].touch()
    with pytest.warns(UserWarning, match="cannot run here"):
        choose_file(base, "auto")
    assert len(measured) > count

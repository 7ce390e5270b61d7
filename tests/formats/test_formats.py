"""Every format in every precision: the same answers under the same names, whatever runs them."""

import json
import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
import tensorflow
from click.testing import CliRunner

from kerasfusion.cli.main import main
from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.formats.library_notes import without_lines, without_log
from kerasfusion.formats.measuring import measure, model_parts
from kerasfusion.formats.opening import FORMATS, format_module, open_model, read_description
from kerasfusion.formats.seal import what_is_checked

pytestmark = pytest.mark.exports


OUTPUTS = ("fusion", "vit", "yolo", "efficientnetv2")
WITHOUT_TENSORFLOW = """
import sys
sys.modules["tensorflow"] = sys.modules["keras"] = None  # an import of either is an error
from pathlib import Path
import numpy as np
from kerasfusion.formats.opening import open_model
with np.load(sys.argv[1]) as file:
    inputs = dict(file)
np.savez(sys.argv[2], **{path: open_model(Path(path)).answer(inputs)["fusion"] for path in sys.argv[3:]})
"""
OPENED_BY = {
    ("keras", "float32"): {"keras": "3.5.0", "tensorflow": "2.18.0"},
    ("keras", "bfloat16"): {"keras": "3.5.0", "tensorflow": "2.18.0"},
    ("keras", "int8"): {"keras": "3.13.0", "tensorflow": "2.18.0"},  # what Dense says of its quantisation came then
    "openvino": {"openvino": "2024.0.0"},
    "onnx": {"onnxruntime": "1.17.0"},
    "litert": {"ai-edge-litert": "1.0.1"},
}
"""The oldest versions that were tried, of every precision unless one is named."""
CASES = [(name, its) for name in FORMATS for its in format_module(name).PRECISIONS]


@pytest.fixture(scope="module")
def model():
    """A small network with the inputs and outputs of the fused model; every output differs from the others."""
    keras.utils.set_random_seed(3)
    inputs = {name: keras.Input((size, size, 3), name=name) for name, size in (("image", 8), ("yolo_image", 6))}
    features = []
    for name, image in inputs.items():
        x = keras.layers.Rescaling(1 / 255, name=f"{name}_rescaling")(image)
        x = keras.layers.Conv2D(16, 3, activation="silu")(x)
        x = keras.layers.Dense(64, activation="relu")(keras.layers.Flatten()(x))
        features.append(x)
    x = keras.layers.Concatenate()(features)
    probs = {name: keras.layers.Dense(2, activation="softmax", name=f"{name}_head")(x) for name in OUTPUTS}
    return keras.Model(inputs, {name: keras.layers.Identity(name=name)(probs[name]) for name in OUTPUTS}, name="fusion")


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(1)
    return {
        "image": rng.integers(0, 256, (5, 8, 8, 3), np.uint8),
        "yolo_image": rng.integers(0, 256, (5, 6, 6, 3), np.uint8),
    }


def describe(name, its):
    said = {"format": name, "precision": its, "outputs": list(OUTPUTS), "model_sha256": "abc"}
    return said | {"image_size": 8, "yolo_image_size": 6}


@pytest.fixture(scope="module")
def files(model, tmp_path_factory):
    """The model in every format and precision."""
    folder, found = tmp_path_factory.mktemp("files"), {}
    for name, its in CASES:
        path = folder / f"fusion-{its}{FORMATS[name]}"
        format_module(name).write(model, path, its, describe(name, its))
        found[name, its] = path
    return found


def first(pictures, count):
    return {name: views[:count].astype(np.float32) for name, views in pictures.items()}


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_answers_are_those_of_the_model_under_their_names(files, model, pictures, case):
    opened = open_model(files[case])
    assert set(opened.outputs) == set(OUTPUTS)
    assert opened.inputs == {"image": (8, 8, 3), "yolo_image": (6, 6, 3)}
    tolerance = 1e-5 if case[1] == "float32" else 0.02
    for count in (1, 5, 3):
        inputs = first(pictures, count)
        expected, found = model(inputs, training=False), opened.answer(inputs)
        for name in OUTPUTS:
            assert found[name].shape == (count, 2)
            np.testing.assert_allclose(found[name], expected[name], atol=tolerance)
    spread = [np.asarray(expected[name])[0, 1] for name in OUTPUTS]
    assert np.min(np.diff(sorted(spread))) > 0.01  # a swapped name would show


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_a_file_says_what_it_is(files, case):
    sealed = {} if case[0] == "keras" else {"sealed": True}  # .keras is a zip, which has checksums of its own
    said = describe(*case) | sealed | {"opens_from": OPENED_BY.get(case) or OPENED_BY[case[0]]}
    assert read_description(files[case]) == open_model(files[case]).description == said
    shown = json.loads(CliRunner().invoke(main, ["info", str(files[case])]).output)
    assert shown.pop("file_sha256") == file_sha256(files[case])
    assert shown.pop("checked_when_opened") == what_is_checked(files[case], said)
    assert shown == said


@pytest.fixture(scope="module")
def ranges():
    """(network, 2000 values): a head, nested as that of a fusion, that sees values of ranges from 0.01 to 100."""
    rng = np.random.default_rng(5)
    size = np.geomspace(0.01, 100, 2000)
    seen, values = keras.Input((2000,)), keras.Input((2000,), name="values")
    dense = keras.layers.Dense(2, activation="softmax", name="kept")
    head = keras.Model(seen, dense(seen))
    dense.set_weights([rng.normal(0, 0.05, (2000, 2)) / size[:, None], np.array([0.1, -0.1])])
    network = keras.Model({"values": values}, {"first": head(values), "rest": head(values * 0.5)})
    return network, rng.normal(0, size, (8, 2000)).astype(np.float32)


@pytest.mark.parametrize("cascade", [{}, {"cascade": {"first": ["first"]}}], ids=["one stage", "two stages"])
@pytest.mark.parametrize("case", [case for case in CASES if case[1] != "float32"], ids="-".join)
def test_a_head_that_is_kept_answers_as_in_float32(ranges, tmp_path, case, cascade):
    network, values = ranges
    path = tmp_path / f"head{FORMATS[case[0]]}"
    said = {"format": case[0], "precision": case[1], "outputs": ["first", "rest"]} | cascade
    format_module(case[0]).write(network, path, case[1], said, ["kept"])
    expected, found = network({"values": values}, training=False), open_model(path).answer({"values": values})
    assert np.ptp(expected["first"][:, 1]) > 0.5
    # What comes in is rounded to bfloat16, where there is nothing before the head.
    tolerance = 1e-5 if case[1] == "int8" else 0.02
    for name in said["outputs"]:
        np.testing.assert_allclose(found[name], expected[name], atol=tolerance)
    assert network.predict({"values": values}, verbose=0)["rest"] == pytest.approx(np.asarray(expected["rest"]))


@pytest.mark.parametrize("name", FORMATS)
def test_many_threads_may_ask_at_once(files, pictures, name):
    opened = open_model(files[name, "float32"])
    rows = [{key: views[row : row + 1].astype(np.float32) for key, views in pictures.items()} for row in range(5)]
    expected = [opened.answer(row)["fusion"] for row in rows]
    with ThreadPoolExecutor(4) as pool:
        for row, found in enumerate(pool.map(lambda row: opened.answer(row)["fusion"], rows * 8)):
            np.testing.assert_allclose(found, expected[row % 5], atol=1e-6)


def test_lower_precision_is_really_lower(files):
    sizes = {case: sum(part.stat().st_size for part in model_parts(path)) for case, path in files.items()}
    for name, its in CASES:
        if its == "int8" or (name, its) == ("keras", "bfloat16"):
            assert sizes[name, its] < sizes[name, "float32"], (name, its)


@pytest.mark.parametrize("name", FORMATS)
def test_other_files_are_refused(tmp_path, name):
    path = tmp_path / f"other{FORMATS[name]}"
    with pytest.raises(RequestError, match="does not exist"):
        open_model(path)
    path.write_bytes(b"text")
    with pytest.raises(RequestError, match=r"cut short(.|\n)*other(.|\n)*what to do"):
        open_model(path)


@pytest.mark.parametrize("name", FORMATS)
def test_a_cut_file_is_said_to_be_cut(files, tmp_path, name):
    whole, cut = files[name, "float32"], tmp_path / f"cut{FORMATS[name]}"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(RequestError, match=r"cut short(.|\n)*damaged(.|\n)*what to do"):
        read_description(cut)


def test_libraries_write_no_notes(files, model, tmp_path, capfd, recwarn):
    open_model(files["litert", "float32"])
    for name in ("onnx", "openvino"):
        format_module(name).write(model, tmp_path / f"again{FORMATS[name]}", "int8", describe(name, "int8"))
    assert capfd.readouterr().err == ""
    assert [str(each.message) for each in recwarn if "np.object" in str(each.message)] == []


def test_only_the_named_notes_are_left_out(capfd, caplog):
    with without_lines("INFO: Created"):
        os.write(2, b"INFO: Created a delegate\nERROR: no memory\n")
    with without_log(None, "pre-processing"):
        logging.getLogger().error("consider pre-processing")
        logging.getLogger().error("another")
    err = capfd.readouterr().err
    assert "ERROR: no memory" in err and "INFO" not in err
    assert caplog.messages == ["another"]


def test_a_missing_library_is_named_with_its_extra(files, monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr("kerasfusion.errors.importlib.import_module", absent)
    module = format_module("openvino")
    with pytest.raises(RequestError, match=r"needs openvino(.|\n)*pip install \"openvino>="):
        module.open_model(files["openvino", "float32"])


def test_a_file_is_measured_in_a_process_of_its_own(files, model, pictures):
    found = measure(files["openvino", "float32"], pictures, runs=3)
    expected = model(first(pictures, 5), training=False)
    for name in OUTPUTS:
        np.testing.assert_allclose(found.answers[name], expected[name], atol=1e-5)
    assert 0 < found.p50_ms / 1000 < found.start_s
    assert found.memory_mb > 50
    broken = files["openvino", "float32"].with_name("broken.xml")
    broken.write_text("text")
    with pytest.raises(KerasFusionError, match="does not answer"):
        measure(broken, pictures)


def test_exports_are_opened_without_tensorflow(files, model, pictures, tmp_path):
    paths = [str(files[name, "float32"]) for name in FORMATS if name != "keras"]
    given, answered = tmp_path / "in.npz", tmp_path / "out.npz"
    np.savez(given, **first(pictures, 2))
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, given, answered, *paths], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    expected = model(first(pictures, 2), training=False)["fusion"]
    with np.load(answered) as answers:
        assert list(answers) == paths
        for path in paths:
            np.testing.assert_allclose(answers[path], expected, atol=1e-5)


def test_descriptions_are_json(files):
    assert json.loads(json.dumps(read_description(files["onnx", "int8"])))["format"] == "onnx"


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_is_overwritten_does_not_change_what_is_open(files, pictures, tmp_path, name):
    path = tmp_path / files[name, "float32"].name
    for source, part in zip(model_parts(files[name, "float32"]), model_parts(path), strict=True):
        part.write_bytes(source.read_bytes())
    opened = open_model(path)
    expected = opened.answer(first(pictures, 2))
    for part in model_parts(path):
        with part.open("r+b") as file:  # in place, as cp does
            file.write(bytes(part.stat().st_size))
    found = opened.answer(first(pictures, 2))
    for output in OUTPUTS:
        np.testing.assert_array_equal(found[output], expected[output])


def test_openvino_looks_at_tensorflows_version_without_exec():
    """In a function exec leaves no names since Python 3.13, and what OpenVINO takes away again is not there."""
    from openvino.frontend.tensorflow import utils

    with format_module("openvino")._without_exec():
        assert utils.exec("del no_such_name") is None
        assert utils.get_environment_setup("tf")["tensorflow"] == tensorflow.__version__
    assert not hasattr(utils, "exec")

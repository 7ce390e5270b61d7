"""Exports answer where little more is installed than what reads photos and one runtime: alone, and in a miner."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kerasfusion.files.saving import load_model, save_model
from kerasfusion.formats.opening import FORMATS, format_module
from kerasfusion.machine.packages import declared
from kerasfusion.roadwork.data.dataset import CLASS_NAMES
from kerasfusion.roadwork.miner.check.job import check
from kerasfusion.roadwork.miner.plugin.install import InstallRequest, install
from kerasfusion.runtime_requirements import FRAMEWORK, RUNTIMES, list_requirements
from tests.fume.detect.answering_material import save_reader
from tests.roadwork.miner.miner_tree import LAYOUTS, write_tree
from tests.roadwork.service.material import photo

pytestmark = pytest.mark.exports

LEVEL = 51
"""Of the photo's pixels; the model's answer is a fifth of one."""
ABSENT = (
    *("tensorflow", "keras", "h5py", "torch", "ultralytics", "keras_hub", "keras_cv"),
    *("scipy", "sklearn", "pandas", "datasets", "matplotlib", "jinja2", "nncf", "onnx", "psutil", "filelock"),
)
"""What is not installed there."""


def save_level_reader(path):
    """`fusion` is the mean level / 255, `vit` half of that: OpenVINO makes one of outputs that are equal."""
    import keras

    image = keras.Input((16, 16, 3), name="image")
    p = keras.ops.mean(image, axis=(1, 2, 3))[..., None] / 255
    outputs = {"fusion": p, "vit": p / 2}
    probs = {name: keras.ops.concatenate([1 - each, each], axis=-1) for name, each in outputs.items()}
    outputs = {name: keras.layers.Identity(name=name)(each) for name, each in probs.items()}
    about = {"system": "roadwork", "class_names": list(CLASS_NAMES), "outputs": list(outputs)}
    save_model(keras.Model({"image": image}, outputs), path, about | {"model_sha256": "0" * 64}, None)
    return path


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """A roadwork model and a fume network in every format but Keras' own."""
    folder, found = tmp_path_factory.mktemp("exports"), {}
    sources = {
        "roadwork": save_level_reader(folder / "fusion.keras"),
        "fume": save_reader(folder / "fume.keras", "FUMEFastSCNN", folder),
    }
    for system, source in sources.items():
        model, description = load_model(source)
        for name in RUNTIMES:
            found[system, name] = path = source.with_suffix(FORMATS[name])
            said = {"outputs": list(model.output)} | description | {"format": name, "precision": "float32"}
            format_module(name).write(model, path, "float32", said)
    return found


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(photo(LEVEL))
    return path


@pytest.fixture
def refusing(tmp_path, monkeypatch):
    """In the processes that are started none of ABSENT can be imported."""
    folder = tmp_path / "refusing"
    folder.mkdir()
    for name in ABSENT:
        text = f"raise ModuleNotFoundError('no {name} here', name='{name}')\n"
        (folder / f"{name}.py").write_text(text)
    paths = [str(folder), str(Path(__file__).parents[4])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*paths, *filter(None, [os.environ.get("PYTHONPATH")])]))


def run(*words):
    return subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True)


@pytest.mark.parametrize("name", RUNTIMES)
def test_predict_and_info(exports, picture, refusing, name):
    done = run("-m", "kerasfusion", "predict", exports["roadwork", name], picture, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["p_roadwork"] == pytest.approx(0.2, abs=1e-6)
    done = run("-m", "kerasfusion", "info", exports["roadwork", name])
    assert json.loads(done.stdout)["opens_from"] == format_module(name).OPENS_FROM, done.stderr


@pytest.mark.parametrize("name", RUNTIMES)
def test_predict_of_fume(exports, picture, refusing, name):
    done = run("-m", "kerasfusion", "predict", exports["fume", name], "--co2", picture, "--ch4", picture)
    assert done.returncode == 0, done.stderr
    assert "photo" in done.stdout


@pytest.mark.parametrize("name", RUNTIMES)
def test_the_check_of_a_miner(exports, picture, refusing, tmp_path, name):
    """In the miner's Python only; what runs the check has all of this package."""
    tree = write_tree(tmp_path / "tree", LAYOUTS[0])
    install(InstallRequest(tree, exports["roadwork", name], write_env=True))
    result = check(tree, Path(sys.executable), image=picture)
    assert result.error is None
    assert result.p_roadwork == pytest.approx(0.2, abs=1e-6)


def test_a_plug_in_of_another_version_is_named_and_installed_again(exports, picture, refusing, tmp_path):
    """That of 0.1 looked for `in_process` one folder higher."""
    tree, request = write_tree(tmp_path / "tree", LAYOUTS[0]), {"model": exports["roadwork", "onnx"], "write_env": True}
    install(InstallRequest(tree, **request))
    module = next(tree.rglob("inception_fusion_detector.py"))
    now = module.read_text(encoding="utf-8")
    module.write_text(now.replace(".miner.plugin.in_process", ".miner.in_process"), encoding="utf-8")
    result = check(tree, Path(sys.executable), image=picture)
    assert "No module named 'kerasfusion.roadwork.miner.in_process'" in result.error
    assert "written by another version of kerasfusion" in result.todo
    assert f"kerasfusion miner install {tree} " in result.todo


def test_what_needs_a_library_that_is_not_there_says_so(exports, picture, refusing, tmp_path):
    done = run("-m", "kerasfusion", "predict", exports["roadwork", "onnx"].with_suffix(".keras"), picture)
    assert done.returncode == 2
    assert "error: this step needs tensorflow, which is not installed\n  what to do: " in done.stderr
    (tmp_path / "refusing" / "onnxruntime.py").write_text("raise ModuleNotFoundError(name='onnxruntime')")
    done = run("-m", "kerasfusion", "predict", exports["roadwork", "onnx"], picture)
    assert done.stderr.splitlines()[-1] == f'  what to do: {sys.executable} -m pip install "onnxruntime>=1.17.0"'


def test_none_of_them_can_be_imported_there(refusing):
    for name in ABSENT:
        assert f"no {name} here" in run("-c", f"import {name}").stderr


def names(lines):
    return {line.split(";")[0].rstrip("0123456789.,<>=! ").lower() for line in lines}


@pytest.mark.parametrize(
    ("formats", "further"),
    [
        (["openvino"], {"openvino"}),
        (["onnx"], {"onnxruntime"}),
        (["litert", "onnx"], {"ai-edge-litert", "onnxruntime"}),
        (["onnx", "serve"], {"onnxruntime", "fastapi", "uvicorn", "python-multipart", "prometheus-client"}),
    ],
)
def test_the_list_for_pip(formats, further):
    small = {"numpy", "pillow", "pyyaml", "click", "pydantic", "rich", "psutil", "packaging", "filelock", "tomli"}
    asked = declared()
    lines = [
        *map(str, asked.base),
        *(f'{line}; extra == "{name}"' for name in asked.extras for line in asked.extras[name]),
    ]
    found = list_requirements(formats, lines)
    assert names(found) == small | further
    oldest = {
        name: version for each in FORMATS if each != "keras" for name, version in format_module(each).OPENS_FROM.items()
    }
    for line in found:
        name, _, bound = line.partition(">=")
        assert name not in oldest or oldest[name].startswith(bound), line
    assert set(FRAMEWORK) <= names(lines)


def test_each_format_has_its_runtime_there():
    assert {name: [package] for name, package in RUNTIMES.items()} == {
        name: list(format_module(name).OPENS_FROM) for name in FORMATS if name != "keras"
    }

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.roadwork.branches import ultralytics_library, ultralytics_models
from kerasfusion.roadwork.yolo_training.augmentation import CLASSIFICATION_AUGMENTATION
from kerasfusion.roadwork.yolo_training.epochs import _check_start

pytestmark = pytest.mark.exports


IMPORT_PROBE = """
import json, os, sys, warnings
from pathlib import Path
import numpy
from PIL import Image
before = dict(os.environ), Image.open, numpy.get_printoptions()
from kerasfusion.roadwork.branches import ultralytics_library
light = not {"ultralytics", "torch"} & set(sys.modules)
ultralytics_library.import_ultralytics()
from ultralytics.utils import SETTINGS, ONLINE, AUTOINSTALL
from ultralytics.nn.tasks import SAFE_LOAD
from ultralytics.utils.events import events
warnings.warn("CUDA initialization: Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions")
warnings.warn("CUDA initialization: another")
print(json.dumps({
    "light": light,
    "environment": dict(os.environ) == before[0],
    "Image.open": Image.open is before[1],
    "printoptions": numpy.get_printoptions() == before[2],
    "home": sorted(str(path) for path in Path(os.environ["HOME"]).rglob("*")),
    "on": [key for key, value in SETTINGS.items() if value is True and not key.endswith("_msg")],
    "online": ONLINE, "autoinstall": AUTOINSTALL, "telemetry": events.enabled, "safe_load": SAFE_LOAD,
}))
"""


def test_importing_ultralytics_leaves_no_traces(tmp_path):
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir(), here.mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("YOLO", "XDG", "OMP", "PYTEST"))}
    environment |= {"HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path), "MPLCONFIGDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_PROBE], env=environment, cwd=here, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == {
        "light": True,
        "environment": True,
        "Image.open": True,
        "printoptions": True,
        "home": [],
        "on": [],
        "online": False,
        "autoinstall": False,
        "telemetry": False,
        "safe_load": True,
    }
    assert list(here.iterdir()) == []
    assert "CUDA initialization: another" in done.stderr
    assert "cudaGetDeviceCount" not in done.stderr  # that there is no GPU


def test_missing_ultralytics_says_what_to_install(monkeypatch):
    ultralytics_library.import_ultralytics.cache_clear()
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    try:
        with pytest.raises(RequestError, match=r'pip install .* -e "\.\[yolo\]"'):
            ultralytics_models.starting_model("yolo11n-cls.yaml")
    finally:
        ultralytics_library.import_ultralytics.cache_clear()


@pytest.mark.parametrize("torch_is_old", [False, True])
def test_what_would_run_code_of_a_weights_file_is_refused(monkeypatch, torch_is_old):
    ultralytics = ultralytics_library.import_ultralytics()
    import torch

    if torch_is_old:
        monkeypatch.delattr(torch.serialization, "get_unsafe_globals_in_checkpoint")
    else:
        monkeypatch.delattr(ultralytics.utils, "SAFE_LOAD")
    ultralytics_library.import_ultralytics.cache_clear()
    try:
        with pytest.raises(RequestError, match=r"runs whatever(.|\n)*8\.4\.67 and torch 2\.6(.|\n)*\[yolo\]"):
            ultralytics_models.starting_model("yolo11n-cls.yaml")
    finally:
        ultralytics_library.import_ultralytics.cache_clear()


@pytest.mark.parametrize("name", ["yolo11n-cls.yaml", "yolov8n-cls.yaml", "yolo26n-cls.yaml"])
def test_random_weights_of_each_family(name):
    assert ultralytics_models.starting_model(name).task == "classify"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("yolo11n.yaml", "made to detect"),
        ("yolo99n-cls.yaml", "cannot open the model"),
        ("yolo11n-cls", "not a model that YOLO can start from"),
        ("https://example.org/yolo11n-cls.pt", "not a model that YOLO can start from"),
        ("mine.pt", r"no classifier of that name[^$]*mine\.pt"),
        ("yolo11n.pt", r"no classifier of that name(.|\n)*yolo\.model: yolo11n-cls\.yaml"),
    ],
)
def test_a_model_that_cannot_be_started_from(name, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RequestError, match=message):
        ultralytics_models.starting_model(name)


def test_pretrained_weights_that_cannot_be_downloaded(tmp_path, monkeypatch):
    ultralytics_library.import_ultralytics()
    from ultralytics.utils import downloads

    asked = []

    def unreachable(url, file, **kwargs):
        asked.append((url, str(file), kwargs["retry"]))
        raise ConnectionError("Environment may be offline.")

    monkeypatch.setattr(downloads, "safe_download", unreachable)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RequestError) as caught:
        ultralytics_models.starting_model("yolo11n-cls.pt")
    ((url, file, retry),) = asked
    assert url.startswith("https://github.com/ultralytics/assets/releases/download/")
    assert (file, retry) == ("yolo11n-cls.pt", 0)
    assert caught.value.exit_code == 2
    message = str(caught.value)
    assert "Environment may be offline" in message
    assert str(tmp_path / "yolo11n-cls.pt") in message
    assert "yolo.model: yolo11n-cls.yaml" in message
    assert list(tmp_path.iterdir()) == []


def test_classes_are_found_by_name():
    assert ultralytics_models.class_columns({0: "no_roadwork", 1: "roadwork"}, "here") == [0, 1]
    assert ultralytics_models.class_columns({0: "roadwork", 1: "no_roadwork"}, "here") == [1, 0]
    for names in ({0: "roadwork"}, {0: "Roadwork", 1: "no_roadwork"}, {0: "roadwork", 1: "roadwork"}):
        with pytest.raises(RequestError, match="other classes"):
            ultralytics_models.class_columns(names, "here")


class Recorder:
    """Stands for ultralytics' arguments and notes which of them are read."""

    def __init__(self, values):
        self.values, self.read = values, set()

    def __getattr__(self, name):
        self.read.add(name)
        return self.values[name]


@pytest.fixture
def classification_dataset(tmp_path):
    """Ultralytics' training dataset, made with these overrides of its default arguments; and what it read."""
    ultralytics_library.import_ultralytics()
    from ultralytics.data.dataset import ClassificationDataset
    from ultralytics.utils import DEFAULT_CFG_DICT

    for name in ("no_roadwork", "roadwork"):
        (tmp_path / "train" / name).mkdir(parents=True)
        Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(tmp_path / "train" / name / "0.png")

    def make(**overrides):
        arguments = Recorder(DEFAULT_CFG_DICT | {"imgsz": 32} | overrides)
        dataset = ClassificationDataset(str(tmp_path / "train"), arguments, augment=True)
        return SimpleNamespace(transforms=dataset.torch_transforms.transforms, read=arguments.read)

    return make


def test_ultralytics_reads_exactly_the_augmentation_that_we_pass(classification_dataset):
    not_augmentation = {"fraction", "cache", "single_cls", "imgsz"}
    assert classification_dataset().read - not_augmentation == CLASSIFICATION_AUGMENTATION


def test_the_colour_jitter_acts_only_without_auto_augment(classification_dataset):
    def jitter(**overrides):
        return [t for t in classification_dataset(**overrides).transforms if type(t).__name__ == "ColorJitter"]

    (found,) = jitter(auto_augment=None, hsv_h=0.05)
    assert found.hue == pytest.approx((-0.05, 0.05))
    assert jitter(auto_augment="randaugment", hsv_h=0.05) == []


def test_pictures_that_ultralytics_leaves_out_are_an_error():
    loader = SimpleNamespace(dataset=[1, 2, 3])
    trainer = SimpleNamespace(
        train_loader=loader,
        test_loader=loader,
        args=SimpleNamespace(data="tree"),
        data={"names": {0: "no_roadwork", 1: "roadwork"}},
    )
    _check_start(trainer, {"train": 3, "val": 3})
    with pytest.raises(KerasFusionError, match="left out pictures"):
        _check_start(trainer, {"train": 4, "val": 3})

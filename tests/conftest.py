"""Settings and small generated material that many tests share."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import gc
import hashlib
import re
import shutil
import sys
import zipfile
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock

from kerasfusion.config import load_config
from kerasfusion.files import saving
from kerasfusion.files.digests import file_sha256
from kerasfusion.formats import keras_file, measuring
from kerasfusion.formats.open_model import OpenModel
from kerasfusion.keras_settings import use_keras
from kerasfusion.roadwork.branches.yolo_classifier import YoloClassifiers
from kerasfusion.roadwork.config import RoadworkConfig, Yolo
from kerasfusion.roadwork.data.dataset import scan
from kerasfusion.roadwork.precompute.job import precompute
from kerasfusion.roadwork.scenes.street import write_dataset
from kerasfusion.roadwork.yolo_training import curve
from kerasfusion.roadwork.yolo_training.job import train_yolo
from tests.material.hugging_face_vit import write_vit
from tests.material.warm_python import WARM

# TensorFlow and triton, which torch's CUDA builds bring along, each carry an LLVM: the second one aborts the process.
sys.modules.setdefault("triton", None)

MODELS_KEPT = 16
"""Open ones, in each test process."""

# TensorFlow and Keras leave a million objects that never go: walking them took a seventh of a training's time.
gc.set_threshold(50_000, 20, 50)


def pytest_configure(config):
    """Load Keras before a test does so by itself, which takes twice as long, and only where tests run."""
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        use_keras()


def pytest_collection_modifyitems(items):
    """Mark what needs trained material, and put the files that take longest first: two processes then end together."""
    weights = {"notebooks": 3, "exports": 2, "trains": 2, "services": 2, "browser": 1}
    weight_of: dict[Path, int] = {}
    for item in items:
        if "yolo_weights" in item.fixturenames:
            item.add_marker("trains")
        marks = {mark.name for mark in item.iter_markers()}
        weight = max((weights[mark] for mark in marks & weights.keys()), default=0)
        weight_of[item.path] = max(weight_of.get(item.path, 0), weight)
    items.sort(key=lambda item: -weight_of[item.path])


def pytest_collection_finish():
    """What was imported stays: without it a collection of all that is garbage takes a tenth of the time."""
    gc.freeze()


@pytest.fixture(scope="session")
def build_once(tmp_path_factory):
    """Builds material once for all test processes of a run: (name, build(folder)) -> folder, to be read only."""
    root = tmp_path_factory.getbasetemp()
    root = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "built_once"
    root.mkdir(exist_ok=True)

    def once(name: str, build: Callable[[Path], object]) -> Path:
        folder, finished = root / name, root / f"{name}.finished"
        with FileLock(root / f"{name}.lock"):
            if not finished.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of a process whose build failed
                folder.mkdir()
                build(folder)
                finished.touch()
        return folder

    return once


@pytest.fixture(scope="session", autouse=True)
def files_are_opened_in_warm_processes():
    """Every saved and exported file is tried in a process of its own as ever, but in one that starts at once.

    So are the event files of a YOLO training written.
    """
    with pytest.MonkeyPatch.context() as patch:
        for module in (saving, measuring, curve):
            patch.setattr(module, "subprocess", SimpleNamespace(run=WARM.run))
        yield


@pytest.fixture(scope="session", autouse=True)
def each_network_is_opened_once_in_a_clean_process(build_once):
    """Of all files of one network that the tests save, the first alone is opened and compared."""
    answers, compare = saving._answers_of_a_clean_process, saving._compare

    def answers_once(path, sample):
        with zipfile.ZipFile(path) as archive:
            network = re.sub(rb"_\d+\b", b"", archive.read("config.json"))  # Keras numbers what has no name
        name = hashlib.sha256(network + repr(sorted(sample)).encode()).hexdigest()
        found = []
        build_once(f"opened-{name}", lambda folder: found.append(answers(path, sample)))
        return found[0] if found else None

    def compare_found(expected, found, path):
        if found is not None:
            compare(expected, found, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saving, "_answers_of_a_clean_process", answers_once)
        patch.setattr(saving, "_compare", compare_found)
        yield


@pytest.fixture(scope="session", autouse=True)
def each_file_is_opened_once():
    """A `.keras` file with the bytes of one that was opened lately is that model again, wherever it lies.

    Opening and tracing took a quarter of the time of the tests that ask models. A changed file is opened as ever.
    """
    models: dict[str, OpenModel] = {}
    open_anew = keras_file.open_model

    def open_once(path):
        if not path.is_file():
            return open_anew(path)  # which refuses it
        digest = file_sha256(path)
        models[digest] = models.pop(digest, None) or open_anew(path)
        if len(models) > MODELS_KEPT:
            del models[next(iter(models))]
        return replace(models[digest], description=deepcopy(models[digest].description))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras_file, "open_model", open_once)
        yield


@pytest.fixture
def without_figures(monkeypatch):
    """Drawing takes most of a report's time: with this, pages have empty figures, and all else."""
    monkeypatch.setattr("kerasfusion.report_page.page.as_svg", lambda figure, prefix: "<svg></svg>")


@pytest.fixture(scope="session")
def photos(build_once):
    """A generated imagefolder: 24 training, 12 validation, 12 test scenes."""
    splits = {"train": 24, "val": 12, "test": 12}
    return build_once("photos", lambda folder: write_dataset(folder / "scenes", splits, seed=3)) / "scenes"


@pytest.fixture(scope="session")
def vit_folder(build_once):
    """A Hugging Face ViT checkpoint of 64 x 64 px with random weights and asymmetric preprocessing."""
    return build_once("vit", write_vit)


@pytest.fixture(scope="session")
def yolo_weights(photos, build_once):
    """A short YOLO classifier after one epoch at 32 x 32 px."""
    short = Path(__file__).parent / "material" / "yolo11n-short-cls.yaml"
    settings = Yolo(model=str(short), image_size=32, epochs=1, workers=0)

    def build(folder):
        train, val = scan(photos, ("train",)), scan(photos, ("val",))
        train_yolo(train, val, settings, folder, seed=0, report=lambda line: None)

    return build_once("yolo", build) / "yolo" / "best.pt"


@pytest.fixture(scope="session")
def short_efficientnetv2():
    """EfficientNetV2-B0 is short in this process from here on."""
    from tests.material.efficientnetv2_blocks import few_blocks

    with few_blocks():
        yield


@pytest.fixture(scope="session")
def make_config(photos, vit_folder, yolo_weights, short_efficientnetv2):
    """Builds the toy configuration below a folder; further settings are "key=value" texts."""

    def make(folder, *settings: str) -> RoadworkConfig:
        toy = {
            "data.root": photos,
            "runs_folder": folder / "runs",
            "name": "toy",
            "yolo.weights": yolo_weights,
            "vit.weights": vit_folder,
            "cache.folder": folder / "cache",
            "cache.batch": 4,
            "cache.shard_size": 8,
            "fit.pixel_cache": folder / "pixels",
            "fit.epochs": 3,
            "fit.batch": 8,
            "efficientnetv2.weights": "null",
            "fusion.epochs": 20,
            "fit.augmentation": "light",
            "views.count": 0,
        }
        return load_config(RoadworkConfig, settings=[f"{key}={value}" for key, value in toy.items()] + list(settings))

    return make


class YoloInThisProcess(YoloClassifiers):
    """Stands in for YoloProcess where its own process is not what is tested: starting one takes seconds."""

    def submit(self, crops, answering):
        return lambda: self.predict(crops, answering)

    def close(self):
        """Nothing to end."""


@pytest.fixture
def yolo_in_this_process(monkeypatch):
    """Without a process of its own for YOLO."""
    monkeypatch.setattr("kerasfusion.roadwork.precompute.answering.YoloProcess", YoloInThisProcess)


@pytest.fixture(scope="session")
def cached(make_config, build_once, tmp_path_factory):
    """The toy configuration with a finished branch cache, a copy for each test process."""
    built = build_once("cached", lambda folder: precompute(make_config(folder)))
    return make_config(shutil.copytree(built, tmp_path_factory.mktemp("cached") / "toy"))


@pytest.fixture(scope="session")
def featured(make_config, build_once, tmp_path_factory):
    """Two views a photo, and a branch cache of train/ and val/ that holds the ViT's features too."""
    settings = ("views.count=2", "cache.vit_features=true")

    def build(folder):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("kerasfusion.roadwork.precompute.answering.YoloProcess", YoloInThisProcess)
            precompute(make_config(folder, *settings), ("train", "val"))

    built = build_once("featured", build)
    return make_config(shutil.copytree(built, tmp_path_factory.mktemp("featured") / "toy"), *settings)


@pytest.fixture(scope="session")
def fitted(make_config, build_once, cached):
    """A finished run of the toy configuration with light augmentation: its folder holds fusion.keras."""
    from kerasfusion.roadwork.fit.job import fit

    def build(folder):
        shutil.copytree(cached.cache.folder, folder / "cache")
        fit(make_config(folder), report=lambda line: None)

    built = build_once("fitted", build)
    for name in ("runs", "pixels"):
        shutil.copytree(built / name, cached.runs_folder.parent / name, dirs_exist_ok=True)
    return cached


@pytest.fixture(scope="module")
def model(fitted):
    """The one file of the finished run."""
    return fitted.run_folder / "fusion.keras"


@pytest.fixture(scope="module")
def detector(model):
    """Answers with `model`."""
    from kerasfusion.roadwork.detect.detector import open_detector

    return open_detector(model)

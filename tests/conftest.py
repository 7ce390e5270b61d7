"""Settings and small generated material that many tests share."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import pytest

from kerasfusion.config import load_config
from kerasfusion.roadwork.branches.yolo_classifier import YoloClassifier
from kerasfusion.roadwork.config import RoadworkConfig, Yolo
from kerasfusion.roadwork.data.dataset import scan
from kerasfusion.roadwork.precompute.job import precompute
from kerasfusion.roadwork.scenes.street import write_dataset
from kerasfusion.roadwork.yolo_training.job import train_yolo
from tests.material.hugging_face_vit import write_vit


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """A generated imagefolder: 24 training, 12 validation, 12 test scenes."""
    root = tmp_path_factory.mktemp("photos") / "scenes"
    write_dataset(root, {"train": 24, "val": 12, "test": 12}, seed=3)
    return root


@pytest.fixture(scope="session")
def vit_folder(tmp_path_factory):
    """A Hugging Face ViT checkpoint of 64 x 64 px with random weights and asymmetric preprocessing."""
    return write_vit(tmp_path_factory.mktemp("vit"))


@pytest.fixture(scope="session")
def yolo_weights(photos, tmp_path_factory):
    """A YOLO classifier after one epoch at 32 x 32 px."""
    settings = Yolo(model="yolo11n-cls.yaml", image_size=32, epochs=1, workers=0)
    run_folder = tmp_path_factory.mktemp("yolo")
    train, val = scan(photos, ("train",)), scan(photos, ("val",))
    return train_yolo(train, val, settings, run_folder, seed=0, report=lambda line: None).weights


@pytest.fixture(scope="session")
def make_config(photos, vit_folder, yolo_weights):
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
        }
        return load_config(RoadworkConfig, settings=[f"{key}={value}" for key, value in toy.items()] + list(settings))

    return make


class YoloInThisProcess(YoloClassifier):
    """Stands in for YoloProcess where its own process is not what is tested: starting one takes seconds."""

    def __init__(self, weights, device="cpu"):
        super().__init__(weights, device=device)

    def submit(self, crops):
        return lambda: self.predict(crops)

    def close(self):
        """Nothing to end."""


@pytest.fixture
def yolo_in_this_process(monkeypatch):
    """Without a process of its own for YOLO."""
    monkeypatch.setattr("kerasfusion.roadwork.precompute.answering.YoloProcess", YoloInThisProcess)


@pytest.fixture(scope="session")
def cached(make_config, tmp_path_factory):
    """The toy configuration with a finished branch cache."""
    folder = tmp_path_factory.mktemp("cached")
    config = make_config(folder)
    precompute(config)
    return config


@pytest.fixture(scope="session")
def fitted(cached):
    """A finished run of the toy configuration with light augmentation: its folder holds fusion.keras."""
    from kerasfusion.roadwork.fit.job import fit

    fit(cached, report=lambda line: None)
    return cached

"""The whole roadwork job on generated scenes, offline, at a small size: what the README's first command runs."""

import io
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from kerasfusion.config import load_config
from kerasfusion.errors import KerasFusionError
from kerasfusion.files.run_folder import demo_folder, describe_run
from kerasfusion.reporting import command_line
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.data.check import check_dataset
from kerasfusion.roadwork.data.dataset import SPLITS, hold_out, scan
from kerasfusion.roadwork.detect.detector import open_detector
from kerasfusion.roadwork.detect.predict import predict
from kerasfusion.roadwork.evaluate.job import Request, as_text, run
from kerasfusion.roadwork.fit.job import fit
from kerasfusion.roadwork.miner.rehearse.job import Request as Rehearsed
from kerasfusion.roadwork.miner.rehearse.job import rehearse
from kerasfusion.roadwork.miner.rehearse.text import as_text as rehearsal_text
from kerasfusion.roadwork.precompute.job import precompute
from kerasfusion.roadwork.report.page import write_report
from kerasfusion.roadwork.scenes.street import write_dataset
from kerasfusion.roadwork.yolo_training.job import train_yolo

COUNTS = {"train": 400, "val": 100, "test": 140}
CHALLENGES = 200


def demo_config(folder: Path, seed: int = 42) -> RoadworkConfig:
    """The settings of the demo: everything below `folder`, small pictures, random starting weights on purpose."""
    settings = ["efficientnetv2.weights=null"]
    return load_config(
        RoadworkConfig,
        settings=settings,
        flags={
            "name": "demo",
            "seed": seed,
            "runs_folder": str(folder / "runs"),
            "data.root": str(folder / "scenes"),
            "yolo.model": "yolo11n-cls.yaml",
            "yolo.image_size": 96,
            "yolo.epochs": 15,
            "yolo.batch": 16,
            "vit.weights": str(folder / "vit"),
            "vit.class_names": ["None", "Roadwork"],
            "cache.folder": str(folder / "cache"),
            "fit.pixel_cache": str(folder / "pixels"),
            # A YOLO from random weights learns challenges of such small scenes in many more epochs than a demo has.
            "views.count": 0,
            "fit.augmentation": "none",
            "fit.epochs": 10,
        },
    )


def run_demo(folder: Path, seed: int = 42, report: Callable[[str], None] = print) -> float:
    """Draw scenes, train, precompute, fit, evaluate, and at the end rehearse the subnet's loop.

    Args:
        folder: made anew; one that an earlier demo made is replaced.
        seed: of scenes and training.
        report: takes a line for the person who waits.

    Returns:
        The fusion's accuracy on the test split.

    Raises:
        RequestError: the folder holds something else.
        KerasFusionError: another demo is at work in it.
    """
    with demo_folder(folder):
        return _run(folder, seed, report)


def _run(folder: Path, seed: int, report: Callable[[str], None]) -> float:
    from kerasfusion.roadwork.demo.vit import train_demo_vit

    begin = time.monotonic()
    config = demo_config(folder, seed)
    describe_run(config.run_folder, config)
    own, root = ("-c", config.run_folder / "config.yaml"), config.data.root

    def stage(text: str, *command: object) -> None:
        shown = f": {command_line(['kerasfusion', *command])}" if command else ""
        report(f"\n[{time.monotonic() - begin:3.0f} s] {text}{shown}")

    counts = [word for split, count in COUNTS.items() for word in (f"--{split}", count)]
    scenes = f"drawing {sum(COUNTS.values())} street scenes"
    stage(scenes, "data", "synth", "roadwork", root, *counts, "--seed", seed)
    write_dataset(root, COUNTS, seed)
    stage("checking them", "data", "check", root)
    check = check_dataset(root)
    for split, counts in check.counts.items():
        report(f"{split}: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    training, held_out = hold_out(scan(root, SPLITS[:2]), 0.0, seed, {})
    stage("training a small ViT from random weights, in the place of the subnet's default model")
    train_demo_vit(training, Path(config.vit.weights), seed)
    stage("training YOLO from random weights", "train-yolo", *own)
    train_yolo(training, held_out, config.yolo, config.run_folder, seed=seed, views=config.views, report=report)
    stage("asking YOLO and the ViT about every scene once", "precompute", *own)
    precompute(config)
    stage("fitting EfficientNetV2 and the head from the cache", "fit", *own)
    result = fit(config, report=report)
    stage("evaluating", "evaluate", result.fusion, *own)
    evaluation = run(Request(result.fusion, config), report)
    report("\n" + as_text(evaluation))
    test = scan(root, ("test",))
    photos = [str(test[0].path), str(test[-1].path)]
    stage("answering two scenes", "predict", result.fusion, *photos)
    for answer in predict(open_detector(result.fusion), photos, io.BytesIO()):
        report(answer.to_line(max(map(len, photos))))
    stage("timing it", "benchmark", result.fusion, "--runs", 20)
    report(_timed(result.fusion))
    rehearsed = ("miner", "rehearse", result.fusion, "--data", root, "--challenges", CHALLENGES, "--seed", seed)
    stage("rehearsing the subnet's loop", *rehearsed)
    report(rehearsal_text(rehearse(Rehearsed(root, result.fusion, challenges=CHALLENGES, seed=seed), report)))
    stage("all of it on one page", "report", config.run_folder)
    report(f"report: {write_report(config.run_folder)}")
    stage("done")
    return evaluation.report["fusion"]["accuracy"]


def _timed(fusion: Path) -> str:
    """What `benchmark` prints: in a process of its own, since this one holds what all the steps before took."""
    command = [sys.executable, "-m", "kerasfusion", "benchmark", str(fusion), "--runs", "20"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    if done.returncode:
        raise KerasFusionError(f"benchmark failed: {done.stderr.strip()}", where=fusion)
    return done.stdout.rstrip()

"""The whole fume job on generated frames, offline, at a small size."""

import time
from collections.abc import Callable
from pathlib import Path

from kerasfusion.config import load_config
from kerasfusion.files.run_folder import demo_folder
from kerasfusion.fume.config import FumeConfig
from kerasfusion.fume.data.pair_job import pair_dataset
from kerasfusion.fume.evaluate.job import Request, run
from kerasfusion.fume.evaluate.text import as_text
from kerasfusion.fume.fit.job import fit
from kerasfusion.fume.plumes.dataset import write_dataset
from kerasfusion.fume.report.page import write_report
from kerasfusion.reporting import command_line, table

ORIGINALS = {"train": 300, "val": 60, "test": 75}
SIZE = (128, 96)
EPOCHS = 13


def demo_config(folder: Path, seed: int = 42) -> FumeConfig:
    """The settings of the demo: everything below `folder`, small frames, few epochs."""
    return load_config(
        FumeConfig,
        flags={
            "experiment.name": "demo",
            "experiment.seed": seed,
            "weighted_sampling": False,  # the states come equally often as they are
            "runs_folder": str(folder / "runs"),
            "data.dataset_root": str(folder / "frames"),
            "data.image_size": list(SIZE),
            "data.frame_cache": str(folder / "cache"),
            # A few minutes are too short to learn what turning and scaling leave of a plume's shape.
            "data.augmentation.rotate_limit": 5,
            "data.augmentation.shift_scale_rotate.p": 0,
            "data.augmentation.gaussian_blur.p": 0,
            "training.batch_size": 16,
            "training.num_epochs": EPOCHS,
            "training.loss.cls_alpha": [1, 1, 1],
            "training.checkpoint.save_freq": 0,
        },
    )


def run_demo(folder: Path, seed: int = 42, report: Callable[[str], None] = print) -> dict:
    """Draw frames, pair, fit, evaluate.

    Args:
        folder: made anew; one that an earlier demo made is replaced.
        seed: of frames and training.
        report: takes a line for the person who waits.

    Returns:
        metrics.json of the test split.

    Raises:
        RequestError: the folder holds something else.
        KerasFusionError: another demo is at work in it.
    """
    with demo_folder(folder):
        return _run(folder, seed, report)


def _run(folder: Path, seed: int, report: Callable[[str], None]) -> dict:
    begin = time.monotonic()
    config = demo_config(folder, seed)
    own, root = config.run_folder / "config.yaml", config.data.dataset_root

    def stage(text: str, *command: object) -> None:
        shown = f": {command_line(['kerasfusion', *command])}" if command else ""
        report(f"\n[{time.monotonic() - begin:3.0f} s] {text}{shown}")

    stage(f"drawing frames of {sum(ORIGINALS.values())} originals, as `kerasfusion data synth fume` does")
    write_dataset(
        root,
        ORIGINALS,
        seed,
        size=SIZE,
        copies=1,
        balanced=True,
    )
    stage("pairing CO2 and CH4", "data", "pair", root, "--strategy", "original_based")
    report(table(pair_dataset(root, strategy="original_based", seed=seed).rows()))
    stage("training FUME-FastSCNN", "fit", "-c", own)
    model = fit(config, report=report)
    stage("evaluating", "evaluate", model)
    result = run(Request(model=model, config=config, panels=6), report)
    report("\n" + as_text(result))
    stage("all of it on one page", "report", config.run_folder)
    report(f"report: {write_report(config.run_folder)}")
    stage(f"done; panels and figures are in {config.run_folder}")
    return result.report

"""YOLO classifiers as Keras graphs against ultralytics, on the same pixels: the largest difference of a probability.

    .venv/bin/python tools/parity_yolo.py
    .venv/bin/python tools/parity_yolo.py --families yolo11 --sizes n --classes 2 --pixels 160

Weights and batch-normalisation statistics are random. Exit code 1 if a difference is above the limit. Needs the extra
`yolo`. Torch and TensorFlow can abort a process that loads both, so ultralytics answers in one of its own.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import numpy as np

from kerasfusion.reporting import table

LIMIT = 1e-4
FAMILIES, SIZES, CLASSES, PIXELS = ("yolov8", "yolo11", "yolo26"), ("n", "s", "m"), (2, 1000), (160, 224)


def write_reference(folder: Path, cases: list[dict]) -> None:
    """Random classifiers NUMBER.pt, each with pictures and ultralytics' probabilities in NUMBER.npz."""
    import torch
    from ultralytics.nn.tasks import ClassificationModel
    from ultralytics.utils import LOGGER

    LOGGER.setLevel("ERROR")
    torch.manual_seed(0)
    for number, case in enumerate(cases):
        model = ClassificationModel(f"{case['family']}{case['size']}-cls.yaml", nc=case["classes"], verbose=False)
        _randomise(model)
        model.names = {index: f"class {index}" for index in range(case["classes"])}
        model.args = {"imgsz": case["pixels"]}
        torch.save({"ema": None, "model": model, "train_args": {"imgsz": case["pixels"]}}, folder / f"{number}.pt")
        shape = (4, case["pixels"], case["pixels"], 3)
        pictures = (torch.rand(shape) ** torch.tensor([0.5, 1.0, 2.0]) * 255).to(torch.uint8)  # channels that differ
        with torch.inference_mode():
            probs, _ = model.eval()(pictures.permute(0, 3, 1, 2).float() / 255)
        np.savez(folder / f"{number}.npz", pictures=pictures.numpy(), probs=probs.numpy())


def _randomise(model) -> None:
    """Statistics as a trained network has them: means around 0 and variances around 1 that differ by channel."""
    import torch

    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, 0, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.3, 1.5)
            torch.nn.init.uniform_(module.weight, 0.7, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.2)
    # Probabilities that differ, and that are not all 0 or 1: few classes need smaller weights for that.
    linear = model.model[-1].linear
    torch.nn.init.normal_(linear.weight, 0, 0.5 if linear.out_features > 10 else 0.05)


def compare(folder: Path, number: int, pixels: int) -> tuple[float, float]:
    """Largest difference of a probability, and the reference's mean largest probability."""
    from kerasfusion.roadwork.branches.yolo_keras import build_network, read_checkpoint

    with np.load(folder / f"{number}.npz") as reference:
        model = build_network(read_checkpoint(folder / f"{number}.pt"), pixels)
        probs = model(reference["pictures"].astype(np.float32), training=False).numpy()
        return float(np.abs(probs - reference["probs"]).max()), float(reference["probs"].max(1).mean())


def _split(context, option, value: str) -> tuple[str, ...]:
    return tuple(value.split(","))


@click.command()
@click.option("--families", default=",".join(FAMILIES), callback=_split, show_default=True)
@click.option("--sizes", default=",".join(SIZES), callback=_split, show_default=True)
@click.option("--classes", default=",".join(map(str, CLASSES)), callback=_split, show_default=True)
@click.option("--pixels", default=",".join(map(str, PIXELS)), callback=_split, show_default=True)
def main(families, sizes, classes, pixels) -> None:
    """Print a table of differences."""
    cases = [
        {"family": family, "size": size, "classes": int(count), "pixels": int(side)}
        for family in families
        for size in sizes
        for count in classes
        for side in pixels
    ]
    rows, worst = [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, __file__, "--reference", folder, json.dumps(cases)], check=True)
        for number, case in enumerate(cases):
            difference, confidence = compare(Path(folder), number, case["pixels"])
            rows.append({**case, "max |dp|": f"{difference:.1e}", "mean top-1 p": confidence})
            worst = max(worst, difference)
    print(table(rows))
    print(f"largest difference {worst:.1e}, limit {LIMIT}")
    sys.exit(int(not worst <= LIMIT))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--reference"]:
        write_reference(Path(sys.argv[2]), json.loads(sys.argv[3]))
    else:
        main()

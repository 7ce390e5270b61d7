"""Make a cascade of a fused model that skips the ViT for a share of given photos.

    python -m bench_peers.cascade_file FUSION OUT SHARE PHOTO...

Random branches know nothing, so that `calibrate --cascade` would take no window. Times do not depend on what the first
stage knows, only on how often it is sure: its head is a plain sum, and its window lies where the share wants it.
"""

import sys
from pathlib import Path

import numpy as np

from kerasfusion.files.saving import load_model, save_model
from kerasfusion.formats.keras_serving import serve
from kerasfusion.images.decoding import read_image
from kerasfusion.roadwork.branches.one_file import model_digest
from kerasfusion.roadwork.cascade.first_head import FirstHead, logits, with_first
from kerasfusion.roadwork.cascade.job import first_branches
from kerasfusion.roadwork.detect.detector import Detector
from kerasfusion.roadwork.head.logistic import Logistic
from kerasfusion.roadwork.scoring.calibration import sigmoid
from kerasfusion.roadwork.scoring.window import FIRST


def main(fusion: Path, out: Path, share: float, photos: list[Path]) -> None:
    """Write `out`."""
    model, description = load_model(fusion)
    detector = Detector(serve(model, {}))
    said = [detector.answer([detector.prepare(read_image(photo)[0])]) for photo in photos]
    branches = first_branches(detector.outputs, fusion)
    seen = np.stack([logits(np.concatenate([each[name] for each in said])) for name in branches], axis=1)
    fitted, half_width = spread(seen, share)
    head = FirstHead(branches, fitted, fitted.answer(seen)[:, None])
    cascade = {
        "window": [float(sigmoid(-half_width)), float(sigmoid(half_width))],
        "first": [FIRST, *branches],
    }
    network = with_first(model, head)
    described = {"outputs": [*description["outputs"], FIRST], "cascade": cascade, "model_sha256": model_digest(network)}
    save_model(network, out, description | described, None)


def spread(seen: np.ndarray, share: float) -> tuple[Logistic, float]:
    """A head whose logits lie on both sides of 0, and the logit beyond which that share of the rows lies.

    Args:
        seen: (N, F) logits of branches.
        share: of rows, above 0 and below 1.
    """
    weights = 1 / np.maximum(seen.std(axis=0), 1e-6)
    bias = -float(np.median(seen @ weights))
    distances = np.sort(np.abs(seen @ weights + bias))
    inside = round((1 - share) * len(distances))
    return Logistic(weights, bias), float(distances[inside - 1 : inside + 1].mean())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), [Path(name) for name in sys.argv[4:]])

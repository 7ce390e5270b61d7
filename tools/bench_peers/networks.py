"""Write a ViT-B/16 and a YOLO classifier with random weights whose answers differ from photo to photo.

    python -m bench_peers.networks WORK PHOTO...

Times do not depend on the weights, but equal decisions would mean nothing where every photo gets the same answer. So
the classifiers read the direction in which the random networks' own features differ most between photos.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor
from ultralytics.nn.tasks import ClassificationModel

SIZE = 224
SPREAD = 2.0
"""Standard deviation over photos of the difference of the two logits: P(roadwork) then spreads over 0..1."""
LEVEL = 0.2
"""Added to YOLO's convolution weights, times their standard deviation, so that brightness reaches the classifier.
Random layers without it amplify rounding more than trained ones do: bfloat16 then moves P(roadwork) by 0.017, with it
by 0.005, and that of a trained YOLO by 0.006."""
SMALL_VIT = {"hidden_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 96}
VIT_LABELS = {0: "None", 1: "Roadwork"}
YOLO_LABELS = {0: "no_roadwork", 1: "roadwork"}


def main(work: Path, photos: list[Path]) -> None:
    """Write work/vit, work/fit/vit and, when that is done, work/yolo/best.pt."""
    torch.manual_seed(0)
    pixels = np.stack([np.asarray(Image.open(photo).convert("RGB").resize((SIZE, SIZE))) for photo in photos])
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        write_vit(work / "vit", 2 * images - 1)
        write_vit(work / "fit" / "vit", 2 * images - 1, **SMALL_VIT)
    write_yolo(work / "yolo" / "best.pt", images)


def write_vit(folder: Path, images: torch.Tensor, **changes: int) -> None:
    """ViT-B/16, or one with other settings, in the format of the Hugging Face hub.

    Args:
        folder: where to write.
        images: (B, 3, 224, 224), -1..1.
        changes: of ViTConfig.
    """
    numbers = {name: number for number, name in VIT_LABELS.items()}
    config = ViTConfig(image_size=SIZE, id2label=VIT_LABELS, label2id=numbers, **changes)
    model = ViTForImageClassification(config).eval()
    features = torch.cat([model.vit(part).last_hidden_state[:, 0] for part in images.split(8)])
    spread_out(model.classifier, features)
    model.save_pretrained(folder)
    half = [0.5] * 3
    ViTImageProcessor(size={"height": SIZE, "width": SIZE}, image_mean=half, image_std=half).save_pretrained(folder)


def write_yolo(path: Path, images: torch.Tensor) -> None:
    """A yolo11n classifier as ultralytics saves one.

    Args:
        path: of the `.pt` file.
        images: (B, 3, 224, 224), 0..1.
    """
    model = ClassificationModel("yolo11n-cls.yaml", nc=2, verbose=False)
    head = model.model[-1]
    pooled = []
    hook = head.linear.register_forward_pre_hook(lambda _, inputs: pooled.append(inputs[0]))
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.weight += LEVEL * module.weight.std()
        for norm in norms:
            norm.momentum = 1.0  # the statistics become those of these photos
        model.train()(images)
        for norm in norms:
            norm.momentum = 0.03
        pooled.clear()
        model.eval()(images)
        spread_out(head.linear, pooled[0])
    hook.remove()
    model.names = YOLO_LABELS
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save({"ema": None, "model": model, "train_args": {"imgsz": SIZE, "task": "classify"}}, partial)
    partial.replace(path)


def spread_out(linear: torch.nn.Linear, features: torch.Tensor) -> None:
    """Set a classifier's weights to the first principal component of (B, C) features, with +-SPREAD of difference."""
    centred = features - features.mean(0)
    direction = torch.linalg.svd(centred, full_matrices=False).Vh[0]
    direction = direction * SPREAD / (centred @ direction).std()
    offset = -(features.mean(0) @ direction)
    with torch.no_grad():
        linear.weight.copy_(torch.stack([-direction, direction]) / 2)
        linear.bias.copy_(torch.stack([-offset, offset]) / 2)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])

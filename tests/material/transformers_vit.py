"""What transformers makes of a ViT checkpoint, in this process: starting another one for it takes many seconds."""

from pathlib import Path

import keras  # noqa: F401  TensorFlow comes first: after torch's triton it would abort the process
import numpy as np
import torch
from PIL import Image
from transformers import ViTForImageClassification, ViTImageProcessor
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil


def logits_of(folder: Path, pixel_values: np.ndarray) -> np.ndarray:
    """(B, 2) float32 logits of (B, 3, S, S) float32 pixels as `pixels_by_pillow` gives them."""
    with torch.no_grad():
        return ViTForImageClassification.from_pretrained(folder).eval()(torch.tensor(pixel_values)).logits.numpy()


def features_of(folder: Path, pixel_values: np.ndarray) -> np.ndarray:
    """(B, C) float32, what the same network's classifier sees of such pixels: the first token behind the last norm."""
    with torch.no_grad():
        model = ViTForImageClassification.from_pretrained(folder).eval()
        return model.vit(torch.tensor(pixel_values)).last_hidden_state[:, 0].numpy()


def pixels_by_pillow(folder: Path, photo: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 to what the network is given, (3, S, S)."""
    return _pixels(ViTImageProcessorPil, folder, photo)


def pixels_by_torchvision(folder: Path, photo: np.ndarray) -> np.ndarray:
    """The same by transformers' other way."""
    return _pixels(ViTImageProcessor, folder, photo)


def _pixels(processor, folder: Path, photo: np.ndarray) -> np.ndarray:
    return processor.from_pretrained(folder)(Image.fromarray(photo), return_tensors="pt")["pixel_values"][0].numpy()

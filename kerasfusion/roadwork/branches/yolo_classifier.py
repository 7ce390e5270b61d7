"""Trained YOLO weights as a function from centre crops to probabilities."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kerasfusion.errors import RequestError
from kerasfusion.roadwork.branches import ultralytics_models
from kerasfusion.roadwork.data.dataset import CLASS_NAMES

STRIDE = 32
"""Ultralytics rounds every image size up to a multiple of this."""


class YoloClassifier:
    """Trained weights that give P(no_roadwork) and P(roadwork) for centre crops.

    Only known model classes are rebuilt from the file (torch's `weights_only` with ultralytics' list), so a foreign
    `.pt` cannot run code of its own.

    Args:
        weights: the `.pt` file that training left.
        image_size: side of the crops in pixels; None takes the size that the weights were trained at.
        device: "cpu" or a CUDA device number such as "0".

    Attributes:
        image_size: side of the crops that `predict` takes, pixels.
        names: class index of the file -> class name.
        sha256: of the file (hex).

    Raises:
        RequestError: ultralytics is not installed; the file is missing, damaged, not a classifier, has other
            classes, or the size is not a multiple of 32.
    """

    def __init__(self, weights: Path, image_size: int | None = None, device: str = "cpu"):
        self._model = ultralytics_models.load_classifier(Path(weights))
        self.names: dict[int, str] = dict(self._model.names)
        self._columns = ultralytics_models.class_columns(self.names, Path(weights))
        self.image_size = check_image_size(image_size or self._model.overrides["imgsz"])
        self.sha256 = hashlib.sha256(Path(weights).read_bytes()).hexdigest()
        self._device = device

    def predict(self, crops: np.ndarray) -> np.ndarray:
        """Classify one batch in one forward pass.

        Args:
            crops: (B, S, S, 3) uint8, RGB, as `crop_centre` gives them, S = `image_size`.

        Returns:
            (B, 2) float32 probabilities in the order of CLASS_NAMES; rows sum to 1.

        Raises:
            ValueError: another shape or dtype (a mistake of the caller).
        """
        expected = (self.image_size, self.image_size, 3)
        if crops.ndim != 4 or crops.shape[1:] != expected or crops.dtype != np.uint8:
            raise ValueError(f"crops are {crops.shape} {crops.dtype}, expected (B, {expected}) uint8")
        if len(crops) == 0:
            return np.zeros((0, len(CLASS_NAMES)), np.float32)
        # Ultralytics takes OpenCV's channel order; its own resize and crop leave a picture of this size untouched.
        pictures = [np.ascontiguousarray(crop[..., ::-1]) for crop in crops]
        results = self._model.predict(pictures, imgsz=self.image_size, device=self._device, verbose=False)
        probabilities = np.stack([result.probs.data.cpu().numpy() for result in results])
        return np.ascontiguousarray(probabilities[:, self._columns], dtype=np.float32)


class YoloClassifiers:
    """Several classifiers, of which those answer about a crop that are named for it.

    Args:
        weights: `.pt` files.
        device: as for `YoloClassifier`.

    Attributes:
        image_size: side of the crops that all of them take, pixels.

    Raises:
        RequestError: as `YoloClassifier`, or they take crops of different sizes.
    """

    def __init__(self, weights: Sequence[Path], device: str = "cpu"):
        self._all = [YoloClassifier(path, device=device) for path in weights]
        self.image_size = self._all[0].image_size
        for path, classifier in zip(weights, self._all, strict=True):
            if classifier.image_size != self.image_size:
                raise RequestError(
                    f"the YOLO classifiers take pictures of different sizes: {classifier.image_size} and "
                    f"{self.image_size} pixels",
                    where=path,
                    todo="kerasfusion train-yolo with one yolo.image_size for all of them",
                )

    def predict(self, crops: np.ndarray, answering: Sequence[tuple[int, ...]]) -> np.ndarray:
        """Classify one batch.

        Args:
            crops: as for `YoloClassifier.predict`.
            answering: for each crop the numbers of the classifiers whose mean is the answer.

        Returns:
            (B, 2) float32 probabilities in the order of CLASS_NAMES.
        """
        total = np.zeros((len(crops), len(CLASS_NAMES)), np.float32)
        for number, classifier in enumerate(self._all):
            rows = [row for row, numbers in enumerate(answering) if number in numbers]
            if rows:
                total[rows] += classifier.predict(crops[rows])
        return total / np.array([[len(numbers)] for numbers in answering], np.float32)


def check_image_size(image_size: int) -> int:
    """Refuse a size that ultralytics would change by itself.

    Raises:
        RequestError: not a multiple of 32.
    """
    if image_size % STRIDE or image_size < STRIDE:
        raise RequestError(
            f"the image size {image_size} does not suit YOLO",
            where="yolo.image_size",
            expected=f"a multiple of {STRIDE}, for example {max(1, round(image_size / STRIDE)) * STRIDE}",
        )
    return image_size

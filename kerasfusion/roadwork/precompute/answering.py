"""YOLO and the ViT, opened once, answer batches of photos."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerasfusion.errors import RequestError
from kerasfusion.formats.answer_check import probabilities
from kerasfusion.machine.amx import avoid_broken_amx
from kerasfusion.roadwork.branches.vit import VitCheckpoint, build_vit
from kerasfusion.roadwork.branches.yolo_process import YoloProcess
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.precompute.fold_classifiers import FINAL, FoldClassifiers


@dataclass(frozen=True)
class Picture:
    """A view of a photo as the branches see it.

    Attributes:
        squashed, crop: for the ViT and for YOLO, (S, S, 3) uint8 each.
        answering: which of YOLO's classifiers answer; see `FoldClassifiers.answering`.
    """

    squashed: np.ndarray
    crop: np.ndarray
    answering: tuple[int, ...]


class Branches:
    """YOLO and the ViT, ready to answer; use it in a `with` statement.

    Args:
        config: names the weights of both.
        checkpoint: the ViT's.
        folds: YOLO's classifiers that have not seen all training photos; None where there are none.
        with_features: whether the ViT also gives what its classifier sees.

    Attributes:
        sizes: side of each branch's square input, pixels, by input.
        parameters: of the ViT.
        features: C, how many numbers its classifier sees.
    """

    def __init__(
        self,
        config: RoadworkConfig,
        checkpoint: VitCheckpoint,
        folds: FoldClassifiers | None = None,
        with_features: bool = False,
    ):
        if config.cache.precision == "bfloat16":
            avoid_broken_amx("tensorflow")  # before TensorFlow is there
        import tensorflow as tf

        vit = build_vit(checkpoint, with_features)
        self.parameters = vit.count_params()
        self.features = vit.get_layer("vit_classifier").get_layer("vit_logits").kernel.shape[0]
        if config.cache.precision == "bfloat16":
            from kerasfusion.formats.keras_file import in_bfloat16
            from kerasfusion.roadwork.branches.ensemble import HEADS

            vit = in_bfloat16(vit, HEADS)
        self._with_features = with_features
        self._sources = {"vit": checkpoint.folder, "yolo": config.yolo_weights}
        size = checkpoint.image_size
        # One trace whatever the batch: a shard's last batch is smaller.
        self._vit = tf.function(
            lambda image: vit(image, training=False),
            input_signature=[tf.TensorSpec((None, size, size, 3), tf.float32)],
        )
        self._folds = folds
        self._yolo = YoloProcess([config.yolo_weights, *(folds.weights if folds else ())], config.yolo.device)
        self.sizes = {"image": size, "yolo_image": self._yolo.image_size}

    def answering(self, sample_id: str) -> tuple[int, ...]:
        """Which of YOLO's classifiers answer about a photo; see `FoldClassifiers.answering`."""
        return self._folds.answering(sample_id) if self._folds else FINAL

    def __call__(self, pictures: Sequence[Picture]) -> tuple[np.ndarray, ...]:
        """Answer one batch.

        Returns:
            YOLO's and the ViT's probabilities, (B, 2) float32 each; with features also these, (B, C) float16.

        Raises:
            RequestError: an answer is not in 0..1, or a feature is beyond float16; the cache holds neither.
        """
        answering = [picture.answering for picture in pictures]
        yolo = self._yolo.submit(np.stack([picture.crop for picture in pictures]), answering)
        said = self._vit(np.stack([picture.squashed for picture in pictures]).astype(np.float32))
        if not self._with_features:
            return self._checked("yolo", yolo()), self._checked("vit", said.numpy())
        probs = self._checked("yolo", yolo()), self._checked("vit", said["vit"].numpy())
        return *probs, self._in_float16(said["vit_features"].numpy())

    def _in_float16(self, features: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            kept = features.astype(np.float16)
        if not np.isfinite(kept).all():
            raise RequestError(
                "what the ViT's classifier sees is beyond float16, in which it is kept",
                where=self._sources["vit"],
                expected="numbers within -65504..65504",
                todo="set vit.weights to another ViT, or go without features: cache.vit_features: false",
            )
        return kept

    def _checked(self, branch: str, answers: np.ndarray) -> np.ndarray:
        todo = f"set {branch}.weights to sound weights; nothing of this batch was kept"
        return probabilities({branch: answers}, self._sources[branch], todo)[branch]

    def __enter__(self) -> "Branches":
        return self

    def __exit__(self, *_) -> None:
        self._yolo.close()

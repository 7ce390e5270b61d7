"""The branch that the laptop trains: EfficientNetV2 (Tan & Le, arXiv 2104.00298) from keras.applications.

The application normalises its pixels itself (include_preprocessing): it is fed 0..255, never mean/std-normalised ones.
"""

import re
from pathlib import Path

from kerasfusion.errors import RequestError, first_line
from kerasfusion.files.digests import file_sha256
from kerasfusion.files.h5_check import refuse_foreign_weights
from kerasfusion.files.weights_check import refuse_nonfinite_model
from kerasfusion.roadwork.config import EfficientNetV2

_IMAGENET = "https://storage.googleapis.com/tensorflow/keras-applications/efficientnet_v2"
_BLOCK = re.compile(r"block\d+[a-z]+_")


def build_trunk(settings: EfficientNetV2, image_size: int):
    """The network without its classifier, average-pooled: (B, S, S, 3) float32 0..255 -> (B, C) float32.

    All but the last `fine_tune_blocks` blocks are frozen, and it does the same in training as in inference.

    Raises:
        RequestError: the weights file is missing, of another network, damaged or with more than finite numbers in
            it, or imagenet's cannot be fetched.
    """
    import keras

    name = "EfficientNetV2" + settings.variant.upper()
    build = getattr(keras.applications, name)
    arguments = {"include_top": False, "pooling": "avg", "input_shape": (image_size, image_size, 3)}
    if settings.weights is None:
        trunk = build(weights=None, **arguments)
    elif settings.weights == "imagenet":
        trunk = _build_with_imagenet(build, settings.variant, arguments)
    else:
        trunk = _build_with_file(build, name, _find_file(settings), arguments)
    _freeze(trunk, settings.fine_tune_blocks)
    return trunk


def file_digest(settings: EfficientNetV2) -> str | None:
    """The sha256 of a local weights file; None where the settings name none.

    Raises:
        RequestError: the file is missing.
    """
    return None if settings.weights in (None, "imagenet") else file_sha256(_find_file(settings))


def weights_digest(settings: EfficientNetV2, trunk) -> str:
    """What the trunk's frozen features depend on, as a digest.

    Random weights are digested variable by variable: with the same seed they are the same ones again.
    """
    import hashlib

    if (known := file_digest(settings)) is not None:
        return known
    digest = hashlib.sha256()
    for variable in trunk.weights:
        digest.update(variable.numpy().tobytes())
    return digest.hexdigest()


def build_classifier(n_features: int, dropout: float):
    """The trained classifier: (B, C) features -> (B, 2) probabilities in the order of CLASS_NAMES."""
    import keras

    features = keras.Input((n_features,), name="features")
    x = keras.layers.Dropout(dropout, name="efficientnetv2_dropout")(features)
    probs = keras.layers.Dense(2, activation="softmax", dtype="float32", name="efficientnetv2_probs")(x)
    return keras.Model(features, probs, name="efficientnetv2_classifier")


def _build_with_imagenet(build, variant: str, arguments: dict):
    try:
        return build(weights="imagenet", **arguments)
    except Exception as error:  # keras.utils.get_file raises whatever the network stack raises
        file = f"efficientnetv2-{variant}_notop.h5"
        raise RequestError(
            f"cannot get the imagenet weights: {first_line(error)}",
            where=f"efficientnetv2.weights: imagenet ({file})",
            todo=f"fetch {_IMAGENET}/{file} and put it into ~/.keras/models, or anywhere and set "
            "efficientnetv2.weights to its path; null starts from random weights on purpose",
        ) from error


def _find_file(settings: EfficientNetV2) -> Path:
    path = Path(settings.weights)
    if not path.is_file():
        name = "EfficientNetV2" + settings.variant.upper()
        raise RequestError(
            "the EfficientNetV2 weights file does not exist",
            where=path,
            expected=f'a headless {name} weights file (.h5 or .weights.h5), or "imagenet", or null',
            todo="set efficientnetv2.weights",
        )
    return path


def _build_with_file(build, name: str, path: Path, arguments: dict):
    _refuse_other_kinds(path)
    trunk = build(weights=None, **arguments)
    try:
        trunk.load_weights(path)
    except Exception as error:  # h5py and keras each raise their own
        raise RequestError(
            f"the file does not hold weights of a headless {name}: {first_line(error)}",
            where=path,
            todo="set efficientnetv2.weights and efficientnetv2.variant to what belongs together",
        ) from error
    refuse_nonfinite_model(trunk, path)
    return trunk


def _refuse_other_kinds(path: Path) -> None:
    """Keras also takes files of other kinds, which name code or other files to open."""
    if path.suffix != ".h5":
        raise RequestError(
            "EfficientNetV2's weights are not of a kind that is opened here",
            where=path,
            expected="a file of weights alone: .h5 or .weights.h5",
            todo="write it with model.save_weights, or set efficientnetv2.weights to another",
        )
    refuse_foreign_weights(path, path)


def _freeze(trunk, fine_tune_blocks: int) -> None:
    """Leave only the convolutions of the last blocks trainable, and make training mode the same as inference.

    `trunk(x, training=False)` in a functional model does not last: fit() calls the model with training=True, and Keras
    (3.15, models/functional.py) hands that to every layer inside. So the stochastic depth is taken out, and batch
    normalisation stays frozen, which makes it use its stored statistics.
    """
    import keras

    blocks = list(dict.fromkeys(found.group() for layer in trunk.layers if (found := _BLOCK.match(layer.name))))
    if fine_tune_blocks > len(blocks):
        raise RequestError(
            f"efficientnetv2.fine_tune_blocks is {fine_tune_blocks}", expected=f"at most {len(blocks)} for this variant"
        )
    trained = (*blocks[len(blocks) - fine_tune_blocks :], "top_") if fine_tune_blocks else ()
    for layer in trunk.layers:
        layer.trainable = layer.name.startswith(trained) and not isinstance(layer, keras.layers.BatchNormalization)
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0

"""oneDNN in TensorFlow, for `fit`.

TensorFlow computes with it only where the processor multiplies int8 or bfloat16 (AVX-512 VNNI and later), which most
laptops do not. Without it a training step of fume takes 1.5 times as long on AVX2, and EfficientNetV2's features of a
batch 1.2 times. A ViT, and a single answer of any network here, takes the same or less.
"""

import os
import platform

VARIABLE = "TF_ENABLE_ONEDNN_OPTS"


def use_onednn() -> None:
    """Let TensorFlow use oneDNN in this process and those that it starts, unless the user's environment says.

    To be called before TensorFlow is imported. On ARM, where it was not measured, nothing is done.
    """
    if platform.machine().lower() in ("x86_64", "amd64"):
        os.environ.setdefault(VARIABLE, "1")

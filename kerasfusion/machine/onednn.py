"""oneDNN in TensorFlow, for `fit`.

TensorFlow computes with it only where the processor multiplies int8 or bfloat16 (AVX-512 VNNI and later), which most
laptops do not. Without it a training step of fume takes 1.5 times as long on AVX2, and EfficientNetV2's features of a
batch 1.2 times. A ViT, and a single answer of any network here, takes the same or less.
"""

import os
import platform
import sys

VARIABLE = "TF_ENABLE_ONEDNN_OPTS"


def use_onednn() -> None:
    """Let TensorFlow use oneDNN in this process and those that it starts, unless the user's environment says.

    Where TensorFlow is loaded already, which would not see it, nothing is done: processes that this one starts are to
    compute as it does. Nor on ARM, where it was not measured.
    """
    if platform.machine().lower() in ("x86_64", "amd64") and "tensorflow" not in sys.modules:
        os.environ.setdefault(VARIABLE, "1")

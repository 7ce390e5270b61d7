"""Find out whether the processor's matrix unit (Intel AMX) works before a library relies on it.

Some virtual machines report AMX but end a process at its first tile instruction (SIGILL). oneDNN, which computes for
OpenVINO and TensorFlow, uses the unit for bfloat16 and int8 wherever it is reported. The fault shows only inside such a
library, so the test is a small product by the same library in a process of its own.
"""

import os
import subprocess
import sys
import warnings

from kerasfusion.machine.cpu import this_cpu

VARIABLE = "ONEDNN_MAX_CPU_ISA"
WITHOUT_AMX = "AVX512_CORE_FP16"
"""The most that oneDNN may use short of AMX. Source: https://uxlfoundation.github.io/oneDNN/dev_guide_cpu_dispatcher_control.html"""

PROBES = {
    "openvino": """
import sys
sys.modules["openvino_telemetry"] = None
import numpy as np, openvino
try:
    from openvino import opset13
except ImportError:  # OpenVINO 2024
    from openvino.runtime import opset13
x, ones = opset13.parameter([64, 64], np.float32), np.ones((64, 64), np.float32)
model = openvino.Model([opset13.matmul(x, opset13.constant(ones), False, False)], [x])
openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "bf16"})(ones)
""",
    "tensorflow": """
import tensorflow as tf
ones = tf.ones((64, 64), tf.bfloat16)
tf.linalg.matmul(ones, ones)
""",
}
"""Library -> a bfloat16 product in it."""


class BrokenAmxWarning(UserWarning):
    """AMX is reported but does not work; computing goes on without it."""


def avoid_broken_amx(library: str) -> None:
    """Keep a library from using AMX where that would end the process.

    To be called before the library computes for the first time, when that is to be in bfloat16 or int8. Where AMX is
    not reported, or the user set ONEDNN_MAX_CPU_ISA, nothing is done; else a test of about half a second (OpenVINO) or
    some seconds (TensorFlow) decides, and ONEDNN_MAX_CPU_ISA is set for this process and those that it starts.

    Args:
        library: a key of PROBES.
    """
    if VARIABLE in os.environ or "amx" not in (this_cpu().features or ()) or _survives(library):
        return
    os.environ[VARIABLE] = WITHOUT_AMX
    warnings.warn(
        f"this machine reports AMX, but its instructions end a process: using AVX-512 ({VARIABLE}={WITHOUT_AMX})",
        BrokenAmxWarning,
        stacklevel=2,
    )


def _survives(library: str) -> bool:
    """A process that ends with an error of its own, such as a missing library, says nothing about AMX."""
    process = subprocess.run([sys.executable, "-c", PROBES[library]], capture_output=True)
    return process.returncode >= 0

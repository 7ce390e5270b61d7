"""Keras as this program needs it, whatever the user's own settings say.

Keras takes its backend, number type and order of channels from KERAS_BACKEND and from keras.json in KERAS_HOME (else
~/.keras), and caps training by KERAS_MAX_EPOCHS and KERAS_MAX_STEPS_PER_EPOCH. Each of them would change answers.
"""

import json
import os
import sys
from pathlib import Path

from kerasfusion.errors import RequestError, require
from kerasfusion.lean_import import lean

BACKEND = "tensorflow"
SETTINGS = {"floatx": "float32", "epsilon": 1e-7, "image_data_format": "channels_last"}
"""Keys of keras.json that are set here: Keras' own defaults."""
CAPS = ("max_epochs", "max_steps_per_epoch")
"""What Keras may cut training short by."""


def use_keras() -> None:
    """Import Keras on TensorFlow and give it SETTINGS. To be called where a process comes to its first network.

    Raises:
        RequestError: TensorFlow is not installed, the process has loaded Keras on another backend, or Keras refuses
            the user's keras.json.
    """
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = BACKEND
    try:
        with lean():
            require("tensorflow")  # the Keras inside it reads the same file
            import keras
    # A value that one of them does not know, an assertion without words; a list; a number as text.
    except (ValueError, AssertionError, AttributeError, TypeError) as error:
        reason = str(error) or "it has a value of another kind"
        raise RequestError(
            f"Keras cannot be loaded with the settings in its own file: {reason}",
            where=settings_file(),
            expected=json.dumps({**SETTINGS, "backend": BACKEND}),
            todo="correct this file, or delete it",
        ) from error
    if keras.config.backend() != BACKEND:
        raise RequestError(
            f"this process has loaded Keras on {keras.config.backend()} already",
            where="KERAS_BACKEND",
            expected=BACKEND,
            todo=f"start it with KERAS_BACKEND={BACKEND} in its environment",
        )
    for name, value in SETTINGS.items():
        getattr(keras.config, f"set_{name}")(value)
    keras.config.set_dtype_policy(SETTINGS["floatx"])
    for name in CAPS:
        if hasattr(keras.config, f"set_{name}"):  # not in older Keras, which has no caps
            getattr(keras.config, f"set_{name}")(None)


def clean_environment(folder: Path) -> dict[str, str]:
    """The environment of a process that opens a file with plain Keras: without the user's settings.

    Args:
        folder: an empty one; Keras writes its default settings into it.
    """
    kept = {name: value for name, value in os.environ.items() if name not in map(_cap_variable, CAPS)}
    return {**kept, "KERAS_BACKEND": BACKEND, "KERAS_HOME": str(folder), "TF_CPP_MIN_LOG_LEVEL": "3"}


def settings_file() -> Path:
    """The user's keras.json, which need not exist."""
    return Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "keras.json"


def foreign_settings() -> list[str]:
    """The user's settings of Keras that are set aside here, each as "name: value"."""
    found = [f"{name}: {os.environ[name]}" for name in map(_cap_variable, CAPS) if os.environ.get(name)]
    chosen = os.environ.get("KERAS_BACKEND")
    if chosen not in (None, "", BACKEND):
        found.append(f"KERAS_BACKEND: {chosen}")
    try:
        said = json.loads(settings_file().read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return found  # Keras passes over a file that is not JSON, too
    if isinstance(said, dict):
        ours = {**SETTINGS, "backend": BACKEND}
        others = [name for name in ours if said.get(name, ours[name]) != ours[name]]
        found += [f"{name}: {str(said[name])[:100]} ({settings_file()})" for name in others]
    return found


def _cap_variable(name: str) -> str:
    return f"KERAS_{name.upper()}"

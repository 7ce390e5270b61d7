"""A `.keras` file that says what it is, and that is only called saved once a clean process has answered with it.

Keras ignores zip members that it does not know, so the description travels inside the file as `kerasfusion.json`.
"""

import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from kerasfusion.errors import KerasFusionError, RequestError, first_line
from kerasfusion.files.h5_check import refuse_foreign_weights
from kerasfusion.files.keras_file_check import CONFIG, DESCRIPTION, WEIGHTS, open_archive, read_config, read_json
from kerasfusion.files.older_keras import OLDEST_TENSORFLOW, oldest_keras, rewrite_for_older_keras, version_numbers
from kerasfusion.files.writing import disk_errors, own_partial, remove_abandoned
from kerasfusion.keras_settings import clean_environment, use_keras
from kerasfusion.parallel import meanwhile

TOLERANCE = 1e-5
"""Largest difference of an output between the model in memory and the reloaded file."""

_EXPECTED = "a file that `kerasfusion fit` or `export` wrote: runs/NAME/fusion.keras, or fume.keras of fume"
_ADVICE = "kerasfusion fit makes it; in a run folder, name the file itself"
_AGAIN = "the file may be damaged: copy it again, or make it again with kerasfusion fit or export"

_RELOAD = """
import sys
sys.modules["kerasfusion"] = None  # the file must not need this package
import keras, numpy as np
with np.load(sys.argv[2]) as inputs:
    answers = keras.saving.load_model(sys.argv[1], compile=False)(dict(inputs), training=False)
np.savez(sys.argv[3], **{name: np.asarray(value) for name, value in answers.items()})
"""


def save_model(model, path: Path, description: dict[str, Any], sample: dict[str, np.ndarray] | None) -> None:
    """Save a model with dict inputs and outputs, and compare the file's answers with the model's.

    The file is written beside its name and renamed once the comparison holds: what is there works.

    Args:
        model: keras.Model of built-in layers.
        path: ends in `.keras`.
        description: JSON value kept as `kerasfusion.json` inside the file, with what it `opens_from`.
        sample: inputs to compare on, one batch; None for a file that is only read by this program again.

    Raises:
        KerasFusionError: a clean process cannot open the file or answers otherwise.
    """
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path.parent)
    partial = own_partial(path)
    written = own_partial(path.with_stem(f"{path.stem}-as-written"))
    try:
        model.save(written, include_optimizer=False)
        with disk_errors(path):
            rewrite_for_older_keras(written, partial)
        written.unlink()
        about = description | {"opens_from": opens_from(partial)}
        with zipfile.ZipFile(partial, "a") as archive:
            archive.writestr(DESCRIPTION, json.dumps(about, indent=1))
        if sample is not None:
            expected = {name: np.asarray(value) for name, value in model(sample, training=False).items()}
            _compare(expected, _answers_of_a_clean_process(partial, sample), path)
        partial.replace(path)
    finally:
        written.unlink(missing_ok=True)
        partial.unlink(missing_ok=True)


def read_description(path: Path) -> dict[str, Any]:
    """The description inside a `.keras` file.

    Raises:
        RequestError: no such file, not a `.keras` file, one that this program did not write, or one whose network
            must not be opened.
    """
    if not path.exists():
        raise RequestError("the file does not exist", where=path, expected=_EXPECTED, todo=_ADVICE)
    with open_archive(path) as archive:
        if DESCRIPTION not in archive.namelist():
            raise RequestError(f"the file holds no {DESCRIPTION}", where=path, expected=_EXPECTED, todo=_ADVICE)
        if CONFIG in archive.namelist():
            read_config(archive, path)  # what is said of a file that must not be opened is not worth telling
        return read_json(archive, DESCRIPTION, path)


def opens_from(path: Path) -> dict[str, str]:
    """{package: its oldest version} of what opens a `.keras` file, by what stands in it.

    Raises:
        RequestError: as `read_description` of the file's content.
    """
    with open_archive(path) as archive:
        config = read_config(archive, path)
    return {"keras": oldest_keras(config), "tensorflow": OLDEST_TENSORFLOW}


def load_model(path: Path):
    """Open a `.keras` file of this program, with its description.

    Returns:
        (keras.Model, description).

    Raises:
        RequestError: as `read_description` and `load_network`.
    """
    description = read_description(path)
    return load_network(path), description


def load_network(path: Path):
    """Open any `.keras` file of Keras' own layers, in safe mode and after a check of all that is in it.

    `keras.saving.load_model` reads the weights into memory before it copies them into the model; here they go through
    a temporary file, which halves what opening a large model takes. They are taken out while Keras is imported.

    Returns:
        keras.Model, without what it was trained with.

    Raises:
        RequestError: damaged, or with anything in it that a network does not need; nothing of the file was run. Also
            as `use_keras`.
    """
    with tempfile.TemporaryDirectory() as folder:
        with meanwhile(_take_out, path, folder) as taken_out:
            use_keras()
            import keras
        config, weights = taken_out.result()
        try:
            model = keras.saving.deserialize_keras_object(config, safe_mode=True)
            model.load_weights(weights)
        except Exception as error:  # keras raises ValueError, TypeError, KeyError, OSError... on a damaged file
            _refuse_newer(config, keras.__version__, path, error)
            what = f"Keras cannot open the model: {first_line(error)}"
            raise RequestError(what, where=path, todo=_AGAIN) from error
        return model


def _take_out(path: Path, folder: str) -> tuple[dict[str, Any], Path]:
    """A network's configuration, and its weights as a file in the folder, both checked."""
    with open_archive(path) as archive:
        config = read_config(archive, path)
        if WEIGHTS not in archive.namelist():
            raise RequestError(f"the file holds no {WEIGHTS}", where=path, todo=_AGAIN)
        with disk_errors(Path(folder, WEIGHTS)):
            weights = Path(archive.extract(WEIGHTS, folder))
    refuse_foreign_weights(weights, path)
    return config, weights


def _refuse_newer(config: dict[str, Any], installed: str, path: Path, error: Exception) -> None:
    needed = oldest_keras(config)
    if version_numbers(installed) < version_numbers(needed):
        raise RequestError(
            f"the model needs a newer Keras: its network has settings that {installed} does not know",
            where=path,
            expected=f"keras {needed} or newer",
            todo=f'{sys.executable} -m pip install "keras>={needed}", or export the model in another format',
        ) from error


def _answers_of_a_clean_process(path: Path, sample: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        given, answered = Path(folder, "in.npz"), Path(folder, "out.npz")
        np.savez(given, **sample)
        process = subprocess.run(
            [sys.executable, "-c", _RELOAD, str(path.resolve()), str(given), str(answered)],
            capture_output=True,
            text=True,
            cwd=folder,  # away from the source tree
            env=clean_environment(Path(folder)),
        )
        if process.returncode:
            raise KerasFusionError(
                "a clean process cannot open the saved file:\n" + "\n".join(process.stderr.splitlines()[-5:]),
                where=path,
            )
        with np.load(answered) as answers:
            return dict(answers)


def _compare(expected: dict[str, np.ndarray], found: dict[str, np.ndarray], path: Path) -> None:
    for name, value in expected.items():
        difference = float(np.max(np.abs(found[name] - value)))
        if not difference <= TOLERANCE:
            raise KerasFusionError(
                f"the reloaded file answers otherwise: output {name} differs by {difference:.2g}",
                where=path,
                expected=f"at most {TOLERANCE}",
            )

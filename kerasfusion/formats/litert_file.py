"""LiteRT's flatbuffer (`.tflite`), run by LiteRT's interpreter without TensorFlow.

The description is a zip appended to the flatbuffer, which readers of the flatbuffer do not see
(https://ai.google.dev/edge/litert/conversion/tensorflow/metadata, "associated files").
"""

import json
import os
import threading
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasfusion.errors import RequestError, require
from kerasfusion.files.keras_file_check import DESCRIPTION
from kerasfusion.formats.description import parse_description
from kerasfusion.formats.library_notes import without_lines
from kerasfusion.formats.open_model import EXPORT_AGAIN, MAKE_IT, OpenModel, runtime_of
from kerasfusion.formats.seal import MARK, end_of, meanwhile, read_undamaged, refuse_lost_seal, seal

SUFFIX = ".tflite"
PRECISIONS = ("float32", "int8")
OPENS_FROM = {"ai-edge-litert": "1.0.1"}


def write(model, path: Path, precision: str, description: dict[str, Any], kept: Sequence[str] = ()) -> None:
    """Convert a model.

    Args:
        model: keras.Model, float32.
        path: ends in `.tflite`.
        precision: one of PRECISIONS. int8 quantises convolutions too, and what `kept` names: LiteRT has no way to
            leave layers out.
        description: appended to the file.
        kept: without effect.
    """
    import tensorflow as tf

    options = {"optimizations": [tf.lite.Optimize.DEFAULT]} if precision == "int8" else {}
    # One sample at a time: einsum converted for any number of them makes files that LiteRT does not open.
    one = {name: tf.TensorSpec((1, *value.shape[1:]), value.dtype, name=name) for name, value in model.input.items()}
    model.export(str(path), format="litert", verbose=False, input_signature=[one], **options)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(DESCRIPTION, json.dumps(description | MARK | {"opens_from": OPENS_FROM}))
        archive.comment = end_of(SUFFIX)
    seal(path)


def open_model(path: Path) -> OpenModel:
    """Open a file with LiteRT's interpreter on all cores.

    Raises:
        RequestError: ai-edge-litert is missing, or not a file that `export` wrote.
    """
    description = read_description(path)
    refuse_lost_seal(path, description)
    with meanwhile(read_undamaged, path) as content:
        litert = require("ai_edge_litert.interpreter", package=runtime_of(OPENS_FROM))
    try:
        with without_lines("Created TensorFlow Lite XNNPACK delegate"):
            # From memory: a file that is mapped and overwritten later would change or end this process.
            interpreter = litert.Interpreter(model_content=content.result(), num_threads=os.cpu_count())
            interpreter.allocate_tensors()
            runner = interpreter.get_signature_runner()
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise RequestError(f"LiteRT cannot open the model: {reason}", where=path, todo=EXPORT_AGAIN) from error
    lock = threading.Lock()  # the interpreter serves one thread at a time

    def answer(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        count = len(next(iter(inputs.values())))
        with lock:
            rows = [runner(**{name: values[row : row + 1] for name, values in inputs.items()}) for row in range(count)]
            return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}

    shapes = {name: tuple(map(int, its["shape"][1:])) for name, its in runner.get_input_details().items()}
    return OpenModel(answer, shapes, tuple(description["outputs"]), description)


def read_description(path: Path) -> dict[str, Any]:
    """What the file says of itself, without the flatbuffer.

    Raises:
        RequestError: not there, or not a file that `export` wrote.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            text = archive.read(DESCRIPTION)
    except FileNotFoundError:
        raise RequestError("the file does not exist", where=path, todo=MAKE_IT) from None
    except (zipfile.BadZipFile, KeyError, OSError):  # the description is the file's end: a cut file lacks it
        raise RequestError(
            "the file is cut short or damaged, or this program did not write it: it holds no description",
            where=path,
            todo=EXPORT_AGAIN,
        ) from None
    return parse_description(text, path)

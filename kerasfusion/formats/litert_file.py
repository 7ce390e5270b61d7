"""LiteRT's flatbuffer (`.tflite`), run by LiteRT's interpreter without TensorFlow.

The description is a zip appended to the flatbuffer, which readers of the flatbuffer do not see
(https://ai.google.dev/edge/litert/conversion/tensorflow/metadata, "associated files").
"""

import json
import os
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kerasfusion.errors import RequestError, first_line, require
from kerasfusion.files.keras_file_check import DESCRIPTION
from kerasfusion.formats.description import parse_description
from kerasfusion.formats.keras_cut import cut
from kerasfusion.formats.library_notes import without_lines
from kerasfusion.formats.open_model import EXPORT_AGAIN, MAKE_IT, OpenModel, runtime_of
from kerasfusion.formats.seal import MARK, end_of, read_undamaged, refuse_lost_seal, seal
from kerasfusion.formats.stages import Arrays, Stages, first_outputs
from kerasfusion.parallel import meanwhile

SUFFIX = ".tflite"
PRECISIONS = ("float32", "int8")
OPENS_FROM = {"ai-edge-litert": "1.0.1"}
STAGES = ("first", "rest")
"""Signatures of a model that answers in two stages."""


def write(model, path: Path, precision: str, description: dict[str, Any], kept: Sequence[str] = ()) -> None:
    """Convert a model.

    Args:
        model: keras.Model, float32.
        path: ends in `.tflite`.
        precision: one of PRECISIONS. int8 quantises convolutions too.
        description: appended to the file.
        kept: names of Dense layers that int8 leaves in float32.
    """
    import tensorflow as tf

    int8 = precision == "int8"
    options = {"optimizations": [tf.lite.Optimize.DEFAULT]} if int8 else {}
    with _written_as_sums(model, kept if int8 else ()):
        if first := first_outputs(description):
            _write_stages(model, path, first, options)
        else:
            model.export(str(path), format="litert", verbose=False, input_signature=[_one(model.input)], **options)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(DESCRIPTION, json.dumps(description | MARK | {"opens_from": OPENS_FROM}))
        archive.comment = end_of(SUFFIX)
    seal(path)


@contextmanager
def _written_as_sums(model, names: Sequence[str]) -> Iterator[None]:
    """Let Dense layers multiply and sum, number by number, meanwhile.

    The converter has no list of what to leave alone, but quantises matrix products only. A head that sees features of
    very different ranges loses all that it knows when one step of 255 has to do for all of them.
    """
    import keras

    layers = [each for each in model._flatten_layers() if each.name in names and isinstance(each, keras.layers.Dense)]
    for layer in layers:
        layer.call = partial(_summed, layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.call


def _summed(layer, inputs, training=None):
    """What a Dense layer answers: (B, F) -> (B, N)."""
    from keras import ops

    product = ops.sum(inputs[..., None] * layer.kernel, axis=-2)
    return layer.activation(product + layer.bias if layer.use_bias else product)


def _one(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """One sample at a time: einsum converted for any number of them makes files that LiteRT does not open."""
    import tensorflow as tf

    return {name: tf.TensorSpec((1, *value.shape[1:]), value.dtype, name=name) for name, value in inputs.items()}


def _write_stages(model, path: Path, first: Sequence[str], options: dict[str, Any]) -> None:
    """A signature a stage, as Keras exports its one; which runs which part of a file cannot be told later."""
    import keras
    import tensorflow as tf

    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, part in zip(STAGES, cut(model, first), strict=True):
        archive.add_endpoint(name, part.run, input_signature=[_one(part.inputs)])
    with tempfile.TemporaryDirectory() as folder:
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=list(STAGES))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
        converter.experimental_enable_resource_variables = True
        for key, value in options.items():
            setattr(converter, key, value)
        path.write_bytes(converter.convert())


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
            names = STAGES if first_outputs(description) else (None,)
            runners = [interpreter.get_signature_runner(name) for name in names]
    except (ValueError, RuntimeError) as error:
        what = f"LiteRT cannot open the model: {first_line(error)}"
        raise RequestError(what, where=path, todo=EXPORT_AGAIN) from error
    lock = threading.Lock()  # the interpreter serves one thread at a time
    parts = [_answering(runner, lock) for runner in runners]
    stages = Stages(*parts) if len(parts) > 1 else None
    shapes = {name: tuple(map(int, its["shape"][1:])) for name, its in runners[0].get_input_details().items()}
    answer = stages.whole if stages else parts[0]
    return OpenModel(answer, shapes, tuple(description["outputs"]), description, stages)


def _answering(runner, lock: threading.Lock) -> Callable[[Arrays], Arrays]:
    """A function of arrays; those that the signature does not take are left aside."""
    inputs = list(runner.get_input_details())

    def answer(given: Arrays) -> Arrays:
        count = len(given[inputs[0]])
        with lock:
            rows = [runner(**{name: given[name][row : row + 1] for name in inputs}) for row in range(count)]
            return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}

    return answer


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
    return parse_description(text, path, PRECISIONS)

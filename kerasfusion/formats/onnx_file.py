"""ONNX, run by ONNX Runtime without TensorFlow."""

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasfusion.errors import RequestError, first_line, require
from kerasfusion.formats.description import parse_description
from kerasfusion.formats.library_notes import without_log
from kerasfusion.formats.onnx_cut import CARRIED_KEY, find_carried, open_stages
from kerasfusion.formats.onnx_metadata import read_metadata
from kerasfusion.formats.open_model import EXPORT_AGAIN, MAKE_IT, OpenModel, runtime_of
from kerasfusion.formats.seal import MARK, refuse_damaged, refuse_lost_seal, seal
from kerasfusion.formats.stages import first_outputs
from kerasfusion.parallel import meanwhile

SUFFIX = ".onnx"
PRECISIONS = ("float32", "int8")
OPENS_FROM = {"onnxruntime": "1.17.0"}
KEY = "kerasfusion"
"""The description's name among the file's metadata_props."""


def write(model, path: Path, precision: str, description: dict[str, Any], kept: Sequence[str] = ()) -> None:
    """Convert a model.

    Args:
        model: keras.Model, float32.
        path: ends in `.onnx`.
        precision: one of PRECISIONS.
        description: kept in the file's metadata_props.
        kept: names of layers that int8 leaves in float32.
    """
    require("tf2onnx", extra="export")
    onnx = require("onnx", extra="export")
    import keras

    # Keras exports in training mode what comes after a layer of image preprocessing, unless it is told otherwise.
    model = keras.Model(model.input, model(model.input, training=False), name=model.name)
    model({name: np.zeros((1, *value.shape[1:]), value.dtype) for name, value in model.input.items()})  # Keras asks so
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "In the future `np.object`", FutureWarning)  # Keras asks NumPy for it
        model.export(str(path), format="onnx", verbose=False)
    if precision == "int8":
        _quantise(path, kept)
    graph = onnx.load(path)
    properties = {KEY: json.dumps(description | MARK | {"opens_from": OPENS_FROM})}
    if first := first_outputs(description):
        properties[CARRIED_KEY] = " ".join(find_carried(graph, first))
    onnx.helper.set_model_props(graph, properties)
    onnx.save(graph, path)
    seal(path)


def open_model(path: Path) -> OpenModel:
    """Open a file with ONNX Runtime's CPU provider.

    Raises:
        RequestError: onnxruntime is missing, or not a file that `export` wrote.
    """
    with meanwhile(refuse_damaged, path):
        _runtime(path)
    metadata = _metadata(path)
    description = _described(metadata, path)
    refuse_lost_seal(path, description)
    session = _session(path)
    shapes = {value.name: tuple(value.shape[1:]) for value in session.get_inputs()}
    if first := first_outputs(description):
        carried = metadata.get(CARRIED_KEY, "").split()
        del session  # its weights are those of the stages
        stages = open_stages(path, first, carried, lambda content: _session(path, content))
        return OpenModel(stages.whole, shapes, tuple(description["outputs"]), description, stages)
    outputs = [output.name for output in session.get_outputs()]

    def answer(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(outputs, session.run(None, inputs), strict=True))

    return OpenModel(answer, shapes, tuple(description["outputs"]), description)


def read_description(path: Path) -> dict[str, Any]:
    """What the file says of itself.

    Raises:
        RequestError: not there, or not a file that `export` wrote.
    """
    return _described(_metadata(path), path)


def _metadata(path: Path) -> dict[str, str]:
    try:
        return read_metadata(path)
    except FileNotFoundError:
        raise RequestError("the file does not exist", where=path, todo=MAKE_IT) from None
    except (OSError, ValueError) as error:
        raise RequestError(f"cut short, damaged or not an ONNX file: {error}", where=path, todo=EXPORT_AGAIN) from error


def _described(metadata: dict[str, str], path: Path) -> dict[str, Any]:
    if KEY not in metadata:
        raise RequestError(
            "this program did not write the file: it holds no description", where=path, todo=EXPORT_AGAIN
        )
    return parse_description(metadata[KEY], path, PRECISIONS)


def _runtime(path: Path):
    """ONNX Runtime, for a file that is there."""
    if not path.is_file():
        raise RequestError("the file does not exist", where=path, todo=MAKE_IT)
    return require("onnxruntime", package=runtime_of(OPENS_FROM))


def _session(path: Path, content: bytes | None = None):
    """Of a file, or of a part of it that is given as bytes."""
    runtime = _runtime(path)
    try:
        return runtime.InferenceSession(content or path, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors have no common class but Exception
        what = f"cut short, damaged or not an ONNX file; ONNX Runtime says: {_reason(error, path)}"
        raise RequestError(what, where=path, todo=EXPORT_AGAIN) from error


def _reason(error: Exception, path: Path) -> str:
    """The runtime's sentence without its error code and the file's name, which is said anyway."""
    text = first_line(error)
    return text.rpartition(f"{path} failed:")[2].strip() or text


def _quantise(path: Path, kept: Sequence[str]) -> None:
    require("onnxruntime", extra="export")
    from onnxruntime import quantization

    names = [node.name for node in require("onnx", extra="export").load(path).graph.node if node.op_type == "MatMul"]
    left = [name for name in names if any(f"/{layer}" in name for layer in kept)]
    options = {"op_types_to_quantize": ["MatMul"], "per_channel": True, "nodes_to_exclude": left}
    with without_log(None, "Please consider to run pre-processing"):
        quantization.quantize_dynamic(path, path, **options)

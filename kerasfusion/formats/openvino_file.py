"""OpenVINO: an `.xml` graph with its weights in a `.bin` beside it. Starts in two seconds and needs the least memory.

int8 is 8-bit weights in the matrix products, whose inputs are quantised while they run. Convolutions stay in
float32: quantised, they move YOLO's and EfficientNetV2's probabilities by 0.1 and more and save a few milliseconds.
"""

import io
import json
import logging
import sys
import threading
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from kerasfusion.errors import KerasFusionError, RequestError, require
from kerasfusion.formats.description import parse_description
from kerasfusion.formats.library_notes import without_log
from kerasfusion.formats.open_model import EXPORT_AGAIN, MAKE_IT, OpenModel, runtime_of
from kerasfusion.formats.seal import MARK, refuse_damaged, refuse_lost_seal, seal
from kerasfusion.formats.stages import Arrays, Stages, first_outputs
from kerasfusion.machine.amx import avoid_broken_amx
from kerasfusion.parallel import meanwhile

SUFFIX = ".xml"
PRECISIONS = ("float32", "bfloat16", "int8")
OPENS_FROM = {"openvino": "2024.0.0"}
COMPUTE = {
    # Left to itself OpenVINO takes bfloat16 wherever the processor reports it.
    "float32": {"INFERENCE_PRECISION_HINT": "f32"},
    "bfloat16": {"INFERENCE_PRECISION_HINT": "bf16"},
    # 32 numbers of a token share a scale. Larger groups are faster (ViT-B/16: 71 ms with 192, 96 ms with 32) and less
    # exact (a branch's probability off by up to 0.0118, 0.0088). Ranges learned beforehand from photos were both
    # slower and, for a small ViT, worse.
    "int8": {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "32"},
}
"""OpenVINO's settings for each precision."""

_RT_INFO = ("kerasfusion", "description")


def write(model, path: Path, precision: str, description: dict[str, Any], kept: Sequence[str] = ()) -> None:
    """Convert the model and write both files.

    Args:
        model: keras.Model, float32.
        path: ends in `.xml`.
        precision: one of PRECISIONS.
        description: kept in the `.xml`.
        kept: names of layers whose weights int8 leaves in float32.

    Raises:
        RequestError: openvino or, for int8, nncf is not installed.
    """
    if precision != "float32":
        avoid_broken_amx("openvino")
    openvino = _openvino()
    graph = _convert(openvino, model)
    if precision == "int8":
        graph = _compress(graph, kept)
    graph.set_rt_info(json.dumps(description | MARK | {"opens_from": OPENS_FROM}), list(_RT_INFO))
    openvino.save_model(graph, path, compress_to_fp16=False)
    seal(path)


def open_model(path: Path) -> OpenModel:
    """Open the files and compile them for this machine's CPU.

    Raises:
        RequestError: not there, not ours, damaged, or openvino is not installed.
        KerasFusionError: see `avoid_broken_amx`.
    """
    description = read_description(path)
    refuse_lost_seal(path, description)
    with meanwhile(refuse_damaged, path):
        if description["precision"] != "float32":
            avoid_broken_amx("openvino")
        core = _openvino().Core()
    core.set_property({"ENABLE_MMAP": False})  # or a file that is overwritten later would change or end this process
    settings = {"PERFORMANCE_HINT": "LATENCY", **COMPUTE[description["precision"]]}
    lock = threading.Lock()  # one request at a time already takes every core
    try:
        graph = core.read_model(path)
        shapes = {
            port.any_name: tuple(side.get_length() for side in list(port.partial_shape)[1:]) for port in graph.inputs
        }
        asked = _compile(graph, first_outputs(description), lambda part: core.compile_model(part, "CPU", settings))
    except RuntimeError as error:  # what the C++ side raises, whatever is wrong
        raise RequestError(
            f"OpenVINO cannot open the model: {str(error).strip().splitlines()[-1]}",
            where=path,
            expected=f"the {path.with_suffix('.bin').name} that was written with it beside it",
            todo=EXPORT_AGAIN,
        ) from error
    outputs = tuple(description["outputs"])
    parts = [_answering(compiled, names, lock) for compiled, names in asked]
    stages = Stages(*parts) if len(parts) > 1 else None
    return OpenModel(stages.whole if stages else parts[0], shapes, outputs, description, stages)


def read_description(path: Path) -> dict[str, Any]:
    """What the `.xml` file says of itself.

    Raises:
        RequestError: not there, not an OpenVINO file, or not one that this program wrote.
    """
    try:
        found = ElementTree.parse(path).find("./rt_info/" + "/".join(_RT_INFO))
    except FileNotFoundError:
        raise RequestError("the file does not exist", where=path, todo=MAKE_IT) from None
    except (ElementTree.ParseError, OSError) as error:
        what = f"cut short, damaged or not an OpenVINO file: {error}"
        raise RequestError(what, where=path, todo=EXPORT_AGAIN) from error
    if found is None:
        raise RequestError("not an OpenVINO file that this program wrote", where=path, todo=EXPORT_AGAIN)
    return parse_description(found.attrib.get("value", ""), path, PRECISIONS)


def _compile(graph, first: Sequence[str], compile_model) -> Sequence[tuple[Any, Sequence[str]]]:
    """The compiled model, or its two stages, each with the names of its outputs."""
    if first:
        from kerasfusion.formats.openvino_cut import cut

        return cut(_openvino(), graph, first, compile_model)
    return [(compile_model(graph), [port.any_name for port in graph.outputs])]


def _answering(compiled, outputs: Sequence[str], lock: threading.Lock) -> Callable[[Arrays], Arrays]:
    """A function of arrays; those that the model does not take are left aside."""
    request, inputs = compiled.create_infer_request(), [port.any_name for port in compiled.inputs]

    def answer(given: Arrays) -> Arrays:
        with lock:  # the results are overwritten by the next
            results = request.infer({name: given[name] for name in inputs})
            return {name: results[number].copy() for number, name in enumerate(outputs)}

    return answer


def _openvino():
    # OpenVINO reports its use over the network when it is imported, without asking. It goes without this module.
    sys.modules.setdefault("openvino_telemetry", None)
    return require("openvino", package=runtime_of(OPENS_FROM))


def _convert(openvino, model):
    import tensorflow as tf

    signature = {
        name: tf.TensorSpec((None, *value.shape[1:]), value.dtype, name=name) for name, value in model.input.items()
    }
    forward = tf.function(lambda inputs: model(inputs, training=False), input_signature=[signature])
    with _without_exec():
        graph = openvino.convert_model(forward.get_concrete_function())
    for port in graph.inputs:  # TensorFlow's name of a tensor ends in ":0"
        port.set_names({port.any_name.removesuffix(":0")})
    found, expected = ({port.any_name for port in (*graph.inputs, *graph.outputs)}, {*model.input, *model.output})
    if found != expected:
        raise KerasFusionError(f"OpenVINO named inputs and outputs {sorted(found)}", expected=f"{sorted(expected)}")
    return graph


@contextmanager
def _without_exec() -> Iterator[None]:
    """OpenVINO looks at TensorFlow's version between exec("import tensorflow") and exec("del tensorflow").

    Since Python 3.13 exec in a function leaves it no names (PEP 667), so that the second is a NameError. TensorFlow has
    been imported by then: neither is needed.
    """
    from openvino.frontend.tensorflow import utils

    utils.exec = lambda text: None  # found before the built-in one
    try:
        yield
    finally:
        del utils.exec


def _compress(graph, kept: Sequence[str]):
    """8-bit weights in every matrix product with weights, but those of the layers named `kept`."""
    with _without_notes_of_torch():
        nncf = require("nncf", extra="export")
        nncf.set_log_level(logging.ERROR)
        operations = [
            each for each in graph.get_ops() if each.get_type_name() not in ("Constant", "Parameter", "Result")
        ]
        left = [node.get_friendly_name() for node in operations if not _is_product(node) or _is_of(node, kept)]
        with redirect_stdout(io.StringIO()):  # tables and progress bars
            return nncf.compress_weights(
                graph,
                mode=nncf.CompressWeightsMode.INT8_SYM,
                ignored_scope=nncf.IgnoredScope(names=left, validate=False),
            )


@contextmanager
def _without_notes_of_torch() -> Iterator[None]:
    """nncf imports torch, which looks for a GPU that is not needed here, and says that there is none."""
    with warnings.catch_warnings(), without_log("torch.utils.cpp_extension", "No CUDA runtime is found"):
        warnings.filterwarnings("ignore", "CUDA initialization", UserWarning)
        yield


def _is_product(node) -> bool:
    """Whether it is a matrix product with constant weights."""
    return node.get_type_name() == "MatMul" and node.input_value(1).get_node().get_type_name() == "Constant"


def _is_of(node, layers: Sequence[str]) -> bool:
    """Whether one of these layers computes it: TensorFlow puts the layers' names into those of operations."""
    return any(f"/{layer}" in node.get_friendly_name() for layer in layers)

"""One `export`: from a trained network's file to the format and precision that is asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kerasfusion.config import load_config
from kerasfusion.errors import RequestError
from kerasfusion.files.one_writer import only_writer_of
from kerasfusion.files.saving import load_model
from kerasfusion.formats.converting import Exported, Target, choose_name, convert, refuse_missing_precision
from kerasfusion.formats.keras_file import is_product
from kerasfusion.fume.config import MODEL, FumeConfig
from kerasfusion.fume.data.samples import paired_path
from kerasfusion.fume.export.check import compare
from kerasfusion.fume.export.samples import CheckSamples, drawn_samples, read_check_samples

MIN_PRODUCTS = 0.5
"""Least share of a network's weights in matrix products with which int8 that leaves convolutions alone is offered."""


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        source: a run folder or its `fume.keras`.
        format: one of formats.opening.FORMATS.
        precision: "float32", "bfloat16" or "int8".
        samples: folder with frames and paired_val_annotations.csv on which an export is checked; None takes the
            validation samples that the run was configured with, or drawn ones where these are not here.
        out: the file to write; None is beside the source.
    """

    source: Path
    format: str = "openvino"
    precision: str = "float32"
    samples: Path | None = None
    out: Path | None = None


def run(request: Request, report: Callable[[str], None] = print) -> Exported:
    """Write a network in another format or precision, and check it against the float32 one.

    Args:
        request: what is asked for.
        report: takes a line for the person who waits.

    Raises:
        RequestError: no such network, a format without this precision, int8 that would change next to nothing, a wrong
            name.
        KerasFusionError: the file does not answer as it should and is not kept, or another run is writing it.
    """
    refuse_missing_precision(request.format, request.precision)
    source = request.source / MODEL if request.source.is_dir() else request.source
    out = choose_name(source, request.format, request.precision, request.out)
    with only_writer_of(out):
        return _run(request, source, out, report)


def _run(request: Request, source: Path, out: Path, report: Callable[[str], None]) -> Exported:
    model, description = load_model(source)
    if description.get("precision", "float32") != "float32":
        raise RequestError(
            "exports are made from the float32 network",
            where=source,
            expected=f"{MODEL} as `kerasfusion fit` left it",
        )
    if request.precision == "int8" and request.format != "litert":
        _refuse_few_products(model, request.format, source)
    config = load_config(FumeConfig, flags=description["config"])
    samples = _samples(model, config, request.samples, report)
    report(f"writing {out} and comparing it with {source} on {len(samples)} samples")
    heads = tuple(f"{name}_logits" for name in model.output)
    target = Target(out, request.format, request.precision, heads)
    learned = [name for name in model.output if config.learns(name)]
    return convert(source, model, description, target, samples.inputs, partial(compare, learned, samples.presence))


def _refuse_few_products(model, format: str, source: Path) -> None:
    """LiteRT quantises convolutions as well; the other formats' int8 is of matrix products alone."""
    share = _product_share(model)
    if share < MIN_PRODUCTS:
        raise RequestError(
            f"{format} int8 has next to nothing to quantise here: {share:.0%} of the weights are in matrix products, "
            "and convolutions stay in float32",
            where=source,
            todo="--format litert --precision int8 has 8-bit convolutions; --precision bfloat16",
        )


def _product_share(model) -> float:
    """Share of the model's weights that are in matrix products, 0..1."""
    layers = list(_leaves(model))
    total = sum(layer.count_params() for layer in layers)
    return sum(layer.count_params() for layer in layers if is_product(layer)) / max(total, 1)


def _leaves(model):
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _leaves(layer)
        else:
            yield layer


def _samples(model, config: FumeConfig, folder: Path | None, report) -> CheckSamples:
    names, size, gases = tuple(model.input), config.data.image_size, config.data.gases
    csv = config.data.paired_csv("val") if folder is None else paired_path(folder, "val")
    if folder is None and not csv.is_file():
        report("checking on drawn frames; those that it will see are better: --samples FOLDER")
        return drawn_samples(names, size, gases)
    report(f"checking on samples of {csv}")
    return read_check_samples(csv, folder or config.data.dataset_root, names, size, gases, config.data.frames)

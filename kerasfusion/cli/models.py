"""kerasfusion export, info."""

import json
from pathlib import Path

import click

from kerasfusion.cli.options import ANY_PATH
from kerasfusion.cli.quiet import import_tensorflow
from kerasfusion.cli.systems import refuse_options, system_of_model


@click.command()
@click.argument("run_or_model", type=ANY_PATH)
@click.option("--vit", help="roadwork: the ViT, hf://owner/name or a folder.  [default: what the run names]")
@click.option("--yolo", type=ANY_PATH, help="roadwork: YOLO's best.pt.  [default: what the run names]")
@click.option(
    "--format",
    type=click.Choice(["keras", "openvino", "onnx", "litert"]),
    default="keras",
    show_default=True,
    help="What runs it; all but keras need the extra `export`.",
)
@click.option("--precision", type=click.Choice(["float32", "bfloat16", "int8"]), default="float32", show_default=True)
@click.option(
    "--samples",
    type=ANY_PATH,
    help="Folder on which it is checked: photos, or frames with paired_val_annotations.csv.  [default: the run's "
    "validation data, or drawn pictures]",
)
@click.option("--out", type=ANY_PATH, help="File to write.  [default: beside the model]")
@click.pass_context
def export(ctx, run_or_model: Path, **options):
    """Write a model in another format or precision, or compose roadwork's trained parts into fusion.keras.

    Each file is checked in a process of its own against the float32 model; one that decides otherwise is not kept.

    Example: kerasfusion export runs/roadwork --yolo best.pt --vit weights/roadwork-vit

    Example: kerasfusion export runs/roadwork --format openvino --precision int8

    Example: kerasfusion export runs/fume --format openvino
    """
    from kerasfusion.formats.converting import refuse_missing_precision
    from kerasfusion.formats.measuring import DIGITS
    from kerasfusion.fume.config import MODEL
    from kerasfusion.reporting import table

    refuse_missing_precision(options["format"], options["precision"])  # before TensorFlow, which takes seconds to load
    network = run_or_model / MODEL
    if network.is_file() or (run_or_model.is_file() and system_of_model(run_or_model) == "fume"):
        from kerasfusion.files.run_folder import require_folder

        refuse_options(ctx, ("vit", "yolo"), "fume")
        require_folder((options["out"] or (network if run_or_model.is_dir() else run_or_model)).parent)
        import_tensorflow()
        from kerasfusion.fume.export.job import Request, run

        options = {name: value for name, value in options.items() if name not in ("vit", "yolo")}
    else:
        from kerasfusion.roadwork.export.job import Request, refuse_source, run

        refuse_source(Request(run_or_model, **options))
        import_tensorflow()

    done = run(Request(run_or_model, **options), lambda line: click.echo(line, err=True))
    if done.rows:
        click.echo(table(done.rows, digits=DIGITS))
    click.echo(f"model: {done.path}")


@click.command()
@click.argument("model", type=ANY_PATH)
def info(model: Path):
    """Say what a model file is: its sha256, how it is checked, what it needs, classes, inputs, digests, settings.

    `opens_from` are the packages that open it without this one, each from the oldest version with which it was tried.

    Example: kerasfusion info runs/roadwork/fusion.keras
    """
    from kerasfusion.files.digests import file_sha256
    from kerasfusion.formats.opening import opens_from, read_description
    from kerasfusion.formats.seal import what_is_checked

    described = read_description(model)
    about = {"file_sha256": file_sha256(model), "checked_when_opened": what_is_checked(model, described)}
    # Not what the file says of it: files of older versions say nothing.
    said = {name: value for name, value in described.items() if name != "opens_from"}
    click.echo(json.dumps(about | {"opens_from": opens_from(model)} | said, indent=2))

"""kerasfusion export, info."""

import json
from pathlib import Path

import click

from kerasfusion.cli.options import ANY_PATH
from kerasfusion.cli.quiet import import_tensorflow


@click.command()
@click.argument("run_or_model", type=ANY_PATH)
@click.option("--vit", help="The ViT: hf://owner/name or a folder.  [default: what the run was configured with]")
@click.option("--yolo", type=ANY_PATH, help="YOLO's best.pt.  [default: what the run was configured with]")
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
    help="Photos on which it is checked.  [default: the run's validation photos, or drawn scenes]",
)
@click.option("--out", type=ANY_PATH, help="File to write.  [default: beside the model]")
def export(run_or_model: Path, **options):
    """Compose a run's trained parts with ViT and YOLO into fusion.keras, or write that in another format or precision.

    Each file is checked in a process of its own against the float32 model; one that decides otherwise is not kept.

    Example: kerasfusion export runs/roadwork --yolo best.pt --vit weights/roadwork-vit

    Example: kerasfusion export runs/roadwork --format openvino --precision int8
    """
    import_tensorflow()
    from kerasfusion.reporting import table
    from kerasfusion.roadwork.export_run import Request, run

    done = run(Request(run_or_model, **options), lambda line: click.echo(line, err=True))
    if done.rows:
        click.echo(table(done.rows))
    click.echo(f"model: {done.path}")


@click.command()
@click.argument("model", type=ANY_PATH)
def info(model: Path):
    """Say what a model file is: system, classes, inputs, digests, versions, settings.

    Example: kerasfusion info runs/roadwork/fusion.keras
    """
    from kerasfusion.formats.opening import read_description

    click.echo(json.dumps(read_description(model), indent=2))

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
@click.option("--out", type=ANY_PATH, help="File to write.  [default: fusion.keras beside the trained parts]")
def export(run_or_model: Path, vit: str | None, yolo: Path | None, out: Path | None):
    """Compose a run's trained parts with ViT and YOLO into one verified fusion.keras.

    Example: kerasfusion export runs/roadwork --yolo best.pt --vit weights/roadwork-vit
    """
    import_tensorflow()
    from kerasfusion.roadwork.export_run import Request, run

    click.echo(f"model: {run(Request(run_or_model, vit, yolo, out))}")


@click.command()
@click.argument("model", type=ANY_PATH)
def info(model: Path):
    """Say what a model file is: system, classes, inputs, digests, versions, settings.

    Example: kerasfusion info runs/roadwork/fusion.keras
    """
    from kerasfusion.saving import read_description

    click.echo(json.dumps(read_description(model), indent=2))

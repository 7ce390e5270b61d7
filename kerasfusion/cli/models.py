"""kerasfusion export, info."""

import json
from pathlib import Path

import click

from kerasfusion.cli.options import ANY_PATH
from kerasfusion.cli.quiet import import_tensorflow
from kerasfusion.errors import RequestError


@click.command()
@click.argument("run_or_parts", type=ANY_PATH)
@click.option("--vit", "vit_source", help="hf://owner/name or a folder.  [default: what the run was configured with]")
@click.option("--out", type=ANY_PATH, help="File to write.  [default: fusion.keras beside the trained parts]")
def export(run_or_parts: Path, vit_source: str | None, out: Path | None):
    """Compose a run's trained parts with the ViT into one verified fusion.keras.

    Example: kerasfusion export runs/roadwork --vit weights/roadwork-vit
    """
    import_tensorflow()
    from kerasfusion.roadwork.export import FUSION, PARTS
    from kerasfusion.roadwork.export import export as run
    from kerasfusion.roadwork.vit import read_checkpoint
    from kerasfusion.saving import load_model

    path = run_or_parts / PARTS if run_or_parts.is_dir() else run_or_parts
    out = out or path.with_name(FUSION)
    if out.suffix != ".keras":
        raise RequestError("the file's name must end in .keras", where=out)
    parts, description = load_model(path)
    vit = description["config"]["vit"]
    run(parts, description, read_checkpoint(vit_source or vit["weights"], vit["class_names"]), out)
    click.echo(f"model: {out}")


@click.command()
@click.argument("model", type=ANY_PATH)
def info(model: Path):
    """Say what a .keras file is: system, classes, inputs, digests, versions, settings.

    Example: kerasfusion info runs/roadwork/fusion.keras
    """
    from kerasfusion.saving import read_description

    click.echo(json.dumps(read_description(model), indent=2))

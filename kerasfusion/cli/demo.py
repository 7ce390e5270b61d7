"""kerasfusion demo."""

from pathlib import Path

import click

from kerasfusion.cli.options import ANY_PATH
from kerasfusion.cli.quiet import import_tensorflow


@click.command()
@click.argument("system", type=click.Choice(["roadwork", "fume"]), default="roadwork")
@click.option("--out", type=ANY_PATH, help="Folder, made anew.  [default: runs/demo-SYSTEM]")
@click.option("--seed", type=click.IntRange(0), default=42, show_default=True)
def demo(system: str, out: Path | None, seed: int):
    """Do the whole job on generated pictures, offline, in a few minutes.

    Example: kerasfusion demo

    Example: kerasfusion demo fume
    """
    import_tensorflow(onednn=system == "fume")  # most of roadwork's is ViT and YOLO
    out = out or Path("runs") / f"demo-{system}"
    if system == "fume":
        from kerasfusion.fume.demo import run_demo
    else:
        from kerasfusion.roadwork.demo.job import run_demo

    run_demo(out, seed, click.echo)

"""kerasfusion demo."""

from pathlib import Path

import click

from kerasfusion.cli.options import ANY_PATH
from kerasfusion.cli.quiet import import_tensorflow


@click.command()
@click.argument("system", type=click.Choice(["roadwork"]), default="roadwork")
@click.option("--out", type=ANY_PATH, default="runs/demo-roadwork", show_default=True, help="Folder, made anew.")
@click.option("--seed", type=click.IntRange(0), default=42, show_default=True)
def demo(system: str, out: Path, seed: int):
    """Do the whole job on generated photos, offline, in a few minutes.

    Example: kerasfusion demo
    """
    import_tensorflow()
    from kerasfusion.roadwork.demo import run_demo

    run_demo(out, seed, click.echo)

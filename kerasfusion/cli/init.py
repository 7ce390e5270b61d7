"""kerasfusion init."""

from pathlib import Path

import click

from kerasfusion.cli.options import ANY_PATH
from kerasfusion.cli.systems import STARTING_CONFIGS, SYSTEMS


@click.command()
@click.argument("folder", type=ANY_PATH)
@click.option("--system", type=click.Choice(SYSTEMS), default=SYSTEMS[0], show_default=True)
def init(folder: Path, system: str):
    """Write the files to start from into FOLDER: a commented configuration of the system, ready to be edited.

    And what else the guides name: the reference of every key, the tested versions (tools/constraints.txt) and the
    notebook; for fume the ablations, for roadwork the settings of a miner. All stand under the names that they have in
    the guides. Nothing is overwritten.

    Example: kerasfusion init street

    Example: kerasfusion init gas --system fume
    """
    from kerasfusion.shipped import PACKAGE, write_starting_files

    written = write_starting_files(system, folder)
    for path in written:
        click.echo(f"written: {path}")
    if not written:
        click.echo("all of it is there already")
    guide = PACKAGE / system / "README.md"
    click.echo(f"guide: {guide}")
    config = STARTING_CONFIGS[system]
    click.echo(f"next, in {folder}: edit {config}, then kerasfusion doctor -c {config}")

"""kerasfusion miner: the one file inside a streetvision miner, beside it as a service, and on a model hub."""

import click

from kerasfusion.cli.main import LazyCommands

COMMANDS: dict[str, str] = {
    "install": "plugin",
    "uninstall": "plugin",
    "check": "plugin",
    "rehearse": "rehearse",
    "serve": "serve",
    "package": "package",
    "import-legacy": "import_legacy",
}
"""Command -> the module beside this one that holds it."""


@click.group(cls=LazyCommands, modules=COMMANDS, package="kerasfusion.cli.miner")
def miner():
    """Run the one file in a streetvision miner.

    The subnet was paused by its owner in May 2026 (its commit 05b830e): use this offline, on test networks and in
    forks.
    """

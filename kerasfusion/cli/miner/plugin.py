"""kerasfusion miner install, uninstall, check."""

import json
from pathlib import Path

import click

from kerasfusion.cli.options import ANY_PATH, detector_options, json_option

PAUSED = (
    "note: the subnet was paused by its owner in May 2026 (its commit 05b830e); use this offline, on test networks "
    "and in forks"
)


@click.command()
@click.argument("path", type=ANY_PATH)
@click.option("--model", type=ANY_PATH, help="fusion.keras or an export of it; not needed with --service.")
@detector_options
@click.option("--service", "service_url", metavar="URL", help="Ask `kerasfusion miner serve` at URL instead.")
@click.option(
    "--device", type=click.Choice(["cpu", "cuda", "auto"]), default="cpu", show_default=True, help="For miner.env."
)
@click.option("--write-env", is_flag=True, help="Put the three settings into PATH/miner.env.  [default: show them]")
def install(path: Path, **choices):
    """Put a model into a miner's source tree as its detector InceptionFusion.

    PATH is the top folder of a clone of the streetvision subnet (base_miner/ or natix/miner/). A module, its YAML and
    one import line are written; what they replace is kept, and `miner uninstall` brings it back.

    Example: kerasfusion miner install streetvision-subnet --model runs/roadwork/fusion.keras --write-env

    Example: kerasfusion miner install streetvision-subnet --service http://127.0.0.1:8100
    """
    from kerasfusion.reporting import command_line
    from kerasfusion.roadwork.miner.plugin.install import InstallRequest
    from kerasfusion.roadwork.miner.plugin.install import install as put
    from kerasfusion.roadwork.miner.plugin.miner_env import read_env

    request, env = InstallRequest(path, **choices), path / "miner.env"
    had_env = env.exists()
    changed = put(request, lambda line: click.echo(line, err=True))
    for each in changed:
        click.echo(f"written: {each}")
    if not changed:
        click.echo("nothing to change: it is installed like this already")
    if request.write_env and not had_env:
        click.echo(f"note: {env} is new and holds only these lines; wallet, network and port are for you to add:")
        for name, value in request.variables.items():
            click.echo(f"  {name}={value}")
    if not (env.is_file() and request.variables.items() <= read_env(env).items()):
        click.echo(f"miner.env must hold (--write-env puts it into {env}):")
        for name, value in request.variables.items():
            click.echo(f"  {name}={value}")
    if request.service_url and request.model:
        serve = command_line(["kerasfusion", "miner", "serve", request.model])
        click.echo(f"the service, in an environment of its own: {serve}")
    click.echo(PAUSED)
    click.echo(f"next: {command_line(['kerasfusion', 'miner', 'check', path])}")


@click.command()
@click.argument("path", type=ANY_PATH)
def uninstall(path: Path):
    """Take the detector out of a miner's source tree again, and bring back what it replaced.

    Example: kerasfusion miner uninstall streetvision-subnet
    """
    from kerasfusion.roadwork.miner.plugin.install import uninstall as take_out

    for line in take_out(path):
        click.echo(line)


@click.command()
@click.argument("path", type=ANY_PATH)
@click.option("--python", type=ANY_PATH, help="The miner's interpreter.  [default: of PATH/venv or PATH/.venv, if any]")
@click.option("--image", type=ANY_PATH, help="The photo.  [default: a generated one of 1280 x 720]")
@json_option
@click.pass_context
def check(ctx, path: Path, python: Path | None, image: Path | None, as_json: bool):
    """Try the installed detector as the miner would use it. Exit code 1 if it does not answer.

    In the miner's own Python: its registry, its settings, a photo as a validator sends it. Also lists the packages of
    which the miner and kerasfusion ask for versions that cannot be installed together.

    Example: kerasfusion miner check streetvision-subnet --python streetvision-subnet/venv/bin/python
    """
    from dataclasses import asdict

    from kerasfusion.errors import KerasFusionError
    from kerasfusion.roadwork.miner.check.job import as_text
    from kerasfusion.roadwork.miner.check.job import check as try_it

    click.echo("asking the miner's registry for the detector ...", err=True)
    result = try_it(path, python, image)
    click.echo(json.dumps(asdict(result), indent=2, default=str) if as_json else as_text(result))
    if result.error is not None and as_json:
        ctx.exit(1)
    if result.error is not None:
        raise KerasFusionError(f"the detector does not answer:\n{result.error}", where=result.config, todo=result.todo)

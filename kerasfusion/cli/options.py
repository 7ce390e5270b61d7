"""Options that several commands share, and the kinds of value that they take."""

import math
from pathlib import Path

import click

from kerasfusion.errors import RequestError


class FiniteRange(click.FloatRange):
    """A FloatRange that takes neither NaN, which is in every range for click, nor infinity."""

    def convert(self, value, param, ctx):
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number.", param, ctx)
        return number


class LocalPath(click.Path):
    """A path of this machine; an address is refused, which would be a folder named `s3:`."""

    def __init__(self, **options):
        super().__init__(path_type=Path, **options)

    def convert(self, value, param, ctx):
        from kerasfusion.address import is_address

        if is_address(str(value)):
            self.fail(f"{value} is an address; only a path of this machine can be here", param, ctx)
        return super().convert(value, param, ctx)


class ConfigFile(LocalPath):
    """A path that exists; where it does not, what writes one."""

    def convert(self, value, param, ctx):
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            error.message += " (`kerasfusion init FOLDER` writes configurations to start from)"
            raise


class AnyPlace(click.ParamType):
    """A path, or an address such as s3://bucket/folder."""

    name = "path|address"

    def convert(self, value, param, ctx):
        from kerasfusion.address import place

        try:
            return place(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


SHARE = FiniteRange(0, 1, max_open=True)
CONFIG_FILE = ConfigFile(exists=True)
ANY_PATH = LocalPath()
PLACE = AnyPlace()


def config_options(command):
    """--config and --set."""
    command = click.option(
        "settings", "--set", multiple=True, metavar="KEY=VALUE", help="Set a key of the configuration; repeatable."
    )(command)
    return click.option(
        "config_file", "--config", "-c", type=CONFIG_FILE, help="YAML file, such as configs/roadwork.yaml."
    )(command)


def json_option(command):
    """--json."""
    return click.option("as_json", "--json", is_flag=True, help="Print JSON instead of a table.")(command)


def dry_run_options(command):
    """--dry-run, and --json for what it says."""
    command = click.option("as_json", "--json", is_flag=True, help="With --dry-run: print JSON.")(command)
    return click.option(
        "--dry-run",
        is_flag=True,
        help="Only check the request, try a few real steps (up to a minute), and say what all would take.",
    )(command)


def on_option(command):
    """--on."""
    return click.option(
        "--on",
        default="local",
        show_default=True,
        metavar="ADDRESS",
        help="Where to work: local; or on a Ray cluster: auto (this machine is part of it), ray://HOST:10001.",
    )(command)


def refuse_lone_json(dry_run: bool, as_json: bool) -> None:
    """Raise RequestError for --json without --dry-run."""
    if as_json and not dry_run:
        raise RequestError("--json is for --dry-run here", expected="--dry-run --json")


def show_estimate(estimate, as_json: bool) -> None:
    """Print a probe.Estimate."""
    import json

    click.echo(json.dumps(estimate.to_json(), indent=2, ensure_ascii=False) if as_json else estimate.to_text())


def device_option(command):
    """--device."""
    return click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "gpu"]),
        default="auto",
        show_default=True,
        help="Where to compute.",
    )(command)


def detector_options(command):
    """--precision, --tta and --full: how a model is opened."""
    command = click.option(
        "--full", is_flag=True, help="Ask all branches about every photo, also where the model is a cascade."
    )(command)
    command = click.option("--tta", is_flag=True, help="Also ask about the mirrored photo, and average.")(command)
    return click.option(
        "--precision",
        type=click.Choice(["float32", "bfloat16", "int8", "auto"]),
        help="Take the export in this precision that lies beside the model; auto: the fastest on this machine.  "
        "[default: the file that is named]",
    )(command)

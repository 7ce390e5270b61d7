"""The command line: each command reads its settings, calls one function and prints what came of it.

Nothing heavy is imported before a command runs, so that `kerasfusion --help` answers at once.
"""

import errno
import importlib
import io
import sys
from pathlib import Path

import click

from kerasfusion import __version__
from kerasfusion.errors import KerasFusionError

COMMANDS = {
    "init": "init",
    "doctor": "doctor",
    "data": "data",
    "train-yolo": "training",
    "precompute": "training",
    "fit": "training",
    "export": "models",
    "evaluate": "results",
    "report": "report",
    "predict": "results",
    "benchmark": "results",
    "calibrate": "calibrate",
    "info": "models",
    "ablate": "ablate",
    "miner": "miner.group",
    "demo": "demo",
    "completion": "completion",
}
"""Command -> the module beside this one that holds it; the order is that of the work."""


class LazyCommands(click.Group):
    """A group that imports a command's module when the command is asked for.

    Args:
        modules: command -> the module that holds it.
        package: the modules' package.
    """

    def __init__(self, *args, modules: dict[str, str], package: str = "kerasfusion.cli", **options):
        super().__init__(*args, **options)
        self._modules, self._package = modules, package

    def list_commands(self, ctx):
        return list(self._modules)

    def get_command(self, ctx, name):
        if name not in self._modules:
            return None
        module = importlib.import_module(f"{self._package}.{self._modules[name]}")
        return getattr(module, name.replace("-", "_"))


class ReportingErrors(LazyCommands):
    """The outermost group: an error becomes a message and an exit code."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (Exception, KeyboardInterrupt) as error:
            # click itself ends quietly where nobody reads on, as behind `| head`.
            if ctx.params.get("debug") or getattr(error, "errno", None) == errno.EPIPE:
                raise
            message, code = _explain(error)
            click.echo(f"error: {message}", err=True)
            ctx.exit(code)


@click.group(
    cls=ReportingErrors,
    modules=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool):
    """Two fusion systems in Keras.

    roadwork: a ViT, a YOLO classifier and EfficientNetV2 in one file that finds roadwork in street photos. The usual
    order: data import, data split, data check, train-yolo, precompute, fit, evaluate, benchmark, predict.

    fume: plumes in CO2 and CH4 frames and the rumen's state. The usual order: data pair, fit, evaluate, predict,
    ablate.

    `kerasfusion demo` and `kerasfusion demo fume` do all of it on generated pictures.
    """
    # A terminal or pipe that cannot hold a letter of some file's name gets an escape, and the work goes on.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _explain(error: BaseException) -> tuple[str, int]:
    """The message for a person and the exit code: 1 the work failed, 2 the request was wrong."""
    if isinstance(error, KerasFusionError):
        return str(error), error.exit_code
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return "interrupted; what was finished is kept, run the same command again to go on", 1
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"no space left on the disk: {error.filename or ''}\n  what to do: free some space and run it again", 1
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        guide = Path(__file__).parents[1] / "roadwork" / "README.md"
        todo = f"a smaller --batch (see Troubleshooting in {guide})"
        return f"out of memory: {error}\n  what to do: {todo}", 1
    return f"{type(error).__name__}: {error}\n  what to do: `kerasfusion --debug ...` shows where it happened", 1

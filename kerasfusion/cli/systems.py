"""Which of the two systems a saved model is of, and the options that mean nothing to it."""

from pathlib import Path

import click
from click.core import ParameterSource

from kerasfusion.errors import RequestError

STARTING_CONFIGS = {"roadwork": "configs/roadwork.yaml", "fume": "configs/fume/fume_fastscnn.yaml"}
"""{system: the configuration to start from}, as `kerasfusion init` writes it."""

SYSTEMS = tuple(STARTING_CONFIGS)


def system_of_model(model: Path | None) -> str:
    """What the file says of itself; roadwork without a file, or from one that does not say (trained parts).

    Raises:
        RequestError: no such file, or not a model of this program.
    """
    if model is None:
        return SYSTEMS[0]
    from kerasfusion.formats.opening import read_description

    return read_description(model).get("system", SYSTEMS[0])


def refuse_options(ctx: click.Context, names: tuple[str, ...], system: str, todo: str | None = None) -> None:
    """Stop if options of the other system were given.

    Args:
        ctx: of the command.
        names: parameters that mean nothing to this system.
        system: the model's.
        todo: what to give instead.

    Raises:
        RequestError: names all of them.
    """
    given = [name for name in names if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT]
    if given:
        known = {
            param.name: param.opts[0] if param.opts[0].startswith("-") else param.name.upper()
            for param in ctx.command.params
        }
        raise RequestError(
            f"{', '.join(known[name] for name in given)}: not for a {system} model",
            where=ctx.params.get("model"),
            todo=todo or f"kerasfusion {ctx.info_name} --help says which options are for which system",
        )

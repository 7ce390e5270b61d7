"""Which of the two systems a request is about: the configuration says so, and so does every saved model."""

from pathlib import Path

import click
from click.core import ParameterSource

from kerasfusion.errors import RequestError

SYSTEMS = ("roadwork", "fume")


def system_of_config(config_file: Path | None, settings: tuple[str, ...]) -> str:
    """The key `system` of `--set` or the file; without one roadwork, or fume if there is a section `experiment`.

    Raises:
        RequestError: another system, or a file that cannot be read.
    """
    from kerasfusion.config import read_yaml

    tree = read_yaml(config_file) if config_file is not None else {}
    said = tree.get("system", "fume" if "experiment" in tree else SYSTEMS[0])  # the reference's files do not say
    for text in settings:
        key, _, value = text.partition("=")
        if key.strip() == "system":
            said = value.strip()
    if said not in SYSTEMS:
        raise RequestError(f"no system {said!r}", where=config_file or "--set", expected=" or ".join(SYSTEMS))
    return said


def system_of_model(model: Path | None) -> str:
    """What the file says of itself; roadwork without a file, or from one that does not say (trained parts).

    Raises:
        RequestError: no such file, or not a model of this program.
    """
    if model is None:
        return SYSTEMS[0]
    from kerasfusion.formats.opening import read_description

    return read_description(model).get("system", SYSTEMS[0])


def refuse_options(ctx: click.Context, names: tuple[str, ...], system: str) -> None:
    """Stop if options of the other system were given.

    Args:
        ctx: of the command.
        names: parameters that mean nothing to this system.
        system: the model's.

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
            todo=f"kerasfusion {ctx.info_name} --help says which options are for which system",
        )


def read_fume_config(config_file: Path | None, settings: tuple[str, ...], **flags):
    """The FumeConfig; arguments as for `options.read_config`."""
    import warnings

    from kerasfusion.config import load_config, read_yaml
    from kerasfusion.fume.config import WITHOUT_MEANING, FumeConfig

    if config_file is not None and read_yaml(config_file).get("system") == "roadwork":
        raise RequestError(
            "this configuration is of roadwork, and what was asked for is of fume",
            where=config_file,
            expected="a file such as configs/fume/fume_fastscnn.yaml",
        )
    dotted = {name.replace("__", "."): value for name, value in flags.items()}
    with warnings.catch_warnings(record=True) as notices:
        warnings.simplefilter("always")
        config = load_config(FumeConfig, config_file, settings, dotted, WITHOUT_MEANING)
    for notice in notices:
        click.echo(f"note: {notice.message}", err=True)
    return config


def read_config_of(system: str, config_file, settings, flags: dict[str, object], keys: dict[str, dict[str, str]]):
    """The configuration of a system.

    Args:
        system: one of SYSTEMS.
        config_file, settings: as for `options.read_config`.
        flags: what was given on the command line; None was not.
        keys: flag -> {system: the key that it sets}.

    Raises:
        RequestError: a flag of the other system.
    """
    from kerasfusion.cli.options import read_config

    given = {flag: value for flag, value in flags.items() if value is not None}
    if foreign := [flag for flag in given if system not in keys[flag]]:
        raise RequestError(f"--{foreign[0].replace('_', '-')} is not for {system}", where=config_file)
    dotted = {keys[flag][system].replace(".", "__"): value for flag, value in given.items()}
    return (read_fume_config if system == "fume" else read_config)(config_file, settings, **dotted)

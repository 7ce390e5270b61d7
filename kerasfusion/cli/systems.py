"""Which of the two systems a request is about: the configuration says so, and so does every saved model."""

from pathlib import Path

from kerasfusion.errors import RequestError

SYSTEMS = ("roadwork", "fume")


def system_of_config(config_file: Path | None, settings: tuple[str, ...]) -> str:
    """The key `system` of `--set` or the file; roadwork without one.

    Raises:
        RequestError: another system, or a file that cannot be read.
    """
    from kerasfusion.config import read_yaml

    tree = read_yaml(config_file) if config_file is not None else {}
    said = tree.get("system", SYSTEMS[0])
    for text in settings:
        key, _, value = text.partition("=")
        if key.strip() == "system":
            said = value.strip()
    if said not in SYSTEMS:
        raise RequestError(f"no system {said!r}", where=config_file or "--set", expected=" or ".join(SYSTEMS))
    return said


def read_fume_config(config_file: Path | None, settings: tuple[str, ...], **flags):
    """The FumeConfig; arguments as for `options.read_config`."""
    import warnings

    import click

    from kerasfusion.config import load_config
    from kerasfusion.fume.config import WITHOUT_MEANING, FumeConfig

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

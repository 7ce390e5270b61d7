"""The configuration that a request asks for: which system's it is, and its reading under flags and --set."""

from pathlib import Path

import click

from kerasfusion.cli.systems import SYSTEMS
from kerasfusion.errors import RequestError

FROM_INIT = "`kerasfusion init FOLDER` writes configurations to start from"


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


def read_config(config_file: Path | None, settings: tuple[str, ...], **flags):
    """The RoadworkConfig: flag over --set over file over default; a flag's name is its key with __ for the dot.

    Raises:
        RequestError: see `load_config`; or the configuration is one of fume.
    """
    from kerasfusion.config import load_config
    from kerasfusion.roadwork.config import RoadworkConfig

    if system_of_config(config_file, settings) != "roadwork":
        raise RequestError(
            "this configuration is of fume, and what was asked for is of roadwork",
            where=config_file or "--set",
            expected="a file such as configs/roadwork.yaml",
            todo=FROM_INIT,
        )
    dotted = {name.replace("__", "."): value for name, value in flags.items()}
    return load_config(RoadworkConfig, config_file, settings, dotted)


def read_fume_config(config_file: Path | None, settings: tuple[str, ...], **flags):
    """The FumeConfig; arguments as for `read_config`."""
    import warnings

    from kerasfusion.config import load_config, read_yaml
    from kerasfusion.fume.config import WITHOUT_MEANING, FumeConfig

    if config_file is not None and read_yaml(config_file).get("system") == "roadwork":
        raise RequestError(
            "this configuration is of roadwork, and what was asked for is of fume",
            where=config_file,
            expected="a file such as configs/fume/fume_fastscnn.yaml",
            todo=f"{FROM_INIT} with --system fume",
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
        config_file, settings: as for `read_config`.
        flags: what was given on the command line; None was not.
        keys: flag -> {system: the key that it sets}.

    Raises:
        RequestError: a flag of the other system.
    """
    given = {flag: value for flag, value in flags.items() if value is not None}
    if foreign := [flag for flag in given if system not in keys[flag]]:
        raise RequestError(f"--{foreign[0].replace('_', '-')} is not for {system}", where=config_file)
    dotted = {keys[flag][system].replace(".", "__"): value for flag, value in given.items()}
    return (read_fume_config if system == "fume" else read_config)(config_file, settings, **dotted)

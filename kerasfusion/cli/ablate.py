"""kerasfusion ablate."""

import json
from pathlib import Path

import click

from kerasfusion.cli.configuration import FROM_INIT, read_config, read_fume_config, system_of_config
from kerasfusion.cli.options import ANY_PATH, CONFIG_FILE, PLACE, json_option
from kerasfusion.cli.quiet import import_tensorflow
from kerasfusion.errors import RequestError


@click.command()
@click.argument("configs", metavar="[CONFIG]...", nargs=-1, type=ANY_PATH)
@click.option("config_file", "--config", "-c", type=CONFIG_FILE, help="A CONFIG too, such as configs/roadwork.yaml.")
@click.option("settings", "--set", multiple=True, metavar="KEY=VALUE", help="Set a key of every configuration.")
@click.option("--data", type=PLACE, help="roadwork: data.root; fume: data.dataset_root of every run.")
@click.option("--epochs", type=int, help="fume: training.num_epochs of every run.")
@click.option("--batch", type=int, help="fume: training.batch_size of every run.")
@click.option("--seeds", type=click.IntRange(1), help="fume: trainings of each CONFIG, each with another seed.")
@click.option(
    "--out", type=ANY_PATH, help="For table and figures.  [default: runs/ablation; roadwork: the run's folder]"
)
@click.option("--dry-run", is_flag=True, help="fume: say what would run and what it would take.")
@json_option
@click.pass_context
def ablate(
    ctx, configs: tuple[Path, ...], config_file: Path | None, settings: tuple[str, ...], out: Path | None, **options
):
    """Say what the parts of a network are worth.

    roadwork, one CONFIG whose fit is finished: the fusion refitted without each branch, and each branch by itself, on
    the photos of test/ and on their challenges: reward, interval of the difference, milliseconds. A branch that pays
    for nothing is named, with the `fit --without` that leaves it out. No network is trained again; seconds to minutes.

    fume: train and evaluate each CONFIG, and put them side by side: a table and figures in OUT. A CONFIG is a YAML
    file, or a folder with all that are below it (one with the default settings comes first). The others are compared
    with the first. Every run lies in runs_folder/NAME, as `fit` leaves it, and is trained in a process of its own. A
    finished run is not run again; kill it at any point and run it again: it goes on.

    With --seeds 5 each is trained five times, as NAME-seed42 to NAME-seed46, and mean and standard deviation are told.
    Exit code 1 if a run failed; the others are in the table.

    Example: kerasfusion ablate -c configs/roadwork.yaml

    Example: kerasfusion ablate configs/fume --data data/fume --epochs 20
    """
    configs = (*((config_file,) if config_file else ()), *configs)
    if not configs:
        raise RequestError(
            "no configuration is named", expected="kerasfusion ablate -c configs/roadwork.yaml", todo=FROM_INIT
        )
    if configs[0].is_file() and _is_roadworks(configs[0], settings):
        _ablate_roadwork(configs, settings, out, **options)
    else:
        _ablate_fume(ctx, configs, settings, out or Path("runs/ablation"), **options)


def _is_roadworks(file: Path, settings: tuple[str, ...]) -> bool:
    return system_of_config(file, settings) == "roadwork"


def _ablate_roadwork(
    configs: tuple[Path, ...], settings: tuple[str, ...], out: Path | None, data: Path | None, as_json: bool, **others
) -> None:
    if len(configs) > 1:
        raise RequestError(
            "of roadwork one run's branches are weighed at a time",
            where=", ".join(map(str, configs)),
            expected="one CONFIG; those of fume in a call of their own",
        )
    if given := [name for name, value in others.items() if value]:
        raise RequestError(
            f"--{given[0].replace('_', '-')} is not for roadwork: a finished fit is weighed as it is",
            where=configs[0],
            todo="leave it away",
        )
    config = read_config(configs[0], settings, data__root=data)
    import_tensorflow()
    from kerasfusion.roadwork.ablate.job import ablate as run
    from kerasfusion.roadwork.ablate.text import as_text

    found, files = run(config, out, lambda line: click.echo(line, err=True))
    if as_json:
        from dataclasses import asdict

        click.echo(json.dumps(asdict(found) | {"files": [str(path) for path in files]}, indent=2))
        return
    click.echo(as_text(found))
    for path in files:
        click.echo(f"written: {path}")


def _ablate_fume(
    ctx,
    configs: tuple[Path, ...],
    settings: tuple[str, ...],
    out: Path,
    dry_run: bool,
    as_json: bool,
    seeds: int | None,
    **flags,
) -> None:
    read = _read(configs, settings, flags)
    import_tensorflow(onednn=dry_run)  # which trains in this process
    from kerasfusion.files.run_folder import require_folder
    from kerasfusion.fume.ablate.plan import plan_runs
    from kerasfusion.fume.ablate.seeds import with_seeds

    read = with_seeds(read, seeds or 1)

    require_folder(out, *(folder for config in read for folder in (config.run_folder, config.data.frame_cache)))
    runs = plan_runs(read)
    if dry_run:
        _show_plan(runs, as_json)
        return
    from kerasfusion.fume.ablate.job import ablate as run

    result = run(runs, out, lambda line: click.echo(line, err=True), quiet_stdout=as_json, has_seeds=(seeds or 1) > 1)
    if as_json:
        found = {"runs": result.rows, "seeds": result.seeds, "failed": result.failed}
        click.echo(json.dumps({**found, "files": [str(path) for path in result.files]}, indent=2))
    else:
        _show(result)
    ctx.exit(1 if result.failed else 0)


def _read(paths: tuple[Path, ...], settings: tuple[str, ...], flags: dict[str, object]) -> list:
    """The configurations, each file once, all that is wrong with them in one error."""
    from kerasfusion.fume.ablate.configs import changes, list_files

    keys = {"data": "data__dataset_root", "epochs": "training__num_epochs", "batch": "training__batch_size"}
    over = {keys[flag]: value for flag, value in flags.items()}
    usual = read_fume_config(None, settings, **over)
    files, wrong, configs = set(), [], []
    for path in paths:
        found = []
        for file in list_files(path):
            if file.resolve() in files:
                continue
            files.add(file.resolve())
            try:
                found.append(_read_one(file, settings, over))
            except RequestError as error:
                wrong.append(str(error))
        # The network that the others vary stands first, as far as no order was asked for.
        configs += sorted(found, key=lambda config: changes(usual, config) != "") if path.is_dir() else found
    if wrong:
        raise RequestError("\n".join(wrong))
    return configs


def _read_one(file: Path, settings: tuple[str, ...], over: dict[str, object]):
    if _is_roadworks(file, settings):
        raise RequestError(
            "several configurations are run as those of fume, and this configuration is of roadwork",
            where=file,
            expected="a file with `system: fume`, such as those in configs/fume; or this file alone",
        )
    return read_fume_config(file, settings, **over)


def _show_plan(runs: list, as_json: bool) -> None:
    from kerasfusion.fume.ablate.cost import costs_of, total_line
    from kerasfusion.fume.dry_run.ablate import complete_costs
    from kerasfusion.reporting import table

    rows = costs_of(runs)
    trial = complete_costs(runs, rows)
    if as_json:
        measured = {"run": trial.run, "seconds": trial.seconds}
        estimate = {"is_estimate": True, "measured_on": measured, "run_folder_bytes": trial.run_bytes}
        click.echo(json.dumps({"runs": rows, **estimate}, indent=2))
        return
    click.echo(table([{name.replace("_", " "): value for name, value in row.items()} for row in rows], digits=1))
    click.echo(total_line(rows))
    if trial.run is not None:
        click.echo(f"each run's folder takes about {trial.run_bytes / 1e6:.0f} MB and its kept models")
        click.echo(f"an estimate: {trial.run} was tried for {trial.seconds:.0f} s on this machine, as it is busy now")


def _show(result) -> None:
    from kerasfusion.fume.ablate.table import as_seeds_text, as_text, notes_on

    if result.rows:
        click.echo("\n" + as_text(result.rows))
        if result.seeds:
            click.echo("\nmean ± standard deviation over the seeds\n" + as_seeds_text(result.seeds))
        for note in notes_on(result.seeds or result.rows):
            click.echo(note)
        for path in result.files:
            click.echo(f"written: {path}")
    for name, why in result.failed.items():
        click.echo(f"failed: {name}: {why}", err=True)

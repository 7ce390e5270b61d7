"""kerasfusion doctor."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from kerasfusion.cli.configuration import FROM_INIT, read_config, read_fume_config, system_of_config
from kerasfusion.cli.options import config_options, json_option, on_option
from kerasfusion.cli.systems import STARTING_CONFIGS, SYSTEMS
from kerasfusion.errors import RequestError

SHIPPED = {system: Path(name) for system, name in STARTING_CONFIGS.items()}
"""What is looked at without --config, where these files are; else the default settings."""

MARKS = {"ok": "ok      ", "warning": "warning ", "missing": "MISSING "}


@click.command()
@config_options
@on_option
@json_option
@click.pass_context
def doctor(ctx, config_file: Path | None, settings: tuple[str, ...], on: str, as_json: bool):
    """Say what this machine has, what is installed, and what each step of the work still needs.

    With --config (or --set) the steps of that system; else those of both, by the files in configs/ or the default
    settings. Exit code 1 if something must be mended before the configured system can do its work, or, without one,
    before anything can.

    Example: kerasfusion doctor

    Example: kerasfusion doctor -c configs/roadwork.yaml --json

    Example: kerasfusion doctor -c configs/roadwork.yaml --on ray://head:10001
    """
    from kerasfusion.machine.findings import blocks
    from kerasfusion.machine.hardware import GpuCheck, HubCheck, check_folders, has_gpu_driver
    from kerasfusion.machine.packages import check_packages, declared, installed_packages
    from kerasfusion.machine.savings import check_savings

    chosen = config_file is not None or bool(settings)
    systems = (system_of_config(config_file, settings),) if chosen else SYSTEMS
    files = {system: config_file if chosen or not SHIPPED[system].is_file() else SHIPPED[system] for system in systems}
    readers = {"roadwork": read_config, "fume": read_fume_config}
    configs = {system: readers[system](files[system], settings) for system in systems}
    gpu, hub = GpuCheck(), HubCheck()  # they go on while the rest is looked at
    asked, packages = declared(), installed_packages()
    sections = {"packages": [*check_packages(asked, packages), *check_savings(packages, has_gpu_driver())]}
    folders = {system: _folders(system, config) for system, config in configs.items()}
    steps = {}
    for system, config in configs.items():
        findings, rows = _of_system(
            system, config, asked, packages, hub.is_reachable, _own(system, files[system], settings)
        )
        findings = {"folders": check_folders(folders[system]), **findings}
        sections |= {f"{system}: {name}": found for name, found in findings.items()}
        steps[system] = rows
    machine = _machine([folder for named in folders.values() for folder in named.values()])
    sections = {"machine": [*machine, gpu.result(), hub.result()], **_cluster(on, configs), **sections}
    # Of weights the steps say whether they still need them.
    counted = {name: found for name, found in sections.items() if chosen or name in ("machine", "packages", "cluster")}
    findings = [finding for name, found in counted.items() if "weights" not in name for finding in found]
    is_blocked = blocks(findings, [step for rows in steps.values() for step in rows] if chosen else [])
    if as_json:
        shown = {name: [asdict(finding) for finding in section] for name, section in sections.items()}
        rows = {system: [asdict(step) for step in found] for system, found in steps.items()}
        click.echo(json.dumps({"ready": not is_blocked, "findings": shown, "steps": rows}, indent=2))
    else:
        _show(sections, steps)
        ending = "something must be mended first: see MISSING and `no` above" if is_blocked else "nothing is in the way"
        if not chosen and not is_blocked:
            ending = "machine and packages are ready; with -c FILE the steps and weights of that file count too"
            if not any(files.values()):
                ending += "\n" + FROM_INIT
        click.echo(ending)
    ctx.exit(1 if is_blocked else 0)


def _own(system: str, file: Path | None, settings: tuple[str, ...]) -> list[str]:
    """The words by which a command names the configuration."""
    given = settings or (("system=fume",) if file is None and system == "fume" else ())
    return [*(["-c", str(file)] if file else []), *(word for text in given for word in ("--set", text))]


def _of_system(system: str, config, asked, packages, is_reachable, own: list[str]) -> tuple[dict[str, list], list]:
    """Findings and steps of a system."""
    from kerasfusion.trackers.login import check_tracker

    if system == "fume":
        from kerasfusion.fume.dry_run.readiness import list_steps

        return {"tracker": [check_tracker(config.experiment.tracking)]}, list_steps(config, asked, packages, own)
    from kerasfusion.roadwork.dry_run.readiness import list_steps
    from kerasfusion.roadwork.dry_run.weights_at_hand import check_weights

    weights = check_weights(config, is_reachable())
    steps = list_steps(config, weights, asked, packages, own)
    return {"weights": weights, "tracker": [check_tracker(config.tracking)]}, steps


def _folders(system: str, config) -> dict[str, Path]:
    """{key: folder} of what the work writes to."""
    if system == "fume":
        return {"runs_folder": config.run_folder, "data.frame_cache": config.data.frame_cache}
    caches = {"cache.folder": config.cache.folder, "fit.pixel_cache": config.fit.pixel_cache}
    return {
        "runs_folder": config.run_folder,
        **{key: where for key, where in caches.items() if isinstance(where, Path)},
    }


def _cluster(on: str, configs: dict) -> dict[str, list]:
    """Findings on each machine of a cluster, which works for roadwork alone."""
    from kerasfusion.roadwork.cluster.ray_library import LOCAL, refuse_other_address

    refuse_other_address(on)
    if on == LOCAL:
        return {}
    if "roadwork" not in configs:
        raise RequestError("a cluster works for roadwork alone", where=f"--on {on}", expected="system: roadwork")
    from kerasfusion.roadwork.precompute.on_cluster import describe_machines

    return {"cluster": describe_machines(on, configs["roadwork"])}


def _machine(folders: list[Path]) -> list:
    from kerasfusion.machine.hardware import check_cpu, check_disk, check_keras, check_memory

    return [check_cpu(), check_memory(), *check_disk(folders), check_keras()]


def _show(sections: dict[str, list], steps: dict[str, list]) -> None:
    from kerasfusion.reporting import table

    width = max(len(finding.about) for section in sections.values() for finding in section)
    for name, section in sections.items():
        click.echo(f"{name}")
        for finding in section:
            click.echo(f"  {MARKS[finding.status]}{finding.about.ljust(width)}  {finding.found}")
            if finding.todo and finding.status != "ok":
                click.echo(" " * (12 + width) + f"-> {finding.todo}")
        click.echo()
    for system, rows in steps.items():
        click.echo(f"{system}: steps")
        lines = table([asdict(step) for step in rows], ["step", "ready", "missing", "command"]).splitlines()
        click.echo("\n".join(f"  {line}" for line in lines) + "\n")

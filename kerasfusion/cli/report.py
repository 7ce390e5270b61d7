"""kerasfusion report."""

from pathlib import Path

import click

from kerasfusion.cli.options import ANY_PATH, PLACE
from kerasfusion.cli.quiet import import_tensorflow
from kerasfusion.errors import RequestError


@click.command()
@click.argument("runs", metavar="RUN [RUN]", nargs=-1, required=True, type=ANY_PATH)
@click.option("--out", type=ANY_PATH, help="The HTML file.  [default: RUN/report.html; of two: report-A-B.html here]")
@click.option("--data", type=PLACE, help="Where the data are now.  [default: where they were evaluated]")
@click.option("--open", "show", is_flag=True, help="Show it in the browser.")
def report(runs: tuple[Path, ...], out: Path | None, data: Path | None, show: bool):
    """Write what is known of a run, or of two runs side by side, as one HTML file.

    It holds figures, tables and pictures, needs no network, and can be sent or printed as it is.

    Example: kerasfusion report runs/roadwork --open

    Example: kerasfusion report runs/first runs/second --out compared.html
    """
    from kerasfusion.address import Address
    from kerasfusion.files.run_folder import require_folder

    if len(runs) > 2:
        raise RequestError("one run, or two to compare", expected="kerasfusion report RUN [RUN]")
    system = _system_of(runs)
    if system == "fume" and isinstance(data, Address):
        raise RequestError("an address can be that of roadwork photos alone", where=f"--data {data}", expected="a path")
    require_folder(out.parent if out is not None else runs[0] if len(runs) == 1 else Path())
    path = _writer(system, len(runs))(*runs, out, data)
    click.echo(f"report: {path}")
    if show:
        click.launch(str(path.resolve()))


def _system_of(runs: tuple[Path, ...]) -> str:
    from kerasfusion.files.run_files import system_of_run

    systems = {run: system_of_run(run) for run in runs}
    if len(set(systems.values())) > 1:
        raise RequestError(
            "these runs are of different systems",
            where=", ".join(f"{run} ({system})" for run, system in systems.items()),
            expected="two runs of one system",
        )
    return systems[runs[0]]


def _writer(system: str, runs: int):
    """The function that writes a report of so many runs."""
    if system == "fume":
        import_tensorflow()  # what it writes at its start would stand between the lines
        if runs == 1:
            from kerasfusion.fume.report.page import write_report

            return write_report
        from kerasfusion.fume.report.two_runs.comparison import write_comparison

        return write_comparison
    if runs == 1:
        from kerasfusion.roadwork.report.page import write_report

        return write_report
    from kerasfusion.roadwork.report.two_runs.comparison import write_comparison

    return write_comparison

"""What the scripts of both benchmarks do around their measuring: one at a time, rows kept, errors said, a table."""

import json
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import click
import filelock

from bench_peers import machine
from bench_peers.processes import ProcessFailed
from bench_peers.rows import Row, append_csv, as_table, refuse_other_columns
from kerasfusion.errors import KerasFusionError

Result = TypeVar("Result")


def run(work: Path, path: Path, as_json: bool, measure: Callable[[], Sequence[Row]]) -> None:
    """Measure, add the rows to a CSV file and print them; ends this process where that fails.

    Args:
        work: folder that one run uses at a time; made if need be.
        path: the CSV file.
        as_json: print JSON instead of a table.
        measure: gives the rows. A ratio that is not reached is not an error.
    """
    facts = machine.describe()

    def measure_and_add() -> Sequence[Row]:
        refuse_other_columns(path, facts)
        rows = measure()
        append_csv(path, facts, rows)
        return rows

    rows = alone(work, measure_and_add)
    if as_json:
        click.echo(json.dumps({"facts": facts, "rows": [row.to_dict() for row in rows]}, indent=2))
    else:
        click.echo("\n".join(f"{name}: {value}" for name, value in facts.items()))
        click.echo(f"\n{as_table(rows)}\n\nadded to {path}")


def alone(work: Path, job: Callable[[], Result]) -> Result:
    """Do what one run at a time may do in a folder; ends this process, with a sentence, where that fails.

    Args:
        work: the folder; made if need be.
        job: the work.
    """
    work.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(work / ".lock", timeout=0):
            return job()
    except filelock.Timeout:
        click.echo(f"error: another run is using {work}: wait until it ends, or name another folder", err=True)
        sys.exit(2)
    except (KerasFusionError, ProcessFailed) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(getattr(error, "exit_code", 1))
    except KeyboardInterrupt:
        click.echo(f"stopped; what was generated is kept in {work}", err=True)
        sys.exit(130)


def start(command: click.Command) -> None:
    """Run a script's command, taking SIGTERM as Ctrl-C, so that no process is left running."""
    signal.signal(signal.SIGTERM, _interrupt)
    command()


def _interrupt(*_) -> None:
    raise KeyboardInterrupt

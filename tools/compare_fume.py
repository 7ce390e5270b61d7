#!/usr/bin/env python3
"""fume as it is shipped beside the recipe of its reference on plain torch layers: what both learn of the same files.

    .venv/bin/python tools/compare_fume.py
    .venv/bin/python tools/compare_fume.py --data data/fume --seeds 3 --epochs 50

Both sides are trained with the same budget, each training in a process of its own, and asked by the same code about
the same test split. What is finished is kept: run it again, or with more seeds, and it goes on. Needs torch (extra
`yolo`), and hours where the two cores are shared; set OMP_NUM_THREADS=1 there, for torch's threads wait for each other.
"""

import importlib.util
import json
import sys
import tempfile
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # kerasfusion as it is in this checkout

from bench_peers import command, machine  # noqa: E402
from compare_fume.sets import GENERATED, generated_set, given_set  # noqa: E402
from compare_fume.summary import as_table, side_by_side, training_rows  # noqa: E402
from compare_fume.trainings import Budget, Trainings  # noqa: E402
from kerasfusion.cli.synth import Size  # noqa: E402
from kerasfusion.errors import RequestError, install_hint  # noqa: E402
from kerasfusion.files.csv_table import csv_of_dicts  # noqa: E402
from kerasfusion.files.writing import write_text  # noqa: E402

WORK = Path(tempfile.gettempdir()) / "kerasfusion-compare-fume"


@click.command()
@click.option("--sets", type=click.Choice(GENERATED), multiple=True, default=GENERATED, show_default=True)
@click.option("--data", type=click.Path(path_type=Path), help="A folder with paired CSVs instead of generated sets.")
@click.option("--originals", type=click.IntRange(6), default=480, show_default=True, help="Generated, for training.")
@click.option("--seeds", type=click.IntRange(1), default=5, show_default=True, help="Trainings of each side and set.")
@click.option("--epochs", type=click.IntRange(1), default=12, show_default=True)
@click.option("--batch", type=click.IntRange(2), default=8, show_default=True)
@click.option("--size", type=Size(), default="128x96", show_default=True, help="Of the frames, divisible by 8.")
@click.option("--work", type=click.Path(path_type=Path), default=WORK, show_default=True, help="All that is made.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def main(sets, data: Path | None, originals: int, work: Path, as_json: bool, **budget) -> None:
    """Print mean and spread of both sides; keep the rows in WORK/compare_fume.csv and WORK/trainings.csv."""
    width, height = budget["size"]
    if width % 8 or height % 8:
        raise click.BadParameter("expected sides divisible by 8, such as 128x96", param_hint="--size")
    work = work.resolve()

    def compare():
        from kerasfusion.cli.quiet import import_tensorflow

        if importlib.util.find_spec("torch") is None:  # said now, and not after the first training of ours
            raise RequestError("the comparison needs torch, which is not installed", todo=install_hint("yolo"))
        if data is None:
            found = [generated_set(name, work / "sets", originals, budget["size"], _say) for name in sets]
        else:
            found = [given_set(data)]
        import_tensorflow()
        reached = Trainings(work, Budget(**budget), _say).all_of(found)
        rows, trainings = side_by_side(reached), training_rows(reached)
        for name, kept in (("compare_fume", rows), ("trainings", trainings)):
            write_text(work / f"{name}.csv", csv_of_dicts(list(kept[0]), kept))
        return rows, trainings

    rows, trainings = command.alone(work, compare)
    facts = machine.describe() | budget
    if as_json:
        click.echo(json.dumps({"facts": facts, "rows": rows, "trainings": trainings}, indent=2))
        return
    click.echo("\n".join(f"{name}: {value}" for name, value in facts.items()))
    click.echo(f"\n{as_table(rows)}\n\nkept in {work / 'compare_fume.csv'} and {work / 'trainings.csv'}")


def _say(line: str) -> None:
    click.echo(line, err=True)


if __name__ == "__main__":
    command.start(main)

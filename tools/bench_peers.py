#!/usr/bin/env python3
"""kerasfusion beside the stack that a user would pick instead, on the same weights and photos, in one run.

    .venv/bin/python tools/bench_peers.py

The stack: a transformers pipeline on torch, ultralytics' predict, EfficientNetV2-B0 and the fusion head as eager Keras,
one photo at a time; and a training loop with Pillow augmentation and train_on_batch. Both sides take turns, each in
processes of its own. Everything is generated offline. Needs the extras `train`, `yolo` and `dev`, and `export` for
the exports. Expect about ten minutes on two cores.
"""

import sys
import tempfile
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # kerasfusion as it is in this checkout

from bench_peers import command  # noqa: E402
from bench_peers.run import GROUPS, Comparison  # noqa: E402

WORK = Path(tempfile.gettempdir()) / "kerasfusion-bench-peers"


def read_groups(context, option, value: str) -> tuple[str, ...]:
    """The names in --rows."""
    names = tuple(name.strip() for name in value.split(","))
    if strangers := [name for name in names if name not in GROUPS]:
        raise click.BadParameter(f"{', '.join(strangers)}; choose from {','.join(GROUPS)}")
    return names


@click.command()
@click.option("--work", type=click.Path(path_type=Path), default=WORK, show_default=True, help="Kept between runs.")
@click.option("--photos", type=click.IntRange(48), default=192, show_default=True, help="In all; whole shards of 16.")
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True, help="Starts of each process.")
@click.option("--rows", "groups", default=",".join(GROUPS), callback=read_groups, show_default=True)
@click.option("--peer-threads", "threads", type=click.IntRange(0), default=0, help="Of torch.  [default: its own]")
@click.option("--csv", "path", type=click.Path(path_type=Path), help="Rows are added.  [default: WORK/bench_peers.csv]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def main(work: Path, groups: tuple[str, ...], path: Path | None, as_json: bool, **options) -> None:
    """Compare speed, start and memory; print and store the ratios. A ratio that is not reached is not an error."""
    comparison = Comparison(work.resolve(), **options, report=lambda line: click.echo(line, err=True))
    command.run(work, path or work / "bench_peers.csv", as_json, lambda: comparison.measure(groups))


if __name__ == "__main__":
    command.start(main)

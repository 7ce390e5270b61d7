#!/usr/bin/env python3
"""FUME-FastSCNN of kerasfusion beside the same network in plain torch layers, same sizes, in one run.

    .venv/bin/python tools/bench_fume.py

Inference: one pair of frames in, probabilities out, of the `.keras` file and of each export of it; both sides have the
same weights and their answers are compared. Training: steps with AdamW, clipped gradients and the same losses. Both
sides take turns, each in a process of its own. Needs torch and what writes exports (extras `yolo`, `export`); leave the
machine alone meanwhile.
"""

import sys
import tempfile
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # kerasfusion as it is in this checkout

from bench_fume.run import GROUPS, Comparison, Size  # noqa: E402
from bench_peers import command  # noqa: E402

WORK = Path(tempfile.gettempdir()) / "kerasfusion-bench-fume"


def read_sizes(context, option, value: str) -> tuple[Size, ...]:
    """Sizes such as 640x480,320x240."""
    try:
        sizes = [tuple(int(side) for side in text.split("x")) for text in value.split(",")]
    except ValueError:
        sizes = [()]
    if any(len(size) != 2 or min(size) < 8 or size[0] % 8 or size[1] % 8 for size in sizes):
        raise click.BadParameter("expected WIDTHxHEIGHT, divisible by 8, such as 640x480,320x240")
    return tuple(sizes)


@click.command()
@click.option("--rows", "groups", type=click.Choice(GROUPS), multiple=True, default=GROUPS, show_default=True)
@click.option("--inference", default="640x480", callback=read_sizes, show_default=True, help="Size of its frames.")
@click.option("--training", default="640x480,320x240", callback=read_sizes, show_default=True, help="Likewise.")
@click.option("--batch", type=click.IntRange(2), default=8, show_default=True, help="Pairs a training step.")
@click.option("--rounds", type=click.IntRange(1), default=4, show_default=True, help="Turns of each side.")
@click.option("--work", type=click.Path(path_type=Path), default=WORK, show_default=True, help="Weights and logs.")
@click.option("--csv", "path", type=click.Path(path_type=Path), help="Rows are added.  [default: WORK/bench_fume.csv]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def main(groups, inference, training, work: Path, path: Path | None, as_json: bool, **options) -> None:
    """Compare speed; print and store the ratios. A ratio that is not reached is not an error."""
    comparison = Comparison(work.resolve(), **options, report=lambda line: click.echo(line, err=True))
    command.run(work, path or work / "bench_fume.csv", as_json, lambda: comparison.measure(groups, inference, training))


if __name__ == "__main__":
    command.start(main)

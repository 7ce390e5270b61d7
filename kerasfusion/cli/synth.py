"""kerasfusion data synth: generated street scenes, and generated dual-gas frames."""

from pathlib import Path

import click

from kerasfusion.cli.options import ANY_PATH
from kerasfusion.errors import RequestError

DEFAULTS = {
    "roadwork": {"train": 400, "val": 100, "test": 200},
    "fume": {"originals": 300, "copies": 3, "balanced": False, "size": (640, 480), "film": False},
}


class Size(click.ParamType):
    """A width and a height, such as 320x240."""

    name = "WxH"

    def convert(self, value, param, ctx):
        if isinstance(value, tuple):
            return value
        width, _, height = value.lower().partition("x")
        if not (width.isdecimal() and height.isdecimal()):
            self.fail(f"{value!r} is not a width and a height, such as 320x240", param, ctx)
        return int(width), int(height)


@click.command()
@click.argument("system", type=click.Choice(list(DEFAULTS)))
@click.argument("out", type=ANY_PATH)
@click.option("--train", type=click.IntRange(0), help="roadwork: scenes in train/.  [default: 400]")
@click.option("--val", type=click.IntRange(0), help="roadwork: scenes in val/.  [default: 100]")
@click.option("--test", type=click.IntRange(0), help="roadwork: scenes in test/.  [default: 200]")
@click.option("--originals", type=click.IntRange(1), help="fume: filmed moments, split 70/15/15.  [default: 300]")
@click.option("--copies", type=click.IntRange(0), help="fume: augmented copies of each frame.  [default: 3]")
@click.option("--balanced", is_flag=True, default=None, help="fume: as many originals of each state.")
@click.option("--size", type=Size(), help="fume: width and height of the frames.  [default: 640x480]")
@click.option("--film", is_flag=True, default=None, help="fume: a film of each gas, and its truth, instead of a set.")
@click.option("--seed", type=click.IntRange(0), default=42, show_default=True)
def synth(system: str, out: Path, seed: int, **flags):
    """Write a generated set to OUT: street scenes, half of them with roadwork, or frames and masks of two gases.

    \b
    Example: kerasfusion data synth roadwork data/synthetic --train 200
    Example: kerasfusion data synth fume data/gas --originals 120 --size 320x240
    Example: kerasfusion data synth fume data/film --film --size 320x240
    """
    given = {name: value for name, value in flags.items() if value is not None}
    if foreign := [f"--{name}" for name in given if name not in DEFAULTS[system]]:
        raise RequestError(
            f"{', '.join(foreign)}: not for {system}",
            where=f"data synth {system}",
            expected=", ".join(f"--{name}" for name in (*DEFAULTS[system], "seed")),
        )
    if given.pop("film", False):
        _films(out, seed, given)
        return
    chosen = {name: value for name, value in (DEFAULTS[system] | given).items() if name != "film"}
    (_scenes if system == "roadwork" else _plumes)(out, seed, **chosen)


def _scenes(out: Path, seed: int, **counts: int):
    from kerasfusion.roadwork.scenes.street import write_dataset

    files = write_dataset(out, counts, seed)
    click.echo(f"{len(files)} roadwork scenes in {out}")


def _films(out: Path, seed: int, given: dict):
    from kerasfusion.fume.films.synthetic import TRUTH, write_films
    from kerasfusion.fume.plumes.film import FilmPlan

    if foreign := [f"--{name}" for name in given if name != "size"]:
        raise RequestError(
            f"{', '.join(foreign)}: not for films", where="data synth fume --film", expected="--size, --seed"
        )
    plan = FilmPlan(seed=seed, size=given.get("size", DEFAULTS["fume"]["size"]))
    films = write_films(out, plan)
    click.echo(f"{plan.frames} frames each: {', '.join(map(str, films))}; the truth is in {out / TRUTH}")


def _plumes(out: Path, seed: int, originals: int, **choices):
    from kerasfusion.fume.data.annotations import GASES, STATES
    from kerasfusion.fume.plumes.dataset import write_dataset
    from kerasfusion.reporting import table

    splits = write_dataset(out, originals, seed, **choices)
    rows = []
    for split, frames in splits.items():
        row = {"split": split, "originals": len({frame.original_id for frame in frames}), "frames": len(frames)}
        row |= {gas: sum(frame.gas == gas for frame in frames) for gas in GASES}
        rows.append(row | {state: sum(frame.state == state for frame in frames) for state in STATES})
    click.echo(table(rows))
    click.echo(f"{sum(map(len, splits.values()))} frames with masks in {out}")

"""kerasfusion data: import, split, check, suspects, challenge, pair, frames, synth."""

import json
from pathlib import Path

import click

from kerasfusion.cli.options import ANY_PATH, PLACE, SHARE, FiniteRange, json_option, on_option
from kerasfusion.cli.synth import synth


@click.group()
def data():
    """Get photos into train/, val/ and test/, check and distort them; pair the frames of two gases."""


data.add_command(synth)


@data.command("import")
@click.argument("source")
@click.argument("out", type=ANY_PATH)
@click.option("--split", help="Import this split alone.")
@click.option("--update", is_flag=True, help="Take photos and labels that have changed in SOURCE since.")
@click.option("--allow-remote", is_flag=True, help="Fetch images that SOURCE names by an http(s) or hf address.")
@click.option("--follow-links", is_flag=True, help="Follow symbolic links that lead out of SOURCE.")
@json_option
def import_(source: str, out: Path, as_json: bool, **choices):
    """Copy a dataset's photos, bytes unchanged, to OUT/{split}/{no_roadwork,roadwork}/.

    SOURCE is hf:OWNER/NAME[@REVISION], a folder written by datasets.save_to_disk, a Parquet file or a folder of them,
    imagefolder:PATH, or just PATH. Run it again to go on after an interruption.

    Example: kerasfusion data import hf:natix-network-org/roadwork data/raw
    """
    from kerasfusion.roadwork.data.importing.job import import_dataset

    _show(import_dataset(source, out, **choices), as_json)


@data.command()
@click.argument("src", type=ANY_PATH)
@click.argument("out", type=ANY_PATH)
@click.option("--val", type=SHARE, default=0.1, show_default=True, help="Share of val/.")
@click.option("--test", type=SHARE, default=0.1, show_default=True, help="Share of test/.")
@click.option("--seed", type=click.IntRange(0), default=42, show_default=True)
@click.option("--group-regex", help="Its first group, found in a file's name, is the photo's group key.")
@click.option("--group-csv", type=ANY_PATH, help="CSV with the columns path and group.")
@click.option("--group-similar", is_flag=True, help="Nearly identical photos (frames of one drive) stay together.")
@click.option("--labels", type=ANY_PATH, help="CSV of decisions (keep, flip, drop), such as a run's suspects.csv.")
@click.option("--link", is_flag=True, help="Hard links instead of copies.")
@click.option("--follow-links", is_flag=True, help="Also follow symbolic links that lead out of SRC.")
@json_option
def split(src: Path, out: Path, as_json: bool, **choices):
    """Divide the photos of SRC into OUT/train, OUT/val and OUT/test; SRC is only read.

    Stratified by class; identical files and files of one group stay together.

    Example: kerasfusion data split data/raw data/roadwork --group-regex '^(drive[0-9]+)_'
    """
    from kerasfusion.roadwork.data.split_job import split_dataset

    summary = split_dataset(src, out, **choices)
    _show(summary, as_json, summary.rows())


@data.command()
@click.argument("run", type=ANY_PATH)
@click.option("--out", type=ANY_PATH, help="Folder of the two files.  [default: RUN]")
@click.option("--data", type=PLACE, help="Where the photos are now.  [default: where the run had them]")
@click.option("--most", type=click.IntRange(1), default=100, show_default=True, help="Photos on the page.")
@json_option
def suspects(run: Path, as_json: bool, **choices):
    """List the training photos of RUN whose label is probably wrong: suspects.csv, and suspects.html with pictures.

    Classifiers that have not seen a photo are compared with its label (confident learning), the worst first; RUN was
    fitted with fusion.fit_on: all. Nothing is changed: decisions in the CSV are taken by `data split --labels`.

    Example: kerasfusion data suspects runs/roadwork
    """
    from kerasfusion.roadwork.suspects.job import find_suspects

    found = find_suspects(run, **choices)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2))
        return
    click.echo(f"{found.suspects} of {found.photos} training photos have a doubtful label")
    click.echo("branches weigh: " + ", ".join(f"{name} {weight:.2f}" for name, weight in found.skill.items()))
    click.echo(f"table: {found.table}\npage: {found.page}")


@data.command()
@click.argument("root", type=PLACE)
@click.option("--max-pixels", type=click.IntRange(1), help="Largest width x height.  [default: 64,000,000]")
@click.option("--sheet", type=ANY_PATH, help="A PNG to write: the pairs of nearly identical photos, side by side.")
@on_option
@json_option
@click.pass_context
def check(ctx, root: Path, max_pixels: int | None, sheet: Path | None, on: str, as_json: bool):
    """Decode every photo of ROOT and report what would spoil training; exit code 1 if the set can't be used.

    Nearly identical photos (resized, recompressed, cropped a little, brightened, neighbouring frames) are counted.

    Example: kerasfusion data check data/roadwork
    """
    from kerasfusion.roadwork.data.check import check_dataset

    if sheet is not None:
        from kerasfusion.files.run_folder import require_folder

        require_folder(sheet.parent)  # rather than after all the decoding
    limit = {} if max_pixels is None else {"max_pixels": max_pixels}
    result = check_dataset(root, **limit, on=on)
    _show(result, as_json, result.rows())
    if sheet is not None:
        _draw_pairs(root, result.near_copies, sheet, limit)
    ctx.exit(0 if result.usable else 1)


@data.command()
@click.argument("src", type=ANY_PATH)
@click.argument("out", type=ANY_PATH)
@click.option(
    "--layout",
    type=click.Choice(["crop", "letterbox", "plain", "mix"]),
    default="mix",
    show_default=True,
    help="A square part, all between black bars, the photo as it is, or each equally often.",
)
@click.option(
    "--level",
    type=click.Choice(["mix", "0", "1", "2", "3"]),
    default="mix",
    show_default=True,
    help="From undistorted (0) to turned, coarse, noisy and blurred (3), or each equally often.",
)
@click.option("--views", type=click.IntRange(1), default=1, show_default=True, help="Challenges of each photo.")
@on_option
@json_option
@click.pass_context
def challenge(ctx, src: Path, out: Path, layout: str, level: str, views: int, on: str, as_json: bool):
    """Write what a validator may send of the photos of SRC to OUT, as JPEGs in the same split and class folders.

    A photo's challenges are the same on every machine. Run it again to go on after an interruption, or with more views;
    exit code 1 if a photo can't be read. OUT/challenges.csv says what each file is.

    Example: kerasfusion data challenge data/roadwork data/challenges --layout crop --level 3 --views 2
    """
    from kerasfusion.roadwork.challenge.job import write_challenges

    chosen = {"layout": layout, "level": level if level == "mix" else int(level), "views": views}
    result = write_challenges(src, out, **chosen, on=on)
    _show(result, as_json, result.counts)
    ctx.exit(1 if result.unreadable else 0)


@data.command()
@click.argument("root", type=ANY_PATH)
@click.option("--out", type=ANY_PATH, help="Where to write.  [default: ROOT]")
@click.option(
    "--strategy",
    type=click.Choice(["random", "original_based", "augmentation_matched"]),
    default="random",
    show_default=True,
    help="Match any two frames, copies of one original, or copies with one augmentation_id.",
)
@click.option("--seed", type=click.IntRange(0), default=42, show_default=True)
@click.option("--regroup", "regrouping", is_flag=True, help="New splits; all copies of an original in one of them.")
@click.option("--val", type=SHARE, help="Share of the new val split.  [default: 0.15]")
@click.option("--test", type=SHARE, help="Share of the new test split.  [default: 0.15]")
@click.option(
    "--balance-modality",
    "balancing",
    is_flag=True,
    help="The same shares of pairs and single gases in all states: takes pairs apart and leaves frames out.",
)
@click.option(
    "--legend",
    multiple=True,
    metavar="CLASS=VALUE",
    help="What stands for background, tube or gas in the masks: a number, a colour #rrggbb, or an outline's label; "
    "repeatable.",
)
@json_option
def pair(root: Path, out: Path | None, as_json: bool, legend: tuple[str, ...], **choices):
    """Match CO2 with CH4 frames of one pH and class: OUT/paired_{train,val,test}_annotations.csv.

    Reads ROOT/{train,val,test}_annotations.csv, or with --regroup also ROOT/annotations.csv. Every frame is used once;
    those without a partner become single-gas samples. Originals that are in more than one split are reported;
    --regroup writes splits without them to OUT/regrouped_{train,val,test}_annotations.csv.

    Example: kerasfusion data pair data/fume --strategy original_based --regroup
    """
    from kerasfusion.fume.data.pair_job import pair_dataset

    summary = pair_dataset(root, out, masks=_mask_reading(legend), **choices)
    _show(summary, as_json, summary.rows())


@data.command()
@click.argument("film", type=ANY_PATH)
@click.argument("out", type=ANY_PATH)
@click.option("--every", type=FiniteRange(0.001), default=1.0, show_default=True, help="Seconds.")
@click.option("--gas", type=click.Choice(["co2", "ch4"]), help="[default: as FILM's name says]")
@click.option("--ph", type=FiniteRange(0, 14), required=True, help="Of the rumen fluid.")
@click.option(
    "--state", type=click.Choice(["Healthy", "Transitional", "Acidotic"]), required=True, help="Of the rumen."
)
@click.option("--offset", type=FiniteRange(-86_400, 86_400), default=0.0, help="Seconds after the other gas's film.")
@click.option(
    "--rate",
    type=FiniteRange(0, min_open=True),
    help="Frames a second, of TIFFs and of SEQs without times.",
)
@click.option(
    "--masks", type=click.Choice(["png", "json", "coco"]), default="png", show_default=True, help="To be drawn."
)
def frames(film: Path, out: Path, state: str, **choices):
    """Take stills of FILM for annotation: OUT/frames, and their rows in OUT/annotations.csv.

    The films of both gases go into one OUT, one call each. FILM's name without the gas is the original: cow7 of
    cow7_co2.mp4, and where nothing is left, that of its folder: cow7 of cow7/co2.mp4. `data pair --strategy
    original_based` makes pairs of what was filmed at one time, and --regroup keeps all stills of an original in one of
    three splits, so films of at least three cows are needed. Draw the masks at the paths of the rows: PNGs of 0, 1 and
    2, LabelMe's JSON (json), or one JSON of COCO for all (coco).

    Example: kerasfusion data frames cow7_co2.mp4 data/fume --every 0.5 --ph 6.5 --state Healthy
    """
    from kerasfusion.fume.data.annotations import SPLITS, STATES, read_frames
    from kerasfusion.fume.data.gas_names import misnamed
    from kerasfusion.fume.films.extraction import MANIFEST, FramesRequest, extract_frames
    from kerasfusion.reporting import command_line

    if choices["gas"] is not None:
        _warn(misnamed([(choices["gas"], film)]))
    rows = extract_frames(FramesRequest(film, out, class_id=STATES.index(state), **choices))
    click.echo(f"{len(rows)} stills of {film} in {out / 'frames'}, their rows in {out / MANIFEST}")
    originals = len({row.original_id for row in read_frames(out / MANIFEST)})
    if originals < len(SPLITS):
        click.echo(f"take stills of at least {len(SPLITS)} cows into it, one for each split ({originals} so far)")
    then = command_line(["kerasfusion", "data", "pair", str(out), "--regroup", "--strategy", "original_based"])
    click.echo(f"draw their masks, such as {out / rows[0].mask_path}, then: {then}")


def _warn(lines: list[str]) -> None:
    for line in lines:
        click.echo(f"warning: {line}", err=True)


def _mask_reading(legend: tuple[str, ...]):
    """The MaskReading of --legend."""
    from kerasfusion.config import load_config
    from kerasfusion.fume.config_reading import MaskReading
    from kerasfusion.yaml_text import parse_setting_value

    marks: dict[str, list] = {}
    for text in legend:
        name, equals, value = text.partition("=")
        if not equals or not value.strip():
            raise click.BadParameter(f"{text!r} is not CLASS=VALUE, such as gas=255", param_hint="--legend")
        marks.setdefault(name.strip(), []).append(parse_setting_value(value))
    return load_config(MaskReading, flags={"legend": marks} if marks else None)


def _draw_pairs(root: Path, pairs: list[list[str]] | None, sheet: Path, limit: dict[str, int]) -> None:
    """Write the sheet, or say why there is none."""
    from kerasfusion.images.png import write_png
    from kerasfusion.roadwork.data.near_copies import PAIRS_DRAWN, pairs_sheet

    if not pairs:
        click.echo("no sheet was written: there are no nearly identical photos", err=True)
        return
    write_png(sheet, pairs_sheet(root, pairs, **limit))
    some = f"the nearest {PAIRS_DRAWN} of {len(pairs)}" if len(pairs) > PAIRS_DRAWN else f"{len(pairs)}"
    click.echo(f"{some} pairs: {sheet}", err=True)


def _show(result, as_json: bool, rows: list[dict] | None = None):
    if as_json:
        click.echo(json.dumps(result.to_json(), indent=2))
        return
    from kerasfusion.reporting import table

    if rows is None:
        rows = [{"split": name, **counts, "total": sum(counts.values())} for name, counts in result.counts.items()]
    click.echo(table(rows, digits=1))
    for line in getattr(result, "notes", []):
        click.echo(f"note: {line}")
    for line in getattr(result, "warnings", []):
        click.echo(f"warning: {line}")
    for line in getattr(result, "problems", []):
        click.echo(f"problem: {line}")

"""kerasfusion calibrate."""

import json
from pathlib import Path

import click

from kerasfusion.cli.configuration import read_config
from kerasfusion.cli.options import ANY_PATH, PLACE, SHARE, config_options, device_option, json_option
from kerasfusion.cli.quiet import import_tensorflow

DISAGREE = 0.01


@click.command()
@click.argument("model", type=ANY_PATH)
@config_options
@click.option("--data", "data__root", type=PLACE, help="data.root.  [default: what the model was trained with]")
@click.option("--split", default="val", show_default=True, type=click.Choice(["train", "val", "test"]))
@click.option("--batch", type=click.IntRange(1), default=16, show_default=True, help="Photos a forward pass.")
@click.option("--out", type=ANY_PATH, help="File to write.  [default: MODEL-calibrated.keras beside the model]")
@click.option("--undo", is_flag=True, help="Write MODEL-uncalibrated.keras: the model as it was before.")
@click.option("--cascade", is_flag=True, help="Let YOLO and EfficientNetV2 answer alone where they are sure.")
@click.option(
    "--disagree",
    type=SHARE,
    help="With --cascade: the share of decisions that may change for that.  [default: 0.01]",
)
@device_option
@json_option
@click.pass_context
def calibrate(
    ctx, model: Path, config_file, settings, out: Path | None, undo: bool, cascade: bool, as_json: bool, **options
):
    """Put temperature and threshold inside a roadwork model, so that 0.5 is its best cut.

    The subnet's validators round at 0.5. Temperature makes the probabilities of the fusion fit how often it is right;
    the threshold with the highest MCC becomes 0.5, if photos that it was not chosen on show that this pays. The other
    outputs and the order of photos stay as they are. Takes fusion.keras; export the calibrated file for other formats.

    --cascade also gives the file a first stage that spares the ViT: a small head on YOLO and EfficientNetV2, whose
    answer is taken outside a window around 0.5. The window is the narrowest for which the photos show, with 95 %
    confidence, that no more than --disagree of the decisions change. Where there is none nothing is written.

    Example: kerasfusion calibrate runs/roadwork/fusion.keras --data data/roadwork

    Example: kerasfusion calibrate runs/roadwork/fusion.keras --cascade --disagree 0.02

    Example: kerasfusion calibrate runs/roadwork/fusion-calibrated.keras --undo
    """
    from kerasfusion.roadwork.calibrate import job

    def report(line: str) -> None:
        click.echo(line, err=True)

    options["disagree"] = _limit(cascade, options["disagree"])
    if undo:
        _refuse_fitting(ctx)
        job.refuse_model(model, out)
        import_tensorflow()
        out, said = job.undo(model, out), {}
    else:
        job.refuse_model(model, out)
        config = _config(model, config_file, settings, options.pop("data__root"))
        request = job.Request(model=model, config=config, out=out, **options)
        job.refuse_no_cascade(request)
        job.choose_photos(request)
        import_tensorflow()
        out, said = job.run(request, report)
    if as_json:
        click.echo(json.dumps({"model": str(out), "calibration": None} | said, indent=2))
        return
    if said:
        from kerasfusion.roadwork.calibrate.text import as_text

        click.echo(as_text(said["calibration"]))
    if "cascade" in said:
        from kerasfusion.roadwork.cascade.text import taken

        click.echo(taken(said["cascade"]))
    click.echo(f"model: {out}")


def _limit(cascade: bool, disagree: float | None) -> float | None:
    """The share of decisions that may change; None without a cascade."""
    if disagree is not None and not cascade:
        raise click.UsageError("--disagree is for --cascade")
    if disagree == 0:
        raise click.UsageError("--disagree 0: no number of photos shows that no decision ever changes")
    return (disagree or DISAGREE) if cascade else None


def _refuse_fitting(ctx: click.Context) -> None:
    names = ("config_file", "settings", "data__root", "split", "batch", "device", "cascade", "disagree")
    given = [name for name in names if ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT]
    if given:
        raise click.UsageError("--undo fits nothing: leave the options of fitting out")


def _config(model: Path, config_file: Path | None, settings: tuple[str, ...], data: Path | None):
    """The configuration given; where nothing else says where the photos are, the model does."""
    from kerasfusion.formats.opening import read_description

    root = read_description(model).get("config", {}).get("data", {}).get("root")
    if config_file is None and root is not None:
        settings = (f"data.root={json.dumps(root)}", *settings)
    return read_config(config_file, settings, data__root=data)

"""kerasfusion calibrate."""

import json
from pathlib import Path

import click

from kerasfusion.cli.configuration import read_config
from kerasfusion.cli.options import ANY_PATH, config_options, device_option, json_option
from kerasfusion.cli.quiet import import_tensorflow


@click.command()
@click.argument("model", type=ANY_PATH)
@config_options
@click.option("--data", "data__root", type=ANY_PATH, help="data.root.  [default: what the model was trained with]")
@click.option("--split", default="val", show_default=True, type=click.Choice(["train", "val", "test"]))
@click.option("--batch", type=click.IntRange(1), default=16, show_default=True, help="Photos a forward pass.")
@click.option("--out", type=ANY_PATH, help="File to write.  [default: MODEL-calibrated.keras beside the model]")
@click.option("--undo", is_flag=True, help="Write MODEL-uncalibrated.keras: the model as it was before.")
@device_option
@json_option
@click.pass_context
def calibrate(ctx, model: Path, config_file, settings, out: Path | None, undo: bool, as_json: bool, **options):
    """Put temperature and threshold inside a roadwork model, so that 0.5 is its best cut.

    The subnet's validators round at 0.5. Temperature makes the probabilities of the fusion fit how often it is right;
    the threshold with the highest MCC becomes 0.5, if photos that it was not chosen on show that this pays. The other
    outputs and the order of photos stay as they are. Takes fusion.keras; export the calibrated file for other formats.

    Example: kerasfusion calibrate runs/roadwork/fusion.keras --data data/roadwork

    Example: kerasfusion calibrate runs/roadwork/fusion-calibrated.keras --undo
    """
    from kerasfusion.roadwork.calibrate import job

    def report(line: str) -> None:
        click.echo(line, err=True)

    if undo:
        _refuse_fitting(ctx)
        job.refuse_model(model, out)
        import_tensorflow()
        out, said = job.undo(model, out), None
    else:
        job.refuse_model(model, out)
        config = _config(model, config_file, settings, options.pop("data__root"))
        request = job.Request(model=model, config=config, out=out, **options)
        job.choose_photos(request)
        import_tensorflow()
        out, said = job.run(request, report)
    if as_json:
        click.echo(json.dumps({"model": str(out), "calibration": said}, indent=2))
        return
    if said is not None:
        from kerasfusion.roadwork.calibrate.text import as_text

        click.echo(as_text(said))
    click.echo(f"model: {out}")


def _refuse_fitting(ctx: click.Context) -> None:
    names = ("config_file", "settings", "data__root", "split", "batch", "device")
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

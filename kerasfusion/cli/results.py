"""kerasfusion evaluate, predict, benchmark."""

import json
import sys
from pathlib import Path

import click

from kerasfusion.cli.options import ANY_PATH, config_options, detector_options, device_option, json_option, read_config
from kerasfusion.cli.quiet import import_tensorflow
from kerasfusion.errors import RequestError


@click.command()
@click.argument("model", type=ANY_PATH, required=False)
@config_options
@click.option("--data", "data__root", type=ANY_PATH, help="data.root: the imagefolder.")
@click.option("--split", default="test", show_default=True, type=click.Choice(["train", "val", "test"]))
@click.option("--vit", "vit__weights", help="vit.weights, for --default-only.")
@click.option("--cache", "cache__folder", type=ANY_PATH, help="cache.folder, for trained_parts.keras.")
@click.option("--default-only", is_flag=True, help="Evaluate the ViT alone, without any model of ours.")
@click.option("--no-default", is_flag=True, help="Leave out the ViT's own answers.")
@click.option("--max-samples", type=click.IntRange(1), help="A random part of the split.")
@click.option("--batch", type=click.IntRange(1), default=16, show_default=True)
@click.option("--out", type=ANY_PATH, help="Folder for metrics.json and figures/.  [default: the model's run folder]")
@detector_options
@device_option
@json_option
def evaluate(model: Path | None, config_file, settings, as_json: bool, **options):
    """Compare the fusion with its branches and with the default ViT on a split, by the subnet's own metrics.

    Example: kerasfusion evaluate runs/roadwork/fusion.keras --data data/roadwork
    """
    if options["vit__weights"] and not options["default_only"]:
        raise click.UsageError("--vit is for --default-only: a model of ours holds its ViT")
    _load_libraries(model)
    from kerasfusion.roadwork import evaluation_run
    from kerasfusion.roadwork.evaluation_run import Request

    keys = ("data__root", "vit__weights", "cache__folder")
    config = read_config(config_file, settings, **{key: options.pop(key) for key in keys})
    result = evaluation_run.run(Request(model=model, config=config, **options), lambda line: click.echo(line, err=True))
    if as_json:
        click.echo(json.dumps({result.split: result.report}, indent=2))
    else:
        click.echo(evaluation_run.as_text(result))


@click.command()
@click.argument("model", type=ANY_PATH)
@click.argument("images", nargs=-1, required=True)
@detector_options
@click.option("--batch", type=click.IntRange(1), default=8, show_default=True)
@device_option
@click.option("as_json", "--json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def predict(ctx, model: Path, images: tuple[str, ...], batch: int, as_json: bool, device: str, **options):
    """Print P(roadwork) of each image, with what each branch says.

    IMAGES are files, folders, or - for one image on standard input. Exit code 1 if one could not be read.

    Example: kerasfusion predict runs/roadwork/fusion.keras photo.jpg
    """
    from kerasfusion.roadwork.predict import list_images
    from kerasfusion.roadwork.predict import predict as answer

    names = list_images(images)
    failed, width = 0, max(len(name) for name in names)
    for result in answer(_open(model, device, **options), names, sys.stdin.buffer, batch):
        failed += result.error is not None
        click.echo(json.dumps(result.to_json()) if as_json else result.to_line(width))
    ctx.exit(1 if failed else 0)


@click.command()
@click.argument("model", type=ANY_PATH)
@detector_options
@click.option("--image", type=ANY_PATH, help="The photo.  [default: a generated one of 1280 x 720]")
@click.option("--runs", type=click.IntRange(1), default=50, show_default=True)
@click.option("--warmup", type=click.IntRange(0), default=5, show_default=True)
@device_option
@json_option
def benchmark(model: Path, image: Path | None, runs: int, warmup: int, as_json: bool, device: str, **options):
    """Time one photo at a time: decode, preprocess, forward; warn if p99 is over the validator's 9 s.

    Example: kerasfusion benchmark runs/roadwork/fusion.keras --image photo.jpg
    """
    from kerasfusion.roadwork import latency

    result = latency.measure_latency(lambda: _open(model, device, **options), image, runs, warmup)
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        click.echo(latency.as_text(result))
    if not result["within_timeout"]:
        click.echo("warning: p99 is over 9 s; a validator would not wait for this answer", err=True)


def _open(model: Path, device: str, **options):
    _load_libraries(model)
    from kerasfusion.roadwork.detector import open_detector

    if model.suffix == ".keras":
        from kerasfusion.device import select_device

        select_device(device)
    elif device == "gpu":
        raise RequestError("only a .keras file computes on a GPU", where=model)
    return open_detector(model, **options)


def _load_libraries(model: Path | None) -> None:
    """Load TensorFlow, which takes seconds, for what needs it: a `.keras` file that is there, or the ViT alone."""
    if model is None:
        import_tensorflow()
    elif model.suffix == ".keras":
        from kerasfusion.saving import read_description

        read_description(model)
        import_tensorflow()

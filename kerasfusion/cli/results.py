"""kerasfusion evaluate, predict, benchmark."""

import json
import sys
from pathlib import Path

import click

from kerasfusion.cli.configuration import read_config
from kerasfusion.cli.options import (
    ANY_PATH,
    PLACE,
    FiniteRange,
    config_options,
    detector_options,
    device_option,
    json_option,
    on_option,
)
from kerasfusion.cli.quiet import load_libraries
from kerasfusion.cli.systems import refuse_options, system_of_model

ROADWORK_BATCH = 16
DAY = 86_400
"""Seconds."""
_ROADWORK_EVALUATE = ("default_only", "no_default", "vit__weights", "cache__folder", "precision", "tta", "full", "on")
_FILM = ("offset", "rate", "scale", "camera", "gas")
_FUME_PREDICT = ("co2", "ch4", "pairs", "data", "out", "overlays", "frame_range", "flips", *_FILM)


def _gas_options(command):
    """--co2 and --ch4."""
    for gas in ("ch4", "co2"):
        command = click.option(f"--{gas}", type=ANY_PATH, help=f"fume: the {gas.upper()} frame, a folder, or a film.")(
            command
        )
    return command


def _flips_option(command):
    return click.option(
        "--flips", is_flag=True, help="fume: the mean of the frames and their mirrored copies; takes twice as long."
    )(command)


@click.command()
@click.argument("model", type=ANY_PATH, required=False)
@config_options
@click.option("--data", "data__root", type=PLACE, help="The data: data.root, or data.dataset_root of fume.")
@click.option("--split", default="test", show_default=True, type=click.Choice(["train", "val", "test"]))
@click.option("--vit", "vit__weights", help="vit.weights, for --default-only.")
@click.option(
    "--cache", "cache__folder", type=PLACE, help="cache.folder, for trained_parts.keras and models without ViT."
)
@click.option("--default-only", is_flag=True, help="Evaluate the ViT alone, without any model of ours.")
@click.option("--no-default", is_flag=True, help="Leave out the ViT's own answers.")
@click.option("--max-samples", type=click.IntRange(1), help="A random part of the split.")
@click.option("--batch", type=click.IntRange(1), help="[default: 16; fume: validation.batch_size]")
@click.option("--panels", type=click.IntRange(0), default=12, show_default=True, help="fume: samples that are drawn.")
@click.option("--save-masks", is_flag=True, help="fume: write the predicted masks.")
@_flips_option
@click.option("--out", type=ANY_PATH, help="Folder for metrics.json and figures/.  [default: the model's run folder]")
@detector_options
@device_option
@on_option
@json_option
@click.pass_context
def evaluate(
    ctx,
    model: Path | None,
    config_file,
    settings,
    as_json: bool,
    panels: int,
    save_masks: bool,
    flips: bool,
    **options,
):
    """Measure a model on a split.

    roadwork: the fusion against its branches and the default ViT, by the subnet's own metrics. fume: masks and states,
    as the samples are and with each gas alone; without --config, by the settings that the network was trained with.

    Example: kerasfusion evaluate runs/roadwork/fusion.keras --data data/roadwork
    """
    _require_kept(options["out"], model)
    if system_of_model(model) == "fume":
        refuse_options(ctx, _ROADWORK_EVALUATE, "fume")
        from kerasfusion.cli import fume_results

        data = options.pop("data__root")
        chosen = {name: value for name, value in options.items() if name not in _ROADWORK_EVALUATE}
        chosen |= {"panels": panels, "save_masks": save_masks, "flips": flips}
        fume_results.evaluate(model, config_file, settings, data, as_json, **chosen)
        return
    refuse_options(ctx, ("panels", "save_masks", "flips"), "roadwork")
    options["batch"] = options["batch"] or ROADWORK_BATCH
    if options["vit__weights"] and not options["default_only"]:
        raise click.UsageError(
            "--vit is for --default-only: a model of ours holds its ViT, or has its answers in the branch cache"
        )
    keys = ("data__root", "vit__weights", "cache__folder")
    config = read_config(config_file, settings, **{key: options.pop(key) for key in keys})
    model = _choose(model, options.pop("precision"))
    load_libraries(model)
    from kerasfusion.roadwork.evaluate import job
    from kerasfusion.roadwork.evaluate.job import Request

    result = job.run(Request(model=model, config=config, **options), lambda line: click.echo(line, err=True))
    if as_json:
        click.echo(json.dumps({result.split: result.report} | result.challenges, indent=2))
    else:
        click.echo(job.as_text(result))


@click.command()
@click.argument("model", type=ANY_PATH)
@click.argument("images", nargs=-1)
@detector_options
@_gas_options
@click.option("--pairs", type=ANY_PATH, help="fume: a paired CSV instead; its masks and states are not read.")
@click.option("--data", type=ANY_PATH, help="fume: what the paths of --pairs are relative to.  [default: its folder]")
@click.option("--out", type=ANY_PATH, help="fume: folder for the masks.  [default: none are written]")
@click.option("--overlays", is_flag=True, help="fume: also draw each answer over its frames.")
@_flips_option
@click.option(
    "--frame-range",
    type=(float, float),
    help="fume: the counts or degrees that become black and white, for a network trained on pictures of 8 bits.",
)
@click.option("--offset", type=FiniteRange(-DAY, DAY), help="Films: seconds by which CH4 began after CO2.")
@click.option(
    "--rate",
    type=FiniteRange(0, min_open=True),
    help="Films: frames a second, of TIFFs and of SEQs without times.",
)
@click.option("--scale", type=FiniteRange(0, min_open=True), help="Films: mm that a pixel is wide, for areas in mm2.")
@click.option("--camera", help="Live: a camera's number or name, a device, a pipe, or an address (rtsp://...).")
@click.option("--gas", type=click.Choice(["co2", "ch4"]), help="Live: what the camera films.")
@click.option("--batch", type=click.IntRange(1), default=8, show_default=True)
@device_option
@on_option
@click.option("as_json", "--json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def predict(ctx, model: Path, images: tuple[str, ...], batch: int, as_json: bool, device: str, on: str, **options):
    """Print what a model says of images. Exit code 1 if one could not be read.

    roadwork: P(roadwork) of each of IMAGES (files, folders, or - for standard input), with what each branch says; of a
    cascade also which stage answered, and only the branches that were asked. fume:
    the rumen's state and each gas's plume, of a frame of each gas (--co2, --ch4), of one alone, of two folders with
    frames of the same names, or of a paired CSV; of films, moment by moment, into a table, a figure and a film; of a
    camera, frame by frame until Ctrl-C.

    Example: kerasfusion predict runs/roadwork/fusion.keras photo.jpg

    Example: kerasfusion predict runs/fume/fume.keras --co2 co2.png --ch4 ch4.png --out predicted

    Example: kerasfusion predict runs/fume/fume.keras --co2 co2.mp4 --ch4 ch4.mp4 --out film

    Example: kerasfusion predict runs/fume/fume.keras --camera 0 --gas co2 --out live
    """
    given = {name: options.pop(name) for name in _FUME_PREDICT}
    if system_of_model(model) == "fume":
        by_gas = "name frames, folders or films by their gas: --co2 FRAME, --ch4 FRAME or both; or --pairs CSV"
        refuse_options(ctx, ("images",), "fume", by_gas)
        refuse_options(ctx, ("precision", "tta", "full", "on"), "fume")
        from kerasfusion.cli import fume_results

        ctx.exit(0 if fume_results.predict(model, **given, batch=batch, device=device, as_json=as_json) else 1)
    refuse_options(ctx, _FUME_PREDICT, "roadwork")
    if not images:
        raise click.UsageError("Missing argument 'IMAGES...'.")
    from kerasfusion.formats.opening import read_description
    from kerasfusion.roadwork.cluster.ray_library import LOCAL, refuse_other_address
    from kerasfusion.roadwork.detect.predict import list_images

    refuse_other_address(on)
    names = list_images(images)
    failed, width = 0, max(len(name) for name in names)
    model, tta, full = _choose(model, options["precision"]), options["tta"], options["full"]
    if on == LOCAL:
        from kerasfusion.roadwork.detect.predict import predict as answer

        results = answer(_open(model, device, tta, full), names, sys.stdin.buffer, batch)
    else:
        from kerasfusion.roadwork.detect.on_cluster import predict_on_cluster

        results = predict_on_cluster(on, model, names, batch, tta, device, full)
    staged = not full and "cascade" in read_description(model)
    for result in results:
        failed += result.error is not None
        click.echo(json.dumps(result.to_json()) if as_json else result.to_line(width, staged))
    ctx.exit(1 if failed else 0)


@click.command()
@click.argument("model", type=ANY_PATH, required=False)
@detector_options
@click.option("--from-env", type=ANY_PATH, help="roadwork: a miner's miner.env in place of MODEL, for what it starts.")
@click.option("--image", type=ANY_PATH, help="roadwork: the photo.  [default: a generated one of 1280 x 720]")
@_gas_options
@click.option("--runs", type=click.IntRange(1), default=50, show_default=True)
@click.option("--warmup", type=click.IntRange(0), default=5, show_default=True)
@device_option
@json_option
@click.pass_context
def benchmark(ctx, model: Path | None, from_env: Path | None, as_json: bool, device: str, **options):
    """Time one photo, or one pair of frames, at a time: decode, preprocess, forward.

    roadwork: warns if p99 is over the validator's 9 s. fume: without --co2 and --ch4, generated frames of 640 x 480.

    Example: kerasfusion benchmark runs/roadwork/fusion.keras --image photo.jpg

    Example: kerasfusion benchmark --from-env streetvision-subnet/miner.env
    """
    gases = {gas: options.pop(gas) for gas in ("co2", "ch4")}
    if (model is None) == (from_env is None):
        raise click.UsageError("either MODEL or --from-env")
    if system_of_model(model) == "fume":
        refuse_options(ctx, ("image", "precision", "tta", "full"), "fume")
        from kerasfusion.cli import fume_results

        timing = {name: options[name] for name in ("runs", "warmup")}
        fume_results.benchmark(model, **gases, **timing, device=device, as_json=as_json)
        return
    refuse_options(ctx, tuple(gases), "roadwork")
    from kerasfusion.roadwork.detect import latency

    latency.require_photo(options["image"])
    precision, tta, full = (options.pop(name) for name in ("precision", "tta", "full"))
    if from_env is not None:
        if precision or tta or full or device != "auto":
            raise click.UsageError(
                "--from-env: precision, tta and full are in the miner's YAML, the device in miner.env"
            )
        from kerasfusion.roadwork.miner.check.latency import measure_miner

        result = measure_miner(from_env, **options, before_opening=load_libraries)
    else:
        model = _choose(model, precision)
        result = latency.measure_latency(lambda: _open(model, device, tta, full), **options)
        _keep_latency(model, result | {"device": device, "tta": tta})
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        click.echo(latency.as_text(result))
    if not result["within_timeout"]:
        click.echo("warning: p99 is over 9 s; a validator would not wait for this answer", err=True)


def _keep_latency(model: Path, result: dict) -> None:
    """Note a measurement in the model's run folder, for `report`."""
    from kerasfusion.files.run_files import record_latency

    if path := record_latency(model, result):
        click.echo(f"kept in {path}", err=True)


def _require_kept(out: Path | None, model: Path | None) -> None:
    """Check, before the work, that what an evaluation keeps can be written."""
    from kerasfusion.files.run_files import run_folder_of
    from kerasfusion.files.run_folder import require_folder

    folder = out or (run_folder_of(model) if model is not None else None)
    if folder is not None:
        require_folder(folder)


def _choose(model: Path | None, precision: str | None) -> Path | None:
    """The file that lies beside the model in this precision; without one, the model itself."""
    if model is None or precision is None:
        return model
    from kerasfusion.roadwork.detect.precision import choose_file

    return choose_file(model, precision, lambda line: click.echo(line, err=True))


def _open(model: Path, device: str, tta: bool, full: bool):
    load_libraries(model)
    from kerasfusion.machine.device import use_device
    from kerasfusion.roadwork.detect.detector import open_detector

    use_device(model, device)
    return open_detector(model, tta, full=full)

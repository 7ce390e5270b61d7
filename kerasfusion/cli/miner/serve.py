"""kerasfusion miner serve."""

from functools import partial
from pathlib import Path

import click

from kerasfusion.cli.options import ANY_PATH, FiniteRange, detector_options, device_option
from kerasfusion.cli.quiet import import_tensorflow
from kerasfusion.cli.systems import system_of_model
from kerasfusion.errors import RequestError


@click.command()
@click.argument("model", type=ANY_PATH)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 is all of them.")
@click.option("--port", type=click.IntRange(0, 65535), default=8100, show_default=True, help="0 takes a free one.")
@detector_options
@device_option
@click.option(
    "--queue", type=click.IntRange(1), default=64, show_default=True, help="Requests at a time; further ones get 429."
)
@click.option("--batch", type=click.IntRange(1), default=8, show_default=True, help="Photos a forward pass at most.")
@click.option(
    "--batch-wait-ms", type=FiniteRange(0), default=4, show_default=True, help="How long a photo waits for others."
)
@click.option(
    "--deadline",
    "deadline_s",
    type=FiniteRange(0, min_open=True),
    default=8,
    show_default=True,
    help="Seconds until a request gets 504; a validator waits 9.",
)
@click.option(
    "--read-timeout",
    "read_s",
    type=FiniteRange(0, min_open=True),
    default=5,
    show_default=True,
    help="Seconds in which the head of a request must arrive, and then its body.",
)
@click.option("--max-bytes", type=click.IntRange(1), default=10_000_000, show_default=True, help="Largest body.")
@click.option(
    "--max-pixels",
    type=click.IntRange(1, 178_000_000),  # Pillow itself refuses more
    default=64_000_000,
    show_default=True,
    help="Largest photo, width x height.",
)
@click.option("--cache", type=click.IntRange(0), default=0, show_default=True, help="Answers that are remembered.")
@click.option(
    "--spare/--no-spare",
    default=True,
    show_default=True,
    help="Keep a second process with the model open, which takes the place of one that ends.",
)
@click.option("--access-log", is_flag=True, help="Write a line a request.")
def serve(model: Path, precision: str | None, **options):
    """Answer photos over HTTP until Ctrl-C or SIGTERM; with a page for a person at /.

    POST /v1/detect takes a photo as image/jpeg or image/png, as one file of a form, or as JSON {"image": base64}.
    GET /healthz, /readyz and /metrics are for what watches the service. There is no authentication.

    Example: kerasfusion miner serve runs/roadwork/fusion.keras --port 8100
    """
    if system_of_model(model) == "fume":
        raise RequestError("this is a fume model; the service answers photos", where=model, todo="name fusion.keras")
    from kerasfusion.roadwork.service.serve import serve as run
    from kerasfusion.roadwork.service.settings import ServiceSettings

    report = partial(click.echo, err=True)
    if precision is not None:
        from kerasfusion.roadwork.detect.precision import choose_file

        model = choose_file(model, precision, report)
    prepare = import_tensorflow if model.suffix == ".keras" else None
    run(ServiceSettings(model, **options), prepare, report=click.echo, warn=report)

"""kerasfusion miner rehearse."""

import json
from pathlib import Path

import click

from kerasfusion.cli.options import ANY_PATH, device_option, json_option
from kerasfusion.cli.quiet import load_libraries


@click.command()
@click.argument("model", type=ANY_PATH, required=False)
@click.option(
    "--data",
    type=ANY_PATH,
    required=True,
    help="Photos: a folder with no_roadwork/ and roadwork/, or a data set, whose test/ is taken.",
)
@click.option(
    "--layout",
    type=click.Choice(["crop", "letterbox", "plain", "mix"]),
    default="mix",
    show_default=True,
    help="How the validator cuts a photo.",
)
@click.option("--challenges", type=click.IntRange(100), default=1000, show_default=True, help="Of one rehearsal.")
@click.option("--repeats", type=click.IntRange(2), default=20, show_default=True, help="Rehearsals.")
@click.option("--seed", type=click.IntRange(0), default=42, show_default=True)
@click.option("--service", "service_url", metavar="URL", help="Ask `kerasfusion miner serve` at URL.")
@click.option("--from-env", "env", type=ANY_PATH, help="A miner's miner.env in place of MODEL, for what it starts.")
@click.option("--out", type=ANY_PATH, help="Folder for rehearsal.json and figures/.  [default: the model's run folder]")
@device_option
@json_option
def rehearse(model: Path | None, as_json: bool, **options):
    """Rehearse the subnet's loop: challenges as a validator makes them of photos, half of them roadwork, and after each
    answer the reward that it would pay.

    Beside the reward of the fusion stands that of the default ViT, as the model holds it. Each challenge is asked once;
    the repeats draw labels, challenges and their order from the answers. A service is asked by the client that the
    miner's plug-in has, and lost answers are counted by their reasons; with MODEL, it must answer with that file.

    Example: kerasfusion miner rehearse runs/roadwork/fusion.keras --data data/roadwork/test

    Example: kerasfusion miner rehearse --from-env streetvision-subnet/miner.env --data data/roadwork/test --layout crop
    """
    elsewhere = [name for name in ("service_url", "env") if options[name] is not None]
    if len(elsewhere) > 1 or (model is not None and options["env"] is not None):
        raise click.UsageError(
            "one of MODEL, --service and --from-env (MODEL beside --service says which file is there)"
        )
    if model is None and not elsewhere:
        raise click.UsageError("either MODEL, --service or --from-env")
    if elsewhere and options["device"] != "auto":
        raise click.UsageError("--device is for MODEL: where a miner computes is in its miner.env")
    from dataclasses import asdict

    from kerasfusion.roadwork.miner.rehearse import job
    from kerasfusion.roadwork.miner.rehearse.text import as_text

    request = job.Request(model=model, **options)
    found = job.rehearse(request, lambda line: click.echo(line, err=True), load_libraries)
    click.echo(json.dumps(asdict(found), indent=2) if as_json else as_text(found))

"""kerasfusion miner package."""

import json

import click

from kerasfusion.cli.options import ANY_PATH, json_option


@click.command()
@click.argument("model", type=ANY_PATH)
@click.option("--out", type=ANY_PATH, required=True, help="Folder: new, empty, or one that this command made.")
@click.option("--name", required=True, help="The model's name.")
@click.option("--version", required=True, metavar="X.Y.Z", help="Of the model.")
@click.option("--submitted-by", required=True, metavar="HOTKEY", help="SS58 address of the hotkey.")
@click.option("--description", help="One line.  [default: which branches are fused]")
@click.option(
    "--licence",
    default="agpl-3.0",
    show_default=True,
    help="As the hub spells it; the default is what ultralytics' vendor wants of models trained with it.",
)
@click.option("--evaluation", type=ANY_PATH, help="metrics.json of this file.  [default: the one beside the model]")
@click.option("--push", metavar="OWNER/NAME", help="Also upload it to this repository on the Hugging Face hub.")
@click.option("--private", is_flag=True, help="Make the repository private.")
@json_option
def package(push: str | None, private: bool, as_json: bool, **choices):
    """Make a folder for a model hub: the model, README.md and model_card.json.

    model_card.json is what the subnet's validators read, and says validated: true only if `evaluate` measured this
    very file on test/. Without --push nothing leaves this machine. The subnet was paused by its owner in May 2026 (its
    commit 05b830e): this is for offline use, test networks and forks.

    Example: kerasfusion miner package runs/roadwork/fusion.keras --out hub --name fusion --version 1.0.0
    --submitted-by 5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY
    """
    from kerasfusion.files.run_folder import require_folder
    from kerasfusion.reporting import command_line
    from kerasfusion.roadwork.miner.hub import upload
    from kerasfusion.roadwork.miner.hub.folder import Request, make_folder

    if push is not None:
        upload.refuse_wrong_repository(push)
    elif private:
        raise click.UsageError("--private is for --push")
    require_folder(choices["out"])
    made = make_folder(Request(**choices), lambda line: click.echo(line, err=True))
    url = None
    if push is not None:
        said = made.model_card
        url = upload.push(made.folder, made.files, push, private, f"{said['model_name']} {said['version']}")
    if as_json:
        done = {"folder": str(made.folder), "files": made.files, "model_card": made.model_card, "url": url}
        click.echo(json.dumps(done | {"not_evaluated": made.evidence.missing}, indent=2))
        return
    for name in made.files:
        click.echo(f"written: {made.folder / name}")
    if made.evidence.missing:
        click.echo(f"validated: no, {made.evidence.missing}")
        evaluate = command_line(["kerasfusion", "evaluate", choices["model"], "--out", "FOLDER"])
        click.echo(f"  to have it so: {evaluate}, then --evaluation FOLDER/metrics.json")
    else:
        click.echo("validated: yes, this file was evaluated, and it answered in a process of its own")
    click.echo(f"uploaded: {url}" if url else "nothing was uploaded (--push OWNER/NAME does that)")

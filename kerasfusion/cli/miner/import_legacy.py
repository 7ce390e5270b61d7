"""kerasfusion miner import-legacy."""

from pathlib import Path

import click

from kerasfusion.cli.options import ANY_PATH
from kerasfusion.cli.quiet import import_tensorflow


@click.command("import-legacy")
@click.argument("folder_or_yaml", type=ANY_PATH)
@click.option("--yolo", type=ANY_PATH, help="YOLO's best.pt.  [default: what the YAML names]")
@click.option("--vit", help="The ViT, hf://owner/name or a folder.  [default: what the YAML names]")
@click.option(
    "--vit-classes",
    metavar="NAME,NAME",
    help="Names of the ViT's outputs in order, such as None,Roadwork; needed for a keras-hub preset.",
)
@click.option(
    "--roadwork-class-index",
    type=click.IntRange(0),
    help="Column of YOLO's answer that stands for roadwork.  [default: what the YAML says, else 1]",
)
@click.option("--out", type=ANY_PATH, help="File to write.  [default: fusion.keras in the folder]")
def import_legacy(
    folder_or_yaml: Path,
    yolo: Path | None,
    vit: str | None,
    vit_classes: str | None,
    roadwork_class_index: int | None,
    out: Path | None,
):
    """Make one fusion.keras of the older layout: efficientnetv2_branch.keras (or googlenet_branch.keras) and
    fusion_head.keras in a folder, YOLO's best.pt and the ViT.

    The one file gives the same answers. The argument is the folder of the two files, or the YAML that the miner was
    configured by, which names folder, YOLO and ViT.

    Example: kerasfusion miner import-legacy googlenet_fusion --yolo best.pt --vit hf://owner/roadwork-vit
    """
    from kerasfusion.roadwork.miner.legacy.files import choose_out, find_files

    names = None if vit_classes is None else tuple(name.strip() for name in vit_classes.split(","))
    files = find_files(folder_or_yaml, yolo, vit, roadwork_class_index, names)
    out = choose_out(files, out)
    import_tensorflow()
    from kerasfusion.roadwork.miner.legacy import job

    job.import_legacy(files, out, lambda line: click.echo(line, err=True))
    click.echo(f"model: {out}")

"""kerasfusion train-yolo, precompute, fit."""

from pathlib import Path

import click

from kerasfusion.cli.configuration import read_config, read_config_of, system_of_config
from kerasfusion.cli.options import (
    ANY_PATH,
    PLACE,
    config_options,
    dry_run_options,
    on_option,
    refuse_lone_json,
    show_estimate,
)
from kerasfusion.cli.quiet import import_tensorflow

FIT_FLAGS = {
    "data": {"roadwork": "data.root", "fume": "data.dataset_root"},
    "name": {"roadwork": "name", "fume": "experiment.name"},
    "epochs": {"roadwork": "fit.epochs", "fume": "training.num_epochs"},
    "batch": {"roadwork": "fit.batch", "fume": "training.batch_size"},
    "cache": {"roadwork": "cache.folder", "fume": "data.frame_cache"},
    "vit": {"roadwork": "vit.weights"},
    "yolo": {"roadwork": "yolo.weights"},
    "augmentation": {"roadwork": "fit.augmentation"},
    "without": {"roadwork": "fusion.without"},
    "model": {"fume": "model.name"},
    "from": {"fume": "model.weights"},
}
"""Flag of `fit` -> the key that it sets in each system."""


@click.command()
@config_options
@click.option("--data", "data__root", type=PLACE, help="data.root: the imagefolder.")
@click.option("--name", help="name: the run's folder is runs/NAME.")
@click.option("--model", "yolo__model", help="yolo.model: yolo11n-cls.pt (pretrained) or yolo11n-cls.yaml (random).")
@click.option("--epochs", "yolo__epochs", type=int, help="yolo.epochs")
@click.option("--batch", "yolo__batch", type=int, help="yolo.batch")
@click.option("--image-size", "yolo__image_size", type=int, help="yolo.image_size")
@click.option("--folds", "yolo__folds", type=int, help="yolo.folds: 3 or 5 classifiers more, each without one fold.")
@dry_run_options
def train_yolo(config_file: Path | None, settings: tuple[str, ...], dry_run: bool, as_json: bool, **flags):
    """Train the YOLO classifier; leaves runs/NAME/yolo/best.pt.

    With --folds the photos of train/ can then be answered by a classifier that has not seen them: each fold's, in
    runs/NAME/yolo/fold_1 and so on.

    Example: kerasfusion train-yolo -c configs/roadwork.yaml --epochs 30 --batch 8
    """
    from kerasfusion.files.run_folder import describe_run, require_folder
    from kerasfusion.roadwork.config import fold_folder
    from kerasfusion.roadwork.data.dataset import scan_at_home
    from kerasfusion.roadwork.data.folds import training_photos
    from kerasfusion.roadwork.yolo_training.curve import tell_curve
    from kerasfusion.roadwork.yolo_training.job import train_yolo as train
    from kerasfusion.trackers.wandb_run import refuse_unusable

    refuse_lone_json(dry_run, as_json)
    config = read_config(config_file, settings, **flags)
    refuse_unusable(config.tracking)
    require_folder(config.run_folder, config.run_folder / "yolo")
    samples = scan_at_home(config.data.root, ("train", "val"))
    training, held_out, folds = training_photos(config, samples, config.seed)
    how = {"seed": config.seed, "views": config.views, "max_pixels": config.data.max_pixels, "folds": folds}
    if dry_run:
        from kerasfusion.roadwork.dry_run.train_yolo import estimate_yolo

        show_estimate(estimate_yolo(training, held_out, config.yolo, config.run_folder, **how), as_json)
        return
    result = train(
        training,
        held_out,
        config.yolo,
        config.run_folder,
        **how,
        report=click.echo,
        begin=lambda: describe_run(config.run_folder, config),
    )
    tell_curve(config, result.history)
    curve = result.history if result.history.is_file() else "none, its file is gone"
    click.echo(f"weights: {result.weights}\ncurve: {curve}")
    if folds:
        first, last = fold_folder(result.weights.parent, 1), fold_folder(result.weights.parent, folds.count)
        click.echo(f"each without one fold of train/: {first} to {last.name}")


@click.command()
@config_options
@click.option("--data", "data__root", type=PLACE, help="data.root: the imagefolder.")
@click.option("--name", help="name: the run whose YOLO weights are used.")
@click.option("--yolo", "yolo__weights", type=ANY_PATH, help="yolo.weights: the trained best.pt.")
@click.option("--vit", "vit__weights", help="vit.weights: hf://owner/name or a folder.")
@click.option("--cache", "cache__folder", type=PLACE, help="cache.folder")
@click.option("--batch", "cache__batch", type=int, help="cache.batch: 16, 8, 4 or 2 for 24, 16, 8 or 4 GB of memory.")
@click.option("--precision", "cache__precision", help="cache.precision: float32 or bfloat16; what the ViT computes in.")
@click.option("--split", "splits", multiple=True, type=click.Choice(["train", "val", "test"]), help="Only this split.")
@click.option("--skip-unreadable", is_flag=True, help="Leave unreadable photos out instead of failing.")
@on_option
@dry_run_options
def precompute(
    config_file,
    settings,
    splits: tuple[str, ...],
    skip_unreadable: bool,
    on: str,
    dry_run: bool,
    as_json: bool,
    **flags,
):
    """Ask YOLO and the ViT about every photo once and keep their probabilities in the branch cache.

    Kill it at any point and run it again: it continues, and the result is byte-identical. With --on the machines of a
    Ray cluster do it together; photos and cache lie in folders that all of them share.

    Example: kerasfusion precompute -c configs/roadwork.yaml --vit weights/roadwork-vit

    Example: kerasfusion precompute -c configs/roadwork.yaml --on ray://head:10001
    """
    refuse_lone_json(dry_run, as_json)
    config = read_config(config_file, settings, **flags)
    import_tensorflow()
    from kerasfusion.roadwork.data.dataset import SPLITS
    from kerasfusion.roadwork.precompute.job import precompute as run

    if dry_run:
        from kerasfusion.roadwork.dry_run.precompute import estimate_precompute

        show_estimate(estimate_precompute(config, splits or SPLITS, skip_unreadable, on), as_json)
        return
    manifest = run(config, splits or SPLITS, skip_unreadable, on)
    for split, done in manifest["splits"].items():
        skipped = f", {len(done['skipped'])} unreadable left out" if done.get("skipped") else ""
        click.echo(f"{split}: {done['samples']} photos{skipped}{'' if done['complete'] else ' (unfinished)'}")
        for row in done.get("skipped", []):
            click.echo(f"  left out: {row['sample_id']}: {row['reason']}")
    click.echo(f"branch cache: {config.cache.folder}")


@click.command()
@config_options
@click.option("--data", type=PLACE, help="data.root: the imagefolder; fume: data.dataset_root.")
@click.option("--name", help="name: the run's folder is runs/NAME; fume: experiment.name.")
@click.option("--epochs", type=int, help="fit.epochs; fume: training.num_epochs.")
@click.option("--batch", type=int, help="fit.batch: 24, 16, 8 or 4 for as many GB of memory; training.batch_size.")
@click.option("--cache", type=PLACE, help="cache.folder; fume: data.frame_cache.")
@click.option("--vit", help="roadwork: vit.weights: hf://owner/name or a folder.")
@click.option("--yolo", type=ANY_PATH, help="roadwork: yolo.weights: the trained best.pt.")
@click.option("--augmentation", help="roadwork: fit.augmentation: none, light, moderate or strong.")
@click.option(
    "--without",
    multiple=True,
    callback=lambda ctx, param, names: names or None,
    help="roadwork: fusion.without: leave vit, yolo or efficientnetv2 out of the head and the file; repeatable.",
)
@click.option("--model", help="fume: model.name: FUMEFastSCNN, EarlyFusionFastSCNN...")
@click.option("--from", "from", type=ANY_PATH, help="fume: model.weights: a fume.keras that training begins from.")
@click.option("--restart", is_flag=True, help="Forget an earlier fit in the run folder.")
@dry_run_options
def fit(config_file, settings, restart: bool, dry_run: bool, as_json: bool, **flags):
    """Train what the configuration's `system` names; leaves runs/NAME/fusion.keras, or fume.keras.

    roadwork: EfficientNetV2 and the fusion head, from photos and branch cache. fume: a network, from paired frames.
    Kill it at any point and run it again: it continues after the last finished epoch.

    Example: kerasfusion fit -c configs/roadwork.yaml --batch 8

    Example: kerasfusion fit -c configs/fume/fume_fastscnn.yaml --data data/fume
    """
    refuse_lone_json(dry_run, as_json)
    system = system_of_config(config_file, settings)
    config = read_config_of(system, config_file, settings, flags, FIT_FLAGS)
    import_tensorflow(onednn=True)
    if dry_run:
        if system == "fume":
            from kerasfusion.fume.dry_run.fit import estimate_fit
        else:
            from kerasfusion.roadwork.dry_run.fit import estimate_fit
        show_estimate(estimate_fit(config, restart), as_json)
        return
    if system == "fume":
        from kerasfusion.fume.fit.job import fit as fit_fume

        click.echo(f"model: {fit_fume(config, restart, click.echo)}")
        return
    from kerasfusion.reporting import command_line
    from kerasfusion.roadwork.fit.job import fit as run

    result = run(config, restart, click.echo)
    click.echo(f"trained parts: {result.parts}")
    if result.fusion:
        click.echo(f"model: {result.fusion}")
    else:
        click.echo(f"not composed yet: {result.reason}")
        export = command_line(["kerasfusion", "export", result.parts, "--yolo", "best.pt", "--vit", "SOURCE"])
        click.echo(f"once they are at hand: {export}")

"""How the run was trained: curves, photos, weights and settings."""

from collections.abc import Iterator
from pathlib import Path

from kerasfusion.errors import KerasFusionError
from kerasfusion.files.run_files import flat
from kerasfusion.report_page.blocks import Block, Chart, Details, Facts, Note, Section, Table
from kerasfusion.roadwork.data.balance import DRAWN, DRAWN_SHARE, SHARE, percent
from kerasfusion.roadwork.data.dataset import CLASS_NAMES
from kerasfusion.roadwork.evaluate.figures import history_columns, history_curves
from kerasfusion.roadwork.head.record import reason_of, rows_of
from kerasfusion.roadwork.report.run import Run

OF_FIT = {
    "val": "EfficientNetV2's own branch by epoch. The fusion's head was fitted after it, on the held-out photos.",
    "all": "EfficientNetV2's own branch by epoch. The fusion's head was fitted after it, on the held-out photos and, "
    "with answers of classifiers that have not seen them, on the training photos.",
    "train": "The whole model by epoch: the fusion and EfficientNetV2's branch learned together.",
}


def training_section(run: Run) -> Section:
    """The curves of both trainings."""
    return Section("Training", [*_fit_curves(run), *_heads(run), *_yolo_curves(run)])


def data_section(run: Run) -> Section:
    """What was trained on what."""
    blocks: list[Block] = [*_photos(run), Facts(_weights(run))]
    versions = run.environment.get("packages") or run.description.get("versions") or {}
    if versions:
        rows = [{"package": name, "version": version or "not installed"} for name, version in versions.items()]
        blocks.append(Details("Versions", [Table(rows, "Packages when the run was trained.")]))
    if run.config:
        rows = [{"setting": key, "value": value} for key, value in flat(run.config).items()]
        blocks.append(Details("All settings", [Table(rows, "config.yaml: with it the run can be made again.")]))
    return Section("What was trained on what", blocks)


def _fit_curves(run: Run) -> Iterator[Block]:
    if "efficientnetv2" in run.left_out and run.description:
        yield Note("The fusion goes without EfficientNetV2: only its head was fitted, in seconds.", kind="missing")
        return
    if not run.history.is_file():
        yield Note("There is no history.csv: `fit` did not run here.", run.command("fit"), kind="missing")
        return
    again = run.command("fit", "--restart")
    if damage := damage_of(run.history):
        yield Note(f"{damage}. No curves can be drawn. To train again:", again)
        return
    what = OF_FIT.get(run.setting("fusion", "fit_on"), "The training by epoch.")
    yield Chart(
        history_curves(run.history),
        f"{what} Solid: training photos, with augmentation if any; dashed: validation photos. Training that goes on "
        "falling while validation rises is learned by heart.",
        "Loss and accuracy of the fit by epoch, training and validation.",
        narrow=history_curves(run.history, per_row=1),
    )


def _heads(run: Run) -> Iterator[Block]:
    """Those among which the fusion's was chosen."""
    record = run.description.get("head", {})
    if "tried" in record:
        yield Table(rows_of(record), f"Heads that were tried. {reason_of(record)}.")


def _yolo_curves(run: Run) -> Iterator[Block]:
    again = run.command("train-yolo")
    if run.yolo_history.is_file() and (damage := damage_of(run.yolo_history)):
        yield Note(f"{damage}. No curves can be drawn. To train again:", again)
        return
    if run.yolo_history.is_file():
        yield Chart(
            history_curves(run.yolo_history),
            "YOLO's training by epoch. Solid: training photos, under its augmentation; dashed: validation photos.",
            "Loss and accuracy of YOLO's training by epoch.",
            narrow=history_curves(run.yolo_history, per_row=1),
        )
        return
    if weights := run.setting("yolo", "weights"):
        yield Note(f"YOLO was trained elsewhere ({weights}): its curves are not in this folder.", kind="missing")
    else:
        yield Note("YOLO was not trained in this folder.", again, kind="missing")


def damage_of(history: Path) -> str | None:
    """Why there is nothing to draw of a training's values by epoch."""
    try:
        history_columns(history)
    except KerasFusionError as error:
        return f"{history.name}: {error.what}"
    return None


def _photos(run: Run) -> Iterator[Block]:
    record = run.record
    if not record:
        command = run.evaluate_command()
        yield Note("How many photos each split has is noted when the run is evaluated.", command, kind="missing")
        return
    uses = _uses(run)
    rows = [
        {
            "split": split,
            **{name.replace("_", " "): counts[name] for name in CLASS_NAMES},
            SHARE: percent(counts),
            "used for": uses.get(split),
        }
        for split, counts in record["photos"].items()
    ]
    rows.append({"split": DRAWN, SHARE: 100 * DRAWN_SHARE})
    yield Table(rows, f"Photos of each split and class in {record['data_root']}, when it was evaluated.", digits=1)


def _uses(run: Run) -> dict[str, str]:
    fit_on, patience = run.setting("fusion", "fit_on"), run.setting("fit", "patience")
    known = {"YOLO": run.yolo or run.description, "EfficientNetV2": True}
    trained = [name for name, is_known in known.items() if is_known and name.lower() not in run.left_out]
    uses = {
        "train": "training " + " and ".join(trained) if trained else "nothing",
        "test": "nothing but the evaluation",
    }
    held_out = ["choosing YOLO's epoch"] if run.yolo.get("val") and "yolo" not in run.left_out else []
    held_out += ["fitting the fusion's head"] if fit_on in ("val", "all") else []
    stops = patience and "efficientnetv2" not in run.left_out
    held_out += ["telling when EfficientNetV2's training stops"] if stops else []
    if fit_on in ("train", "all"):
        uses["train"] += " and the fusion's head" + (" (answers out of fold)" if fit_on == "all" else "")
    return uses | {"val": ", ".join(held_out) or "the validation curves"}


def _weights(run: Run) -> dict[str, object]:
    record = run.record
    weights, trained_on = run.description.get("weights", {}), run.description.get("yolo_trained_on") or {}
    seen = f"{trained_on['n']} photos of {', '.join(trained_on['splits'])}/" if trained_on else None
    return {
        "model that was evaluated": record.get("model"),
        "its sha256": record.get("model_sha256"),
        "its format": " ".join(filter(None, (record.get("format"), record.get("precision")))) or None,
        "default ViT" if run.has_default_vit else "ViT (not the subnet's by its name)": run.setting("vit", "weights"),
        "ViT's sha256": weights.get("vit") or run.description.get("default_vit"),
        "YOLO started from": None if "yolo" in run.left_out else _yolo(run),
        "YOLO learned from": seen,
        "YOLO's sha256": weights.get("yolo"),
        "EfficientNetV2 started from": None if "efficientnetv2" in run.left_out else _efficientnetv2(run),
        "left out of the fusion": ", ".join(run.left_out) or None,
        "seed": run.setting("seed"),
        "command": run.environment.get("command"),
        "Python": run.environment.get("python"),
        "system": run.environment.get("platform"),
    }


def _yolo(run: Run) -> str | None:
    start = run.yolo_start
    return f"{start}, random weights" if start and start.endswith(".yaml") else start


def _efficientnetv2(run: Run) -> str | None:
    variant = run.setting("efficientnetv2", "variant")
    if variant is None:
        return None
    blocks = run.setting("efficientnetv2", "fine_tune_blocks")
    start = run.setting("efficientnetv2", "weights") or "random weights"
    return f"{variant.upper()}, {start}, {f'last {blocks} blocks trained' if blocks else 'trunk frozen'}"

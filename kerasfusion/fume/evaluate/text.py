"""An evaluation as tables for a person."""

from kerasfusion.fume.config_types import PIXEL_CLASSES
from kerasfusion.fume.data.annotations import STATES
from kerasfusion.fume.evaluate.boundary import CONTOURS
from kerasfusion.fume.evaluate.job import COSTS, Evaluation
from kerasfusion.reporting import table

STATE_COLUMNS = ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "cohen_kappa", "n", "n_groups")
MASK_COLUMNS = (
    "miou",
    *(f"iou_{name}" for name in PIXEL_CLASSES),
    *(f"dice_{name}" for name in PIXEL_CLASSES),
    *(f"boundary_f_{name}" for name in CONTOURS),
    "pixel_accuracy",
    "n",
)
SURE = {
    "state": ("accuracy", "balanced_accuracy", "macro_f1"),
    "mask": ("miou", "iou_gas", "dice_gas", "boundary_f_gas"),
    "joint": ("score",),
}
"""Values whose intervals are shown; metrics.json has all of them."""


def as_text(result: Evaluation) -> str:
    """States, masks, both together, intervals, and what an answer costs."""
    views = {name: parts for name, parts in result.report.items() if name != COSTS}
    main = views[result.split]
    sections = []
    if "state" in main:
        sections += ["rumen state", _table(views, ("state",), STATE_COLUMNS), ""]
        sections += [table(_per_state(main["state"])), ""]
        sections += ["confusion matrix", table(_confusion(main["state"])), ""]
    masks = [part for part in main if part.endswith("mask")]
    if masks:
        sections += ["masks, at the files' own size", _table(views, masks, MASK_COLUMNS), ""]
    if "joint" in main:
        sections += ["joint score, 0.5 mIoU + 0.5 balanced accuracy"]
        sections += [_table(views, ("joint",), ("score", "miou", "balanced_accuracy")), ""]
    sections += [f"95 % bootstrap intervals, {result.split}; whole originals drawn", table(_intervals(main)), ""]
    return "\n".join([*sections, _cost_line(result.report[COSTS])])


def _table(views: dict[str, dict], parts, columns) -> str:
    rows = [
        {
            "samples": view,
            **({"mask": part} if part.endswith("mask") else {}),
            **{key: found[part][key] for key in columns},
        }
        for view, found in views.items()
        for part in parts
        if part in found
    ]
    return table(rows)


def _per_state(values: dict) -> list[dict]:
    return [
        {
            "state": name,
            **{metric: values[f"{metric}_{name.lower()}"] for metric in ("precision", "recall", "f1")},
            "n": sum(values["confusion_matrix"][row]),
        }
        for row, name in enumerate(STATES)
    ]


def _confusion(values: dict) -> list[dict]:
    return [
        {"truth": name, **{f"said {other}": n for other, n in zip(STATES, row, strict=True)}}
        for name, row in zip(STATES, values["confusion_matrix"], strict=True)
    ]


def _intervals(main: dict[str, dict]) -> list[dict]:
    return [
        {"part": part, "metric": metric, "value": values[metric], "95 %": values[f"{metric}_ci95"]}
        for part, values in main.items()
        for metric in SURE["mask" if part.endswith("mask") else part]
    ]


def _cost_line(network: dict[str, dict]) -> str:
    size, speed = network["size"], network["speed"]
    width, height = size["image_size"]
    asked = ", each asked twice: as it is and mirrored" if size.get("flips") else ""
    return (
        f"{size['model']} at {width} x {height}: {size['trainable_parameters']:,} parameters, "
        f"{size['macs'] / 1e9:.3f} GMACs a {size['per']}{asked}; {speed['total_ms']:.1f} ms a sample "
        f"({speed['fps']:.1f} a second) from files to masks, {speed['runs']} runs"
    )

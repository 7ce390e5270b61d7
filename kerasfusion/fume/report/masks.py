"""Section of fume's report: how good the masks are."""

from typing import Any

from kerasfusion.fume.config_types import PIXEL_CLASSES
from kerasfusion.fume.evaluate.boundary import CONTOURS, TOLERANCE
from kerasfusion.fume.evaluate.files import shown_masks
from kerasfusion.fume.evaluate.mask_figures import gas_iou_distribution, gas_ious, mask_title
from kerasfusion.fume.report.run import Run
from kerasfusion.fume.report.words import DIGITS, VIEWS, masks_of, with_intervals
from kerasfusion.report_page.blocks import Block, Chart, Details, Section, Table


def masks_section(run: Run) -> Section | None:
    """IoU of the masks and how it is spread; None if there are no masks or nothing was evaluated."""
    rows = _rows({"": run.main})
    if not rows:
        return None
    table = Table(
        rows,
        "Masks of the samples as they are, at the files' own size, pixels of all samples counted together, with 95 % "
        "bootstrap intervals. IoU: pixels that truth and answer share, of those that either has. Boundary F: contours "
        f"that agree within {TOLERANCE:.2%} of the image's diagonal, image by image (Csurka et al., BMVC 2013).",
        DIGITS,
    )
    others = _rows({view: parts for view, parts in run.views().items() if view})
    blocks: list[Block] = [table, *_distribution(run)]
    if others:
        blocks.append(Details("Masks of the pairs, and of one gas alone", [Table(others, "As above.", DIGITS)]))
    return Section("Masks", blocks)


def _rows(views: dict[str, dict]) -> list[dict[str, Any]]:
    return [
        {
            "mask": mask_title(part),
            **({"samples": VIEWS[view]} if view else {}),
            **with_intervals(values, {"iou_gas": "IoU of gas", "miou": "mean IoU"}),
            **{f"IoU of {name}": values[f"iou_{name}"] for name in PIXEL_CLASSES if name != "gas"},
            "Dice of gas": values["dice_gas"],
            **{f"boundary F of {name}": values.get(f"boundary_f_{name}") for name in CONTOURS},
            "pixels right": values["pixel_accuracy"],
            "n": values["n"],
        }
        for view, parts in views.items()
        for part, values in masks_of(parts).items()
    ]


def _distribution(run: Run) -> list[Chart]:
    answers = run.main_answers
    masks = shown_masks(answers, answers.rows("")) if answers is not None else {}
    if not masks:
        return []
    missed = {mask_title(part): int((gas_ious(counts) == 0).sum()) for part, counts in masks.items()}
    return [
        Chart(
            gas_iou_distribution(masks),
            "IoU of the gas, sample by sample; a sample without gas in truth and answer is left out. At 0, the plume "
            f"was not found or there is none: {', '.join(f'{name} {n}' for name, n in missed.items())} samples.",
            f"Histograms of the gas IoU of {', '.join(missed)}.",
            narrow=gas_iou_distribution(masks, per_row=1),
        )
    ]

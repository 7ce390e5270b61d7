"""What a network reaches on the test split: the same code for both sides' files."""

from pathlib import Path

import numpy as np

from kerasfusion.fume.data.annotations import GASES
from kerasfusion.fume.data.samples import paired_path, read_samples

SPLIT = "test"
BATCH = 32


def ask(model: Path, root: Path) -> dict[str, dict[str, float | None]]:
    """Ask a saved network about a set's test split, as `evaluate` does.

    Returns:
        {samples: {metric of summary.METRICS: value}}: all as they are, the pairs, and the pairs with one gas alone.
    """
    from kerasfusion.fume.detect.answering import open_network
    from kerasfusion.fume.evaluate.split import VIEWS, evaluate
    from kerasfusion.fume.evaluate.tallies import tallies_of

    samples = read_samples(paired_path(root, SPLIT))
    answers = evaluate(open_network(model), samples, root, batch=BATCH, label=f"ask {model.parent.name}")
    rows = {f"{SPLIT}{view}": answers.rows(view) for view in VIEWS}
    return {
        view: metrics_of(tallies_of(answers, chosen).values(np.ones(len(chosen))))
        for view, chosen in rows.items()
        if chosen.size
    }


def metrics_of(parts: dict[str, dict[str, np.ndarray]]) -> dict[str, float | None]:
    """Of `Tallies.values` what is compared."""
    masks = [parts[f"{gas}_mask"] for gas in GASES if f"{gas}_mask" in parts]
    state = ("accuracy", "balanced_accuracy", "macro_f1", "f1_transitional")
    found = {name: float(parts["state"][name]) for name in state}
    for name, metric in (("miou", "miou"), ("gas_iou", "iou_gas")):
        found[name] = float(np.nanmean([mask[metric] for mask in masks]))
    return {name: None if np.isnan(value) else value for name, value in found.items()}

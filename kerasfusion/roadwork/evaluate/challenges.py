"""What a model is worth on challenges: a report for each layout, each level and their mixes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerasfusion.roadwork.challenge.kinds import LAYOUTS, MIX, Kind
from kerasfusion.roadwork.challenge.views import copies_in_mix
from kerasfusion.roadwork.evaluate.comparison import full_report


def challenge_reports(
    split: str,
    labels: np.ndarray,
    answers: Mapping[str, np.ndarray],
    kinds: Sequence[Sequence[Kind | None]],
    baseline: str,
    groups: Sequence | None = None,
    seed: int = 42,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Report each kind of challenge as a split of its own, and their mixes as a validator draws them.

    Intervals are by photo: the views of one photo, and photos of one group, are drawn together.

    Args:
        split: which split.
        labels: (N,) 0 = no roadwork, 1 = roadwork.
        answers: {output: (N, V) P(roadwork)}.
        kinds: of the views of each photo; None is the photo itself.
        baseline: the output that the others are compared with, if it is among the answers.
        groups: (N,) ids of photos that belong together; None: each for itself.
        seed: of the bootstrap.

    Returns:
        {"test_crop_0": as `full_report` gives, ..., "test_crop_mix", ..., "test_plain", "test_mix"}, of the kinds that
        there are; a mix only of more than one kind. In the mix of a grid, test_mix, a plain view stands for four, as
        often as a validator would draw it, also in the counts: of each photo nine are asked, and `n` grows by twelve.
    """
    units = np.arange(len(labels)) if groups is None else np.asarray(groups)
    return {
        f"{split}_{name}": full_report(
            labels[photos],
            {output: probs[photos, views] for output, probs in answers.items()},
            baseline,
            groups=units[photos],
            seed=seed,
        )
        for name, (photos, views) in _rows(split, kinds).items()
    }


def main_mix(split: str, reports: Mapping[str, object]) -> str | None:
    """The name of the report that stands for what a validator sends: the widest mix, or the one kind that there is.

    Args:
        split: which split.
        reports: by name, those of challenges and perhaps others.

    Returns:
        None where no report is of challenges.
    """
    mixes = [f"{split}_{MIX}", *(f"{split}_{layout}_{MIX}" for layout in LAYOUTS)]
    kinds = [name for name in reports if name.startswith(f"{split}_")]
    return next((name for name in (*mixes, *kinds) if name in reports), None)


def _rows(split: str, kinds: Sequence[Sequence[Kind | None]]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """{name: ((R,) photos, (R,) views)}."""
    places: dict[Kind, list[tuple[int, int]]] = {}
    for photo, of_photo in enumerate(kinds):
        for view, kind in enumerate(of_photo):
            if kind is not None:
                places.setdefault(kind, []).append((photo, view))
    ordered = sorted(places)
    found = {name_of(kind): places[kind] for kind in ordered}
    for layout in LAYOUTS:
        same = [kind for kind in ordered if kind.layout == layout]
        if len(same) > 1:
            found[f"{layout}_{MIX}"] = [place for kind in same for place in places[kind]]
    if len({kind.layout for kind in ordered}) > 1:
        found[MIX] = [place for kind in ordered for place in places[kind] * copies_in_mix(kind, split)]
    return {name: tuple(np.array(rows).T) for name, rows in found.items()}


def name_of(kind: Kind) -> str:
    """A kind's name among the splits of metrics.json."""
    return kind.layout if kind.layout == "plain" else f"{kind.layout}_{kind.level}"

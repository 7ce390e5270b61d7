"""Ask a model about a split on all machines of a cluster."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasfusion.images.decoding import MAX_PIXELS
from kerasfusion.machine.probe import spread
from kerasfusion.progress import track
from kerasfusion.roadwork.challenge.views import view_kinds
from kerasfusion.roadwork.cluster.mapping import cluster_map
from kerasfusion.roadwork.cluster.node_check import LOOKED_FOR, Needs
from kerasfusion.roadwork.config import Views
from kerasfusion.roadwork.data.dataset import Sample
from kerasfusion.roadwork.detect.on_cluster import BATCHES_AT_A_TIME, carry_model, open_carried
from kerasfusion.roadwork.evaluate.answers import Answers, answer
from kerasfusion.roadwork.precompute.branch_cache import Record


@dataclass(frozen=True)
class _Asked:
    """What is known of one photo: P(roadwork) of its V views by output, its file's digest, or why it has none."""

    views: dict[str, np.ndarray]
    digest: str | None
    unreadable: str | None


def answer_on_cluster(
    address: str,
    model: Path,
    tta: bool,
    device: str,
    samples: Sequence[Sample],
    views: Views,
    *,
    outputs: Sequence[str],
    records: dict[str, Record] | None = None,
    batch: int = 16,
    max_pixels: int = MAX_PIXELS,
) -> Answers:
    """`answer` on a cluster's machines, which all see the photos under the same paths.

    Args:
        address: of the cluster.
        model, tta, device: as for `predict_on_cluster`.
        samples, views, outputs, records, batch, max_pixels: as for `answer`.

    Raises:
        RequestError: as `answer`; no cluster, or a machine that is unfit.
        KerasFusionError: no machine left.
    """
    items = [(sample, records.get(sample.sample_id) if records is not None else None) for sample in samples]
    needs = Needs({"data.root": [sample.path for sample in spread(samples, LOOKED_FOR)]}, {})
    options = {"outputs": tuple(outputs), "batch": batch, "max_pixels": max_pixels}
    arguments = (model.name, tta, device, views, records is not None, options)
    carried = [carry_model(model)]
    asked = cluster_map(address, _AnswersSamples, arguments, items, needs, carried, batch * BATCHES_AT_A_TIME)
    split = samples[0].split
    found = list(track(asked, f"evaluate {split}", total=len(samples)))
    pairs = list(zip(samples, found, strict=True))
    return Answers(
        split,
        list(samples),
        {name: np.stack([each.views[name] for each in found]) for name in outputs},
        [view_kinds(views, split, each.digest) for each in found],
        dict(sorted((sample.sample_id, each.unreadable) for sample, each in pairs if each.unreadable is not None)),
        {sample.sample_id: each.digest for sample, each in pairs if each.digest is not None},
    )


class _AnswersSamples:
    """Lives in a worker."""

    def __init__(self, folder: Path, name: str, tta: bool, device: str, views: Views, with_records: bool, options):
        self._detector = open_carried(folder, name, tta, device)
        self._views, self._with_records, self._options = views, with_records, options

    def work(self, items: Sequence[tuple[Sample, Record | None]]) -> list[_Asked]:
        """What the model says of each photo."""
        samples = [sample for sample, _ in items]
        records = {sample.sample_id: record for sample, record in items if record is not None}
        said = answer(
            self._detector, samples, self._views, records=records if self._with_records else None, **self._options
        )
        return [
            _Asked(
                {name: probs[row] for name, probs in said.views.items()},
                said.digests.get(sample.sample_id),
                said.unreadable.get(sample.sample_id),
            )
            for row, sample in enumerate(samples)
        ]

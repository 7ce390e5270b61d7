"""Ask the fusion, each branch and the default ViT about a split, and compare them with the subnet's metrics."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kerasfusion.errors import RequestError
from kerasfusion.images.decoding import MAX_PIXELS, ImageError, read_image
from kerasfusion.parallel import ordered_map
from kerasfusion.progress import track
from kerasfusion.roadwork.data.dataset import Sample, scan
from kerasfusion.roadwork.detect.detector import Detector
from kerasfusion.roadwork.evaluate.comparison import against_each, full_report
from kerasfusion.roadwork.precompute import branch_cache
from kerasfusion.roadwork.scoring.reward import moving_view

BASELINE, MAIN = "vit", "fusion"
WITH_CURVES = 2
"""Classes that must be present for ROC and precision-recall curves."""


@dataclass(frozen=True)
class Evaluation:
    """What a model answered on a split and what that is worth.

    Attributes:
        split: which split.
        samples: N photos, in sample_id order.
        answers: {output: (N,) P(roadwork)}; NaN where the photo could not be read.
        unreadable: {sample_id: reason}.
        report: {output: {metric: value}} as `full_report` gives.
        seed: of the bootstrap.
        digests: {sample_id: sha256 of the file}, of those that could be read.
    """

    split: str
    samples: list[Sample]
    answers: dict[str, np.ndarray]
    unreadable: dict[str, str] = field(default_factory=dict)
    report: dict[str, dict] = field(default_factory=dict)
    seed: int = 42
    digests: dict[str, str] = field(default_factory=dict)

    @property
    def labels(self) -> np.ndarray:
        """(N,) int32 true classes."""
        return np.array([sample.label for sample in self.samples], np.int32)


def choose(root: Path, split: str, max_samples: int | None, seed: int = 42) -> list[Sample]:
    """The photos of a split, or a random part of them, in sample_id order.

    Raises:
        RequestError: the split has no photos.
    """
    samples = scan(root, (split,))
    if max_samples is None or max_samples >= len(samples):
        return samples
    chosen = np.random.default_rng(seed).choice(len(samples), max_samples, replace=False)
    return [samples[number] for number in sorted(chosen)]


def cached_branches(folder: Path, split: str, description: dict) -> dict[str, branch_cache.Record]:
    """ViT's and YOLO's probabilities from the branch cache, for parts that were fitted on them.

    Returns:
        Records by sample_id.

    Raises:
        RequestError: no cache, one of other weights, or without this split.
    """
    manifest = branch_cache.read_manifest(folder)
    found = {branch: manifest[branch]["sha256"] for branch in ("yolo", "vit")}
    said = [manifest["vit"].get("settings"), description.get("vit_settings")]  # None of older versions
    if found != description["weights"] or (None not in said and said[0] != said[1]):
        raise RequestError(
            "the branch cache was made with another ViT or YOLO than the parts were fitted on",
            where=folder,
            todo="name the right one with --cache, or run precompute and fit again",
        )
    return branch_cache.read_cache(folder, [split])


def evaluate(
    detector: Detector,
    samples: Sequence[Sample],
    *,
    records: dict[str, branch_cache.Record] | None = None,
    batch: int = 16,
    max_pixels: int = MAX_PIXELS,
    with_default: bool = True,
    seed: int = 42,
) -> Evaluation:
    """Answer every photo and work out the report.

    Args:
        detector: opened model.
        samples: photos of one split.
        records: the branch cache's records, for trained parts that take ViT's and YOLO's probabilities from it.
        batch: photos a forward pass.
        max_pixels: largest photo that is decoded.
        with_default: keep the ViT's own answers and compare the others with them.
        seed: of the bootstrap.

    Raises:
        RequestError: a photo is not the one that the cache holds.
    """
    unreadable: dict[str, str] = {}
    digests: dict[str, str] = {}
    views = ordered_map(lambda sample: _prepare(detector, sample, records, max_pixels), samples)
    names = [name for name in detector.outputs if with_default or name != BASELINE]
    answers = {name: np.full(len(samples), np.nan) for name in names}
    work = _answer_all(detector, samples, views, batch, answers, unreadable, digests)
    for _ in track(work, f"evaluate {samples[0].split}", total=len(samples)):
        pass
    told = dict(sorted(unreadable.items()))
    result = Evaluation(samples[0].split, list(samples), answers, told, seed=seed, digests=digests)
    ids = [sample.sample_id for sample in samples]
    result.report.update(full_report(result.labels, answers, ids, BASELINE, seed=seed))
    return result


def draw_figures(evaluation: Evaluation, folder: Path) -> None:
    """All figures of an evaluation as PNGs; those that need both classes only where there are both."""
    from kerasfusion.figure_style import save_png
    from kerasfusion.roadwork.evaluate import decision_figures, figures

    labels, answers = evaluation.labels, evaluation.answers
    ids = [sample.sample_id for sample in evaluation.samples]
    drawn = {
        "confusion_matrices": figures.confusion_matrices(evaluation.report),
        "moving_reward": figures.moving_reward({name: moving_view(ids, labels, p) for name, p in answers.items()}),
        "reliability": decision_figures.reliability_curves(labels, answers),
    }
    if len(set(labels)) == WITH_CURVES:
        drawn["curves"] = figures.roc_and_pr_curves(labels, answers)
        drawn["mcc_against_threshold"] = decision_figures.mcc_against_threshold(labels, answers)
    if MAIN in answers and len(answers) > 1:
        compared = against_each(labels, answers, MAIN, seed=evaluation.seed)
        drawn["fusion_against_branches"] = decision_figures.against_branches(compared)
    for name, figure in drawn.items():
        save_png(figure, folder / f"{evaluation.split}_{name}.png")


def _answer_all(detector, samples, views, batch: int, answers, unreadable, digests) -> Iterator[Sample]:
    rows, waiting = [], []
    for row, (sample, view) in enumerate(zip(samples, views, strict=True)):
        if isinstance(view, ImageError):
            unreadable[sample.sample_id] = view.what
        else:
            rows.append(row)
            waiting.append(view[0])
            digests[sample.sample_id] = view[1]
        if len(waiting) == batch or (waiting and row == len(samples) - 1):
            probs = detector.answer(waiting)
            for name, values in answers.items():
                values[rows] = probs[name]
            rows, waiting = [], []
        yield sample


def _prepare(detector: Detector, sample: Sample, records, max_pixels: int):
    try:
        pixels, digest = read_image(sample.path, max_pixels)
    except ImageError as error:
        return error
    views = detector.prepare(pixels)
    if records is not None:
        record = _recorded(sample, digest, records)
        views |= {"yolo_probs": record.yolo_probs, "vit_probs": record.vit_probs}
    return views, digest


def _recorded(sample: Sample, digest: str, records) -> branch_cache.Record:
    record = records.get(sample.sample_id)
    if record is None or record.image_sha256 != digest:
        raise RequestError(
            "cache and data differ: this photo is " + ("not in the cache" if record is None else "another one now"),
            where=sample.path,
            todo="run precompute into a new folder, or compose the parts (`kerasfusion export`) and evaluate the file",
        )
    return record

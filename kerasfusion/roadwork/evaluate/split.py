"""What the fusion, each branch and the default ViT are worth on a split, by the subnet's metrics."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from kerasfusion.images.decoding import MAX_PIXELS
from kerasfusion.roadwork.config import PHOTOS_ALONE, Views
from kerasfusion.roadwork.data.dataset import Sample
from kerasfusion.roadwork.data.split_groups import drawn_together, photo_groups
from kerasfusion.roadwork.detect.detector import Detector
from kerasfusion.roadwork.evaluate.answers import Answers, answer
from kerasfusion.roadwork.evaluate.cascaded import Cascaded, in_stages
from kerasfusion.roadwork.evaluate.challenges import challenge_reports
from kerasfusion.roadwork.evaluate.comparison import against_each, full_report
from kerasfusion.roadwork.precompute import branch_cache

BASELINE, MAIN = "vit", "fusion"
WITH_CURVES = 2
"""Classes that must be present for ROC and precision-recall curves."""


@dataclass(frozen=True)
class Evaluation(Answers):
    """What a model answered on a split and what that is worth.

    Attributes:
        report: {output: {metric: value}} of the photos themselves, as `full_report` gives.
        challenges: the same of their challenges, by name, as `challenge_reports` gives; empty without views.
        seed: of the bootstrap.
        groups: N, of each photo, as `photo_groups` gives them; None where each is by itself.
        default_from: the branch cache whose answers the ViT's are; None where the model gave them itself.
        cascaded: which stage gave the fusion's answers; None where they are all of the whole model.
    """

    report: dict[str, dict]
    challenges: dict[str, dict[str, dict]]
    seed: int
    groups: Sequence[str] | None = None
    default_from: Path | None = None
    cascaded: Cascaded | None = None


def evaluate(
    detector: Detector,
    samples: Sequence[Sample],
    *,
    views: Views = PHOTOS_ALONE,
    records: dict[str, branch_cache.Record] | None = None,
    batch: int = 16,
    max_pixels: int = MAX_PIXELS,
    with_default: bool = True,
    keys: Mapping[str, str] | None = None,
    seed: int = 42,
    ask: Callable[..., Answers] | None = None,
) -> Evaluation:
    """Answer every photo and its challenges, and work out the reports.

    Of a cascade the answers of `fusion` are those that it gives: its first stage's, where that is sure. All branches
    are asked all the same, to report on each.

    Args:
        detector, samples, views, records, batch, max_pixels: as for `answer`.
        with_default: keep the ViT's own answers and compare the others with them; `records` have them where the model
            goes without the ViT.
        keys: which photos are of one drive or place, as `read_groups` gives them; None: copies alone belong together.
        seed: of the bootstrap.
        ask: what `answer` does without its detector, elsewhere; None asks the detector.

    Raises:
        RequestError: a photo is not the one that the cache holds.
    """
    names = [name for name in detector.outputs if with_default or name != BASELINE]
    if with_default and BASELINE not in names and records is not None:
        names.insert(1, BASELINE)  # where it stands among the outputs of a model that has it
    ask = ask or partial(answer, detector)
    said = ask(samples, views, outputs=names, records=records, batch=batch, max_pixels=max_pixels)
    cascaded = None
    if detector.window is not None:
        answered, cascaded = in_stages(said.views, detector.window)
        said = replace(said, views=answered)
    # A photo that could not be read is like no other.
    digests = {sample.sample_id: said.digests.get(sample.sample_id, sample.sample_id) for sample in said.samples}
    groups = drawn_together(list(photo_groups(digests, keys or {}).values()))
    report = full_report(said.labels, said.answers, BASELINE, groups, seed=seed)
    if cascaded is not None:
        report[MAIN] |= cascaded.shares
    challenges = challenge_reports(said.split, said.labels, said.views, said.kinds, BASELINE, groups, seed)
    return Evaluation(**vars(said), report=report, challenges=challenges, seed=seed, groups=groups, cascaded=cascaded)


def draw_figures(evaluation: Evaluation, folder: Path) -> None:
    """All figures of an evaluation as PNGs; those that need both classes only where there are both."""
    from kerasfusion.figure_style import save_png
    from kerasfusion.roadwork.evaluate import decision_figures, figures
    from kerasfusion.roadwork.evaluate.challenge_figures import mcc_by_kind

    labels, answers = evaluation.labels, evaluation.answers
    drawn = {
        "confusion_matrices": figures.confusion_matrices(evaluation.report),
        "reliability": decision_figures.reliability_curves(labels, answers),
    }
    if len(set(labels)) == WITH_CURVES:
        drawn["curves"] = figures.roc_and_pr_curves(labels, answers)
        drawn["mcc_against_threshold"] = decision_figures.mcc_against_threshold(labels, answers)
    if MAIN in answers and len(answers) > 1:
        compared = against_each(labels, answers, MAIN, evaluation.groups, seed=evaluation.seed)
        drawn["fusion_against_branches"] = decision_figures.against_branches(compared)
    if evaluation.challenges:
        drawn["mcc_by_challenge"] = mcc_by_kind(evaluation.split, evaluation.report, evaluation.challenges)
    for name, figure in drawn.items():
        save_png(figure, folder / f"{evaluation.split}_{name}.png")

"""Which YOLO classifier answers about which photo: where there are folds, one that has not seen it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.files.run_folder import differences
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.data.dataset import Sample
from kerasfusion.roadwork.data.folds import Folds, training_photos
from kerasfusion.roadwork.yolo_training.record import read_record
from kerasfusion.roadwork.yolo_training.request import describe_fold, describe_photos

FINAL = (0,)
"""The classifier of all training photos."""


@dataclass(frozen=True)
class FoldClassifiers:
    """The classifiers of the folds, and which of them answers about a photo.

    Attributes:
        folds: of the training photos.
        held_out: "final" or "mean": who answers about all other photos.
        weights: of each fold's classifier, which has learned from the other folds.
        classifiers: what the manifest tells of each.
    """

    folds: Folds
    held_out: str
    weights: list[Path]
    classifiers: list[dict[str, Any]]

    def answering(self, sample_id: str) -> tuple[int, ...]:
        """The classifiers whose mean answers about a photo: 0 is the one of all training photos, K that of fold K."""
        if sample_id in self.folds.of:
            return (self.folds.of[sample_id],)
        return FINAL if self.held_out == "final" else tuple(range(1, self.folds.count + 1))

    def describe(self) -> dict[str, Any]:
        """What the manifest of a cache says of them."""
        return {
            "count": self.folds.count,
            "seed": self.folds.seed,
            "held_out": self.held_out,
            "classifiers": self.classifiers,
            "of": dict(self.folds.of),
        }


def find_fold_classifiers(config: RoadworkConfig, samples: Sequence[Sample]) -> FoldClassifiers | None:
    """The classifiers of `yolo.folds`, known not to have seen the photos that they are to answer; None without folds.

    Args:
        config: names weights and folds.
        samples: all photos.

    Raises:
        RequestError: a classifier is missing, or has learned from other photos than those of the other folds.
    """
    count = config.yolo.folds
    if not count:
        return None
    missing = next((path for path in config.yolo_fold_weights if not path.is_file()), None)
    if missing is not None:
        raise RequestError(
            f"the YOLO classifier of {missing.parent.name} does not exist",
            where=missing,
            expected=f"{count} classifiers, each without one fold of train/, in fold_1 to fold_{count} beside best.pt",
            todo=f"kerasfusion train-yolo --folds {count}, or --set yolo.folds=0",
        )
    records = [_record_of(path, count) for path in config.yolo_fold_weights]
    training, _, folds = training_photos(config, samples, records[0]["seed"])
    for number, (path, record) in enumerate(zip(config.yolo_fold_weights, records, strict=True), 1):
        kept, left_out = folds.divide(training, number)
        expected = {"train": describe_photos(kept), "fold": describe_fold(folds, number, left_out)}
        changed = differences(expected, {key: record.get(key) for key in expected})
        if changed:
            raise RequestError(
                f"the classifier of fold {number} was trained with other folds than those of these photos:\n  - "
                + "\n  - ".join(changed),
                where=path,
                todo=f"kerasfusion train-yolo --folds {count} under another --name, or bring back photos, seed and "
                "groups.csv as they were. Where there is no val/ and an earlier version trained it, which held copies "
                "and photos of one group out singly, the former alone helps",
            )
    classifiers = [{"sha256": record["weights_sha256"], "trained_on": record["train"]} for record in records]
    return FoldClassifiers(folds, config.yolo.held_out, config.yolo_fold_weights, classifiers)


def _record_of(weights: Path, count: int) -> dict[str, Any]:
    record = read_record(weights.parent)
    if record.get("weights_sha256") != file_sha256(weights) or "seed" not in record:
        raise RequestError(
            "what this classifier has learned from is not known: no training.json beside it says so",
            where=weights,
            todo=f"delete the folder {weights.parent}, then kerasfusion train-yolo --folds {count}",
        )
    return record


def refuse_other_folds(config: RoadworkConfig, manifest: dict[str, Any]) -> None:
    """Check that a cache was made with as many folds as the configuration names.

    Raises:
        RequestError: with others, or with none.
    """
    count, held_out, found = config.yolo.folds, config.yolo.held_out, manifest.get("folds")
    asked = {"count": count, "held_out": held_out} if count else None
    if asked == (found and {key: found[key] for key in ("count", "held_out")}):
        return
    take = f"folds={found['count']} --set yolo.held_out={found['held_out']}" if found else "folds=0"
    first = f"kerasfusion train-yolo --folds {count}, then " if count else ""
    raise RequestError(
        f"the branch cache was made {_in_words(found)}, and the configuration asks for one {_in_words(asked)}",
        where=config.cache.folder,
        todo=f"{first}kerasfusion precompute into a new folder (--cache), or take the cache's: --set yolo.{take}",
    )


def _in_words(folds: Mapping[str, Any] | None) -> str:
    if folds is None:
        return "without folds"
    others = "the classifier of all photos" if folds["held_out"] == "final" else "the mean of the folds' classifiers"
    return f"with {folds['count']} folds (held-out photos answered by {others})"


def refuse_other_classifiers(config: RoadworkConfig, folds: FoldClassifiers, found: Mapping[str, Any]) -> None:
    """Check that a cache of as many folds was made with these.

    Args:
        config: names the cache.
        folds: at hand.
        found: what the cache's manifest says of its own.

    Raises:
        RequestError: other classifiers, or photos in other folds; names them.
    """
    digests = zip(folds.classifiers, found["classifiers"], strict=True)
    others = [str(number) for number, (here, there) in enumerate(digests, 1) if here["sha256"] != there["sha256"]]
    lines = [f"the classifiers of fold {', '.join(others)} are others"] if others else []
    here, there = folds.folds.of, found["of"]
    moved = sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name))
    lines += [f"{len(moved)} photo(s) are in another fold: {', '.join(moved[:3])}"] if moved else []
    if lines:
        raise RequestError(
            "the branch cache was made with other folds: " + "; ".join(lines),
            where=config.cache.folder,
            todo="kerasfusion precompute into a new folder (--cache), or set yolo.weights to the classifiers of before",
        )

"""Which photos the branches learn from, and their folds: each is in one, and stays with its copies and its group."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kerasfusion.address import Place
from kerasfusion.errors import RequestError
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.data.dataset import CLASS_NAMES, Sample, hold_out
from kerasfusion.roadwork.data.split_groups import photo_digests, photo_groups, read_groups
from kerasfusion.splits import assign_splits


@dataclass(frozen=True)
class Folds:
    """Which fold each training photo is in.

    Attributes:
        count: how many there are, K.
        seed: of the assignment.
        of: sample_id -> 1..K.
    """

    count: int
    seed: int
    of: Mapping[str, int]

    def divide(self, samples: Sequence[Sample], number: int) -> tuple[list[Sample], list[Sample]]:
        """(the samples of the other folds, those of fold `number`)."""
        kept = [sample for sample in samples if self.of[sample.sample_id] != number]
        return kept, [sample for sample in samples if self.of[sample.sample_id] == number]


def training_photos(
    config: RoadworkConfig, samples: Sequence[Sample], fold_seed: int
) -> tuple[list[Sample], list[Sample], Folds | None]:
    """What YOLO learns from, what is held out, and the folds of the former if `yolo.folds` asks for any.

    Args:
        config: names the photos' folder, the share of train/ to hold out, its seed, and the number of folds.
        samples: of train/ and val/ at least.
        fold_seed: of the folds.

    Raises:
        RequestError, KerasFusionError: as `find_folds`.
    """
    train = [sample for sample in samples if sample.split == "train"]
    digests: dict[str, str] = {}
    if config.yolo.folds or all(sample.split != "val" for sample in samples):  # train/ is divided, by whole groups
        digests = photo_digests(train, "find groups")
    training, held_out, _ = divide_photos(config, samples, digests)
    if not config.yolo.folds:
        return training, held_out, None
    return training, held_out, find_folds(training, config.data.root, config.yolo.folds, fold_seed, digests)


def divide_photos(
    config: RoadworkConfig, samples: Sequence[Sample], digests: Mapping[str, str]
) -> tuple[list[Sample], list[Sample], dict[str, str]]:
    """(training, held out, {sample_id: group} of `digests`): the same photos for YOLO and for `fit`.

    Args:
        config: names the photos' folder, the share of train/ to hold out and its seed.
        samples: of train/ and val/ at least.
        digests: {sample_id: sha256} of train/; needless where there is a val/.

    Raises:
        RequestError: groups.csv is wrong.
    """
    groups = photo_groups(digests, read_groups(config.data.root))
    return (*hold_out(samples, config.data.validation_fraction, config.seed, groups), groups)


def find_folds(
    samples: Sequence[Sample], root: Place, count: int, seed: int, digests: Mapping[str, str] | None = None
) -> Folds:
    """Divide photos into folds: stratified by class as far as groups allow, decided by seed and contents alone.

    Photos with the same bytes are of one group, and those that ROOT/groups.csv names one (`data split` writes it).

    Args:
        samples: of the training.
        root: the imagefolder's.
        count: K, 2 or more.
        seed: another seed, other folds.
        digests: {sample_id: sha256} of the photos, if they are known already.

    Raises:
        RequestError: a fold would lack a class, or groups.csv is wrong.
        KerasFusionError: a file cannot be read.
    """
    keys = read_groups(root)
    digests = digests or photo_digests(samples, "find groups")
    groups = list(photo_groups({sample.sample_id: digests[sample.sample_id] for sample in samples}, keys).values())
    folds = assign_folds([sample.label for sample in samples], groups, count, seed)
    _refuse_missing_class(samples, groups, folds, count, root)
    return Folds(count, seed, {sample.sample_id: fold for sample, fold in zip(samples, folds, strict=True)})


def assign_folds(labels: Sequence[int], groups: Sequence[str], count: int, seed: int) -> list[int]:
    """The fold, 1..count, of each of N photos; arguments as for `assign_splits`."""
    shares = {str(number): 1 / count for number in range(1, count + 1)}
    # Each photo stands for `count` of them: exact shares are then whole numbers, and no rounding, which differs between
    # processors, decides where two folds are equally good.
    assigned = assign_splits(list(labels) * count, list(groups) * count, shares, seed)
    return [int(number) for number in assigned[: len(labels)]]


def _refuse_missing_class(samples, groups: Sequence[str], folds: Sequence[int], count: int, root: Place) -> None:
    for label, name in enumerate(CLASS_NAMES):
        held = {fold for sample, fold in zip(samples, folds, strict=True) if sample.label == label}
        lacking = [number for number in range(1, count + 1) if number not in held]
        if lacking:
            groups_held = {group for sample, group in zip(samples, groups, strict=True) if sample.label == label}
            photos = sum(sample.label == label for sample in samples)
            raise RequestError(
                f"fold {lacking[0]} of {count} would hold no photo of {name}: the training photos have {photos} of it "
                f"in {len(groups_held)} groups that stay together",
                where=root,
                expected=f"photos of both classes in each fold, so {count} groups of each class or more",
                todo="fewer folds (--folds 3, or 0 for none), or more photos",
            )

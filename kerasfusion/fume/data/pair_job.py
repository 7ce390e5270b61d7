"""The job of `data pair`: annotations of single frames to the paired annotations that networks are trained on."""

import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from kerasfusion.config import to_dict
from kerasfusion.errors import RequestError
from kerasfusion.files.one_writer import only_writer
from kerasfusion.files.writing import disk_errors, own_partial, remove_abandoned
from kerasfusion.fume.config_reading import MaskReading
from kerasfusion.fume.data.annotations import (
    GASES,
    SPLITS,
    STATES,
    Frame,
    annotation_path,
    check_files,
    read_frames,
    write_frames,
)
from kerasfusion.fume.data.frame_check import check_frames
from kerasfusion.fume.data.gas_names import misnamed
from kerasfusion.fume.data.leaks import Leak, ambiguous_originals, find_leak, refuse_repeats, regroup
from kerasfusion.fume.data.mask_check import check_masks
from kerasfusion.fume.data.modality import REMEDY, Dependence, dependence
from kerasfusion.fume.data.modality_balance import balance_modality
from kerasfusion.fume.data.pairing import KINDS, count_samples, pair_frames
from kerasfusion.fume.data.samples import Sample, paired_path, write_samples
from kerasfusion.fume.mask_files.reading import USUAL

WHOLE = "annotations.csv"
"""All frames in one file, not yet divided into splits."""


@dataclass
class PairSummary:
    """What `data pair` did.

    Attributes:
        out: where the files were written.
        strategy, seed: as asked for.
        regrouped: whether the splits were made anew.
        files: what was written.
        counts: {split: rows of pairing.count_samples}.
        leak: between the splits that were given; None for one file of all frames.
        dependence: {split: how far the gases that a sample has tell its state}, where that can be asked.
        notes, warnings: lines to show to the user.
    """

    out: Path
    strategy: str
    seed: int
    regrouped: bool
    files: list[Path] = field(default_factory=list)
    counts: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    leak: Leak | None = None
    dependence: dict[str, Dependence] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def rows(self) -> list[dict[str, object]]:
        """Lines of the table: each split by class and pH, and its sum."""
        names = {"paired": "paired", "co2_only": "CO2 only", "ch4_only": "CH4 only", "total": "samples"}
        lines = []
        for split, counted in self.counts.items():
            for row in [*counted, {"class_name": "all", **_sum(counted)}]:
                ph = str(row["ph_value"]) if "ph_value" in row else None
                line = {"split": split, "class": row["class_name"], "pH": ph}
                lines.append(line | {name: row[kind] for kind, name in names.items()})
        return lines

    def to_json(self) -> dict:
        """The same as plain dicts, lists, strings and numbers."""
        return {
            "out": str(self.out),
            "strategy": self.strategy,
            "seed": self.seed,
            "regrouped": self.regrouped,
            "files": [str(path) for path in self.files],
            "splits": {split: {**_sum(rows), "by_class_and_ph": rows} for split, rows in self.counts.items()},
            "leak": self.leak.to_json() if self.leak is not None else None,
            "dependence": {split: found.to_json() for split, found in self.dependence.items()},
            "notes": self.notes,
            "warnings": self.warnings,
        }


def pair_dataset(
    root: Path,
    out: Path | None = None,
    *,
    strategy: str = "random",
    seed: int = 42,
    regrouping: bool = False,
    val: float | None = None,
    test: float | None = None,
    masks: MaskReading = USUAL,
    balancing: bool = False,
) -> PairSummary:
    """Pair the frames of ROOT/{train,val,test}_annotations.csv, each split by itself.

    Writes OUT/paired_{train,val,test}_annotations.csv; with `regrouping` also the new splits, as
    OUT/regrouped_{train,val,test}_annotations.csv. Paths in them are relative to ROOT, wherever OUT is. The files that
    are read are never written to. Nothing is written before all rows, files and options were found right.

    Args:
        root: the dataset's folder; some of the three files, or annotations.csv with all frames.
        out: None: `root`.
        strategy: a key of pairing.STRATEGIES.
        seed: of the pairs and of the new splits.
        regrouping: pool the frames and divide them anew, all copies of an original into one split.
        val, test: shares of the new splits; None: 0.15.
        masks: how the masks are read, as `fit` will read them.
        balancing: take pairs apart and leave frames out, so that all states have the same shares of pairs and singles.

    Raises:
        RequestError: no annotations, bad rows, missing files, masks that training would refuse, frames that are listed
            twice, bad options.
        ImageError: frames that are no images, masks that cannot be read, or masks of another size than their frames.
        KerasFusionError: OUT cannot be written, or another run is writing it.
    """
    root, out = Path(root), Path(out if out is not None else root)
    if not regrouping and (val is not None or test is not None):
        raise RequestError("--val and --test are shares of new splits", todo="add --regroup, or leave them out")
    if root.is_file():
        raise RequestError("it is a file", where=root, expected="the dataset's folder", todo=f"name {root.parent}")
    if not root.is_dir():
        raise RequestError(
            "the dataset folder does not exist",
            where=root,
            expected=f"a folder with frames, masks and {annotation_path(Path(), 'train')}, or {WHOLE}",
            todo="name another; kerasfusion data frames takes stills of films into one, and data synth fume draws one",
        )
    shares = {name: share for name, share in (("val", val), ("test", test)) if share is not None}
    summary = PairSummary(out, strategy, seed, regrouping)
    with only_writer(out, "folder"):  # not its name from beside it: a set may lie where nothing else can be written
        _pair(summary, root, shares, masks, balancing)
    return summary


def _pair(summary: PairSummary, root: Path, shares: dict[str, float], masks: MaskReading, balancing: bool) -> None:
    splits = _read_splits(root, summary.regrouped, summary)
    frames = [frame for found in splits.values() for frame in found]
    refuse_repeats(frames)
    regrouped = regroup(frames, **shares, seed=summary.seed) if summary.regrouped else None  # before masks are missed
    check_files(root, frames)
    sizes = check_frames(root, frames)
    summary.notes += check_masks(root, frames, masks, sizes)
    summary.notes += _legend_note(masks)
    summary.leak = find_leak(splits) if WHOLE not in splits else None
    splits = regrouped or splits
    samples = {split: pair_frames(found, summary.strategy, summary.seed) for split, found in splits.items()}
    if balancing:
        samples = {split: balance_modality(found, summary.seed) for split, found in samples.items()}
        summary.notes.append(_left_out(frames, samples))
    found = {split: dependence(samples[split]) for split in samples}
    summary.dependence = {split: measured for split, measured in found.items() if measured is not None}
    summary.counts = {split: count_samples(found) for split, found in samples.items()}
    summary.warnings += _mixed_stills(frames, [sample for found in samples.values() for sample in found])
    _remark(summary, frames, root)
    _write(summary, splits, samples)


def _left_out(frames: list[Frame], samples: dict[str, list[Sample]]) -> str:
    kept = sum(len(sample.frames) for found in samples.values() for sample in found)
    pairs = sum(sample.is_paired for found in samples.values() for sample in found)
    alone = "" if pairs else "; no pair is left, since a state has none, so the network learns from single frames"
    return f"{len(frames) - kept} of {len(frames)} frames are left out, so that all states have the same gases{alone}"


def _mixed_stills(frames: list[Frame], samples: list[Sample]) -> list[str]:
    """A warning if stills of films are in pairs that were not filmed at one time."""
    known = {frame.frame_path: frame for frame in frames}
    pairs = [[known[each.frame_path] for each in sample.frames.values()] for sample in samples if sample.is_paired]
    mixed = [f"{one.frame_path} and {other.frame_path}" for one, other in pairs if _is_mixed(one, other)]
    if not mixed:
        return []
    return [
        f"{len(mixed)} of {len(pairs)} pairs are stills of different times or films, such as {mixed[0]}; "
        "--strategy original_based pairs what was filmed at one time"
    ]


def _is_mixed(one: Frame, other: Frame) -> bool:
    return (one.is_still or other.is_still) and one.moment != other.moment


def _way_to_pairs(frames: list[Frame]) -> str:
    """What makes pairs of frames where a strategy finds none."""
    if not any(frame.is_still for frame in frames):
        return "--strategy random matches by pH and class alone"
    return (
        "the two films of a scene differ in the gas of their names alone (cow7_co2, cow7_ch4), have one pH and state, "
        "and stills of the same seconds (data frames --every, --offset)"
    )


def _legend_note(masks: MaskReading) -> list[str]:
    named = {name: list(marks) for name, marks in to_dict(masks.legend).items() if marks}
    return [f"give the legend to the training too: --set 'data.masks.legend={json.dumps(named)}'"] if named else []


def _read_splits(root: Path, regrouping: bool, summary: PairSummary) -> dict[str, list[Frame]]:
    """{split: frames}; the one file of all frames stands under its name."""
    present = [split for split in SPLITS if annotation_path(root, split).is_file()]
    expected = ", ".join(annotation_path(root, split).name for split in SPLITS)
    if not present and not (root / WHOLE).is_file():
        raise RequestError("no annotations here", where=root, expected=f"{expected}; or {WHOLE} with --regroup")
    if not present and not regrouping:
        raise RequestError(
            "the frames are not divided into splits", where=root / WHOLE, expected=expected, todo="add --regroup"
        )
    if present and (root / WHOLE).is_file():
        summary.notes.append(f"{WHOLE} was not read: the files of the splits are there")
    paths = {split: annotation_path(root, split) for split in present} or {WHOLE: root / WHOLE}
    splits = {name: read_frames(path) for name, path in paths.items()}
    if not any(splits.values()):
        raise RequestError("the annotations have no rows", where=", ".join(str(path) for path in paths.values()))
    return splits


def _remark(summary: PairSummary, frames: list[Frame], root: Path) -> None:
    leak = summary.leak.lines() if summary.leak else []
    if leak and summary.regrouped:
        summary.notes += [f"in the old splits, {leak[0]}", "no original is in more than one of the new splits"]
    elif leak:
        summary.warnings += [
            *leak,
            "scores on such splits are too good; --regroup makes splits without shared originals",
        ]
    summary.warnings += misnamed((frame.gas, PurePosixPath(frame.frame_path)) for frame in frames)
    for split, measured in summary.dependence.items():
        if measured:
            summary.warnings.append(f"{split}: {measured.line()}; {REMEDY}")
        else:
            summary.notes.append(f"{split}: {measured.line()}")
    ambiguous = ambiguous_originals(frames)
    if ambiguous:
        summary.warnings.append(
            f"{len(ambiguous)} original_sample_id(s), such as {ambiguous[0]!r}, stand for frames of different class or "
            "pH; if ids start anew in each recording, make them unique"
        )
    if len({frame.gas for frame in frames}) == len(GASES) and not any(
        row["paired"] for rows in summary.counts.values() for row in rows
    ):
        summary.warnings.append(f"{summary.strategy} finds no pair; {_way_to_pairs(frames)}")
    for split in SPLITS:
        summary.warnings += _split_warnings(split, summary)
    if summary.out.resolve() != root.resolve():
        summary.notes.append(
            f"the paths in the files start from {root}: set data.dataset_root to it, and data.paired_train_csv, "
            f"paired_val_csv and paired_test_csv to the files in {summary.out}"
        )


def _split_warnings(split: str, summary: PairSummary) -> list[str]:
    if split not in summary.counts:
        old = paired_path(summary.out, split)
        left = f"; {old.name}, written earlier, stays and may not fit" if old.is_file() else ""
        return [f"there is no {annotation_path(Path(), split)}; --regroup divides the frames into three splits{left}"]
    held = {row["class_name"] for row in summary.counts[split]}
    missing = [state for state in STATES if state not in held]
    return [f"{split} has no frame of {', '.join(missing)}"] if missing else []


def _write(summary: PairSummary, splits: dict[str, list[Frame]], samples: dict[str, list[Sample]]) -> None:
    """Write all files, then put them in place of the old ones."""
    out = summary.out
    remove_abandoned(out)
    with disk_errors(out), tempfile.TemporaryDirectory(prefix=own_partial(Path("pair-")).name, dir=out) as folder:
        made = []
        for split, found in samples.items():
            if summary.regrouped:
                made.append(Path(folder) / f"regrouped_{annotation_path(Path(), split)}")
                write_frames(made[-1], splits[split])
            made.append(paired_path(Path(folder), split))
            write_samples(made[-1], found)
        summary.files = [out / path.name for path in made]
        _put_in_place(made, out)
    summary.notes.append(f"written to {out}: {', '.join(path.name for path in summary.files)}")


def _put_in_place(made: list[Path], out: Path) -> None:
    """Put files in place of those of their names, which go aside first, so that a kill never leaves both kinds.

    Args:
        made: the new files, in a folder beside which they are to stand.
        out: where.

    Raises:
        KerasFusionError: one cannot be moved, such as a table that another program has open; names it, and the old ones
            stand where they were.
    """
    aside = made[0].parent / "old"
    aside.mkdir()
    placed: list[Path] = []
    try:
        for path in (out / new.name for new in made):
            with disk_errors(path):
                if path.is_file():
                    path.rename(aside / path.name)
        for new in made:
            with disk_errors(out / new.name):
                placed.append(new.replace(out / new.name))
    except BaseException:
        for path in placed:
            path.unlink()
        for old in aside.iterdir():
            old.rename(out / old.name)
        raise


def _sum(rows: list[dict[str, object]]) -> dict[str, int]:
    return {kind: sum(row[kind] for row in rows) for kind in KINDS}

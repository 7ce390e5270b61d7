"""Find the training photos of a run whose labels are probably wrong, and write them down for a person to decide."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kerasfusion.address import Place, place
from kerasfusion.errors import RequestError
from kerasfusion.files.csv_table import csv_text
from kerasfusion.files.json_yaml import read_yaml
from kerasfusion.files.run_folder import require_folder
from kerasfusion.files.writing import write_text
from kerasfusion.report_page.blocks import Paragraph, Section, Table
from kerasfusion.report_page.page import write_page
from kerasfusion.reporting import command_line
from kerasfusion.roadwork.data.dataset import CLASS_NAMES
from kerasfusion.roadwork.data.decisions import DECISION, DECISIONS, read_decisions
from kerasfusion.roadwork.evaluate.figures import title_of
from kerasfusion.roadwork.fit.out_of_fold_table import FoldAnswers, read_fold_answers
from kerasfusion.roadwork.report.page import made_by
from kerasfusion.roadwork.report.photos import Told, photo_blocks
from kerasfusion.roadwork.suspects.confident import Doubts, doubts_of

TABLE, PAGE = "suspects.csv", "suspects.html"
MOST = 100
"""Photos on the page; the table has all of them."""


@dataclass(frozen=True)
class Suspects:
    """What was found.

    Attributes:
        photos: training photos that were looked at.
        suspects: those whose label is doubted.
        skill: {branch: what it weighs}.
        table, page: where both are.
    """

    photos: int
    suspects: int
    skill: dict[str, float]
    table: Path
    page: Path

    def to_json(self) -> dict[str, Any]:
        """The same as plain dicts, strings and numbers."""
        return asdict(self) | {"table": str(self.table), "page": str(self.page)}


def find_suspects(
    run: Path,
    out: Path | None = None,
    data: Place | None = None,
    most: int = MOST,
) -> Suspects:
    """Write suspects.csv and suspects.html, worst first. No photo and no label is changed.

    Args:
        run: the folder of a run that was fitted with answers out of fold.
        out: where to write; None is the run folder.
        data: where the photos are now; None is where the run had them.
        most: photos on the page.

    Raises:
        RequestError: the run has no answers out of fold, no branch tells the classes apart, or the table that is there
            holds decisions or cannot be read as one.
        KerasFusionError: a damaged or unwritable file.
    """
    folder = out or run
    require_folder(folder)
    _refuse_decided(folder / TABLE)
    kept = read_fold_answers(run)
    doubts = doubts_of(kept.labels, {name: probs[:, 0] for name, probs in kept.answers.items()})
    write_text(folder / TABLE, _table(kept, doubts))
    root = data or _root_of(run)
    write_page(
        folder / PAGE,
        f"suspects of {run.resolve().name}",
        f"{len(doubts.suspects):,} of {len(kept.sample_ids):,} training photos have a label that is contradicted by "
        "classifiers which have not seen them. The worst come first. Nothing was changed.",
        _sections(kept, doubts, root, most, folder / TABLE),
        made_by("data", "suspects", run),
    )
    return Suspects(len(kept.sample_ids), len(doubts.suspects), dict(doubts.skill), folder / TABLE, folder / PAGE)


def _refuse_decided(table: Path) -> None:
    if not table.is_file():
        return
    todo = "name another folder with --out, or move the table away"
    try:
        decided = len(read_decisions(table))
    except RequestError as error:  # it may still hold some
        raise RequestError(
            f"this file would be lost, and is no table without decisions: {error.what}", where=error.where, todo=todo
        ) from error
    if decided:
        raise RequestError(f"this table holds {decided} decision(s), which would be lost", where=table, todo=todo)


def _root_of(run: Path) -> Place | None:
    path = run / "config.yaml"
    root = read_yaml(path).get("data", {}).get("root") if path.is_file() else None
    return place(root) if root else None


def _table(kept: FoldAnswers, doubts: Doubts) -> str:
    about = ["sample_id", "image_sha256", "label", "suggested", "suspicion", "branches"]
    rows = []
    for photo in doubts.suspects:
        label = kept.labels[photo]
        said = [f"{probs[photo, 0]:.4f}" for probs in kept.answers.values()]
        found = [CLASS_NAMES[label], CLASS_NAMES[1 - label], f"{doubts.suspicion[photo]:.4f}", doubts.branches[photo]]
        rows.append([kept.sample_ids[photo], kept.digests[photo], *found, *said, ""])
    return csv_text([*about, *kept.answers, DECISION], rows)


def _sections(kept: FoldAnswers, doubts: Doubts, root: Place | None, most: int, table: Path) -> list[Section]:
    shown = [
        Told(
            kept.sample_ids[photo],
            kept.digests[photo],
            [
                f"labelled {_words(kept.labels[photo])}",
                f"suspicion {doubts.suspicion[photo]:.3f}, {doubts.branches[photo]} branches contradict",
                ", ".join(f"{title_of(name)} {probs[photo, 0]:.3f}" for name, probs in kept.answers.items()),
            ],
        )
        for photo in doubts.suspects[:most]
    ]
    caption = f"The first {len(shown):,}, with P(roadwork) of each branch."
    split = command_line(["kerasfusion", "data", "split", "SRC", "OUT", "--labels", table])
    how = Paragraph(
        f"Write {', '.join(DECISIONS)} into the column `{DECISION}` of {table.name}, as far as you have looked, then: "
        f"`{split}`. Rows without a decision change nothing."
    )
    rows = [{"branch": title_of(name), "weight": weight} for name, weight in doubts.skill.items()]
    weights = Table(rows, "What each branch weighs: 1 tells the classes apart without fail, 0 is chance.", digits=3)
    return [
        Section("What to do with them", [how]),
        Section("Photos", photo_blocks(shown, root, caption) or [Paragraph("No label is doubted.")]),
        Section("Who was asked", [weights]),
    ]


def _words(label: int) -> str:
    return CLASS_NAMES[label].replace("_", " ")

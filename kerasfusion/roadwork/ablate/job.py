"""One `ablate`: refit the head without each branch, judge it with each branch by itself, and say what pays."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.files.one_writer import only_writer
from kerasfusion.files.run_folder import require_folder
from kerasfusion.files.writing import write_text
from kerasfusion.progress import track
from kerasfusion.reporting import command_line
from kerasfusion.roadwork.ablate.answers import Said, read_answers
from kerasfusion.roadwork.ablate.costs import Cost, measure_costs
from kerasfusion.roadwork.ablate.record import FULL, Ablation, Row, Useless, write_ablation
from kerasfusion.roadwork.ablate.text import as_csv
from kerasfusion.roadwork.branches.ensemble import build_head
from kerasfusion.roadwork.branches.one_file import FUSION, PARTS
from kerasfusion.roadwork.challenge.views import view_kinds
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.data.split_groups import drawn_together
from kerasfusion.roadwork.evaluate.challenges import challenge_reports, main_mix
from kerasfusion.roadwork.evaluate.comparison import full_report
from kerasfusion.roadwork.fit.head_rows import head_rows
from kerasfusion.roadwork.head.fitting import fit_head

SPLIT = "test"
CSV = "ablation.csv"


@dataclass(frozen=True)
class Made:
    """An answer that is judged.

    Attributes:
        name: of its row.
        branches: that it is made of.
        is_fused: by a head that is refitted, or a branch's own answer.
    """

    name: str
    branches: tuple[str, ...]
    is_fused: bool


def ablate(
    config: RoadworkConfig, out: Path | None = None, report: Callable[[str], None] = print
) -> tuple[Ablation, list[Path]]:
    """Weigh the branches of a finished fit. EfficientNetV2 is not trained again: heads alone are, in seconds.

    Args:
        config: that of the fit.
        out: folder for ablation.json and ablation.csv; None is the run folder.
        report: takes a line for the person who waits.

    Returns:
        What was found, and the files.

    Raises:
        RequestError: no finished fit of these settings with two branches or more, or no cache that belongs to it.
        KerasFusionError: another run is writing the folder.
    """
    folder = out or config.run_folder
    require_folder(folder, config.fit.pixel_cache)
    with only_writer(folder):
        said = read_answers(config, SPLIT)
        if len(said.branches) < 2:
            raise RequestError(
                f"the fit has no branch beside {said.branches[0]}: there is nothing to leave out",
                where=config.run_folder,
                todo="fit with more branches (fusion.without) and weigh those",
            )
        costs = _costs(config, said.branches, report)
        found = weigh(config, said, costs, file_sha256(config.run_folder / PARTS))
        files = [write_ablation(folder, found), folder / CSV]
        write_text(files[1], as_csv(found))
    return found, files


def made_of(branches: Sequence[str]) -> list[Made]:
    """The fusion, the fusion without each branch, and each branch by itself.

    Of three branches, those without one are all pairs.
    """
    without = [
        Made(f"without {left_out}", tuple(name for name in branches if name != left_out), True) for left_out in branches
    ]
    return [Made(FULL, tuple(branches), True), *without, *(Made(f"{name} alone", (name,), False) for name in branches)]


def _answer_all(config: RoadworkConfig, said: Said) -> dict[str, np.ndarray]:
    """{row: (N V,) P(roadwork)} of the photos that heads are judged by."""
    asked = said.of_asked()
    rows = made_of(said.branches)
    fused = {row.name: _fuse(config, said, row.branches) for row in track([r for r in rows if r.is_fused], "fit heads")}
    return {row.name: fused[row.name] if row.is_fused else asked[row.branches[0]][:, 1] for row in rows}


def _fuse(config: RoadworkConfig, said: Said, branches: tuple[str, ...]) -> np.ndarray:
    """(N V,) P(roadwork) of a head that is fitted on these branches as `fit` fits it."""
    keras.utils.set_random_seed(config.seed)
    head = build_head(config.fusion, branches)
    fit_head(config, head, head_rows(said.learned, said.learned_probs))
    asked = said.of_asked()
    return np.asarray(head({name: asked[name] for name in branches}, training=False))[:, 1]


def _costs(config: RoadworkConfig, branches: tuple[str, ...], report: Callable[[str], None]) -> dict[str, Cost]:
    path = config.run_folder / FUSION
    if not path.is_file():
        report(f"no times: {path} is not there (kerasfusion export {config.run_folder} composes it)")
        return {}
    return measure_costs(path, branches)


def weigh(config: RoadworkConfig, said: Said, costs: dict[str, Cost], model_sha256: str) -> Ablation:
    """Refit the heads and judge them.

    Args:
        config: settings of the head, views and seed.
        said: what the branches say.
        costs: of each branch; empty where they were not measured.
        model_sha256: of the file whose EfficientNetV2 answered.
    """
    photos, answers = said.asked, _answer_all(config, said)
    views = {name: p.reshape(-1, photos.views) for name, p in answers.items()}
    labels = photos.labels[photos.originals]
    kinds = [view_kinds(config.views, SPLIT, digest) for digest in photos.digests]
    firsts = {name: p[:, 0] for name, p in views.items()}
    groups = drawn_together(photos.groups)
    reports = {SPLIT: full_report(labels, firsts, FULL, groups, seed=config.seed)}
    reports |= challenge_reports(SPLIT, labels, views, kinds, FULL, groups, config.seed)
    decisive = main_mix(SPLIT, reports) or SPLIT
    rows = {
        name: [_row(made, each[made.name], costs) for made in made_of(said.branches)] for name, each in reports.items()
    }
    return Ablation(
        model_sha256,
        len(photos.samples),
        config.fusion.head,
        len(said.learned.samples),
        rows,
        decisive,
        list(_useless(config, rows[decisive], said.branches, costs)),
    )


def _row(made: Made, values: dict[str, Any], costs: dict[str, Cost]) -> Row:
    versus = values.get(f"vs_{FULL}", {})
    known = bool(costs)
    return Row(
        made.name,
        list(made.branches),
        *(values[key] for key in ("reward", "reward_ci95", "mcc", "accuracy")),
        versus.get("reward_difference"),
        versus.get("reward_difference_ci95"),
        sum(costs[name].ms for name in made.branches) if known else None,
        sum(costs[name].mb for name in made.branches) if known else None,
    )


def _useless(
    config: RoadworkConfig, rows: Sequence[Row], branches: Sequence[str], costs: dict[str, Cost]
) -> Iterator[Useless]:
    """Branches without which the reward is no lower, as far as these photos show."""
    by_name = {row.name: row for row in rows}
    for branch in branches:
        row = by_name[f"without {branch}"]
        low, high = row.reward_difference_ci95
        if high < 0:
            continue
        cost = costs.get(branch)
        yield Useless(
            branch,
            -row.reward_difference + 0.0,  # no minus zero
            (-high + 0.0, -low + 0.0),
            cost and cost.ms,
            cost and cost.mb,
            _command(config, branch),
        )


def _command(config: RoadworkConfig, branch: str) -> str:
    """`fit` in a run folder of its own, with the YOLO of this one."""
    without = [*config.fusion.without, branch]
    words = ["kerasfusion", "fit", "-c", str(config.run_folder / "config.yaml")]
    words += [word for name in without for word in ("--without", name)]
    words += ["--name", f"{config.name}-without-{'-'.join(without)}"]
    if "yolo" not in without:
        words += ["--yolo", str(config.yolo_weights)]
    return command_line(words)

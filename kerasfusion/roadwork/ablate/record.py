"""ablation.json: what an ablation found, as the report reads it."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from kerasfusion.files.json_yaml import read_object, write_json
from kerasfusion.files.run_files import own_settings
from kerasfusion.reporting import command_line

NAME = "ablation.json"
FULL = "fusion"
"""The row that the others are compared with: the head refitted on all branches of the fit."""

Number = Annotated[float, Field(allow_inf_nan=False)]
Interval = tuple[Number, Number]


@dataclass(frozen=True)
class Row:
    """A fusion, or a branch by itself.

    Attributes:
        name: "fusion", "without yolo", "vit + yolo", "vit alone".
        branches: that it is made of.
        reward, mcc, accuracy: on what was asked.
        reward_ci95: 95 % bootstrap interval by photo.
        reward_difference: to the fusion of all branches, on the same photos and resamples; None for itself.
        reward_difference_ci95: its 95 % interval by photo.
        ms: sum of its branches' medians; None where they were not measured.
        mb: of its weights.
    """

    name: str
    branches: list[str]
    reward: Number
    reward_ci95: Interval
    mcc: Number
    accuracy: Number
    reward_difference: Number | None
    reward_difference_ci95: Interval | None
    ms: Number | None
    mb: Number | None


@dataclass(frozen=True)
class Useless:
    """A branch whose gain is not shown.

    Attributes:
        branch: its name.
        gain: reward of the fusion less that of the fusion without it.
        gain_ci95: 95 % interval by photo; it holds 0, or all of it is below.
        ms, mb: what leaving it out saves; None where it was not measured.
        command: that fits without it.
    """

    branch: str
    gain: Number
    gain_ci95: Interval
    ms: Number | None
    mb: Number | None
    command: str


@dataclass(frozen=True)
class Ablation:
    """What an ablation found.

    Attributes:
        model_sha256: of the trained parts' file whose EfficientNetV2 answered.
        photos: how many were asked about.
        head: fusion.head of the fusions.
        fitted_on: photos that the heads were fitted on.
        asked: {"test", "test_mix", ...: rows}, the photos themselves first.
        decisive: the name in `asked` by which branches are judged: the widest mix of challenges, or the photos.
        useless: branches that pay for nothing there.
    """

    model_sha256: str
    photos: int
    head: str
    fitted_on: int
    asked: Annotated[dict[str, list[Row]], Field(min_length=1)]
    decisive: str
    useless: list[Useless]


def write_ablation(folder: Path, found: Ablation) -> Path:
    """Write FOLDER/ablation.json.

    Raises:
        KerasFusionError: it cannot be written.
    """
    write_json(folder / NAME, asdict(found))
    return folder / NAME


def read_ablation(folder: Path) -> Ablation | None:
    """What `write_ablation` wrote; None where there is no such file.

    Raises:
        DamagedError: the file is damaged; names each wrong key.
    """
    again = f"delete it and run {command_line(['kerasfusion', 'ablate', *own_settings(folder)])} again"
    return read_object(folder / NAME, Ablation, again)

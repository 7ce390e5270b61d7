"""What a rehearsal of the subnet's loop found, as rehearsal.json keeps it: {file or address that answered: Rehearsal}.

It stands here and not beside `miner rehearse`, which writes it, because the report quotes it too.
"""

from dataclasses import asdict, field
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from kerasfusion.files.json_yaml import read_object, write_json
from kerasfusion.reporting import command_line

NAME = "rehearsal.json"

Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Gain = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]
Milliseconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Curve:
    """The reward along a rehearsal, at some of its answers.

    Attributes:
        answers: which, counted from 1.
        mean: over the repeats.
        low, high: between which 95 % of the repeats lie.
    """

    answers: list[Annotated[int, Field(ge=1)]]
    mean: list[Share]
    low: list[Share]
    high: list[Share]


@dataclass(frozen=True)
class Earned:
    """What one output earned; means over all repeats and all answers from the hundredth on.

    Attributes:
        reward: of an answer.
        reward_over_repeats: between which 95 % of the repeats' own means lie.
        mcc: of the last 100 answers, floored at 0.
        accuracy: of the last 10.
        curve: of the reward.
    """

    reward: Share
    reward_over_repeats: tuple[Share, Share]
    mcc: Share
    accuracy: Share
    curve: Curve


@dataclass(frozen=True)
class Waited:
    """How long an answer took, from the challenge's bytes on; of the answers that came in time."""

    p50_ms: Milliseconds
    p95_ms: Milliseconds


@dataclass(frozen=True)
class Rehearsal:
    """A rehearsal.

    Attributes:
        source: the file that answered, or the service's address.
        model_sha256: of the file; None where a service does not say.
        data: the folder of the photos.
        photos: {class: photos} in it.
        listing_sha256: of their ids and classes, as the branch cache's manifest has it.
        layout: of the challenges.
        challenges: answers of a repeat.
        asked: different challenges that were asked about, each once.
        repeats: how often they were drawn anew.
        seed: of the draws.
        deadline_s: how long the validator waits.
        outputs: {output: what it earned}; the fusion and, where its answers are given, the ViT.
        gain: the fusion's reward less the ViT's, in the same repeats.
        gain_over_repeats: between which 95 % of the repeats lie.
        waited: None if no answer came in time.
        lost: {why: challenges} of those asked that brought the miner no answer.
        stages: {stage: challenges} of those asked that it answered; empty where that is not known.
    """

    source: str
    model_sha256: str | None
    data: str
    photos: dict[str, Count]
    listing_sha256: str
    layout: str
    challenges: Annotated[int, Field(ge=100)]
    asked: Annotated[int, Field(ge=1)]
    repeats: Annotated[int, Field(ge=2)]
    seed: int
    deadline_s: float
    outputs: Annotated[dict[str, Earned], Field(min_length=1)]
    gain: Gain | None
    gain_over_repeats: tuple[Gain, Gain] | None
    waited: Waited | None
    lost: dict[str, Count]
    stages: dict[str, Count] = field(default_factory=dict)


def keep_rehearsal(folder: Path, found: Rehearsal) -> Path:
    """Add a rehearsal to a folder's; one of the same source is replaced.

    Returns:
        The file.

    Raises:
        KerasFusionError: what is there is damaged, or it cannot be written.
    """
    kept = read_rehearsals(folder) | {found.source: found}
    write_json(folder / NAME, {source: asdict(each) for source, each in kept.items()})
    return folder / NAME


def read_rehearsals(folder: Path) -> dict[str, Rehearsal]:
    """The rehearsals that a folder keeps, by what answered; none where there is no such file.

    Raises:
        DamagedError: the file is damaged; names each wrong key.
    """
    command = command_line(["kerasfusion", "miner", "rehearse", folder / "fusion.keras"])
    again = f"delete it and run {command} again"
    return read_object(folder / NAME, dict[str, Rehearsal], again) or {}

"""The answers that an evaluation kept (predictions_SPLIT.csv), known to be whole by a digest in evaluated.json.

The digest stands beside the table and not in it: other programs read the table too.
"""

from pathlib import Path
from typing import Any

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.files.run_files import EVALUATED, read_evaluated

_KEY = "answers_sha256"
_NAME = "predictions_"


def predictions_path(folder: Path, split: str) -> Path:
    """Where the answers on a split are kept in a run folder."""
    return folder / f"{_NAME}{split}.csv"


def answers_record(folder: Path, split: str) -> dict[str, Any]:
    """What evaluated.json says of the answers that were just written."""
    return {_KEY: file_sha256(predictions_path(folder, split))}


def refuse_other_answers(path: Path, again: str) -> None:
    """Check kept answers against evaluated.json beside them; evaluations of older versions have no digest there.

    Args:
        path: a file that is there.
        again: the command that writes it.

    Raises:
        DamagedError: evaluated.json is damaged.
        RequestError: it is not the file that `evaluate` wrote.
    """
    expected = read_evaluated(path.parent).get(path.stem.removeprefix(_NAME), {}).get(_KEY)
    if expected is not None and file_sha256(path) != expected:
        raise RequestError(
            "the kept answers are damaged or were altered: the file is not the one that evaluate wrote",
            where=path,
            expected=f"sha256 {expected[:12]}..., as {EVALUATED} beside it says",
            todo=again,
        )

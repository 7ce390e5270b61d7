"""What was chosen while a run's head was fitted: `head.json` in the run folder."""

from pathlib import Path
from typing import Any

from kerasfusion.files.json_yaml import read_json, write_json
from kerasfusion.reporting import table

HEAD = "head.json"
AGAIN = "delete it; `kerasfusion fit` writes it again"


def keep_record(folder: Path, record: dict[str, Any]) -> None:
    """Keep what was chosen; where nothing was, what an earlier head left is taken away."""
    if record:
        write_json(folder / HEAD, record)
    else:
        (folder / HEAD).unlink(missing_ok=True)


def read_record(folder: Path) -> dict[str, Any]:
    """The record of a run; empty where nothing was chosen.

    Raises:
        DamagedError: it is damaged.
    """
    return read_json(folder / HEAD, todo=AGAIN) or {}


def table_of(record: dict[str, Any]) -> str:
    """The heads that were tried, and which was taken and why."""
    return "\n".join([table(rows_of(record)), reason_of(record)])


def rows_of(record: dict[str, Any]) -> list[dict[str, object]]:
    """A row a head that was tried."""
    return [
        {
            "head": row["head"],
            "numbers": row["numbers"],
            "reward": row["reward"],
            "standard error": row["standard_error"],
            "mcc": row["mcc"],
            "nll": row["nll"],
            "taken": row["head"] == record["chosen"],
        }
        for row in record["tried"]
    ]


def reason_of(record: dict[str, Any]) -> str:
    """Why the head was taken, in a sentence."""
    best = next(row for row in record["tried"] if row["head"] == record["best"])
    groups = f" ({record['groups']} groups)" if "groups" in record else ""
    least = f"{best['reward'] - best['standard_error']:.4f}"
    return (
        f"{record['chosen']} learns fewest numbers of those with a reward of {least} or more, which is that of the "
        f"best ({record['best']}) less its standard error; {record['folds']}-fold cross-validation on "
        f"{record['photos']} photos{groups} in {record['views']} views"
    )

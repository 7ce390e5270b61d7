"""What `calibrate --cascade` found, in words."""

from typing import Any

from kerasfusion.reporting import table

DIGITS = {"ms": 1, "MCC": 4, "reward": 4}


def as_text(said: dict[str, Any]) -> str:
    """The curve: a row a window.

    Args:
        said: what a description keeps as `cascade`; without its window where none was taken.
    """
    views = f" with {said['views']} views each" if said["views"] > 1 else ""
    weighed = "" if said["prior"] is None else f", roadwork weighed to {said['prior']:.0%}"
    times = said["stage_ms"]
    return "\n".join(
        [
            f"cascade on {said['photos']} photos{views}{weighed}; the first stage takes {times['first']:.1f} ms a "
            f"photo, the rest {times['rest']:.1f} ms",
            table([_row(row) for row in said["curve"]], digits=DIGITS),
            "skip: photos that the first stage answers; changed: decisions other than the fusion's, and the upper end "
            "of their 95 % interval by photo (copies, and photos of one group, count as one); * is the window that is "
            "taken",
        ]
    )


def taken(said: dict[str, Any]) -> str:
    """One line on the window that is taken."""
    (row,) = (row for row in said["curve"] if row["taken"])
    low, high = said["window"]
    return (
        f"cascade: the first stage answers {row['skipped']:.1%} of the photos (P(roadwork) up to {low:g} or "
        f"from {high:g} on), the ViT is asked about the others; {row['changed']:.2%} of the decisions change, at most "
        f"{row['changed_upper95']:.2%} (95 % confidence; the limit is {said['disagree']:.2%})"
    )


def _row(row: dict[str, Any]) -> dict[str, object]:
    window = "none: the fusion" if row["window"] is None else "{:g} to {:g}".format(*row["window"])
    return {
        "window": window + (" *" if row["taken"] else ""),
        "skip": f"{row['skipped']:.1%}",
        "ms": row["ms"],
        "changed": f"{row['changed']:.2%}",
        "at most": f"{row['changed_upper95']:.2%}",
        "MCC": row["mcc"],
        "reward": row["reward"],
        "reward differs": [round(value, 4) + 0.0 for value in row["reward_difference_ci95"]],
    }

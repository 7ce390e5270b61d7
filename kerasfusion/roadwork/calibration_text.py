"""What `calibrate` did, in words."""

from typing import Any

from kerasfusion.reporting import table
from kerasfusion.roadwork.calibration import TEMPERATURES

_ROWS = {"before": "before", "temperature_alone": "temperature alone", "after": "after"}


def as_text(said: dict[str, Any]) -> str:
    """The table of before and after, and what was decided.

    Args:
        said: what a description keeps as `calibration`.
    """
    thresholds = {"before": 0.5, "temperature_alone": 0.5, "after": said["threshold"]}
    both = said["threshold_moved"] and said["temperature_fitted"]
    rows = [
        {"fusion": title, "threshold": thresholds[key]} | said[key]
        for key, title in _ROWS.items()
        if both or key != "temperature_alone"
    ]
    counted = ", ".join(f"{count} {name}" for name, count in said["n_per_class"].items())
    lines = [
        f"{said['split']}: {said['n']} photos ({counted}). It was fitted on them: measure what it is worth on others.",
        "",
        table(rows),
        "",
        _temperature(said),
        _threshold(said),
    ]
    return "\n".join(lines)


def _temperature(said: dict[str, Any]) -> str:
    value = said["temperature"]
    if not said["temperature_fitted"]:
        low, high = TEMPERATURES
        return f"temperature stays at 1: these photos do not fix it (the best is not within {low} to {high:g})"
    meaning = "too sure" if value > 1 else "less sure than they were right"
    return f"temperature {value:.4f}: the answers were {meaning}"


def _threshold(said: dict[str, Any]) -> str:
    gain = said["mcc_gain"]
    measured = (
        f"on photos left out of {gain['resamples']} resamples a moved threshold changed MCC by {gain['median']:+.4f} "
        f"(median), {gain['q05']:+.4f} (5 % quantile)"
    )
    if said["threshold_moved"]:
        return f"threshold {said['threshold']:.4f} of before is 0.5 now: {measured}"
    return f"threshold stays at 0.5, the best here is {said['best_threshold']:.4f}: {measured}, which has to be above 0"

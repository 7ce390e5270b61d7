"""What `calibrate` did, in words."""

from typing import Any

from kerasfusion.reporting import table
from kerasfusion.roadwork.challenge.views import views_in_words
from kerasfusion.roadwork.scoring.calibration import TEMPERATURES

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
        f"{said['split']}: {said['n']} photos ({counted}), {_asked(said)}. It was fitted on them: measure what it is "
        "worth on others.",
        "",
        table(rows),
        "",
        _temperature(said),
        _threshold(said),
        *([] if has_effect(said) else ["so neither is moved: the probabilities of the fusion stay as they are"]),
    ]
    return "\n".join(lines)


def _asked(said: dict[str, Any]) -> str:
    """What was asked about them, and how they were weighed."""
    views = views_in_words({"views": said["views"]} if "views" in said else {})
    weighed = "" if said["prior"] is None else f", roadwork weighed to {said['prior']:.0%}"
    return views + weighed


def has_effect(said: dict[str, Any]) -> bool:
    """Whether these photos were reason to change anything."""
    return said["temperature_fitted"] or said["threshold_moved"]


def _temperature(said: dict[str, Any]) -> str:
    value, best = said["temperature"], said["best_temperature"]
    if best is None:
        low, high = TEMPERATURES
        return f"temperature stays at 1: these photos do not fix it (the best is not within {low} to {high:g})"
    gain = _on_left_out(said["nll_gain"], "a temperature saved {} of nll")
    if not said["temperature_fitted"]:
        return f"temperature stays at 1, the best here is {best:.4f}: {gain}, which has to be above 0"
    meaning = "too sure" if value > 1 else "less sure than they were right"
    return f"temperature {value:.4f}, the answers were {meaning}: {gain}"


def _threshold(said: dict[str, Any]) -> str:
    gain = _on_left_out(said["mcc_gain"], "a moved threshold gained {} of MCC")
    if said["threshold_moved"]:
        return f"threshold {said['threshold']:.4f} of before is 0.5 now: {gain}"
    return f"threshold stays at 0.5, the best here is {said['best_threshold']:.4f}: {gain}, which has to be above 0"


def _on_left_out(gain: dict[str, Any], what: str) -> str:
    found = what.format(f"{gain['median']:+.4f}")
    return f"on photos left out of {gain['resamples']} resamples {found} (median; 5 % quantile {gain['q05']:+.4f})"

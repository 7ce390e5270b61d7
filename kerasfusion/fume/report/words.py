"""How fume's report names and writes things: views, states, numbers and intervals."""

from collections.abc import Mapping
from typing import Any

VIEWS = {"": "as they are", "_paired": "both gases", "_co2_only": "CO2 alone", "_ch4_only": "CH4 alone"}
"""View -> what is said of its samples; those of the last two are the pairs again, with one gas taken away."""

DIGITS = 3


def masks_of(parts: Mapping[str, Any]) -> dict[str, Any]:
    """{output: values} of the masks that count: each gas's, or the one mask of a network that has but one."""
    masks = {part: values for part, values in parts.items() if part.endswith("mask")}
    return {part: values for part, values in masks.items() if part != "mask"} or masks


def interval_text(interval: Any) -> str:
    """An interval such as "0.571 to 0.760"; "unknown" where it is None."""
    if interval is None:
        return "unknown"
    low, high = interval
    return f"{low:.{DIGITS}f} to {high:.{DIGITS}f}"


def difference_text(interval: Any) -> str:
    """An interval of a difference, with signs, such as "-0.020 to +0.114"."""
    low, high = interval
    return f"{low:+.{DIGITS}f} to {high:+.{DIGITS}f}"


def value_text(values: Mapping[str, Any], metric: str) -> str:
    """A value with its interval, such as "0.667 (95 % interval 0.571 to 0.760)"."""
    if values.get(metric) is None:
        return "undefined"
    return f"{values[metric]:.{DIGITS}f} (95 % interval {interval_text(values.get(f'{metric}_ci95'))})"


def with_intervals(values: Mapping[str, Any], metrics: Mapping[str, str]) -> dict[str, Any]:
    """Cells of a table: {title: value, "95 % of TITLE": interval} of {metric: title}."""
    cells: dict[str, Any] = {}
    for metric, title in metrics.items():
        cells |= {title: values.get(metric), f"95 % of {title}": interval_text(values.get(f"{metric}_ci95"))}
    return cells


def counted(number: int, noun: str) -> str:
    """A number with its noun, such as "1 sample" or "1,200 samples"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")

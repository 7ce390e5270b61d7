"""How many photos show roadwork, beside how many of those that a validator draws do."""

from collections.abc import Mapping

from kerasfusion.roadwork.data.dataset import CLASS_NAMES

DRAWN = "a validator draws"
DRAWN_SHARE = 0.5
"""The subnet's validators draw roadwork and no roadwork equally often."""
SHARE = "roadwork, %"


def balance_rows(counts: Mapping[str, Mapping[str, int]]) -> list[dict[str, object]]:
    """Rows of a table: photos of each class and the share of roadwork, and at last what a validator draws.

    Args:
        counts: {what: {class name: photos}}, such as the splits and their source.
    """
    rows: list[dict[str, object]] = [
        {"split": name, **{each: held[each] for each in CLASS_NAMES}, "total": sum(held.values()), SHARE: percent(held)}
        for name, held in counts.items()
    ]
    return [*rows, {"split": DRAWN, SHARE: 100 * DRAWN_SHARE}]


def percent(held: Mapping[str, int]) -> float | None:
    """The share of roadwork in per cent; None of no photos."""
    total = sum(held[name] for name in CLASS_NAMES)
    return 100 * held[CLASS_NAMES[1]] / total if total else None


def in_all(counts: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """The photos of each class in all splits."""
    return {name: sum(held[name] for held in counts.values()) for name in CLASS_NAMES}

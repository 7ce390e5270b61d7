"""What an ablation found, in words: for the terminal and as CSV."""

from dataclasses import asdict

from kerasfusion.files.csv_table import csv_of_dicts
from kerasfusion.reporting import table
from kerasfusion.roadwork.ablate.record import FULL, Ablation, Row, Useless

NOTE = (
    "difference: reward less that of the fusion of all branches, with the 95 % interval by photo (copies, and photos "
    "of one group, count as one; paired bootstrap). ms: median of one photo from its pixels on, each branch timed by "
    "itself; MB: of its weights."
)


def as_text(found: Ablation) -> str:
    """The table on what decides, that of the photos themselves, and which branch pays for nothing."""
    parts = [f"{found.head} heads, fitted on {found.fitted_on} photos; judged by {found.photos} photos of test/"]
    for name in dict.fromkeys((found.decisive, next(iter(found.asked)))):
        parts += ["", f"on {name}:", table([_shown(row) for row in found.asked[name]])]
    parts += ["", NOTE, ""]
    if not found.useless:
        parts.append(f"every branch pays: on {found.decisive} the fusion earns less without any of them")
    for each in found.useless:
        parts += [in_words(each, found), f"  to leave it out: {each.command}"]
    return "\n".join(parts)


def in_words(each: Useless, found: Ablation) -> str:
    """A sentence on a branch that pays for nothing."""
    low, high = each.gain_ci95
    saved = "" if each.ms is None else f"; leaving it out saves {each.ms:.1f} ms a photo and {each.mb:.1f} MB"
    return (
        f"{each.branch} pays for nothing that {found.photos} photos could show: it brings a reward of {each.gain:+.4f} "
        f"on {found.decisive} (95 % interval {low:+.4f} to {high:+.4f}){saved}"
    )


def as_csv(found: Ablation) -> str:
    """A line for each row of each table, in full precision; an interval is two columns."""
    lines = []
    for asked, rows in found.asked.items():
        for row in rows:
            line: dict[str, object] = {"asked": asked}
            for key, value in asdict(row).items():
                if key.endswith("_ci95"):
                    line |= dict(zip((f"{key}_low", f"{key}_high"), value or ("", ""), strict=True))
                else:
                    line[key] = " ".join(value) if key == "branches" else "" if value is None else value
            lines.append(line)
    return csv_of_dicts(list(lines[0]), lines)


def _shown(row: Row) -> dict[str, object]:
    """The cells of a row; without times, no such columns."""
    cells: dict[str, object] = {"answer": row.name, "of": "all" if row.name == FULL else " + ".join(row.branches)}
    cells |= {"reward": row.reward, "mcc": row.mcc, "accuracy": row.accuracy}
    cells |= {"difference": row.reward_difference, "95 %": row.reward_difference_ci95}
    if row.ms is not None:
        cells |= {"ms": f"{row.ms:>7.1f}", "MB": f"{row.mb:>7.1f}"}
    return cells

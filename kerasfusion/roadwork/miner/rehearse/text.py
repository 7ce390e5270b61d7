"""A rehearsal on the terminal."""

from kerasfusion.reporting import table
from kerasfusion.roadwork.evaluate.rehearsal import Rehearsal
from kerasfusion.roadwork.evaluate.rehearsal_text import REACH, conditions, gained
from kerasfusion.roadwork.evaluate.split import BASELINE


def as_text(found: Rehearsal) -> str:
    """A row for each output, and what the numbers rest on."""
    waited = found.waited
    rows = [
        {
            "output": f"{name} (default)" if name == BASELINE else name,
            "reward": earned.reward,
            "over repeats": list(earned.reward_over_repeats),
            "mcc": earned.mcc,
            "accuracy": earned.accuracy,
            "p50_ms": waited and waited.p50_ms,
            "p95_ms": waited and waited.p95_ms,
            "lost": sum(found.lost.values()),
        }
        for name, earned in found.outputs.items()
    ]
    lines = [
        f"{found.repeats} rehearsals of {found.challenges} challenges, layout {found.layout}: means from the hundredth "
        "answer on",
        table(rows, digits={"p50_ms": 1, "p95_ms": 1}),
    ]
    if (gain := gained(found)) is not None:
        lines.append(f"fusion less default ViT: reward {gain}")
    return "\n".join([*lines, conditions(found), REACH])

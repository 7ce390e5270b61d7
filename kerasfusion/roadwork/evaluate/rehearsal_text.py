"""A rehearsal in words: the same on the terminal, in the report and on a model card."""

from kerasfusion.roadwork.evaluate.rehearsal import Rehearsal
from kerasfusion.roadwork.scoring.window import FIRST

REACH = (
    "The repeats draw labels, challenges and their order anew from these answers: the range over them is luck with the "
    "same photos, and says nothing of other photos."
)


def conditions(found: Rehearsal) -> str:
    """What was asked, how long it took and what was lost, in a sentence."""
    kinds = "of all layouts" if found.layout == "mix" else f"of the layout {found.layout}"
    words = [f"{found.asked} challenges {kinds} were made of {sum(found.photos.values())} photos and asked once each"]
    if found.waited is not None:
        p50, p95 = found.waited.p50_ms, found.waited.p95_ms
        words.append(f"half of the answers took {p50:.0f} ms or less, 95 % {p95:.0f} ms or less")
    if FIRST in found.stages:
        answered = sum(found.stages.values())
        words.append(f"the first stage of the cascade answered {found.stages[FIRST]} of {answered}")
    why = ", ".join(f"{count} {reason}" for reason, count in found.lost.items())
    words.append(f"lost: {why}" if why else f"none was lost in {found.deadline_s:g} s")
    return "; ".join(words) + "."


def gained(found: Rehearsal) -> str | None:
    """The fusion's reward against the ViT's in the same repeats; None without a ViT."""
    if found.gain is None:
        return None
    low, high = found.gain_over_repeats
    return f"{found.gain:+.3f} (in 95 % of {found.repeats} repeats {low:+.3f} to {high:+.3f})"

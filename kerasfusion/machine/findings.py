"""What `doctor` tells: findings about the machine, and steps of the work with what they still need."""

from collections.abc import Sequence
from dataclasses import dataclass

OK, WARNING, MISSING = "ok", "warning", "missing"

DONE, READY, LATER, BLOCKED, OPTIONAL = "done", "yes", "later", "no", "optional"


@dataclass(frozen=True)
class Finding:
    """Something that was looked at.

    Attributes:
        about: what.
        status: OK; WARNING: work goes on without it; MISSING: something must be mended.
        found: in words.
        todo: what mends it.
    """

    about: str
    status: str
    found: str
    todo: str | None = None


@dataclass(frozen=True)
class Need:
    """What a step lacks.

    Attributes:
        missing: in words.
        todo: the command that brings it; None where an earlier step of the work does.
    """

    missing: str
    todo: str | None = None


@dataclass(frozen=True)
class Step:
    """A step of the work.

    Attributes:
        step: its name.
        ready: DONE; READY to run; LATER, once earlier steps are done; BLOCKED until something is mended; OPTIONAL.
        missing: what it lacks, in words.
        command: what to type next for it.
    """

    step: str
    ready: str
    missing: str | None
    command: str | None


def plan_step(name: str, done: bool, needs: Sequence[Need | None], command: str) -> Step:
    """A step and how far it is.

    Args:
        name: of the step.
        done: its result is there.
        needs: what it lacks; None where it lacks nothing.
        command: that does it.
    """
    lacks = [need for need in needs if need is not None]
    mend = next((need for need in lacks if need.todo is not None), None)
    if done:
        return Step(name, DONE, None, None)
    if mend is not None:
        return Step(name, BLOCKED, mend.missing, mend.todo)
    if lacks:
        return Step(name, LATER, lacks[0].missing, command)
    return Step(name, READY, None, command)


def plan_extra(name: str, done: bool, lacks: Need | None, needs: Sequence[Need | None], command: str) -> Step:
    """A step that the job can do without; `lacks` is what its extra lacks."""
    if lacks is not None and not done:
        return Step(name, OPTIONAL, lacks.missing, lacks.todo)
    return plan_step(name, done, needs, command)


def after(done: bool, result: object) -> Need | None:
    """The result of an earlier step, unless that is done."""
    return None if done else Need(f"{result} is not there yet")


def blocks(findings: Sequence[Finding], steps: Sequence[Step]) -> bool:
    """Whether something must be mended."""
    return any(finding.status == MISSING for finding in findings) or any(step.ready == BLOCKED for step in steps)

"""A model that answers in two stages, and where its graph is cut for that.

The description of such a file names, under `cascade`, the outputs of the first stage. What the first stage computes and
the rest also needs is carried over, so that nothing is computed twice and no weight is held twice.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

Arrays = dict[str, np.ndarray]
Tensor = TypeVar("Tensor")

CARRIED = "carried_"
"""How the names of what is carried over begin; a number follows."""


@dataclass(frozen=True)
class Stages:
    """The two parts of a model; both may be called from many threads.

    Attributes:
        first: {input: (B, ...)} -> {output of the first stage: (B, ...)}, and what the rest takes of it.
        rest: the inputs and what `first` gave, of the same samples -> {each other output: (B, ...)}.
    """

    first: Callable[[Arrays], Arrays]
    rest: Callable[[Arrays], Arrays]

    def whole(self, inputs: Arrays) -> Arrays:
        """All outputs of all samples."""
        found = self.first(inputs)
        answers = found | self.rest(inputs | found)
        return {name: values for name, values in answers.items() if not name.startswith(CARRIED)}


def first_outputs(description: dict[str, Any]) -> tuple[str, ...]:
    """The outputs of the first stage that a description names; none where the model answers in one."""
    said = description.get("cascade")
    named = said.get("first", []) if isinstance(said, dict) else []
    return tuple(name for name in named if name in description.get("outputs", named))


def reached(
    first: Iterable[Tensor],
    rest: Iterable[Tensor],
    parents: Callable[[Tensor], Iterable[Tensor]],
    key: Callable[[Tensor], Hashable],
    may_be_carried: Callable[[Tensor], bool],
) -> list[Tensor]:
    """Where the rest begins: what it takes of the first stage, and the inputs and constants that it reads itself.

    Args:
        first, rest: outputs of either stage.
        parents: what a tensor is computed of; nothing for an input or a constant.
        key: by which a tensor is known.
        may_be_carried: whether it holds a row a sample; others, such as the number of samples, are computed again.
    """
    made = {key(tensor) for tensor in _above(first, parents, key, lambda tensor: False) if parents(tensor)}
    return [
        tensor
        for tensor in _above(rest, parents, key, lambda each: key(each) in made and may_be_carried(each))
        if not parents(tensor) or (key(tensor) in made and may_be_carried(tensor))
    ]


def _above(outputs, parents, key, stop) -> list:
    """All that outputs are computed of, themselves included, each once; behind what stops nothing is looked at."""
    seen: dict[Hashable, Any] = {}
    waiting = list(outputs)
    while waiting:
        tensor = waiting.pop()
        if key(tensor) not in seen:
            seen[key(tensor)] = tensor
            waiting += [] if stop(tensor) else parents(tensor)
    return list(seen.values())

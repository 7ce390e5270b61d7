"""Answers to photos that come again, byte for byte."""

import hashlib
from collections import OrderedDict
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class AnswerCache(Generic[Answer]):
    """Remembers the answers that were used last.

    An answer belongs to the photo's bytes and to the model's digest: another model's answers are never given.

    Args:
        size: answers that are kept; 0 keeps none.
    """

    def __init__(self, size: int):
        self._size, self._kept = size, OrderedDict()

    def get(self, photo: bytes, model_sha256: str) -> Answer | None:
        """The answer of this model to these bytes, or None."""
        if not self._size:
            return None
        key = _key(photo, model_sha256)
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, photo: bytes, model_sha256: str, answer: Answer) -> None:
        """Keep an answer; the one that was used longest ago is dropped for it."""
        if not self._size:
            return
        self._kept[_key(photo, model_sha256)] = answer
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)


def _key(photo: bytes, model_sha256: str) -> tuple[bytes, str]:
    return hashlib.sha256(photo).digest(), model_sha256

"""How many requests are in the house: decided before their bodies are read, so that memory is bounded."""

from collections.abc import Iterator
from contextlib import contextmanager

from kerasfusion.roadwork.service.refusal import Refusal


class Admission:
    """Counts requests in and out.

    Args:
        places: requests in the house at most.

    Attributes:
        taken: requests in the house now.
    """

    def __init__(self, places: int):
        self.places, self.taken = places, 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place.

        Raises:
            Refusal: 429, all are taken.
        """
        if self.taken >= self.places:
            raise Refusal(
                429,
                f"{self.places} requests are being answered or wait",
                expected=f"at most {self.places} at a time",
                todo="send it again in a second",
                retry_s=1,
            )
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1

"""What the service is asked to do, and how much it takes on."""

from dataclasses import dataclass
from pathlib import Path

from kerasfusion.images.decoding import MAX_PIXELS


@dataclass(frozen=True)
class ServiceSettings:
    """Settings of the service and of the process that answers.

    Attributes:
        model: the file that answers.
        host, port: where to listen; port 0 takes a free one.
        tta: also ask about the mirrored photo, and average.
        full: ask all branches about every photo, also where the model is a cascade.
        device: "auto", "cpu" or "gpu".
        queue: requests in the house at most; further ones get 429.
        batch: photos in a forward pass at most.
        batch_wait_ms: how long the first photo of a batch waits for others, milliseconds.
        deadline_s: a request is answered within so many seconds of its arrival, with 504 if not otherwise.
        read_s: the head of a request must have arrived within so many seconds, and then its body within as many.
        max_bytes: largest body, as it is sent.
        max_pixels: largest photo that is decoded, width x height.
        cache: answers that are remembered; 0 is none.
        access_log: write a line a request.
        spare: keep a second process with the model open, which takes the place of one that ends.
        retry_s: seconds until a model that could not be opened is tried again.
    """

    model: Path
    host: str = "127.0.0.1"
    port: int = 8100
    tta: bool = False
    full: bool = False
    device: str = "auto"
    queue: int = 64
    batch: int = 8
    batch_wait_ms: float = 4.0
    deadline_s: float = 8.0
    read_s: float = 5.0
    max_bytes: int = 10_000_000
    max_pixels: int = MAX_PIXELS
    cache: int = 0
    access_log: bool = False
    spare: bool = True
    retry_s: float = 3.0

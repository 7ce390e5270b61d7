"""kerasfusion's detector as a worker: python -m bench_peers.ours MODEL_FILE."""

from bench_peers.channel import open_replies, serve

REPLIES = open_replies()

import sys  # noqa: E402  the libraries' own prints must not reach the replies
import time  # noqa: E402
from pathlib import Path  # noqa: E402

from bench_peers.memory import peak_memory_mb  # noqa: E402
from kerasfusion.roadwork.detect.detector import open_detector  # noqa: E402


def main() -> None:
    """Open the model, then answer requests."""
    detector = open_detector(Path(sys.argv[1]))

    def answer(photo: str) -> dict:
        data = Path(photo).read_bytes()
        begin = time.perf_counter()
        found = detector.detect(data)
        return {"p": found.p_roadwork, "seconds": time.perf_counter() - begin, "stage": found.stage}

    serve(REPLIES, {"answer": answer, "memory": peak_memory_mb})


if __name__ == "__main__":
    main()

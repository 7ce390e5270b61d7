"""Photos a second of `kerasfusion precompute` and `kerasfusion fit`, taking turns with the usual loops."""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from bench_peers.material import SHARD, VIEWS, Material
from bench_peers.processes import Child, Worker, time_stretches
from bench_peers.rows import Asked

SECONDS_BETWEEN_LOOKS = 0.01
STRETCHES = 5
PEER_PHOTOS = 4
"""Photos that the usual loop asks ViT and YOLO about at each of our shards."""
PRECOMPUTE_ASKED = {"float32": Asked("rate", 1.7), "bfloat16": Asked("rate", 2.5)}
FIT_ASKED = {"augmentation light": Asked("rate", 5), "augmentation none": Asked("rate", 40), "views": Asked("rate", 40)}
BATCH, PEER_BATCHES = 16, 2
"""Photos a batch, and batches that the usual loop learns from at each of our epochs."""
PEER_WAYS = {
    "augmentation light": {
        "small": "the peer augments the resized picture",
        "full": "the peer augments the photo, then resizes",
    },
    "augmentation none": {"no": ""},
    "views": {"no": "the peer learns from the photos alone, and makes no challenges of them"},
}
"""{our way: {the peer's way: what it means}}."""
EPOCHS = {"augmentation light": 5, "augmentation none": 12, "views": 12}
"""Of each run of fit. The first is left out (it compiles), and the last (no line says that it is over)."""


def time_precompute(material: Material, peer: Worker, precision: str, folder: Path) -> tuple[float, float]:
    """Photos a second of precompute into an empty cache folder, models loaded, and of the usual loop.

    In float32 all photos are worked through, in another precision the first STRETCHES shards after the first one.

    Args:
        material: photos, networks, settings.
        peer: the worker `peer`.
        precision: "float32" or "bfloat16".
        folder: the cache to write.

    Raises:
        ProcessFailed: precompute cannot do it, or the peer.
    """
    shutil.rmtree(folder, ignore_errors=True)
    photos = [str(path) for path in material.photos("train")]
    peer.ask("precompute", photos=photos[:2])
    peer_seconds = []

    def ask_peer() -> None:
        start = PEER_PHOTOS * len(peer_seconds) % (len(photos) - PEER_PHOTOS)
        peer_seconds.append(peer.ask("precompute", photos=photos[start : start + PEER_PHOTOS]))

    command = material.command("precompute", "--cache", str(folder), "--set", f"cache.precision={precision}")
    with Child(command, material.work, f"precompute-{precision}") as child:
        shards = _shards(child, folder)
        if precision != "float32":
            shards = islice(shards, STRETCHES + 1)
        seconds = time_stretches(child, shards, ask_peer)
        if precision == "float32" or child.process.poll() is not None:
            list(child.lines())  # an error, if there was one
    return _rate(SHARD, seconds), _rate(PEER_PHOTOS, peer_seconds)


def time_fit(
    material: Material, peer: Worker, form: str, report: Callable[[str], None]
) -> tuple[float, dict[str, float]]:
    """Photos a second of one epoch of fit, with its validation and its checkpoint, and of each way of the usual loop.

    With views, each of them counts as a photo.

    Args:
        material: photos, settings, branch cache.
        peer: the worker `peer_training`.
        form: of FIT_ASKED.
        report: takes a line for the person who waits.

    Raises:
        ProcessFailed: fit cannot do it, or the peer.
    """
    photos = [str(path) for path in material.photos("train")]
    replies = {way: [] for way in PEER_WAYS[form]}

    def ask_peer() -> None:
        for way, answers in replies.items():
            chosen = np.random.default_rng(len(answers)).choice(photos, BATCH * PEER_BATCHES, replace=False)
            answers.append(peer.ask("train", photos=chosen.tolist(), augment=way))

    peer.ask("train", photos=photos[:BATCH], augment="no")
    name, views = f"fit-{form.split()[-1]}", VIEWS if form == "views" else 1
    arguments = [f"--name={name}", f"--epochs={EPOCHS[form]}", *(material.with_views() if views > 1 else ())]
    arguments.append(f"--augmentation={'light' if form.endswith('light') else 'none'}")
    # Without YOLO's weights at hand, fit ends where its training ends.
    arguments.append(f"--set=yolo.weights={material.work / 'none.pt'}")
    with Child(material.command("fit", "--restart", *arguments), material.work, name) as child:
        epochs = (line for line in child.lines() if line.startswith("Epoch "))
        seconds = time_stretches(child, epochs, ask_peer)[1:]
    for way, answers in replies.items():
        share = np.median([answer["reading"] / answer["seconds"] for answer in answers])
        report(f"  of the peer's time ({form}, {way}): Pillow {share:.0%}, the rest train_on_batch")
    rates = {way: _rate(BATCH * PEER_BATCHES, [answer["seconds"] for answer in replies[way]]) for way in replies}
    return _rate(len(photos) * views, seconds), rates


def _shards(child: Child, folder: Path) -> Iterator[int]:
    """Give the number of finished shards whenever there are more, until the process ends."""
    seen = 0
    while child.process.poll() is None:
        found = len(list((folder / "shards").glob("*.tfrecord")))
        if found > seen:
            seen = found
            yield seen
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _rate(photos: int, seconds: Sequence[float]) -> float:
    return photos / float(np.median(seconds))

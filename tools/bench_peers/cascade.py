"""A cascade whose window skips the ViT for four photos of five, beside the stack that asks all branches each time."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from bench_peers.answering import KERAS, PEER, Answers
from bench_peers.material import Material
from bench_peers.processes import run
from bench_peers.rows import Asked, Row

SHARE = 0.8
INT8 = "openvino int8"
ASKED = {KERAS: 10, INT8: 20}
SKIPPING_MS = 25
"""Milliseconds of a photo that skips, with the decoding of a JPEG of a dashcam's size."""


def photos_of(photos: Sequence[Path]) -> Sequence[Path]:
    """As many of them as SHARE divides."""
    return photos[: len(photos) // 5 * 5]


def make_files(material: Material, photos: Sequence[Path], report: Callable[[str], None]) -> dict[str, str]:
    """The cascade of the fused model as `.keras` and, where openvino is installed, int8, as far as they aren't there.

    Returns:
        {side: file}.
    """
    path, export = material.fusion.with_name("cascade.keras"), material.work / "exports" / "cascade-int8.xml"
    if not path.exists():
        report(f"making a cascade that skips the ViT for {SHARE:.0%} of {len(photos)} photos")
        arguments = [material.fusion, path, SHARE, *photos]
        run(["-m", "bench_peers.cascade_file", *arguments], material.work, "cascade_file")
    files = {KERAS: str(path)}
    if find_spec("openvino") is not None:
        if not export.exists():
            report("exporting the cascade: openvino int8")
            export.parent.mkdir(parents=True, exist_ok=True)
            options = ["--format", "openvino", "--precision", "int8", "--out", export]
            options += ["--samples", material.work / "scenes" / "train"]
            run(["-m", "kerasfusion", "export", path, *options], material.work, "export")
        files[INT8] = str(export)
    return files


def cascade_rows(answers: Answers, missing: str) -> list[Row]:
    """Mean time of an answer, and the median of those that skip.

    Args:
        answers: of the peer and both files.
        missing: why there is no export, where there is none.
    """
    what = f"photo -> P(roadwork), mean, a window that skips {SHARE:.0%}"
    peer, count = 1000 * float(answers.seconds[PEER].mean()), len(answers.p[PEER])
    rows = []
    for side, bound in ASKED.items():
        if side not in answers.p:
            rows.append(Row(what, side, "ms", None, peer, Asked("times", bound), note=missing))
            continue
        skipped = answers.skipped[side]
        note = (
            f"{skipped.sum()} of {count} photos skip the ViT, by a window made for that, not by what photos vouch for"
        )
        ours = 1000 * float(answers.seconds[side].mean())
        rows.append(Row(what, side, "ms", ours, peer, Asked("times", bound), note=note))
    return [*rows, _skipping_row(answers, missing)]


def _skipping_row(answers: Answers, missing: str) -> Row:
    what, asked = "photos that skip the ViT, p50, from the bytes of a 1280 x 720 JPEG", Asked("value", SKIPPING_MS)
    if INT8 not in answers.p:
        return Row(what, INT8, "ms", None, None, asked, note=missing)
    skipped = answers.skipped[INT8]
    if not skipped.any():
        return Row(what, INT8, "ms", None, None, asked, note="no photo skips")
    return Row(what, INT8, "ms", 1000 * float(np.median(answers.seconds[INT8][skipped])), None, asked)

"""Decoded frames and masks of a set, where one file has the outlines of many frames."""

import json

import numpy as np
import pytest
from PIL import Image

from kerasfusion.fume.config import Data
from kerasfusion.fume.data.frames import file_digests, list_files, load_frames
from kerasfusion.fume.data.samples import GasFrame, Sample
from kerasfusion.images.decoding import ImageError

NAMES = ("frames/a.png", "frames/b.png")
SIDE = 32


def write_set(root):
    """Two frames that look alike, of which one has gas in its upper row, the other in its lower one."""
    (root / "frames").mkdir()
    for name in NAMES:
        Image.fromarray(np.full((SIDE, SIDE), 9, np.uint8)).save(root / name)
    images = [{"id": n, "file_name": name, "width": SIDE, "height": SIDE} for n, name in enumerate(NAMES)]
    rows = [
        {"image_id": n, "category_id": 1, "segmentation": [[0, top, SIDE, top, SIDE, top + 1, 0, top + 1]]}
        for n, top in enumerate((0, SIDE - 1))
    ]
    tree = {"images": images, "categories": [{"id": 1, "name": "gas"}], "annotations": rows}
    (root / "coco.json").write_text(json.dumps(tree))


def test_each_frame_has_its_own_outlines_of_a_shared_file(tmp_path):
    write_set(tmp_path)
    samples = [Sample(GasFrame(name, "coco.json"), None, 6.0, 0) for name in NAMES]
    data = Data(tmp_path, image_size=(SIDE, SIDE), frame_cache=tmp_path / "cache")
    for order in (samples, samples[::-1]):  # the second finds pixels that were kept, of other names
        masks = load_frames(order, data, "some").take(np.arange(2))["masks"][..., 0]
        rows = {sample.co2.frame_path: np.flatnonzero(mask.any(1)) for sample, mask in zip(order, masks, strict=True)}
        assert {name: list(found) for name, found in rows.items()} == {NAMES[0]: [0], NAMES[1]: [SIDE - 1]}


def test_a_mask_of_another_size_is_refused_with_what_to_do(tmp_path):
    write_set(tmp_path)
    Image.fromarray(np.zeros((SIDE, 2 * SIDE), np.uint8)).save(tmp_path / "mask.png")
    data = Data(tmp_path, image_size=(SIDE, SIDE), frame_cache=tmp_path / "cache")
    with pytest.raises(
        ImageError, match=r"the mask has 64 x 32 pixels, the frame 32 x 32(.|\n)*data pair .* names all"
    ):
        load_frames([Sample(GasFrame(NAMES[0], "mask.png"), None, 6.0, 0)], data, "some")


def test_a_shared_file_is_digested_once(tmp_path, monkeypatch):
    write_set(tmp_path)
    asked = []
    monkeypatch.setattr("kerasfusion.fume.data.frames.source_sha256", lambda path: asked.append(path.name) or path.stem)
    files = list_files([Sample(GasFrame(name, "coco.json"), None, 6.0, 0) for name in NAMES])
    assert file_digests(files, tmp_path, "some") == ["a coco frames/a.png", "b coco frames/b.png"]
    assert sorted(asked) == ["a.png", "b.png", "coco.json"]

"""What only the masks of a whole set say."""

import json

import numpy as np
import pytest
from PIL import Image

from kerasfusion.config import load_config
from kerasfusion.errors import RequestError
from kerasfusion.fume.config_reading import MaskReading
from kerasfusion.fume.data.mask_check import check_masks
from kerasfusion.fume.data.samples import GasFrame
from kerasfusion.images.decoding import ImageError

GREY = MaskReading()


def check(tmp_path, *masks, how=GREY, **options):
    names = [f"{number}.png" for number in range(len(masks))]
    for name, mask in zip(names, masks, strict=True):
        (mask if isinstance(mask, Image.Image) else Image.fromarray(np.array([mask], np.uint8))).save(tmp_path / name)
    return check_masks(tmp_path, [GasFrame(name, name) for name in names], how, **options)


def palette(indices, *colours):
    image = Image.fromarray(np.array([indices], np.uint8), "P")
    image.putpalette([value for colour in colours for value in colour])
    return image


def test_zeros_and_ones_alone_are_refused_until_it_is_said_what_one_is(tmp_path):
    with pytest.raises(RequestError, match=r"2 masks hold 0 and 1 and never 2, such as 1\.png(.|\n)*gas: 1"):
        check(tmp_path, [0, 0, 0], [0, 1, 1])
    assert check(tmp_path, [0, 0, 0], [0, 1, 1], [0, 1, 2]) == []
    tube = load_config(MaskReading, flags={"legend": {"tube": 1}})
    assert check(tmp_path, [0, 1, 1], how=tube) == ["no pixel of the 1 masks is gas"]
    gas = load_config(MaskReading, flags={"legend": {"gas": 1}})
    assert check(tmp_path, [0, 1, 1], how=gas) == ["no pixel of the 1 masks is tube"]


def test_a_part_of_a_set_may_have_no_gas(tmp_path):
    masks = [0, 0, 0], [0, 1, 1]
    assert check(tmp_path, *masks, is_whole=False) == ["no pixel of the 2 masks is gas; 1 is read as tube"]
    with pytest.raises(RequestError, match="in two ways"):
        check(tmp_path, *masks, [0, 255, 0], is_whole=False)


def test_greys_are_said_and_not_mixed_with_numbers(tmp_path):
    read_as = "the masks are read as 0 background, 127 tube, 255 gas"
    assert check(tmp_path, [0, 127, 255], [0, 255, 0]) == [read_as]
    assert check(tmp_path, [0, 255, 255]) == [read_as, "no pixel of the 1 masks is tube"]
    with pytest.raises(RequestError, match=r"in two ways: 1\.png holds 0, 1, 2, and 0\.png 0, 127, 255"):
        check(tmp_path, [0, 255, 0], [0, 1, 0])


def test_palettes_that_differ_are_refused(tmp_path):
    black, red, green = (0, 0, 0), (255, 0, 0), (0, 255, 0)
    same = palette([0, 1, 2], black, red, green), palette([0, 2, 2], black, red, green)
    assert check(tmp_path, *same) == []
    with pytest.raises(RequestError, match=r"index 1 is #ff0000 in 0\.png and #00ff00 in 1\.png(.|\n)*legend"):
        check(tmp_path, palette([0, 1, 2], black, red, green), palette([0, 1, 2], black, green, red))


def test_all_bad_masks_are_named_at_once(tmp_path):
    with pytest.raises(ImageError, match=r"2 of 3 masks cannot be used:\n  - .*1\.png: the mask holds 7(.|\n)*2\.png"):
        check(tmp_path, [0, 1, 2], [7, 7, 7], [0, 5, 6])


def test_masks_of_another_size_than_their_frames_are_named(tmp_path):
    names = [f"{number}.png" for number in range(13)]
    for name in names:
        Image.fromarray(np.array([[0, 1, 2]], np.uint8)).save(tmp_path / name)
    frames = [GasFrame(f"frames/{name}", name) for name in names]
    sizes = {frame.frame_path: (48, 64) for frame in frames[1:]}  # of the first it is not known
    with pytest.raises(ImageError) as caught:
        check_masks(tmp_path, frames, GREY, sizes)
    lines = str(caught.value).splitlines()
    assert lines[0] == "12 of 13 masks have another size than their frames:"
    assert lines[1] == f"  - {tmp_path / '1.png'}: the mask has 3 x 1 pixels, the frame 64 x 48"
    assert lines[11] == "  - and 2 more"
    assert lines[-1].startswith("  what to do: export these masks anew at the frames' sizes")
    assert check_masks(tmp_path, frames, GREY, dict.fromkeys(sizes, (1, 3))) == []


def test_a_set_without_any_plume_is_said(tmp_path):
    assert check(tmp_path, [0, 0, 0], [0, 0, 0]) == ["no pixel of the 2 masks is tube or gas"]


def coco(tmp_path, names, *annotated):
    """Frames whose masks are in one COCO file, of which those with these numbers have a square of gas."""
    images = [{"id": n, "file_name": name, "width": 4, "height": 3} for n, name in enumerate(names)]
    square = {"category_id": 1, "segmentation": [[0, 0, 2, 0, 2, 2, 0, 2]]}
    tree = {"images": images, "categories": [{"id": 1, "name": "gas"}]}
    tree["annotations"] = [square | {"image_id": n} for n in annotated]
    (tmp_path / "coco.json").write_text(json.dumps(tree))
    return lambda *frames: check_masks(tmp_path, [GasFrame(frame, "coco.json") for frame in frames], GREY)


def test_frames_that_a_coco_file_lists_without_an_outline_are_counted(tmp_path):
    check_frames = coco(tmp_path, ["a.png", "b.png", "c.png"], 0)
    assert check_frames("frames/a.png", "frames/b.png", "frames/c.png") == [
        "2 of 3 frames have no outline of tube or gas in their COCO file: they are background",
        "no pixel of the 3 masks is tube",
    ]
    assert check_frames("frames/a.png") == ["no pixel of the 1 masks is tube"]
    with pytest.raises(ImageError, match=r"2 of 3 masks(.|\n)*may be d\.png(.|\n)*may be e\.png"):
        check_frames("a.png", "d.png", "e.png")


def test_two_frames_are_not_one_picture_of_a_coco_file(tmp_path):
    with pytest.raises(RequestError, match=r"co2/1\.png and ch4/1\.png would both be 1\.png of coco\.json"):
        coco(tmp_path, ["1.png"], 0)("co2/1.png", "ch4/1.png")
    assert coco(tmp_path, ["co2/1.png", "ch4/1.png"], 0, 1)("co2/1.png", "ch4/1.png") == [
        "no pixel of the 2 masks is tube"
    ]

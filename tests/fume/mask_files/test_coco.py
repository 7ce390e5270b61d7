"""COCO's JSON of many pictures to the masks of its frames; pixels and run lengths are worked out by hand."""

import json

import numpy as np
import pytest

from kerasfusion.config import load_config
from kerasfusion.errors import RequestError
from kerasfusion.fume.config_reading import MaskReading
from kerasfusion.fume.mask_files.reading import examine_mask, read_mask
from kerasfusion.fume.mask_files.run_lengths import read_runs
from kerasfusion.images.decoding import ImageError

WIDTH, HEIGHT = 12, 8
CATEGORIES = [{"id": 1, "name": "tube"}, {"id": 7, "name": "Gas"}, {"id": 9, "name": "cow"}]
SQUARE = [2, 3, 9, 3, 9, 6, 2, 6]
"""COCO's corners lie between pixels: columns 2 to 8 and rows 3 to 5."""


def write(path, *annotations, names=("a_co2.png", "b_co2.png"), **changed):
    """A file of pictures 0, 1, ... with annotations (picture, category, segmentation)."""
    images = [{"id": i, "file_name": name, "width": WIDTH, "height": HEIGHT} for i, name in enumerate(names)]
    rows = [{"image_id": i, "category_id": c, "segmentation": s, "iscrowd": 0} for i, c, s in annotations]
    path.write_text(json.dumps({"images": images, "categories": CATEGORIES, "annotations": rows} | changed))
    return path


def block(rows, columns, row=2, of=None):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8) if of is None else of
    mask[rows, columns] = row
    return mask


def test_the_polygons_of_each_picture_and_gas_over_the_tube(tmp_path):
    tube = [0, 5, 12, 5, 12, 8, 0, 8]
    path = write(tmp_path / "all.json", (0, 7, [SQUARE]), (0, 1, [tube]), (1, 7, [SQUARE, [0, 0, 1, 0, 1, 1, 0, 1]]))
    truth = block(slice(3, 6), slice(2, 9), of=block(slice(5, 8), slice(0, 12), 1))
    np.testing.assert_array_equal(read_mask(path, frame="frames/a_co2.png"), truth)
    second = block(0, 0, of=block(slice(3, 6), slice(2, 9)))
    found = examine_mask(path, frame="frames/b_co2.tif")  # was shown to the person who drew as a PNG
    np.testing.assert_array_equal(found.classes, second)
    assert (found.told_by, found.picture) == ("labels", "b_co2.png")


def test_run_lengths_plain_and_compressed(tmp_path):
    """Columns 1 and 2 of 8 rows: 8 pixels outside, 16 inside, 72 outside; as text each is 48 plus bits of it."""
    plain = {"size": [HEIGHT, WIDTH], "counts": [8, 16, 72]}
    text = chr(48 + 8) + chr(48 + 32 + 16) + chr(48 + 0) + chr(48 + 32 + 8) + chr(48 + 2)
    path = write(tmp_path / "all.json", (0, 7, plain), (1, 7, plain | {"counts": text}))
    for name in ("a_co2.png", "b_co2.png"):
        np.testing.assert_array_equal(read_mask(path, frame=name), block(slice(None), slice(1, 3)))


def test_compressed_run_lengths_are_those_of_cocos_own_tools():
    from pycocotools.mask import encode

    rng = np.random.default_rng(0)
    for share in (0.02, 0.5, 0.98):
        mask = np.asfortranarray(rng.random((31, 47)) < share, np.uint8)
        counts = encode(mask)["counts"].decode()
        np.testing.assert_array_equal(read_runs(counts, 31, 47), mask)
        for wrong in (counts[: len(counts) // 2], counts + "5", "", "\x00", "oooo"):
            with pytest.raises(ValueError, match="run lengths"):
                read_runs(wrong, 31, 47)


def test_a_picture_without_annotation_is_background_and_one_that_is_not_listed_is_named(tmp_path):
    path = write(tmp_path / "all.json", (0, 7, [SQUARE]))
    found = examine_mask(path, frame="b_co2.png")
    assert (found.told_by, found.classes.max()) == ("nothing", 0)
    with pytest.raises(
        ImageError, match=r"no picture that may be frames/c_co2\.png: it has a_co2\.png(.|\n)*all\.json"
    ):
        read_mask(path, frame="frames/c_co2.png")


def test_names_that_repeat_are_told_apart_by_their_folders(tmp_path):
    names = ("co2\\1.png", "set/ch4/1.jpg", "2.png", "2.jpg", "2.bmp")
    outlines = [(i, 7, [[i, 0, i + 1, 0, i + 1, 1, i, 1]]) for i in range(4)]
    path = write(tmp_path / "all.json", *outlines, names=names)
    for frame, column in (("frames/co2/1.png", 0), ("ch4/1.png", 1), ("frames/2.png", 2), ("frames/2.jpg", 3)):
        np.testing.assert_array_equal(np.flatnonzero(read_mask(path, frame=frame)[0]), [column])
    for frame in ("frames/1.tif", "frames/2.tif"):
        with pytest.raises(ImageError, match=rf"lists \d pictures that may be {frame}"):
            read_mask(path, frame=frame)


def test_categories_by_the_legend_and_one_that_it_does_not_know(tmp_path):
    path = write(tmp_path / "all.json", (0, 9, [SQUARE]), (1, 7, [SQUARE]))
    with pytest.raises(ImageError, match=r"a_co2\.png has annotations of the category 'cow'(.|\n)*gas: cow"):
        read_mask(path, frame="a_co2.png")
    assert read_mask(path, frame="b_co2.png").max() == 2  # what others use is no matter
    how = load_config(MaskReading, flags={"legend": {"gas": ["COW", "plume"]}})
    np.testing.assert_array_equal(read_mask(path, how, "a_co2.png"), block(slice(3, 6), slice(2, 9)))


@pytest.mark.parametrize(
    ("outline", "said"),
    [
        ([], "annotation 1 of 1, of 'Gas', has no outline"),
        (None, "has no outline"),
        ([[1, 2, 3, 4]], "a polygon of 4 coordinates has no inside"),
        ([[1, 2, 3, 4, 5, 6, 7]], "a polygon of 7 coordinates"),
        ([[0, 0, 1e9, 0, 1, 1]], r"a point at 1e\+09, far outside"),
        ({"size": [HEIGHT, WIDTH], "counts": [8, 16]}, "run lengths are of 24 pixels, not of 96"),
        ({"size": [HEIGHT, WIDTH], "counts": "8`0"}, "run lengths are of 24 pixels"),
        ({"size": [WIDTH, HEIGHT], "counts": [96]}, "run lengths are of 8 x 12 pixels, the picture has others"),
        ("gas", "not of COCO: annotations.0.segmentation"),
    ],
)
def test_outlines_that_cannot_be_drawn(tmp_path, outline, said):
    path = write(tmp_path / "all.json", (0, 7, outline))
    with pytest.raises(ImageError, match=rf"{said}(.|\n)*all\.json"):
        read_mask(path, frame="a_co2.png")


@pytest.mark.parametrize(
    ("annotation", "changed", "said"),
    [
        ((5, 7, [SQUARE]), {}, "is of the picture 5, which the JSON does not list"),
        ((0, 5, [SQUARE]), {}, "is of the category 5, which"),
        ((0, 7, [SQUARE]), {"annotations": None}, "not of COCO: annotations"),
        ((0, 7, [SQUARE]), {"images": [{"id": 1, "file_name": "a.png"}]}, "not of COCO: images.0.height"),
        (
            (0, 7, [SQUARE]),
            {"images": [{"id": 0, "file_name": f"{n}.png", "width": 1, "height": 1} for n in "ab"]},
            "two of the JSON's pictures have one id",
        ),
        (
            (0, 7, [SQUARE]),
            {"images": [{"id": 0, "file_name": "a_co2.png", "width": 10**5, "height": 10**5}]},
            "100000 x 100000 pixels",
        ),
    ],
)
def test_a_file_that_contradicts_itself(tmp_path, annotation, changed, said):
    path = write(tmp_path / "all.json", annotation, **changed)
    with pytest.raises(ImageError, match=said):
        read_mask(path, frame="a_co2.png")


def test_a_changed_file_is_read_again(tmp_path):
    path = write(tmp_path / "all.json", (0, 7, [SQUARE]))
    assert read_mask(path, frame="a_co2.png").any()
    assert not read_mask(write(path), frame="a_co2.png").any()


def test_without_the_library_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pycocotools.mask", None)
    with pytest.raises(RequestError, match=r"\[coco\]"):
        read_mask(write(tmp_path / "all.json", (0, 7, [SQUARE])), frame="a_co2.png")

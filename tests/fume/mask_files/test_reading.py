"""What a mask's pixel becomes, by how it was written; each value is worked out apart from the reader."""

import json

import numpy as np
import pytest
from PIL import Image

from kerasfusion.config import load_config
from kerasfusion.errors import RequestError
from kerasfusion.fume.config_reading import MaskReading
from kerasfusion.fume.mask_files.reading import examine_mask, read_mask
from kerasfusion.images.decoding import ImageError

CLASSES = np.array([[0, 0, 1, 1], [0, 2, 2, 1], [2, 2, 0, 0]], np.uint8)
RED, GREEN, WHITE = (255, 0, 0), (0, 255, 0), (255, 255, 255)


def legend(**marks):
    return load_config(MaskReading, flags={"legend": marks})


def save(path, pixels, dtype=np.uint8):
    Image.fromarray(np.asarray(pixels, dtype)).save(path)
    return path


def painted(*colours):
    return np.array(colours, np.uint8)[CLASSES]


@pytest.mark.parametrize(
    ("values", "dtype", "told_by"),
    [
        ((0, 1, 2), np.uint8, "numbers"),
        ((0, 1, 2), np.uint16, "numbers"),
        ((0, 127, 255), np.uint8, "greys"),
        ((0, 128, 255), np.uint8, "greys"),
        ((0, 127, 255), np.uint16, "greys"),
    ],
)
def test_numbers_and_greys(tmp_path, values, dtype, told_by):
    found = examine_mask(save(tmp_path / "mask.png", np.array(values)[CLASSES], dtype))
    np.testing.assert_array_equal(found.classes, CLASSES)
    assert found.told_by == told_by


def test_white_alone_is_gas_and_nothing_is_nothing(tmp_path):
    white = examine_mask(save(tmp_path / "white.png", (CLASSES > 0) * 255))
    np.testing.assert_array_equal(white.classes, (CLASSES > 0) * 2)
    assert examine_mask(save(tmp_path / "black.png", np.zeros((3, 4)))).told_by == "nothing"
    one_bit = tmp_path / "one_bit.png"
    Image.fromarray((CLASSES > 0).astype(np.uint8) * 255).convert("1").save(one_bit)
    np.testing.assert_array_equal(read_mask(one_bit), (CLASSES > 0) * 2)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((0, 127, 128), r"holds 0, 127, 128 \(41\.7%, 25\.0%, 33\.3% of the pixels\)"),
        ((0, 1, 255), "holds 0, 1, 255"),
        ((0, 3, 4), "holds 0, 3, 4"),
        ((0, 1, 127), "holds 0, 1, 127"),
    ],
)
def test_other_numbers_are_named_with_what_to_do(tmp_path, values, said):
    path = save(tmp_path / "mask.png", np.array(values)[CLASSES])
    with pytest.raises(ImageError, match=rf"{said}(.|\n)*mask\.png(.|\n)*data\.masks\.legend"):
        read_mask(path)


def test_the_legend_gives_numbers_their_meaning(tmp_path):
    reverse = save(tmp_path / "reverse.png", np.array([0, 2, 1])[CLASSES])
    np.testing.assert_array_equal(read_mask(reverse, legend(gas=1, tube=2)), CLASSES)
    binary = save(tmp_path / "binary.png", CLASSES > 0)
    np.testing.assert_array_equal(read_mask(binary, legend(gas=1)), (CLASSES > 0) * 2)
    long = save(tmp_path / "long.png", np.array([7, 900, 1_000])[CLASSES], np.uint16)
    np.testing.assert_array_equal(read_mask(long, legend(background=7, tube=900, gas=[1_000, 1_001])), CLASSES)
    with pytest.raises(ImageError, match=r"holds 7 \(41\.7% of the pixels\), which the legend does not name"):
        read_mask(long, legend(tube=900, gas=1_000))


def test_colours_need_a_legend_and_are_listed(tmp_path):
    path = save(tmp_path / "mask.png", painted((0, 0, 0), GREEN, RED))
    with pytest.raises(ImageError, match=r"colours: #000000 41\.7%, #ff0000 33\.3%, #00ff00 25\.0%"):
        read_mask(path)
    np.testing.assert_array_equal(read_mask(path, legend(tube="#00FF00", gas="#ff0000")), CLASSES)
    with pytest.raises(ImageError, match=r"holds #00ff00 25\.0%, which the legend does not name"):
        read_mask(path, legend(gas="#ff0000"))


def test_one_pure_colour_is_no_class(tmp_path):
    """Red may be gas here and tube there; a class number in one channel is what some tools write."""
    with pytest.raises(ImageError, match="the pixels are colours"):
        read_mask(save(tmp_path / "red.png", painted((0, 0, 0), (0, 0, 0), RED)))
    numbers = painted((0, 0, 0), (1, 0, 0), (2, 0, 0))
    np.testing.assert_array_equal(read_mask(save(tmp_path / "numbers.png", numbers)), CLASSES)


def test_grey_colours_take_a_legend_of_colours(tmp_path):
    path = save(tmp_path / "grey.png", np.array([0, 100, 200])[CLASSES])
    np.testing.assert_array_equal(read_mask(path, legend(tube="#646464", gas="#c8c8c8")), CLASSES)


def with_palette(path, indices, *colours):
    image = Image.fromarray(np.asarray(indices, np.uint8), "P")
    image.putpalette([value for colour in colours for value in colour])
    image.save(path)
    return path


def test_a_palette_of_classes_counts_by_index(tmp_path):
    found = examine_mask(with_palette(tmp_path / "mask.png", CLASSES, (0, 0, 0), RED, GREEN))
    np.testing.assert_array_equal(found.classes, CLASSES)
    assert (found.told_by, found.colours) == ("indices", {0: "#000000", 1: "#ff0000", 2: "#00ff00"})


def test_an_adaptive_palette_is_read_by_its_colours_or_refused(tmp_path):
    order = np.array([2, 0, 1])  # background is index 2, tube 0, gas 1
    greys = with_palette(tmp_path / "greys.png", order[CLASSES], (127,) * 3, WHITE, (0, 0, 0))
    np.testing.assert_array_equal(read_mask(greys), CLASSES)
    coloured = with_palette(tmp_path / "coloured.png", order[CLASSES], GREEN, RED, (0, 0, 0))
    with pytest.raises(ImageError, match=r"first colour is no black, but #00ff00(.|\n)*any order(.|\n)*legend"):
        read_mask(coloured)
    np.testing.assert_array_equal(read_mask(coloured, legend(tube="#00ff00", gas="#ff0000")), CLASSES)


def test_pillows_own_adaptive_palette_is_the_truth(tmp_path):
    for name, values in (("greys", painted((0, 0, 0), (127,) * 3, WHITE)), ("colours", painted((0, 0, 0), GREEN, RED))):
        path = tmp_path / f"{name}.png"
        Image.fromarray(values).convert("P", palette=Image.Palette.ADAPTIVE, colors=3).save(path)
        how = legend(tube="#00ff00", gas="#ff0000") if name == "colours" else MaskReading()
        np.testing.assert_array_equal(read_mask(path, how), CLASSES)


@pytest.mark.parametrize(
    ("marks", "said"),
    [
        ({"gas": 1, "tube": 1}, "1 stands for two classes"),
        ({"gas": 1, "tube": "#00ff00"}, "numbers and colours are mixed"),
        ({"gas": "#ff00"}, "a colour is written as #rrggbb"),
        ({"gas": -1}, "greater than or equal to 0"),
        ({"plume": 1}, "unknown key"),
    ],
)
def test_a_legend_that_makes_no_sense_is_refused(marks, said):
    with pytest.raises(RequestError, match=said):
        legend(**marks)


def labelme(path, *shapes, height=20, width=30):
    rows = [{"label": label, "shape_type": kind, "points": points} for label, kind, points in shapes]
    path.write_text(json.dumps({"shapes": rows, "imageHeight": height, "imageWidth": width, "imageData": None}))
    return path


SQUARE = [[2, 3], [9, 3], [9, 8], [2, 8]]


def test_polygons_are_filled_and_gas_lies_over_the_tube(tmp_path):
    truth = np.zeros((20, 30), np.uint8)
    truth[5:19, 4:16] = 1
    truth[3:9, 2:10] = 2
    truth[4:6, 3:5] = 0
    path = labelme(
        tmp_path / "mask.json",
        ("background", "rectangle", [[4, 5], [3, 4]]),
        ("Gas", "polygon", SQUARE),
        ("tube", "rectangle", [[4, 5], [15, 18]]),
    )
    found = examine_mask(path)
    np.testing.assert_array_equal(found.classes, truth)
    assert found.told_by == "labels"


def test_a_circle_and_labels_by_the_legend(tmp_path):
    path = labelme(tmp_path / "mask.json", ("plume", "circle", [[10, 10], [10, 15]]))
    with pytest.raises(ImageError, match=r"labelled 'plume'(.|\n)*legend, such as \{tube: tube, gas: plume\}"):
        read_mask(path)
    rows, columns = np.mgrid[:20, :30]
    distance = np.hypot(rows - 10, columns - 10)
    found = read_mask(path, legend(gas=["plume", "smoke"]))
    assert (found[distance < 4.5] == 2).all()
    assert not found[distance > 5.6].any()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "the file is damaged"),
        ("[]", "a mapping|dictionary"),
        ('{"shapes": []}', "not of LabelMe: imageHeight"),
        ('{"images": [], "annotations": []}', "not of COCO: categories"),
        ('{"shapes": [], "imageHeight": 100000, "imageWidth": 100000}', "100000 x 100000 pixels"),
        (
            '{"shapes": [{"label": "gas", "points": [[1, 2], [3, 4]], "shape_type": "line"}], '
            '"imageHeight": 5, "imageWidth": 5}',
            "a line of 2 points, which has no inside",
        ),
        (
            '{"shapes": [{"label": "gas", "points": [[1, NaN], [3, 4], [5, 6]]}], "imageHeight": 5, "imageWidth": 5}',
            "NaN",
        ),
    ],
)
def test_a_json_that_is_no_mask_says_why(tmp_path, text, said):
    path = tmp_path / "mask.json"
    path.write_text(text)
    with pytest.raises(ImageError, match=rf"{said}(.|\n)*mask\.json"):
        read_mask(path)

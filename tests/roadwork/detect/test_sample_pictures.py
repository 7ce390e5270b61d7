"""The pictures on which an export is checked: those of the photos that can be read."""

import numpy as np
import pytest
from PIL import Image

from kerasfusion.images.decoding import ImageError
from kerasfusion.roadwork.detect.sample_pictures import photo_pictures

SIZES = {"image": 4, "yolo_image": 6}


@pytest.fixture
def paths(tmp_path):
    """Three photos of one colour each; the second is cut."""
    found = [tmp_path / f"{number}.png" for number in range(3)]
    for number, path in enumerate(found):
        Image.new("RGB", (12, 12), (10 * number, 0, 0)).save(path)
    found[1].write_bytes(found[1].read_bytes()[:40])
    return found


def test_a_photo_that_cannot_be_read_is_left_out_and_named(paths):
    told = []
    pictures = photo_pictures(paths, SIZES, told.append)
    shapes = {name: values.shape for name, values in pictures.items()}
    assert shapes == {"image": (2, 4, 4, 3), "yolo_image": (2, 6, 6, 3)}
    np.testing.assert_array_equal(pictures["image"][:, 0, 0, 0], [0, 20])
    assert len(told) == 1 and f"unreadable, left out: {paths[1]}: " in told[0]


def test_photos_of_which_none_can_be_read_are_refused(paths):
    with pytest.raises(ImageError, match=str(paths[1])):
        photo_pictures(paths[1:2], SIZES, print)

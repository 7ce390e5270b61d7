"""Pixels against torchvision and OpenCV doing the same steps with the same parameters."""

import io
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image
from torchvision import transforms
from torchvision.transforms import functional

from kerasfusion.roadwork.challenge import colours, details, geometry
from kerasfusion.roadwork.challenge.kinds import Kind
from kerasfusion.roadwork.challenge.making import as_jpeg, challenge_jpeg, picture, stream_of
from kerasfusion.roadwork.challenge.recipe import Recipe, draw_recipe

pytestmark = pytest.mark.exports  # compares with torchvision and OpenCV

SHAPES = [(180, 320), (321, 240), (224, 224), (60, 90), (90, 700)]


def photo_of(height, width, seed=0):
    """Blots of all colours, of full black and white too, with grain."""
    random = np.random.default_rng(seed)
    blots = random.integers(-60, 316, (height // 12 + 2, width // 12 + 2, 3)).clip(0, 255).astype(np.uint8)
    smooth = np.asarray(Image.fromarray(blots).resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    return (smooth + random.integers(-9, 10, smooth.shape)).clip(0, 255).astype(np.uint8)


def small(seed=0):
    """Blots above, noise below: every pair of levels beside each other."""
    pixels = photo_of(224, 224, seed)
    pixels[112:] = np.random.default_rng(seed).integers(0, 256, (112, 224, 3))
    return pixels


def to_uint8(tensor):
    return np.asarray(functional.to_pil_image(tensor))


def farthest(ours, theirs):
    assert ours.shape == theirs.shape
    return np.abs(ours.astype(int) - theirs.astype(int)).max()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_level_0_crop_is_pillows_to_the_level(shape):
    photo = photo_of(*shape)
    steps = transforms.Compose(
        [transforms.CenterCrop(min(shape)), transforms.Resize((224, 224)), transforms.ToTensor()]
    )
    np.testing.assert_array_equal(geometry.centre_square(photo), to_uint8(steps(Image.fromarray(photo))))


@pytest.mark.parametrize("shape", [*SHAPES, (333, 500), (49, 50), (50, 49), (7, 300)], ids=str)
def test_letterbox_is_pillows_to_the_level(shape):
    photo = photo_of(*shape)
    height, width = shape
    scale = min(224 / width, 224 / height)
    size = [int(height * scale), int(width * scale)]
    top, left = (224 - size[0]) // 2, (224 - size[1]) // 2
    borders = [left, top, 224 - size[1] - left, 224 - size[0] - top]
    framed = functional.pad(functional.resize(Image.fromarray(photo), size), borders)
    np.testing.assert_array_equal(geometry.letterbox(photo), np.asarray(framed))


@pytest.mark.parametrize("shape", [*SHAPES, (721, 1279)], ids=str)
@pytest.mark.parametrize("angle", [-20.0, -7.3, -0.001, 0.0, 0.4, 13.37, 20.0])
def test_each_pixel_of_a_turned_photo_is_the_one_that_torchvision_takes(shape, angle):
    height, width = shape
    # Every pixel its own colour, and none black.
    number = np.arange(1, height * width + 1).reshape(shape)
    photo = np.stack([number >> 16, number >> 8, number], axis=-1).astype(np.uint8)
    theirs = to_uint8(functional.rotate(functional.to_tensor(Image.fromarray(photo)), angle))
    np.testing.assert_array_equal(geometry.turned(photo, angle), theirs)
    box = (height // 5, width // 3, height // 2, width // 2)
    part = theirs[box[0] : box[0] + box[2], box[1] : box[1] + box[3]]
    np.testing.assert_array_equal(geometry.turned(photo, angle, box), part)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_a_crop_is_torchvisions_within_a_level(shape, seed):
    photo, recipe = photo_of(*shape), draw_recipe(Kind("crop", 1), *shape, np.random.default_rng(seed))
    ours = picture(photo, recipe, np.random.default_rng(0))
    assert farthest(ours, to_uint8(_crop(photo, recipe))) <= 1


def test_a_crop_rounds_levels_down_and_not_to_the_nearest():
    recipe = Recipe(Kind("crop", 1), angle=0.0, box=(0, 0, 300))
    photo = np.random.default_rng(1).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    difference = picture(photo, recipe, np.random.default_rng(0)).astype(int) - to_uint8(_crop(photo, recipe))
    assert abs(difference.mean()) < 0.01
    rounded = np.asarray(Image.fromarray(photo).resize((224, 224), Image.Resampling.BILINEAR))
    assert (rounded - to_uint8(_crop(photo, recipe)).astype(int)).mean() == pytest.approx(0.5, abs=0.05)


def _crop(photo, recipe):
    turned = functional.rotate(functional.to_tensor(Image.fromarray(photo)), recipe.angle)
    top, left, side = recipe.box
    return functional.resized_crop(turned, top, left, side, side, (224, 224))


SEVERITIES = [1, 2]


@pytest.mark.parametrize("severity", SEVERITIES)
def test_saturation_is_opencvs_within_a_level(severity):
    for seed in range(3):
        ours = colours.less_saturation(small(seed), severity)
        assert farthest(ours, _saturation(small(seed), {1: 0.4, 2: 0.3}[severity])) <= 1
        assert (ours != _saturation(small(seed), {1: 0.4, 2: 0.3}[severity])).mean() < 0.001


@pytest.mark.parametrize("severity", SEVERITIES)
def test_contrast_rounds_levels_down(severity):
    ours = colours.less_contrast(small(), severity)
    np.testing.assert_array_equal(ours, _contrast(small(), {1: 0.85, 2: 0.725}[severity]))


@pytest.mark.parametrize("severity", SEVERITIES)
def test_resampling_is_opencvs_to_the_level(severity):
    np.testing.assert_array_equal(details.resampled(small(), severity), _resampling(small(), {1: 2, 2: 3}[severity]))


@pytest.mark.parametrize("severity", SEVERITIES)
def test_blur_is_opencvs_to_the_level(severity):
    np.testing.assert_array_equal(details.blurred(small(), severity), _blur(small(), {1: 7, 2: 9}[severity]))


def _video(pixels):
    """Brightness, blue and red difference in video's ranges, by OpenCV, from levels of 0 to 255."""
    luma, red, blue = cv2.split(cv2.cvtColor(pixels.astype(np.float32), cv2.COLOR_RGB2YCrCb))
    scaled = np.stack([luma * 219, blue * 224, red * 224], axis=-1)
    return ((scaled + 16) / 255).astype(np.float32)


def _pixels(video):
    luma, blue, red = cv2.split(((video * 255 - 16) / np.array([219, 224, 224])).astype(np.float32))
    return cv2.cvtColor(cv2.merge([luma, red, blue]), cv2.COLOR_YCrCb2RGB)


def _saturation(pixels, kept):
    video = _video(pixels)
    video[..., 1:] = 0.5 + (video[..., 1:] - 0.5) * kept
    levels = _pixels(video)
    assert levels.min() > -1 and levels.max() < 256, "what wraps around as uint8 would be another colour"
    return levels.astype(np.uint8)


def _contrast(pixels, kept):
    return (pixels.astype(np.float32) * kept).astype(np.uint8)


def _resampling(pixels, parts):
    height, width = pixels.shape[:2]
    return cv2.resize(cv2.resize(pixels, (width // parts, height // parts)), (width, height))


def _blur(pixels, length):
    return cv2.GaussianBlur(pixels, (length, length), length / 6)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_noise_has_the_mean_and_spread_that_opencv_gives(severity):
    variance = {1: 0.001, 2: 0.002}[severity]
    grey = np.full((224, 224, 3), (120, 130, 110), np.uint8)
    ours = colours.colour_noise(grey, severity, np.random.default_rng(3)).astype(float) - grey
    noise = np.random.default_rng(4).standard_normal((224, 224, 3)) * np.sqrt(variance)
    theirs = _pixels((_video(grey) / 255 + noise) * 255).clip(0, 255).astype(np.uint8).astype(float) - grey
    np.testing.assert_allclose(ours.mean((0, 1)), theirs.mean((0, 1)), atol=0.35)
    np.testing.assert_allclose(ours.std((0, 1)), theirs.std((0, 1)), rtol=0.03)
    # By hand: sqrt(variance) x 255 levels, stretched by 255/219 and 255/224; red is luma + 1.403 x red difference.
    spread = np.sqrt(variance) * 255
    assert ours[..., 0].std() == pytest.approx(spread * np.hypot(255 / 219, 1.403 * 255 / 224), rel=0.03)
    ours, theirs = (np.corrcoef(each.reshape(-1, 3).T) for each in (ours, theirs))
    np.testing.assert_allclose(ours, theirs, atol=0.02)
    neighbours = colours.colour_noise(grey, severity, np.random.default_rng(5))[..., 1].astype(float)
    assert np.corrcoef(neighbours[:, 1:].ravel(), neighbours[:, :-1].ravel())[0, 1] == pytest.approx(0, abs=0.02)


def test_noise_stops_at_black_and_white():
    for level in (0, 255):
        noisy = colours.colour_noise(np.full((64, 64, 3), level, np.uint8), 2, np.random.default_rng(0))
        assert np.abs(noisy.astype(int) - level).max() < 150, "it wrapped around"


@pytest.mark.parametrize("layout", ["crop", "letterbox"])
@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_whole_challenge_without_noise_is_within_a_level(layout, level):
    steps = {
        "saturation": lambda pixels, severity: _saturation(pixels, (0.4, 0.3)[severity - 1]),
        "contrast": lambda pixels, severity: _contrast(pixels, (0.85, 0.725)[severity - 1]),
        "resampling": lambda pixels, severity: _resampling(pixels, (2, 3)[severity - 1]),
        "blur": lambda pixels, severity: _blur(pixels, (7, 9)[severity - 1]),
    }
    photo = photo_of(200, 300)
    for number in range(6):
        drawn = draw_recipe(Kind(layout, level), 200, 300, stream_of("5eed", number))
        recipe = Recipe(drawn.kind, drawn.angle, drawn.box, drawn.severities | ({"noise": 0} if level == 3 else {}))
        if layout == "crop":
            theirs = to_uint8(_crop(photo, recipe))
        else:
            framed = functional.to_tensor(Image.fromarray(geometry.letterbox(photo)))
            theirs = to_uint8(functional.rotate(framed, recipe.angle))
        for name, severity in recipe.severities.items():
            theirs = steps[name](theirs, severity) if severity else theirs
        assert farthest(picture(photo, recipe, stream_of("5eed", number)), theirs) <= 1


def test_the_jpeg_has_pillows_defaults():
    photo = photo_of(60, 90)
    sent = Image.open(_file(challenge_jpeg(photo, Kind("plain", 0), np.random.default_rng(0))))
    plain, fine = (Image.open(_file(_saved(photo, **options))) for options in ({}, {"quality": 95}))
    assert sent.quantization == plain.quantization != fine.quantization
    assert as_jpeg(photo) == _saved(photo)


def _saved(pixels, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", **options)
    return file.getvalue()


def _file(data):
    return io.BytesIO(data)


def test_neither_torch_nor_opencv_nor_tensorflow_is_needed_for_challenges():
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['torch', 'torchvision', 'cv2', 'tensorflow', 'keras']));"
        "import kerasfusion.roadwork.challenge.job"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

import sys

import numpy as np
import pytest
import tensorflow as tf

from kerasfusion.errors import RequestError
from kerasfusion.images.augmentation import STRENGTHS, Strength, image_augmentation
from tests.material.warm_python import WARM

SEED = [3, 5]


@pytest.fixture(scope="module")
def images():
    """Non-square images with another mean in every channel."""
    rng = np.random.default_rng(0)
    smooth = rng.uniform(60, 160, (6, 4, 6, 3)) * [1.0, 0.8, 0.5]
    return tf.image.resize(smooth, (40, 60)).numpy()


@pytest.mark.parametrize("name", STRENGTHS)
def test_eager_equals_inside_tf_data(images, name):
    augment = image_augmentation(STRENGTHS[name])
    eager = augment(tf.constant(images), tf.constant(SEED)).numpy()
    dataset = tf.data.Dataset.from_tensors(images).map(lambda batch: augment(batch, tf.constant(SEED)))
    np.testing.assert_allclose(next(dataset.as_numpy_iterator()), eager, atol=1e-3)
    assert eager.shape == images.shape
    assert eager.dtype == np.float32
    assert eager.min() >= 0
    assert eager.max() <= 255
    assert np.abs(eager - images).max() > 1


def test_the_seed_alone_decides(images):
    augment = image_augmentation(STRENGTHS["strong"])
    first = augment(tf.constant(images), tf.constant(SEED)).numpy()
    np.testing.assert_array_equal(augment(tf.constant(images), tf.constant(SEED)).numpy(), first)
    assert np.abs(augment(tf.constant(images), tf.constant([3, 6])).numpy() - first).max() > 1


def test_without_change_only_the_flip_is_left(images):
    augment = image_augmentation(Strength(degrees=1e-6, gain=(1.0, 1.0)))
    many = np.tile(images, (20, 1, 1, 1))
    changed = augment(tf.constant(many), tf.constant(SEED)).numpy()
    same = np.abs(changed - many).reshape(len(many), -1).max(axis=1) < 0.1
    mirrored = np.abs(changed - many[:, :, ::-1]).reshape(len(many), -1).max(axis=1) < 0.1
    assert np.all(same != mirrored)
    assert 0.35 < mirrored.mean() < 0.65


def test_brightness_is_a_factor_within_its_range():
    """A flat image has no contrast to change: what is left of it is the brightness factor."""
    flat = np.full((200, 8, 8, 3), 100, np.float32)
    changed = image_augmentation(Strength(degrees=1e-6, gain=(0.7, 1.35)))(tf.constant(flat), tf.constant(SEED)).numpy()
    factors = changed.mean(axis=(1, 2, 3)) / 100
    assert 0.7 <= factors.min() < 0.75
    assert 1.3 < factors.max() <= 1.351
    assert np.ptp(changed, axis=(1, 2)).max() < 1e-2


def test_rotation_stays_within_its_angle():
    """A dot at the right edge of a disc: its angle around the centre is the rotation."""
    size, radius = 101, 40
    images = np.zeros((60, size, size, 3), np.float32)
    images[:, 48:53, 50 + radius - 2 : 50 + radius + 3] = 255
    changed = image_augmentation(Strength(degrees=15, gain=(1.0, 1.0)))(tf.constant(images), tf.constant(SEED)).numpy()
    rows, columns = np.mgrid[0:size, 0:size]
    weight = changed[..., 0].sum(axis=(1, 2))
    y = (changed[..., 0] * rows).sum(axis=(1, 2)) / weight - 50
    x = (changed[..., 0] * columns).sum(axis=(1, 2)) / weight - 50
    angles = np.degrees(np.arctan2(y, np.abs(x)))
    assert np.abs(angles).max() < 15.5
    assert angles.max() > 11
    assert angles.min() < -11


def test_a_wide_photo_turns_about_its_own_centre():
    """A blob keeps its distance from the centre, on its own side or, mirrored, on the other."""
    images = np.zeros((40, 60, 100, 3), np.float32)
    images[:, 13:18, 73:78] = 255  # centre (75, 15), from (49.5, 29.5): 25.5 to the right, 14.5 up
    changed = image_augmentation(Strength(degrees=20, gain=(1.0, 1.0)))(tf.constant(images), tf.constant(SEED)).numpy()
    rows, columns = np.mgrid[0:60, 0:100]
    weight = changed[..., 0].sum(axis=(1, 2))
    x = (changed[..., 0] * columns).sum(axis=(1, 2)) / weight - 49.5
    y = (changed[..., 0] * rows).sum(axis=(1, 2)) / weight - 29.5
    np.testing.assert_allclose(np.hypot(x, y), np.hypot(25.5, 14.5), atol=0.2)
    assert 10 < (x < 0).sum() < 30
    turned = np.degrees(np.arctan2(-y, np.abs(x))) - np.degrees(np.arctan2(14.5, 25.5))
    # Turned alike on both sides: mirroring comes before the rotation.
    for side in (x > 0, x < 0):
        assert turned[side].min() < -10
        assert turned[side].max() > 10
    assert np.abs(turned).max() < 20.5


def test_reflection_fills_what_comes_from_beyond_the_edge():
    bright = np.full((20, 30, 30, 3), 200, np.float32)
    changed = image_augmentation(Strength(degrees=25, gain=(1.0, 1.0)))(tf.constant(bright), tf.constant(SEED)).numpy()
    np.testing.assert_allclose(changed, 200, atol=1e-2)


@pytest.mark.commands
def test_torch_stays_out():
    """keras-cv would import it beside TensorFlow."""
    code = """
import sys
from kerasfusion.images.augmentation import STRENGTHS, image_augmentation
image_augmentation(STRENGTHS["strong"])
assert "keras_cv" in sys.modules
assert "torch" not in sys.modules
"""
    process = WARM.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr


class Broken:
    """Finds keras_cv, and fails as a library does that another one has left behind."""

    def __init__(self, error):
        self._error = error

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "keras_cv":
            raise self._error


@pytest.mark.parametrize(
    ("error", "said", "advice"),
    [
        (ModuleNotFoundError("No module named 'keras_cv'", name="keras_cv"), "is not installed", ", or "),
        (
            ModuleNotFoundError("no module", name="keras_core"),
            "cannot be imported (ModuleNotFoundError: no module)",
            "",
        ),
        (ImportError("cannot import name 'x'"), "cannot be imported (ImportError: cannot import name 'x')", ""),
        (AttributeError("no 'y'\nin 'z'"), "cannot be imported (AttributeError: no 'y' in 'z')", ""),
    ],
)
def test_without_keras_cv_one_line_says_what_still_works(monkeypatch, error, said, advice):
    for name in [name for name in sys.modules if name.split(".")[0] == "keras_cv"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Broken(error), *sys.meta_path])
    with pytest.raises(RequestError) as caught:
        image_augmentation(STRENGTHS["light"])
    what = f"augmentation needs keras-cv, which {said}; fit.augmentation: none works without it, on views too"
    assert caught.value.what == what
    assert caught.value.todo.startswith(f"--set fit.augmentation=none{advice}")
    assert len(str(caught.value).splitlines()) == 3


def test_blur_lowers_the_detail_only_where_it_is_asked_for():
    noise = np.random.default_rng(1).uniform(0, 255, (20, 32, 32, 3)).astype(np.float32)
    sharp = image_augmentation(Strength(degrees=1e-6, gain=(1.0, 1.0)))(tf.constant(noise), tf.constant(SEED)).numpy()
    blurred = image_augmentation(Strength(degrees=1e-6, gain=(1.0, 1.0), blur_sigma=1.5))(
        tf.constant(noise), tf.constant(SEED)
    ).numpy()
    assert sharp.std() > 70
    assert blurred.std() < 60
    np.testing.assert_allclose(blurred.mean(), noise.mean(), atol=8)

import keras
import numpy as np
import pytest

from kerasfusion.errors import RequestError
from kerasfusion.roadwork.branches.efficientnetv2 import build_trunk, weights_digest
from kerasfusion.roadwork.config import EfficientNetV2
from tests.material.efficientnetv2_blocks import all_blocks

pytestmark = pytest.mark.trains


SIZE = 32
IMAGES = np.random.default_rng(0).uniform(0, 255, (2, SIZE, SIZE, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory, short_efficientnetv2):
    """A headless B0's weights, as a user has them on disk, and what the network with them answers."""
    keras.utils.set_random_seed(5)
    network = keras.applications.EfficientNetV2B0(
        include_top=False, weights=None, pooling="avg", input_shape=(SIZE, SIZE, 3)
    )
    path = tmp_path_factory.mktemp("weights") / "b0.weights.h5"
    network.save_weights(path)
    return path, np.asarray(network(IMAGES, training=False))


def test_a_local_file_is_loaded_and_pixels_are_fed_as_they_are(weights_file):
    path, expected = weights_file
    trunk = build_trunk(EfficientNetV2(weights=str(path)), SIZE)
    np.testing.assert_allclose(trunk(IMAGES, training=True), expected, atol=1e-5)
    assert trunk.trainable_variables == []


def test_a_file_of_another_network_or_none_is_refused(weights_file, tmp_path):
    path, _ = weights_file
    with pytest.raises(RequestError, match="headless EfficientNetV2B1"):
        build_trunk(EfficientNetV2(variant="b1", weights=str(path)), SIZE)
    with pytest.raises(RequestError, match="does not exist"):
        build_trunk(EfficientNetV2(weights=str(tmp_path / "gone.h5")), SIZE)


def test_imagenet_out_of_reach_names_the_file_and_the_key(monkeypatch):
    def unreachable(**arguments):
        raise OSError("name resolution failed")

    monkeypatch.setattr(keras.applications, "EfficientNetV2B2", unreachable)
    with pytest.raises(RequestError, match=r"efficientnetv2-b2_notop\.h5(.|\n)*efficientnetv2\.weights"):
        build_trunk(EfficientNetV2(variant="b2"), SIZE)


def test_more_blocks_than_there_are_cannot_be_tuned():
    with all_blocks(), pytest.raises(RequestError, match="at most 21"):
        build_trunk(EfficientNetV2(weights=None, fine_tune_blocks=64), SIZE)


def test_the_digest_tells_weights_apart(weights_file):
    path, _ = weights_file
    digests = set()
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        settings = EfficientNetV2(weights=None)
        digests.add(weights_digest(settings, build_trunk(settings, SIZE)))
    from_file = EfficientNetV2(weights=str(path))
    digests.add(weights_digest(from_file, build_trunk(from_file, SIZE)))
    assert len(digests) == 3

import shutil

import h5py
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


def altered(weights_file, folder, change, name="b0.weights.h5"):
    """A copy of the weights file that `change` was let at, opened by h5py."""
    path = folder / name
    shutil.copy(weights_file[0], path)
    with h5py.File(path, "r+") as file:
        change(file, first_array(file))
    return EfficientNetV2(weights=str(path))


def first_array(file):
    found = []
    file.visititems(lambda name, each: found.append(name) if isinstance(each, h5py.Dataset) else None)
    return found[0]


def link_away(file, name):
    del file[name]
    file[name] = h5py.ExternalLink("elsewhere.h5", "/secret")


def keep_outside(file, name):
    shape = file[name].shape
    del file[name]
    file.create_dataset(name, shape, "f4", external=[("/etc/hostname", 0, 4 * int(np.prod(shape)))])


def declare_much(file, name):
    del file[name]
    file.create_dataset(name, (10**9,), "f4", chunks=True)


@pytest.mark.parametrize(
    ("change", "said"),
    [(link_away, "elsewhere.h5"), (keep_outside, "kept in another file"), (declare_much, "declares 4,000,000,000")],
)
def test_a_file_that_holds_more_than_weights_is_not_given_to_keras(weights_file, tmp_path, monkeypatch, change, said):
    settings = altered(weights_file, tmp_path, change)
    monkeypatch.setattr(keras.Model, "load_weights", lambda *_: pytest.fail("Keras opened it"))
    with pytest.raises(RequestError, match=rf"nothing was run(.|\n)*{said}"):
        build_trunk(settings, SIZE)


@pytest.mark.parametrize("name", ["b0.keras", "b0.weights.json", "b0"])
def test_a_file_of_another_kind_is_not_given_to_keras(weights_file, tmp_path, name):
    shutil.copy(weights_file[0], tmp_path / name)
    with pytest.raises(RequestError, match=r"not of a kind(.|\n)*\.weights\.h5"):
        build_trunk(EfficientNetV2(weights=str(tmp_path / name)), SIZE)


@pytest.mark.parametrize(("value", "count"), [(np.nan, None), (np.nan, 1), (np.inf, 1), (-np.inf, 2)])
def test_weights_that_are_no_numbers_are_refused(weights_file, tmp_path, value, count):
    def break_some(file, name):
        numbers = file[name][...]
        numbers.reshape(-1)[:count] = value
        file[name][...] = numbers

    with pytest.raises(RequestError, match=rf"broken: .* holds {count or ''}.* NaN or infinite(.|\n)*b0\.weights\.h5"):
        build_trunk(altered(weights_file, tmp_path, break_some), SIZE)


def test_a_cut_file_is_refused(weights_file, tmp_path):
    path = tmp_path / "cut.weights.h5"
    path.write_bytes(weights_file[0].read_bytes()[:-5000])
    with pytest.raises(RequestError, match="weights in the file are damaged"):
        build_trunk(EfficientNetV2(weights=str(path)), SIZE)

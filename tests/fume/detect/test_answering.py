import json
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kerasfusion.config import load_config
from kerasfusion.errors import RequestError
from kerasfusion.files.saving import save_model
from kerasfusion.formats.open_model import OpenModel
from kerasfusion.fume.config import FumeConfig
from kerasfusion.fume.data.samples import read_samples
from kerasfusion.fume.detect.answering import Network, open_network
from kerasfusion.fume.fit.training_data import Examples, load_split
from kerasfusion.fume.networks.architectures import ARCHITECTURES
from tests.fume.detect.answering_material import HEIGHT, WIDTH, draw_mask, frame_of, save_reader, write_set

BIG = (100, 130)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    return save_reader(tmp_path_factory.mktemp("reader") / "fume.keras", "FUMEFastSCNN")


def edited(path, out, **changes):
    """A copy of a model file with other words in its description; None takes a word out."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "kerasfusion.json":
                words = json.loads(data) | changes
                data = json.dumps({key: value for key, value in words.items() if value is not None})
            target.writestr(name, data)
    return out


def recorder(name):
    """A network that keeps what it was given, and the list in which it does."""
    given = []
    shapes = {"modality_mask": (2,), "gas_type": ()}
    inputs = {key: shapes.get(key, (HEIGHT, WIDTH, 1)) for key in ARCHITECTURES[name].inputs}

    def answer(asked):
        given.append(asked)
        return {"state": np.ones((len(next(iter(asked.values()))), 3), np.float32) / 3}

    words = {"system": "fume", "model": name, "image_size": [WIDTH, HEIGHT], "config": {}}
    return Network(OpenModel(answer, inputs, ("state",), words), "fume.keras"), given


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_network_is_given_what_training_gives_it(name, tmp_path):
    """Frames of another size, missing gases and single frames: the same numbers as in the training data."""
    write_set(tmp_path, [("co2 ch4", 1, 1, "a"), ("ch4", 2, 2, "b"), ("co2", 0, 0, "c")], sizes={0: BIG, 2: (40, 90)})
    settings = [f"data.dataset_root={tmp_path}", f"data.image_size=[{WIDTH}, {HEIGHT}]", f"model.name={name}"]
    config = load_config(FumeConfig, None, [*settings, f"data.frame_cache={tmp_path / 'cache'}"])
    frames = load_split(config, "test")
    expected, _, _ = Examples(name)(frames.take(np.arange(len(frames))))

    network, given = recorder(name)
    for_files = [
        {gas: tmp_path / one.frame_path for gas, one in sample.frames.items()}
        for sample in read_samples(tmp_path / "paired_test_annotations.csv")
    ]
    questions = [part for files in for_files for part in network.parts(network.read(files))]
    assert len(network.answer(questions)) == len(frames) == (3 if network.is_paired else 4)
    (given,) = given
    assert list(given) == list(ARCHITECTURES[name].inputs)
    for key, values in given.items():
        assert_array_equal(values, expected[key])
        assert values.dtype == np.asarray(expected[key]).dtype


def test_a_batch_answers_as_its_samples_alone_and_from_many_threads(reader):
    network = open_network(reader)
    masks = [draw_mask(seed, size) for seed, size in enumerate([(HEIGHT, WIDTH)] * 6)]
    questions = [network.prepare({"co2": frame_of(mask, number % 3)}) for number, mask in enumerate(masks)]
    together = network.answer(questions)
    with ThreadPoolExecutor(4) as pool:
        alone = list(pool.map(lambda question: network.answer([question])[0], questions * 3))
    for number, answer in enumerate(alone):
        row = number % len(masks)
        assert_array_equal(answer.masks["co2_mask"], masks[row])
        assert_allclose(answer.state, together[row].state, atol=1e-6)
        assert answer.state.argmax() == row % 3
        assert set(answer.masks) == {"co2_mask"}


def one_sided(width=8, height=6):
    """A network that calls the left quarter gas, whatever it is shown, and tells the state by the left column."""

    def answer(asked):
        given.append(asked)
        gas = np.full((len(asked["co2"]), height, width), 0.2, np.float32)
        gas[:, :, : width // 4] = 0.9
        mask = np.stack([1 - gas, 0 * gas, gas], axis=-1)
        bright = asked["co2"][:, :, 0, 0].mean(axis=1) / 255
        return {"state": np.stack([1 - bright, 0 * bright, bright], axis=-1), "co2_mask": mask, "ch4_mask": mask}

    given = []
    inputs = {"co2": (height, width, 1), "ch4": (height, width, 1), "modality_mask": (2,)}
    words = {"system": "fume", "model": "FUMEFastSCNN", "image_size": [width, height], "config": {}}
    return Network(OpenModel(answer, inputs, ("co2_mask", "ch4_mask", "state"), words), "fume.keras"), given


def test_with_flips_the_answer_is_the_mean_of_the_frame_and_its_mirror_image():
    network, given = one_sided()
    frame = np.tile(np.arange(0, 208, 26, dtype=np.uint8), (6, 1))  # left column 0, right column 182
    question = network.prepare({"co2": frame})
    (plain,) = network.answer([question])
    assert network.passes == len(given) == 1
    assert_array_equal(np.unique(np.argwhere(plain.masks["co2_mask"] == 2)[:, 1]), [0, 1])
    assert_allclose(plain.state, [1, 0, 0])

    network.flips = True
    given.clear()
    (mean,) = network.answer([question])
    assert network.passes == len(given) == 2
    assert_array_equal(given[1]["co2"], given[0]["co2"][:, :, ::-1])
    assert_array_equal(given[1]["modality_mask"], [[1, 0]])
    # (0.9 + 0.2) / 2 is more than a half, at both sides: the mask of the mirror image was mirrored back.
    assert_array_equal(np.unique(np.argwhere(mean.masks["co2_mask"] == 2)[:, 1]), [0, 1, 6, 7])
    assert_allclose(mean.state, [1 - 91 / 255, 0, 91 / 255], rtol=1e-6)
    assert set(mean.masks) == {"co2_mask"}


def test_files_of_others_and_damaged_ones_are_refused(reader, tmp_path):
    other = edited(reader, tmp_path / "other.keras", system="roadwork")
    with pytest.raises(RequestError, match="of the system 'roadwork'"):
        open_network(other)
    with pytest.raises(RequestError, match="no valid 'image_size'"):
        open_network(edited(reader, tmp_path / "bare.keras", image_size=None))
    with pytest.raises(RequestError, match="not of 32 x 64 pixels, as it says"):
        open_network(edited(reader, tmp_path / "sizes.keras", image_size=[32, 64]))
    with pytest.raises(RequestError, match="does not exist"):
        open_network(tmp_path / "gone.keras")
    cut = tmp_path / "cut.keras"
    cut.write_bytes(reader.read_bytes()[:5000])
    with pytest.raises(RequestError, match=r"not a \.keras file"):
        open_network(cut)
    hollow = shutil.copy(reader, tmp_path / "hollow.keras")
    with zipfile.ZipFile(reader) as source, zipfile.ZipFile(hollow, "w") as target:
        for name in ("kerasfusion.json", "config.json", "metadata.json"):
            target.writestr(name, source.read(name))
    with pytest.raises(RequestError, match=r"holds no model\.weights\.h5"):
        open_network(hollow)


def test_inputs_of_another_kind_are_refused(tmp_path):
    image = keras.Input((HEIGHT, WIDTH, 3), name="image")
    model = keras.Model({"image": image}, {"state": keras.layers.GlobalAveragePooling2D(name="state")(image)})
    words = {"system": "fume", "model": "x", "image_size": [WIDTH, HEIGHT], "config": {}}
    save_model(model, tmp_path / "other.keras", words, None)
    with pytest.raises(RequestError, match="its inputs are image"):
        open_network(tmp_path / "other.keras")


LEARNED = {
    "data.gases=co2": {"state", "co2_mask"},
    "training.loss.cls_weight=0": {"co2_mask", "ch4_mask"},
    "training.loss.seg_weight=0": {"state"},
}


@pytest.mark.parametrize("setting", LEARNED)
def test_heads_that_no_loss_asked_for_say_nothing(setting, tmp_path):
    network = open_network(save_reader(tmp_path / "fume.keras", "FUMEFastSCNN", "data", setting))
    frame = frame_of(draw_mask(0), 1)
    (answer,) = network.answer([network.prepare(dict.fromkeys(network.gases, frame))])
    assert set(network.outputs) == LEARNED[setting]
    assert set(answer.masks) == LEARNED[setting] - {"state"}
    assert (answer.state is not None) == ("state" in LEARNED[setting])


def test_a_network_is_read_that_an_earlier_version_trained_by_a_loss_that_training_now_refuses(tmp_path):
    path = save_reader(tmp_path / "fume.keras", "FUMEFastSCNN", "data", "training.loss.focal_gamma=0.5")
    assert open_network(path).outputs == ("co2_mask", "ch4_mask", "state")


def test_a_gas_that_training_left_out_is_refused(tmp_path):
    for name in ("FUMEFastSCNN", "MultiTaskFastSCNN"):
        network = open_network(save_reader(tmp_path / f"{name}.keras", name, "data", "data.gases=ch4"))
        with pytest.raises(RequestError, match=r"never saw CO2: it was trained on CH4 alone(.|\n)*data\.gases=both"):
            network.require_gases({"co2", "ch4"})
        network.require_gases({"ch4"})


def test_a_network_that_learned_nothing_is_refused(tmp_path):
    path = save_reader(tmp_path / "fume.keras", "SegmentationOnlyFastSCNN", "data", "training.loss.seg_weight=0")
    with pytest.raises(RequestError, match=r"learned nothing(.|\n)*seg_weight"):
        open_network(path)


@pytest.mark.parametrize(("value", "said"), [(np.nan, "nan"), (np.inf, "inf"), (-0.5, "-0.5"), (3.0, "3")])
def test_an_answer_that_is_no_probability_is_an_error(value, said):
    network, _ = recorder("FUMEFastSCNN")
    broken = Network(
        OpenModel(
            lambda inputs: {"state": np.full((1, 3), value, np.float32)},
            dict.fromkeys(("co2", "ch4"), (HEIGHT, WIDTH, 1)),
            ("state",),
            network.description,
        ),
        "fume.keras",
    )
    with pytest.raises(RequestError, match=f"output state answers {said}"):
        broken.answer([broken.prepare({"co2": np.zeros((HEIGHT, WIDTH), np.uint8)})])

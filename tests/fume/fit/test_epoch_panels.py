import keras
import numpy as np
import pytest

from kerasfusion.config import load_config
from kerasfusion.fume.config import Data, FumeConfig
from kerasfusion.fume.data.frames import load_frames
from kerasfusion.fume.data.samples import paired_path, read_samples, single_frames
from kerasfusion.fume.fit import epoch_panels
from kerasfusion.fume.fit.epoch_panels import EpochPanels
from kerasfusion.fume.networks.architectures import ARCHITECTURES
from tests.fume.fit.training_material import HEIGHT, WIDTH, write_set

pytestmark = pytest.mark.trains


def network_of(name):
    """With a network's inputs and outputs: every CO2 pixel is tube, every CH4 pixel gas, every state Acidotic."""
    architecture = ARCHITECTURES[name]
    kinds = {"modality_mask": ((2,), "float32"), "gas_type": ((), "int32")}
    inputs = {}
    for key in architecture.inputs:
        shape, dtype = kinds.get(key, ((HEIGHT, WIDTH, 1), "float32"))
        inputs[key] = keras.Input(shape, name=key, dtype=dtype)
    frame = inputs[next(key for key in architecture.inputs if key in ("co2", "frame"))]
    outputs = {}
    for output in architecture.outputs:
        x = keras.layers.GlobalAveragePooling2D()(frame) if output == "state" else frame
        layer = keras.layers.Dense(3) if output == "state" else keras.layers.Conv2D(3, 1)
        outputs[output] = layer(x)
        chosen = {"co2_mask": 1, "state": 2}.get(output, 2)
        layer.set_weights([np.zeros_like(layer.get_weights()[0]), np.eye(3, dtype=np.float32)[chosen] * 5])
    return keras.Model(inputs, outputs)


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    root = write_set(tmp_path_factory.mktemp("panels"), {"val": 9})
    samples = read_samples(paired_path(root, "val"))

    def load(name):
        chosen = samples if ARCHITECTURES[name].is_paired else single_frames(samples)
        return load_frames(chosen, Data(root, image_size=(WIDTH, HEIGHT), frame_cache=root / "cache"), "val")

    return load


def configured(name, *settings):
    return load_config(FumeConfig, settings=[f"model.name={name}", *settings])


@pytest.fixture
def drawn(monkeypatch):
    """What is handed on to be drawn: (frames, answer, title, true masks) of each sample."""
    handed, draw = [], epoch_panels.draw_answer

    def spy(architecture, *its):
        handed.append(its)
        return draw(architecture, *its)

    monkeypatch.setattr(epoch_panels, "draw_answer", spy)
    return handed


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_each_kind_of_network_is_drawn_with_what_it_says(name, frames, drawn):
    panels = EpochPanels(configured(name), frames(name))
    picture = panels(network_of(name))
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    assert len(drawn) == 4
    assert {title.split("truth: ")[1] for *_, title, _ in drawn} == {"Healthy", "Transitional", "Acidotic"}
    for given, answer, _, truths in drawn:
        assert given.keys() == truths.keys()
        assert {gas for gas in ("co2", "ch4") if f"{gas}_mask" in answer.masks} <= given.keys()
        for output, mask in answer.masks.items():
            np.testing.assert_array_equal(mask, np.full((HEIGHT, WIDTH), 1 if output == "co2_mask" else 2))
        if "state" in ARCHITECTURES[name].outputs:
            np.testing.assert_allclose(answer.state, np.exp([0, 0, 5]) / np.exp([0, 0, 5]).sum(), rtol=1e-5)
        else:
            assert answer.state is None
    np.testing.assert_array_equal(picture, panels(network_of(name)))  # the same samples each time


@pytest.mark.parametrize(
    ("setting", "learned"),
    [
        ("training.loss.seg_weight=0", {"state"}),
        ("training.loss.cls_weight=0", {"co2_mask", "ch4_mask"}),
        ("data.gases=co2", {"co2_mask", "state"}),
    ],
)
def test_what_is_not_learned_is_not_drawn(setting, learned, frames, drawn):
    name = "FUMEFastSCNN"
    EpochPanels(configured(name, setting), frames(name))(network_of(name))
    told = {output for _, answer, *_ in drawn for output in (*answer.masks, *["state"] * (answer.state is not None))}
    assert told == learned


def test_pictures_draw_no_random_numbers(frames):
    name = "MultiTaskFastSCNN"
    panels, network = EpochPanels(configured(name), frames(name)), network_of(name)
    keras.utils.set_random_seed(3)
    expected = (np.random.rand(), np.asarray(keras.random.normal((2,))))
    keras.utils.set_random_seed(3)
    panels(network)
    assert np.random.rand() == expected[0]
    np.testing.assert_array_equal(np.asarray(keras.random.normal((2,))), expected[1])

import subprocess

import keras
import numpy as np
import pytest

from kerasfusion.errors import KerasFusionError
from kerasfusion.files import saving
from kerasfusion.files.saving import _answers_of_a_clean_process, save_model

pytestmark = pytest.mark.exports


def network():
    x = keras.Input((3,), name="x")
    return keras.Model({"x": x}, {"y": keras.layers.Dense(2, name="y")(x)})


@pytest.fixture(autouse=True)
def every_file_is_opened(monkeypatch):
    """Also one of a network that another test has saved."""
    monkeypatch.setattr(saving, "_answers_of_a_clean_process", _answers_of_a_clean_process)


SAMPLE = {"x": np.arange(6, dtype=np.float32).reshape(2, 3)}


def test_a_file_is_compared_in_a_process_that_starts_from_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(saving, "subprocess", subprocess)
    save_model(network(), tmp_path / "a.keras", {"system": "toy"}, SAMPLE)
    assert (tmp_path / "a.keras").is_file()


def test_a_file_is_compared_in_a_process_that_cannot_import_this_package(tmp_path, monkeypatch):
    path, model = tmp_path / "a.keras", network()
    save_model(model, path, {"system": "toy"}, SAMPLE)
    expected = np.asarray(model(SAMPLE)["y"])
    np.testing.assert_allclose(saving._answers_of_a_clean_process(path, SAMPLE)["y"], expected, atol=1e-6)
    path.write_bytes(b"PK")
    with pytest.raises(KerasFusionError, match="clean process cannot open"):
        saving._answers_of_a_clean_process(path, SAMPLE)
    monkeypatch.setattr(saving, "_RELOAD", saving._RELOAD + "import kerasfusion")
    save_model(model, path, {"system": "toy"}, sample=None)
    with pytest.raises(KerasFusionError, match="kerasfusion"):
        saving._answers_of_a_clean_process(path, SAMPLE)


def test_a_file_that_answers_otherwise_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(saving, "_answers_of_a_clean_process", lambda path, sample: {"y": np.full((1, 2), 9.0)})
    with pytest.raises(KerasFusionError, match="answers otherwise: output y"):
        save_model(network(), tmp_path / "a.keras", {}, {"x": np.ones((1, 3), np.float32)})
    assert list(tmp_path.iterdir()) == []

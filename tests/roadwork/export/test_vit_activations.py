"""A ViT of an unusual activation answers the same from an exported file."""

import keras
import numpy as np
import pytest

from kerasfusion.formats import onnx_file
from kerasfusion.roadwork.branches.vit import build_vit, read_checkpoint
from tests.material.hugging_face_vit import SIZE, write_vit

pytestmark = pytest.mark.exports


@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_onnx_answers_as_keras_does(tmp_path, activation):
    branch = build_vit(read_checkpoint(str(write_vit(tmp_path / "vit", network={"hidden_act": activation}))))
    model = keras.Model({"image": branch.input}, {"vit": branch.output}, name="vit_alone")
    path = tmp_path / "vit.onnx"
    onnx_file.write(model, path, "float32", {"format": "onnx", "precision": "float32", "outputs": ["vit"]})
    images = np.random.default_rng(0).uniform(0, 255, (3, SIZE, SIZE, 3)).astype(np.float32)
    expected = np.asarray(model({"image": images}, training=False)["vit"])
    np.testing.assert_allclose(onnx_file.open_model(path).answer({"image": images})["vit"], expected, atol=1e-5)
    usual = np.asarray(build_vit(read_checkpoint(str(write_vit(tmp_path / "usual"))))(images))
    assert np.abs(expected - usual).max() > 1e-3

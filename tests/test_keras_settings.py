"""What a user has set Keras to changes nothing here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from kerasfusion.errors import RequestError
from kerasfusion.keras_settings import foreign_settings, use_keras
from kerasfusion.machine.hardware import check_keras

FOREIGN = {"floatx": "float16", "epsilon": 0.1, "backend": "torch", "image_data_format": "channels_first"}

PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from kerasfusion.keras_settings import use_keras
use_keras()
import keras
from kerasfusion.files.saving import save_model
from kerasfusion.formats.opening import open_model
from kerasfusion.roadwork.detect.detector import open_default

image = keras.Input((8, 6, 3), name="image")
x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 3)(image))
model = keras.Model({"image": image}, {"fusion": keras.layers.Softmax()(x)})
path, photo = Path(sys.argv[1], "a.keras"), np.ones((1, 8, 6, 3), np.float32)
save_model(model, path, {}, {"image": photo})
answer = open_model(path).answer({"image": photo})["fusion"]
print(keras.config.backend(), keras.config.floatx(), keras.config.epsilon(), keras.config.image_data_format())
print(x.shape, answer.dtype, keras.config.max_epochs())
print(open_default(sys.argv[2]).detect(sys.argv[3]).p_roadwork)
"""


def write_settings(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "keras.json").write_text(text)
    return folder


@pytest.mark.exports
def test_a_process_among_foreign_settings_computes_as_one_without(tmp_path, vit_folder, photos):
    photo = next((photos / "test").rglob("*.jpg"))
    home = write_settings(tmp_path / "home", json.dumps(FOREIGN))
    foreign = {"KERAS_HOME": str(home), "KERAS_BACKEND": "torch", "KERAS_MAX_EPOCHS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path, vit_folder, photo],
        env={**os.environ, **foreign},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    *lines, p_roadwork = done.stdout.splitlines()
    assert lines == ["tensorflow float32 1e-07 channels_last", "(None, 2) float32 None"]
    from kerasfusion.roadwork.detect.detector import open_default

    assert float(p_roadwork) == pytest.approx(open_default(str(vit_folder)).detect(photo).p_roadwork, abs=1e-6)


def test_settings_made_in_the_same_process_are_set_aside(request):
    request.addfinalizer(use_keras)
    keras.config.set_image_data_format("channels_first")
    keras.config.set_floatx("float16")
    keras.config.set_dtype_policy("mixed_bfloat16")
    keras.config.set_max_epochs(1)
    use_keras()
    assert (keras.config.image_data_format(), keras.config.floatx()) == ("channels_last", "float32")
    assert (keras.config.dtype_policy().name, keras.config.max_epochs()) == ("float32", None)


def test_a_process_with_keras_on_another_backend_is_refused(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    with pytest.raises(RequestError, match=r"Keras on torch already(.|\n)*KERAS_BACKEND=tensorflow"):
        use_keras()


REFUSED = ['{"floatx": "float8"}', '{"floatx": "bfloat16"}', '{"epsilon": "small"}', '{"epsilon": 1}', "[]"]
IN_A_PROGRAM = "from kerasfusion.keras_settings import use_keras; use_keras()"
IN_A_COMMAND = "from kerasfusion.cli.quiet import import_tensorflow; import_tensorflow()"


@pytest.mark.commands
@pytest.mark.parametrize(("text", "program"), [*((text, IN_A_PROGRAM) for text in REFUSED), (REFUSED[1], IN_A_COMMAND)])
def test_a_settings_file_that_keras_refuses_is_named(tmp_path, text, program):
    home = write_settings(tmp_path, text)
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "KERAS_HOME": str(home)}, capture_output=True, text=True
    )
    assert f"where: {home / 'keras.json'}" in done.stderr
    assert "what to do: correct this file, or delete it" in done.stderr


@pytest.mark.parametrize("text", ["", "{", "[]", '{"floatx": "float32"}'])
def test_doctor_has_nothing_to_tell_of_usual_settings(tmp_path, monkeypatch, text):
    monkeypatch.setenv("KERAS_HOME", str(write_settings(tmp_path, text)))
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    assert foreign_settings() == []
    assert check_keras().found == "nothing that would differ"


def test_doctor_tells_foreign_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(write_settings(tmp_path, json.dumps(FOREIGN))))
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setenv("KERAS_MAX_STEPS_PER_EPOCH", "3")
    found = check_keras().found
    file = tmp_path / "keras.json"
    told = [*(f"{name}: {value} ({file})" for name, value in FOREIGN.items())]
    for each in [*told, "KERAS_BACKEND: jax", "KERAS_MAX_STEPS_PER_EPOCH: 3"]:
        assert each in found

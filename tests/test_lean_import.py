"""What is left out while Keras is imported is there as soon as someone asks for it."""

import gc
import json
import subprocess
import sys
import types

import pytest

from kerasfusion import lean_import
from kerasfusion.lean_import import LATER, lean

PROGRAM = """
import json, sys
from kerasfusion.keras_settings import use_keras
use_keras()
import keras, numpy as np, tensorflow as tf
left_out = [name for name in ("sklearn", "matplotlib", "pandas", "cv2", "IPython") if name in sys.modules]
from kerasfusion.lean_import import LATER
left = sorted(name for name in LATER if name in sys.modules)

x = keras.Input((2,))
model = keras.Model(x, keras.layers.Dense(1, kernel_initializer="ones")(x))
predicted = model.predict(np.ones((3, 2), np.float32), verbose=0).ravel().tolist()
import pandas
table = pandas.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
of_table = model.predict(table, verbose=0).ravel().tolist()
from keras.wrappers import SKLearnClassifier
from sklearn.base import BaseEstimator
image = np.zeros((1, 4, 4, 3))
keras.visualization.plot_image_gallery(image, value_range=(0, 255), rows=1, cols=1, path=sys.argv[1])
said = {
    "left_out": left_out,
    "left": left,
    "predicted": predicted,
    "of_table": of_table,
    "wrapper": keras.wrappers.SKLearnClassifier is SKLearnClassifier and issubclass(SKLearnClassifier, BaseEstimator),
    "editor": keras.saving.KerasFileEditor.__name__,
    "graph": tf.compat.v1.Graph is tf.Graph,
    "column": tf.feature_column.numeric_column("a").key,
    "lite": hasattr(tf.lite, "TFLiteConverter"),
    "listed": "Graph" in dir(tf.compat.v1) and "v1" in dir(tf.compat),
}
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What a process that imported Keras by `use_keras` says of it."""
    gallery = tmp_path_factory.mktemp("lean") / "gallery.png"
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(gallery)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout.splitlines()[-1]), "gallery": gallery.exists()}


@pytest.mark.exports
def test_keras_leaves_out_what_an_answer_does_not_need(said):
    assert said["left_out"] == []
    assert said["left"] == []  # no stand-in remains for those who import the module later


@pytest.mark.exports
def test_what_was_left_out_works_when_it_is_asked_for(said):
    assert said["predicted"] == [2.0, 2.0, 2.0]
    assert said["of_table"] == [4.0, 6.0]  # 1 + 3, 2 + 4
    assert (said["column"], said["editor"]) == ("a", "KerasFileEditor")
    assert all(said[name] for name in ("wrapper", "gallery", "graph", "lite", "listed"))


@pytest.fixture
def parted(tmp_path, monkeypatch):
    """A package of two parts: `first` names `second`, which counts how often it is run, and takes nothing of it."""
    package = tmp_path / "parted"
    package.mkdir()
    (package / "__init__.py").write_text("from parted import second as second\n")
    (package / "second.py").write_text("import parted_runs\nparted_runs.count += 1\nvalue = 7\n")
    runs = types.ModuleType("parted_runs")
    runs.count = 0
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "parted_runs", runs)
    monkeypatch.setattr(lean_import, "LATER", LATER | {"parted.second", "no_such_package"})
    yield runs
    for name in ("parted", "parted.second"):
        sys.modules.pop(name, None)


def test_a_part_is_run_once_and_when_it_is_asked_for(parted):
    with lean():
        import parted as package
    stand_in = package.second
    assert parted.count == 0
    assert (stand_in.value, parted.count) == (7, 1)
    import parted.second as second

    assert package.second is second is sys.modules["parted.second"]
    assert (stand_in.value, parted.count) == (7, 1)
    assert "value" in dir(stand_in)
    with pytest.raises(AttributeError, match="nothing"):
        _ = stand_in.nothing


def test_a_part_that_is_asked_for_meanwhile_is_there(parted):
    with lean():
        import parted as package

        assert (package.second.value, parted.count) == (7, 1)
    assert sys.modules["parted.second"] is package.second


def test_what_is_imported_already_stays(parted):
    import parted.second as second

    with lean():
        import parted as package

        assert package.second is second
    assert parted.count == 1


def test_a_library_that_is_not_installed_is_still_missing(parted):
    with pytest.raises(ImportError), lean():
        import no_such_package  # noqa: F401


@pytest.mark.parametrize("collects", [True, False])
def test_collecting_garbage_and_the_ways_to_import_are_as_before(collects):
    finders, before = list(sys.meta_path), gc.isenabled()
    try:
        (gc.enable if collects else gc.disable)()
        with pytest.raises(KeyError), lean():
            assert not gc.isenabled()
            raise KeyError
        assert gc.isenabled() == collects
    finally:
        (gc.enable if before else gc.disable)()
    assert sys.meta_path == finders

"""An export answers, alone and in a miner, without TensorFlow and Keras, which take seconds and 500 MB to load."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kerasfusion.roadwork.miner.check.job import check
from kerasfusion.roadwork.miner.plugin.install import InstallRequest, install
from tests.roadwork.miner.miner_tree import LAYOUTS, write_tree
from tests.roadwork.service.material import photo, write_model

LEVEL = 51
"""Of the photo's pixels; the model's answer is a fifth of one."""


@pytest.fixture
def export(tmp_path):
    return write_model(tmp_path / "fusion.onnx")


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(photo(LEVEL))
    return path


@pytest.fixture
def refusing(tmp_path, monkeypatch):
    """In the processes that are started neither library can be imported."""
    folder = tmp_path / "refusing"
    folder.mkdir()
    for name in ("tensorflow", "keras"):
        (folder / f"{name}.py").write_text(f"raise SystemExit('{name} was imported')\n")
    paths = [str(folder), str(Path(__file__).parents[4])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*paths, *filter(None, [os.environ.get("PYTHONPATH")])]))


def test_predict(export, picture, refusing):
    command = [sys.executable, "-m", "kerasfusion", "predict", export, picture, "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["p_roadwork"] == pytest.approx(0.2, abs=1e-6)


def test_the_check_of_a_miner(export, picture, refusing, tmp_path):
    tree = write_tree(tmp_path / "tree", LAYOUTS[0])
    install(InstallRequest(tree, export, write_env=True))
    result = check(tree, Path(sys.executable), image=picture)
    assert result.error is None
    assert result.p_roadwork == pytest.approx(0.2, abs=1e-6)


def test_neither_can_be_imported_there(refusing):
    for name in ("tensorflow", "keras"):
        done = subprocess.run([sys.executable, "-c", f"import {name}"], capture_output=True, text=True)
        assert done.stderr.strip() == f"{name} was imported"

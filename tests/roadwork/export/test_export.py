"""The one file: composing it, and opening it where nothing of ours is installed."""

import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import numpy as np
import pytest

from kerasfusion.errors import RequestError
from kerasfusion.images.decoding import crop_centre, read_image, squash
from kerasfusion.roadwork.data.dataset import scan
from kerasfusion.roadwork.detect.detector import open_detector
from kerasfusion.roadwork.export.job import Request, run
from tests.material.hugging_face_vit import SIZE, write_vit
from tests.material.yolo_weights import save_weights

pytestmark = pytest.mark.exports


NOT_INSTALLED = ("kerasfusion", "torch", "torchvision", "ultralytics", "keras-hub", "keras-cv", "transformers")


@pytest.fixture
def bare_environment(tmp_path):
    """A folder of packages like this environment's, without those of NOT_INSTALLED."""
    left_out = set()
    for distribution in distributions():
        if distribution.name.lower().replace("_", "-") in NOT_INSTALLED:
            left_out |= {Path(file).parts[0] for file in distribution.files or ()}
    packages = tmp_path / "packages"
    packages.mkdir()
    for entry in Path(np.__file__).parents[1].iterdir():
        if entry.name not in left_out and entry.suffix != ".pth" and not entry.name.startswith("__"):
            (packages / entry.name).symlink_to(entry)
    return packages


def test_plain_keras_opens_the_file_where_kerasfusion_torch_and_ultralytics_are_not(
    fitted, photos, tmp_path, bare_environment
):
    path = scan(photos, ("test",))[0].path
    pixels, _ = read_image(path)
    views = {"image": squash(pixels, SIZE), "yolo_image": crop_centre(pixels, 32)}
    np.savez(tmp_path / "in.npz", **{name: view[None].astype(np.float32) for name, view in views.items()})
    program = f"""
import importlib.util, sys
sys.path.insert(0, {str(bare_environment)!r})
for name in {[name.replace("-", "_") for name in NOT_INSTALLED]!r}:
    assert importlib.util.find_spec(name) is None, name
import keras, numpy as np
model = keras.saving.load_model(sys.argv[1])
with np.load("in.npz") as inputs:
    answers = model(dict(inputs))
np.savez("out.npz", **{{name: np.asarray(value) for name, value in answers.items()}})
"""
    # -I -S: neither this environment's packages nor the folder of the sources.
    command = [sys.executable, "-I", "-S", "-c", program, str(fitted.run_folder.resolve() / "fusion.keras")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = open_detector(fitted.run_folder / "fusion.keras").detect(path)
    with np.load(tmp_path / "out.npz") as answers:
        assert answers["fusion"][0, 1] == pytest.approx(expected.p_roadwork, abs=1e-5)
        for name, p in expected.branches.items():
            assert answers[name][0, 1] == pytest.approx(p, abs=1e-5)


@pytest.mark.parametrize(("what", "write"), [("vit", lambda folder: write_vit(folder / "vit", seed=9)), ("yolo", None)])
def test_other_weights_than_those_of_the_cache_are_refused(fitted, tmp_path, what, write):
    other = write(tmp_path) if write else save_weights(tmp_path / "best.pt")
    request = Request(fitted.run_folder, out=tmp_path / "fusion.keras", **{what: str(other) if write else other})
    with pytest.raises(RequestError, match=r"other (ViT|YOLO) weights than those that precompute ran with"):
        run(request)
    assert not (tmp_path / "fusion.keras").exists()

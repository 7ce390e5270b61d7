"""One file that answers in two stages, made by `calibrate --cascade`, for all tests of this folder."""

import json

import pytest

from kerasfusion.roadwork.cascade import choose
from kerasfusion.roadwork.detect.detector import open_detector
from kerasfusion.roadwork.scoring import calibration
from tests.roadwork.cascade.material import run, write_fusion, write_photos


@pytest.fixture(scope="package", autouse=True)
def fewer_resamples():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "RESAMPLES", 50)
        patch.setattr(choose, "RESAMPLES", 50)
        yield


@pytest.fixture(scope="package")
def photos(tmp_path_factory):
    return write_photos(tmp_path_factory.mktemp("grey"))


@pytest.fixture(scope="package")
def model(tmp_path_factory, photos):
    return write_fusion(tmp_path_factory.mktemp("model") / "fusion.keras", photos)


@pytest.fixture(scope="package")
def done(model):
    """The cascade, compared in a clean process, and what was printed."""
    result = run("calibrate", model, "--cascade", "--disagree", "0.05", "--json", "--set", "views.count=0")
    return model.with_name("fusion-calibrated.keras"), json.loads(result.stdout), result.stderr


@pytest.fixture
def detector(done):
    return open_detector(done[0])

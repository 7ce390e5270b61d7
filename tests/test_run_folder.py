import json

import pytest
import yaml

from kerasfusion.device import select_device
from kerasfusion.errors import RequestError
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.run_folder import describe_run


def test_settings_and_environment_are_kept(tmp_path):
    describe_run(tmp_path, RoadworkConfig(name="one"))
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["name"] == "one"
    environment = json.loads((tmp_path / "environment.json").read_text())
    assert set(environment) == {"command", "python", "platform", "packages"}
    assert environment["packages"]["keras"].startswith("3.")


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    assert select_device("auto") == "cpu"
    assert select_device("cpu") == "cpu"
    with pytest.raises(RequestError, match="sees no GPU"):
        select_device("gpu")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["GPU:0"])
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda devices, kind: None)
    assert [select_device(name) for name in ("auto", "gpu", "cpu")] == ["gpu", "gpu", "cpu"]

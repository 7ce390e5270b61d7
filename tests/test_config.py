from pathlib import Path

import pytest
import yaml

from kerasfusion.config import load_config, to_yaml
from kerasfusion.errors import RequestError
from kerasfusion.fume.config import FumeConfig
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.miner.plugin.detector_settings import DetectorSettings

CONFIGS = Path(__file__).parent.parent / "configs"


def write(folder, text):
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def test_precedence_is_flag_then_set_then_file_then_default(tmp_path):
    path = write(tmp_path, "fit: {epochs: 2, batch: 2, patience: 2}\n")
    config = load_config(
        RoadworkConfig, path, ["fit.batch=3", "fit.patience=3"], {"fit.patience": 4, "fit.epochs": None}
    )
    assert (config.fit.epochs, config.fit.batch, config.fit.patience) == (2, 3, 4)
    assert config.fit.learning_rate == RoadworkConfig().fit.learning_rate


def test_all_wrong_keys_are_named_in_one_error(tmp_path):
    path = write(tmp_path, "fit: {epohcs: 3, batch: 0}\nfusion: {head: big}\nseed: many\n")
    with pytest.raises(RequestError) as caught:
        load_config(RoadworkConfig, path, ["yolo.augmentation.mosiac=1"])
    text = str(caught.value)
    for part in ("fit.epohcs: unknown key; did you mean epochs?", "fit.batch", "fusion.head", "seed", "5 keys"):
        assert part in text
    assert "yolo.augmentation.mosiac: unknown key; did you mean mosaic?" in text
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(("text", "message"), [("a: [", "not YAML"), ("- a\n", "not a mapping"), ("fit: 3\n", "fit: ")])
def test_a_file_of_another_shape_is_refused(tmp_path, text, message):
    with pytest.raises(RequestError, match=message):
        load_config(RoadworkConfig, write(tmp_path, text))


@pytest.mark.parametrize("setting", ["fit.epochs", "=3", "fit.epochs.more=3"])
def test_a_setting_of_another_shape_is_refused(setting):
    with pytest.raises(RequestError):
        load_config(RoadworkConfig, settings=["fit.epochs=2", setting])


def test_resolved_yaml_reads_back_to_an_equal_configuration(tmp_path):
    config = load_config(RoadworkConfig, settings=["vit.class_names=[None, Roadwork]", "efficientnetv2.weights=null"])
    text = to_yaml(config)
    assert yaml.safe_load(text)["efficientnetv2"]["weights"] is None
    assert load_config(RoadworkConfig, write(tmp_path, text)) == config


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda path: path.name)
def test_every_shipped_configuration_parses(path):
    schema = {"fume": FumeConfig, "miner": DetectorSettings}.get(path.relative_to(CONFIGS).parts[0], RoadworkConfig)
    assert load_config(schema, path) is not None
    assert path.read_text().startswith("# kerasfusion ")

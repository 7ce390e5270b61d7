"""The detector's YAML: paths, older keys, and what is wrong with it."""

from pathlib import Path

import pytest

from kerasfusion.errors import RequestError
from kerasfusion.roadwork.miner.plugin.detector_settings import model_file, read_detector_settings


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "configs" / "detector.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return write


def test_paths_are_relative_to_the_yaml_and_given_back_absolute(written, tmp_path, monkeypatch):
    path = written("model_path: ../models/fusion.keras\nprecision: int8\ntta: true\n")
    monkeypatch.chdir(path.parent)
    settings = read_detector_settings(Path("detector.yaml"))
    assert model_file(settings, path) == tmp_path / "models" / "fusion.keras"
    assert (settings.precision, settings.tta, settings.service_url, settings.timeout_s) == ("int8", True, None, 8)
    elsewhere = tmp_path / "elsewhere.keras"
    assert read_detector_settings(written(f"model_path: {elsewhere}\n")).model_path == elsewhere


def test_older_keys_lead_to_the_imported_file_or_to_the_import(written, tmp_path):
    path = written(
        "googlenet_fusion_path: ../older\nuse_keras: true\nyolo_weights_path: best.pt\n"
        "vit_config: ViT_roadwork.yaml\nroadwork_class_index: 0\n"
    )
    settings = read_detector_settings(path)
    assert settings.yolo_weights_path == tmp_path / "configs" / "best.pt"
    assert (settings.vit_config, settings.roadwork_class_index) == ("ViT_roadwork.yaml", 0)
    with pytest.raises(RequestError, match=f"kerasfusion miner import-legacy {path}"):
        model_file(settings, path)
    (tmp_path / "older").mkdir()
    (tmp_path / "older" / "fusion.keras").touch()
    assert model_file(settings, path) == tmp_path / "older" / "fusion.keras"


@pytest.mark.parametrize("text", ["googlenet_fusion_path: a\nuse_keras: false\n", "googlenet_fusion_path: a.pt\n"])
def test_the_pytorch_variant_is_refused(written, text):
    path = written(text)
    with pytest.raises(RequestError, match="PyTorch variant of the older layout cannot be imported"):
        model_file(read_detector_settings(path), path)


def test_all_wrong_keys_are_in_one_message(written):
    path = written("modle_path: a.keras\nhf_repo: a/b\nprecision: half\ntimeout_s: 0\nservice_url: localhost:8100\n")
    with pytest.raises(RequestError) as error:
        read_detector_settings(path)
    for key in ("modle_path: unknown key; did you mean model_path", "hf_repo", "precision", "timeout_s", "service_url"):
        assert key in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("text", ["", "tta: true\n"])
def test_a_yaml_that_names_neither_model_nor_service_is_refused(written, text):
    with pytest.raises(RequestError, match="neither a model nor a service"):
        read_detector_settings(written(text))


def test_a_service_needs_no_model(written):
    path = written("service_url: http://127.0.0.1:8100\n")
    settings = read_detector_settings(path)
    with pytest.raises(RequestError, match="no model"):
        model_file(settings, path)


def test_the_example_names_the_model_that_fit_writes():
    repository = Path(__file__).parents[4]
    path = repository / "configs" / "miner" / "inception_fusion_roadwork.yaml"
    assert model_file(read_detector_settings(path), path) == repository / "runs" / "roadwork" / "fusion.keras"

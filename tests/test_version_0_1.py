"""What models, caches and run folders of version 0.1 still do, and what is said where they do not."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from kerasfusion.cli.main import main
from kerasfusion.config import load_config, to_dict
from kerasfusion.errors import RequestError
from kerasfusion.files.json_yaml import write_json
from kerasfusion.files.kept_answers import predictions_path, refuse_other_answers
from kerasfusion.files.run_files import read_environment, read_evaluated, system_of_run
from kerasfusion.files.run_folder import claim_checkpoints
from kerasfusion.fume.config import FumeConfig
from kerasfusion.roadwork.branches.vit import read_checkpoint
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.data.dataset import CLASS_NAMES
from kerasfusion.roadwork.detect.detector import open_detector
from kerasfusion.roadwork.evaluate.predictions import read_predictions
from kerasfusion.roadwork.fit.train import settings_of
from kerasfusion.roadwork.precompute import branch_cache
from kerasfusion.roadwork.precompute.manifest import find_manifest, refuse_other_views
from tests.material import version_0_1

PHOTOS_ALONE = "views.count=0"
MANIFEST = {
    "yolo": {"sha256": "a6" * 32},
    "vit": {"sha256": "1f" * 32},
    "splits": {"train": {"shards": [{"file": "train-00000.tfrecord", "sha256": "30" * 32}]}},
}


def write_config(folder, text):
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    return folder / "config.yaml"


def test_a_model_answers_and_info_says_what_opens_it(tmp_path):
    image = keras.Input((8, 8, 3), name="image")
    level = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(image))
    p = keras.layers.Dense(1, kernel_initializer=keras.initializers.Constant(1 / 3))(level)
    probs = keras.layers.Concatenate()([1 - p, p])
    model = keras.Model({"image": image}, {"fusion": keras.layers.Identity(name="fusion")(probs)})
    said = {"system": "roadwork", "class_names": list(CLASS_NAMES), "outputs": ["fusion"], "model_sha256": "0" * 64}
    path = version_0_1.save_keras(model, tmp_path / "fusion.keras", said)
    answer = open_detector(path).detect(Image.new("RGB", (20, 10), (51, 51, 51)))
    assert answer.p_roadwork == pytest.approx(0.2, abs=1e-6)
    shown = json.loads(CliRunner().invoke(main, ["info", str(path)]).output)
    assert shown["opens_from"] == {"keras": "3.13.0", "tensorflow": "2.18.0"}  # as Keras wrote Dense then
    assert said.items() <= shown.items()


def test_a_shard_of_photos_alone_is_read(tmp_path):
    version_0_1.write_shard(tmp_path / "a.tfrecord", "train/roadwork/a.jpg", 1, (0.25, 0.75), (0.125, 0.875))
    (record,) = branch_cache.read_shard(tmp_path / "a.tfrecord")
    assert (record.sample_id, record.split, record.label, record.vit_features) == (
        "train/roadwork/a.jpg",
        "train",
        1,
        None,
    )
    np.testing.assert_array_equal(record.yolo_probs, [[0.25, 0.75]])
    np.testing.assert_array_equal(record.vit_probs, [[0.125, 0.875]])


def test_a_cache_is_gone_on_with_for_photos_alone_and_else_says_how(tmp_path, vit_folder):
    """Its manifest knows neither views nor what the ViT's config.json says."""
    (tmp_path / "best.pt").write_bytes(b"weights")
    settings = [f"cache.folder={tmp_path / 'cache'}", f"yolo.weights={tmp_path / 'best.pt'}"]
    config = load_config(RoadworkConfig, None, [*settings, PHOTOS_ALONE])
    checkpoint = read_checkpoint(str(vit_folder), None)
    manifest = find_manifest(config, checkpoint, 64, None)
    del manifest["vit"]["settings"]
    assert set(manifest) == {
        *("format_version", "class_names", "shard_size", "max_pixels", "sizes", "preprocessing"),
        *("yolo", "vit", "versions", "splits"),
    }
    write_json(tmp_path / "cache" / "manifest.json", manifest)
    assert find_manifest(config, checkpoint, 64, None) == manifest
    with pytest.raises(RequestError) as caught:
        refuse_other_views(load_config(RoadworkConfig, None, settings), manifest)
    assert caught.value.todo.endswith("or take the cache's: --set views.count=0")


def test_a_fit_is_gone_on_with_under_the_settings_that_there_were(tmp_path):
    config = load_config(RoadworkConfig, write_config(tmp_path, version_0_1.ROADWORK_CONFIG), [PHOTOS_ALONE])
    write_json(tmp_path / "checkpoints" / "settings.json", version_0_1.checkpoint_settings(MANIFEST))
    (tmp_path / "checkpoints" / "efficientnetv2.npz").touch()
    with pytest.raises(RequestError, match=r"other settings:\n  - fusion\.prior: [^\n]*\n  where(.|\n)*--restart"):
        claim_checkpoints(tmp_path, settings_of(config, MANIFEST))
    config = replace(config, fusion=replace(config.fusion, prior=None))
    claim_checkpoints(tmp_path, settings_of(config, MANIFEST))


@pytest.mark.parametrize(
    ("schema", "text"), [(RoadworkConfig, version_0_1.ROADWORK_CONFIG), (FumeConfig, version_0_1.FUME_CONFIG)]
)
def test_settings_of_a_run_are_read_with_every_key(tmp_path, schema, text):
    import yaml

    def within(part, whole):
        return all(
            within(value, whole[key]) if isinstance(value, dict) else value == whole[key] for key, value in part.items()
        )

    path = write_config(tmp_path, text)
    read = json.loads(json.dumps(to_dict(load_config(schema, path)), default=str))
    written = yaml.safe_load(text)
    assert within(written, read)
    assert system_of_run(tmp_path) == written["system"]


def test_what_an_evaluation_kept_is_read_without_a_digest(tmp_path):
    write_json(tmp_path / "evaluated.json", version_0_1.EVALUATED)
    path = predictions_path(tmp_path, "test")
    path.write_text(version_0_1.PREDICTIONS, encoding="utf-8")
    refuse_other_answers(path, "kerasfusion evaluate")
    assert read_evaluated(tmp_path)["test"]["model_sha256"] == "e0" * 32
    found = read_predictions(path)
    np.testing.assert_allclose(found.answers["fusion"], [0.0129956454, 0.951664062])
    write_json(
        tmp_path / "environment.json", {"command": "kerasfusion fit", "packages": {"torch": None, "keras": "3.15.1"}}
    )
    assert read_environment(tmp_path)["packages"]["keras"] == "3.15.1"

"""A branch cache knows its ViT by all that decides its answers: the weights and what config.json says of them."""

import json

import pytest

from kerasfusion.config import load_config
from kerasfusion.errors import RequestError
from kerasfusion.roadwork.branches.one_file import refuse_other_vit
from kerasfusion.roadwork.branches.vit import read_checkpoint
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.evaluate.answers import cached_branches
from tests.material.hugging_face_vit import write_vit
from tests.material.odd_commands import PHOTOS_ALONE, invoke
from tests.material.odd_photos import write_set
from tests.material.photo_reader import ReadingBranches

CHANGES = {
    "layer_norm_eps": (1e-6, "vit.settings.epsilon: was 1e-12, is now 1e-06"),
    "num_attention_heads": (2, "vit.settings.heads: was 4, is now 2"),
    "hidden_act": ("relu", "vit.settings.activation: was gelu, is now relu"),
    "id2label": ({"0": "Roadwork", "1": "None"}, "vit.output_order: was [0, 1], is now [1, 0]"),
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs precompute on a small set with a ViT in tmp_path / "vit"."""
    monkeypatch.setattr("kerasfusion.roadwork.precompute.job.Branches", ReadingBranches)
    write_vit(tmp_path / "vit")
    root = write_set(tmp_path / "set", {})
    (tmp_path / "best.pt").write_bytes(b"stands in for weights")
    own = ("--vit", tmp_path / "vit", "--yolo", tmp_path / "best.pt", "--cache", tmp_path / "cache")
    return lambda: invoke("precompute", "--data", root, *own, *PHOTOS_ALONE)


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("key", CHANGES)
def test_an_edited_description_is_noticed_by_the_cache(tmp_path, run, key):
    value, words = CHANGES[key]
    assert run().code == 0
    edit(tmp_path / "vit" / "config.json", lambda config: config.update({key: value}))
    done = run()
    assert done.code == 2, done.output
    assert "the cache folder was made with other settings" in done.output
    assert words in done.output
    edit(tmp_path / "vit" / "config.json", lambda config: config.update({"transformers_version": "5.0"}))
    assert run().code == 2


def test_what_changes_no_answer_is_no_other_vit(tmp_path, run):
    assert run().code == 0
    keys = {"transformers_version": "5.0", "hidden_dropout_prob": 0.1, "initializer_range": 1.0}
    edit(tmp_path / "vit" / "config.json", lambda config: config.update(keys))
    assert run().code == 0


def test_a_cache_of_an_older_version_goes_on(tmp_path, run):
    assert run().code == 0
    edit(tmp_path / "cache" / "manifest.json", lambda manifest: manifest["vit"].pop("settings"))
    before = (tmp_path / "cache" / "manifest.json").read_text()
    assert run().code == 0
    # It still does not say what config.json said when it was begun.
    assert json.loads((tmp_path / "cache" / "manifest.json").read_text()) == json.loads(before)
    edit(tmp_path / "vit" / "config.json", lambda config: config.update(id2label=CHANGES["id2label"][0]))
    assert run().code == 2


@pytest.mark.parametrize(("key", "name"), [("layer_norm_eps", "epsilon"), ("num_attention_heads", "heads")])
def test_fit_and_export_refuse_the_edited_one(tmp_path, key, name):
    before = read_checkpoint(str(write_vit(tmp_path)))
    edit(tmp_path / "config.json", lambda config: config.update({key: CHANGES[key][0]}))
    after = read_checkpoint(str(tmp_path))
    assert after.sha256 == before.sha256
    refuse_other_vit(before, before.sha256, before.settings)
    refuse_other_vit(after, before.sha256, None)  # an older version's cache does not say
    with pytest.raises(RequestError, match=f"another network(.|\\n)*{name}: was") as caught:
        refuse_other_vit(after, before.sha256, before.settings)
    assert str(tmp_path / "config.json") in str(caught.value)


def test_parts_are_not_evaluated_with_the_cache_of_an_edited_one(tmp_path, run):
    assert run().code == 0
    manifest = json.loads((tmp_path / "cache" / "manifest.json").read_text())
    weights = {branch: manifest[branch]["sha256"] for branch in ("yolo", "vit")}
    config = load_config(RoadworkConfig, settings=[f"cache.folder={tmp_path / 'cache'}", "views.count=0"])
    for settings in (manifest["vit"]["settings"], None):
        assert cached_branches(config, "test", {"weights": weights, "vit_settings": settings}, ())
    other = manifest["vit"]["settings"] | {"epsilon": 0.1}
    with pytest.raises(RequestError, match="another ViT or YOLO"):
        cached_branches(config, "test", {"weights": weights, "vit_settings": other}, ())

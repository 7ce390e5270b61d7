"""A folder for a model hub: what it says is true, it mixes with nothing else, and it leaves only when asked."""

import json
import sys

import huggingface_hub
import keras
import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

from kerasfusion.cli.main import main
from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.files.digests import file_sha256, lines_sha256
from kerasfusion.files.json_yaml import write_json
from kerasfusion.files.kept_answers import predictions_path
from kerasfusion.files.run_files import record_evaluation
from kerasfusion.files.saving import read_description, save_model
from kerasfusion.formats.measuring import Measurement
from kerasfusion.formats.opening import format_module
from kerasfusion.roadwork.branches.one_file import PIXELS
from kerasfusion.roadwork.detect.detector import open_detector
from kerasfusion.roadwork.evaluate.comparison import full_report
from kerasfusion.roadwork.evaluate.predictions import Predictions, write_predictions
from kerasfusion.roadwork.evaluate.rehearsal import keep_rehearsal
from kerasfusion.roadwork.miner.hub.hotkey import refuse_other_than_hotkey
from tests.material.warm_python import WARM
from tests.roadwork.miner.hub.fake_hub import FakeHub
from tests.roadwork.report.material import rehearsed

pytestmark = pytest.mark.exports

SIZE = 8
HOTKEY = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"
"""The development account "Alice" of Substrate, whose address its documentation names."""
IDS = [f"test/{name}/{number}.png" for name in ("no_roadwork", "roadwork") for number in range(10)]
LABELS = np.repeat([0, 1], 10)


def run(*arguments, code=0):
    result = CliRunner().invoke(main, ["miner", "package", *(str(argument) for argument in arguments)])
    assert result.exit_code == code, result.output
    return result


def package(model, out, *more, code=0, **changes):
    given = {"name": "cones", "version": "1.2.3", "submitted-by": HOTKEY} | changes
    options = [text for name, value in given.items() for text in (f"--{name}", value)]
    return run(model, "--out", out, *options, *more, code=code)


@pytest.fixture(scope="module")
def network():
    """P(roadwork) is the mean red of the whole frame, of the crop for yolo, and their mean for vit."""
    inputs = {name: keras.Input((SIZE, SIZE, 3), name=name) for name in ("image", "yolo_image")}
    reds = {name: keras.ops.mean(value[..., 0:1], axis=(1, 2)) / 255 for name, value in inputs.items()}
    probs = {name: keras.ops.concatenate([1 - red, red], axis=-1) for name, red in reds.items()}
    mean = (probs["image"] + probs["yolo_image"]) / 2
    answers = {"fusion": probs["image"], "vit": mean, "yolo": probs["yolo_image"]}
    named = {name: keras.layers.Identity(name=name, dtype="float32")(value) for name, value in answers.items()}
    return keras.Model(inputs, named, name="fusion")


@pytest.fixture
def model(network, tmp_path):
    """A run folder with a model that `evaluate` was asked about: fusion right in 18 of 20, vit in 10."""
    description = {
        "system": "roadwork",
        "class_names": ["no_roadwork", "roadwork"],
        "outputs": list(network.output),
        "pixels": PIXELS,
        "image_size": SIZE,
        "yolo_image_size": SIZE,
        "weights": {"vit": "ab" * 32},
        "data": {"train": "cd" * 32, "test": lines_sha256(f"{i} {y}" for i, y in zip(IDS, LABELS, strict=True))},
        "yolo_trained_on": {"splits": ["train"], "n": 400},
        "config": {"data": {"root": "/home/somebody/photos"}, "vit": {"weights": "hf://other/vit"}},
        "model_sha256": "ef" * 32,
        "format": "keras",
        "precision": "float32",
    }
    path = tmp_path / "run" / "fusion.keras"
    save_model(network, path, description, None)
    evaluate(path)
    return path


def evaluate(path, folder=None, **record):
    """What `kerasfusion evaluate` keeps."""
    folder = folder or path.parent
    fusion = np.where(LABELS == 1, 0.9, 0.2)
    fusion[[0, 10]] = 0.5, 0.5 - 1e-6
    fusion[1] = 0.7
    answers = {"fusion": fusion, "vit": np.tile([0.4, 0.6], 10), "yolo": np.where(LABELS == 1, 0.8, 0.3)}
    write_json(folder / "metrics.json", {"test": full_report(LABELS, answers, n_resamples=200)})
    write_predictions(predictions_path(folder, "test"), Predictions(IDS, LABELS, answers))
    record_evaluation(folder, "test", {"model": path.name, "model_sha256": file_sha256(path), "tta": False} | record)


@pytest.fixture
def answered(monkeypatch):
    """Without the process that asks the file, which takes seconds."""
    asked = []

    def measure(path, pictures, runs):
        asked.append((path, pictures))
        return Measurement(1.0, 1.0, 1.0, {"fusion": np.full((len(pictures["image"]), 2), 0.5)})

    monkeypatch.setattr("kerasfusion.roadwork.miner.hub.folder.measure", measure)
    return asked


def test_a_hotkey_is_told_from_what_only_looks_like_one():
    refuse_other_than_hotkey(HOTKEY)
    for address, reason in {
        HOTKEY[:-1] + "X": "checksum",
        HOTKEY[:20] + "A" + HOTKEY[21:]: "checksum",
        HOTKEY[:-1]: "47 characters",
        "0x" + HOTKEY[2:]: "base58 does not have: '0'",
        "z" * 48: "no network",
        "15oF4uVJwmo4TdGW7VfQxNLavjCXviqxT9S1MgbjMNHr6Sp5": "network 0",  # Alice's address on Polkadot
    }.items():
        with pytest.raises(RequestError, match=reason):
            refuse_other_than_hotkey(address)


def test_the_folder_holds_the_model_a_card_and_what_validators_read(model, tmp_path):
    package(model, tmp_path / "hub")
    names = {path.name for path in (tmp_path / "hub").iterdir()}
    assert names == {"fusion.keras", "README.md", "model_card.json", ".kerasfusion-package.json"}
    assert (tmp_path / "hub" / "fusion.keras").read_bytes() == model.read_bytes()
    said = json.loads((tmp_path / "hub" / "model_card.json").read_text())
    assert list(said) == ["model_name", "description", "version", "submitted_by", "submission_time", "validated"]
    assert (said["model_name"], said["version"], said["submitted_by"]) == ("cones", "1.2.3", HOTKEY)
    assert type(said["submission_time"]) is int
    assert said["submission_time"] > 1.7e9
    assert said["validated"] is True


@pytest.mark.usefixtures("answered")
def test_the_card_says_what_was_measured_and_on_what(model, tmp_path):
    output = package(model, tmp_path / "hub").stderr
    assert "/home/somebody/photos" in output
    text = (tmp_path / "hub" / "README.md").read_text()
    front = yaml.safe_load(text.split("---")[1])
    assert front["license"] == "agpl-3.0"
    assert front["library_name"] == "keras"
    assert front["pipeline_tag"] == "image-classification"
    metrics = json.loads((model.parent / "metrics.json").read_text())["test"]
    low, high = metrics["fusion"]["mcc_ci95"]
    assert metrics["fusion"]["accuracy"] == 0.9
    assert f"0.9000 [{metrics['fusion']['accuracy_ci95'][0]:.4f}" in text
    assert f"{metrics['fusion']['mcc']:.4f} [{low:.4f}, {high:.4f}]" in text
    assert f"**Fusion against the default ViT: {metrics['fusion']['vs_vit']['verdict']}**" in text
    assert "On the photos of test/ above" in text
    assert "| train/ | 400 |" in text
    assert "not calibrated" in text
    assert "`hf://other/vit`" in text
    assert "AGPL-3.0" in text
    assert "05b830e" in text
    assert file_sha256(model) in text
    assert "$" not in text
    assert "/home/somebody" not in text


def test_the_code_of_the_card_gives_the_detectors_answer(model, tmp_path, answered):
    package(model, tmp_path / "hub")
    noise = np.random.default_rng(0).integers(0, 256, (23, 41, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "hub" / "photo.png")
    plain, ours = (
        part.split("```")[0] for part in (tmp_path / "hub" / "README.md").read_text().split("```python\n")[1:]
    )
    program = 'import sys\nsys.modules["kerasfusion"] = None\n' + plain.replace("photo.jpg", "photo.png")
    program += '\nprint(*(float(answers[name][0, 1]) for name in ("fusion", "yolo")))'
    done = WARM.run([sys.executable, "-c", program], cwd=tmp_path / "hub", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = open_detector(model).detect(tmp_path / "hub" / "photo.png")
    values = [float(value) for value in done.stdout.split()]
    assert values == pytest.approx([expected.p_roadwork, expected.branches["yolo"]], abs=1e-6)
    assert abs(values[0] - values[1]) > 1e-4
    assert 'open_detector("fusion.keras").detect("photo.jpg")' in ours


@pytest.mark.usefixtures("answered")
def test_the_card_quotes_a_rehearsal_of_this_very_file(model, tmp_path):
    hub = tmp_path / "hub"

    def card():
        package(model, hub)
        return (hub / "README.md").read_text()

    assert "not rehearsed with it (`kerasfusion miner rehearse`)" in card()
    keep_rehearsal(model.parent, rehearsed(source="fusion-int8.xml", digest="00" * 32))
    assert "not rehearsed with it" in card()
    keep_rehearsal(model.parent, rehearsed(source="http://127.0.0.1:8100", digest=file_sha256(model), layout="crop"))
    assert "200 challenges of the layout crop were made of 12 photos" in card()
    keep_rehearsal(model.parent, rehearsed(source="fusion.keras", digest=file_sha256(model)))
    text = card()
    assert "200 challenges of all layouts were made of 12 photos" in text
    assert "the mean of 20 times 200 challenges, from the hundredth answer on" in text
    assert "| `fusion` | 0.8000 [0.7500, 0.8500] | 0.9000 | 0.9500 |" in text
    assert "| `vit` (the default ViT) | 0.5000 [0.4500, 0.5500] |" in text
    assert "lost: 5 late." in text
    (model.parent / "evaluated.json").unlink()
    text = card()
    assert "**Not evaluated.**" in text
    assert "**Rehearsed**" in text


@pytest.mark.usefixtures("answered")
def test_without_an_evaluation_of_this_very_file_it_is_not_validated(model, network, tmp_path):
    (model.parent / "evaluated.json").unlink()
    output = package(model, tmp_path / "none").output
    assert "validated: no" in output
    assert json.loads((tmp_path / "none" / "model_card.json").read_text())["validated"] is False
    assert "**Not evaluated.**" in (tmp_path / "none" / "README.md").read_text()
    evaluate(model, model_sha256="00" * 32, model="fusion-int8.xml")
    shown = package(model, tmp_path / "other").output
    assert "metrics.json is of fusion-int8.xml" in shown
    assert f"kerasfusion evaluate {model} --out FOLDER, then --evaluation FOLDER/metrics.json" in shown
    refused = package(model, tmp_path / "x", "--evaluation", model.parent / "metrics.json", code=2).output
    assert "no evaluation of this model: metrics.json is of fusion-int8.xml" in refused
    assert not (tmp_path / "x").exists()
    assert "there is no gone.json" in package(model, tmp_path / "x", "--evaluation", "gone.json", code=2).output


@pytest.mark.usefixtures("answered")
def test_other_photos_than_those_of_the_model_are_said(model, tmp_path):
    answers = {"fusion": np.array([0.1, 0.9]), "vit": np.array([0.1, 0.9])}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    evaluate(model, elsewhere)
    write_predictions(predictions_path(elsewhere, "test"), Predictions(["a", "b"], np.array([0, 1]), answers))
    package(model, tmp_path / "hub", "--evaluation", elsewhere / "metrics.json")
    text = (tmp_path / "hub" / "README.md").read_text()
    assert f"On photos with the digest `{lines_sha256(['a 0', 'b 1'])}`" in text


@pytest.mark.usefixtures("answered")
def test_making_it_again_changes_nothing_and_another_version_replaces_it(model, tmp_path, monkeypatch):
    hub = tmp_path / "hub"
    package(model, hub)
    first = {path.name: path.read_bytes() for path in hub.iterdir()}
    monkeypatch.setattr("kerasfusion.roadwork.miner.hub.folder.time.time", lambda: 4e9)
    package(model, hub)
    assert {path.name: path.read_bytes() for path in hub.iterdir()} == first
    package(model.rename(model.with_name("better.keras")), hub, version="1.3.0")
    assert {path.name for path in hub.iterdir()} == {*first, "better.keras"} - {"fusion.keras"}
    said = json.loads((hub / "model_card.json").read_text())
    assert (said["version"], said["submission_time"]) == ("1.3.0", 4_000_000_000)


@pytest.mark.usefixtures("answered")
def test_a_folder_with_other_things_is_left_alone(model, tmp_path):
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "README.md").write_text("mine")
    assert "the folder holds other things: README.md" in package(model, tmp_path / "hub", code=2).output
    assert (tmp_path / "hub" / "README.md").read_text() == "mine"
    package(model, tmp_path / "own")
    (tmp_path / "own" / "notes.txt").touch()
    assert "notes.txt" in package(model, tmp_path / "own", code=2).output
    assert "this is a file" in package(model, model, code=2).output


@pytest.mark.usefixtures("answered")
@pytest.mark.parametrize("name", ["../mine.txt", "/mine.txt", "..", "a\\b.txt", "C:mine.txt"])
def test_a_mark_that_came_with_a_folder_reaches_no_file_outside_it(model, tmp_path, name):
    hub, mine = tmp_path / "hub", tmp_path / "mine.txt"
    package(model, hub)
    mine.write_text("mine")
    name = str(mine) if name == "/mine.txt" else name
    mark = json.loads((hub / ".kerasfusion-package.json").read_text())
    for changed in ({"files": [*mark["files"], name]}, {"texts": mark["texts"] | {name: []}}):
        (hub / ".kerasfusion-package.json").write_text(json.dumps(mark | changed))
        assert "not the name of a file in this folder" in package(model, hub, code=2).output
    assert mine.read_text() == "mine"


@pytest.mark.usefixtures("answered")
@pytest.mark.parametrize("name", ["README.md", "model_card.json"])
def test_a_text_that_was_edited_since_is_not_lost(model, tmp_path, monkeypatch, name):
    hub = tmp_path / "hub"
    package(model, hub)
    edited = (hub / name).read_text() + "\n"
    (hub / name).write_text(edited)
    before = {path.name: path.read_bytes() for path in hub.iterdir()}
    refused = package(model, hub, code=2, version="1.3.0").output
    assert "edited since it was made" in refused and str(hub / name) in refused and "move it away" in refused
    assert {path.name: path.read_bytes() for path in hub.iterdir()} == before
    (hub / name).unlink()

    def full(path, text):
        if path.name == name:
            raise KerasFusionError("no space left on the disk", where=path)
        path.write_text(text)

    with monkeypatch.context() as patch:  # half of it is of the earlier version, half of the new one
        patch.setattr("kerasfusion.roadwork.miner.hub.folder.write_text", full)
        package(model, hub, code=1, version="1.3.0")
    package(model, hub, version="1.4.0")
    assert json.loads((hub / "model_card.json").read_text())["version"] == "1.4.0"


@pytest.mark.usefixtures("answered")
def test_an_openvino_export_takes_its_weights_along(model, network, tmp_path):
    path = model.with_name("fusion.xml")
    format_module("openvino").write(network, path, "float32", read_description(model) | {"format": "openvino"})
    package(path, tmp_path / "hub")
    assert (tmp_path / "hub" / "fusion.bin").read_bytes() == path.with_suffix(".bin").read_bytes()
    assert "keras.saving" not in (tmp_path / "hub" / "README.md").read_text()
    path.with_suffix(".bin").unlink()
    assert "a part of the model is missing" in package(path, tmp_path / "x", code=2).output


@pytest.mark.usefixtures("answered")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": "1.2"}, "is no version"),
        ({"version": "1.02.3"}, "is no version"),
        ({"name": "two\nlines"}, "one line of text"),
        ({"name": " "}, "one line of text"),
        ({"licence": "My Licence"}, "no licence's short name"),
        ({"submitted-by": HOTKEY.lower()}, "not a hotkey's address"),
    ],
)
def test_wrong_texts_are_refused(model, tmp_path, changes, reason):
    assert reason in package(model, tmp_path / "hub", code=2, **changes).output
    assert not (tmp_path / "hub").exists()


def test_what_is_no_whole_model_or_does_not_answer_is_refused(model, network, tmp_path, monkeypatch):
    parts = tmp_path / "trained_parts.keras"
    save_model(network, parts, {"system": "roadwork"}, None)
    assert "not a whole roadwork model" in package(parts, tmp_path / "hub", code=2).output
    fume = tmp_path / "fume.keras"
    save_model(network, fume, {"system": "fume", "model_sha256": "ef" * 32}, None)
    assert "this is a fume model" in package(fume, tmp_path / "hub", code=2).output

    def nothing(path, pictures, runs):
        return Measurement(1.0, 1.0, 1.0, {"fusion": np.full((4, 2), np.nan)})

    monkeypatch.setattr("kerasfusion.roadwork.miner.hub.folder.measure", nothing)
    assert "NaN" in package(model, tmp_path / "hub", code=1).output
    assert not (tmp_path / "hub").exists()


@pytest.mark.usefixtures("answered")
def test_nothing_is_uploaded_without_push_and_only_our_files_with_it(model, tmp_path, monkeypatch):
    hub = FakeHub()
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: hub)
    assert "nothing was uploaded" in package(model, tmp_path / "hub").output
    assert hub.calls == []
    output = package(model, tmp_path / "hub", "--push", "me/cones").output
    assert "uploaded: https://huggingface.co/me/cones/commit/1" in output
    files = ["fusion.keras", "README.md", "model_card.json"]
    assert hub.calls == [("create", "me/cones", None), ("upload", "me/cones", files, "cones 1.2.3")]
    assert "validators read no others" in package(model, tmp_path / "hub", "--push", "me/v1.0", code=2).output
    assert "--private is for --push" in package(model, tmp_path / "hub", "--private", code=2).output

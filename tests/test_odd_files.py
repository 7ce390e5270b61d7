"""Files and folders as people have them, through every command that reads such: the right answer, or a sentence."""

import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
from datasets import ClassLabel
from PIL import Image

from kerasfusion.fume.data.masks import GAS
from kerasfusion.roadwork.precompute.answering import Branches
from tests.fume.data.frames_material import make_frames, write_dataset
from tests.fume.detect.answering_material import leave_out_costs, save_reader
from tests.fume.detect.answering_material import write_set as write_set_of_frames
from tests.material import odd_photos
from tests.material.hugging_face_vit import write_vit
from tests.material.image_metadata import chunk, entry, exif, with_chunk
from tests.material.odd_annotations import ANNOTATIONS, rewrite
from tests.material.odd_commands import COMMANDS, PhotoCommands, invoke
from tests.material.odd_masks import HUGE_TEXT, MASKS
from tests.material.odd_photos import READABLE, REFUSED, encoded, write_set
from tests.roadwork.data.import_material import make_rows

PLAIN = 2
"""Photos of each class in train/ and test/ beside the odd ones."""


@pytest.fixture(scope="module")
def commands(tmp_path_factory, vit_folder):
    with pytest.MonkeyPatch.context() as patch:
        yield PhotoCommands(tmp_path_factory.mktemp("commands"), vit_folder, patch)


@pytest.fixture(scope="module")
def odd_set(tmp_path_factory):
    """A set with all readable odd photos."""
    return write_set(tmp_path_factory.mktemp("odd"), {name: make() for name, (make, _) in READABLE.items()}, PLAIN)


@pytest.mark.parametrize("command", COMMANDS)
def test_odd_photos_are_seen_as_a_person_sees_them(odd_set, commands, command):
    done = commands.run(command, odd_set)
    assert done.code == 0, done.output
    both = 4 * PLAIN if command in ("data import", "data split") else 2 * PLAIN
    assert done.count == both + len(READABLE)
    for name, p in done.answers.items():
        level = READABLE[name][1] if name in READABLE else 200
        assert p == pytest.approx(level / 255, abs=0.02), name


REFUSING = {
    "predict": 1,
    "data check": 1,
    "data import": 0,
    "data split": 0,
    "precompute": 1,
    "evaluate": 0,
    "export": 0,
}
"""Exit code where a photo cannot be decoded: copies are made of bytes, `evaluate` counts it as an answer of 0, and
`export` is checked on the others."""


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_no_photo_is_named_with_its_reason(tmp_path, commands, command):
    odd = {name: make() for name, (make, _) in REFUSED.items()}
    done = commands.run(command, write_set(tmp_path / "set", odd, PLAIN))
    assert done.code == REFUSING[command], done.output
    if command in ("data import", "data split"):
        assert done.count == 4 * PLAIN + len(REFUSED)
        return
    assert done.answers.keys().isdisjoint(REFUSED)
    told = done.output.replace("\n", " ")
    if command != "precompute":  # of which nothing is kept
        assert done.count == 2 * PLAIN
    for name, (_, words) in REFUSED.items():
        assert name in told
        assert words in told, name


READ, EXIT_1, EXIT_2 = "read", "exit 1", "exit 2"
COPIES = ("data import", "data split")
FOLDERS = {
    odd_photos.mac_leftovers: (0, {}, ""),
    odd_photos.thumbnails: (0, {}, ""),
    odd_photos.beside_json: (2, {}, ""),
    odd_photos.link_inside: (1, {"data check": EXIT_1}, "identical images in several splits"),
    odd_photos.folder_linked_from_outside: (1, dict.fromkeys(COPIES, EXIT_1), "leads out of the folder"),
    odd_photos.link_to_nowhere: (0, dict.fromkeys(COMMANDS, EXIT_1), "leads nowhere: /nowhere/a.jpg"),
    odd_photos.link_in_a_circle: (0, dict.fromkeys(COMMANDS, EXIT_1), "leads back to a folder above it"),
    odd_photos.pipe: (0, dict.fromkeys(COMMANDS, EXIT_1), "it is no file"),
    odd_photos.name_that_is_not_utf8: (
        1,
        dict.fromkeys(("data check", "precompute", "evaluate"), EXIT_2),
        "file names are not UTF-8: test/roadwork/Stra%DFe.jpg",
    ),
}
"""What is done to a folder -> (photos more than the plain ones, {command: how it ends}, words where it does not read).

`predict` answers all that can be reached, and then exits with 1.
"""


def code_of(command, ends):
    return {READ: 0, EXIT_1: 1, EXIT_2: 2}[ends.get(command, READ)]


@pytest.mark.commands
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("change", FOLDERS, ids=lambda change: change.__name__)
def test_a_folder_has_the_same_photos_for_every_command(tmp_path, commands, command, change):
    more, ends, words = FOLDERS[change]
    root = write_set(tmp_path / "set", {}, PLAIN)
    change(root)
    done = commands.run(command, root)
    assert done.code == code_of(command, ends), done.output
    if done.code == 0 or command == "predict":
        assert done.count == (4 if command in COPIES else 2) * PLAIN + more, done.output
    if done.code and command != "predict":
        assert words in done.output.replace("\n", " ")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_locked_folder_costs_no_class_without_a_word(tmp_path, commands, command, monkeypatch):
    root = write_set(tmp_path / "set", {}, PLAIN)
    odd_photos.write(root / "test" / "roadwork" / "site2" / "far.jpg", odd_photos.plain(150))
    odd_photos.lock(monkeypatch, "site2")
    done = commands.run(command, root)
    assert done.code == 1, done.output
    assert "site2" in done.output
    if command == "predict":
        assert done.count == 2 * PLAIN
    else:
        assert "cannot enter the folder: Permission denied" in done.output


@pytest.mark.parametrize("command", COPIES)
def test_copies_follow_links_that_lead_out_on_request(tmp_path, command):
    root = write_set(tmp_path / "set", {}, PLAIN)
    odd_photos.folder_linked_from_outside(root)
    done = invoke(*command.split(), root, tmp_path / "out", "--follow-links")
    assert done.code == 0, done.output
    assert len(list((tmp_path / "out").rglob("*.jpg"))) == 4 * PLAIN + 1


@pytest.mark.parametrize("command", COPIES)
def test_what_the_subnet_extracts_is_imported_and_split_without_split_folders(tmp_path, command):
    for number, name in enumerate(("None/image", "Roadwork/image")):
        for photo in range(6):
            image = odd_photos.quarters(odd_photos.LEVELS + 10 * number + photo)
            form = "jpeg" if photo < 2 else "mpo"
            path = tmp_path / "natix" / name / f"train__image_{photo}.{form}"
            odd_photos.write(path, odd_photos.encoded(image, form.upper()))
            odd_photos.write(path.with_suffix(".json"), b'{"label": 1}')
    done = invoke(*command.split(), tmp_path / "natix", tmp_path / "out")
    assert done.code == 0, done.output
    assert "12 files are not images by their suffix and were left out" in done.output
    for name in ("no_roadwork", "roadwork"):
        copied = [path for path in (tmp_path / "out").glob(f"*/{name}/**/*") if path.is_file()]
        assert sorted(path.suffix for path in copied) == 2 * [".jpeg"] + 4 * [".mpo"]


def test_corrected_labels_of_a_saved_dataset_are_noticed_and_taken(tmp_path):
    images, classes = [odd_photos.plain(number) for number in range(4)], ClassLabel(names=["None", "Roadwork"])
    make_rows(images, [0, 0, 1, 1], classes).save_to_disk(tmp_path / "saved")
    again = ("data", "import", tmp_path / "saved", tmp_path / "out")
    assert invoke(*again).code == 0
    make_rows(images, [0, 1, 1, 1], classes).save_to_disk(tmp_path / "new")
    shutil.rmtree(tmp_path / "saved")
    (tmp_path / "new").rename(tmp_path / "saved")
    done = invoke(*again)
    assert done.code == 2, done.output
    assert "the source has changed since" in done.output
    assert "split train, row 1 was no_roadwork, is roadwork" in done.output
    assert invoke(*again, "--update").code == 0
    assert len(list((tmp_path / "out" / "train" / "roadwork").iterdir())) == 3


@pytest.mark.parametrize("command", [("train-yolo",), ("precompute",), ("fit",), ("evaluate", "--default-only")])
def test_a_section_that_stands_twice_is_refused(tmp_path, command):
    text = "system: roadwork\nfit:\n  batch: 4\nfit:\n  epochs: 3\n"
    (tmp_path / "twice.yaml").write_text(text, encoding="utf-8")
    done = invoke(*command, "--config", tmp_path / "twice.yaml")
    assert done.code == 2, done.output
    assert "fit stands twice, in lines 2 and 4" in done.output
    assert str(tmp_path / "twice.yaml") in done.output


def weights(change):
    def apply(folder):
        path = folder / "model.safetensors"
        path.write_bytes(change(path.read_bytes()))

    return apply


def describe(**changes):
    def apply(folder):
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return apply


VITS = {
    "cut": (weights(lambda data: data[:5000]), "the weights cannot be read"),
    "a pointer of git LFS": (weights(lambda data: b"version https://git-lfs.github.com/spec/v1\n"), "git lfs pull"),
    "fewer layers than weights": (describe(num_hidden_layers=1), "the weights do not fit config.json"),
    "unknown activation": (describe(hidden_act="mish"), "hidden_act"),
    "another family": (describe(model_type="beit"), "model_type"),
    "classes of words": (describe(id2label={"a": "None", "b": "Roadwork"}), "id2label"),
    "one channel": (describe(num_channels=1), "num_channels"),
    "no config": (lambda folder: (folder / "config.json").write_text("[1]"), "not what a checkpoint says of itself"),
}


@pytest.mark.parametrize("command", ["precompute", "evaluate"])
@pytest.mark.parametrize("what", VITS)
def test_a_vit_that_cannot_be_answered_rightly_is_refused(tmp_path, monkeypatch, what, command):
    monkeypatch.setattr("kerasfusion.roadwork.precompute.job.Branches", Branches)
    change, words = VITS[what]
    folder = write_vit(tmp_path / "vit")
    change(folder)
    root = write_set(tmp_path / "set", {}, PLAIN)
    given = ("--data", root, "--vit", folder)
    if command == "precompute":
        (tmp_path / "best.pt").write_bytes(b"never opened: the ViT comes first")
        done = invoke(command, *given, "--yolo", tmp_path / "best.pt", "--cache", tmp_path / "cache")
    else:
        done = invoke(command, *given, "--default-only")
    assert done.code == 2, done.output
    assert words in done.output.replace("\n", " ")
    assert str(folder) in done.output
    assert not (tmp_path / "cache").exists()


@pytest.mark.commands
@pytest.mark.parametrize("what", ANNOTATIONS)
def test_annotations_as_spreadsheets_save_them(tmp_path, what):
    _, code, words = ANNOTATIONS[what]
    splits = {split: make_frames(seed) for seed, split in enumerate(("train", "val", "test"))}
    for split, frames in splits.items():  # an original is in one split alone
        splits[split] = [
            replace(f, frame_path=f"{split}/{f.frame_path}", original_id=f"{split}-{f.original_id}") for f in frames
        ]
    for name in ("plain", "odd"):
        write_dataset(tmp_path / name, splits)
    for split in splits:
        rewrite(tmp_path / "odd" / f"{split}_annotations.csv", what)
    assert invoke("data", "pair", tmp_path / "plain").code == 0
    done = invoke("data", "pair", tmp_path / "odd")
    assert done.code == code, done.output
    assert words in done.output.replace("\n", " ")
    for split in splits:
        made = [tmp_path / name / f"paired_{split}_annotations.csv" for name in ("plain", "odd")]
        if code == 0:
            assert made[0].read_text() == made[1].read_text()
        else:
            assert not made[1].exists()


@pytest.fixture(scope="module")
def fume_model(tmp_path_factory):
    return save_reader(tmp_path_factory.mktemp("fume") / "fume.keras", "FUMEFastSCNN")


def evaluate_fume(model, root):
    """(outcome, report of test/) of a fume network."""
    done = invoke("evaluate", model, "--data", root, "--json", "--panels", 0)
    told = done.output[done.output.find("{\n") :]
    return done, json.loads(told)["test"] if done.code == 0 else None


FRAMES = {
    "orientation and odd tags": (lambda frame: encoded(frame, "PNG", exif=exif(1, entry(0x0100, 9, 1, bytes(4)))), ""),
    "a large text": (lambda frame: with_chunk(encoded(frame, "PNG"), HUGE_TEXT), ""),
    "a damaged text": (lambda frame: with_chunk(encoded(frame, "PNG"), chunk(b"tEXt", b"a", is_whole=False)), ""),
    "three channels": (lambda frame: encoded(frame.convert("RGB"), "PNG"), ""),
    "32-bit samples": (lambda frame: encoded(Image.fromarray(np.asarray(frame).astype(np.int32)), "TIFF"), ""),
    "floats": (
        lambda frame: encoded(Image.fromarray(np.asarray(frame).astype(np.float32)), "TIFF"),
        "which have no fixed range",
    ),
    "cut": (lambda frame: encoded(frame, "PNG")[:-90], "not a readable image"),
    "a strip": (lambda frame: encoded(Image.new("L", (60_000, 1)), "PNG"), "60000 x 1 pixels, which is no photo's"),
}


@pytest.mark.commands
@pytest.mark.parametrize("what", FRAMES)
def test_odd_frames_are_answered_as_plain_ones_or_named(tmp_path, fume_model, monkeypatch, what):
    leave_out_costs(monkeypatch)
    make, words = FRAMES[what]
    drawn = write_set_of_frames(tmp_path, [("co2 ch4", 1, 1, "a"), ("co2 ch4", 0, 0, "b")])
    path = tmp_path / "co2" / "frames" / "test00.png"
    path.write_bytes(make(Image.fromarray(drawn[0]["co2"][0])))
    folders = [part for gas in ("co2", "ch4") for part in (f"--{gas}", tmp_path / gas / "frames")]
    done = invoke("predict", fume_model, *folders, "--json")
    assert done.code == (1 if words else 0), done.output
    first, second = [json.loads(line) for line in done.output.splitlines() if line.startswith('{"name"')]
    assert second["plumes"]["co2"]["pixels"] == int((drawn[1]["co2"][1] == GAS).sum())
    evaluated, report = evaluate_fume(fume_model, tmp_path)
    if words:
        assert words in first["error"]
        assert evaluated.code == 1
        assert words in evaluated.output
        assert str(path) in evaluated.output
    else:
        assert first["plumes"]["co2"]["pixels"] == int((drawn[0]["co2"][1] == GAS).sum())
        assert first["state"] == "Transitional"
        assert report["co2_mask"]["miou"] == 1


@pytest.mark.commands
@pytest.mark.parametrize("what", MASKS)
def test_odd_masks_are_the_truth_or_named(tmp_path, fume_model, monkeypatch, what):
    leave_out_costs(monkeypatch)
    make, words = MASKS[what]
    drawn = write_set_of_frames(tmp_path, [("co2 ch4", 1, 1, "a")])
    path = tmp_path / "co2" / "masks" / "test00.png"
    path.write_bytes(make(drawn[0]["co2"][1]))
    done, report = evaluate_fume(fume_model, tmp_path)
    if words:
        assert done.code == 1, done.output
        assert words in done.output
        assert str(path) in done.output
    else:
        assert done.code == 0, done.output
        rows = np.array(report["co2_mask"]["confusion_matrix"])
        np.testing.assert_array_equal(rows, np.diag(np.bincount(drawn[0]["co2"][1].ravel(), minlength=3)))


def test_what_cannot_be_reached_costs_no_other_frame_its_answer(tmp_path, fume_model, monkeypatch):
    drawn = write_set_of_frames(tmp_path, [("co2 ch4", 1, 1, "a")])
    frames = tmp_path / "co2" / "frames"
    (frames / "gone.png").symlink_to("/nowhere/a.png")
    (frames / "up").symlink_to(frames)
    os.mkfifo(frames / "pipe.png")
    odd_photos.write(frames / "locked" / "far.png", odd_photos.png())
    odd_photos.lock(monkeypatch, "locked")
    folders = [part for gas in ("co2", "ch4") for part in (f"--{gas}", tmp_path / gas / "frames")]
    done = invoke("predict", fume_model, *folders, "--json")
    assert done.code == 1, done.output
    told = {row["name"]: row for row in map(json.loads, filter(lambda line: line[:1] == "{", done.output.splitlines()))}
    assert told.keys() == {"gone", "up", "pipe", "locked", "test00"}
    assert told["test00"]["plumes"]["co2"]["pixels"] == int((drawn[0]["co2"][1] == GAS).sum())
    for name in ("gone", "up", "pipe", "locked"):
        assert told[name]["error"], name
    assert "it is no file" in told["pipe"]["error"]
    assert str(frames / "gone.png") in told["gone"]["error"]

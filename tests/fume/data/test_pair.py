import csv
import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from kerasfusion.cli.main import main
from kerasfusion.fume.data import pair_job
from kerasfusion.fume.data.annotations import SPLITS, Frame, annotation_path, read_frames
from kerasfusion.fume.data.leaks import find_leak
from kerasfusion.fume.data.pairing import STRATEGIES
from kerasfusion.fume.data.samples import paired_path, read_samples
from tests.fume.data.frames_material import PH, make_frames, write_dataset
from tests.material.odd_photos import encoded


def run(*arguments, code=0):
    result = CliRunner().invoke(main, ["data", "pair", *(str(argument) for argument in arguments)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def by_thirds(frames):
    return {split: frames[number::3] for number, split in enumerate(SPLITS)}


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def used_paths(path):
    return sorted(found.frame_path for sample in read_samples(path) for found in sample.frames.values())


@pytest.fixture
def leaky(tmp_path):
    """A dataset whose rows were divided at random, so that originals are in several splits."""
    return write_dataset(tmp_path / "set", by_thirds(make_frames(2, originals=30)))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_split_is_paired_beside_its_annotations(leaky, strategy):
    before = contents(leaky)
    result = run(leaky, "--strategy", strategy)
    for split in SPLITS:
        frames = read_frames(annotation_path(leaky, split))
        assert used_paths(paired_path(leaky, split)) == sorted(frame.frame_path for frame in frames)
    after = contents(leaky)
    assert set(after) - set(before) == {f"paired_{split}_annotations.csv" for split in SPLITS}
    assert {name: after[name] for name in before} == before
    assert "Traceback" not in result.output


def test_the_table_counts_by_class_and_ph_and_json_says_the_same(leaky):
    shown = run(leaky).stdout
    result = json.loads(run(leaky, "--json").stdout)
    assert shown.splitlines()[0].split() == ["split", "class", "pH", "paired", "CO2", "only", "CH4", "only", "samples"]
    for split in SPLITS:
        samples = read_samples(paired_path(leaky, split))
        counted = result["splits"][split]
        assert counted["total"] == len(samples)
        assert counted["paired"] == sum(sample.is_paired for sample in samples)
        assert counted["co2_only"] == sum(sample.ch4 is None for sample in samples)
        assert counted["total"] == sum(row["total"] for row in counted["by_class_and_ph"])
        kinds = [str(counted[kind]) for kind in ("paired", "co2_only", "ch4_only", "total")]
        assert [split, "all", "-", *kinds] in [line.split() for line in shown.splitlines()]


def test_a_leak_is_a_warning_with_its_size_and_pairing_goes_on(leaky):
    splits = {split: read_frames(annotation_path(leaky, split)) for split in SPLITS}
    train = {frame.original_id for frame in splits["train"]}
    copies = sum(frame.original_id in train for frame in splits["test"])
    shown = run(leaky).output
    assert f"warning: {len(find_leak(splits).originals)} of 30 originals are in more than one split" in shown
    assert (
        f"{copies} frames of test ({copies / len(splits['test']):.1%}) have a copy of their original in train" in shown
    )
    assert "--regroup" in shown
    assert json.loads(run(leaky, "--json").stdout)["leak"]["splits"]["train/test"]["frames"]["test"] == copies


def test_regroup_leaves_the_given_files_and_writes_splits_without_a_leak(leaky):
    before = contents(leaky)
    shown = run(leaky, "--regroup", "--val", 0.2, "--test", 0.2).output
    after = contents(leaky)
    assert {name: after[name] for name in before} == before
    assert "note: in the old splits, " in shown
    assert not [line for line in shown.splitlines() if "warning: " in line and "tells its state" not in line]
    splits = {split: read_frames(leaky / f"regrouped_{split}_annotations.csv") for split in SPLITS}
    assert not find_leak(splits)
    assert sum(map(len, splits.values())) == len(make_frames(2, originals=30))
    for split, frames in splits.items():
        assert used_paths(paired_path(leaky, split)) == sorted(frame.frame_path for frame in frames)


def regrouped(folder):
    return {name: data for name, data in contents(folder).items() if name.startswith(("paired_", "regrouped_"))}


def stop(*arguments):
    raise KeyboardInterrupt


def test_a_run_that_is_killed_while_it_writes_leaves_the_old_splits(leaky, monkeypatch):
    run(leaky, "--regroup", "--seed", 1)
    before = regrouped(leaky)
    monkeypatch.setattr(pair_job, "write_samples", stop)
    with pytest.raises(KeyboardInterrupt):
        pair_job.pair_dataset(leaky, regrouping=True, seed=2)
    assert regrouped(leaky) == before
    assert not [path for path in leaky.iterdir() if "partial" in path.name]


@pytest.mark.parametrize("placed", range(6))
def test_a_run_that_is_killed_leaves_no_new_split_beside_an_old_one(leaky, monkeypatch, placed):
    run(leaky, "--regroup", "--seed", 1)
    before, replace, names = regrouped(leaky), Path.replace, []

    def dying(self, target):
        if Path(target).parent == leaky:
            names.append(target.name)
            if len(names) > placed:
                monkeypatch.setattr(Path, "rename", stop)  # a dead process tidies nothing up
                monkeypatch.setattr(Path, "unlink", stop)
                raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", dying)
    with pytest.raises(KeyboardInterrupt):
        pair_job.pair_dataset(leaky, regrouping=True, seed=2)
    left = regrouped(leaky)
    assert set(left) == set(names[:placed])
    assert all(left[name] != before[name] for name in left)


@pytest.mark.parametrize(("call", "split"), [("rename", "val"), ("replace", "val"), ("replace", "test")])
def test_a_table_that_cannot_be_moved_costs_no_other(leaky, monkeypatch, call, split):
    run(leaky, "--regroup")
    paired_path(leaky, "train").unlink()  # what was not there is not there afterwards
    before, usual, held_open = contents(leaky), getattr(Path, call), paired_path(leaky, split).name

    def refused(path, target):
        if leaky in {path.parent, Path(target).parent} and path.name == held_open:
            raise PermissionError(13, "The file is used by another process", str(path))
        return usual(path, target)

    monkeypatch.setattr(Path, call, refused)
    shown = run(leaky, "--regroup", "--seed", 3, code=1).stderr
    assert "The file is used by another process" in shown
    assert f"where: {leaky / held_open}" in shown
    assert contents(leaky) == before


def test_one_file_of_all_frames_needs_and_gets_splits(tmp_path):
    frames = make_frames(5, originals=30)
    root = write_dataset(tmp_path, {"all": frames}, "annotations.csv")
    assert "what to do: add --regroup" in run(root, code=2).output
    assert not list(root.glob("paired_*"))
    result = json.loads(run(root, "--regroup", "--json").stdout)
    assert result["leak"] is None
    assert sum(len(used_paths(paired_path(root, split))) for split in SPLITS) == len(frames)


def test_the_rows_order_and_the_folder_of_the_output_change_nothing(tmp_path):
    frames = make_frames(4, originals=30)
    for name, ordered in (("a", frames), ("b", frames[::-1])):
        root = write_dataset(tmp_path / name, {"all": ordered}, "annotations.csv")
        shown = run(root, "--regroup", "--out", tmp_path / f"out-{name}").output
        assert f"the paths in the files start from {root}" in shown
    assert contents(tmp_path / "out-a") == contents(tmp_path / "out-b")
    assert len(contents(tmp_path / "out-a")) == 6
    run(root, "--regroup", "--out", tmp_path / "out-c", "--seed", 7)
    assert contents(tmp_path / "out-c") != contents(tmp_path / "out-a")


def test_written_paths_are_relative_and_posix_whatever_was_read(leaky):
    path = annotation_path(leaky, "test")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        for column in ("frame_path", "mask_path"):
            row[column] = "mmseg_dataset\\" + row[column].replace("/", "\\")
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    run(leaky)
    for sample in read_samples(paired_path(leaky, "test")):
        assert all((leaky / found.frame_path).is_file() for found in sample.frames.values())
    text = paired_path(leaky, "test").read_text()
    assert "\\" not in text
    assert "mmseg_dataset" not in text


def test_nothing_is_written_when_a_file_is_missing_or_listed_twice(leaky):
    frame = read_frames(annotation_path(leaky, "val"))[1]
    (leaky / frame.frame_path).unlink()
    assert f"val_annotations.csv line 3: {frame.frame_path}" in run(leaky, code=2).output
    (leaky / frame.frame_path).touch()
    rows = annotation_path(leaky, "val").read_text().splitlines()
    with annotation_path(leaky, "test").open("a") as file:
        file.write(rows[2] + "\n")
    last = len(annotation_path(leaky, "test").read_text().splitlines())
    shown = run(leaky, "--regroup", code=2).output
    assert f"{frame.frame_path}: val_annotations.csv line 3, test_annotations.csv line {last}" in shown
    assert not list(leaky.glob("paired_*")) + list(leaky.glob("regrouped_*"))


def test_frames_that_are_no_images_are_named(leaky):
    first, second, third = read_frames(annotation_path(leaky, "val"))[:3]
    (leaky / first.frame_path).write_text("a table, not a frame")
    (leaky / second.frame_path).write_bytes(b"")
    whole = encoded(Image.fromarray(np.arange(4096, dtype=np.uint16).reshape(64, 64)), "PNG")
    (leaky / third.frame_path).write_bytes(whole[: len(whole) // 2])
    shown = run(leaky, code=1).output
    assert f"frames cannot be read:\n  - {leaky / first.frame_path}: not an image in a known format" in shown
    assert f"{leaky / second.frame_path}: the file is empty" in shown
    assert f"{leaky / third.frame_path}: not a readable image" in shown
    (leaky / third.frame_path).write_bytes(whole)
    assert not list(leaky.glob("paired_*"))
    (leaky / third.mask_path).write_bytes(encoded(Image.fromarray(np.zeros((64, 64), np.uint8)), "PNG"))
    counts = Image.fromarray(np.arange(3, dtype=np.uint16).reshape(1, 3) + 9_000)
    for frame in (first, second):  # counts without a range, and a TIFF of pages: what they mean is asked by fit
        pages = [counts, counts] if frame is second else [counts]
        counts.save(leaky / frame.frame_path, "TIFF", save_all=True, append_images=pages[1:])
    run(leaky)


def test_masks_of_another_size_are_refused_unless_it_is_asked_which_page_counts(leaky):
    first = read_frames(annotation_path(leaky, "val"))[0]
    large = Image.fromarray(np.zeros((6, 8), np.uint8))
    large.save(leaky / first.mask_path)
    shown = run(leaky, code=1).output
    assert "masks have another size than their frames:" in shown
    assert f"- {leaky / first.mask_path}: the mask has 8 x 6 pixels, the frame 3 x 1" in shown
    assert "what to do: export" in shown
    assert not list(leaky.glob("paired_*"))
    small = Image.fromarray(np.zeros((1, 3), np.uint8))
    small.save(leaky / first.frame_path, "TIFF", save_all=True, append_images=[large.copy()])
    run(leaky)


def test_splits_that_are_not_there_are_said(leaky):
    run(leaky)
    annotation_path(leaky, "val").unlink()
    shown = run(leaky).output
    assert "warning: there is no val_annotations.csv; --regroup divides the frames into three splits" in shown
    assert "paired_val_annotations.csv, written earlier, stays" in shown
    (leaky / "annotations.csv").write_text("anything")
    assert "annotations.csv was not read" in run(leaky).output


def test_a_class_that_a_split_lacks_and_a_strategy_without_pairs_are_said(tmp_path):
    frames = [frame for frame in make_frames(1, originals=30, shared_ids=False) if frame.class_id != 1]
    root = write_dataset(tmp_path, {"train": frames})
    shown = run(root, "--strategy", "original_based").output
    assert "warning: train has no frame of Transitional" in shown
    assert "warning: original_based finds no pair; --strategy random" in shown


def test_a_gas_that_a_frames_name_contradicts_is_a_warning(tmp_path):
    frames = make_frames(1, originals=30)
    swapped = next(frame for frame in frames if frame.gas == "ch4")
    renamed = [dataclasses.replace(f, frame_path="images/a_co2_1.png") if f is swapped else f for f in frames]
    shown = run(write_dataset(tmp_path / "set", {"train": renamed})).output
    assert "warning: images/a_co2_1.png is taken for CH4, and its name says CO2" in shown
    assert "its name says" not in run(write_dataset(tmp_path / "other", {"train": frames})).output


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--val", 0.2], "add --regroup"),
        (["--regroup", "--val", 0.6, "--test", 0.4], "leave nothing to train on"),
        (["--strategy", "best"], "random"),
        (["--seed", -1], "--seed"),
    ],
)
def test_wrong_options_are_refused(leaky, flags, message):
    assert message in run(leaky, *flags, code=2).output
    assert not list(leaky.glob("paired_*"))


def test_a_folder_without_annotations_is_refused(tmp_path):
    shown = run(tmp_path / "gone", code=2).output
    assert "the dataset folder does not exist" in shown
    assert "expected: a folder with frames, masks and train_annotations.csv, or annotations.csv" in shown
    assert "what to do: name another" in shown
    (tmp_path / "train_annotations.csv").touch()
    shown = run(tmp_path / "train_annotations.csv", code=2).output
    assert "it is a file" in shown
    assert f"what to do: name {tmp_path}" in shown
    (tmp_path / "train_annotations.csv").unlink()
    assert "train_annotations.csv, val_annotations.csv" in run(tmp_path, code=2).output
    write_dataset(tmp_path, {"train": [], "val": []})
    assert "the annotations have no rows" in run(tmp_path, code=2).output


def test_a_place_that_cannot_be_written_to_is_named(leaky):
    (leaky / "file").touch()
    assert "cannot write the file" in run(leaky, "--out", leaky / "file", code=1).output


def test_help_has_an_example_and_the_choices_are_the_strategies():
    shown = run("--help").output
    assert "Example: kerasfusion data pair" in shown
    assert f"[{'|'.join(STRATEGIES)}]" in shown.replace("\n", "").replace(" ", "")


def test_pairing_loads_no_tensorflow(tmp_path):
    write_dataset(tmp_path, by_thirds(make_frames(0)))
    program = (
        "import sys; from kerasfusion.fume.data.pair_job import pair_dataset; from pathlib import Path\n"
        "pair_dataset(Path(sys.argv[1])); sys.exit(','.join({'tensorflow', 'keras'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def binary(tmp_path):
    """A set of one split whose masks hold 0 and 1."""
    frames = make_frames(1, originals=3, copies=1)
    root = write_dataset(tmp_path / "set", {"train": frames})
    for frame in frames:
        Image.fromarray(np.array([[0, 1, 1]], np.uint8)).save(root / frame.mask_path)
    return root


def test_masks_that_training_would_refuse_are_refused_and_a_legend_takes_them(binary):
    shown = run(binary, code=2).output
    assert "masks hold 0 and 1 and never 2" in shown
    assert not list(binary.glob("paired_*"))
    shown = run(binary, "--legend", "gas=1").output
    assert "note: give the legend to the training too: --set 'data.masks.legend={\"gas\": [1]}'" in shown
    for flags, said in (
        (("--legend", "gas"), "not CLASS=VALUE"),
        (("--legend", "plume=1"), "unknown key"),
        (("--legend", "gas=#12"), "#rrggbb"),
    ):
        assert said in run(binary, *flags, code=2).output


@pytest.fixture
def telling(tmp_path):
    """A set in which Transitional frames share no original, so that copies of one original make no pairs of them."""
    frames = []
    for number in range(60):
        class_id = number % 3
        for gas in ("co2", "ch4"):
            original = f"{number}-{gas}" if class_id == 1 else str(number)
            name = f"{gas}{number}.png"
            frames.append(Frame(gas, f"frames/{name}", f"masks/{name}", PH[class_id][0], class_id, original))
    return write_dataset(tmp_path / "set", {"train": frames})


def test_gases_that_tell_the_state_are_a_warning_and_can_be_balanced(telling):
    shown = run(telling, "--strategy", "original_based").stdout
    assert "warning: train: which gases a sample has tells its state (1.00 of 1.50 bits, p = 0.001" in shown
    assert "--balance-modality" in shown
    balanced = run(telling, "--strategy", "original_based", "--balance-modality").stdout
    assert "note: train: which gases a sample has does not tell its state (0.00 of 1.58 bits" in balanced
    assert "note: 0 of 120 frames are left out" in balanced
    assert "no pair is left" in balanced
    assert not any(sample.is_paired for sample in read_samples(paired_path(telling, "train")))
    assert "does not tell" not in run(telling).stdout  # all of them are pairs: there is nothing to ask


def test_json_holds_what_the_gases_tell(telling):
    found = json.loads(run(telling, "--strategy", "original_based", "--json").stdout)["dependence"]["train"]
    assert found["tells"]
    assert found["table"]["Transitional"] == {"both gases": 0, "CO2 alone": 20, "CH4 alone": 20}

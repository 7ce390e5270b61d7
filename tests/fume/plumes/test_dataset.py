"""Generated dual-gas sets: files, shares, splits, reproducibility, and the command that writes them."""

from collections import Counter

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from kerasfusion.cli.main import main
from kerasfusion.errors import RequestError
from kerasfusion.fume.data.annotations import SPLITS, annotation_path, read_frames
from kerasfusion.fume.plumes.dataset import write_dataset
from kerasfusion.fume.plumes.picture import draw_picture
from kerasfusion.fume.plumes.plan import apportion, plan

SIZE = (96, 64)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("synth") / "set"
    return out, write_dataset(out, 24, 5, size=SIZE, copies=2)


def contents(folder) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def pixels(path) -> np.ndarray:
    with Image.open(path) as image:
        assert (image.format, image.mode) == ("PNG", "L")
        return np.asarray(image)


def shares(originals, of) -> dict:
    """Share of each kind among the frames."""
    counts = Counter(of(original, gas) for original in originals for gas in original.gases)
    return {kind: count / counts.total() for kind, count in counts.items()}


def test_the_csv_files_list_every_frame_once_and_read_back(written):
    out, frames = written
    assert {split: read_frames(annotation_path(out, split)) for split in SPLITS} == frames
    listed = [frame for split in SPLITS for frame in frames[split]]
    files = {name for name in contents(out) if name.endswith(".png")}
    assert len(listed) * 2 == len(files)
    assert {path for frame in listed for path in (frame.frame_path, frame.mask_path)} == files


def test_frames_and_masks_are_grey_pngs_of_one_size(written):
    out, frames = written
    for frame in frames["train"]:
        assert pixels(out / frame.frame_path).shape == (64, 96)
        mask = pixels(out / frame.mask_path)
        assert mask.shape == (64, 96)
        assert set(np.unique(mask)) <= {0, 1, 2}
        assert (mask == 2).any()


def test_no_original_is_in_two_splits_and_every_state_in_each(written):
    _, frames = written
    originals = {split: {frame.original_id for frame in frames[split]} for split in SPLITS}
    assert sum(map(len, originals.values())) == len(set.union(*originals.values())) == 24
    assert all({frame.class_id for frame in frames[split]} == {0, 1, 2} for split in SPLITS)


def test_each_frame_has_its_copies_under_its_original(written):
    out, frames = written
    copies = {}
    for frame in (frame for split in SPLITS for frame in frames[split]):
        copies.setdefault((frame.original_id, frame.gas), []).append(frame.augmentation_id)
        if frame.augmentation_id == "0":
            drawn = draw_picture(5, frame.original_id, frame.gas, frame.ph_value, SIZE)
            assert np.array_equal(pixels(out / frame.frame_path), drawn.frame)
            assert np.array_equal(pixels(out / frame.mask_path), drawn.mask)
    assert set(map(tuple, copies.values())) == {("0", "1", "2")}
    both = Counter(original_id for original_id, _ in copies)
    assert set(both.values()) == {1, 2}  # some with both gases, some with one


def test_the_same_seed_gives_the_same_bytes(written, tmp_path):
    out, _ = written
    write_dataset(tmp_path / "again", 24, 5, size=SIZE, copies=2)
    assert contents(tmp_path / "again") == contents(out)
    write_dataset(tmp_path / "other", 2, 6, size=SIZE, copies=0)
    shared = set(contents(tmp_path / "other")) & set(contents(out))
    assert all(contents(tmp_path / "other")[name] != contents(out)[name] for name in shared if name.endswith(".png"))


def test_pictures_do_not_depend_on_what_else_is_in_the_set(written, tmp_path):
    out, _ = written
    write_dataset(tmp_path / "small", 9, 5, size=SIZE, copies=1, balanced=True)
    mine, others = contents(tmp_path / "small"), contents(out)
    shared = [name for name in mine if name.endswith(".png") and name in others]
    assert len(shared) > 10
    assert all(mine[name] == others[name] for name in shared)


def test_the_published_shares_by_default():
    originals = plan(715, 42)
    states = shares(originals, lambda original, gas: original.class_id)
    assert states == pytest.approx({0: 0.450, 1: 0.026, 2: 0.524}, abs=0.002)
    assert shares(originals, lambda original, gas: gas) == pytest.approx({"co2": 0.69, "ch4": 0.31}, abs=0.002)
    filmed = shares(originals, lambda original, gas: (original.ph, gas))
    assert {ph for ph, gas in filmed if gas == "ch4"} == {5.6, 6.5}
    assert {ph for ph, gas in filmed if gas == "co2"} == {5.0, 5.3, 5.6, 5.9, 6.2, 6.5}
    # data/pairing.py of the reference: CH4 is 798 of 2,415 frames at pH 5.6 and 1,995 of 3,906 at pH 6.5
    for ph, published in ((5.6, 798 / 2415), (6.5, 1995 / 3906)):
        assert filmed[ph, "ch4"] / (filmed[ph, "co2"] + filmed[ph, "ch4"]) == pytest.approx(published, abs=0.025)


def test_states_have_the_public_sets_ph_values():
    levels = {state: {original.ph for original in plan(300, 1) if original.class_id == state} for state in range(3)}
    assert levels == {0: {6.5}, 1: {5.9, 6.2}, 2: {5.0, 5.3, 5.6}}


def test_balanced_is_as_many_of_each_state_with_the_same_gases():
    originals = plan(300, 42, balanced=True)
    assert Counter(original.class_id for original in originals) == {0: 100, 1: 100, 2: 100}
    for state in range(3):
        gases = Counter(original.gases for original in originals if original.class_id == state)
        assert gases == {("co2", "ch4"): 60, ("co2",): 20, ("ch4",): 20}


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("count", [9, 12, 24, 60])
def test_every_state_is_in_every_split_from_nine_originals_on(count, balanced):
    for seed in range(5):
        originals = plan(count, seed, balanced)
        assert len(originals) == len({original.original_id for original in originals}) == count
        assert {(o.split, o.class_id) for o in originals} == {(split, state) for split in SPLITS for state in range(3)}


def test_originals_can_be_given_per_split():
    originals = plan({"train": 30, "test": 12}, 1, balanced=True)
    assert Counter((o.split, o.class_id) for o in originals) == {
        (split, state): count for split, count in (("train", 10), ("test", 4)) for state in range(3)
    }
    assert len({original.original_id for original in originals}) == 42


def test_splits_depend_on_the_seed():
    assert [o.split for o in plan(60, 1)] == [o.split for o in plan(60, 1)]
    assert [o.split for o in plan(60, 1)] != [o.split for o in plan(60, 2)]


@pytest.mark.parametrize(
    ("count", "minimum", "expected"),
    [
        (10, 0, [7, 2, 1]),
        (10, 2, [6, 2, 2]),
        (3, 1, [1, 1, 1]),
        (2, 1, [1, 1, 0]),
        (1, 0, [1, 0, 0]),
        (0, 3, [0, 0, 0]),
    ],
)
def test_apportion_keeps_the_sum_and_the_minimum(count, minimum, expected):
    assert list(apportion({"a": 70, "b": 20, "c": 10}, count, minimum).values()) == expected


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"originals": -1}, "originals is -1"),
        ({"originals": {"train": 3, "val": -2}}, "val is -2"),
        ({"originals": {"trian": 3}}, "no split 'trian'"),
        ({"originals": 3, "seed": -1}, "seed is -1"),
        ({"originals": 3, "copies": -1}, "copies is -1"),
        ({"originals": 3, "size": (640, 8)}, "size is 640x8"),
        ({"originals": 3, "size": (640, 300)}, "size is 640x300"),
    ],
)
def test_numbers_out_of_range_are_refused_before_anything_is_written(tmp_path, arguments, named):
    with pytest.raises(RequestError, match=named):
        write_dataset(tmp_path / "set", **arguments)
    assert not (tmp_path / "set").exists()


def command(*arguments, code: int = 0) -> str:
    result = CliRunner().invoke(main, ["data", "synth", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


def test_the_command_writes_what_the_function_writes(written, tmp_path):
    out, frames = written
    flags = ["--originals", 24, "--copies", 2, "--size", "96x64", "--seed", 5]
    shown = command("fume", tmp_path / "set", *flags)
    assert contents(tmp_path / "set") == contents(out)
    assert f"{sum(map(len, frames.values()))} frames with masks" in shown
    assert "Transitional" in shown


def test_each_system_refuses_the_others_flags_and_bad_sizes(tmp_path):
    assert "--train: not for fume" in command("fume", tmp_path / "a", "--train", 3, code=2)
    refused = command("roadwork", tmp_path / "a", "--balanced", "--size", "96x64", "--val", 1, code=2)
    assert "--balanced, --size: not for roadwork" in refused
    assert "not a width and a height" in command("fume", tmp_path / "a", "--size", "96", code=2)
    assert not (tmp_path / "a").exists()
    assert "2 roadwork scenes" in command("roadwork", tmp_path / "b", "--train", 2, "--val", 0, "--test", 0)

"""Stills of films: which, where, unchanged, and as rows that `data pair` makes pairs of."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from kerasfusion.cli.main import main
from kerasfusion.fume.config_reading import FrameReading
from kerasfusion.fume.data.annotations import read_frames
from kerasfusion.fume.data.frame_reading import read_frame
from kerasfusion.fume.data.samples import paired_path, read_samples
from kerasfusion.images.decoding import ImageError
from tests.fume.films.camera_material import write_seq
from tests.fume.films.film_material import write_film, write_pages

SAID = ("--ph", 6.5, "--state", "Healthy")


def invoke(*arguments, code=0):
    result = CliRunner().invoke(main, ["data", *(str(argument) for argument in arguments)])
    assert result.exit_code == code, result.output
    return result.stdout + result.stderr


def numbered(count, dtype=np.uint8, factor=1):
    """Frames whose level is their number."""
    return [np.full((6, 8), factor * number, dtype) for number in range(count)]


def stills(out):
    return {
        frame.augmentation_id: np.array(Image.open(out / frame.frame_path))
        for frame in read_frames(out / "annotations.csv")
    }


def test_the_frame_of_every_half_second_unchanged(tmp_path):
    film = write_film(tmp_path / "cow7_co2.mkv", numbered(31), rate=10)
    shown = invoke("frames", film, tmp_path / "set", "--every", 0.5, *SAID)
    found = stills(tmp_path / "set")
    assert {time: int(pixels[0, 0]) for time, pixels in found.items()} == {
        "0s": 0, "0.5s": 5, "1s": 10, "1.5s": 15, "2s": 20, "2.5s": 25, "3s": 30,
    }  # fmt: skip
    assert found["1s"].dtype == np.uint8
    first = read_frames(tmp_path / "set" / "annotations.csv")[0]
    assert (first.gas, first.original_id, first.ph_value, first.state) == ("co2", "cow7", 6.5, "Healthy")
    assert first.mask_path == "masks/cow7_co2_0000000ms.png"
    assert "7 stills" in shown
    assert "at least 3 cows into it, one for each split (1 so far)" in shown
    assert f"then: kerasfusion data pair {tmp_path / 'set'} --regroup --strategy original_based\n" in shown


@pytest.mark.parametrize(("begin", "after"), [(3.09, ["4s"]), (3.04, ["3s"]), (2.96, ["3s"])])
def test_after_a_pause_a_still_has_the_second_in_which_it_was_filmed(tmp_path, begin, after):
    times = [*(number / 10 for number in range(11)), *(begin + number / 10 for number in range(10))]
    invoke("frames", write_film(tmp_path / "co2.mkv", numbered(21), times=times), tmp_path / "set", *SAID)
    assert list(stills(tmp_path / "set")) == ["0s", "1s", *after]


@pytest.mark.parametrize("rate", [10, 7])
def test_a_film_that_slows_down_keeps_its_stills(tmp_path, rate):
    times = [*(number / 30 for number in range(120)), *(4 + number / rate for number in range(6 * rate + 1))]
    invoke("frames", write_film(tmp_path / "co2.mkv", numbered(len(times)), times=times), tmp_path / "set", *SAID)
    assert list(stills(tmp_path / "set")) == [f"{second}s" for second in range(11)]


def test_frames_that_were_lost_cost_no_still(tmp_path):
    times = [number / 30 for number in range(121) if number not in (30, 60, 61, 90)]  # at 1, 2 and 3 s
    invoke("frames", write_film(tmp_path / "co2.mkv", numbered(len(times)), times=times), tmp_path / "set", *SAID)
    assert list(stills(tmp_path / "set")) == ["0s", "1s", "2s", "3s", "4s"]


def test_no_still_is_lost_between_frames_whose_times_are_whole_milliseconds(tmp_path):
    times = [number / 30 + 0.5 / 30 for number in range(65)]  # each second lies in the middle of two frames
    film = write_film(tmp_path / "co2.mkv", numbered(65), times=times)
    invoke("frames", film, tmp_path / "set", "--offset", 0.5 / 30, *SAID)
    assert list(stills(tmp_path / "set"))[-2:] == ["1s", "2s"]


def test_counts_stay_counts(tmp_path):
    film = write_film(tmp_path / "co2.mkv", numbered(4, np.uint16, 4_000), rate=1)
    invoke("frames", film, tmp_path / "set", *SAID)
    assert [int(pixels[0, 0]) for pixels in stills(tmp_path / "set").values()] == [0, 4_000, 8_000, 12_000]
    pages = write_pages(tmp_path / "ch4.tif", [frame.astype(np.float32) + 20.5 for frame in numbered(3)])
    invoke("frames", pages, tmp_path / "other", "--rate", 1, *SAID)
    assert [float(pixels[0, 0]) for pixels in stills(tmp_path / "other").values()] == [20.5, 21.5, 22.5]


def test_stills_of_counts_are_read_as_their_film_is(tmp_path):
    film = write_film(tmp_path / "co2.mkv", numbered(3, np.uint16, 150), rate=1, grey="gray10le")
    invoke("frames", film, tmp_path / "set", *SAID)
    paths = [tmp_path / "set" / frame.frame_path for frame in read_frames(tmp_path / "set" / "annotations.csv")]
    assert [int(read_frame(path, FrameReading(range=(0, 510)))[0, 0]) for path in paths] == [0, 75, 150]
    for path in paths:  # 0 and 150 would be levels, too
        with pytest.raises(ImageError, match="which have no fixed range"):
            read_frame(path)


def test_stills_of_a_cameras_own_film_are_its_counts(tmp_path):
    film = write_seq(tmp_path / "cow7_co2.seq", numbered(26, np.uint16, 500), rate=10)
    invoke("frames", film, tmp_path / "set", "--every", 0.5, *SAID)
    found = stills(tmp_path / "set")
    assert {time: int(pixels[0, 0]) for time, pixels in found.items()} == {
        "0s": 0, "0.5s": 2_500, "1s": 5_000, "1.5s": 7_500, "2s": 10_000, "2.5s": 12_500,
    }  # fmt: skip
    assert {pixels.dtype for pixels in found.values()} == {np.dtype(np.uint16)}


def test_two_films_of_one_scene_become_pairs(tmp_path):
    out = tmp_path / "set"
    for name, count, rate in (("co2", 30, 10), ("ch4", 20, 5)):
        for cow in ("a", "b", "c"):
            film = write_film(tmp_path / f"cow{cow}_{name}.mkv", numbered(count), rate=rate)
            offset = ("--offset", 1) if name == "ch4" else ()
            invoke("frames", film, out, "--every", 1, *offset, *SAID)
    rows = read_frames(out / "annotations.csv")
    assert [row.augmentation_id for row in rows if row.original_id == "cowa" and row.gas == "ch4"] == [
        "1s", "2s", "3s", "4s",
    ]  # fmt: skip
    assert "do not exist" in invoke("pair", out, "--regroup", code=2)
    for row in rows:
        Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8) % 3).save(out / row.mask_path)
    shown = invoke("pair", out, "--regroup", "--strategy", "original_based", "--val", 0.3, "--test", 0.3)
    assert "different times" not in shown
    pairs = [
        sample
        for split in ("train", "val", "test")
        for sample in read_samples(paired_path(out, split))
        if sample.is_paired
    ]
    # CO2 has 0, 1 and 2 s: what was filmed at 0 s alone stays alone.
    times = [f"cow{cow}_co2_000{second}000ms.png" for cow in "abc" for second in (1, 2)]
    assert sorted(sample.co2.frame_path for sample in pairs) == [f"frames/{name}" for name in times]
    assert all(sample.co2.frame_path.replace("co2", "ch4") == sample.ch4.frame_path for sample in pairs)


def test_outlines_of_all_stills_in_one_coco_file_become_pairs(tmp_path):
    out = tmp_path / "set"
    for name in ("cowa_co2", "cowa_ch4", "cowb_co2", "cowb_ch4", "cowc_co2", "cowc_ch4"):
        invoke("frames", write_film(tmp_path / f"{name}.mkv", numbered(2), rate=1), out, "--masks", "coco", *SAID)
    rows = read_frames(out / "annotations.csv")
    assert {row.mask_path for row in rows} == {"masks/coco.json"}
    assert "1 file(s) of the annotations do not exist" in invoke("pair", out, "--regroup", code=2)
    names = [row.frame_path.removeprefix("frames/") for row in rows]
    images = [{"id": n, "file_name": name, "width": 8, "height": 6} for n, name in enumerate(names)]
    square = {"category_id": 3, "segmentation": [[0, 0, 2, 0, 2, 2, 0, 2]]}
    tree = {"images": images, "categories": [{"id": 3, "name": "plume"}]}
    tree["annotations"] = [square | {"image_id": n} for n in range(10)]
    (out / "masks" / "coco.json").write_text(json.dumps(tree))
    pair = ("pair", out, "--regroup", "--val", 0.3, "--test", 0.3)
    assert "10 of 12 masks cannot be used" in (refused := invoke(*pair, code=1))
    assert "category 'plume'" in refused
    shown = invoke(*pair, "--legend", "gas=plume")
    assert "2 of 12 frames have no outline of tube or gas in their COCO file" in shown


@pytest.mark.parametrize(
    ("name", "flags", "said"),
    [
        ("film.mkv", SAID, "does not say of which gas"),
        ("co2.mkv", (), "Missing option"),
        ("co2.mkv", ("--every", 0, *SAID), "--every"),
        ("co2.mkv", ("--every", 0.0009, *SAID), "not in the range x>=0.001"),  # names have milliseconds
        ("co2.mkv", ("--rate", 5, *SAID), "--rate is for TIFFs"),
        ("co2.ats", SAID, "ATS is the camera's own format"),
    ],
)
def test_bad_requests(tmp_path, name, flags, said):
    if name.endswith("mkv"):
        write_film(tmp_path / name, numbered(3))
    else:
        (tmp_path / name).touch()
    assert said in invoke("frames", tmp_path / name, tmp_path / "set", *flags, code=2)


def test_stills_that_are_there_are_not_written_over(tmp_path):
    film = write_film(tmp_path / "cow7_co2.mkv", numbered(3))
    invoke("frames", film, tmp_path / "set", *SAID)
    refused = invoke("frames", film, tmp_path / "set", *SAID, code=2)
    assert "CO2 frames of cow7 are there already, such as frames/cow7_co2_0000000ms.png" in refused
    assert "rename the film (cow8_co2.mkv)" in refused
    longer = write_film(tmp_path / "cow7_co2_night.mkv", numbered(3))  # another film, whose name begins alike
    invoke("frames", longer, tmp_path / "set", *SAID)
    film.rename(film.with_name("cow8_co2.mkv"))
    invoke("frames", film.with_name("cow8_co2.mkv"), tmp_path / "set", *SAID)
    assert [row.original_id for row in read_frames(tmp_path / "set" / "annotations.csv")] == [
        "cow7", "cow7_night", "cow8",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "said", "code"), [("", "it is a folder", 2), ("gone.mkv", "no such film", 2), ("notes.md", "the film", 1)]
)
def test_what_is_no_film_is_said_before_its_gas_is_asked_for(tmp_path, name, said, code):
    (tmp_path / "notes.md").write_text("cows\n" * 99)
    shown = invoke("frames", tmp_path / name, tmp_path / "set", *SAID, code=code)
    assert said in shown
    assert "--gas" not in shown
    assert not (tmp_path / "set").exists()


def test_missing_masks_of_stills_are_to_be_drawn(three_cows):
    rows = read_frames(three_cows / "annotations.csv")
    (three_cows / rows[0].mask_path).unlink()
    refused = invoke("pair", three_cows, "--regroup", code=2)
    assert "what to do: draw these masks of the films' stills" in refused
    (three_cows / rows[1].frame_path).unlink()  # then the folder may be the wrong one
    assert "or take the rows out" in invoke("pair", three_cows, "--regroup", code=2)


def test_films_named_by_their_gas_alone_are_told_apart_by_their_folders(tmp_path):
    out = tmp_path / "set"
    for cow in "ABC":
        (tmp_path / f"cow{cow}").mkdir()
        for gas in ("co2", "ch4"):
            shown = invoke("frames", write_film(tmp_path / f"cow{cow}" / f"{gas}.mkv", numbered(11)), out, *SAID)
    assert "so far" not in shown  # there are three
    rows = read_frames(out / "annotations.csv")
    assert [(row.original_id, row.gas) for row in rows[::2]] == [
        (f"cow{cow}", gas) for cow in "ABC" for gas in ("co2", "ch4")
    ]
    assert len({row.frame_path for row in rows}) == 12
    refused = invoke("frames", tmp_path / "cowA" / "ch4.mkv", out, *SAID, code=2)
    assert "CH4 frames of cowA are there already" in refused
    assert rows[0].frame_path == "frames/cowA_co2_0000000ms.png"


def draw_masks(out):
    rows = read_frames(out / "annotations.csv")
    for row in rows:
        Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8) % 3).save(out / row.mask_path)
    return rows


@pytest.fixture
def three_cows(tmp_path):
    """Stills of four moments of each gas of three cows, with masks."""
    out = tmp_path / "three"
    for cow in "abc":
        for gas in ("co2", "ch4"):
            invoke("frames", write_film(tmp_path / f"cow{cow}_{gas}.mkv", numbered(40)), out, *SAID)
    draw_masks(out)
    return out


@pytest.mark.parametrize("strategy", ["random", "augmentation_matched"])
def test_pairs_of_different_times_are_counted_and_said(three_cows, strategy):
    shares = ("--val", 0, "--test", 0.34)  # two cows share a split, so that either strategy may mix them
    shown = invoke("pair", three_cows, "--regroup", "--strategy", strategy, *shares)
    pairs = [
        sample
        for split in ("train", "test")
        for sample in read_samples(paired_path(three_cows, split))
        if sample.is_paired
    ]
    mixed = [s for s in pairs if s.co2.frame_path.replace("co2", "ch4") != s.ch4.frame_path]
    line = f"warning: {len(mixed)} of {len(pairs)} pairs are stills of different times or films, such as frames/cow"
    assert (line in shown) == bool(mixed)
    assert mixed or strategy != "random"
    assert "different times" not in invoke("pair", three_cows, "--regroup", "--strategy", "original_based", *shares)


def test_films_whose_names_do_not_match_are_told_how_to_be_named(three_cows):
    manifest = three_cows / "annotations.csv"
    lines = manifest.read_text().splitlines()
    changed = [line.replace(",cow", ",other") if "_ch4_" in line else line for line in lines]
    manifest.write_text("\n".join(changed))
    shown = invoke("pair", three_cows, "--regroup", "--strategy", "original_based")
    assert "original_based finds no pair; the two films of a scene differ in the gas of their names alone" in shown


def test_one_cow_is_too_few_and_said_before_masks_are_missed(tmp_path):
    for gas in ("co2", "ch4"):
        invoke("frames", write_film(tmp_path / f"cow7_{gas}.mkv", numbered(20)), tmp_path / "set", *SAID)
    refused = invoke("pair", tmp_path / "set", "--regroup", "--strategy", "original_based", code=2)
    assert "1 original(s) cannot be divided into 3 splits" in refused
    assert "film at least 3 cows" in refused


def test_a_gas_that_the_name_contradicts_is_said(tmp_path):
    film = write_film(tmp_path / "cow7_ch4.mkv", numbered(3))
    shown = invoke("frames", film, tmp_path / "set", "--gas", "co2", *SAID)
    assert f"warning: {film} is taken for CO2, and its name says CH4" in shown
    assert "warning" not in invoke("frames", film, tmp_path / "other", "--gas", "ch4", *SAID)


@pytest.mark.parametrize(
    ("rate", "count", "every", "flags", "expected"),
    [(10, 120, 0.5, (), 24), (10, 121, 0.5, (), 25), (4, 8, 1, ("--offset", 0.5), 2), (10, 5, 1, (), 1)],
)
def test_progress_ends_at_its_total(tmp_path, rate, count, every, flags, expected):
    film = write_film(tmp_path / "cow7_co2.mkv", numbered(count), rate=rate)
    shown = invoke("frames", film, tmp_path / "set", "--every", every, *flags, *SAID)
    assert f"stills: {expected}/{expected}, " in shown
    assert f"{expected} stills of" in shown


def test_a_film_that_ends_before_its_first_still_is_refused(tmp_path):
    film = write_film(tmp_path / "cow7_co2.mkv", numbered(10), rate=10)
    refused = invoke("frames", film, tmp_path / "set", "--every", 5, "--offset", 1, *SAID, code=2)
    assert "no frame at a multiple of 5 s" in refused
    assert not (tmp_path / "set").exists()


def test_a_film_that_is_cut_gives_what_it_has(tmp_path):
    rng = np.random.default_rng(0)
    film = write_film(tmp_path / "co2.mkv", [rng.integers(0, 255, (48, 64), np.uint8) for _ in range(40)])
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    assert "the film" in invoke("frames", film, tmp_path / "set", "--every", 0.5, *SAID, code=1)
    assert 3 <= len(stills(tmp_path / "set")) <= 5

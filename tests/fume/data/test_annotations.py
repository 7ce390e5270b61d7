import dataclasses

import pytest

from kerasfusion.errors import RequestError
from kerasfusion.fume.data.annotations import Frame, check_files, parse_id, read_frames, relative_path, write_frames
from tests.fume.data.frames_material import make_frames, write_dataset

HEADER = "frame_path,mask_path,gas_type,ph_value,class_name,class_id,original_sample_id,augmentation_id"
GOOD = "images/a.png,masks/a.png,co2,6.5,Healthy,0,17,3"


def written(folder, *rows, header=HEADER):
    path = folder / "train_annotations.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_public_row_is_read_with_its_windows_path_and_foreign_root(tmp_path):
    row = r"mmseg_dataset\images\Train\co2_1.png,mmseg_dataset/masks\Train\co2_1.png, CO2 ,5.60,Acidotic,2,17.0,3.0"
    (frame,) = read_frames(written(tmp_path, row))
    assert frame == Frame("co2", "images/Train/co2_1.png", "masks/Train/co2_1.png", 5.6, 2, "17", "3")
    assert frame.state == "Acidotic"
    assert frame.source == "train_annotations.csv line 2"


def test_what_is_written_is_read_again(tmp_path):
    frames = make_frames(3)
    write_frames(tmp_path / "x.csv", frames)
    assert read_frames(tmp_path / "x.csv") == frames


def test_a_byte_order_mark_more_columns_blank_lines_and_crlf_do_no_harm(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(f"\ufeffsplit,{HEADER}\r\n\r\ntrain,{GOOD}\r\n".encode())
    (frame,) = read_frames(path)
    assert (frame.frame_path, frame.source) == ("images/a.png", "x.csv line 3")


@pytest.mark.parametrize("separator", [";", "\t"])
def test_annotations_that_a_spreadsheet_saved_with_another_separator_are_read(tmp_path, separator):
    (frame,) = read_frames(written(tmp_path, GOOD.replace(",", separator), header=HEADER.replace(",", separator)))
    assert frame == Frame("co2", "images/a.png", "masks/a.png", 6.5, 0, "17", "3")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("images/a.png", "images/a.png"),
        (r".\mmseg_dataset\images\a.png", "images/a.png"),
        ("images//mmseg_dataset/a b.png ", "images/mmseg_dataset/a b.png"),
    ],
)
def test_paths_become_relative_with_slashes(text, expected):
    assert relative_path(text) == expected


@pytest.mark.parametrize("text", ["", " ", "mmseg_dataset", "/data/a.png", r"C:\data\a.png", r"\\host\a.png", "a/../b"])
def test_paths_that_leave_the_root_are_refused(text):
    with pytest.raises(ValueError, match="relative"):
        relative_path(text)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (GOOD.replace("co2", "no2"), "gas_type is 'no2', not co2 or ch4"),
        (GOOD.replace("6.5", "acid"), "ph_value is 'acid', not a number from 0 to 14"),
        (GOOD.replace("6.5", "nan"), "ph_value is 'nan'"),
        (GOOD.replace("6.5", "65"), "ph_value is '65'"),
        (GOOD.replace("Healthy", "Well"), "class_name is 'Well', not one of Healthy, Transitional, Acidotic"),
        (GOOD.replace("Healthy", "Acidotic"), "class_id is '0', not that of Acidotic (2)"),
        (GOOD.replace("17", " "), "original_sample_id is empty"),
        (GOOD.replace("images/a.png", "/images/a.png"), "'/images/a.png' is not a path relative"),
        ("images/a.png,masks/a.png,co2", "fewer cells than the header"),
        (GOOD + ",,", "more cells than the header"),
    ],
)
def test_a_bad_row_is_named_by_its_line(tmp_path, row, message):
    with pytest.raises(RequestError) as error:
        read_frames(written(tmp_path, GOOD, "", row))
    assert "1 row(s) are not valid:\n  - line 4: " in str(error.value)
    assert message in str(error.value)
    assert "train_annotations.csv" in str(error.value)


def test_ten_of_many_bad_rows_are_named(tmp_path):
    with pytest.raises(RequestError) as error:
        read_frames(written(tmp_path, *[GOOD.replace("co2", "no2")] * 12))
    assert str(error.value).startswith("12 row(s)")
    assert "line 11" in str(error.value)
    assert "line 12" not in str(error.value)
    assert "and 2 more" in str(error.value)


def test_files_that_are_no_annotations_are_refused(tmp_path):
    with pytest.raises(RequestError, match="lack the column\\(s\\) gas_type, ph_value"):
        read_frames(written(tmp_path, header=HEADER.replace("gas_type,ph_value", "gas;ph")))
    with pytest.raises(RequestError, match="have twice the column\\(s\\) mask_path"):
        read_frames(written(tmp_path, header=HEADER + ",mask_path"))
    with pytest.raises(RequestError, match="do not exist"):
        read_frames(tmp_path / "gone.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(RequestError, match="lack the column"):
        read_frames(tmp_path / "empty.csv")
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\xff\xfe\x00")
    with pytest.raises(RequestError, match="cannot read"):
        read_frames(tmp_path / "picture.csv")


def test_ids_that_pandas_made_numbers_are_the_same_ids():
    assert [parse_id(text) for text in ("7.0", " 7 ", "7.50", "v1.0", "")] == ["7", "7", "7.50", "v1.0", ""]


def test_a_missing_file_stops_with_its_row(tmp_path):
    frames = make_frames(0)
    write_dataset(tmp_path, {"train": frames})
    read = read_frames(tmp_path / "train_annotations.csv")
    check_files(tmp_path, read)
    (tmp_path / frames[4].mask_path).unlink()
    with pytest.raises(RequestError) as error:
        check_files(tmp_path, read)
    assert f"\n  - train_annotations.csv line 6: {frames[4].mask_path}\n" in str(error.value)
    assert str(error.value).startswith("1 file(s)")


def test_ten_of_many_missing_files_are_named_and_a_likely_cause(tmp_path):
    frames = [dataclasses.replace(make_frames(0)[0], frame_path=f"images/{i}.png") for i in range(12)]
    (tmp_path / "mmseg_dataset").mkdir()
    with pytest.raises(RequestError) as error:
        check_files(tmp_path, frames)
    assert str(error.value).startswith("13 file(s)")  # one mask of all
    assert "and 3 more" in str(error.value)
    assert f"move the CSV files into {tmp_path / 'mmseg_dataset'}" in str(error.value)

import csv
import math

import pytest

from kerasfusion.errors import RequestError
from kerasfusion.fume.data.samples import GasFrame, Sample, read_samples, single_frames, with_gases, write_samples

CO2 = GasFrame("images/co2.png", "masks/co2.png", "17")
CH4 = GasFrame("images/ch4.png", "masks/ch4.png", "18")
OLDER = "co2_frame,co2_mask,ch4_frame,ch4_mask,ph_value,class_id,class_name,is_paired,missing_modality"


def written(folder, *rows):
    path = folder / "paired_test_annotations.csv"
    path.write_text("\n".join([OLDER, *rows]) + "\n")
    return path


def test_a_sample_has_one_gas_or_both():
    pair, single = Sample(CO2, CH4, 6.5, 0), Sample(None, CH4, 6.5, 0)
    assert (pair.is_paired, single.is_paired) == (True, False)
    assert pair.sample_id == "images/co2.png + images/ch4.png"
    assert (pair.group, single.group) == ("17", "18")
    assert Sample(GasFrame("a.png", None), None).group == "a.png"
    assert pair.only("ch4") == single
    assert single.only("co2") is None
    assert with_gases([pair, single], "co2") == [pair.only("co2")]
    assert with_gases([pair, single], "ch4") == [single, single]
    assert with_gases([pair, single], "both") == [pair, single]
    with pytest.raises(ValueError, match="without any gas"):
        Sample(None, None)


def test_single_frames_are_each_frame_once():
    samples = [Sample(CO2, CH4, 6.5, 0), Sample(None, GasFrame("x.png", "y.png", "3"), 5.0, 2)]
    singles = single_frames(samples)
    assert [s.sample_id for s in singles] == ["images/co2.png", "images/ch4.png", "x.png"]
    assert [(s.class_id, s.ph_value) for s in singles] == [(0, 6.5), (0, 6.5), (2, 5.0)]


def test_what_is_written_is_read_again(tmp_path):
    samples = [Sample(CO2, CH4, 6.5, 0), Sample(None, CH4, 5.9, 1), Sample(CO2, None, 5.0, 2)]
    write_samples(tmp_path / "x.csv", samples)
    assert read_samples(tmp_path / "x.csv") == samples
    with (tmp_path / "x.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["missing_modality"] for row in rows] == ["", "co2", "ch4"]
    assert [row["is_paired"] for row in rows] == ["True", "False", "False"]
    assert rows[1]["ch4_original_sample_id"] == "18"
    assert rows[1]["co2_original_sample_id"] == rows[1]["co2_frame"] == ""


def test_unlabelled_samples_survive_writing_and_are_asked_for(tmp_path):
    samples = [Sample(GasFrame("a.png", None), None), Sample(CO2, CH4, 6.5, 2)]
    write_samples(tmp_path / "x.csv", samples)
    first, second = read_samples(tmp_path / "x.csv", labelled=False)
    assert (first.co2, first.ch4, first.class_id, math.isnan(first.ph_value)) == (samples[0].co2, None, -1, True)
    assert second == samples[1]
    with pytest.raises(RequestError, match="line 2: co2 has a frame without a mask"):
        read_samples(tmp_path / "x.csv")


def test_a_paired_file_of_the_reference_is_read(tmp_path):
    path = written(
        tmp_path,
        r"mmseg_dataset\images\a.png,mmseg_dataset\masks\a.png,images/b.png,masks/b.png,6.5,0,Healthy,True,",
        "images/c.png,masks/c.png,,,5.0,2,Acidotic,False,ch4",
    )
    assert read_samples(path) == [
        Sample(GasFrame("images/a.png", "masks/a.png"), GasFrame("images/b.png", "masks/b.png"), 6.5, 0),
        Sample(GasFrame("images/c.png", "masks/c.png"), None, 5.0, 2),
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.png,b.png,,,5.0,2,Acidotic,False,co2", "missing_modality is 'co2', but the frames say 'ch4'"),
        ("a.png,b.png,c.png,d.png,5.0,2,Acidotic,True,co2", "missing_modality is 'co2', but the frames say 'none'"),
        ("a.png,b.png,,,5.0,2,Acidotic,True,ch4", "is_paired is 'True', but the frames say False"),
        ("a.png,,,,5.0,2,Acidotic,False,ch4", "co2 has a frame without a mask"),
        (",b.png,c.png,d.png,5.0,2,Acidotic,False,co2", "co2 has a mask without a frame"),
        (",,,,5.0,2,Acidotic,False,", "neither a co2_frame nor a ch4_frame"),
        ("a.png,b.png,,,5.0,1,Acidotic,False,ch4", "class_id is '1', not that of Acidotic (2)"),
        ("a.png,b.png,,,low,2,Acidotic,False,ch4", "ph_value is 'low'"),
        ("a.png,b.png", "fewer cells"),
    ],
)
def test_a_bad_row_is_named(tmp_path, row, message):
    with pytest.raises(RequestError) as error:
        read_samples(written(tmp_path, row))
    assert f"line 2: {message}" in str(error.value) or f"line 2: it has {message}" in str(error.value)

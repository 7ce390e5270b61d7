import datasets
import pytest

from kerasfusion.errors import KerasFusionError
from kerasfusion.roadwork.data.importing.job import import_dataset
from tests.roadwork.data.import_material import encode, make_rows, sha256, tree, write_parquet


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf-cache")


def test_rows_that_hold_a_path_are_read_from_it(tmp_path):
    data = [encode(i) for i in range(4)]
    for i, image in enumerate(data):
        (tmp_path / f"{i}.png").write_bytes(image)
    cells = [{"bytes": None, "path": str(tmp_path / "0.png")}, {"bytes": None, "path": "1.png"}]
    write_parquet(tmp_path / "train.parquet", {"img": cells, "labels": [0, 1]})
    write_parquet(tmp_path / "test.parquet", {"photo": ["2.png", "3.png"], "LABEL": [1, 0]})
    import_dataset(str(tmp_path / "train.parquet"), tmp_path / "out1")
    import_dataset(str(tmp_path / "test.parquet"), tmp_path / "out2")
    assert tree(tmp_path / "out1") == {
        "train/no_roadwork/train_000000.jpg": sha256(data[0]),
        "train/roadwork/train_000001.jpg": sha256(data[1]),
    }
    assert set(tree(tmp_path / "out2").values()) == {sha256(data[2]), sha256(data[3])}


NO = [0, 0.0, False, "0", "none", "None", "no_roadwork", "No Roadwork", "no-road work", "NOROADWORKS", "false"]
YES = [1, 1.0, True, "1", "roadwork", "Roadwork", "road work", "ROAD_WORKS", " roadworks ", "True"]


@pytest.mark.parametrize(("values", "name"), [(NO, "no_roadwork"), (YES, "roadwork")])
def test_spellings_of_labels(tmp_path, values, name):
    for number, value in enumerate(values):
        source = write_parquet(tmp_path / f"{number}.parquet", {"image": [encode(number)], "label": [value]})
        import_dataset(str(source), tmp_path / f"out{number}")
        assert list(tree(tmp_path / f"out{number}")) == [f"train/{name}/train_000000.jpg"], value


@pytest.mark.parametrize(
    ("value", "feature"),
    [
        ("works", datasets.Value("string")),
        (2, datasets.Value("int64")),
        (-1, datasets.Value("int64")),
        ("-1", datasets.Value("string")),
        (0.5, datasets.Value("float64")),
        (None, datasets.Value("string")),
        (-1, datasets.ClassLabel(names=["None", "Roadwork"])),
        ("snow", datasets.ClassLabel(names=["None", "snow"])),
    ],
)
def test_an_unknown_label_stops_with_value_and_row(tmp_path, value, feature):
    good = "Roadwork" if feature == datasets.Value("string") else 0
    rows = make_rows([encode(i) for i in range(8)], [good] * 5 + [value] + [good] * 2, feature)
    rows.to_parquet(tmp_path / "validation.parquet")
    with pytest.raises(KerasFusionError, match=rf"unknown label {value!r}\n.*split val, row 5") as raised:
        import_dataset(str(tmp_path / "validation.parquet"), tmp_path / "out")
    assert raised.value.exit_code == 1
    assert len(tree(tmp_path / "out")) == 5


def test_the_label_column_wins_over_other_class_columns(tmp_path):
    features = datasets.Features(
        {
            "weather": datasets.ClassLabel(names=["sun", "rain"]),
            "picture": datasets.Image(),
            "label": datasets.Value("int64"),
            "thumbnail": datasets.Value("binary"),
        }
    )
    rows = {"weather": [1], "picture": [{"bytes": encode(1), "path": None}], "label": [0], "thumbnail": [b"x"]}
    datasets.Dataset.from_dict(rows, features).to_parquet(tmp_path / "a.parquet")
    import_dataset(str(tmp_path / "a.parquet"), tmp_path / "out")
    assert list(tree(tmp_path / "out").values()) == [sha256(encode(1))]


@pytest.mark.parametrize(
    "columns", [{"image": [b"x"]}, {"label": [1], "text": ["x"]}, {"img": [b"x"], "image": [b"y"]}]
)
def test_unclear_columns_are_listed(tmp_path, columns):
    write_parquet(tmp_path / "a.parquet", columns)
    with pytest.raises(KerasFusionError, match=f"columns: {', '.join(columns)}"):
        import_dataset(str(tmp_path / "a.parquet"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_bytes_that_are_no_image_are_kept_and_reported(tmp_path):
    cells = [{"bytes": b"text", "path": "a/b.PNG"}, {"bytes": b"", "path": None}, {"bytes": encode(1), "path": "c.png"}]
    write_parquet(tmp_path / "a.parquet", {"image": cells, "label": [0, 1, 1]})
    summary = import_dataset(str(tmp_path / "a.parquet"), tmp_path / "out")
    assert summary.not_images == ["train/no_roadwork/train_000000.png", "train/roadwork/train_000001.jpg"]
    assert (tmp_path / "out/train/roadwork/train_000002.jpg").read_bytes() == encode(1)
    assert "2 written files" in summary.notes[0]


def test_a_row_without_an_image_is_named(tmp_path):
    write_parquet(tmp_path / "a.parquet", {"image": [encode(1), None], "label": [0, 1]})
    with pytest.raises(KerasFusionError, match=r"no image\n.*row 1"):
        import_dataset(str(tmp_path / "a.parquet"), tmp_path / "out")

"""A source that has changed since, and files of an import that have been damaged since."""

import shutil
import subprocess
from pathlib import Path

import datasets
import pytest

from kerasfusion.errors import RequestError
from kerasfusion.roadwork.data.importing.job import import_dataset
from tests.roadwork.data.import_material import encode, make_rows, sha256, stopped_after, tree, write_parquet

LABELS = [0, 1, 0, 1, 0, 1]
CORRECTED = [0, 1, 1, 1, 0, 1]
PHOTOS = [encode(i, "BMP") for i in range(6)]
REPLACED = [*PHOTOS[:4], encode(77, "BMP"), PHOTOS[5]]
"""A BMP's size depends on its pixels' number alone: photo 4 is another one of equal size."""


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf-cache")


def write_source(kind: str, folder: Path, photos: list[bytes], labels: list[int]) -> str:
    shutil.rmtree(folder, ignore_errors=True)
    if kind == "saved":
        make_rows(photos, labels, datasets.ClassLabel(names=["None", "Roadwork"])).save_to_disk(folder)
    elif kind == "parquet":
        write_parquet(folder / "train.parquet", {"image": photos, "label": labels})
    else:
        for number, (photo, label) in enumerate(zip(photos, labels, strict=True)):
            path = folder / ("None", "Roadwork")[label] / f"{number}.bmp"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(photo)
    return str(folder)


def expected(kind: str, photos: list[bytes], labels: list[int]) -> dict[str, str]:
    name = "{}.bmp" if kind == "folder" else "train_{:06d}.bmp"
    classes = ("no_roadwork", "roadwork")
    rows = enumerate(zip(photos, labels, strict=True))
    return {f"train/{classes[label]}/{name.format(number)}": sha256(photo) for number, (photo, label) in rows}


def called(kind: str, number: int) -> str:
    return f"train/{number}.bmp" if kind == "folder" else f"split train, row {number}"


@pytest.mark.parametrize("kind", ["saved", "parquet", "folder"])
@pytest.mark.parametrize(
    ("photos", "labels", "number", "message"),
    [
        (PHOTOS, CORRECTED, 2, "{} was no_roadwork, is roadwork"),
        (REPLACED, LABELS, 4, "{} is another photo"),
        (PHOTOS[:5], LABELS[:5], 5, "{} is gone"),
        ([*PHOTOS, encode(9, "BMP")], [*LABELS, 0], 6, "{} is new"),
    ],
    ids=["label", "photo", "gone", "new"],
)
def test_a_changed_source_is_said_with_its_rows_and_taken_on_request(tmp_path, kind, photos, labels, number, message):
    out = tmp_path / "out"
    import_dataset(write_source(kind, tmp_path / "src", PHOTOS, LABELS), out)
    assert tree(out) == expected(kind, PHOTOS, LABELS)
    source = write_source(kind, tmp_path / "src", photos, labels)
    changed = f"the source has changed since: 1 differ: {message.format(called(kind, number))}\n"
    with pytest.raises(RequestError) as raised:
        import_dataset(source, out)
    assert changed in str(raised.value)
    assert "--update" in str(raised.value)
    assert tree(out) == expected(kind, PHOTOS, LABELS)
    import_dataset(source, out, update=True)
    assert tree(out) == expected(kind, photos, labels)
    assert import_dataset(source, out).written == 0


@pytest.mark.parametrize("kind", ["parquet", "folder"])
def test_a_killed_update_is_taken_up_again(tmp_path, kind):
    out = tmp_path / "out"
    import_dataset(write_source(kind, tmp_path / "src", PHOTOS, LABELS), out)
    source = write_source(kind, tmp_path / "src", REPLACED, CORRECTED)

    with stopped_after(1):
        import_dataset(source, out, update=True)
    import_dataset(source, out)
    assert tree(out) == expected(kind, REPLACED, CORRECTED)


def write_two_splits(kind: str, folder: Path, splits: dict[str, list[bytes]]) -> str:
    """Photos whose labels are 0, 1, 0, 1, ..."""
    shutil.rmtree(folder, ignore_errors=True)
    for split, photos in splits.items():
        labels = [number % 2 for number in range(len(photos))]
        write_source(kind, folder / split, photos, labels)
        if kind == "parquet":
            (folder / split / "train.parquet").rename(folder / f"{split}.parquet")
            (folder / split).rmdir()
    return str(folder)


@pytest.mark.parametrize("kind", ["parquet", "folder"])
def test_an_update_forgets_a_split_that_the_source_no_longer_has(tmp_path, kind):
    out = tmp_path / "out"
    import_dataset(write_two_splits(kind, tmp_path / "src", {"train": PHOTOS[:4], "test": PHOTOS[4:]}), out)
    assert [path.partition("/")[0] for path in tree(out)] == ["test"] * 2 + ["train"] * 4
    source = write_two_splits(kind, tmp_path / "src", {"train": PHOTOS})
    summary = import_dataset(source, out, update=True)
    assert tree(out) == expected(kind, PHOTOS, LABELS)
    assert summary.counts == {"train": {"no_roadwork": 3, "roadwork": 3}}
    assert not (out / "test").exists()
    assert '"test"' not in (out / "import.json").read_text() and "test/" not in (out / "import.sha256").read_text()
    assert import_dataset(source, out).written == 0


@pytest.mark.parametrize("kind", ["parquet", "folder"])
def test_an_update_that_went_on_with_one_split_still_has_the_others_to_read(tmp_path, kind):
    out = tmp_path / "out"
    splits = {"train": PHOTOS, "test": [encode(20, "BMP"), encode(21, "BMP")]}
    import_dataset(write_two_splits(kind, tmp_path / "src", splits), out)
    source = write_two_splits(kind, tmp_path / "src", {**splits, "train": REPLACED})

    with stopped_after(0):
        import_dataset(source, out, update=True)
    import_dataset(source, out, split="test")
    import_dataset(source, out)
    assert {path: sha for path, sha in tree(out).items() if path.startswith("train")} == expected(
        kind, REPLACED, LABELS
    )
    assert sum(path.startswith("test") for path in tree(out)) == 2


@pytest.mark.parametrize("kind", ["saved", "parquet", "folder"])
def test_damage_of_equal_size_is_noticed_and_mended(tmp_path, kind):
    out = tmp_path / "out"
    source = write_source(kind, tmp_path / "src", PHOTOS, LABELS)
    import_dataset(source, out)
    name = sorted(expected(kind, PHOTOS, LABELS))[1]
    data = (out / name).read_bytes()
    (out / name).write_bytes(data[:60] + bytes(40) + data[100:])
    summary = import_dataset(source, out)
    assert summary.mended == [name]
    assert any(name in note for note in summary.notes)
    assert summary.written == 1
    assert tree(out) == expected(kind, PHOTOS, LABELS)


def test_the_digests_are_in_the_form_of_sha256sum(tmp_path):
    import_dataset(write_source("parquet", tmp_path / "src", PHOTOS, LABELS), tmp_path / "out")
    lines = (tmp_path / "out" / "import.sha256").read_text().splitlines()
    assert dict(reversed(line.split("  ")) for line in lines) == expected("parquet", PHOTOS, LABELS)
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--quiet", "-c", "import.sha256"], cwd=tmp_path / "out", check=True)


def test_an_update_takes_the_whole_source(tmp_path):
    source = write_source("parquet", tmp_path / "src", PHOTOS, LABELS)
    with pytest.raises(RequestError, match="whole source"):
        import_dataset(source, tmp_path / "out", split="train", update=True)

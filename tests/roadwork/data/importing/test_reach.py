"""An import reads what lies in its source, and nothing else unless that was permitted."""

import base64

import datasets
import pyarrow
import pytest
from pyarrow import parquet

from kerasfusion.errors import KerasFusionError
from kerasfusion.roadwork.data.importing import reach
from kerasfusion.roadwork.data.importing.job import import_dataset
from tests.material.odd_photos import lock
from tests.roadwork.data.import_material import encode, sha256, tree, write_parquet

SECRET = b"root:x:0:0"


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf-cache")


@pytest.fixture
def source(tmp_path):
    (tmp_path / "secret.txt").write_bytes(SECRET)
    (tmp_path / "src" / "deep").mkdir(parents=True)
    return tmp_path / "src"


@pytest.mark.parametrize("as_text", [True, False], ids=["text column", "struct"])
@pytest.mark.parametrize(
    "name", ["{}/secret.txt", "../secret.txt", "deep/../../secret.txt", "file://{}/secret.txt", "local://{}/secret.txt"]
)
def test_a_row_that_leads_out_is_named_and_nothing_is_written(tmp_path, source, name, as_text):
    name = name.format(tmp_path)
    cells = [name] if as_text else [{"bytes": None, "path": name}]
    write_parquet(source / "a.parquet", {"image": cells, "label": [1]})
    for more in ({}, {"allow_remote": True, "follow_links": True}):
        with pytest.raises(KerasFusionError, match=r"outside the source.*\n.*split train, row 0"):
            import_dataset(str(source), tmp_path / "out", **more)
    assert tree(tmp_path / "out") == {}


def test_a_saved_dataset_that_leads_out_is_refused(tmp_path, source):
    cell = {
        "bytes": datasets.Value("binary"),
        "path": datasets.Value("string"),
    }  # an Image would be saved with its bytes
    features = datasets.Features({"image": cell, "label": datasets.Value("int64")})
    cells = [{"bytes": None, "path": str(tmp_path / "secret.txt")}]
    rows = datasets.Dataset.from_dict({"image": cells, "label": [1]}, features)
    rows.save_to_disk(tmp_path / "saved")
    with pytest.raises(KerasFusionError, match="outside the source"):
        import_dataset(str(tmp_path / "saved"), tmp_path / "out")


def test_a_link_in_the_source_needs_permission_to_lead_out(tmp_path, source):
    (tmp_path / "photo.jpg").write_bytes(encode(1))
    (source / "link.jpg").symlink_to(tmp_path / "photo.jpg")
    write_parquet(source / "a.parquet", {"image": ["link.jpg"], "label": [1]})
    with pytest.raises(KerasFusionError, match=r"outside the source.*\n.*row 0(.*\n)*.*--follow-links"):
        import_dataset(str(source), tmp_path / "out")
    import_dataset(str(source), tmp_path / "out", follow_links=True)
    assert list(tree(tmp_path / "out").values()) == [sha256(encode(1))]


@pytest.mark.parametrize("address", ["https://h/a.jpg", "HTTP://h/a.jpg", "hf://datasets/a/b/c.jpg"])
def test_addresses_are_fetched_on_request_alone(tmp_path, source, monkeypatch, address):
    monkeypatch.setattr(reach, "_fetch", lambda _: encode(3))
    write_parquet(source / "a.parquet", {"image": [address], "label": [1]})
    with pytest.raises(KerasFusionError, match=r"an address.*\n.*row 0(.*\n)*.*--allow-remote"):
        import_dataset(str(source), tmp_path / "out")
    import_dataset(str(source), tmp_path / "out", allow_remote=True)
    assert list(tree(tmp_path / "out").values()) == [sha256(encode(3))]


@pytest.mark.parametrize("address", ["simplecache::https://h/a.jpg", "zip://a::file:///etc/passwd", "s3://b/a.jpg"])
def test_other_kinds_of_address_are_never_opened(tmp_path, source, address):
    write_parquet(source / "a.parquet", {"image": [address], "label": [1]})
    with pytest.raises(KerasFusionError, match="outside the source"):
        import_dataset(str(source), tmp_path / "out", allow_remote=True)


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_base64_text_is_an_image(tmp_path, source, kind, prefix):
    text = prefix + base64.b64encode(encode(5, kind)).decode()
    write_parquet(source / "a.parquet", {"image": [text], "label": [0]})
    import_dataset(str(source), tmp_path / "out")
    assert list(tree(tmp_path / "out").values()) == [sha256(encode(5, kind))]


def test_no_error_prints_a_whole_photo(tmp_path, source):
    for number, columns in enumerate(
        ({"image": ["/" + "x" * 100_000], "label": [1]}, {"image": [encode(1)], "label": ["y" * 100_000]})
    ):
        path = write_parquet(source / f"{number}.parquet", columns)
        with pytest.raises(KerasFusionError) as raised:
            import_dataset(str(path), tmp_path / f"out{number}")
        assert len(str(raised.value)) < 1000


def test_a_link_out_of_an_imagefolder_needs_permission(tmp_path):
    (tmp_path / "src" / "roadwork").mkdir(parents=True)
    (tmp_path / "store").mkdir()
    (tmp_path / "src" / "roadwork" / "1.jpg").write_bytes(encode(1))
    (tmp_path / "store" / "2.jpg").write_bytes(encode(2))
    (tmp_path / "src" / "roadwork" / "site").symlink_to(tmp_path / "store")
    with pytest.raises(KerasFusionError, match="site: the link leads out"):
        import_dataset(str(tmp_path / "src"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    import_dataset(str(tmp_path / "src"), tmp_path / "out", follow_links=True)
    assert set(tree(tmp_path / "out")) == {"train/roadwork/1.jpg", "train/roadwork/site/2.jpg"}


@pytest.mark.parametrize("other", [{"img": [encode(2)], "label": [1]}, {"image": [encode(2)], "label": ["Roadwork"]}])
def test_shards_whose_columns_differ_are_named(tmp_path, source, other):
    write_parquet(source / "train-0.parquet", {"image": [encode(1)], "label": [1]})
    write_parquet(source / "train-1.parquet", other)
    with pytest.raises(KerasFusionError, match=r"different columns\n.*train-1.parquet"):
        import_dataset(str(source), tmp_path / "out")


def test_a_stray_metadata_parquet_is_left_out(tmp_path, source):
    write_parquet(source / "train-0.parquet", {"image": [encode(1)], "label": [1]})
    write_parquet(source / "metadata.parquet", {"rows": [1]})
    assert import_dataset(str(source), tmp_path / "out").written == 1
    (source / "train-0.parquet").unlink()
    (source / "deep").rmdir()
    (source / "roadwork").mkdir()
    (source / "roadwork" / "1.jpg").write_bytes(encode(1))
    assert import_dataset(str(source), tmp_path / "out2").written == 1


def test_checksums_of_pages_are_verified(tmp_path, source):
    photo = bytes(range(256)) * 40
    table = pyarrow.table({"image": [photo], "label": [1]})
    path = source / "a.parquet"
    parquet.write_table(
        table, path, write_page_checksum=True, compression="none", use_dictionary=False, write_statistics=False
    )
    data = bytearray(path.read_bytes())
    data[data.index(photo) + 5000] ^= 1
    path.write_bytes(data)
    with pytest.raises(KerasFusionError, match=r"cannot read a row.*CRC"):
        import_dataset(str(path), tmp_path / "out")


def test_hidden_parquet_files_and_those_of_systems_are_left_out(tmp_path, source):
    write_parquet(source / "deep" / "TRAIN.PARQUET", {"image": [encode(1)], "label": [1]})
    for name in ("._a.parquet", ".cache/a.parquet", "__MACOSX/a.parquet", "deep/@eaDir/a.parquet"):
        write_parquet(source / name, {"image": [encode(2)], "label": [1]})
    assert import_dataset(str(source), tmp_path / "out").written == 1


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_link_out_of_a_folder_of_parquet_files_needs_permission(tmp_path, source, kind):
    write_parquet(source / "train-0.parquet", {"image": [encode(1)], "label": [1]})
    far = write_parquet(tmp_path / "far" / "train-1.parquet", {"image": [encode(2)], "label": [1]})
    (source / "train-1.parquet").symlink_to(far if kind == "file" else far.parent)
    with pytest.raises(KerasFusionError, match=r"train-1\.parquet: the link leads out") as caught:
        import_dataset(str(source), tmp_path / "out")
    assert caught.value.exit_code == 1
    assert not (tmp_path / "out").exists()
    assert import_dataset(str(source), tmp_path / "out", follow_links=True).written == 2


@pytest.mark.parametrize("target", ["/nowhere/a.parquet", "."])
def test_a_link_that_leads_nowhere_or_in_a_circle_costs_no_rows_without_a_word(tmp_path, source, target):
    write_parquet(source / "train-0.parquet", {"image": [encode(1)], "label": [1]})
    (source / "train-1.parquet").symlink_to(target)
    with pytest.raises(KerasFusionError, match=r"train-1\.parquet: the link leads (nowhere|back)"):
        import_dataset(str(source), tmp_path / "out")


def test_a_locked_folder_of_parquet_files_is_named(tmp_path, source, monkeypatch):
    write_parquet(source / "train-0.parquet", {"image": [encode(1)], "label": [1]})
    write_parquet(source / "locked" / "train-1.parquet", {"image": [encode(2)], "label": [1]})
    lock(monkeypatch, "locked")
    with pytest.raises(KerasFusionError, match="locked: cannot enter the folder: Permission denied"):
        import_dataset(str(source), tmp_path / "out")

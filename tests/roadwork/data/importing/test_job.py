import errno
import json
import shutil
import sys
from pathlib import Path

import datasets
import huggingface_hub
import pytest

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.roadwork.data.importing import writing
from kerasfusion.roadwork.data.importing.job import import_dataset
from tests.roadwork.data.import_material import encode, make_rows, sha256, stopped_after, tree, write_parquet

pytestmark = pytest.mark.commands

KINDS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
NAMES = ("no_roadwork", "roadwork")
SUFFIXES = (".jpg", ".png", ".webp", ".bmp", ".gif", ".tif")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf-cache")


@pytest.fixture
def hub_like(tmp_path) -> tuple[Path, dict[str, str]]:
    """A folder as downloaded from the hub (train in two files, test), and the tree that it should become."""
    folder, expected = tmp_path / "down load[1]" / "data", {}
    folder.mkdir(parents=True)
    names = datasets.ClassLabel(names=["None", "Roadwork"])
    for split, files in (("train", 2), ("test", 1)):
        row = 0
        for number in range(files):
            images = [encode(100 * number + i + len(split), KINDS[i % 6]) for i in range(130)]
            labels = [i % 3 % 2 for i in range(130)]
            make_rows(images, labels, names).to_parquet(
                folder / f"{split}-{number:05d}-of-{files:05d}.parquet", batch_size=50
            )
            for i, data in enumerate(images):
                label = NAMES[labels[i]]
                expected[f"{split}/{label}/{split}_{row:06d}{SUFFIXES[i % 6]}"] = sha256(data)
                row += 1
    return folder.parent, expected


def test_parquet_bytes_are_copied_as_they_are(hub_like, tmp_path):
    source, expected = hub_like
    summary = import_dataset(str(source), tmp_path / "out")
    assert tree(tmp_path / "out") == expected
    assert summary.counts == {
        "train": {"no_roadwork": 174, "roadwork": 86},
        "test": {"no_roadwork": 87, "roadwork": 43},
    }
    assert (summary.written, summary.kept, summary.not_images, summary.notes) == (390, 0, [], [])
    assert not list((tmp_path).glob("hf-cache/**/*.arrow"))
    json.dumps(summary.to_json())


def test_one_split_then_the_other(hub_like, tmp_path):
    source, expected = hub_like
    import_dataset(str(source), tmp_path / "out", split="test")
    assert set(tree(tmp_path / "out")) == {name for name in expected if name.startswith("test/")}
    summary = import_dataset(str(source), tmp_path / "out")
    assert tree(tmp_path / "out") == expected
    assert (summary.written, summary.kept) == (260, 130)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_stopped_import_goes_on_and_ends_with_the_same_tree(hub_like, tmp_path, error, monkeypatch):
    source, expected = hub_like
    out = tmp_path / "out"
    import_dataset(str(source), tmp_path / "undisturbed")
    with stopped_after(157, error):
        import_dataset(str(source), out)
    assert tree(out).items() <= expected.items()
    assert len(tree(out)) == 157

    reads = []
    real_read = writing.SplitRows.read
    monkeypatch.setattr(
        writing.SplitRows, "read", lambda self, row=0: reads.append((self.split, row)) or real_read(self, row)
    )
    summary = import_dataset(str(source), out)
    assert tree(out) == expected
    assert (out / "import.json").read_bytes() == (tmp_path / "undisturbed" / "import.json").read_bytes()
    assert (summary.written, summary.kept) == (390 - 157, 157)
    assert reads == [("train", 157), ("test", 0)]


def test_a_second_run_writes_nothing_and_mends_what_is_damaged(hub_like, tmp_path):
    source, expected = hub_like
    out = tmp_path / "out"
    import_dataset(str(source), out)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*_*.*")}
    assert import_dataset(str(source), out).written == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*_*.*")} == times
    (out / "train/no_roadwork/train_000000.jpg").write_bytes(b"cut")
    (out / "train/roadwork/train_000001.png").unlink()
    (out / "train/roadwork/.train_000004.gif.partial").write_bytes(b"left by a kill")
    assert import_dataset(str(source), out).written == 2
    assert tree(out) == expected


def test_a_moved_source_is_the_same_source(hub_like, tmp_path):
    source, expected = hub_like
    with stopped_after(30, RuntimeError):
        import_dataset(str(source), tmp_path / "out")
    source.rename(tmp_path / "elsewhere")
    import_dataset(str(tmp_path / "elsewhere"), tmp_path / "out")
    assert tree(tmp_path / "out") == expected


@pytest.mark.parametrize("kind", ["dict", "single"])
def test_a_dataset_saved_to_disk(tmp_path, kind):
    images = {
        split: [encode(i + 50 * len(split), KINDS[i % 2]) for i in range(12)] for split in ("train", "validation")
    }
    labels = [i % 2 for i in range(12)]
    saved = {s: make_rows(data, labels, datasets.ClassLabel(names=["None", "Roadwork"])) for s, data in images.items()}
    if kind == "dict":
        datasets.DatasetDict(saved).save_to_disk(tmp_path / "saved")
    else:
        images.pop("validation")
        saved["train"].save_to_disk(tmp_path / "saved")
    before = tree(tmp_path / "saved")
    import_dataset(str(tmp_path / "saved"), tmp_path / "out")
    expected = {}
    for split, data in images.items():
        split = {"train": "train", "validation": "val"}[split]
        for i, image in enumerate(data):
            expected[f"{split}/{NAMES[i % 2]}/{split}_{i:06d}{SUFFIXES[i % 2]}"] = sha256(image)
    assert tree(tmp_path / "out") == expected
    assert tree(tmp_path / "saved") == before


@pytest.mark.parametrize("prefix", ["", "imagefolder:"])
def test_an_imagefolder_with_split_folders(tmp_path, prefix):
    source = tmp_path / "src"
    files = {
        "train/None/a b.jpg": "train/no_roadwork/a b.jpg",
        "train/Roadwork/deep/c.PNG": "train/roadwork/deep/c.PNG",
        "Validation/no roadwork/1.jpeg": "val/no_roadwork/1.jpeg",
        "test/ROADWORKS/1.webp": "test/roadwork/1.webp",
    }
    for number, name in enumerate([*files, "train/None/notes.txt", "train/None/.hidden.jpg", "labels.csv"]):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(encode(number))
    before = tree(source)
    summary = import_dataset(f"{prefix}{source}", tmp_path / "out")
    assert tree(tmp_path / "out") == {new: before[old] for old, new in files.items()}
    assert tree(source) == before
    assert len(summary.notes) == 2
    assert "notes.txt" in summary.notes[0]
    assert "1 file is hidden" in summary.notes[1]


def test_an_imagefolder_without_split_folders_goes_to_train(tmp_path):
    for i in range(6):
        path = tmp_path / "src" / ("roadwork" if i % 2 else "no_roadwork") / f"{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(i))
    with stopped_after(2):
        import_dataset(str(tmp_path / "src"), tmp_path / "out")
    summary = import_dataset(str(tmp_path / "src"), tmp_path / "out")
    assert summary.counts == {"train": {"no_roadwork": 3, "roadwork": 3}}
    assert (summary.written, summary.kept) == (4, 2)
    assert "kerasfusion data split" in summary.notes[0]
    with pytest.raises(RequestError, match="no split test"):
        import_dataset(str(tmp_path / "src"), tmp_path / "out", split="test")


def test_two_files_for_one_name_are_refused(tmp_path):
    for name in ("None", "no_roadwork"):
        (tmp_path / "src" / name).mkdir(parents=True)
        (tmp_path / "src" / name / "1.jpg").write_bytes(encode(1))
    with pytest.raises(RequestError, match="same name"):
        import_dataset(str(tmp_path / "src"), tmp_path / "out")


def test_a_full_disk_leaves_no_half_file(hub_like, tmp_path, monkeypatch):
    source, expected = hub_like
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(KerasFusionError, match="not enough disk space"):
        import_dataset(str(source), tmp_path / "out")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    real_write = Path.write_bytes

    def write_part(self, data):
        if "000042" in self.name:
            real_write(self, data[:20])
            raise OSError(errno.ENOSPC, "No space left on device")
        return real_write(self, data)

    monkeypatch.setattr(Path, "write_bytes", write_part)
    with pytest.raises(KerasFusionError, match="no space left on the disk"):
        import_dataset(str(source), tmp_path / "out")
    monkeypatch.setattr(Path, "write_bytes", real_write)
    assert tree(tmp_path / "out").items() <= expected.items()
    import_dataset(str(source), tmp_path / "out")
    assert tree(tmp_path / "out") == expected


def test_another_source_is_kept_out(hub_like, tmp_path):
    source, _ = hub_like
    import_dataset(str(source), tmp_path / "out", split="test")
    before = tree(tmp_path / "out")
    write_parquet(tmp_path / "other" / "test.parquet", {"image": [encode(1)], "label": [1]})
    with pytest.raises(RequestError, match="another source"):
        import_dataset(str(tmp_path / "other"), tmp_path / "out")
    with pytest.raises(RequestError, match="not empty"):
        import_dataset(str(source), source)
    assert tree(tmp_path / "out") == before


@pytest.mark.parametrize(
    ("source", "split", "message"),
    [
        ("nowhere", None, "does not exist"),
        ("owner/name", None, "write hf:"),
        ("file.zip", None, "not a .parquet file"),
        ("empty", None, "no photo(.|\n)*what to do: name the folder that holds them"),
        ("strange", None, "unknown folder.*cats"),
        ("a.parquet", "extra", "unknown split 'extra'"),
        ("a.parquet", "test", "no split test"),
        ("hf:", None, "names no dataset"),
        ("hf://", None, "names no dataset"),
        ("hf://datasets/", None, "names no dataset"),
        ("hf://datasets", None, "names no dataset"),
        ("hf:@main", None, "names no dataset"),
    ],
)
def test_wrong_requests(tmp_path, monkeypatch, source, split, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.zip").write_bytes(b"PK")
    (tmp_path / "empty").mkdir()
    (tmp_path / "strange" / "cats").mkdir(parents=True)
    write_parquet(tmp_path / "a.parquet", {"image": [encode(1)], "label": [1]})
    with pytest.raises(RequestError, match=message):
        import_dataset(source, Path("out"), split=split)
    assert not (tmp_path / "out").exists()


def test_out_inside_the_source_is_refused(tmp_path):
    (tmp_path / "src" / "roadwork").mkdir(parents=True)
    (tmp_path / "src" / "roadwork" / "1.jpg").write_bytes(encode(1))
    with pytest.raises(RequestError, match="inside SOURCE"):
        import_dataset(str(tmp_path / "src"), tmp_path / "src" / "out")


def test_damaged_parquet_is_reported(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(KerasFusionError, match="cannot open the Parquet files"):
        import_dataset(str(tmp_path / "a.parquet"), tmp_path / "out")


def test_a_hub_out_of_reach_says_what_else_can_be_done(tmp_path, monkeypatch):
    def unreachable(*_args, **_kwargs):
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", unreachable)
    with pytest.raises(KerasFusionError, match="ConnectionError: Name or service not known") as raised:
        import_dataset("hf:natix-network-org/roadwork", tmp_path / "out")
    assert raised.value.exit_code == 1
    assert "https://huggingface.co/datasets/natix-network-org/roadwork/tree/main" in str(raised.value)
    assert "kerasfusion data import FOLDER OUT" in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_a_hub_dataset_stays_at_its_commit(hub_like, tmp_path, monkeypatch):
    source, expected = hub_like
    asked, head = [], ["c0ffee"]
    real_builder = datasets.load_dataset_builder

    def dataset_info(self, name, revision=None, timeout=None):
        asked.append(revision)
        return huggingface_hub.hf_api.DatasetInfo(id=name, sha=revision or head[0])

    def local_builder(name, revision):
        assert (name, revision) == ("natix-network-org/roadwork", "c0ffee")
        files = {s: [f"file://{f}" for f in sorted(source.rglob(f"{s}-*.parquet"))] for s in ("train", "test")}
        builder = real_builder("parquet", data_files={"train": [str(tmp_path / "x.parquet")]})
        builder.config.data_files = files
        return builder

    write_parquet(tmp_path / "x.parquet", {"image": [b""]})
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", dataset_info)
    monkeypatch.setattr(datasets, "load_dataset_builder", local_builder)
    with stopped_after(120, RuntimeError):
        import_dataset("hf:natix-network-org/roadwork", tmp_path / "out")
    head[0] = "newer"
    summary = import_dataset("hf:natix-network-org/roadwork", tmp_path / "out")
    assert summary.identity == "hub:natix-network-org/roadwork@c0ffee"
    assert tree(tmp_path / "out") == expected
    assert asked == [None]
    with pytest.raises(RequestError, match="another source"):
        import_dataset("hf:natix-network-org/roadwork@newer", tmp_path / "out")


def test_a_hub_dataset_of_image_files_is_streamed(tmp_path, monkeypatch):
    for split in ("train", "test"):
        for i in range(8):
            path = tmp_path / "hub" / split / ("Roadwork" if i % 2 else "None") / f"{i}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(10 * len(split) + i))
    builder = datasets.load_dataset_builder("imagefolder", data_dir=str(tmp_path / "hub"))
    monkeypatch.setattr(datasets, "load_dataset_builder", lambda name, revision: builder)
    monkeypatch.setattr(
        huggingface_hub.HfApi, "dataset_info", lambda *_, **__: huggingface_hub.hf_api.DatasetInfo(id="a/b", sha="1")
    )
    import_dataset("hf:a/b", tmp_path / "out")
    hub = {digest: name.split("/")[:2] for name, digest in tree(tmp_path / "hub").items()}
    names = {"None": "no_roadwork", "Roadwork": "roadwork"}
    out = {digest: name.split("/")[:2] for name, digest in tree(tmp_path / "out").items()}
    assert out == {digest: [split, names[name]] for digest, (split, name) in hub.items()}


def test_without_the_datasets_package_the_message_says_what_to_install(tmp_path, monkeypatch):
    write_parquet(tmp_path / "a.parquet", {"image": [encode(1)], "label": [1]})
    monkeypatch.setitem(sys.modules, "datasets", None)
    for source in (str(tmp_path / "a.parquet"), "hf:natix-network-org/roadwork"):
        with pytest.raises(KerasFusionError, match=r'pip install .* -e "\.\[train\]"'):
            import_dataset(source, tmp_path / "out")

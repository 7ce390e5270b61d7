"""Copies of what lies behind an address: brought once, and again where it has changed."""

from types import SimpleNamespace

import pytest

from kerasfusion.address import Address
from kerasfusion.errors import KerasFusionError
from kerasfusion.files.at_home import bring_home, home_folder
from tests.material.s3_server import BUCKET, s3_server

pytestmark = pytest.mark.commands  # what speaks to addresses takes seconds to start


@pytest.fixture(scope="module")
def asked():
    """What the server of this file was asked."""
    with s3_server() as asked:
        yield asked


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home folder of one test."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))


def filled(name: str, count: int = 5) -> Address:
    root = Address(f"s3://{BUCKET}/{name}")
    for number in range(count):
        (root / f"{'ab'[number % 2]}/{number}.JPG").write_bytes(bytes([number]) * (number + 1))
    return root


def test_files_are_brought_once(asked):
    root = filled("once")
    asked.requests.clear()
    paths = bring_home(root.files(), "photos")
    assert [path.read_bytes() for path in paths] == [
        bytes([number]) * (number + 1) for number in (0, 2, 4, 1, 3)
    ]  # a/ before b/
    assert all(path.suffix == ".jpg" and path.is_relative_to(home_folder()) for path in paths)
    assert sorted(asked.counts("GET", "JPG").values()) == [1] * 5
    asked.requests.clear()
    assert bring_home(root.files(), "photos") == paths
    assert not asked.counts("GET", "JPG") and not asked.counts("HEAD")


def test_what_has_changed_is_brought_again_and_nothing_else(asked):
    root = filled("changed")
    before = bring_home(root.files(), "photos")
    (root / "a/2.JPG").write_bytes(b"zzz")  # of the same size
    (root / "b/1.JPG").write_bytes(b"longer")
    asked.requests.clear()
    after = bring_home(root.files(), "photos")
    assert asked.counts("GET", "JPG").keys() == {f"/{BUCKET}/changed/a/2.JPG", f"/{BUCKET}/changed/b/1.JPG"}
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, True, False, True]
    assert (after[1].read_bytes(), after[3].read_bytes()) == (b"zzz", b"longer")


def test_a_copy_that_is_cut_short_is_brought_again(asked):
    root = filled("cut")
    path = bring_home(root.files(), "photos")[-1]
    path.write_bytes(path.read_bytes()[:-1])
    asked.requests.clear()
    assert bring_home(root.files(), "photos")[-1].read_bytes() == b"\3\3\3\3"
    assert sum(asked.counts("GET", "JPG").values()) == 1


def test_a_run_that_ends_in_the_middle_goes_on(asked, monkeypatch):
    root = filled("middle", 40)
    whole, read = [], Address.read_bytes

    def fail_at_last(address):
        if len(whole) >= 20:
            raise KerasFusionError("the network is gone")
        whole.append(address)
        return read(address)

    with monkeypatch.context() as patch:
        patch.setattr(Address, "read_bytes", fail_at_last)
        with pytest.raises(KerasFusionError, match="network"):
            bring_home(root.files(), "photos")
    kept = [path for path in home_folder().rglob("*") if path.is_file()]
    assert len(kept) == 20 and all(path.suffix == ".jpg" for path in kept)
    asked.requests.clear()
    bring_home(root.files(), "photos")
    assert sum(asked.counts("GET", "JPG").values()) == 20


def test_a_file_that_goes_meanwhile_is_named(asked):
    root = filled("gone")
    listed = [*root.files(), Address(f"{root}/c.jpg", 3, "etag")]
    with pytest.raises(KerasFusionError, match="a file is gone, or not the one that was listed") as error:
        bring_home(listed, "photos")
    assert error.value.where == root / "c.jpg"


def test_without_room_nothing_is_begun(asked, monkeypatch):
    root = filled("room")
    full = SimpleNamespace(free=14)  # 15 bytes are needed
    monkeypatch.setattr("kerasfusion.files.writing.shutil.disk_usage", lambda folder: full)
    asked.requests.clear()
    with pytest.raises(KerasFusionError, match="not enough disk space"):
        bring_home(root.files(), "photos")
    assert not asked.counts("GET", "JPG")

"""Weights on a worker: read where they lie already, else sent in blocks and kept."""

import pytest

from kerasfusion.errors import KerasFusionError
from kerasfusion.roadwork.cluster import carried_files
from kerasfusion.roadwork.cluster.carried_files import INBOX, Inbox, bring, carry
from tests.roadwork.cluster.cluster_material import OwnWorker, node


class Worker(OwnWorker):
    """Keeps what is sent below a folder, and counts the calls."""

    def __init__(self, root):
        super().__init__(node("a"))
        self.root, self.received = root, []

    def make(self, name, factory, *arguments):
        assert factory is Inbox
        super().make(name, factory, self.root)

    def call(self, name, method, *arguments):
        if method == "receive":
            self.received.append((arguments[1].path.name, len(arguments[2])))
        return super().call(name, method, *arguments)


@pytest.fixture
def here(tmp_path):
    """Two files, of 10 bytes and of none."""
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"0123456789")
    (folder / "config.json").write_bytes(b"{}x")
    return folder


@pytest.fixture
def blocks_of_four(monkeypatch):
    monkeypatch.setattr(carried_files, "BLOCK", 4)


def carried(folder):
    return carry([folder / "model.safetensors", folder / "config.json"])


def test_files_that_a_machine_has_under_the_same_path_stay_there(here, tmp_path):
    worker, folder = Worker(tmp_path / "kept"), carried(here)
    bring(worker, [folder])
    assert worker.call(INBOX, "place", folder) == here
    assert worker.received == []
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("other", [None, b"0123456780"])
def test_files_that_it_lacks_or_has_otherwise_are_sent_once(here, tmp_path, blocks_of_four, other):
    folder = carried(here)
    there = tmp_path / "there"
    here.rename(there)  # as the worker sees it: nothing under that path, or another file
    if other is not None:
        here.mkdir()
        (here / "model.safetensors").write_bytes(other)
        (here / "config.json").write_bytes(b"{}x")
    worker = Worker(tmp_path / "kept")
    worker.make(INBOX, Inbox)
    for file in folder.files:
        data = (there / file.path.name).read_bytes()
        for number, start in enumerate(range(0, len(data), 4)):
            worker.call(INBOX, "receive", folder, file, data[start : start + 4], number)
        worker.call(INBOX, "finish", folder, file)
    place = worker.call(INBOX, "place", folder)
    assert place == tmp_path / "kept" / folder.key
    assert {path.name: path.read_bytes() for path in place.iterdir()} == {
        "model.safetensors": b"0123456789",
        "config.json": b"{}x",
    }
    following = Worker(tmp_path / "kept")
    bring(following, [folder])
    assert following.received == []


def test_bring_sends_a_file_block_by_block(here, tmp_path, blocks_of_four, monkeypatch):
    folder, worker = carried(here), Worker(tmp_path / "kept")
    monkeypatch.setattr(Inbox, "has", lambda self, folder: False)
    bring(worker, [folder])
    names, sizes = zip(*worker.received, strict=True)
    assert names == ("config.json", *["model.safetensors"] * 3)
    assert sizes == (3, 4, 4, 2)
    assert sorted(path.name for path in (tmp_path / "kept" / folder.key).iterdir()) == [
        "config.json",
        "model.safetensors",
    ]


def test_a_damaged_kept_file_is_sent_again(here, tmp_path):
    folder = carried(here)
    kept = tmp_path / "kept" / folder.key
    kept.mkdir(parents=True)
    (kept / "model.safetensors").write_bytes(b"012345678!")
    (kept / "config.json").write_bytes(b"{}x")
    (here / "config.json").rename(here / "elsewhere.json")
    inbox = Inbox(tmp_path / "kept")
    assert not inbox.has(folder)
    with pytest.raises(KerasFusionError, match="gone or damaged"):
        inbox.place(folder)


def test_a_file_that_changes_while_it_is_sent_is_refused_and_not_kept(here, tmp_path, monkeypatch):
    folder, worker = carried(here), Worker(tmp_path / "kept")
    (here / "model.safetensors").write_bytes(b"0123456780")
    with pytest.raises(KerasFusionError, match="changed while it was sent"):
        bring(worker, [folder])
    assert [path.name for path in (tmp_path / "kept" / folder.key).iterdir()] == ["config.json"]

import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kerasfusion.errors import KerasFusionError
from kerasfusion.files.writing import (
    LOCK,
    copy_file,
    own_partial,
    part_of,
    remove_abandoned,
    require_free_space,
    write_file,
    write_text,
)
from kerasfusion.images.stored_arrays import stored_array


def test_text_is_utf8_with_plain_line_ends_on_every_system(tmp_path):
    write_text(tmp_path / "a.txt", "ä\nb\n")
    assert (tmp_path / "a.txt").read_bytes() == b"\xc3\xa4\nb\n"


@pytest.mark.parametrize("kind", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, kind):
    path = tmp_path / "metrics.json"
    path.write_text("old")

    def fail(path, target):
        raise kind

    monkeypatch.setattr(Path, "replace", fail)
    expected = KerasFusionError if isinstance(kind, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        write_file(path, b"new")
    if isinstance(kind, OSError):
        assert "no space left on the disk" in str(caught.value)
        assert str(path) in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["metrics.json"]
    assert path.read_text() == "old"


def test_a_folder_in_the_way_is_an_error(tmp_path):
    (tmp_path / "metrics.json").mkdir()
    with pytest.raises(KerasFusionError, match="cannot write the file"):
        write_file(tmp_path / "metrics.json", b"new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["metrics.json"]


def test_the_file_gets_the_permissions_of_a_normal_new_file(tmp_path):
    (tmp_path / "usual").write_text("")
    write_file(tmp_path / "ours", b"")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("usual", "ours")]
    assert modes[0] == modes[1]


def test_what_no_living_process_owns_is_removed_and_nothing_else(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / f".partial-{gone.pid}-pixels.npy").write_bytes(b"of a killed run")
    (tmp_path / f".partial-{gone.pid}-export-x1" / "inside").mkdir(parents=True)
    living = [own_partial(tmp_path / "mine.npy"), tmp_path / f".partial-{os.getppid()}-folder"]
    living[0].write_bytes(b"of this process")
    living[1].mkdir()
    others = [tmp_path / ".partial-fusion.keras", tmp_path / f"partial-{gone.pid}-mine", tmp_path / "pixels.npy"]
    for path in others:
        path.write_bytes(b"")
    remove_abandoned(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([*living, *others])


def test_a_stored_array_clears_what_a_killed_run_left_beside_it(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / f".partial-{gone.pid}-a.npy").write_bytes(b"of a killed run")
    stored_array(tmp_path / "b.npy", (2, 3), "uint8", lambda: [np.zeros((2, 3))], "test")
    assert [path.name for path in tmp_path.iterdir()] == ["b.npy"]


def test_in_a_held_folder_a_part_of_a_living_process_stays_and_that_of_a_dead_one_goes(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    names = {
        f"below/.partial-{gone.pid}-a.json": False,
        f"below/.partial-{os.getppid()}-a.json": True,
        f".partial-{os.getpid()}-b.json": False,  # in a container a killed run had this number too
        "c.partial.json": True,
        ".partial-d.json": True,
        f"held/.partial-{gone.pid}-a.json": True,  # its own writer's
        f"held/.partial-{os.getpid()}-a.json": True,
        ".partial-20261130143000-a.json": True,  # no process has such a number
        # As older versions named them:
        f"a.partial-{gone.pid}": False,
        f"below/a.partial-{gone.pid}": True,  # may be anybody's
        ".a.json.partial": False,
        f"below/.b.json.{gone.pid}.partial": False,
        f".b.json.{os.getpid()}.partial": False,
        f".c.json.{os.getppid()}.partial": True,
    }
    for folder in ("below", "held"):
        (tmp_path / folder).mkdir()
    (tmp_path / "held" / LOCK).touch()
    for name in names:
        (tmp_path / name).write_text("part")
    remove_abandoned(tmp_path, is_held=True)
    assert {name: (tmp_path / name).exists() for name in names} == names


def test_elsewhere_what_may_be_another_programs_or_is_below_stays(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    names = {
        f".a.json.{gone.pid}.partial": False,
        f".b.json.{os.getpid()}.partial": True,
        ".theirs.partial": True,
        f"below/.partial-{gone.pid}-a.json": True,
    }
    (tmp_path / "below").mkdir()
    for name in names:
        (tmp_path / name).write_text("part")
    remove_abandoned(tmp_path)
    assert {name: (tmp_path / name).exists() for name in names} == names


@pytest.mark.parametrize("name", ["a.b.json", "partial", ".hidden", "1", "a-1.partial"])
def test_a_part_says_what_it_was_to_become(name):
    for part in (own_partial(Path(name)).name, f".{name}.17.partial", f"{name}.partial-17"):
        assert part_of(part) == name
    assert part_of(name) is None


def test_the_longest_names_can_be_written_and_their_parts_keep_the_ending(tmp_path):
    path = tmp_path / ("n" * 249 + ".keras")
    write_file(path, b"content")
    assert path.read_bytes() == b"content"
    own_partial(path).touch()
    assert own_partial(path).suffix == ".keras"
    other = own_partial(path.with_name("m" + path.name[1:]))
    assert other != own_partial(path)


def test_free_space_is_asked_for_above_what_cannot_be_there(tmp_path):
    require_free_space(tmp_path / ("n" * 300) / "below", 1)
    with pytest.raises(KerasFusionError, match="not enough disk space"):
        require_free_space(tmp_path / ("n" * 300), 1 << 62)


def test_what_an_older_version_left_of_a_dead_process_goes(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    names = {
        f"squash-96-ab.partial-{gone.pid}": False,
        f"squash-96-ab.partial-{os.getppid()}": True,
        "squash.partial-x": True,
    }
    for name in names:
        (tmp_path / name).write_text("part")
    remove_abandoned(tmp_path)
    assert {name: (tmp_path / name).exists() for name in names} == names


def test_a_source_that_cannot_be_read_is_named_and_not_the_copy(tmp_path):
    with pytest.raises(KerasFusionError) as caught:
        copy_file(tmp_path / "gone", tmp_path / "copy")
    assert "cannot read the file" in str(caught.value)
    assert str(tmp_path / "gone") in str(caught.value)
    assert list(tmp_path.iterdir()) == []

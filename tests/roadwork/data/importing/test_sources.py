"""Where a photo cannot be read while it is copied, the photo is named and not its copy."""

import errno
from pathlib import Path

import pytest

from kerasfusion.errors import KerasFusionError
from kerasfusion.roadwork.data import split_job
from kerasfusion.roadwork.data.importing.job import import_dataset
from kerasfusion.roadwork.data.split_job import split_dataset
from tests.material.odd_photos import write_set

NAME = "plain7.jpg"
"""Of test/roadwork."""


@pytest.fixture
def source(tmp_path):
    return write_set(tmp_path / "src", {})


def bad_block(monkeypatch, at):
    """As a disk with a bad block: reading a photo fails, from its `at`-th opening on."""
    openings, ordinary = [], Path.open

    def opened(path, mode="r", *rest, **options):
        if path.name == NAME and mode == "rb":
            openings.append(path)
            if len(openings) >= at:
                raise OSError(errno.EIO, "Input/output error")
        return ordinary(path, mode, *rest, **options)

    monkeypatch.setattr(Path, "open", opened)


@pytest.mark.parametrize("at", [1, 2], ids=["while it is looked at", "while it is copied"])
@pytest.mark.parametrize("copy", [split_dataset, lambda src, out, **options: import_dataset(str(src), out, **options)])
def test_the_photo_is_named(source, tmp_path, monkeypatch, at, copy):
    bad_block(monkeypatch, at)
    with pytest.raises(KerasFusionError, match="cannot read the file: Input/output error") as caught:
        copy(source, tmp_path / "out")
    assert str(caught.value.where) == str(source / "test" / "roadwork" / NAME)
    assert caught.value.exit_code == 1


def test_so_is_one_that_goes_before_it_is_linked(source, tmp_path, monkeypatch):
    def going(items, label, total=None, done=0):
        if label == "link":
            (source / "test" / "roadwork" / NAME).unlink()
        return items

    monkeypatch.setattr(split_job, "track", going)
    with pytest.raises(KerasFusionError, match="cannot read the file: No such file") as caught:
        split_dataset(source, tmp_path / "out", link=True)
    assert str(caught.value.where) == str(source / "test" / "roadwork" / NAME)


def test_a_copy_that_cannot_be_written_is_still_the_one_that_is_named(source, tmp_path, monkeypatch):
    ordinary = Path.replace

    def refuse(path, target):
        if Path(target).name == NAME:
            raise OSError(errno.EROFS, "Read-only file system")
        return ordinary(path, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(KerasFusionError, match="cannot write the file: Read-only") as caught:
        split_dataset(source, tmp_path / "out")
    assert NAME in str(caught.value.where)
    assert source not in Path(caught.value.where).parents

import os
from pathlib import Path

import pytest

from kerasfusion.errors import KerasFusionError
from kerasfusion.images.listing import PhotoListing, list_photos, readable_name


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def names(listing: PhotoListing, root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in listing.photos(root)]


def test_every_suffix_of_a_photo_is_listed(tmp_path):
    photos = [
        f"deep/{n}.{s}" for n, s in enumerate(("jpg", "JPEG", "jpe", "jfif", "mpo", "MPO", "heic", "avif", "png"))
    ]
    put(tmp_path, *photos, "deep/a.json", "notes.txt")
    listing = list_photos(tmp_path)
    assert names(listing, tmp_path) == photos
    assert {path.name for path in listing.others} == {"a.json", "notes.txt"}
    assert listing.notes() == ["2 files are not images by their suffix and were left out: deep/a.json"]


def test_hidden_files_and_those_of_systems_are_left_out_at_any_depth(tmp_path):
    hidden = [
        "._1.jpg",
        "a/._2.jpg",
        "a/.thumbnails/big/3.jpg",
        ".ipynb_checkpoints/4.jpg",
        "a/@eaDir/5.jpg",
        "a/b/__MACOSX/6.jpg",
        "Thumbs.db",
        "a/thumbs.DB",
        "desktop.ini",
    ]
    put(tmp_path, "1.jpg", "a/b/2.jpg", *hidden)
    listing = list_photos(tmp_path)
    assert names(listing, tmp_path) == ["1.jpg", "a/b/2.jpg"]
    assert {path.relative_to(tmp_path).as_posix() for path in listing.left_out} == set(hidden)
    assert listing.notes() == ["9 files are hidden or a system's own and were left out: ._1.jpg"]


def test_a_hidden_folder_above_the_named_one_does_not_matter(tmp_path):
    put(tmp_path, ".cache/photos/1.jpg")
    assert names(list_photos(tmp_path / ".cache"), tmp_path / ".cache") == ["photos/1.jpg"]


def test_links_inside_are_followed_and_those_out_are_named(tmp_path):
    root = tmp_path / "root"
    put(root, "a/1.jpg")
    put(tmp_path, "outside/2.jpg", "3.jpg")
    (root / "b").symlink_to(root / "a")
    (root / "c").symlink_to(tmp_path / "outside")
    (root / "d.jpg").symlink_to(tmp_path / "3.jpg")
    listing = PhotoListing(root)
    assert names(listing, root) == ["a/1.jpg", "b/1.jpg"]
    assert {path.name for path in listing.unreachable} == {"c", "d.jpg"}
    with pytest.raises(KerasFusionError, match=r"2 folder\(s\).*leads out(.*\n)*.*--follow-links") as raised:
        listing.require_whole()
    assert raised.value.exit_code == 1
    assert names(PhotoListing(root, follow_links=True), root) == ["a/1.jpg", "b/1.jpg", "c/2.jpg", "d.jpg"]


def test_a_link_out_to_a_file_of_another_kind_is_no_obstacle(tmp_path):
    root = tmp_path / "root"
    put(root, "a/1.jpg")
    put(tmp_path, "notes.txt")
    (root / "a" / "notes.txt").symlink_to(tmp_path / "notes.txt")
    listing = PhotoListing(root)
    assert names(listing, root) == ["a/1.jpg"]
    listing.require_whole()
    assert {path.name for path in listing.others} == {"notes.txt"}


def test_links_to_nowhere_and_in_circles_are_named(tmp_path):
    put(tmp_path, "a/1.jpg")
    (tmp_path / "a" / "gone.jpg").symlink_to("/nowhere/2.jpg")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "self").symlink_to("self")
    listing = list_photos(tmp_path)
    assert names(listing, tmp_path) == ["a/1.jpg"]
    reasons = {path.name: reason for path, reason in listing.unreachable.items()}
    assert reasons.keys() == {"gone.jpg", "up", "self"}
    assert reasons["gone.jpg"] == "the link leads nowhere: /nowhere/2.jpg"
    assert "back to a folder above" in reasons["up"]


def test_a_folder_that_may_not_be_entered_is_named(tmp_path, monkeypatch):
    put(tmp_path, "a/1.jpg", "b/2.jpg")
    real = os.scandir

    def refuse(folder):
        if Path(folder).name == "b":
            raise PermissionError(13, "Permission denied")
        return real(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    listing = list_photos(tmp_path)
    assert names(listing, tmp_path) == ["a/1.jpg"]
    with pytest.raises(KerasFusionError, match="b: cannot enter the folder: Permission denied"):
        listing.require_whole()


def test_a_pipe_with_the_name_of_a_photo_is_not_opened(tmp_path):
    put(tmp_path, "1.jpg")
    os.mkfifo(tmp_path / "2.jpg")
    listing = list_photos(tmp_path)
    assert names(listing, tmp_path) == ["1.jpg"]
    assert list(listing.unreachable.values()) == ["it is no file"]


def test_a_folder_without_photos_says_what_is_there(tmp_path):
    put(tmp_path, "a.dng", "b.dng", "c.json", ".d.jpg")
    listing = list_photos(tmp_path)
    listing.photos(tmp_path)
    assert "2 .dng, 1 .json; 1 hidden" in str(listing.nothing_found("photos"))


def test_names_that_are_not_utf8_become_readable():
    assert readable_name(b"Stra\xdfe.jpg".decode("utf-8", "surrogateescape")) == "Stra%DFe.jpg"
    assert readable_name("工事中 ü.jpg") == "工事中 ü.jpg"

"""The photos that a report shows: the worst mistakes, wherever the photos are now."""

import shutil
from dataclasses import replace

import numpy as np

from kerasfusion.address import Address
from kerasfusion.report_page.blocks import Section
from kerasfusion.report_page.page import page_text
from kerasfusion.roadwork.report.photos import photo_blocks, worst_mistakes
from tests.roadwork.report.material import answered

WRONG = (7, 2)
"""Rows of test/ that the fusion has wrong, the surer one first."""


def blocks_of(root, kept):
    return photo_blocks(worst_mistakes(kept, "fusion"), root, "the worst")


def test_photos_that_moved_or_changed_are_listed_or_found_elsewhere(photos, tmp_path):
    kept = answered(photos, WRONG)
    names = [kept.sample_ids[row] for row in WRONG]
    elsewhere = tmp_path / "elsewhere"
    for name in names:
        (elsewhere / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photos / names[1], elsewhere / name)
    pictures, note, listed = blocks_of(elsewhere, kept)
    assert [picture.title for picture in pictures.pictures] == names[1:]
    assert "--data FOLDER" in note.text
    assert [row["photo"] for row in listed.rows] == names[:1]
    note, listed = blocks_of(tmp_path / "nowhere", kept)
    assert [row["photo"] for row in listed.rows] == names


def test_photos_at_an_address_are_shown(photos, tmp_path):
    kept, root = answered(photos, WRONG), Address(f"memory://{tmp_path.name}/set")
    names = [kept.sample_ids[row] for row in WRONG]
    (root / names[1]).write_bytes((photos / names[1]).read_bytes())
    pictures, note, listed = blocks_of(root, kept)
    assert [picture.title for picture in pictures.pictures] == names[1:]
    assert f"at {root}" in note.text
    assert [row["photo"] for row in listed.rows] == names[:1]


def test_names_of_photos_are_text_and_lead_nowhere_else(photos, tmp_path):
    kept = answered(photos, WRONG)
    (tmp_path / "data").mkdir()
    shutil.copy(photos / kept.sample_ids[0], tmp_path / "outside.jpg")
    ids = list(kept.sample_ids)
    ids[WRONG[0]], ids[WRONG[1]] = "../outside.jpg", "test/<script>alert(1)</script>.jpg"
    note, listed = blocks_of(tmp_path / "data", replace(kept, sample_ids=ids, digests={}))
    text = page_text("t", "l", [Section("s", [note, listed])], "m")
    assert "<script" not in text
    assert "../outside.jpg" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;.jpg" in text


def test_an_unreadable_photo_is_no_mistake_of_the_model(photos):
    kept = answered(photos, WRONG)
    kept.answers["fusion"][WRONG[0]] = np.nan
    assert [photo.sample_id for photo in worst_mistakes(kept, "fusion")] == [kept.sample_ids[WRONG[1]]]

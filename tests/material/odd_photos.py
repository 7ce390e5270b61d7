"""Photos and folders as people have them, and what is right to say of each, known without asking the program.

Every photo has four quarters of one grey level each; what a reader of its upper left quarter answers is then known.
"""

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.material.image_metadata import chunk, entry, exif, with_chunk

LEVELS = np.array([[200, 40], [90, 140]], np.uint8)
"""Upper left and right, lower left and right."""
HEIGHT, WIDTH = 48, 64


def quarters(levels=LEVELS) -> Image.Image:
    """A grey picture of 64 x 48 pixels."""
    return Image.fromarray(np.kron(levels, np.ones((HEIGHT // 2, WIDTH // 2), np.uint8)))


def encoded(image: Image.Image, form: str, **options) -> bytes:
    data = io.BytesIO()
    image.save(data, form, **options)
    return data.getvalue()


def jpeg(**options) -> bytes:
    return encoded(quarters().convert("RGB"), "JPEG", quality=95, **options)


def png() -> bytes:
    return encoded(quarters(), "PNG")


def wide(dtype: str, factor: int = 1) -> Image.Image:
    """The picture with samples of more than 8 bits."""
    return Image.fromarray(np.asarray(quarters()).astype(dtype) * factor)


READABLE: dict[str, tuple[Callable[[], bytes], int]] = {
    "two_pictures.mpo": (
        lambda: encoded(quarters(), "MPO", save_all=True, append_images=[quarters(255 - LEVELS)]),
        200,
    ),
    "int32_of_0_to_255.tif": (lambda: encoded(wide("int32"), "TIFF"), 200),
    "16_bits.png": (lambda: encoded(wide("uint16", 256), "PNG"), 200),
    "orient6_width_negative.jpg": (lambda: jpeg(exif=exif(6, entry(0x0100, 9, 1, struct.pack(">i", -5)))), 90),
    "orient6_xresolution_as_text.jpg": (lambda: jpeg(exif=exif(6, entry(0x011A, 2, 4, b"72\0\0"))), 90),
    "orient3_type_unknown.jpg": (lambda: jpeg(exif=exif(3, entry(0x0131, 99, 1, bytes(4)))), 140),
    "orient8.jpg": (lambda: jpeg(exif=exif(8)), 40),
    "huge_ztxt.png": (
        lambda: with_chunk(png(), chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(70_000_000), 1))),
        200,
    ),
    "damaged_text.png": (lambda: with_chunk(png(), chunk(b"tEXt", b"Comment\0hello", is_whole=False)), 200),
    "cmyk.jpeg": (lambda: encoded(quarters().convert("RGB").convert("CMYK"), "JPEG", quality=95), 200),
    "工事中 1.jfif": (jpeg, 200),
    f"{'b' * 243}.jpe": (jpeg, 200),
}
"""Name -> the file, and the grey level of its upper left quarter as one sees it: 6 turns the lower left one there."""

REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "strip_60000x1.png": (lambda: encoded(Image.new("L", (60_000, 1)), "PNG"), "60000 x 1 pixels, which is no photo's"),
    "strip_10Mx1.png": (lambda: encoded(Image.new("1", (10_000_000, 1)), "PNG"), "10000000 x 1 pixels, which is no"),
    "strip_upright.gif": (lambda: encoded(Image.new("L", (1, 51)), "GIF"), "1 x 51 pixels, which is no photo's"),
    "cut.jpg": (lambda: jpeg()[:-300], "not a readable image"),
    "empty.png": (lambda: b"", "the file is empty"),
    "a_text.webp": (lambda: b"Not found", "not an image in a known format"),
    "float.tif": (lambda: encoded(wide("float32"), "TIFF"), "floating-point pixels have no fixed range"),
}
"""Name -> the file, and words that say why it is not read."""


def write_set(root: Path, odd: dict[str, bytes], each: int = 2) -> Path:
    """An imagefolder of plain photos, `each` of both classes in train/ and test/, with odd ones in test/roadwork/."""
    number = 0
    for split in ("train", "test"):
        for name in ("no_roadwork", "roadwork"):
            for _ in range(each):
                number += 1
                write(root / split / name / f"plain{number}.jpg", plain(number))
    for name, data in odd.items():
        write(root / "test" / "roadwork" / name, data)
    return root


def plain(number: int) -> bytes:
    """A JPEG that differs from those of other numbers, and from the odd ones, in its lower right quarter."""
    return encoded(quarters(LEVELS + np.array([[0, 0], [0, number]], np.uint8)), "JPEG", quality=95)


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def mac_leftovers(root: Path) -> None:
    """What a Mac leaves beside each photo, and in an archive that it packed."""
    apple = b"\0\5\26\7\0\2\0\0Mac OS X        "
    for photo in list((root / "test" / "roadwork").iterdir()):
        write(photo.with_name(f"._{photo.name}"), apple)
        write(photo.parent / "__MACOSX" / photo.name, apple)


def thumbnails(root: Path) -> None:
    """Small copies that file managers, notebooks and storage boxes keep beside the photos."""
    for number, name in enumerate((".thumbnails", ".ipynb_checkpoints", "@eaDir", ".cache/big")):
        write(root / "test" / "roadwork" / name / "small.jpg", plain(100 + number))
    write(root / "test" / "Thumbs.db", b"x")


def link_to_nowhere(root: Path) -> None:
    (root / "test" / "roadwork" / "gone.jpg").symlink_to("/nowhere/a.jpg")


def link_in_a_circle(root: Path) -> None:
    (root / "test" / "roadwork" / "up").symlink_to(root / "test")


def link_inside(root: Path) -> None:
    """A photo that lies elsewhere in the folder: by its bytes a copy of train/'s."""
    (root / "test" / "roadwork" / "linked.jpg").symlink_to(next((root / "train" / "roadwork").iterdir()))


def folder_linked_from_outside(root: Path) -> None:
    """A folder of one photo that lies in another place."""
    store = root.parent / f"{root.name}-store"
    write(store / "far.jpg", plain(110))
    (root / "test" / "roadwork" / "siteA").symlink_to(store)


def pipe(root: Path) -> None:
    os.mkfifo(root / "test" / "roadwork" / "pipe.jpg")


def name_that_is_not_utf8(root: Path) -> None:
    write(Path(os.fsdecode(os.fsencode(root / "test" / "roadwork") + b"/Stra\xdfe.jpg")), plain(120))


def beside_json(root: Path) -> None:
    """As the subnet's own extraction writes them: .mpo photos and a .json beside each."""
    for number in (130, 131):
        image = Image.open(io.BytesIO(plain(number)))
        write(root / "test" / "roadwork" / f"image_{number}.mpo", encoded(image, "MPO"))
        write(root / "test" / "roadwork" / f"image_{number}.json", b'{"label": 1}')


def lock(patch, name: str) -> None:
    """Let a folder of this name be as chmod 000 makes it for all but root, who tests may be run as."""
    enter = os.scandir

    def refuse(folder):
        if not isinstance(folder, int) and Path(folder).name == name:
            raise PermissionError(13, "Permission denied", str(folder))
        return enter(folder)

    patch.setattr(os, "scandir", refuse)

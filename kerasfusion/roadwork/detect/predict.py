"""P(roadwork) of files, folders and standard input."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from kerasfusion.address import Address, place
from kerasfusion.errors import RequestError
from kerasfusion.images.address_listing import AddressListing
from kerasfusion.images.decoding import MAX_PIXELS, ImageError, decode_image, read_image
from kerasfusion.images.listing import list_photos
from kerasfusion.parallel import ordered_map
from kerasfusion.roadwork.detect.detector import Detection, Detector

STDIN = "-"


@dataclass(frozen=True)
class Answer:
    """What the model says of one image.

    Attributes:
        image: path or address, or "-" for standard input.
        found: what it says; None if the image could not be read.
        error: why not.
    """

    image: str
    found: Detection | None
    error: str | None = None

    def to_json(self) -> dict:
        """For JSON lines: image, roadwork (true, false or null), p_roadwork, stage, branches, error."""
        return {
            "image": self.image,
            "roadwork": self.found and self.found.roadwork,
            "p_roadwork": self.found and self.found.p_roadwork,
            "stage": self.found and self.found.stage,
            "branches": self.found.branches if self.found else {},
            "error": self.error,
        }

    def to_line(self, width: int, staged: bool = False) -> str:
        """For a person: image (padded to `width`), P(roadwork), the decision, the stage if `staged`, the branches."""
        if self.found is None:
            return f"{self.image:{width}}  unreadable: {self.error}"
        shares = "  ".join(f"{name} {p:.4f}" for name, p in self.found.branches.items())
        verdict = "roadwork" if self.found.roadwork else "no roadwork"
        stage = f"{self.found.stage:5}  " if staged else ""
        return f"{self.image:{width}}  {self.found.p_roadwork:.4f}  {verdict:11}  {stage}{shares}"


def list_images(arguments: Sequence[str]) -> list[str]:
    """Expand folders and addresses to the images below them, sorted; files and "-" stay as they are.

    Raises:
        RequestError: a path that does not exist, or a folder or address without images.
    """
    images = []
    for argument in arguments:
        try:
            path = place(argument)
        except ValueError as error:
            raise RequestError(f"no address: {error}", where=argument) from None
        if argument == STDIN or path.is_file():
            images.append(argument)
        elif isinstance(path, Address):
            images += _below(path)
        elif path.is_dir():
            listing = list_photos(path)
            # What cannot be reached is asked about too: it costs its own answer, and nobody else's.
            found = sorted(map(str, [*listing.photos(path), *listing.unreachable]))
            if not found:
                raise listing.nothing_found(
                    "photos in it or in folders below it", "name a folder with photos, or the files themselves"
                )
            images += found
        else:
            raise RequestError("no such file or folder", where=path, todo="name a photo, a folder of photos, or -")
    return images


def _below(address: Address) -> list[str]:
    found = AddressListing(address).photos(address)
    if not found:
        raise RequestError(
            "there is no photo at this address", where=address, todo="name a folder with photos, or files themselves"
        )
    return [str(photo) for photo in found]


def predict(
    detector: Detector, images: Sequence[str], stdin: BinaryIO, batch: int = 8, max_pixels: int = MAX_PIXELS
) -> Iterator[Answer]:
    """Answer images in order, a batch at a time; an unreadable one gives an Answer with its error.

    Args:
        detector: opened model.
        images: paths or addresses, or "-" to read one encoded image from `stdin`.
        stdin: bytes.
        batch: photos a forward pass.
        max_pixels: largest image that is decoded.
    """

    def read(image: str):
        try:
            pixels = (
                decode_image(stdin.read(), max_pixels) if image == STDIN else read_image(place(image), max_pixels)[0]
            )
        except ImageError as error:
            return error
        return detector.prepare(pixels)

    views = ordered_map(read, images)
    for start in range(0, len(images), batch):
        names = images[start : start + batch]
        chunk = [next(views) for _ in names]
        readable = [view for view in chunk if not isinstance(view, ImageError)]
        found = iter(detector.detect_prepared(readable) if readable else ())
        for name, view in zip(names, chunk, strict=True):
            if isinstance(view, ImageError):
                yield Answer(name, None, view.what)
            else:
                yield Answer(name, next(found))

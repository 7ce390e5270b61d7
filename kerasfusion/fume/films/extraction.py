"""`data frames`: stills of a film for annotation, and the rows of the manifest that `data pair` reads."""

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from kerasfusion.errors import RequestError
from kerasfusion.files.one_writer import only_writer
from kerasfusion.files.writing import write_file
from kerasfusion.fume.config_reading import FrameReading
from kerasfusion.fume.data.annotations import Frame, read_frames, write_frames
from kerasfusion.fume.data.gas_names import named_gas, original_of
from kerasfusion.fume.films.film import Film, open_film
from kerasfusion.fume.films.video_file import PAUSE
from kerasfusion.images.decoding import Stored
from kerasfusion.progress import track

MANIFEST = "annotations.csv"
"""In the folder; `data pair --regroup` divides its rows into splits, all frames of a film into one."""

COCO = "masks/coco.json"
"""Where the outlines of all stills are expected, if that is said."""


@dataclass(frozen=True)
class FramesRequest:
    """What is asked for.

    Attributes:
        film: the file.
        out: the dataset's folder; stills of other films that it holds stay.
        every: seconds from one still to the next, 0.001 at least: names have milliseconds.
        gas: "co2" or "ch4"; None takes it from the film's name or folder (`named_gas`).
        ph: of the rumen fluid.
        class_id: index into STATES.
        offset: seconds by which this film began after the other gas's.
        rate: frames a second, of a film without times.
        masks: that will be drawn: "png" or "json" (LabelMe), a file a frame, or "coco", one file of all.
    """

    film: Path
    out: Path
    every: float
    gas: str | None
    ph: float
    class_id: int
    offset: float = 0.0
    rate: float | None = None
    masks: str = "png"


def extract_frames(request: FramesRequest) -> list[Frame]:
    """Write every so-manieth second's frame to OUT/frames, unchanged, and add the rows to OUT/annotations.csv.

    The stills of both gases that were taken at one time have one original (`original_of` the films) and one
    augmentation_id (that time), so that `data pair --strategy original_based` makes pairs of them.

    Returns:
        The new rows; their masks are not there yet.

    Raises:
        RequestError: no such film, one whose gas is not known or that has no still, or stills that are there already.
        ImageError: the film cannot be read; what came before a cut is kept.
        KerasFusionError: the folder cannot be written, or another run is writing it.
    """
    film = open_film(request.film, FrameReading(), request.rate, request.offset)
    gas = request.gas or _gas_of(request.film)
    original = original_of(request.film, gas)
    with only_writer(request.out):
        manifest = request.out / MANIFEST
        known = read_frames(manifest) if manifest.is_file() else []
        if there := [frame for frame in known if (frame.gas, frame.original_id) == (gas, original)]:
            raise RequestError(
                f"{gas.upper()} frames of {original} are there already, such as {there[0].frame_path}",
                where=request.out,
                todo=f"if {request.film} shows something else, rename the film (cow8_{gas}{request.film.suffix}); "
                "to take its stills again, take these rows and files out first",
            )
        stills, total = _stills(film, request.every), _count_stills(film, request.every)
        tracked = stills if total is None else track(stills, "stills", total=total)
        made = [_write(request, gas, original, *still) for still in tracked]
        if not made and film.trouble is None:
            raise RequestError(
                f"the film has no frame at a multiple of {request.every:g} s",
                where=request.film,
                todo="take stills closer together: a smaller --every",
            )
        (request.out / "masks").mkdir(exist_ok=True)
        write_frames(manifest, [*known, *made])
    if film.trouble is not None:
        raise film.trouble
    return made


def _gas_of(path: Path) -> str:
    found = named_gas(path)
    if found is None:
        raise RequestError(
            "the film's name does not say of which gas it is", where=path, todo="add --gas co2 or --gas ch4"
        )
    return found


def _count_stills(film: Film, every: float) -> int | None:
    """How many `_stills` gives, if the film is as long as it says."""
    if film.seconds is None:
        return None
    half = film.interval / 2
    first = math.ceil((film.offset - half) / every)
    beyond = math.ceil((film.offset + film.seconds - half) / every)  # the last frame begins an interval before the end
    return max(beyond - first, 1)


def _stills(film: Film, every: float) -> Iterator[tuple[float, Stored]]:
    """(multiple of `every`, the frame that was taken then), of a film's own clock with its offset."""
    last, due = -math.inf, -math.inf
    for time, stored in film.pictures():
        half, number = film.step / 2, round(time / every)
        mark = number * every
        # Steps are not alike, and frames get lost: only in a pause may a mark be further from both of its frames.
        between = last < mark < time < last + PAUSE * film.step
        if number >= due and (between or mark - half < time <= mark + half):
            yield mark, stored
            due = number + 1
        last = time


def _write(request: FramesRequest, gas: str, original: str, time: float, stored: Stored) -> Frame:
    name = f"{original}_{gas}_{round(1000 * time):07d}ms"
    ending, encoded = _encoded(stored)
    write_file(request.out / "frames" / f"{name}.{ending}", encoded)
    return Frame(
        gas=gas,
        frame_path=f"frames/{name}.{ending}",
        mask_path=COCO if request.masks == "coco" else f"masks/{name}.{request.masks}",
        ph_value=request.ph,
        class_id=request.class_id,
        original_id=original,
        augmentation_id=f"{time:.10g}s",
    )


def _encoded(stored: Stored) -> tuple[str, bytes]:
    """(ending, file) without loss: PNG, or TIFF where PNG has no such numbers."""
    pixels = stored.pixels
    if stored.are_counts and pixels.max() <= 255:
        pixels = pixels.astype(np.float32)  # a file of such low integers is one of levels
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        pixels = np.ascontiguousarray(pixels[..., 0])
    form = "PNG" if pixels.dtype in (np.uint8, np.uint16) else "TIFF"
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, form)
    return ("png" if form == "PNG" else "tif"), written.getvalue()

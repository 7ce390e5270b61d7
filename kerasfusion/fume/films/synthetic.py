"""`data synth fume --film`: a generated film of each gas, and the truth of every frame as a table."""

from pathlib import Path

import numpy as np

from kerasfusion.files.csv_table import csv_text
from kerasfusion.files.one_writer import only_writer_of
from kerasfusion.files.writing import write_text
from kerasfusion.fume.data.annotations import GASES
from kerasfusion.fume.data.masks import plume_pixels
from kerasfusion.fume.films.video_file import VideoWriter, require_video
from kerasfusion.fume.plumes.dataset import check_request
from kerasfusion.fume.plumes.film import FilmPlan, draw_film, strength
from kerasfusion.progress import track

TRUTH = "truth.csv"
FINE = 8
"""Of the written films: the noise is to stay."""


def write_films(out: Path, plan: FilmPlan) -> list[Path]:
    """Write OUT/co2.mp4, OUT/ch4.mp4 and OUT/truth.csv: time_s, strength, and each gas's plume in pixels.

    Returns:
        The films.

    Raises:
        RequestError: OUT is in use, a size or a seed out of range, or PyAV is not installed.
        KerasFusionError: a file cannot be written.
    """
    check_request(out, plan.seed, plan.size, 0)
    require_video()  # before the folder is made
    times = [number / plan.rate for number in range(plan.frames)]
    columns: dict[str, list] = {"time_s": times, "strength": [round(strength(plan, time), 4) for time in times]}
    with only_writer_of(out):
        out.mkdir(parents=True, exist_ok=True)
        for gas in GASES:
            areas = []
            with VideoWriter(out / f"{gas}.mp4", plan.size, plan.rate, FINE) as film:
                pictures = track(draw_film(plan, gas), f"film {gas.upper()}", total=plan.frames)
                for time, picture in zip(times, pictures, strict=True):
                    film.write(time, np.repeat(picture.frame[..., None], 3, axis=-1))
                    areas.append(plume_pixels(picture.mask))
            columns[f"{gas}_plume_px"] = areas
        write_text(out / TRUTH, csv_text(list(columns), zip(*columns.values(), strict=True)))
    return [out / f"{gas}.mp4" for gas in GASES]

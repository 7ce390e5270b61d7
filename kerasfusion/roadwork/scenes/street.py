"""Generated street scenes with and without roadwork: data for the demo and for trying the commands offline.

Both classes share streets, light, camera and red-to-amber things (cars, awnings, bins, posters, jackets); only cones,
striped barriers, triangular or diamond warning signs and arrow boards tell them apart. How well a model does on these
scenes says nothing about photos.
"""

import io
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from kerasfusion.files.one_writer import only_writer_of
from kerasfusion.files.run_folder import refuse_used
from kerasfusion.files.writing import write_file
from kerasfusion.progress import track
from kerasfusion.roadwork.scenes.canvas import Canvas, dull, hsv
from kerasfusion.roadwork.scenes.decoys import bright_things
from kerasfusion.roadwork.scenes.objects import street_things
from kerasfusion.roadwork.scenes.roadworks import work_zone

SIZES = ((320, 180), (400, 225), (480, 270), (320, 240), (400, 300))
CLASSES = ("no_roadwork", "roadwork")
OVERSAMPLING = 2
# Sky at the zenith and at the horizon, and the light's colour, each RGB.
LIGHTS = {
    "day": ((88, 148, 220), (196, 220, 240), (1.0, 1.0, 0.98)),
    "overcast": ((150, 156, 164), (204, 206, 208), (0.82, 0.84, 0.87)),
    "dusk": ((70, 70, 118), (238, 158, 96), (0.72, 0.58, 0.56)),
}


def draw_scene(rng: np.random.Generator, roadwork: bool) -> Image.Image:
    """Draw one street as an RGB image of one of SIZES.

    Generators in the same state give the same street, light and noise for both classes; what stands in it differs.
    """
    layout, things, extras, finish = (np.random.default_rng(int(s)) for s in rng.integers(2**62, size=4))
    size = SIZES[int(layout.integers(len(SIZES)))]
    light = LIGHTS[list(LIGHTS)[int(layout.integers(len(LIGHTS)))]]
    image = sky_image((size[0] * OVERSAMPLING, size[1] * OVERSAMPLING), light, layout)
    canvas = set_camera(image, layout)
    kerb = draw_ground(canvas, layout)
    shared = street_things(kerb, things) + bright_things(kerb, int(things.integers(0, 4)), things)
    own = work_zone(extras) if roadwork else bright_things(kerb, int(extras.integers(3, 7)), extras)
    placed = [(item, things) for item in shared] + [(item, extras) for item in own]
    for (x, z, paint), source in sorted(placed, key=lambda entry: -entry[0][1]):
        paint(canvas, x, z, source)
    return develop(image.resize(size, Image.Resampling.BOX), light, finish)


def sky_image(size: tuple[int, int], light: tuple, rng: np.random.Generator) -> Image.Image:
    """A picture that is all sky: a gradient from zenith to horizon with some clouds."""
    width, height = size
    share = np.minimum(np.linspace(0.0, 2.0, height), 1.0)[:, None, None]
    rows = np.array(light[0]) * (1 - share) + np.array(light[1]) * share
    image = Image.fromarray(np.broadcast_to(rows, (height, width, 3)).astype(np.uint8))
    draw, cloud = ImageDraw.Draw(image), tuple(min(255, channel + 16) for channel in light[1])
    for _ in range(int(rng.integers(0, 4))):
        x, y = rng.uniform(0, width), rng.uniform(0, height * 0.3)
        for _ in range(4):
            left, top, wide = (
                x + rng.uniform(0, 0.1) * width,
                y + rng.uniform(0, 0.03) * height,
                rng.uniform(0.06, 0.14),
            )
            draw.ellipse((left, top, left + wide * width, top + wide * height * 0.5), fill=cloud)
    return image


def set_camera(image: Image.Image, rng: np.random.Generator) -> Canvas:
    """A dashboard camera looking along the road, its horizon a little above the middle."""
    width, height = image.size
    return Canvas(
        draw=ImageDraw.Draw(image),
        size=image.size,
        horizon=height * rng.uniform(0.42, 0.52),
        vanish_x=width * rng.uniform(0.45, 0.55),
        focal=max(width, height * 1.6) * rng.uniform(0.62, 0.8),
        eye_height=rng.uniform(1.3, 1.9),
    )


def draw_ground(canvas: Canvas, rng: np.random.Generator) -> float:
    """Verge, pavement, road and its markings; returns the distance from the camera to the kerb in metres."""
    kerb, pavement = rng.uniform(3.6, 5.2), rng.uniform(1.5, 3.0)
    verge = (112, 128, 84) if rng.random() < 0.5 else dull(rng)
    asphalt = hsv(0.6, 0.04, rng.uniform(0.3, 0.5))
    canvas.ground(0.5, 500, -500, 500, verge)
    canvas.ground(0.5, 500, -kerb - pavement, kerb + pavement, (158, 154, 148))
    canvas.ground(0.5, 500, -kerb, kerb, asphalt)
    offset, dash = rng.uniform(-1.8, 1.8), rng.uniform(1.5, 3.0)
    for near in np.arange(1.0 + rng.uniform(0, dash), 60, 2 * dash):
        canvas.ground(near, near + dash, offset - 0.08, offset + 0.08, (214, 212, 204))
    for edge in (-kerb + 0.25, kerb - 0.25):
        canvas.ground(0.5, 500, edge - 0.06, edge + 0.06, (206, 204, 196))
    if rng.random() < 0.2:
        near = rng.uniform(6, 12)
        for left in np.arange(-kerb + 0.3, kerb - 0.6, 1.1):
            canvas.ground(near, near + 2.5, left, left + 0.55, (220, 220, 214))
    return kerb


def develop(image: Image.Image, light: tuple, rng: np.random.Generator) -> Image.Image:
    """What light and camera do to the picture: tint, exposure, contrast, blur and sensor noise."""
    if rng.random() < 0.5:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.9)))
    pixels = np.asarray(image, np.float32) * np.array(light[2], np.float32)
    pixels = (pixels - 118) * rng.uniform(0.8, 1.1) + 118 + rng.uniform(-12, 12)
    pixels += rng.standard_normal(pixels.shape, np.float32) * np.float32(rng.uniform(1, 7))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def write_dataset(out: Path, counts: dict[str, int], seed: int = 42) -> list[Path]:
    """Write counts[split] scenes per split to out/{split}/{no_roadwork,roadwork}/scene_00001.jpg, half roadwork.

    Of an odd count, one scene more is without roadwork. Scene k of a split depends on (seed, split, k) only, so a
    larger set starts with the smaller one's scenes.

    Args:
        out: a folder that does not exist yet or is empty.
        counts: scenes per split, each 0 or more.
        seed: 0 or more.

    Returns:
        The files in the order in which they were written.

    Raises:
        RequestError: `out` holds something or is a file, or a count or the seed is negative.
        KerasFusionError: a file cannot be written, or another run is writing `out`.
    """
    out = Path(out)
    numbers = {"seed": seed} | counts
    refuse_used(out, "scenes", numbers)
    with only_writer_of(out):
        refuse_used(out, "scenes", numbers)  # another one may just have filled it
        for split in counts:
            for name in CLASSES:
                (out / split / name).mkdir(parents=True, exist_ok=True)
        scenes = [(split, k) for split, count in counts.items() for k in range(1, count + 1)]
        return [write_scene(out, split, k, seed) for split, k in track(scenes, "draw scenes")]


def write_scene(out: Path, split: str, k: int, seed: int) -> Path:
    """Draw scene k (1, 2, ...; even ones are roadwork) of a split and write it as JPEG of random quality."""
    rng = np.random.default_rng([seed, zlib.crc32(split.encode()), k])
    roadwork = k % 2 == 0
    encoded = io.BytesIO()
    draw_scene(rng, roadwork).save(encoded, "JPEG", quality=int(rng.integers(55, 96)))
    path = out / split / CLASSES[roadwork] / f"scene_{k:05d}.jpg"
    write_file(path, encoded.getvalue())
    return path

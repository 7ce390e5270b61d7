"""Small films whose frames say what the answer is."""

from fractions import Fraction

import av
import numpy as np
from PIL import Image

from tests.fume.detect.answering_material import HEIGHT, WIDTH, frame_of


def write_film(path, frames, rate=10, codec="ffv1", times=None, grey="gray16le"):
    """Write (H, W) uint8 or uint16, or (H, W, 3) uint8 frames, without loss unless another codec is named.

    Counts of uint16 are written in the pixel format `grey`, which has a plane of such numbers.
    """
    with av.open(str(path), "w") as container:
        first = np.asarray(frames[0])
        kind = "rgb24" if first.ndim == 3 else grey if first.dtype == np.uint16 else "gray"
        stream = container.add_stream(codec, rate=Fraction(rate).limit_denominator(1000))
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = {"rgb24": "bgr0"}.get(kind, kind) if codec == "ffv1" else "yuv420p"
        tick = Fraction(1, 1000) if times is not None else 1 / Fraction(rate).limit_denominator(1000)
        stream.time_base = stream.codec_context.time_base = tick
        for number, frame in enumerate(frames):
            made = grey_frame(frame, kind) if kind == grey else av.VideoFrame.from_ndarray(frame, format=kind)
            made.pts = number if times is None else round(1000 * times[number])
            made.time_base = tick
            container.mux(stream.encode(made))
        container.mux(stream.encode())
    return path


def grey_frame(counts, kind):
    """A frame of PyAV with (H, W) numbers as they are, whatever its rows are padded to."""
    made = av.VideoFrame(*counts.shape[::-1], kind)
    plane = made.planes[0]
    rows = np.zeros((plane.height, plane.line_size // counts.itemsize), counts.dtype)
    rows[:, : plane.width] = counts
    plane.update(rows.tobytes())
    return made


def copy_film(source, target):
    """The same frames in another kind of file, not encoded anew."""
    with av.open(str(source)) as given, av.open(str(target), "w") as made:
        stream = made.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                made.mux(packet)
    return target


def write_pages(path, frames):
    """A TIFF of many pages."""
    first, *others = [Image.fromarray(frame) for frame in frames]
    first.save(path, save_all=True, append_images=others)
    return path


def plume(width, state=0):
    """A frame whose answer is 10 x `width` pixels of gas and this state, and that mask."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[20:30, 20 : 20 + width] = 2
    return frame_of(mask, state)

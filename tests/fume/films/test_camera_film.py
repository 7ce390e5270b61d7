"""FLIR's SEQ and CSQ, written by the format's public description, to counts and times."""

import numpy as np
import pytest

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.fume.config_reading import FrameReading
from kerasfusion.fume.films.film import is_film, open_film
from kerasfusion.images.decoding import ImageError
from tests.fume.films.camera_material import LOSSLESS, NEAR, RAMP, fff, png, raw, write_seq

HOW = FrameReading(range=(12_000, 14_040))
"""8 counts are a level."""
NOISE = np.random.default_rng(0).integers(0, 65_536, (6, 10), np.uint16)


def counted(count):
    return [RAMP + np.uint16(100 * number) for number in range(count)]


def read(path, **options):
    film = open_film(path, FrameReading(), **options)
    return film, list(film.pictures())


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("header", ["<", ">"])
@pytest.mark.parametrize("length", [True, False])
def test_counts_and_times_whatever_the_byte_orders(tmp_path, order, header, length):
    path = write_seq(tmp_path / "a.seq", counted(12), rate=8, order=order, header=header, length=length)
    film, found = read(path)
    assert is_film(path)
    assert [time for time, _ in found] == pytest.approx([number / 8 for number in range(12)])
    np.testing.assert_array_equal([stored.pixels for _, stored in found], counted(12))
    assert (film.rate, film.seconds, film.trouble) == (pytest.approx(8), pytest.approx(1.5), None)


def test_counts_become_levels_by_the_range_as_those_of_other_frames_do(tmp_path):
    path = write_seq(tmp_path / "a.seq", counted(2))
    shots = list(open_film(path, HOW).shots())
    assert [int(shot.levels[0, 0]) for shot in shots] == [0, 12]  # 100 counts are 12.5 levels, and 12 is even
    assert int(shots[0].levels[5, 9]) == 135  # 5 x 150 + 9 x 37 = 1083 counts, 135.4 levels
    with pytest.raises(ImageError, match=r"counts from 12,000 to 13,083(.|\n)*a\.seq(.|\n)*--frame-range"):
        list(open_film(path, FrameReading()).shots())


@pytest.mark.parametrize(
    ("body", "loss"),
    [(LOSSLESS, 0), (LOSSLESS + bytes(3), 0), (NEAR, 4), (png(RAMP), 0), (png(RAMP, swapped=False), 0)],
)
def test_counts_that_are_compressed(tmp_path, body, loss):
    (tmp_path / "a.csq").write_bytes(fff(RAMP, 0, body=body) + fff(RAMP, 1, body=body))
    _, found = read(tmp_path / "a.csq")
    for _, stored in found:
        assert np.abs(stored.pixels.astype(int) - RAMP).max() == loss
        assert stored.pixels.dtype == np.uint16


def test_padding_and_the_signature_among_the_counts(tmp_path):
    trap = NOISE.copy()
    trap.view(np.uint8)[2, 4:8] = list(b"FFF\0")
    frames = [fff(trap, 0), bytes(5000), fff(NOISE, 1, after=b"more" * 9, length=False), fff(trap, 2, after=bytes(9))]
    (tmp_path / "a.seq").write_bytes(b"".join(frames) + b"the end")
    film, found = read(tmp_path / "a.seq")
    np.testing.assert_array_equal([stored.pixels for _, stored in found], [trap, NOISE, trap])
    assert film.trouble is None


def test_without_a_clock_the_rate_is_what_the_camera_or_the_person_says(tmp_path):
    path = tmp_path / "a.seq"
    path.write_bytes(b"".join(fff(RAMP, rate=25) for _ in range(3)))
    assert [time for time, _ in read(path)[1]] == pytest.approx([0, 0.04, 0.08])
    assert [time for time, _ in read(path, rate=2)[1]] == [0, 0.5, 1]
    path.write_bytes(b"".join(fff(RAMP, camera=False) for _ in range(3)))
    with pytest.raises(RequestError, match="does not say when its frames were taken"):
        read(path)
    assert [time for time, _ in read(path, rate=2, offset=1)[1]] == [1, 1.5, 2]


def test_a_clock_that_goes_back_ends_the_film_until_a_rate_is_said(tmp_path):
    path = tmp_path / "a.seq"
    times = [number / 10 for number in range(12)] + [0.5, 0.6]
    path.write_bytes(b"".join(fff(RAMP, time) for time in times))
    film, found = read(path)
    assert len(found) == 12
    assert "frame 13 was taken before the last one" in str(film.trouble)
    film, found = read(path, rate=10)
    assert (len(found), film.trouble) == (14, None)


@pytest.mark.parametrize("lost", [1, 90, 700, 1300, 1470])
def test_a_film_that_is_cut_is_read_as_far_as_it_goes(tmp_path, lost):
    path = write_seq(tmp_path / "a.seq", counted(13))
    path.write_bytes(path.read_bytes()[:-lost])
    film, found = read(path)
    assert len(found) == 12
    assert "in the middle of a frame" in str(film.trouble)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: b"XXX" + frame[3:], "damaged at byte"),
        (lambda frame: frame[:0x14] + b"\xff" * 4 + frame[0x18:], "damaged at byte"),
        (lambda frame: frame[:0x1C] + b"\0\1\0\0" + frame[0x20:], "a frame of 65,536 records"),
        (lambda frame: fff(RAMP, 1.2, body=LOSSLESS[:-9]), "JPEG-LS cannot be read: its end is missing"),
        (lambda frame: fff(RAMP, 1.2, body=b"\xff\xd8\xff\xe0" + bytes(99)), "it is no JPEG-LS"),
        (lambda frame: fff(RAMP, 1.2, body=png(RAMP)[:60]), "PNG cannot be read"),
        (lambda frame: fff(RAMP, 1.2, body=raw(RAMP)[2:]), "10 x 6 pixels has 118 bytes of counts"),
        (lambda frame: fff(RAMP[:5], 1.2, body=LOSSLESS), r"10 x 5 pixels holds a picture of \(10, 6\)"),
        (lambda frame: frame.replace(b"\2\0\x0a\0\6\0", b"\2\0\0\0\6\0"), "said to be of 0 x 6 pixels"),
        (lambda frame: frame[:64] + b"\0\7" + frame[66:], "frame 13 has no counts"),
    ],
)
def test_a_damaged_frame_is_named_and_what_came_before_is_answered(tmp_path, change, said):
    frames = [fff(frame, number / 10) for number, frame in enumerate(counted(20))]
    frames[12] = change(frames[12])
    (tmp_path / "a.seq").write_bytes(b"".join(frames))
    film, found = read(tmp_path / "a.seq")
    assert len(found) == 12
    with pytest.raises(ImageError, match=rf"{said}(.|\n)*a\.seq"):
        raise film.trouble


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.seq", b"", "the film is empty"),
        ("a.csq", b"FFF\0", "in the middle of a frame"),
        ("a.seq", b"AFF\0" + bytes(900), r"it begins with b'AFF\\x00', not with FFF"),
        ("a.seq", b"Norpix seq" * 99, "not with FFF"),
        ("a.fff", fff(RAMP)[:200], "in the middle of a frame"),
        ("a.ats", bytes(99), "ATS is the camera's own format, which is not read here"),
    ],
)
def test_what_is_no_film_of_a_camera_is_named(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(KerasFusionError, match=rf"{said}(.|\n)*{name}"):
        read(tmp_path / name)


def test_jpeg_ls_without_pyav_says_what_to_install_and_plain_counts_need_it_not(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    assert len(read(write_seq(tmp_path / "a.seq", counted(2)))[1]) == 2
    with pytest.raises(RequestError, match=r"needs av(.|\n)*\[video\]"):
        read(write_seq(tmp_path / "a.csq", [RAMP, RAMP], body=LOSSLESS))

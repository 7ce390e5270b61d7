"""Films in files to frames with their times, and what is no film."""

import errno
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.fume.config_reading import FrameReading
from kerasfusion.fume.films.alignment import moments
from kerasfusion.fume.films.film import is_film, open_film
from kerasfusion.fume.films.video_file import VideoWriter, ends_within_riff, stored_frame
from kerasfusion.images.decoding import ImageError
from tests.fume.films.film_material import copy_film, grey_frame, write_film, write_pages

PLAIN = FrameReading()
RAMP = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))


def ramps(count):
    return [np.roll(RAMP, number, axis=1) for number in range(count)]


def read(path, how=PLAIN, **options):
    film = open_film(path, how, **options)
    return film, list(film.shots())


@pytest.mark.parametrize("name", ["film.mkv", "film.avi"])
def test_every_frame_comes_at_its_time_and_as_it_was(tmp_path, name):
    film, shots = read(write_film(tmp_path / name, ramps(7), rate=5))
    assert [shot.time for shot in shots] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2], abs=2e-3)
    np.testing.assert_array_equal([shot.levels for shot in shots], ramps(7))
    assert (film.frames, film.trouble, film.rate) == (7, None, pytest.approx(5, abs=0.01))


def test_a_lossy_film_is_close(tmp_path):
    _, shots = read(write_film(tmp_path / "film.mp4", [np.stack([f] * 3, -1) for f in ramps(5)], codec="libx264"))
    for shot, frame in zip(shots, ramps(5), strict=True):
        assert np.abs(shot.levels.astype(int) - frame).mean() < 4


def test_counts_of_sixteen_bits_need_the_range(tmp_path):
    counts = [(12_000 + 8 * RAMP.astype(np.uint16)) for _ in range(3)]
    path = write_film(tmp_path / "film.mkv", counts)
    with pytest.raises(ImageError, match=r"counts from 12,000 to 14,016(.|\n)*film\.mkv"):
        read(path)
    _, shots = read(path, FrameReading(range=(12_000, 14_040)))  # 8 / 2040 x 255 = 1
    np.testing.assert_array_equal(shots[0].levels, RAMP)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_counts_of_fewer_bits_are_not_scaled(tmp_path, bits):
    most = 2**bits - 1
    counts = np.linspace(0, most, 48 * 64).astype(np.uint16).reshape(48, 64)
    path = write_film(tmp_path / "film.mkv", [counts, counts[::-1]], grey=f"gray{bits}le")
    with pytest.raises(ImageError, match=f"counts from 0 to {most:,}"):
        read(path)
    for number, (_, stored) in enumerate(open_film(path, PLAIN).pictures()):
        np.testing.assert_array_equal(stored.pixels, counts[:: 1 - 2 * number])
    _, shots = read(path, FrameReading(range=(0, most)))
    np.testing.assert_array_equal(shots[0].levels, np.rint(counts * (255 / most)))


@pytest.mark.parametrize("bits", [9, 10, 12, 14])
def test_a_dark_film_of_counts_needs_the_range_from_its_first_frame_on(tmp_path, bits):
    frames = [np.linspace(0, peak, 48 * 64).astype(np.uint16).reshape(48, 64) for peak in (120, 255, 300)]
    path = write_film(tmp_path / "film.mkv", frames, grey=f"gray{bits}le")
    with pytest.raises(ImageError, match="counts from 0 to 120, which have no fixed range"):
        read(path)
    film, shots = read(path, FrameReading(range=(0, 510)))
    assert (film.trouble, [int(shot.levels.max()) for shot in shots]) == (None, [60, 128, 150])  # 127.5, 128 is even


def test_sixteen_bits_may_hold_levels(tmp_path):
    _, shots = read(write_film(tmp_path / "film.mkv", [RAMP.astype(np.uint16)]))
    np.testing.assert_array_equal(shots[0].levels, RAMP)


def test_grey_numbers_of_other_kinds_are_taken_as_they_are_or_named():
    counts = np.arange(6 * 10, dtype=np.uint16).reshape(6, 10) * 17
    np.testing.assert_array_equal(stored_frame(grey_frame(counts.astype(">u2"), "gray10be")).pixels, counts)
    degrees = np.float32(counts) / 8
    np.testing.assert_array_equal(stored_frame(grey_frame(degrees, "grayf32le")).pixels, degrees)
    odd = SimpleNamespace(format=SimpleNamespace(name="gray32le"))
    with pytest.raises(ImageError, match=r"the pixel format gray32le, which is not read(.|\n)*gray16le"):
        stored_frame(odd)


def test_a_tiff_of_many_pages_is_a_film_at_the_rate_that_is_said(tmp_path):
    path = write_pages(tmp_path / "film.tif", ramps(4))
    assert is_film(path)
    assert not is_film(path, FrameReading(page=2))
    assert not is_film(write_pages(tmp_path / "frame.tif", ramps(1)))
    _, shots = read(path, rate=4)
    assert [shot.time for shot in shots] == [0, 0.25, 0.5, 0.75]
    np.testing.assert_array_equal([shot.levels for shot in shots], ramps(4))
    with pytest.raises(RequestError, match="does not say when its pages were filmed"):
        open_film(path, PLAIN)


def test_a_film_that_is_cut_is_read_as_far_as_it_goes(tmp_path):
    rng = np.random.default_rng(0)
    path = write_film(tmp_path / "film.mkv", [rng.integers(0, 255, (48, 64), np.uint8) for _ in range(40)])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    film, shots = read(path)
    assert 10 < len(shots) < 30
    assert "it was cut" in str(film.trouble) or "cannot be read" in str(film.trouble)


def test_an_avi_that_is_cut_is_said_although_ffmpeg_takes_it_for_a_shorter_one(tmp_path):
    rng = np.random.default_rng(0)
    path = write_film(tmp_path / "film.avi", [rng.integers(0, 255, (48, 64), np.uint8) for _ in range(40)])
    assert read(path)[0].trouble is None
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    film, shots = read(path)
    assert 10 < len(shots) < 30
    assert "it was cut" in str(film.trouble)


@pytest.mark.parametrize("size", [b"\0" * 4, b"\xff" * 4])
def test_an_avi_whose_writer_left_its_size_open_is_cut_where_it_ends_within_a_frame(tmp_path, size):
    rng = np.random.default_rng(0)
    path = write_film(tmp_path / "film.avi", [rng.integers(0, 255, (48, 64), np.uint8) for _ in range(40)])
    whole = path.read_bytes()
    frames = whole.index(b"movi")  # behind the size of its list
    whole = whole[:4] + size + whole[8 : frames - 4] + size + whole[frames:]
    last = whole.rindex(b"00dc", 0, whole.index(b"idx1"))  # a frame: these four letters, its size, and its bytes
    for end, is_cut in ((len(whole), False), (last, False), (last + 20, True)):
        path.write_bytes(whole[:end])
        assert ends_within_riff(path) == is_cut
    assert "it was cut" in str(read(path)[0].trouble)
    for behind in (bytes(100), b"\xff" * 100, b"TAG of some program"):  # room that was taken before, or another's data
        path.write_bytes(whole[:last] + behind)
        assert not ends_within_riff(path)


@pytest.mark.parametrize("irregular", [False, True])
def test_a_copied_mkv_names_the_ticks_of_its_clock_and_has_its_frames_rate(tmp_path, irregular):
    times = np.arange(40) / 10 + irregular * np.random.default_rng(0).uniform(0, 0.05, 40)
    with VideoWriter(tmp_path / "film.mp4", (64, 48), 10) as writer:
        for time, frame in zip(times, ramps(40), strict=True):
            writer.write(time, np.stack([frame] * 3, -1))
    path = copy_film(tmp_path / "film.mp4", tmp_path / "film.mkv")
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == 1000
    film, shots = read(path)
    assert film.rate == pytest.approx(10, rel=0.02)
    assert film.rate * film.seconds == pytest.approx(len(shots), abs=2)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("film.mp4", b"", "the film is empty"),
        ("film.mp4", b"not a film at all" * 100, "the film cannot be read: Invalid data"),
    ],
)
def test_what_is_no_film_is_named(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(KerasFusionError, match=rf"{said}(.|\n)*{name}"):
        read(tmp_path / name)


def test_a_film_without_its_index_sound_alone_and_no_file(tmp_path):
    path = write_film(tmp_path / "film.mp4", [np.stack([f] * 3, -1) for f in ramps(5)], codec="libx264")
    whole = path.read_bytes()
    for part in (whole[:-300], whole[: whole.index(b"moov") - 4], whole[: len(whole) // 2]):
        path.write_bytes(part)
        with pytest.raises(ImageError, match=r"it was cut, and the index(.|\n)*what to do: copy it(.|\n)*MKV"):
            read(path)
    with pytest.raises(RequestError, match="no such film"):
        read(tmp_path / "gone.mp4")
    with pytest.raises(RequestError, match="--rate is for TIFFs"):
        read(path, rate=5)


def test_a_page_with_nan_ends_the_film_there(tmp_path):
    pages = [np.full((4, 6), 20.5, np.float32) for _ in range(3)]
    pages[1][2, 3] = np.nan
    film, shots = read(write_pages(tmp_path / "film.tif", pages), FrameReading(range=(0, 41)), rate=1)
    assert [int(shot.levels[0, 0]) for shot in shots] == [128]  # 127.5, and 128 is even
    with pytest.raises(ImageError, match=r"1 of 24 pixels are NaN(.|\n)*film\.tif"):
        raise film.trouble
    pages[0][0, 0] = np.inf
    with pytest.raises(ImageError, match="1 of 24 pixels are NaN or infinite"):
        read(write_pages(tmp_path / "film.tif", pages), FrameReading(range=(0, 41)), rate=1)


def test_a_codec_that_nobody_knows_is_named(tmp_path):
    path = write_film(tmp_path / "film.avi", ramps(3))
    path.write_bytes(path.read_bytes().replace(b"FFV1", b"XQZ9"))
    with pytest.raises(ImageError, match=r"the film cannot be read(.|\n)*film\.avi(.|\n)*FFV1"):
        read(path)


def pairs(tmp_path, first, second, offset=0.0, rate=None):
    """[(time, {gas: number of the frame in its film})] of films with these times; with pauses `rate` is theirs."""
    films = {}
    for gas, times in (("co2", first), ("ch4", second)):
        frames = [np.full((48, 64), number, np.uint8) for number in range(len(times))]
        usual = rate or (len(times) - 1) / (times[-1] - times[0])
        path = write_film(tmp_path / f"{gas}.mkv", frames, usual, times=times)
        films[gas] = open_film(path, PLAIN, offset=offset if gas == "ch4" else 0.0)
    return [
        (round(moment.time, 2), {gas: int(shot.levels[0, 0]) for gas, shot in moment.shots.items()})
        for moment in moments(films)
    ]


def test_frames_of_one_time_belong_together(tmp_path):
    assert pairs(tmp_path, [0, 0.5, 1.0], [0, 0.5, 1.0]) == [
        (0, {"co2": 0, "ch4": 0}),
        (0.5, {"co2": 1, "ch4": 1}),
        (1.0, {"co2": 2, "ch4": 2}),
    ]


def test_another_rate_and_another_length(tmp_path):
    found = pairs(tmp_path, [0, 0.25, 0.5, 0.75], [0, 0.5, 1.0, 1.5])
    assert [ch4.get("ch4") for _, ch4 in found[:4]] == [0, 0, 1, 1]
    assert found[4:] == [(1.5, {"ch4": 3})]  # 1.0 is near enough to 0.75 to have been seen


def test_an_offset_moves_the_second_film(tmp_path):
    found = pairs(tmp_path, [0, 0.5, 1.0, 1.5], [0, 0.5, 1.0, 1.5], offset=1.0)
    assert found == [
        (0, {"co2": 0}),
        (0.5, {"co2": 1}),
        (1.0, {"co2": 2, "ch4": 0}),
        (1.5, {"co2": 3, "ch4": 1}),
        (2.0, {"ch4": 2}),
        (2.5, {"ch4": 3}),
    ]
    earlier = pairs(tmp_path, [0, 0.5, 1.0], [0, 0.5, 1.0], offset=-0.5)
    assert earlier[0] == (-0.5, {"ch4": 0})
    assert earlier[1:] == [(0, {"co2": 0, "ch4": 1}), (0.5, {"co2": 1, "ch4": 2}), (1.0, {"co2": 2})]


def test_a_pause_of_either_film_is_answered_from_the_other(tmp_path):
    steady, paused = [number / 10 for number in range(53)], [0, 0.1, 0.2, 5.0, 5.1]
    together = {0: 0, 1: 1, 2: 2, 50: 3, 51: 4}
    for first, second, names in ((steady, paused, ("co2", "ch4")), (paused, steady, ("ch4", "co2"))):
        expected = [
            (number / 10, {names[0]: number} | ({names[1]: together[number]} if number in together else {}))
            for number in range(53)
        ]
        assert pairs(tmp_path, first, second, rate=10) == expected


def test_films_that_slow_down_still_pair(tmp_path):
    fast = [number / 30 for number in range(60)]
    first, second = ([*fast, *(begin + number / 10 for number in range(40))] for begin in (2.0, 2.04))
    found = pairs(tmp_path, first, second, rate=30)
    # Until five steps were slow, frames 0.04 s apart are further from each other than half a step.
    assert sum(len(names) == 2 for _, names in found) >= 60 + 40 - 5


def paused_film(path, first, second, begin):
    """A film of 10 frames a second: so many, then from a second on so many again."""
    with VideoWriter(path, (64, 48), 10) as writer:
        for time in [*(number / 10 for number in range(first)), *(begin + number / 10 for number in range(second))]:
            writer.write(time, np.full((48, 64, 3), 100, np.uint8))
    return path


def test_a_pause_of_an_mp4_does_not_make_frames_that_are_far_apart_one_moment(tmp_path):
    steady = paused_film(tmp_path / "steady.mp4", 200, 0, 0)
    paused = paused_film(tmp_path / "paused.mp4", 10, 10, 15)
    for names in (("co2", "ch4"), ("ch4", "co2")):
        films = dict(zip(names, (open_film(steady, PLAIN), open_film(paused, PLAIN)), strict=True))
        found = list(moments({gas: films[gas] for gas in ("co2", "ch4")}))
        assert len(found) == 200
        pairs_found = [moment.shots.values() for moment in found if len(moment.shots) > 1]
        assert [[round(shot.time, 3) for shot in shots] for shots in pairs_found] == [
            [time / 10] * 2 for time in (*range(10), *range(150, 160))
        ]
    film = open_film(paused, PLAIN)
    assert (film.rate, film.interval) == (pytest.approx(20 / 16), pytest.approx(0.1))


@pytest.mark.parametrize("rate", [30, 29.97, 7.5])
def test_the_usual_step_is_not_that_of_the_clocks_ticks(tmp_path, rate):
    film = open_film(write_film(tmp_path / "film.mkv", ramps(100), rate=rate), PLAIN)
    assert film.interval == pytest.approx(1 / rate, rel=5e-4)


def test_a_written_film_has_its_times_and_pictures(tmp_path):
    path = tmp_path / "out.mp4"
    with VideoWriter(path, (64, 49), 10) as writer:
        for number in range(5):
            writer.write(0.3 * number, np.full((49, 64, 3), 50 * number, np.uint8))
    _, shots = read(path)
    assert [shot.time for shot in shots] == pytest.approx([0, 0.3, 0.6, 0.9, 1.2], abs=2e-3)
    assert [shot.levels.shape for shot in shots] == [(48, 64)] * 5
    assert [int(shot.levels.mean()) for shot in shots] == pytest.approx([0, 50, 100, 150, 200], abs=3)


def test_a_film_cannot_be_written_where_there_is_no_room(tmp_path):
    with (
        pytest.raises(KerasFusionError, match=r"(.|\n)*where: .*no-such/out.mp4"),
        VideoWriter(tmp_path / "no-such" / "out.mp4", (64, 48), 10) as writer,
    ):
        writer.write(0, np.zeros((48, 64, 3), np.uint8))


def test_a_film_that_is_not_finished_leaves_nothing_and_a_full_disk_is_told_by_the_films_name(tmp_path, monkeypatch):
    path = tmp_path / "out.mp4"
    with pytest.raises(KeyboardInterrupt), VideoWriter(path, (64, 48), 10) as writer:
        writer.write(0, np.zeros((48, 64, 3), np.uint8))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with (
        pytest.raises(KerasFusionError, match=r"no space left(.|\n)*where: .*/out.mp4"),
        VideoWriter(path, (64, 48), 10) as writer,
    ):
        writer.write(0, np.zeros((48, 64, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []

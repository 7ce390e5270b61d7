"""The checksum of large files: what it is, worked out number by number, and what it finds."""

import zlib

import numpy as np
import pytest

from kerasfusion.files import digests
from kerasfusion.files.digests import file_sum32, sum32

ROW = 4072


def by_hand(data: bytes, block: int) -> int:
    crc = 0
    for start in range(0, len(data), block):
        part = data[start : start + block]
        rows = len(part) // ROW
        sums = [0] * 509
        for place in range(0, rows * ROW, 8):
            sums[place // 8 % 509] += int.from_bytes(part[place : place + 8], "little")
        crc = zlib.crc32(b"".join((total % 2**64).to_bytes(8, "little") for total in sums), crc)
        crc = zlib.crc32(part[rows * ROW :], crc)
    return crc


@pytest.mark.parametrize("size", [0, 1, ROW - 1, ROW, ROW + 1, 3 * ROW, 3 * ROW + 5, 7 * ROW + 4071])
def test_the_checksum_is_that_of_the_sums_of_columns(monkeypatch, tmp_path, size):
    monkeypatch.setattr(digests, "_BLOCK", 3 * ROW)
    data = np.random.default_rng(size).bytes(size)
    (tmp_path / "file").write_bytes(data + b"what is behind does not count")
    assert sum32(data) == by_hand(data, 3 * ROW) == file_sum32(tmp_path / "file", size)


@pytest.fixture(scope="module")
def weights():
    """9 MB: two whole blocks and a part of one."""
    return np.random.default_rng(1).normal(size=2_250_001).astype(np.float32).tobytes()


def zeroed(start, end):
    return lambda data: data[:start] + bytes(end - start) + data[end:]


def swapped(a, b, size):
    def swap(data):
        first, second = data[a : a + size], data[b : b + size]
        return data[:a] + second + data[a + size : b] + first + data[b + size :]

    return swap


DAMAGE = {
    "100,000 zeros": zeroed(1_000_000, 1_100_000),
    "one page of zeros": zeroed(4096 * 777, 4096 * 778),
    "a zero at the end": zeroed(8_999_998, 9_000_003),
    "two pages of a block changed places": swapped(4096 * 5, 4096 * 6, 4096),
    "two far pages changed places": swapped(4096 * 5, 4096 * 2000, 4096),
    "two sectors changed places": swapped(512 * 11, 512 * 5000, 512),
    "two blocks changed places": swapped(0, ROW << 10, ROW << 10),
    "two numbers changed places": swapped(4_000_000, 4_000_004, 4),
    "cut": lambda data: data[:-1],
    "longer": lambda data: data + b"\0",
    "backwards": lambda data: data[::-1],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_not_the_same_has_another_checksum(weights, damage):
    other = DAMAGE[damage](weights)
    assert other != weights
    assert sum32(other) != sum32(weights)


def test_every_flipped_bit_is_found(weights):
    sound = sum32(weights)
    for place in np.random.default_rng(2).integers(0, 8 * len(weights), 40):
        data = bytearray(weights)
        data[place // 8] ^= 1 << place % 8
        assert sum32(data) != sound

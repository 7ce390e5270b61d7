import zlib
from itertools import chain

import numpy as np
import pytest

from kerasfusion.errors import DamagedError, KerasFusionError
from kerasfusion.images.stored_arrays import StoredArray, epoch_batches, plain_batches, stored_array
from kerasfusion.parallel import ordered_map

ROWS = np.arange(10 * 3, dtype=np.float32).reshape(10, 3)


def store(path, values):
    return stored_array(path, values.shape, str(values.dtype), lambda: iter((values,)), "rows")


def gather(numbers):
    return {"row": ROWS[numbers], "number": numbers}


def batches(epochs, seed=1, **options):
    return [
        batch["number"].tolist() for batch in epoch_batches(gather, 10, 4, seed, epochs, **options).as_numpy_iterator()
    ]


def test_every_epoch_holds_every_row_once_in_an_order_of_its_own():
    found = batches(range(2))
    assert [len(batch) for batch in found] == [4, 4, 2] * 2
    first, second = (list(chain.from_iterable(part)) for part in (found[:3], found[3:]))
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert batches(range(2)) == found
    assert batches(range(2), seed=2) != found


def test_an_epoch_does_not_depend_on_where_the_run_began():
    assert batches(range(1, 3)) == batches(range(3))[3:]


def test_the_transform_gets_a_seed_that_only_epoch_and_batch_determine():
    def seeds(epochs):
        dataset = epoch_batches(gather, 10, 4, 1, epochs, transform=lambda arrays, seed: {"seed": seed})
        return [tuple(batch["seed"]) for batch in dataset.as_numpy_iterator()]

    whole = seeds(range(3))
    assert len(set(whole)) == 9
    assert seeds(range(2, 3)) == whole[6:]


def test_plain_batches_are_all_rows_in_order():
    found = list(plain_batches(gather, 10, 4).as_numpy_iterator())
    np.testing.assert_array_equal(np.concatenate([batch["row"] for batch in found]), ROWS)
    assert found[0]["row"].dtype == np.float32


def test_stored_array_is_worked_out_once_and_read_from_disk(tmp_path):
    calls = []

    def blocks():
        calls.append(1)
        return iter((ROWS[:4], ROWS[4:]))

    for _ in range(2):
        found = stored_array(tmp_path / "rows.npy", ROWS.shape, "float32", blocks, "rows")
        assert (found.shape, found.dtype, len(found)) == ((10, 3), np.float32, 10)
        numbers = np.array([7, 0, 9, 0])
        np.testing.assert_array_equal(found.take(numbers), ROWS[numbers])
    assert len(calls) == 1
    np.testing.assert_array_equal(np.load(tmp_path / "rows.npy"), ROWS)


@pytest.mark.parametrize("shape", [(4,), (4, 2, 3, 3)])
def test_rows_of_any_rank_come_back_as_they_are_kept(tmp_path, shape):
    values = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    store(tmp_path / "rows.npy", values)
    found = StoredArray(tmp_path / "rows.npy").take(np.array([3, 1]))
    np.testing.assert_array_equal(found, values[[3, 1]])
    assert found.dtype == np.uint8


@pytest.mark.parametrize("keep", [0, 40, -20])
def test_a_stored_array_that_is_cut_short_is_refused(tmp_path, keep):
    """Also when that happens after it was opened: a memory map would end the process."""
    path = tmp_path / "rows.npy"
    store(path, ROWS)
    opened = StoredArray(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DamagedError, match=r"damaged(.|\n)*delete this file"):
        StoredArray(path)
    with pytest.raises(DamagedError, match="damaged"):
        opened.take(np.array([9]))


@pytest.mark.parametrize(
    ("place", "data"), [(-20, bytes(4)), (140, b"\x01"), (128, bytes(100)), (-3, b"0"), (10, b"{'x"), (0, b"\x92")]
)
def test_a_stored_array_with_other_bytes_is_refused(tmp_path, place, data):
    path = tmp_path / "rows.npy"
    rows = store(path, ROWS + 1).take(np.arange(10))
    np.testing.assert_array_equal(rows, ROWS + 1)
    written = bytearray(path.read_bytes())
    written[place : place + len(data) or None] = data
    path.write_bytes(written)
    with pytest.raises(DamagedError, match="damaged"):
        store(path, ROWS)
    path.unlink()  # as it says
    np.testing.assert_array_equal(store(path, ROWS).take(np.arange(10)), ROWS)


def test_a_stored_array_of_another_type_is_refused(tmp_path):
    path = tmp_path / "rows.npy"
    store(path, np.zeros((4, 3), np.uint8))
    path.write_bytes(path.read_bytes().replace(b"|u1", b"|i1"))
    with pytest.raises(DamagedError, match="damaged"):
        StoredArray(path)
    path.unlink()
    store(path, np.zeros((4, 3), np.int8))  # whole, but not what is asked for
    with pytest.raises(DamagedError, match="damaged"):
        store(path, np.zeros((4, 3), np.uint8))


def test_the_end_is_the_crc_of_all_that_is_before_it(tmp_path):
    store(tmp_path / "rows.npy", ROWS)
    body, digits = (tmp_path / "rows.npy").read_bytes().rsplit(b"crc32 ", 1)
    assert int(digits, 16) == zlib.crc32(body)
    np.save(tmp_path / "plain.npy", ROWS)
    assert body == (tmp_path / "plain.npy").read_bytes()


def test_a_stored_array_of_an_older_version_is_made_again(tmp_path):
    np.save(tmp_path / "rows.npy", ROWS)
    np.testing.assert_array_equal(store(tmp_path / "rows.npy", ROWS + 1).take(np.arange(10)), ROWS + 1)


def test_an_interrupted_store_leaves_nothing(tmp_path):
    def blocks():
        yield ROWS[:4]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stored_array(tmp_path / "rows.npy", ROWS.shape, "float32", blocks, "rows")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path):
    def blocks():
        yield ROWS[:4]
        raise OSError(28, "No space left on device")

    with pytest.raises(KerasFusionError, match="no space left"):
        stored_array(tmp_path / "rows.npy", ROWS.shape, "float32", blocks, "rows")
    assert list(tmp_path.iterdir()) == []


def test_ordered_map_keeps_the_order_and_reads_ahead_by_no_more_than_asked():
    taken = []

    def items():
        for number in range(50):
            taken.append(number)
            yield number

    found = ordered_map(lambda number: number * 2, items(), ahead=5)
    assert next(found) == 0
    assert len(taken) <= 5
    assert list(found) == list(range(2, 100, 2))


def test_ordered_map_raises_where_the_result_is_due():
    found = ordered_map(lambda number: 6 // number, [2, 0, 3])
    assert next(found) == 3
    with pytest.raises(ZeroDivisionError):
        next(found)

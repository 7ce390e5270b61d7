"""A function of many items on a cluster gives what it gives here, in the same order."""

import time
from functools import partial

import pytest

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.roadwork.cluster import mapping
from kerasfusion.roadwork.cluster.carried_files import carry
from kerasfusion.roadwork.cluster.mapping import cluster_map, map_on
from kerasfusion.roadwork.cluster.node_check import Needs
from tests.roadwork.cluster.cluster_material import OwnCluster, use

NOTHING = Needs({}, {})


def power(number, exponent):
    time.sleep(0.02 if number % 5 == 0 else 0)  # parts do not end in their order
    return number**exponent


def refuses(number):
    raise KerasFusionError(f"no room for {number}")


@pytest.fixture
def three(monkeypatch):
    monkeypatch.setattr(mapping, "AT_A_TIME", 4)
    return use(OwnCluster("a", "b", "c"), monkeypatch)


@pytest.mark.parametrize("on", ["local", "auto"])
@pytest.mark.parametrize("count", [0, 1, 4, 41])
def test_results_come_in_order(three, on, count):
    found = list(map_on(on, partial(power, exponent=3), list(range(count)), NOTHING))
    assert found == [number**3 for number in range(count)]
    assert all(opened <= 1 for opened in three.opened.values())


def test_nothing_is_opened_for_no_items(three):
    assert list(map_on("auto", power, [], NOTHING)) == []
    assert set(three.opened.values()) == {0}


def test_what_a_function_raises_comes_home(three):
    with pytest.raises(KerasFusionError, match=r"no room for \d"):
        list(map_on("auto", refuses, [1, 2], NOTHING))


def test_an_unfit_machine_is_refused_before_anything_is_done(three, tmp_path):
    three.writable["b"] = {str(tmp_path): False}
    with pytest.raises(RequestError, match=f"OUT: {tmp_path} is no folder to write to"):
        list(map_on("auto", power, [1], Needs({}, {"OUT": tmp_path})))


class Counts:
    """The bytes of a carried file beside each item."""

    def __init__(self, folder, name, factor):
        self._size = len((folder / name).read_bytes()) * factor

    def work(self, items):
        return [(item, self._size, len(items)) for item in items]


def test_a_workers_object_finds_the_carried_files(three, tmp_path):
    (tmp_path / "model.keras").write_bytes(b"12345")
    carried = [carry([tmp_path / "model.keras"])]
    found = list(cluster_map("auto", Counts, ("model.keras", 2), list("abcde"), NOTHING, carried, at_a_time=3))
    assert found == [("a", 10, 3), ("b", 10, 3), ("c", 10, 3), ("d", 10, 2), ("e", 10, 2)]

"""What a pool of workers does when one is refused, dies or joins late: told without Ray."""

import threading

import pytest

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.roadwork.cluster import pool as pool_module
from kerasfusion.roadwork.cluster.pool import Pool
from kerasfusion.roadwork.cluster.ray_library import WorkerDied
from tests.roadwork.cluster.cluster_material import OwnCluster


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(pool_module, "LOOK_S", 0.02)


def run(cluster, ask, tasks, check=lambda node: None, opening=lambda worker: worker.node.name):
    """What came of the tasks in their order, what `open` gave, and the lines that were told."""
    told = []
    with Pool(cluster, check, opening, ask, told.append) as pool:
        first = pool.open()
        done = dict(pool.map(tasks))
    return [done[task] for task in tasks], first, told


def dies(of):
    raise WorkerDied(of)


@pytest.mark.parametrize("names", ["a", "ab", "abcde"])
def test_all_tasks_are_done_whatever_the_number_of_nodes(names):
    cluster = OwnCluster(*names)
    values, first, told = run(cluster, lambda worker, task: task * task, list(range(20)))
    assert values == [number * number for number in range(20)]
    assert first in names
    assert told == []
    assert set(cluster.opened.values()) == {1}


def test_one_pool_does_several_lots_with_the_same_workers():
    cluster = OwnCluster("a")
    with Pool(cluster, lambda node: None, lambda worker: None, lambda worker, task: -task, print) as pool:
        pool.open()
        assert dict(pool.map([1, 2])) == {1: -1, 2: -2}
        assert dict(pool.map([])) == {}
        assert dict(pool.map([3])) == {3: -3}
    assert cluster.opened == {"a": 1}


def test_a_dead_workers_task_is_done_again_by_its_successor():
    deaths = iter([True])

    def ask(worker, task):
        if task == 1 and next(deaths, False):
            dies("out of memory")
        return f"{task} done"

    cluster = OwnCluster("a")
    values, _, told = run(cluster, ask, [0, 1, 2])
    assert values == ["0 done", "1 done", "2 done"]
    assert told == ["the worker on a died and is replaced; what it was at is done again (out of memory)"]
    assert cluster.opened == {"a": 2}


def test_a_nodes_task_goes_to_another_when_the_node_is_gone():
    cluster = OwnCluster("a", "b")
    both = threading.Barrier(2, timeout=10)
    done_by = []

    def ask(worker, task):
        if not done_by and "b" in cluster.names:
            both.wait()  # one task each
        if worker.node.name == "b":
            cluster.names.remove("b")
            dies("no heartbeat")
        done_by.append(worker.node.name)
        return task

    values, _, told = run(cluster, ask, list(range(6)))
    assert values == list(range(6))
    assert done_by == ["a"] * 6
    assert told == ["b is not worked on any more: the machine is gone (no heartbeat)"]


def test_a_node_whose_workers_die_one_after_the_other_is_left_to_the_others():
    cluster = OwnCluster("a", "b")

    def opening(worker):
        if worker.node.name == "b":
            dies("killed for its memory")

    gate = threading.Event()
    told = []

    def tell(line):
        told.append(line)
        if "one after the other" in line:
            gate.set()

    with Pool(cluster, lambda node: None, opening, lambda worker, task: gate.wait(10), tell) as pool:
        pool.open()
        assert len(list(pool.map([1, 2]))) == 2
    assert cluster.opened == {"a": 1, "b": 3}
    assert told[-1] == "b is not worked on any more: its workers die one after the other (killed for its memory)"


def test_a_task_that_no_worker_survives_ends_the_run_and_is_named():
    def ask(worker, task):
        return dies("signal 9") if task == "train-00002.tfrecord" else task

    with pytest.raises(KerasFusionError, match=r"3 workers died .* same task, train-00002\.tfrecord: signal 9"):
        run(OwnCluster("a", "b"), ask, ["train-00001.tfrecord", "train-00002.tfrecord"])


def test_without_any_node_left_the_run_ends_and_says_why():
    cluster = OwnCluster("a")

    def ask(worker, task):
        cluster.names.clear()
        dies("the node died")

    with pytest.raises(KerasFusionError, match=r"no machine .* left to work on: a: the node died(.|\n)*run the same"):
        run(cluster, ask, [1, 2])


def test_a_node_that_dies_before_it_is_ready_does_not_keep_the_others_waiting():
    def check(node):
        if node.name == "b":
            dies("gone")

    assert run(OwnCluster("a", "b"), lambda worker, task: task, [1], check)[0] == [1]


def test_a_cluster_without_nodes_is_a_wrong_request():
    with pytest.raises(RequestError, match=r"no node with a processor(.|\n)*ray start --address"):
        run(OwnCluster(), lambda worker, task: task, [1])


def test_a_refused_node_ends_the_run_before_it_begins():
    asked = []

    def check(node):
        if node.name == "b":
            raise RequestError("keras is another")

    with pytest.raises(RequestError, match="keras is another"):
        run(OwnCluster("a", "b"), lambda worker, task: asked.append(task), [1], check)
    assert asked == []


def test_a_late_node_helps_and_a_late_refused_one_is_told():
    cluster = OwnCluster("a")
    helped = threading.Event()
    refused = threading.Event()

    def check(node):
        if node.name == "c":
            refused.set()
            raise RequestError("keras is another")

    def ask(worker, task):
        if worker.node.name == "a":
            cluster.names[:] = ["a", "b", "c"]
            assert helped.wait(10)
            assert refused.wait(10)
        else:
            helped.set()
        return worker.node.name

    values, _, told = run(cluster, ask, [1, 2, 3], check)
    assert "b" in values
    assert sorted(told)[:2] == ["b joins", "c is not worked on: keras is another"]


@pytest.mark.parametrize("error", [KerasFusionError("no space left on the disk"), ValueError("a bug")])
def test_what_a_worker_raises_ends_the_run(error):
    def ask(worker, task):
        raise error

    with pytest.raises(type(error), match=str(error)):
        run(OwnCluster("a", "b"), ask, [1, 2, 3])

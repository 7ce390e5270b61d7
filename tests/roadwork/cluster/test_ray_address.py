"""What `--on` takes, and what is said where no cluster answers."""

import socket
import sys
from types import SimpleNamespace

import pytest

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.roadwork.cluster.ray_library import Cluster, connected, refuse_other_address
from tests.material.odd_commands import invoke


@pytest.mark.parametrize("address", ["local", "auto", "ray://head:10001", "ray://10.0.0.7:10001", "ray://head"])
def test_addresses_of_clusters(address):
    refuse_other_address(address)


@pytest.mark.parametrize(
    "address", ["", "Local", "head:10001", "http://head:10001", "ray://", "ray://head:port", "ray://head:10001/x"]
)
def test_other_texts_name_no_cluster(address):
    with pytest.raises(RequestError, match=r"names no cluster(.|\n)*local, auto .*ray://HOST:10001"):
        refuse_other_address(address)


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RequestError, match=r"needs ray, which is not installed(.|\n)*\[ray\]"), connected("auto"):
        pass


def test_a_port_where_nothing_listens_is_said_at_once():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"ray://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(RequestError, match=r"no Ray cluster answers(.|\n)*ray start --head"), connected(address):
            pass


@pytest.mark.parametrize(("failures", "begins"), [(0, True), (2, True), (3, False)])
def test_a_session_is_asked_for_thrice_and_then_is_no_missing_cluster(monkeypatch, failures, begins):
    answer = "Initialization failure from server:\nTraceback (most recent call):\nRuntimeError: Starting it failed."
    tried = []

    def init(*arguments, **options):
        tried.append(arguments)
        if len(tried) <= failures:
            raise ConnectionError(answer)

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=init, shutdown=lambda: None))
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"ray://127.0.0.1:{server.getsockname()[1]}"
        if begins:
            with connected(address) as cluster:
                assert isinstance(cluster, Cluster)
        else:
            said = r"RuntimeError: Starting it failed(.|\n)*again"
            with pytest.raises(KerasFusionError, match=said) as caught, connected(address):
                pass
            assert not isinstance(caught.value, RequestError)
    assert len(tried) == min(failures + 1, 3)


def test_a_cluster_of_another_version_is_refused(monkeypatch):
    def init(*arguments, **options):
        raise RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.9.0\n    Python: 3.11.7")

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=init))
    with pytest.raises(RequestError, match=r"another version .* Ray: 2\.9\.0 Python: 3\.11\.7"), connected("auto"):
        pass


class TaskError(ConnectionError):
    """As Ray makes one of what a worker raises: of both classes."""


EXCEPTIONS = SimpleNamespace(RaySystemError=RuntimeError, RayTaskError=TaskError)


@pytest.mark.parametrize("error", [ValueError("Cannot invoke RPC on closed channel!"), ConnectionError("it is gone")])
def test_a_head_node_that_is_gone_is_said_in_a_sentence(error):
    def nodes():
        raise error

    ray = SimpleNamespace(nodes=nodes, exceptions=EXCEPTIONS)
    with pytest.raises(KerasFusionError, match=rf"head node no longer answers: {error}(.|\n)*start it again"):
        Cluster(ray).nodes()


@pytest.mark.parametrize("error", [ValueError("not a number"), TaskError("a worker could not reach a photo")])
def test_another_error_is_not_taken_for_a_lost_cluster(error):
    def nodes():
        raise error

    ray = SimpleNamespace(nodes=nodes, exceptions=EXCEPTIONS)
    with pytest.raises(type(error), match=str(error)):
        Cluster(ray).nodes()


def test_a_wrong_request_leaves_no_cache(tmp_path):
    done = invoke("precompute", "--cache", tmp_path / "cache", "--on", "elsewhere")
    assert done.code == 2, done.output
    assert "--on elsewhere" in done.output
    assert not (tmp_path / "cache").exists()

"""precompute on two raylets of this machine: the cache of one machine to the byte, whatever dies meanwhile."""

import shutil
import threading
import time

import pytest

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.roadwork.precompute import on_cluster
from kerasfusion.roadwork.precompute.job import precompute
from tests.material.ray_cluster import RayCluster
from tests.material.s3_server import BUCKET, fetch, s3_server, send
from tests.roadwork.precompute.gated_filler import GatedFiller

pytestmark = pytest.mark.cluster

SECONDS = 120
"""How long a step may take on a machine that has much else to do."""


@pytest.fixture(scope="module")
def asked():
    """What the S3 server of this file was asked."""
    with s3_server() as asked:
        yield asked


@pytest.fixture(scope="module")
def cluster(asked):
    """Its machines find the S3 server by the variables that are set for it."""
    with RayCluster() as cluster:
        yield cluster


def tree(folder):
    """Every file of a cache with its digest: also what should not be there."""
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in folder.rglob("*") if path.is_file()}


class Run(threading.Thread):
    """A precompute under way."""

    def __init__(self, config, address):
        super().__init__(daemon=True)
        self._config, self._address, self.error = config, address, None

    def run(self):
        try:
            precompute(self._config, skip_unreadable=True, on=self._address)
        except BaseException as error:  # for `ended`
            self.error = error

    def until(self, condition):
        """Wait for something that the run brings about."""
        deadline = time.monotonic() + SECONDS
        while not (found := condition()):
            assert self.error is None, self.error
            assert time.monotonic() < deadline, "it took too long"
            time.sleep(0.05)
        return found

    def ended(self):
        self.join(SECONDS)
        assert not self.is_alive(), "it took too long"
        assert self.error is None, self.error


@pytest.fixture
def by_one_machine(make_config, photos, tmp_path, yolo_in_this_process):
    """The configuration of a cache that this process has filled, with a photo that cannot be read."""
    broken = shutil.copytree(photos, tmp_path / "photos") / "val" / "roadwork" / "broken.jpg"
    broken.write_bytes(b"no photo")
    config = make_config(tmp_path / "alone", f"data.root={tmp_path / 'photos'}")
    precompute(config, skip_unreadable=True)
    return config


def test_late_killed_and_lost_machines_change_no_byte(
    make_config, by_one_machine, cluster, tmp_path, monkeypatch, capfd
):
    monkeypatch.setattr(on_cluster, "ShardFiller", GatedFiller)
    config, gate = make_config(tmp_path, f"data.root={tmp_path / 'photos'}"), tmp_path / "gate"
    gate.mkdir()
    cached = by_one_machine
    # What a driver leaves that was killed: a manifest, a shard, and another that was being written.
    folder = config.cache.folder
    shutil.copytree(cached.cache.folder, folder)
    manifest = (cached.cache.folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(manifest.replace('"complete": true', '"complete": false'))
    for path in folder.rglob("*.tfrecord"):
        path.unlink() if path.name != "train-00001.tfrecord" else None
    (folder / "shards" / ".partial-1-train-00000.tfrecord").write_bytes(b"half a shard")
    made = (folder / "shards" / "train-00001.tfrecord").stat().st_mtime_ns

    def at_work(but=()):
        return {int(path.name.split("-")[0]) for path in gate.iterdir()} - set(but)

    run = Run(config, cluster.address)
    run.start()
    first = run.until(at_work)
    second = cluster.add_node()
    late = run.until(lambda: at_work(first))
    (worker,) = cluster.workers(second)
    assert late == {worker.pid}
    worker.kill()
    run.until(lambda: at_work(first | late))
    cluster.kill_node(second)
    (gate / "open").touch()
    run.ended()
    assert tree(folder) == tree(cached.cache.folder)
    assert (folder / "shards" / "train-00001.tfrecord").stat().st_mtime_ns == made
    told = capfd.readouterr().err
    assert "joins" in told
    assert "died and is replaced" in told


def test_a_machine_with_another_keras_is_refused_by_name(make_config, cluster, tmp_path):
    package = tmp_path / "older" / "keras-3.1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: keras\nVersion: 3.1.0\n")
    number = cluster.add_node(PYTHONPATH=str(package.parent))
    config = make_config(tmp_path)
    run = Run(config, cluster.address)
    run.start()
    run.join(SECONDS)
    cluster.kill_node(number)
    assert isinstance(run.error, RequestError)
    assert "keras: 3.1.0 there" in run.error.what
    assert not config.cache.folder.exists()


def test_workers_read_and_write_at_an_address(make_config, by_one_machine, cluster, asked, tmp_path):
    photos = send(by_one_machine.data.root, "photos")
    config = make_config(tmp_path, f"data.root={photos}", f"cache.folder=s3://{BUCKET}/cache")
    second = cluster.add_node()
    asked.requests.clear()
    run = Run(config, cluster.address)
    run.start()
    run.ended()
    cluster.kill_node(second)
    assert tree(fetch("cache", tmp_path / "brought")) == tree(by_one_machine.cache.folder)
    made, read = asked.counts("PUT", "cache/shards"), asked.counts("GET", ".jpg")
    assert len(made) == 3 + 2 + 2 and set(made.values()) == {1}
    assert len(read) == 24 + 13 + 12 and set(read.values()) == {1}
    assert not (tmp_path / "cache").exists()


def test_doctor_says_which_machine_does_not_reach_an_address(make_config, photos, cluster, asked, tmp_path):
    root = send(photos, "seen")
    config = make_config(tmp_path, f"data.root={root}", f"cache.folder=s3://{BUCKET}/cache")
    other = cluster.add_node(AWS_ENDPOINT_URL="http://127.0.0.1:9", AWS_MAX_ATTEMPTS="1")
    findings = on_cluster.describe_machines(cluster.address, config)  # maybe also of a node that has just died
    cluster.kill_node(other)
    (unfit,) = [finding for finding in findings if "EndpointConnectionError" in finding.found]
    assert [finding for finding in findings if finding.found.endswith("sees data.root and cache.folder")]
    assert f"data.root: {root}/" in unfit.found and f"cache.folder: s3://{BUCKET}/cache" in unfit.found
    assert "does not answer as it should: EndpointConnectionError" in unfit.found
    assert "set credentials and endpoint" in unfit.todo

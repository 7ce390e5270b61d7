"""`data check`, `data challenge`, `predict`, `evaluate` and `doctor` with --on say what they say without."""

import json
import shutil

import pytest

from kerasfusion.address import Address
from kerasfusion.files.digests import file_sha256
from tests.material.odd_commands import invoke
from tests.material.photo_reader import save_photo_reader
from tests.roadwork.cluster.cluster_material import OwnCluster, use

pytestmark = pytest.mark.commands

ON = ("--on", "auto")


@pytest.fixture
def cluster(monkeypatch):
    return use(OwnCluster("a", "b"), monkeypatch)


@pytest.fixture
def root(photos, tmp_path):
    """48 photos and one that cannot be read."""
    root = shutil.copytree(photos, tmp_path / "set")
    (root / "test" / "roadwork" / "broken.jpg").write_bytes(b"no photo")
    return root


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_photo_reader(tmp_path_factory.mktemp("model") / "fusion.keras")


def same(*arguments, code):
    """What a command prints, here and on the cluster."""
    here, there = invoke(*arguments), invoke(*arguments, *ON)
    assert (here.code, there.code) == (code, code), there.output
    return here.output, there.output


def told(output):
    """Without the lines about progress, which tell times."""
    return [line for line in output.splitlines() if not line.endswith(" s")]


def test_data_check(cluster, root):
    here, there = same("data", "check", root, "--json", code=1)
    assert told(there) == told(here)
    assert "broken.jpg" in there
    assert cluster.opened == {"a": 1, "b": 1}


def test_data_challenge(cluster, root, tmp_path):
    outs = [tmp_path / "here", tmp_path / "there"]
    for out, on in zip(outs, [(), ON], strict=True):
        done = invoke("data", "challenge", root, out, "--views", 2, *on)
        assert done.code == 1, done.output
        assert "broken.jpg" in done.output
    trees = [{path.relative_to(out): file_sha256(path) for path in out.rglob("*.*") if path.is_file()} for out in outs]
    assert len(trees[0]) == 2 * 48 + 1
    assert trees[0] == trees[1]


def test_predict(cluster, root, model):
    names = ("predict", model, root / "test" / "roadwork", "--json", "--batch", 2)
    here, there = same(*names, code=1)
    assert [json.loads(line) for line in there.splitlines()] == [json.loads(line) for line in here.splitlines()]
    assert len(here.splitlines()) == 7


@pytest.fixture
def sent(root, monkeypatch, tmp_path):
    """The same photos at an address, with a home folder of one test."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    address = Address(f"memory://{tmp_path.name}/set")
    for path in root.rglob("*.jpg"):
        (address / path.relative_to(root).as_posix()).write_bytes(path.read_bytes())
    return address


def test_data_check_at_an_address(cluster, root, sent):
    here = invoke("data", "check", root, "--json")
    for there in same("data", "check", sent, "--json", code=1):
        assert [line for line in told(there) if "root" not in line.split(":")[0]] == [
            line for line in told(here.output) if "root" not in line.split(":")[0]
        ]


def test_predict_at_an_address(cluster, root, sent, model):
    here = invoke("predict", model, root / "test" / "roadwork", "--json", "--batch", 2)
    expected = [json.loads(line) for line in here.output.replace(str(root), str(sent)).splitlines()]
    for there in same("predict", model, sent / "test" / "roadwork", "--json", "--batch", 2, code=1):
        assert [json.loads(line) for line in there.splitlines()] == expected
    one = invoke("predict", model, sent / expected[1]["image"].removeprefix(f"{sent}/"), "--json")
    assert json.loads(one.output)["image"] == expected[1]["image"]
    nothing = invoke("predict", model, sent / "nothing")
    assert nothing.code == 2 and "there is no photo at this address" in nothing.output


def test_evaluate_at_an_address(cluster, root, sent, model, tmp_path):
    kept = []
    for data, on in ((root, ()), (sent, ()), (sent, ON)):
        kept.append(tmp_path / f"kept-{len(kept)}")
        done = invoke("evaluate", model, "--data", data, "--batch", 3, "--json", "--out", kept[-1], *on)
        assert done.code == 0, done.output
    for name in ("metrics.json", "predictions_test.csv"):
        assert len({(folder / name).read_text() for folder in kept}) == 1, name
    told = [json.loads((folder / "evaluated.json").read_text())["test"]["data_root"] for folder in kept]
    assert told == [str(root), str(sent), str(sent)]
    copies = list((tmp_path / "home").rglob("*.jpg"))
    assert len(copies) == len(list((root / "test").rglob("*.jpg")))  # on the cluster nothing was brought


def test_standard_input_is_of_one_machine(cluster, model):
    done = invoke("predict", model, "-", *ON)
    assert done.code == 2
    assert "standard input is of this machine alone" in done.output


def test_evaluate(cluster, root, model, tmp_path):
    arguments = ("evaluate", model, "--data", root, "--set", "views.count=2", "--batch", 3, "--json")
    kept = [tmp_path / "here", tmp_path / "there"]
    for folder, on in zip(kept, [(), ON], strict=True):
        done = invoke(*arguments, "--out", folder, *on)
        assert done.code == 0, done.output
    for name in ("metrics.json", "predictions_test.csv"):
        here, there = ((folder / name).read_text() for folder in kept)
        assert here == there, name


def test_the_vit_alone_is_not_sent(cluster, root):
    done = invoke("evaluate", "--default-only", "--data", root, *ON)
    assert done.code == 2
    assert "a cluster is sent a model's file" in done.output


def test_doctor_tells_of_each_machine(cluster, root, tmp_path):
    cluster.versions["b"] = {"keras": "3.1.0"}
    settings = ("--set", f"data.root={root}", "--set", f"cache.folder={tmp_path / 'cache'}")
    done = invoke("doctor", *settings, *ON, "--json")
    assert done.code == 1
    a, b = json.loads(done.output)["findings"]["cluster"]
    assert (a["about"], a["status"]) == ("a", "ok")
    assert a["found"].endswith("the same packages; sees data.root and cache.folder")
    assert (b["about"], b["status"]) == ("b", "missing")
    assert "keras: 3.1.0 there" in b["found"]


def test_doctor_of_fume_has_no_cluster(cluster):
    done = invoke("doctor", "--set", "system=fume", *ON)
    assert done.code == 2
    assert "a cluster works for roadwork alone" in done.output

"""Which machines of a cluster are refused, and what is said of them."""

import pytest

from kerasfusion.address import Address
from kerasfusion.errors import RequestError
from kerasfusion.roadwork.cluster.node_check import Needs, other_versions, refuse_unfit, versions_here
from tests.roadwork.cluster.cluster_material import OwnCluster, node

HERE = {"keras": "3.15.1", "tensorflow": "2.21.0", "torch": "2.9.0+cpu", "ultralytics": "8.4.190"}


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ({}, []),
        ({"keras": "3.14.0"}, ["keras: 3.14.0 there, 3.15.1 here"]),
        ({"ultralytics": None}, ["ultralytics: not installed there, 8.4.190 here"]),
        ({"torch": "2.9.0"}, []),
        ({"torch": "2.8.0+cpu"}, ["torch: 2.8.0 there, 2.9.0 here"]),
        ({"tensorflow": None, "tensorflow-cpu": "2.21.0"}, []),
        ({"tensorflow": None, "tensorflow-cpu": "2.20.0"}, ["tensorflow: 2.20.0 there, 2.21.0 here"]),
        ({"ray": "1.0"}, []),
    ],
)
def test_packages_that_decide_answers_are_compared(there, said):
    assert other_versions(HERE, HERE | there) == said


@pytest.fixture
def needs(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"photo")
    return Needs({"data.root": [tmp_path / "photo.jpg", tmp_path / "gone.jpg"]}, {"cache.folder": tmp_path})


def test_a_machine_like_this_one_is_fit(needs):
    refuse_unfit(OwnCluster("a"), node("a"), needs)


def test_other_packages_are_all_named_with_the_machine(needs):
    cluster = OwnCluster("a")
    cluster.versions["a"] = {"keras": "3.1.0", "ultralytics": None}
    ours = versions_here()
    with pytest.raises(RequestError) as caught:
        refuse_unfit(cluster, node("a"), needs)
    assert f"keras: 3.1.0 there, {ours['keras']} here" in caught.value.what
    assert f"ultralytics: not installed there, {ours['ultralytics']} here" in caught.value.what
    assert caught.value.where == "a"


@pytest.mark.parametrize(("size", "said"), [(None, "is not there"), (4, "is another file")])
def test_a_photo_that_it_does_not_see_is_named(needs, tmp_path, size, said):
    cluster = OwnCluster("a")
    photo = str(tmp_path / "photo.jpg")
    cluster.sizes["a"] = {photo: size}
    with pytest.raises(RequestError) as caught:
        refuse_unfit(cluster, node("a"), needs)
    assert f"data.root: {photo} {said}" in caught.value.what
    assert "cache.folder" not in caught.value.what


PHOTO, CACHE = Address("s3://bucket/photos/a.jpg", 7), Address("s3://bucket/cache")


def test_an_address_that_it_does_not_reach_is_named_with_the_reason():
    cluster = OwnCluster("a")
    cluster.sizes["a"], cluster.writable["a"] = {str(PHOTO): None}, {str(CACHE): False}
    cluster.reasons["a"] = {str(PHOTO): "there are no credentials", str(CACHE): "access is refused"}
    with pytest.raises(RequestError) as caught:
        refuse_unfit(cluster, node("a"), Needs({"data.root": [PHOTO]}, {"cache.folder": CACHE}))
    assert f"data.root: {PHOTO} there are no credentials" in caught.value.what
    assert f"cache.folder: {CACHE} access is refused" in caught.value.what
    assert "set credentials and endpoint before `ray start`" in caught.value.todo


def test_another_file_at_an_address_is_named():
    cluster = OwnCluster("a")
    refuse_unfit(cluster, node("a"), Needs({"data.root": [PHOTO]}, {}))
    cluster.sizes["a"] = {str(PHOTO): 8}  # another endpoint has a bucket of this name
    with pytest.raises(RequestError, match=f"data.root: {PHOTO} is another file"):
        refuse_unfit(cluster, node("a"), Needs({"data.root": [PHOTO]}, {}))


def test_a_folder_that_it_cannot_write_to_is_named(needs, tmp_path):
    cluster = OwnCluster("a")
    cluster.writable["a"] = {str(tmp_path): False}
    with pytest.raises(RequestError, match=f"cache.folder: {tmp_path} is no folder to write to"):
        refuse_unfit(cluster, node("a"), needs)

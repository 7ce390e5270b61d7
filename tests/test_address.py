"""Addresses: what they name, what is asked of a server for it, and what is said where it cannot be had."""

import os
import re
import sys
from pathlib import Path, PurePosixPath

import pytest
from fsspec.registry import _registry

from kerasfusion import address
from kerasfusion.address import Address, is_address, place
from kerasfusion.errors import KerasFusionError, RequestError
from tests.material.s3_server import BUCKET, s3_server, system

pytestmark = pytest.mark.commands  # what speaks to addresses takes seconds to start


@pytest.fixture(scope="module")
def asked():
    """What the server of this file was asked."""
    with s3_server() as asked:
        yield asked


@pytest.fixture
def fresh():
    """Nothing that other tests have connected to is used."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    address._file_system.cache_clear()
    yield
    s3fs.S3FileSystem.clear_instance_cache()
    address._file_system.cache_clear()


def test_a_setting_is_an_address_or_a_path():
    assert place("s3://bucket/photos/") == Address("s3://bucket/photos")
    assert place("GS://bucket/a b/ü") == Address("gs://bucket/a b/ü")
    assert place("data/roadwork") == Path("data/roadwork")
    assert place("file:///data/road%20work") == Path("/data/road work")
    assert place(Path("x")) == Path("x")
    assert [is_address(text) for text in ("s3://b", "C:\\photos", "c://photos", "s3:/b", "a/s3://b")] == [
        True,
        False,
        False,
        False,
        False,
    ]
    for wrong in ("s3://", "s3:///", 5, None):
        with pytest.raises(ValueError, match="Input should"):
            place(wrong)


def test_an_address_has_the_parts_that_a_path_has():
    photo = Address("s3://bucket/photos") / "train/roadwork/a.b.JPG"
    assert str(photo) == "s3://bucket/photos/train/roadwork/a.b.JPG"
    assert (photo.name, photo.suffix, photo.parent.name) == ("a.b.JPG", ".JPG", "roadwork")
    assert photo.relative_to(Address("s3://bucket/photos")) == PurePosixPath("train/roadwork/a.b.JPG")
    assert Address("s3://bucket/x", 3, "v") == Address("s3://bucket/x")


NAMES = ["a #1?x%20&+.jpg", "ü/ß.jpg", "deep/er/b.jpg", "c.jpg"]


def test_what_is_written_is_read_and_listed(asked):
    root = Address(f"s3://{BUCKET}/parts")
    assert not (root / "c.jpg").exists()
    assert root.files() == root.folders() == []
    for number, name in enumerate(NAMES):
        (root / name).write_bytes(b"x" * number)
    assert [(root / name).read_bytes() for name in NAMES] == [b"", b"x", b"xx", b"xxx"]
    listed = root.files()
    assert [file.relative_to(root).as_posix() for file in listed] == sorted(NAMES)
    assert {file.relative_to(root).as_posix(): file.size for file in listed} == dict(zip(NAMES, range(4), strict=True))
    assert root.folders() == [root / "deep", root / "ü"]
    assert (root / "c.jpg").exists() and (root / "c.jpg").file_size() == 3
    assert not (root / "deep").is_file()
    with pytest.raises(FileNotFoundError):
        (root / "none.jpg").read_bytes()

    before = next(file.version for file in listed if file.name == "c.jpg")
    (root / "c.jpg").write_bytes(b"yyy")
    assert next(file.version for file in root.files() if file.name == "c.jpg") != before


def test_a_file_is_one_request(asked):
    photo = Address(f"s3://{BUCKET}/one/a.jpg")
    asked.requests.clear()
    photo.write_bytes(b"1")
    assert asked.requests == [("PUT", f"/{BUCKET}/one/a.jpg")]
    asked.requests.clear()
    photo.read_bytes()
    assert asked.requests == [("GET", f"/{BUCKET}/one/a.jpg")]


def test_a_bucket_that_is_not_there_is_named(asked):
    nowhere = Address("s3://no-such-bucket/photos")
    for ask in (
        nowhere.files,
        nowhere.folders,
        nowhere.require_bucket,
        lambda: nowhere.write_bytes(b"1"),
    ):
        with pytest.raises(RequestError, match="there is no bucket no-such-bucket") as error:
            ask()
        assert error.value.where == nowhere and "AWS_ENDPOINT_URL" in error.value.todo
    Address(f"s3://{BUCKET}/nothing/yet").require_bucket()


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"])
def test_access_that_is_refused_is_said(asked, monkeypatch, code):
    from botocore.exceptions import ClientError
    from s3fs.errors import translate_boto_error

    def refuse(*_, **__):
        raise translate_boto_error(ClientError({"Error": {"Code": code, "Message": f"{code}."}}, "GetObject"))

    monkeypatch.setattr(system(), "cat_file", refuse)
    with pytest.raises(RequestError, match=f"access is refused: {code}") as error:
        Address(f"s3://{BUCKET}/a.jpg").read_bytes()
    assert "AWS_ACCESS_KEY_ID" in error.value.todo


def test_no_credentials_are_said(asked, fresh, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(RequestError, match="there are no credentials") as error:
        Address(f"s3://{BUCKET}/a").files()
    assert "AWS_PROFILE" in error.value.todo


def test_a_server_that_does_not_answer_is_said(fresh, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "anybody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "anything")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)
    with pytest.raises(KerasFusionError, match="does not answer as it should: EndpointConnectionError") as error:
        Address(f"s3://{BUCKET}/a.jpg").read_bytes()
    assert error.value.exit_code == 1 and "run the same command again" in error.value.todo


@pytest.mark.parametrize(
    ("url", "hidden", "todo"),
    [
        ("s3://b/a", "fsspec", r"\[remote\]"),
        ("s3://b/a", "s3fs", r"\[remote\]"),
        ("gs://b/a", "gcsfs", "-m pip install gcsfs"),
        ("az://b/a", "adlfs", "-m pip install adlfs"),
        ("abfs://b/a", "adlfs", "-m pip install adlfs"),
    ],
)
def test_a_missing_library_is_named_with_what_brings_it(fresh, monkeypatch, url, hidden, todo):
    monkeypatch.setitem(sys.modules, hidden, None)
    monkeypatch.delitem(_registry, "s3", raising=False)
    with pytest.raises(RequestError, match=hidden) as error:
        Address(url).read_bytes()
    assert re.search(todo, error.value.todo)


def test_an_address_of_no_kind_that_is_known_is_refused(fresh):
    with pytest.raises(RequestError, match="bogus:// is no address that fsspec knows"):
        Address("bogus://b/a").read_bytes()


def test_other_libraries_answer_alike():
    root = Address(f"memory://{os.getpid()}/set")
    (root / "train/a.jpg").write_bytes(b"12")
    (root / "train/deep/b.jpg").write_bytes(b"123")
    assert [(file.relative_to(root).as_posix(), file.size) for file in root.files()] == [
        ("train/a.jpg", 2),
        ("train/deep/b.jpg", 3),
    ]
    assert root.folders() == [root / "train"] and (root / "train").folders() == [root / "train/deep"]
    assert all(file.version for file in root.files())
    assert (root / "train/a.jpg").is_file() and not (root / "train").is_file()

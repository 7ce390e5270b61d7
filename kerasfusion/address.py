"""Folders and files that lie behind an address, such as s3://bucket/photos. The only file that imports fsspec.

An `Address` answers what is asked of a `Path` where both can stand; each method says how many requests it makes.
"""

import functools
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.request import url2pathname

from kerasfusion.errors import KerasFusionError, RequestError, first_line, install_hint, require

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_LIBRARIES = {"gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs"}
"""By scheme, what is not in the extra and pip is to bring."""
_AZURE = "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY"
_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "gcs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": _AZURE,
    "abfs": _AZURE,
    "abfss": _AZURE,
}
_ENDPOINTS = {"s3": " and the endpoint (AWS_ENDPOINT_URL)"}
_OPTIONS = {"s3": {"max_concurrency": 1}}
"""By scheme; s3fs would ask for each file's size first, to read large ones in parts at once. Photos are small."""
_VERSIONS = ("ETag", "etag", "md5Hash", "LastModified", "last_modified", "updated", "mtime", "created")
"""Of what a listing tells of a file, what changes with its content; the first that is there."""


@dataclass(frozen=True, order=True, slots=True)
class Address:
    """A folder or a file behind an address.

    Attributes:
        url: the address, without a slash at its end.
        size: of a file that was listed, its bytes.
        version: of a file that was listed, what changes with its content.
    """

    url: str
    size: int | None = field(default=None, compare=False)
    version: str | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str | Path) -> "Address":
        return Address(f"{self.url}/{PurePosixPath(name).as_posix()}")

    @property
    def name(self) -> str:
        """The last part."""
        return self.url.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The ending of the name, with its dot."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> "Address":
        """The folder that it lies in."""
        return Address(self.url.rpartition("/")[0])

    def relative_to(self, folder: "Address") -> PurePosixPath:
        """Its path below a folder."""
        return PurePosixPath(self.url.removeprefix(f"{folder.url}/"))

    def as_posix(self) -> str:
        """The address; by it files are sorted as paths are."""
        return self.url

    def exists(self) -> bool:
        """Whether there is such a file: one request, or two."""
        try:
            self.file_size()
        except FileNotFoundError:
            return False
        return True

    is_file = exists

    def file_size(self) -> int:
        """Bytes of the file: as it was listed, else one request.

        Raises:
            FileNotFoundError: there is no such file.
            KerasFusionError: as `read_bytes`.
        """
        if self.size is not None:
            return self.size
        with _errors(self):
            about = self._system.info(self._path)
            if about["type"] != "file":
                raise FileNotFoundError(f"no such file: {self}")
            return about["size"]

    def read_bytes(self) -> bytes:
        """The content of the file: one request.

        Raises:
            FileNotFoundError: there is no such file.
            RequestError: no library for such an address, no credentials, or ones that do not suffice.
            KerasFusionError: nothing answers there, or not as it should.
        """
        with _errors(self):
            return self._system.cat_file(self._path)

    def read_text(self, encoding: str = "utf-8") -> str:
        """`read_bytes` as text."""
        return self.read_bytes().decode(encoding)

    def write_bytes(self, data: bytes | memoryview) -> None:
        """Make the file, whole or not at all: one request, or several above 50 MB.

        Raises:
            RequestError: as `read_bytes`, or there is no such bucket.
            KerasFusionError: as `read_bytes`.
        """
        with _errors(self), _without_bucket(self):
            self._system.pipe_file(self._path, bytes(data))

    def folders(self) -> list["Address"]:
        """The folders directly in it, sorted: a request for a thousand of them.

        Raises:
            RequestError: as `read_bytes`, or there is no such bucket.
            KerasFusionError: as `read_bytes`.
        """
        with _errors(self):
            try:
                found = self._system.ls(self._path, detail=True)
            except FileNotFoundError:
                self.require_bucket()
                return []
        return sorted(self._below(about["name"].rstrip("/")) for about in found if about["type"] == "directory")

    def files(self) -> list["Address"]:
        """The files in it and below it, sorted, with their sizes and versions; requests and errors as `folders`."""
        with _errors(self):
            try:
                found = self._system.find(self._path, detail=True)
            except FileNotFoundError:
                found = {}
        if not found:
            self.require_bucket()
        listed = []
        for name, about in found.items():
            if name == self._path:  # it is a file itself
                continue
            version = next((str(about[key]) for key in _VERSIONS if about.get(key)), "")
            listed.append(Address(self._below(name).url, about["size"], version))
        return sorted(listed)

    def require_bucket(self) -> None:
        """Check, in one or two requests, that its bucket is there and may be listed.

        Raises:
            RequestError: as `folders`.
            KerasFusionError: as `read_bytes`.
        """
        with _errors(self), _without_bucket(self):
            try:
                self._system.ls(self._path, detail=False)
            except FileNotFoundError:  # it may also be an empty folder, of which a bucket knows nothing
                bucket = self._system._strip_protocol(f"{self._scheme}://{self._bucket}")
                with suppress(PermissionError):  # some may list a part of their bucket alone
                    self._system.ls(bucket, detail=False)

    def _below(self, name: str) -> "Address":
        """The address of what the library calls so."""
        return Address(f"{self.url}/{name.removeprefix(self._path).removeprefix('/')}")

    @property
    def _bucket(self) -> str:
        return self.url.split("/")[2]

    @property
    def _scheme(self) -> str:
        return self.url.partition("://")[0]

    @property
    def _system(self) -> Any:
        return _file_system(self._scheme)

    @property
    def _path(self) -> str:
        return self._system._strip_protocol(self.url)


Place = Path | Address


def is_address(text: str) -> bool:
    """Whether a text is an address and no path: s3://bucket/photos."""
    return _SCHEME.match(text) is not None


def place(value: object) -> Place:
    """The path or address that a setting names; file:// is a path.

    Raises:
        ValueError: neither; or an address without a bucket.
    """
    if isinstance(value, Place):
        return value
    if not isinstance(value, str):
        raise ValueError("Input should be a path, or an address such as s3://bucket/folder")
    if not is_address(value):
        return Path(value)
    scheme, _, rest = value.partition("://")
    if scheme.lower() == "file":
        return Path(url2pathname(rest))
    if not rest.strip("/"):
        raise ValueError("Input should name a bucket and a folder, such as s3://bucket/folder")
    return Address(f"{scheme.lower()}://{rest.rstrip('/')}")


def file_size(path: Place) -> int:
    """Bytes of a file, of an address as it was listed.

    Raises:
        OSError: it is not there.
    """
    return path.file_size() if isinstance(path, Address) else path.stat().st_size


def open_url(url: str) -> Any:
    """Open for reading what fsspec's own notation names, such as a member of an archive: zip://a.jpg::https://b/c.zip.

    Returns:
        A context manager that gives the open file; it raises errors of many kinds.

    Raises:
        RequestError: fsspec is not installed.
    """
    return require("fsspec", extra="remote").open(url, "rb")


@functools.cache
def _file_system(scheme: str) -> Any:
    """The library's object for such addresses; nothing that it lists is kept.

    Raises:
        RequestError: a library is not installed, or knows no such addresses.
    """
    fsspec = require("fsspec", extra="remote")
    try:
        return fsspec.filesystem(scheme, use_listings_cache=False, **_OPTIONS.get(scheme, {}))
    except ImportError as error:
        library = _LIBRARIES.get(scheme, "what is named")
        raise RequestError(
            f"{scheme}:// needs a library that is not installed: {first_line(error)}",
            where=f"{scheme}://",
            todo=install_hint("remote") if scheme == "s3" else f"{sys.executable} -m pip install {library}",
        ) from error
    except ValueError as error:
        raise RequestError(
            f"{scheme}:// is no address that fsspec knows", where=f"{scheme}://", expected="s3://, gs:// or az://"
        ) from error


@contextmanager
def _without_bucket(address: Address) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise RequestError(
            f"there is no bucket {address._bucket}",
            where=address,
            todo=f"make it, or look at its name{_ENDPOINTS.get(address._scheme, '')}",
        ) from error


@contextmanager
def _errors(address: Address) -> Iterator[None]:
    """Say in a sentence what went wrong; a file that is not there stays FileNotFoundError."""
    credentials = _CREDENTIALS.get(address._scheme, "the credentials that its library reads")
    try:
        yield
    except (KerasFusionError, FileNotFoundError):
        raise
    except PermissionError as error:
        raise RequestError(
            f"access is refused: {first_line(error)}",
            where=address,
            expected="credentials that may list, read and (for a cache) write there",
            todo=f"look at {credentials}, and at the bucket's policy",
        ) from error
    except Exception as error:  # each library has errors of its own
        if "credentials" in type(error).__name__.lower():
            raise RequestError(
                f"there are no credentials: {first_line(error)}",
                where=address,
                todo=f"set {credentials}",
            ) from error
        raise KerasFusionError(
            f"it does not answer as it should: {type(error).__name__}: {first_line(error)}",
            where=address,
            todo=f"look at the network{_ENDPOINTS.get(address._scheme, '')}, then run the same command again: what is "
            "finished is kept",
        ) from error

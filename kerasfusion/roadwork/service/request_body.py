"""The photo in a request: raw bytes, one file of a form, or base64 in JSON as in the subnet's synapse."""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping

from pydantic import BaseModel, ValidationError

from kerasfusion.errors import require
from kerasfusion.roadwork.service.refusal import Refusal
from kerasfusion.roadwork.service.settings import ServiceSettings

_FORMS = 'the photo as image/jpeg or image/png, as one file of multipart/form-data, or as JSON {"image": base64}'
_URLSAFE = str.maketrans("-_", "+/")


class Synapse(BaseModel):
    """The part of the subnet's synapse that is read; its other fields are passed over."""

    image: str


async def read_photo(headers: Mapping[str, str], chunks: AsyncIterator[bytes], settings: ServiceSettings) -> bytes:
    """Read the encoded photo.

    Args:
        headers: of the request, by any case.
        chunks: the body as it arrives.
        settings: `max_bytes` and `read_s` are the limits.

    Raises:
        Refusal: 400, 408, 413 or 415.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    _refuse_by_headers(headers, kind, settings.max_bytes)
    body = _limited(chunks, settings.max_bytes)
    try:
        reading = _file_of_form(headers, body, settings.max_bytes) if kind == "multipart/form-data" else _whole(body)
        photo = await asyncio.wait_for(reading, settings.read_s)
    except asyncio.TimeoutError:
        raise Refusal(
            408,
            f"the body did not arrive within {settings.read_s:g} s",
            expected="the whole body within this time",
            todo="send it again, over a faster connection or as a smaller picture",
        ) from None
    if kind == "application/json":
        photo = decode_synapse(photo)
    if not photo:
        raise Refusal(400, "the body holds no photo", expected=_FORMS, todo="send the photo's bytes")
    return photo


def decode_synapse(body: bytes) -> bytes:
    """The encoded photo in the subnet's JSON.

    Raises:
        Refusal: 400, not JSON, no text `image`, or not base64.
    """
    expected = 'JSON {"image": the photo\'s bytes in base64}'
    try:
        image = Synapse.model_validate_json(body).image
    except ValidationError as error:
        what = "not JSON" if error.errors()[0]["type"] == "json_invalid" else 'the JSON holds no text "image"'
        raise Refusal(400, what, expected=expected, todo='send {"image": "..."}') from None
    try:
        return decode_base64(image)
    except ValueError:
        raise Refusal(400, '"image" is not base64', expected=expected, todo="encode the file's bytes again") from None


def decode_base64(text: str) -> bytes:
    """Decode base64: with or without line breaks, padding or a data: prefix, in the standard or the urlsafe alphabet.

    Raises:
        ValueError: other letters, or cut within a byte.
    """
    if text.startswith("data:"):
        text = text.partition(",")[2]
    text = "".join(text.split()).translate(_URLSAFE).rstrip("=")
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), validate=True)


def _refuse_by_headers(headers: Mapping[str, str], kind: str, max_bytes: int) -> None:
    known = ("application/octet-stream", "application/json", "multipart/form-data")
    if kind not in known and not kind.startswith("image/"):
        what = f"Content-Type {kind} is not known here" if kind else "the request has no Content-Type"
        raise Refusal(415, what, expected=_FORMS, todo="curl: -H 'Content-Type: image/jpeg' --data-binary @photo.jpg")
    if headers.get("content-encoding", "identity") != "identity":
        raise Refusal(415, "the body is compressed", expected=_FORMS, todo="send it without Content-Encoding")
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length) > max_bytes:
        raise _too_large(max_bytes)


async def _limited(chunks: AsyncIterator[bytes], max_bytes: int) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > max_bytes:
            raise _too_large(max_bytes)
        yield chunk


async def _whole(body: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in body])


def _too_large(max_bytes: int) -> Refusal:
    return Refusal(
        413,
        f"the body is larger than {max_bytes:,} bytes",
        expected=f"at most {max_bytes:,} bytes",
        todo="send a smaller picture, or start the service with a larger --max-bytes",
    )


async def _file_of_form(headers: Mapping[str, str], body: AsyncIterator[bytes], max_bytes: int) -> bytes:
    require("python_multipart", extra="serve")
    forms = require("starlette.formparsers", extra="serve")
    expected = "multipart/form-data with one file"
    parser = forms.MultiPartParser(headers, body, max_files=1, max_fields=16)
    parser.spool_max_size = max_bytes  # in memory: starlette would write a larger file to the disk
    try:
        form = await parser.parse()
    except forms.MultiPartException as error:
        raise Refusal(400, error.message, expected=expected, todo="curl: -F photo=@photo.jpg") from None
    files = [value for _, value in form.multi_items() if not isinstance(value, str)]
    if not files:
        raise Refusal(400, "the form holds no file", expected=expected, todo="curl: -F photo=@photo.jpg")
    try:
        return await files[0].read()
    finally:
        await form.close()

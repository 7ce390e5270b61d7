"""What /openapi.json says, asked of a running service; and the methods of the addresses."""

import base64
import time
from pathlib import Path

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from kerasfusion.roadwork.service.app import ADDRESSES
from kerasfusion.roadwork.service.openapi import describe
from kerasfusion.roadwork.service.settings import ServiceSettings
from tests.roadwork.service.material import KILLER, photo, slow_colour

PHOTOS = {
    "image/png": [photo(level) for level in (0, 204)],
    "image/jpeg": [photo(51, kind="JPEG")],
    "application/octet-stream": [photo(102, kind="BMP", size=(9, 7))],
}
ANY = st.sampled_from([each for some in PHOTOS.values() for each in some])

# Where the description says that a body is a photo, schemathesis sends one: it cannot draw one from a schema.
for kind, photos in PHOTOS.items():
    schemathesis.openapi.media_type(kind, st.sampled_from(photos))
schemathesis.openapi.format("binary", ANY)
schemathesis.openapi.format("byte", ANY.map(lambda data: base64.b64encode(data).decode()))
DESCRIPTION = schemathesis.openapi.from_dict(describe(ServiceSettings(Path("fusion.onnx"))))
DETECT = DESCRIPTION["/v1/detect"]["POST"]
GET = sorted(path for path, methods in DESCRIPTION.raw_schema["paths"].items() if "get" in methods)

pytestmark = pytest.mark.services


@DESCRIPTION.parametrize()
@settings(max_examples=15, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_service_does_what_its_description_says(case, service):
    case.call_and_validate(base_url=service.url)


def test_refusals_that_take_more_than_a_request_are_described_too(start, model):
    running = start(model=model, hostile=True, queue=1, read_s=0.5, deadline_s=60, max_bytes=5000, retry_s=0.2)

    def check(response, status: int) -> None:
        assert response.status_code == status, response.text
        response.request = httpx.Request("POST", response.url)  # its body was streamed, and cannot be read again
        DETECT.validate_response(response)

    def slow_body():
        yield b"ab"
        time.sleep(1)

    check(running.detect(bytes(5001)), 413)
    check(running.detect(slow_body()), 408)
    with running.slow_client():
        running.wait_for_queue(1)
        check(running.detect(photo(0)), 429)
    running.wait_for_queue(0)
    check(running.detect(photo(KILLER)), 500)
    running.wait_until(ready=True)
    model.write_bytes(b"")
    running.worker().kill()
    running.wait_until(ready=False)
    DESCRIPTION["/readyz"]["GET"].validate_response(running.client.get("/readyz"))
    check(running.detect(photo(0)), 503)


def test_a_deadline_that_passes_is_described_too(start, model):
    running = start(model=model, hostile=True, deadline_s=0.5)
    DETECT.validate_response(refused := running.detect(photo(slow_colour(1))))
    assert refused.status_code == 504


def test_the_description_has_the_service_s_own_limits_and_all_its_addresses(service):
    said = service.client.get("/openapi.json").json()
    assert "more than 200,000 bytes" in said["paths"]["/v1/detect"]["post"]["responses"]["413"]["description"]
    assert set(said["paths"]) == {word.strip(",") for word in ADDRESSES.split() if word.startswith("/")}
    assert 'href="openapi.json"' in service.client.get("/").text


@pytest.mark.parametrize("path", GET)
def test_head_is_get_without_the_body(service, path):
    got, head = service.client.get(path), service.client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"] == got.headers["Content-Type"]
    if path != "/metrics":  # its numbers change between two requests
        assert head.headers["Content-Length"] == got.headers["Content-Length"] == str(len(got.content))
    assert service.client.get("/healthz").json() == {"alive": True}  # over the same connection


@pytest.mark.parametrize(
    ("path", "methods"), [("/v1/detect", "POST, OPTIONS"), *((path, "GET, HEAD, OPTIONS") for path in GET)]
)
def test_options_and_unknown_methods_name_those_that_there_are(service, path, methods):
    options = service.client.options(path)
    assert (options.status_code, options.content, options.headers["Allow"]) == (204, b"", methods)
    for method in ("PUT", "DELETE", "BREW"):
        refused = service.client.request(method, path)
        assert (refused.status_code, refused.headers["Allow"]) == (405, methods)
        assert set(refused.json()) == {"error", "expected", "todo"} and f"{method} {path}" in refused.json()["error"]
    assert service.client.options("/nowhere").status_code == 404

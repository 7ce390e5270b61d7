"""What the service answers to one request: photos in every form, and what it cannot take."""

import base64
import hashlib
import io
import json
import struct
import time
import zlib

import httpx
import pytest
from PIL import Image

from kerasfusion.errors import KerasFusionError
from kerasfusion.roadwork.service.serve import listen
from tests.roadwork.service.material import RunningService, photo

pytestmark = pytest.mark.services


LEVEL = 204
P = 0.8
"""What the tiny model says of a photo of LEVEL: 204 / 255."""


@pytest.fixture(scope="module")
def picture():
    return photo(LEVEL)


def as_json(data: str) -> bytes:
    return json.dumps({"image": data, "testnet_label": None, "prediction": None}).encode()


def test_an_answer_has_the_probability_the_decision_and_the_branches(service, picture):
    response = service.detect(picture)
    assert response.status_code == 200
    answer = response.json()
    assert answer["p_roadwork"] == answer["prediction"] == pytest.approx(P)
    assert answer["roadwork"] is True
    assert answer["branches"] == {"vit": pytest.approx(P)}
    assert set(answer["seconds"]) == {"queue", "answer"}
    assert service.detect(photo(127)).json()["roadwork"] is False


def test_the_same_photo_is_taken_in_every_form(service, picture):
    text = base64.b64encode(picture).decode()
    urlsafe = base64.urlsafe_b64encode(picture).decode()
    lines = "\r\n".join(text[at : at + 76] for at in range(0, len(text), 76))
    responses = [
        service.detect(picture, "application/octet-stream"),
        service.detect(photo(LEVEL, kind="JPEG"), "image/jpeg; q=1"),
        service.client.post("/v1/detect", files={"anything": ("a.png", picture)}, data={"note": "x"}),
        *(
            service.detect(as_json(each), "application/json")
            for each in (text, urlsafe, urlsafe.rstrip("="), lines, "data:image/png;base64," + text)
        ),
        service.client.post(  # chunked: without Content-Length
            "/v1/detect", content=iter([picture[:9], picture[9:]]), headers={"Content-Type": "image/png"}
        ),
    ]
    for response in responses:
        assert response.status_code == 200, response.text
        assert response.json()["p_roadwork"] == pytest.approx(P)


def test_a_form_of_more_than_a_megabyte_is_read_whole(start, model):
    noise = photo(LEVEL, kind="BMP", size=(1200, 400))
    running = start(model=model)
    assert running.client.post("/v1/detect", files={"photo": noise}).json()["p_roadwork"] == pytest.approx(P)


def bomb(side: int) -> bytes:
    """A PNG that says that it has side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


BAD = {
    "empty": (b"", "image/jpeg", 400, "no photo"),
    "not an image": (b"hello", "image/jpeg", 400, "not an image"),
    "cut": (photo(LEVEL, kind="JPEG")[:-300], "image/jpeg", 400, "not a readable image"),
    "bomb": (bomb(30_000), "image/png", 413, "900000000 pixels"),
    "too many pixels": (bomb(1_001), "image/png", 413, "1001 x 1001"),
    "too many bytes": (bytes(200_001), "image/png", 413, "larger than 200,000 bytes"),
    "text": (b"hello", "text/plain", 415, "text/plain"),
    "curl's own": (b"hello", "application/x-www-form-urlencoded", 415, "not known"),
    "untyped": (b"hello", "", 415, "no Content-Type"),
    "not JSON": (b"{", "application/json", 400, "not JSON"),
    "deep JSON": (b"[" * 100_000, "application/json", 400, "not JSON"),
    "other JSON": (b'{"photo": 1}', "application/json", 400, 'no text "image"'),
    "a number": (b'{"image": 1}', "application/json", 400, 'no text "image"'),
    "not base64": (as_json("%%%"), "application/json", 400, "not base64"),
    "base64 cut": (as_json("QUJDR"), "application/json", 400, "not base64"),
    "base64 of nothing": (as_json(""), "application/json", 400, "no photo"),
    "base64 of text": (as_json("aGVsbG8="), "application/json", 400, "not an image"),
    "no boundary": (b"hello", "multipart/form-data", 400, "boundary"),
    "half a form": (b"--x\r\n", "multipart/form-data; boundary=x", 400, "no file"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_answered_says_why(service, picture, name):
    data, kind, status, words = BAD[name]
    response = service.detect(data, kind)
    assert response.status_code == status, response.text
    said = response.json()
    assert set(said) == {"error", "expected", "todo"} and all(said.values()), said
    assert words in said["error"]
    assert service.detect(picture).status_code == 200


def test_two_files_and_a_compressed_body_are_refused(service, picture):
    two = service.client.post("/v1/detect", files=[("a", picture), ("b", picture)])
    assert two.status_code == 400 and "Too many files" in two.json()["error"]
    packed = service.client.post(
        "/v1/detect", content=picture, headers={"Content-Type": "image/png", "Content-Encoding": "gzip"}
    )
    assert packed.status_code == 415 and "compressed" in packed.json()["error"]


def test_a_body_without_a_length_is_cut_off_at_the_limit(service):
    endless = (bytes(50_000) for _ in range(100))
    response = service.client.post("/v1/detect", content=endless, headers={"Content-Type": "image/png"})
    assert response.status_code == 413


def test_an_animation_is_answered_by_its_first_frame(service):
    data = io.BytesIO()
    frames = [Image.new("L", (40, 30), level) for level in (LEVEL, 0, 10)]
    frames[0].save(data, "GIF", save_all=True, append_images=frames[1:])
    assert service.detect(data.getvalue(), "image/gif").json()["p_roadwork"] == pytest.approx(P)


def test_a_slow_client_is_given_up_and_others_go_on(service, picture):
    with service.slow_client() as slow:
        begin = time.monotonic()
        assert service.detect(picture).status_code == 200
        assert service.metric("queue_length") == 1
        said = b""
        while part := slow.recv(4096):
            said += part
    assert said.startswith(b"HTTP/1.1 408") and b"did not arrive within 1 s" in said
    assert time.monotonic() - begin >= 0.5
    assert service.metric("queue_length") == 0


def test_a_client_that_leaves_gives_its_place_back(service):
    with service.slow_client():
        service.wait_for_queue(1)
    service.wait_for_queue(0)
    assert service.metric('requests_total{status="499"}') >= 1


def test_the_other_addresses(service, picture):
    assert service.client.get("/healthz").json() == {"alive": True}
    ready = service.client.get("/readyz").json()
    assert (ready["ready"], ready["model"], ready["precision"]) == (True, "fusion.onnx", "float32")
    before = service.metric('requests_total{status="200"}')
    service.detect(picture)
    assert service.metric('requests_total{status="200"}') == before + 1
    for process in ("service", "worker"):
        assert service.metric(f'memory_bytes{{process="{process}"}}') > 10_000_000
    page = service.client.get("/")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    missing = service.client.get("/docs")
    assert missing.status_code == 404 and "/v1/detect" in missing.json()["expected"]
    assert service.client.get("/v1/detect").status_code == 405


def test_the_ready_line_names_model_precision_and_address(service):
    assert "fusion.onnx (float32), http://127.0.0.1:" in service.ready_line


def test_the_digest_is_that_of_the_file_and_the_cache_remembers(start, model, picture):
    running = start(model=model, cache=1)
    first, again = running.detect(picture).json(), running.detect(picture).json()
    assert first["model_sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert again["p_roadwork"] == first["p_roadwork"] and again["seconds"] == {"queue": 0.0, "answer": 0.0}
    assert running.metric("batch_photos_count") == 1 and running.metric("cached_answers_total") == 1
    running.detect(photo(10))
    assert running.detect(picture).json()["seconds"]["answer"] > 0  # the place was taken by the other photo


def test_what_stops_the_start_is_said(service, model, tmp_path):
    taken = RunningService(model=model, port=service.port)
    assert taken.stop() == 1 and "cannot listen" in "".join(taken.said)
    assert f"port {service.port}" in "".join(taken.said)
    with pytest.raises(KerasFusionError, match=r"--host 127\.0\.0\.1") as refused:
        listen("192.0.2.1", 8100)  # of the addresses that are nobody's (RFC 5737)
    assert "--port" not in str(refused.value)
    gone = RunningService(model=tmp_path / "gone.onnx")
    assert gone.stop() == 2 and "the file does not exist" in "".join(gone.said)
    unknown = RunningService(model=model, host="no-such-host.invalid")
    assert unknown.stop() == 2 and "no such host" in "".join(unknown.said)


def test_an_open_address_is_warned_about(start, model):
    running = start(model=model, host="0.0.0.0")
    assert httpx.get(f"http://127.0.0.1:{running.port}/healthz").status_code == 200
    running.stop()
    assert "can be reached from other machines" in "".join(running.said)

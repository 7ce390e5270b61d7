"""What goes up to the model hub: nothing private to a public place, and each refusal says what to do."""

import http.server
import threading

import huggingface_hub
import pytest

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.roadwork.miner.hub.upload import push
from tests.roadwork.miner.hub.fake_hub import FakeHub


def test_what_should_be_private_is_not_put_into_a_public_repository(tmp_path):
    hub = FakeHub(private=False)
    with pytest.raises(RequestError, match="there already, and public"):
        push(tmp_path, ["README.md"], "me/cones", True, "cones", hub)
    assert [call[0] for call in hub.calls] == ["create"]
    hub = FakeHub(private=True)
    push(tmp_path, ["README.md"], "me/cones", True, "cones", hub)
    assert hub.calls[0] == ("create", "me/cones", True)
    assert hub.calls[1][0] == "upload"


def test_a_name_is_no_pattern(tmp_path):
    hub = FakeHub(private=False)
    push(tmp_path, ["fusion[v2].keras"], "me/cones", False, "cones", hub)
    patterns = hub.calls[1][2]
    found = huggingface_hub.utils.filter_repo_objects(["fusion[v2].keras", "fusionv.keras"], allow_patterns=patterns)
    assert list(found) == ["fusion[v2].keras"]


@pytest.fixture
def refusing_hub():
    """A server on this machine that answers every request with the status in `status`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(server.status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *arguments):
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "reason"), [(401, "hf auth login"), (403, "does not let you write"), (404, "no such owner")]
)
def test_the_hubs_refusals_say_what_to_do(refusing_hub, tmp_path, status, reason):
    refusing_hub.status = status
    api = huggingface_hub.HfApi(endpoint=f"http://127.0.0.1:{refusing_hub.server_port}", token="hf_none")
    with pytest.raises(KerasFusionError, match=reason):
        push(tmp_path, ["README.md"], "me/cones", False, "cones", api)


def test_without_a_network_the_folder_is_still_there_to_upload(tmp_path):
    api = huggingface_hub.HfApi(endpoint="http://127.0.0.1:9", token="hf_none")
    with pytest.raises(KerasFusionError, match=r"cannot be reached(.|\n)*upload .* with the hub's web page"):
        push(tmp_path, ["README.md"], "me/cones", False, "cones", api)

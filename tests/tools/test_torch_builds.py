"""Which builds of torch and torchvision the scripts install, without a network."""

import http.server
import itertools
import threading

import pytest

from tests.tools.test_bootstrap import PINS, TOOLS, module


@pytest.fixture(autouse=True)
def tools_on_path(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))


@pytest.fixture
def choose(monkeypatch):
    torch_builds = module("torch_builds")

    def on_machine(found=None, *, system="Linux", gpu=False, reachable=True):
        def probe(pins):
            assert system == "Linux" and not gpu, "asked the index for nothing"
            return reachable

        monkeypatch.setattr(torch_builds.platform, "system", lambda: system)
        monkeypatch.setattr(torch_builds, "has_nvidia_gpu", lambda: gpu)
        monkeypatch.setattr(torch_builds, "cpu_index_lists", probe)
        return torch_builds.choose(found or {}, PINS)

    return on_machine


def test_without_gpu_both_come_from_the_cpu_index_and_from_no_other(choose):
    builds, arguments = choose(), module("torch_builds").cpu_arguments(PINS)
    assert builds.kind == "cpu" and not builds.brings_cuda
    assert arguments[-2:] == ["torch==2.15.0", "torchvision==0.29.2"]
    assert "--no-index" in arguments
    pages = [value for flag, value in itertools.pairwise(arguments) if flag == "--find-links"]
    assert pages == [f"https://download.pytorch.org/whl/cpu/{name}/" for name in PINS]


def test_unreachable_cpu_index_means_default_builds_of_both(choose):
    torch_builds, builds = module("torch_builds"), choose(reachable=False)
    assert builds.kind == "default" and builds.brings_cuda
    assert "cannot be reached" in builds.reason
    assert torch_builds.default_arguments(builds, PINS) == ["torch===2.15.0", "torchvision===0.29.2"]


@pytest.mark.parametrize(
    ("system", "gpu", "cuda"), [("Linux", True, True), ("Darwin", False, False), ("Windows", True, False)]
)
def test_elsewhere_the_default_builds_are_taken_without_asking(choose, system, gpu, cuda):
    builds = choose(system=system, gpu=gpu)
    assert (builds.kind, builds.brings_cuda) == ("default", cuda)


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        ({"torch": "2.15.0", "torchvision": "0.29.2"}, "present"),
        ({"torch": "2.15.0+cpu", "torchvision": "0.29.2+cpu"}, "present"),
        ({"torch": "2.15.0+cpu", "torchvision": "0.29.2"}, "cpu"),
        ({"torch": "2.15.0", "torchvision": "0.29.1"}, "cpu"),
        ({"torch": "2.15.0"}, "cpu"),
    ],
)
def test_only_a_matching_pair_is_kept(choose, found, kind):
    assert choose(found).kind == kind


def test_constraints_pin_the_pair_without_a_local_version():
    assert module("torch_builds").read_pins(TOOLS / "constraints.txt").keys() == PINS.keys()
    assert "+" not in (TOOLS / "constraints.txt").read_text(encoding="utf-8").partition("\nabsl")[2]


@pytest.fixture
def cpu_index(monkeypatch):
    """A CPU index on this machine; the test fills the pages: {name: text}."""
    pages = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            text = pages.get(self.path.strip("/"))
            self.send_response(404 if text is None else 200)
            self.end_headers()
            self.wfile.write((text or "").encode())

        def log_message(self, *arguments):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setattr(module("torch_builds"), "CPU_INDEX", f"http://127.0.0.1:{server.server_port}")
    yield pages
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("torch", "torchvision", "listed"),
    [
        ("torch-2.15.0%2Bcpu-cp312-cp312-x.whl", "torchvision-0.29.2+cpu-py3-none-x.whl", True),
        ("torch-2.15.0-cp312-cp312-aarch64.whl", "torchvision-0.29.2-py3-none-x.whl", True),
        ("torch-2.15.0%2Bcpu-cp312-cp312-x.whl", "torchvision-0.29.20-py3-none-x.whl", False),
        ("torch-2.15.0%2Bcpu-cp312-cp312-x.whl", None, False),
    ],
)
def test_probe_wants_both_pinned_versions(cpu_index, torch, torchvision, listed):
    cpu_index.update({"torch": torch, "torchvision": torchvision})
    assert module("torch_builds").cpu_index_lists(PINS) is listed


def test_probe_of_a_dead_index_is_no(monkeypatch):
    monkeypatch.setattr(module("torch_builds"), "CPU_INDEX", "http://127.0.0.1:1")
    assert module("torch_builds").cpu_index_lists(PINS) is False

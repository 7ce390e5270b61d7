"""What doctor finds out about the machine."""

import http.server
import signal
import threading
from contextlib import nullcontext
from types import SimpleNamespace

import psutil
import pytest

from kerasfusion.machine import amx, cpu, hardware
from kerasfusion.machine.findings import MISSING, OK, WARNING

GB = 10**9


@pytest.fixture
def no_driver(tmp_path):
    return [str(tmp_path / "nvidia0")]


@pytest.fixture
def driver(tmp_path):
    (tmp_path / "nvidia0").touch()
    return [str(tmp_path / "nvidia0")]


@pytest.mark.parametrize(
    ("memory", "batches"),
    [(64, (16, 24)), (24, (16, 24)), (16.8, (8, 16)), (8.2, (4, 8)), (7.4, (4, 8)), (4, (2, 4)), (3, None)],
)
def test_batches_are_those_of_the_readme(memory, batches):
    assert hardware.batches_for(memory * GB) == batches


def test_little_memory_is_a_warning(monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=8 * GB, available=2 * GB))
    found = hardware.check_memory()
    assert (found.status, found.found) == (OK, "8.0 GB, 2.0 GB free; precompute --batch 4, fit --batch 8")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=2 * GB, available=1 * GB))
    assert hardware.check_memory().status == WARNING


@pytest.mark.parametrize(("free", "status"), [(6, OK), (4, WARNING), (0.4, MISSING)])
def test_each_disk_is_told_once(tmp_path, monkeypatch, free, status):
    monkeypatch.setattr(hardware.shutil, "disk_usage", lambda path: SimpleNamespace(free=free * GB))
    (found,) = hardware.check_disk([tmp_path / "runs" / "not-yet", tmp_path / "cache"])
    assert found.status == status
    assert found.found.startswith(f"{free:.1f} GB free for {tmp_path}")


def test_amx_that_is_broken_is_said(monkeypatch):
    monkeypatch.setenv(amx.VARIABLE, "x")
    monkeypatch.delenv(amx.VARIABLE)
    for module in (amx, hardware):
        monkeypatch.setattr(module, "this_cpu", lambda: cpu.Cpu("Some CPU", ("avx2", "amx")))
    monkeypatch.setattr(amx, "_survives", lambda library: False)
    found = hardware.check_cpu()
    assert found.status == WARNING
    assert "AMX is reported but broken" in found.found


def test_without_a_driver_tensorflow_is_not_asked(no_driver, monkeypatch):
    monkeypatch.setattr(hardware.sys, "platform", "linux")
    monkeypatch.setattr(hardware.subprocess, "Popen", lambda *args, **options: pytest.fail("started"))
    assert "there is no driver of one" in hardware.GpuCheck(no_driver).result().found


@pytest.mark.parametrize(
    ("program", "status", "said"),
    [
        ("print('noise'); print('found:', 'GPU A', 'GPU B', sep='\\n')", OK, "GPU A, GPU B"),
        ("print('found:', sep='\\n')", OK, "none that TensorFlow can use"),
        ("raise ImportError('no such library')", MISSING, "ImportError: no such library"),
        (f"import os; os.kill(os.getpid(), {int(signal.SIGABRT)})", MISSING, f"signal {int(signal.SIGABRT)}"),
    ],
)
def test_what_tensorflow_says_of_gpus_is_one_line_even_if_it_crashes(driver, monkeypatch, program, status, said):
    monkeypatch.setattr(hardware, "_ASK_TENSORFLOW", program)
    found = hardware.GpuCheck(driver).result()
    assert found.status == status
    assert said in found.found


def test_a_tensorflow_that_hangs_is_ended(driver, monkeypatch):
    monkeypatch.setattr(hardware, "_ASK_TENSORFLOW", "import time; time.sleep(60)")
    check = hardware.GpuCheck(driver)
    assert "did not answer" in check.result(seconds=0.2).found
    assert check._process.poll() is not None


class Refusing(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_response(self.server.code)
        self.end_headers()

    def log_message(self, *arguments):
        """Nothing."""


@pytest.mark.parametrize("code", [200, 403])
def test_a_hub_that_answers_is_reachable_whatever_it_says(monkeypatch, code):
    with http.server.HTTPServer(("127.0.0.1", 0), Refusing) as server:
        server.code = code
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        assert hardware.HubCheck().result().status == OK
        server.shutdown()


def test_offline_is_a_warning(monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with http.server.HTTPServer(("127.0.0.1", 0), Refusing) as server:
        port = server.server_port
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")  # nobody listens there any more
    found = hardware.HubCheck().result()
    assert found.status == WARNING
    assert "cannot be reached" in found.found
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE is set" in hardware.HubCheck().result().found


def test_a_hub_that_never_answers_does_not_hold_it_up(monkeypatch):
    waiting = threading.Event()
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(hardware, "HUB_SECONDS", 0.01)
    monkeypatch.setattr(hardware.urllib.request, "urlopen", lambda *args, **options: waiting.wait() and nullcontext())
    assert not hardware.HubCheck().is_reachable()
    waiting.set()

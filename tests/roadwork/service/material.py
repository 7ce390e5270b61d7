"""A real but tiny model whose answers one can work out, photos for it, and the service in a process of its own."""

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import onnx
import psutil
from onnx import TensorProto, helper
from PIL import Image

from kerasfusion.formats.onnx_file import KEY

SIZE = 8
KILLER = (255, 0, 0)
"""A photo of this colour ends the worker where `hostile_photos` was called."""


def write_model(path: Path, slope: float = 1.0) -> Path:
    """A model that says P(roadwork) = slope x mean level / 255 as `fusion`, and the mean level itself as `vit`."""

    def constant(name, values, kind=TensorProto.FLOAT):
        return helper.make_tensor(name, kind, [len(values)], values)

    nodes, outputs = [helper.make_node("ReduceMean", ["image", "axes"], ["level"], keepdims=0)], []
    for name in ("fusion", "vit"):
        nodes += [
            helper.make_node("Mul", ["level", f"{name}_factor"], [f"{name}_flat"]),
            helper.make_node("Unsqueeze", [f"{name}_flat", "last"], [f"{name}_p"]),
            helper.make_node("Sub", ["one", f"{name}_p"], [f"{name}_other"]),
            helper.make_node("Concat", [f"{name}_other", f"{name}_p"], [name], axis=1),
        ]
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", 2]))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["B", SIZE, SIZE, 3])
    constants = [
        constant("axes", [1, 2, 3], TensorProto.INT64),
        constant("last", [1], TensorProto.INT64),
        constant("one", [1.0]),
        constant("fusion_factor", [slope / 255]),
        constant("vit_factor", [1 / 255]),
    ]
    graph = helper.make_graph(nodes, "tiny", [image], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    said = {"system": "roadwork", "format": "onnx", "precision": "float32", "outputs": ["fusion", "vit"]}
    said["model_sha256"] = "0" * 64  # of the whole model that it would be an export of
    helper.set_model_props(model, {KEY: json.dumps(said)})
    onnx.save(model, path)
    return path


def photo(level: int | tuple[int, int, int], size: tuple[int, int] = (64, 48), kind: str = "PNG") -> bytes:
    """A photo of one colour."""
    colour = level if isinstance(level, tuple) else (level,) * 3
    data = io.BytesIO()
    Image.new("RGB", size, colour).save(data, kind)
    return data.getvalue()


def slow_colour(seconds: float) -> tuple[int, int, int]:
    """A photo of this colour takes so long where `hostile_photos` was called."""
    return 254, round(10 * seconds), 0


def hostile_photos() -> None:
    """In the worker: make some photos end the process, as a fault in a decoder would, or take long."""
    from kerasfusion.roadwork.service import answering

    decode = answering.decode_image

    def faulty(data, max_pixels):
        pixels = decode(data, max_pixels)
        red, green, blue = map(int, pixels[0, 0])
        if (red, green, blue) == KILLER:
            os.kill(os.getpid(), signal.SIGKILL)
        if (red, blue) == (254, 0):
            time.sleep(green / 10)
        return pixels

    answering.decode_image = faulty


class RunningService:
    """The service in a process of its own, on a free port.

    Args:
        settings: of ServiceSettings; `model` is needed, and a spare is there only if asked for.
        hostile: with `hostile_photos`.
    """

    def __init__(self, hostile: bool = False, **settings):
        given = json.dumps({"port": 0, "spare": False, **settings, "model": str(settings["model"])})
        command = [sys.executable, "-m", "tests.roadwork.service.material", given, str(int(hostile))]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.said: list[str] = []
        self._reader = threading.Thread(target=lambda: self.said.extend(self.process.stderr), daemon=True)
        self._reader.start()
        self.ready_line = self.process.stdout.readline()
        self.url = re.search(r"http://\S+", self.ready_line).group() if self.ready_line else ""
        self.port = int(self.url.rpartition(":")[2] or 0)
        self.client = httpx.Client(base_url=self.url, timeout=30)

    def slow_client(self) -> socket.socket:
        """A connection that sends the head of a request and two bytes of its body."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        head = b"POST /v1/detect HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 999\r\n\r\n"
        connection.sendall(head + b"ab")
        return connection

    def detect(self, data: bytes, kind: str = "image/png", **options) -> httpx.Response:
        return self.client.post("/v1/detect", content=data, headers={"Content-Type": kind}, **options)

    def metric(self, name: str) -> float:
        """One line of /metrics, by its name and labels."""
        lines = self.client.get("/metrics").text.splitlines()
        return float(next(line for line in lines if line.startswith(f"kerasfusion_{name} ")).split()[1])

    def workers(self) -> list[psutil.Process]:
        """The process that answers, and the spare if there is one."""
        children = psutil.Process(self.process.pid).children()
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]

    def worker(self) -> psutil.Process:
        return self.workers()[0]

    def wait_for(self, name: str, value: float, seconds: float = 20) -> None:
        """Until a line of /metrics has this value."""
        end = time.monotonic() + seconds
        while (found := self.metric(name)) != value:
            assert time.monotonic() < end, f"{name} is {found}, not {value}"
            time.sleep(0.05)

    def wait_for_queue(self, length: int, seconds: float = 20) -> None:
        """Until so many requests are in the house."""
        end = time.monotonic() + seconds
        while (found := self.metric("queue_length")) != length:
            assert time.monotonic() < end, f"{found} requests in the house, not {length}"
            time.sleep(0.01)

    def wait_until(self, ready: bool, seconds: float = 20) -> dict:
        """What /readyz says once it says so."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            response = self.client.get("/readyz")
            if (response.status_code == 200) == ready:
                return response.json()
            time.sleep(0.05)
        raise AssertionError(f"/readyz never said {ready}: {response.text}")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it; the exit code."""
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(timeout=30)
        self._reader.join()
        for pipe in (self.process.stdout, self.process.stderr):
            pipe.close()
        return code


def main(given: str, hostile: str) -> None:
    """Run the service in this process."""
    from kerasfusion.errors import KerasFusionError
    from kerasfusion.roadwork.service.serve import serve
    from kerasfusion.roadwork.service.settings import ServiceSettings

    settings = json.loads(given)
    prepare = hostile_photos if int(hostile) else None
    try:
        serve(
            ServiceSettings(**{**settings, "model": Path(settings["model"])}),
            prepare,
            report=lambda line: print(line, flush=True),
            warn=lambda line: print(line, file=sys.stderr, flush=True),
        )
    except KerasFusionError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    # Under its own name, so that the worker's process finds `hostile_photos`.
    from tests.roadwork.service.material import main as run

    run(*sys.argv[1:])

"""Photos whose brightness tells their class, and a service that answers as it is told."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from PIL import Image

DARK, BRIGHT = 60, 200


def write_photos(folder: Path, dark: int = 4, bright: int = 4) -> Path:
    """A split's folder: no roadwork is dark, roadwork is bright, each photo with a level of its own."""
    for name, level, count in (("no_roadwork", DARK, dark), ("roadwork", BRIGHT, bright)):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (96, 64), (level + number,) * 3).save(folder / name / f"{number}.png")
    return folder


class ToldService:
    """Answers the n-th request with the n-th thing it is told, and all after that with the last one.

    What it is told: a number or any JSON (as p_roadwork), bytes (the whole body), ("status", N), ("wait", seconds),
    ("drip",) for a byte now and then, or ("hang up",).

    Attributes:
        url: where it listens.
        asked: bodies of the requests.
    """

    def __init__(self, *told):
        self.told, self.asked, self.ended = list(told), [], threading.Event()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                service.asked.append(self.rfile.read(int(self.headers["Content-Length"])))
                told = service.told.pop(0) if len(service.told) > 1 else service.told[0]
                what = told[0] if isinstance(told, tuple) else ""
                if what == "hang up":
                    self.connection.close()
                    return
                if what == "wait":
                    time.sleep(told[1])
                self.send_response(told[1] if what == "status" else 200)
                self.end_headers()
                while what == "drip" and not service.ended.wait(0.05):
                    self.wfile.write(b" ")
                if isinstance(told, bytes):
                    self.wfile.write(told)
                elif not what:
                    self.wfile.write(json.dumps({"p_roadwork": told}).encode())

            def handle(self):
                try:
                    super().handle()
                except OSError:
                    """The client left."""

            def finish(self):
                try:
                    super().finish()
                except (OSError, ValueError):
                    """The connection was closed here or there."""

            def log_message(self, *args):
                """Nothing is printed."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()

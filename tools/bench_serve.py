#!/usr/bin/env python3
"""The HTTP service under load: requests a second, waiting times, memory, and whether an answer was lost.

    .venv/bin/python tools/bench_serve.py runs/roadwork/fusion.keras

First one process asks the model directly, one photo at a time; then `wrk` posts the same photo to the service over
several connections. Needs wrk (Debian: apt-get install wrk) and the extra `serve`. Expect 60 seconds and the start of
the model, twice; leave the machine alone meanwhile.
"""

import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # kerasfusion as it is in this checkout

from bench_peers import machine  # noqa: E402
from bench_serve_lua import script  # noqa: E402
from kerasfusion.errors import KerasFusionError, RequestError  # noqa: E402
from kerasfusion.reporting import table  # noqa: E402
from kerasfusion.roadwork.detect.latency import drawn_photo, require_photo  # noqa: E402

KERASFUSION = (sys.executable, "-m", "kerasfusion")
DIRECT_RUNS = 200
"""Photos that the model is asked about directly."""

WARM_UP = 5
"""Seconds under load before anything is counted."""


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--seconds", type=click.IntRange(1), default=60, show_default=True)
@click.option("--connections", type=click.IntRange(1), default=16, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Of wrk.")
@click.option("--photo", type=click.Path(path_type=Path), help="[default: a generated one of 1280 x 720]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def main(model: Path, photo: Path | None, as_json: bool, **load) -> None:
    """Load the service with MODEL. Exit code 1 if an answer was lost."""
    try:
        wrk = find_wrk()
        require_photo(photo)
        with tempfile.TemporaryDirectory() as folder:
            if photo is None:
                photo = Path(folder, "photo.jpg")
                photo.write_bytes(drawn_photo())
            facts = machine.describe() | {"model": str(model), **load}
            result = {"direct": ask_directly(model, photo), **ask_service(wrk, model, photo, Path(folder), **load)}
    except KerasFusionError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    result["ratio"] = result["requests_s"] / result["direct"]["photos_s"]
    if as_json:
        click.echo(json.dumps({"facts": facts, **result}, indent=2))
    else:
        click.echo("\n".join(f"{name}: {value}" for name, value in facts.items()) + "\n\n" + as_text(result))
    sys.exit(1 if result["lost"] else 0)


def find_wrk() -> str:
    """The program's path.

    Raises:
        RequestError: it is not installed.
    """
    found = shutil.which("wrk")
    if found is None:
        raise RequestError("wrk is not installed", todo="apt-get install wrk, or brew install wrk")
    return found


def ask_directly(model: Path, photo: Path) -> dict[str, float]:
    """Photos a second of a Detector in a process of its own, one at a time, and their p50 and p99, milliseconds."""
    options = ["--image", str(photo), "--runs", str(DIRECT_RUNS), "--json"]
    total = json.loads(_run([*KERASFUSION, "benchmark", str(model), *options]))["stages"]["total"]
    return {"photos_s": 1000 / total["mean_ms"], "p50_ms": total["p50_ms"], "p99_ms": total["p99_ms"]}


def ask_service(wrk: str, model: Path, photo: Path, folder: Path, seconds: int, connections: int, threads: int):
    """What wrk and the service count, and the memory of its processes before and after, MB."""
    lua = folder / "post.lua"
    lua.write_text(script(photo), encoding="utf-8")
    load = [f"-c{connections}", f"-t{min(threads, connections)}", "--timeout", "10s", "-s", str(lua)]
    with running_service(model, connections) as url:
        _run([wrk, f"-d{WARM_UP}s", *load, url])
        before, answered = memory_mb(url), answers(url)
        counted = json.loads(_run([wrk, f"-d{seconds}s", *load, url]).splitlines()[-1])
        after, answered_after = memory_mb(url), answers(url)
    served = {status: count - answered.get(status, 0) for status, count in answered_after.items()}
    return {
        "requests_s": counted["requests"] / counted["seconds"],
        "p50_ms": counted["p50_ms"],
        "p99_ms": counted["p99_ms"],
        "memory_before_mb": before,
        "memory_after_mb": after,
        "wrk": counted,
        "service_by_status": served,
        "lost": counted["not_200"] + sum(counted["errors"].values()),
    }


@contextmanager
def running_service(model: Path, connections: int) -> Iterator[str]:
    """The service on a free port: its URL."""
    command = [*KERASFUSION, "miner", "serve", str(model), "--port", "0", "--queue", str(max(64, connections))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            if not line:
                raise KerasFusionError("the service did not start", where=model)
            yield re.search(r"http://\S+", line).group()
        finally:
            process.send_signal(signal.SIGTERM)


def answers(url: str) -> dict[str, float]:
    """Requests by status, as the service counts them."""
    return _metrics(url, r'kerasfusion_requests_total\{status="(\w+)"\} (\S+)')


def memory_mb(url: str) -> dict[str, float]:
    """Resident memory of the service and of its worker."""
    found = _metrics(url, r'kerasfusion_memory_bytes\{process="(\w+)"\} (\S+)')
    return {process: value / 2**20 for process, value in found.items()}


def as_text(result: dict) -> str:
    """Two tables and the sentences below them."""
    direct, wrk = result["direct"], result["wrk"]
    rows = [
        {"": "one process, one photo at a time", "photos/s": direct["photos_s"], **_percentiles(direct)},
        {"": "service", "photos/s": result["requests_s"], **_percentiles(result)},
    ]
    memory = [
        {"memory MB": process, "before": result["memory_before_mb"][process], "after": value}
        for process, value in result["memory_after_mb"].items()
    ]
    by_status = ", ".join(f"{status}: {count:.0f}" for status, count in sorted(result["service_by_status"].items()))
    return "\n".join(
        [
            table(rows, digits=1),
            f"ratio: {result['ratio']:.2f}\n",
            table(memory, digits=1) + "\n",
            f"wrk counted {wrk['requests']} answers, {wrk['not_200']} of them not 200; its errors: {wrk['errors']}",
            f"the service counted {by_status}, with what wrk no longer waited for when its time was up",
            f"lost: {result['lost']:.0f}",
        ]
    )


def _percentiles(values: dict) -> dict[str, float]:
    return {name: values[name] for name in ("p50_ms", "p99_ms")}


def _metrics(url: str, pattern: str) -> dict[str, float]:
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as response:
        return {name: float(value) for name, value in re.findall(pattern, response.read().decode())}


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reason = "\n".join((done.stderr or done.stdout).splitlines()[-5:])
        raise KerasFusionError(f"{Path(command[0]).name} failed: {reason}")
    return done.stdout


if __name__ == "__main__":
    main()

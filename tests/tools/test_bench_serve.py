"""The benchmark of the service: what it starts, counts and says, with a stand-in for wrk."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.roadwork.service.material import write_model

TOOLS = Path(__file__).resolve().parents[2] / "tools"
sys.path.append(str(TOOLS))  # last: test.py lies there, too

from bench_serve_lua import script as lua_script  # noqa: E402  they lie beside the tools

pytestmark = pytest.mark.services


STAND_IN = f"""#!{sys.executable}
import json, re, sys, urllib.error, urllib.request
post = open(sys.argv[sys.argv.index("-s") + 1]).read()
photo = open(re.search(r'io.open\\("([^"]+)"', post).group(1), "rb").read()
bad = 0
for number in range(COUNT):
    data = photo if number else FIRST
    request = urllib.request.Request(sys.argv[-1] + "/v1/detect", data, {{"Content-Type": "image/jpeg"}})
    try:
        urllib.request.urlopen(request).read()
    except urllib.error.HTTPError:
        bad += 1
print("Running")
errors = {{"connect": 0, "read": 0, "write": 0, "timeout": 0}}
found = {{"requests": COUNT, "seconds": 2.0, "p50_ms": 1.0, "p99_ms": 2.0, "not_200": bad, "errors": errors}}
print(json.dumps(found))
"""


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("bench_serve_script", TOOLS / "bench_serve.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stand_in(tmp_path, first: str) -> str:
    """A program that sends five photos, the first of them as told, and reports as our Lua has wrk do."""
    path = tmp_path / "wrk"
    path.write_text(STAND_IN.replace("COUNT", "5").replace("FIRST", first))
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(("first", "lost"), [("photo", 0), ("b'hello'", 1)])
def test_rates_memory_and_lost_answers_are_told(tmp_path, script, monkeypatch, first, lost):
    monkeypatch.setattr(script, "find_wrk", lambda: stand_in(tmp_path, first))
    monkeypatch.setattr(script, "DIRECT_RUNS", 3)
    model = write_model(tmp_path / "fusion.onnx")
    result = CliRunner().invoke(script.main, [str(model), "--json"])
    assert result.exit_code == lost, result.output
    said = json.loads(result.stdout)
    assert (said["requests_s"], said["lost"]) == (2.5, lost)
    assert said["service_by_status"]["200"] == 5 - lost  # those of the warm-up do not count
    assert said["ratio"] == pytest.approx(2.5 / said["direct"]["photos_s"])
    assert said["memory_after_mb"]["worker"] > 10 and said["memory_before_mb"]["service"] > 10
    text = script.as_text(said)
    assert "ratio: " in text and f"lost: {lost}" in text and "p99_ms" in text


def test_a_missing_wrk_or_photo_is_said(tmp_path, script, monkeypatch):
    gone = CliRunner().invoke(script.main, ["fusion.onnx", "--photo", str(tmp_path / "gone.jpg")])
    assert gone.exit_code == 2
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = CliRunner().invoke(script.main, ["fusion.onnx"])
    assert missing.exit_code == 2 and "apt-get install wrk" in missing.output


def test_the_photo_s_path_is_quoted_for_lua(tmp_path):
    assert 'io.open("' in lua_script(tmp_path / 'a"b.jpg') and '\\"b.jpg"' in lua_script(tmp_path / 'a"b.jpg')

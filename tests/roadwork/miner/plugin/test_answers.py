"""The installed detector in a miner: the same answers as ours, in its process and through a service."""

import ast
import base64
import io
import json
import shutil
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from kerasfusion.cli.main import main
from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.roadwork.data.dataset import scan
from kerasfusion.roadwork.detect.detector import Detector
from kerasfusion.roadwork.miner.check.job import check
from kerasfusion.roadwork.miner.check.latency import measure_miner
from kerasfusion.roadwork.miner.plugin.install import InstallRequest, install
from kerasfusion.roadwork.miner.plugin.layout import find_layout
from tests.roadwork.miner.miner_tree import LAYOUTS, Miner, contents, without_kerasfusion, write_tree

pytestmark = pytest.mark.trains  # the model that answers does


@pytest.fixture(scope="module")
def photo(photos):
    return scan(photos, ("test",))[0].path


@pytest.fixture
def tree(request, tmp_path):
    return write_tree(tmp_path / "tree", getattr(request, "param", LAYOUTS[0]))


class Service:
    """Stands in for `kerasfusion miner serve`: answers photos with a detector, or all with one status.

    Attributes:
        url: where it listens.
        status: of every answer.
        asked: (path, content type) of every request.
        says: in the place of the detector's answer.
    """

    def __init__(self, detector):
        self.status, self.asked, self.says = 200, [], None
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                service.asked.append((self.path, self.headers["Content-Type"]))
                answer = {"error": "the queue is full"}
                if service.status == 200:
                    assert Image.open(io.BytesIO(body)).get_format_mimetype() == self.headers["Content-Type"]
                    answer = {"p_roadwork": detector.detect(body).p_roadwork if service.says is None else service.says}
                self.send_response(service.status)
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode())

            def log_message(self, *args):
                """Nothing is printed."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        """Stop listening."""
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def service(detector):
    running = Service(detector)
    yield running
    running.close()


@pytest.mark.parametrize("tree", LAYOUTS, indirect=True)
def test_the_miner_answers_what_the_detector_answers(monkeypatch, tree, model, detector, photo):
    install(InstallRequest(tree, model))
    miner = Miner(monkeypatch, tree, find_layout(tree).package)
    assert miner.forward(base64.b64encode(photo.read_bytes()).decode()) == detector.detect(photo).p_roadwork
    assert miner.forward(base64.b64encode(b"text").decode()) == -1
    assert "cannot identify image file" in str(miner.error)


def test_settings_are_found_by_path_first_and_apply(monkeypatch, tree, model, detector, photo):
    install(InstallRequest(tree, model))
    (tree / "own.yaml").write_text(f"model_path: {model}\ntta: true\n")
    miner = Miner(monkeypatch, tree, "base_miner", config="own.yaml")
    mirrored = Detector(detector._model, tta=True).detect(photo).p_roadwork
    assert miner.forward(base64.b64encode(photo.read_bytes()).decode()) == pytest.approx(mirrored, abs=1e-6)
    with pytest.raises(RequestError, match="IMAGE_DETECTOR_DEVICE=cpu"):
        Miner(monkeypatch, tree, "base_miner", device="cuda")


def encoded(kind, photo):
    """The photo in a form that a PNG cannot simply repeat, as text."""
    with Image.open(photo) as opened:
        image = opened.convert("RGB")
    file = io.BytesIO()
    if kind == "turned":
        exif = Image.Exif()
        exif[0x0112] = 6
        image.save(file, "JPEG", exif=exif)
    elif kind == "CMYK":
        image.convert("CMYK").save(file, "JPEG")
    elif kind == "16-bit":
        Image.fromarray((np.asarray(image.convert("L")).astype(np.uint16) << 8) + 200).save(file, "PNG")
    elif kind == "palette":
        image.quantize(16).save(file, "GIF")
    else:
        image.convert("RGBA").save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


@pytest.mark.parametrize("kind", ["turned", "CMYK", "16-bit", "palette", "alpha"])
def test_a_service_sees_the_very_pixels(monkeypatch, tree, detector, photo, service, kind):
    install(InstallRequest(tree, None, service_url=service.url + "/"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    miner = Miner(monkeypatch, tree, "base_miner")
    text = encoded(kind, photo)
    expected = detector.detect(base64.b64decode(text)).p_roadwork
    assert miner.forward(text) == expected
    sent = "image/jpeg" if kind in ("turned", "CMYK") else "image/png"
    assert service.asked == [("/v1/detect", sent)]
    image = Image.open(io.BytesIO(base64.b64decode(text)))
    image.load()  # its bytes are not at hand any more
    assert miner.detector(image) == expected
    assert service.asked[1:] == [("/v1/detect", "image/png")]


def test_an_image_that_was_sent_can_still_be_read(monkeypatch, tree, photo, service):
    install(InstallRequest(tree, None, service_url=service.url))
    miner = Miner(monkeypatch, tree, "base_miner")
    for kind in ("turned", "alpha"):
        data = base64.b64decode(encoded(kind, photo))
        image = Image.open(io.BytesIO(data))
        miner.detector(image)
        np.testing.assert_array_equal(np.asarray(image), np.asarray(Image.open(io.BytesIO(data))))


def test_a_service_that_does_not_answer_is_an_error_with_its_reason(monkeypatch, tree, photo, service):
    install(InstallRequest(tree, None, service_url=service.url))
    image = base64.b64encode(photo.read_bytes()).decode()
    service.status = 429
    miner = Miner(monkeypatch, tree, "base_miner")
    assert miner.forward(image) == -1
    assert isinstance(miner.error, RuntimeError)
    assert "answered 429" in str(miner.error)
    assert "the queue is full" in str(miner.error)
    service.close()
    assert miner.forward(image) == -1
    assert f"no answer from {service.url}/v1/detect" in str(miner.error)


@pytest.mark.parametrize("said", [1.0001, -0.5, float("nan"), float("inf"), "much", [0.5], {}])
def test_what_is_no_probability_is_not_handed_on(monkeypatch, tree, photo, service, said):
    install(InstallRequest(tree, None, service_url=service.url))
    miner = Miner(monkeypatch, tree, "base_miner")
    service.says = said
    assert miner.forward(base64.b64encode(photo.read_bytes()).decode()) == -1
    assert f"no answer from {service.url}/v1/detect" in str(miner.error)


def test_the_module_is_valid_for_python_3_10(tree, model):
    install(InstallRequest(tree, model))
    ast.parse(find_layout(tree).module.read_text(), feature_version=(3, 10))


@pytest.mark.parametrize("tree", LAYOUTS[1:], indirect=True)
def test_check_answers_in_the_miners_python_and_leaves_no_trace(tree, model, detector, photo):
    (tree / "pyproject.toml").write_text('[tool.poetry.dependencies]\npillow = "^9.5.0"\n')
    install(InstallRequest(tree, model, write_env=True))
    before = contents(tree)
    result = check(tree, image=photo)
    assert result.error is None
    assert result.p_roadwork == pytest.approx(detector.detect(photo).p_roadwork, abs=1e-6)
    assert result.load_s > 0
    assert [(row["package"], row["theirs"]) for row in result.conflicts] == [("pillow", "^9.5.0 (pyproject.toml)")]
    assert contents(tree) == before


def test_a_service_needs_no_kerasfusion_there(tree, service, detector, photo, model, tmp_path):
    python = without_kerasfusion(tmp_path / "tree" / "venv")
    install(InstallRequest(tree, None, service_url=service.url, write_env=True))
    result = check(tree, image=photo)
    assert result.python == python
    assert result.p_roadwork == detector.detect(photo).p_roadwork
    layout = find_layout(tree)
    layout.config.unlink()
    install(InstallRequest(tree, model))
    result = check(tree)
    assert "No module named 'kerasfusion'" in result.error
    assert f"install kerasfusion into {python}" in result.todo and "--service" in result.todo
    assert result.p_roadwork is None


@pytest.mark.parametrize("listed", ["pyproject.toml", "requirements.miner.txt"])
def test_check_says_where_the_miners_own_packages_come_from(tree, model, listed):
    (tree / listed).touch()
    (tree / "base_miner" / "detectors" / "feature_detector.py").write_text("import not_bittensor.core\n")
    install(InstallRequest(tree, model))
    for named in (None, Path(sys.executable)):
        result = check(tree, named)
        assert result.error == "  ModuleNotFoundError: No module named 'not_bittensor'"
        assert f"the miner's own packages, which {listed} lists, into {result.python}" in result.todo
        assert "--python PYTHON" in result.todo
    (tree / "base_miner" / "detectors" / "feature_detector.py").write_text("import base_miner.gone\n")
    assert check(tree).todo == f"if {result.python} is not the miner's: --python PYTHON"
    assert check(tree, Path(sys.executable)).todo is None


def test_check_names_a_missing_model_before_the_miners_python_starts(tree, model, tmp_path):
    gone = tmp_path / "fusion.keras"
    shutil.copy(model, gone)
    install(InstallRequest(tree, gone))
    gone.unlink()
    with pytest.raises(RequestError, match="the model that the settings name is not there") as refused:
        check(tree, tmp_path / "no-such-python")
    assert refused.value.where == gone


def test_check_on_the_command_line(tree, service):
    def run(*arguments, code):
        done = CliRunner().invoke(main, ["miner", *map(str, arguments)])
        assert done.exit_code == code, done.output
        return done

    run("check", tree, code=2)
    shown = run("install", tree, "--service", service.url, code=0).output
    assert "IMAGE_DETECTOR_CONFIG=inception_fusion_roadwork.yaml" in shown
    assert "paused by its owner in May 2026" in shown
    answered = json.loads(run("check", tree, "--json", code=0).stdout)
    assert 0 < answered["p_roadwork"] < 1
    assert "miner.env names ViT" in answered["notes"][0]
    service.status = 500
    failed = run("check", tree, code=1).output
    assert "answered 500" in failed
    assert "Traceback" not in failed and 'File "' not in failed
    as_json = run("check", tree, "--json", code=1)
    assert "answered 500" in json.loads(as_json.stdout)["error"]
    assert "answered 500" not in as_json.stderr
    refused = run("check", tree, "--python", tree / "gone", code=2).output
    assert "cannot run this Python" in refused
    assert f"what to do: name it with --python, such as --python {tree / 'venv' / 'bin' / 'python'}" in refused
    photo = tree / "photo.jpg"
    photo.write_text("text")
    assert "not an image" in run("check", tree, "--image", photo, code=2).output
    assert "restored: " in run("uninstall", tree, code=0).output


def test_benchmark_measures_what_miner_env_starts(tree, model, service):
    install(InstallRequest(tree, model, write_env=True))
    done = CliRunner().invoke(main, ["benchmark", "--from-env", f"{tree}/miner.env", "--runs", "2", "--json"])
    assert done.exit_code == 0, done.output
    assert list(json.loads(done.stdout)["stages"]) == ["decode", "preprocess", "forward", "total"]
    install(InstallRequest(tree, None, service_url=service.url, write_env=True))
    result = measure_miner(tree / "miner.env", None, runs=2, warmup=1)
    assert list(result["stages"]) == ["request", "total"]
    assert len(service.asked) == 3
    service.status = 503
    with pytest.raises(KerasFusionError, match="answered 503"):
        measure_miner(tree / "miner.env", None, runs=1, warmup=0)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("IMAGE_DETECTOR=InceptionFusion", "", "not set: IMAGE_DETECTOR"),
        ("=InceptionFusion", "=ViT", "answers with ViT"),
        ("inception_fusion_roadwork.yaml", "gone.yaml", "YAML does not exist"),
    ],
)
def test_benchmark_says_what_is_wrong_with_miner_env(tree, service, old, new, message):
    install(InstallRequest(tree, None, service_url=service.url, write_env=True))
    env = tree / "miner.env"
    env.write_text(env.read_text().replace(old, new))
    with pytest.raises(RequestError, match=message):
        measure_miner(env, None, runs=1, warmup=0)


def test_benchmark_takes_either_a_model_or_miner_env(tree, model):
    for arguments in ([], [str(model), "--from-env", "a"], ["--from-env", "a", "--tta"]):
        assert CliRunner().invoke(main, ["benchmark", *arguments]).exit_code == 2

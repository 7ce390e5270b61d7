"""What is written into a miner's tree, and that all of it comes out again."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from kerasfusion.cli.main import main
from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.roadwork.miner.check.launch import read_launch
from kerasfusion.roadwork.miner.plugin import line_edits
from kerasfusion.roadwork.miner.plugin.detector_settings import model_file, read_detector_settings
from kerasfusion.roadwork.miner.plugin.install import InstallRequest, install, uninstall
from kerasfusion.roadwork.miner.plugin.install_record import NAME
from kerasfusion.roadwork.miner.plugin.layout import find_layout
from kerasfusion.roadwork.miner.plugin.miner_env import read_env
from tests.roadwork.miner.miner_tree import LAYOUTS, contents, write_tree


def described(path: Path, **description) -> Path:
    """A file that says of itself what a model says, which is all that is read of it here."""
    said = {"system": "roadwork", "model_sha256": "0", "precision": "float32", **description}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("kerasfusion.json", json.dumps(said))
    return path


@pytest.fixture
def model(tmp_path):
    return described(tmp_path / "fusion.keras")


@pytest.fixture(params=LAYOUTS)
def tree(request, tmp_path):
    return write_tree(tmp_path / "tree", request.param)


@pytest.fixture
def layout(tree):
    return find_layout(tree)


def test_three_things_change_and_all_come_out_again(tree, layout, model):
    before = contents(tree)
    changed = install(InstallRequest(tree, model))
    assert set(changed) == {layout.module, layout.config, layout.detectors / "__init__.py"}
    added = set(contents(tree)) - set(before)
    assert {Path(name).name for name in added} == {layout.module.name, layout.config.name, NAME}
    lines = (layout.detectors / "__init__.py").read_text().splitlines()
    assert lines[0] == "from .feature_detector import FeatureDetector"
    assert len(lines) == 2
    assert f"from {layout.package}.registry import" in layout.module.read_text()
    settings = read_detector_settings(layout.config)
    assert model_file(settings, layout.config) == model
    uninstall(tree)
    assert contents(tree) == before


def test_again_changes_nothing_and_another_model_only_the_yaml(tree, layout, model, tmp_path):
    before = contents(tree)
    request = InstallRequest(tree, model, write_env=True)
    install(request)
    once = contents(tree)
    assert install(request) == []
    assert contents(tree) == once
    other = described(tmp_path / "other.keras")
    assert install(replace(request, model=other, tta=True)) == [layout.config]
    settings = read_detector_settings(layout.config)
    assert (settings.model_path, settings.tta) == (other, True)
    uninstall(tree)
    assert contents(tree) == before


def test_miner_env_is_only_changed_when_asked_for(tree, layout, model):
    before = contents(tree)
    request = InstallRequest(tree, model, device="cuda", write_env=True)
    assert layout.env in install(request)
    values = read_env(layout.env)
    assert request.variables.items() <= values.items()
    assert values["IMAGE_DETECTOR_DEVICE"] == "cuda"
    assert values["MODEL_URL"] == "https://example.org/#a"
    uninstall(tree)
    assert contents(tree) == before
    layout.env.unlink()
    before = contents(tree)
    install(request)
    assert read_env(layout.env) == request.variables
    uninstall(tree)
    assert contents(tree) == before


@pytest.mark.parametrize("name", ["setup_env.sh", "scripts/setup_env.sh"])
def test_a_miner_env_that_the_trees_own_script_would_write_is_not_forestalled(tree, layout, model, name):
    layout.env.unlink()
    script = tree / name
    script.parent.mkdir(exist_ok=True)
    script.write_text("#!/bin/bash\n")
    before = contents(tree)
    with pytest.raises(RequestError, match=f"run {name} first .*leave --write-env out"):
        install(InstallRequest(tree, model, write_env=True))
    assert contents(tree) == before
    install(InstallRequest(tree, model))
    layout.env.write_text("WALLET_NAME=a\n")
    install(InstallRequest(tree, model, write_env=True))
    assert read_env(layout.env)["WALLET_NAME"] == "a"


def test_a_miner_env_that_holds_only_our_lines_is_noted(tree, layout, model):
    command = ["miner", "install", str(tree), "--model", str(model), "--write-env"]
    assert "holds only these lines" not in CliRunner().invoke(main, command).output
    layout.env.unlink()
    shown = CliRunner().invoke(main, command).output
    assert f"note: {layout.env} is new and holds only these lines" in shown
    assert "  IMAGE_DETECTOR=InceptionFusion\n" in shown
    assert "holds only these lines" not in CliRunner().invoke(main, command).output


@pytest.mark.parametrize(
    "line",
    [
        "from .inception_fusion_detector import Fusion, FusionTwo as Two",
        "from {package}.detectors.inception_fusion_detector import Fusion, FusionTwo",
        "try:\n    from .inception_fusion_detector import Fusion, FusionTwo\nexcept ImportError:\n    pass",
    ],
)
def test_a_forks_own_files_come_back_and_its_import_line_serves(tree, layout, model, line):
    layout.module.write_text("class Fusion:\n    '''Of the fork.'''\n")
    layout.module.chmod(0o755)
    layout.config.write_text("googlenet_fusion_path: older\n")
    with (layout.detectors / "__init__.py").open("a") as file:
        file.write(line.format(package=layout.package))
    before = contents(tree)
    assert set(install(InstallRequest(tree, model))) == {layout.module, layout.config}
    assert "\nFusion = InceptionFusionDetector\nFusionTwo = InceptionFusionDetector\n" in layout.module.read_text()
    kept = layout.module.with_name(layout.module.name + ".before-kerasfusion")
    assert "Of the fork" in kept.read_text()
    assert install(InstallRequest(tree, model)) == []
    uninstall(tree)
    assert contents(tree) == before


@pytest.mark.parametrize("text", ["from .a import b", "from .a import b\r\nimport c\r\n", ""])
def test_the_import_line_leaves_no_trace_whatever_the_file_ends_with(tree, layout, model, text):
    init = layout.detectors / "__init__.py"
    init.write_bytes(text.encode())
    install(InstallRequest(tree, model))
    assert init.read_bytes().count(b"\r\n") == text.count("\r\n") * 3 // 2
    compile(init.read_bytes(), "init", "exec")
    uninstall(tree)
    assert init.read_bytes() == text.encode()


def test_what_was_edited_since_is_kept(tree, layout, model, tmp_path):
    install(InstallRequest(tree, model))
    with layout.config.open("a") as file:
        file.write("# mine\n")
    edited = contents(tree)
    with pytest.raises(RequestError, match="edited since it was installed"):
        install(InstallRequest(tree, described(tmp_path / "other.keras")))
    assert contents(tree) == edited
    done = "\n".join(uninstall(tree))
    assert f"kept, since it was edited after it was installed: {layout.config}" in done
    assert layout.config.read_text().endswith("# mine\n")
    assert not layout.module.exists()
    with pytest.raises(RequestError, match="nothing was installed here"):
        uninstall(tree)


def test_an_interrupted_installation_can_be_undone_or_finished(tree, layout, model, monkeypatch):
    layout.module.write_text("of the fork\n")
    before = contents(tree)

    def full(path, data):
        raise KerasFusionError("no space left on the disk", where=path)

    for undo in (True, False):
        with monkeypatch.context() as patch:
            patch.setattr("kerasfusion.roadwork.miner.plugin.install.write_file", full)
            with pytest.raises(KerasFusionError, match="no space"):
                install(InstallRequest(tree, model))
        if undo:
            uninstall(tree)
            assert contents(tree) == before
    install(InstallRequest(tree, model))
    uninstall(tree)
    assert contents(tree) == before


def test_an_installation_that_ends_at_the_import_line_can_be_undone(tree, layout, model, monkeypatch):
    before = contents(tree)
    rewrite = line_edits._rewrite

    def interrupted(path, lines):
        rewrite(path, lines)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(line_edits, "_rewrite", interrupted)
        with pytest.raises(KeyboardInterrupt):
            install(InstallRequest(tree, model))
    assert "InceptionFusion" in (layout.detectors / "__init__.py").read_text()
    uninstall(tree)
    assert contents(tree) == before


def test_a_service_needs_no_model(tree, layout):
    install(InstallRequest(tree, None, service_url="http://127.0.0.1:8100"))
    assert yaml.safe_load(layout.config.read_text()) == {"service_url": "http://127.0.0.1:8100", "timeout_s": 8.0}


def test_wrong_requests_leave_the_tree_as_it_is(tree, layout, model, tmp_path):
    before = contents(tree)
    fume = described(tmp_path / "fume.keras", system="fume")
    parts = described(tmp_path / "trained_parts.keras", system=None)
    for request, message in [
        (InstallRequest(tree, fume), "this is a fume model"),
        (InstallRequest(tree, parts), "not a whole roadwork model"),
        (InstallRequest(tree, tmp_path / "gone.keras"), "does not exist"),
        (InstallRequest(tree, None), "neither a model nor a service"),
        (InstallRequest(tree, None, service_url="localhost:8100"), "not the address of a service"),
        (InstallRequest(tree, model, tta=True, service_url="http://localhost"), "chosen where it is started"),
        (InstallRequest(tree, model, precision="int8"), "no int8 export"),
        (InstallRequest(tmp_path / "gone", model), "no such folder"),
    ]:
        with pytest.raises(RequestError, match=message):
            install(request)
    (layout.detectors / "__init__.py").write_text("from import\n")
    with pytest.raises(RequestError, match="not valid Python"):
        install(InstallRequest(tree, model))
    assert set(contents(tree)) == set(before)


def test_another_folder_is_no_miners_tree(tmp_path, model):
    (tmp_path / "base_miner").mkdir()
    (tmp_path / "base_miner" / "registry.py").touch()
    with pytest.raises(RequestError) as error:
        install(InstallRequest(tmp_path, model))
    assert "base_miner/ lacks detectors/__init__.py" in str(error.value)
    assert "natix/miner/ lacks registry.py" in str(error.value)


def test_a_record_that_came_with_a_tree_reaches_no_other_file(tree, layout, model, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("line\n")
    entry = {"created": False, "newline_added": False, "edits": [{"written": "line", "before": "other"}]}
    record = layout.detectors / NAME
    record.write_text(json.dumps({"files": {}, "lines": {"../victim": entry}}))
    uninstall(tree)
    assert victim.read_text() == "line\n"
    record.write_text('{"files": {"a": 1}}')
    with pytest.raises(KerasFusionError, match=r"damaged:\n  - files\.a: (.|\n)*put the files that end in"):
        install(InstallRequest(tree, model))


@pytest.mark.parametrize("write_env", [True, False])
def test_a_miner_env_with_windows_line_ends_is_refused_before_anything_is_written(tree, layout, model, write_env):
    layout.env.write_bytes(layout.env.read_bytes().replace(b"\n", b"\r\n"))
    before = contents(tree)
    with pytest.raises(RequestError, match="Windows line ends"):
        install(InstallRequest(tree, model, write_env=write_env))
    assert contents(tree) == before
    with pytest.raises(RequestError, match="Windows line ends"):
        read_launch(layout.env)

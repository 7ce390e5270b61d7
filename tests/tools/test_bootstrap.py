"""The scripts that make .venv: what they decide, without a network and without installing anything."""

import ast
import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
TOOLS = REPOSITORY / "tools"
PINS = {"torch": "2.15.0", "torchvision": "0.29.2"}
GOOD = {
    "version": (3, 12),
    "implementation": "CPython",
    "bits": 64,
    "free_threaded": False,
    "system": "Linux",
    "machine": "x86_64",
    "has_venv": True,
}


@pytest.fixture(autouse=True)
def tools_on_path(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))


def module(name):
    return importlib.import_module(f"bootstrap.{name}")


@pytest.fixture
def checkout(tmp_path):
    """A folder with the files that decide what is installed, and nothing else."""
    for name in module("environment").INPUTS:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def installs(monkeypatch, checkout):
    """Record each step in place of running it; the one that makes .venv leaves an empty file as its Python."""
    commands, environment = [], module("environment")

    def version(root):
        return environment.PYTHON if environment.executable("python", root).exists() else ""

    def record(label, command, *, log, cwd, extra=None):
        commands.append(list(command))
        if "venv" in command:
            make_venv(checkout)
        if "-e" in command:
            install_package(checkout, editable=True)

    monkeypatch.setattr(module("install"), "run_step", record)
    monkeypatch.setattr(environment, "_python_with_pip", version)
    monkeypatch.setattr(module("install"), "cache_variables", lambda root, builds: {})
    monkeypatch.setattr(module("torch_builds"), "has_nvidia_gpu", lambda: False)
    monkeypatch.setattr(module("torch_builds"), "cpu_index_lists", lambda pins: False)
    monkeypatch.setattr(module("torch_builds"), "installed", lambda python: PINS)
    return commands


def make_venv(root):
    python = module("environment").executable("python", root)
    python.parent.mkdir(parents=True, exist_ok=True)
    python.touch()
    (root / ".venv" / "pyvenv.cfg").touch()


def install_package(root, editable):
    """What pip leaves of where the package came from."""
    origin = root / ".venv" / "lib" / "python3.12" / "site-packages" / "kerasfusion-0.1.0.dist-info" / "direct_url.json"
    origin.parent.mkdir(parents=True, exist_ok=True)
    origin.write_text(json.dumps({"dir_info": {"editable": True} if editable else {}, "url": root.as_uri()}))


@pytest.mark.parametrize(
    "change", [{"version": (3, 11)}, {}, {"version": (3, 13)}, {"system": "Darwin", "machine": "arm64"}]
)
def test_suitable_interpreters_are_no_problem(change):
    assert module("interpreter").problem({**GOOD, **change}) == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": (3, 10)}, "Python 3.10; kerasfusion needs a 64-bit CPython 3.11 to 3.13"),
        ({"version": (3, 14)}, "Python 3.14"),
        ({"version": (3, 9)}, "Python 3.9"),
        ({"version": (2, 7)}, "Python 2.7"),
        ({"bits": 32}, "32-bit CPython"),
        ({"implementation": "PyPy"}, "64-bit PyPy"),
        ({"free_threaded": True}, "free-threaded"),
        ({"system": "Darwin"}, "Intel build of Python on macOS"),
        ({"has_venv": False}, "sudo apt install python3.12-venv"),
    ],
)
def test_unsuitable_interpreters_are_named(change, said):
    assert said in module("interpreter").problem({**GOOD, **change})


def test_an_unsuitable_interpreter_ends_with_2_and_names_a_suitable_one(monkeypatch, capsys):
    interpreter = module("interpreter")
    monkeypatch.setattr(interpreter, "facts", lambda: {**GOOD, "version": (3, 14)})
    monkeypatch.setattr(interpreter, "others", lambda: ["python3.13", "python3.11"])
    monkeypatch.setattr(sys, "argv", ["tools/demo.py", "--seed", "1"])
    with pytest.raises(SystemExit) as ended:
        interpreter.require_supported()
    assert ended.value.code == 2
    assert "python3.13 tools/demo.py --seed 1" in capsys.readouterr().err


@pytest.mark.parametrize("path", ["demo.py", "test.py", "bootstrap/__init__.py", "bootstrap/interpreter.py"])
def test_what_runs_before_the_check_parses_on_python_3_7(path):
    ast.parse((TOOLS / path).read_text(encoding="utf-8"), feature_version=(3, 7))


def test_scripts_check_the_interpreter_before_any_other_import_of_ours():
    for name in ("demo.py", "test.py"):
        text = (TOOLS / name).read_text(encoding="utf-8")
        assert text.index("interpreter.require_supported()") < text.index("import entry")


# What is installed when


def test_first_run_installs_and_the_second_does_nothing(checkout, installs):
    install = module("install")
    install.ensure(["train", "yolo"], checkout)
    assert installs[0][-3:] == ["-m", "venv", str(checkout / ".venv")]
    assert ".[train,yolo]" in installs[1] and "tools/constraints.txt" in installs[1]
    assert "torch===2.15.0" in installs[1] and "torchvision===0.29.2" in installs[1]
    assert "torchvision.ops.nms" in installs[2][-1]
    installs.clear()
    install.ensure(["train", "yolo"], checkout)
    install.ensure(["yolo"], checkout)
    assert installs == []


def test_more_extras_are_added_to_those_that_are_there(checkout, installs):
    install = module("install")
    install.ensure(["train", "yolo"], checkout)
    installs.clear()
    install.ensure(["dev"], checkout)
    assert ".[dev,train,yolo]" in installs[0]
    assert not any("venv" in command for command in installs)


@pytest.mark.parametrize("name", ["setup.cfg", "pyproject.toml", "tools/constraints.txt"])
def test_a_changed_input_installs_again(checkout, installs, name):
    install = module("install")
    install.ensure(["yolo"], checkout)
    installs.clear()
    with (checkout / name).open("a") as stream:
        stream.write("\n# changed\n")
    install.ensure(["yolo"], checkout)
    assert [command for command in installs if "pip" in command]


@pytest.mark.parametrize("change", [{"complete": False}, {"python": "3.10"}, {"root": "/elsewhere"}])
def test_interrupted_foreign_or_moved_is_made_again_from_nothing(checkout, installs, change):
    install, environment = module("install"), module("environment")
    install.ensure(["yolo"], checkout)
    # Another Python's .venv has another Python in it: here, none that starts.
    if "python" in change:
        environment.executable("python", checkout).unlink()
    environment.write_state(checkout, {**environment.read_state(checkout), **change})
    (checkout / ".venv" / "half-installed").mkdir()
    installs.clear()
    install.ensure(["yolo"], checkout)
    assert not (checkout / ".venv" / "half-installed").exists()
    assert "venv" in installs[0]
    assert environment.is_ready(checkout, ["yolo"])


def test_a_copy_of_the_package_is_replaced_by_the_checkout(checkout, installs):
    """`pip install ".[export]"` leaves a copy, which would stay what it is when the checkout changes."""
    install = module("install")
    install.ensure(["yolo"], checkout)
    installs.clear()
    install_package(checkout, editable=False)
    install.ensure(["yolo"], checkout)
    assert any("-e" in command for command in installs)
    installs.clear()
    install.ensure(["yolo"], checkout)
    assert installs == []


def test_a_venv_made_by_hand_is_installed_into(checkout, installs):
    make_venv(checkout)
    (checkout / ".venv" / "mine").touch()
    module("install").ensure(["yolo"], checkout)
    assert (checkout / ".venv" / "mine").exists()
    assert not any("venv" in command for command in installs)


def test_a_venv_made_by_hand_for_another_python_is_left_alone(checkout, installs):
    make_venv(checkout)
    module("environment").executable("python", checkout).unlink()
    with pytest.raises(module("steps").SetupError, match="Move it away or delete it") as refused:
        module("install").ensure(["yolo"], checkout)
    assert refused.value.exit_code == 2
    assert (checkout / ".venv" / "pyvenv.cfg").exists() and installs == []


def failing_steps(monkeypatch, tmp_path, last_line):
    steps, log = module("steps"), tmp_path / "failed.log"
    log.write_text(last_line, encoding="utf-8")

    def fail(label, command, **options):
        raise steps.StepError(label, 1, log)

    monkeypatch.setattr(module("install"), "run_step", fail)


def test_a_failed_update_leaves_the_environment_as_it_was(checkout, installs, monkeypatch, tmp_path):
    install, environment = module("install"), module("environment")
    install.ensure(["yolo"], checkout)
    before = environment.read_state(checkout)
    failing_steps(monkeypatch, tmp_path, "ERROR: no network")
    with pytest.raises(module("steps").StepError, match="no network"):
        install.ensure(["train"], checkout)
    assert environment.read_state(checkout) == before


def test_cpu_builds_that_cannot_be_installed_are_replaced_by_both_default_ones(checkout, installs, monkeypatch, capsys):
    monkeypatch.setattr(module("torch_builds"), "cpu_index_lists", lambda pins: True)
    record = module("install").run_step

    def fail_on_cpu(label, command, *, log, **options):
        record(label, command, log=log, **options)
        if "--no-index" in command:
            raise module("steps").StepError(label, 1, log)

    monkeypatch.setattr(module("install"), "run_step", fail_on_cpu)
    module("install").ensure(["yolo"], checkout)
    assert "torch===2.15.0" in installs[2] and "torchvision===0.29.2" in installs[2]
    assert "could not be installed: default builds" in capsys.readouterr().out


def test_too_little_room_is_said_before_anything_is_made(checkout, monkeypatch, capsys):
    install, entry, torch_builds = module("install"), module("entry"), module("torch_builds")
    usage = type(shutil.disk_usage(checkout))(100e9, 99e9, 1e9)
    monkeypatch.setattr(install.shutil, "disk_usage", lambda path: usage)
    monkeypatch.setattr(torch_builds, "choose", lambda found, pins: torch_builds.Builds("cpu", "CPU builds"))
    assert entry.run(lambda arguments: install.ensure(["yolo"], checkout)) == 1
    assert f"needs about {install.GIGABYTES['cpu']} GB, 1.0 GB are free at {checkout}" in capsys.readouterr().err
    assert not (checkout / ".venv" / "pyvenv.cfg").exists()


@pytest.mark.commands
@pytest.mark.parametrize(
    ("free", "said"), [(7.5e9, "pip keeps no downloads in its cache: 7.5 GB are free"), (8.1e9, "")]
)
def test_where_wheels_fit_once_only_pip_keeps_none(checkout, monkeypatch, capsys, free, said):
    install = module("install")
    monkeypatch.delenv("PIP_NO_CACHE_DIR", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    usage = type(shutil.disk_usage(checkout))(100e9, 100e9 - free, free)
    monkeypatch.setattr(install.shutil, "disk_usage", lambda path: usage)
    variables = install.cache_variables(checkout, module("torch_builds").Builds("cpu", "CPU builds"))
    code = "import subprocess, sys; subprocess.run([sys.executable, '-m', 'pip', 'cache', 'dir'])"
    log = checkout / "log"
    install.run_step("asking pip", [sys.executable, "-c", code], log=log, cwd=checkout, extra=variables)
    assert ("cache is disabled" in log.read_text(encoding="utf-8")) == bool(said)
    assert said in capsys.readouterr().out


def test_a_disk_that_fills_up_on_the_way_is_said_and_the_rest_redone(checkout, installs, monkeypatch, tmp_path, capsys):
    install, environment = module("install"), module("environment")
    failing_steps(monkeypatch, tmp_path, "ERROR: Could not install packages: [Errno 28] No space left on device")
    assert module("entry").run(lambda arguments: install.ensure(["yolo"], checkout)) == 1
    assert "The disk is full" in capsys.readouterr().err
    assert not environment.is_ready(checkout, ["yolo"])


def test_a_step_that_hides_the_reason_still_shows_a_full_disk(monkeypatch, tmp_path):
    steps, log = module("steps"), tmp_path / "install.log"
    log.write_text("returned non-zero exit status 1", encoding="utf-8")
    assert not steps.StepError("making .venv", 1, log).disk_full
    usage = type(shutil.disk_usage(tmp_path))(100e9, 100e9, 0)
    monkeypatch.setattr(steps.shutil, "disk_usage", lambda path: usage)
    assert steps.StepError("making .venv", 1, log).disk_full


def test_a_failed_step_shows_the_last_lines_of_its_log(tmp_path):
    steps, log = module("steps"), tmp_path / "install.log"
    code = "for i in range(40): print('line', i)\nraise SystemExit(3)"
    with pytest.raises(steps.StepError) as failed:
        steps.run_step("counting", [sys.executable, "-c", code], log=log, cwd=tmp_path)
    text = str(failed.value)
    assert "counting failed (exit code 3)" in text and str(log) in text
    assert "line 39" in text and "line 25" in text and "line 24" not in text
    assert not failed.value.disk_full


def test_packages_of_other_pythons_stay_out(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert "PYTHONPATH" not in module("steps").clean_environment()


def test_the_lock_keeps_a_second_run_waiting(tmp_path):
    lock, path = module("lock"), tmp_path / "install.lock"
    code = f"import sys; sys.path.insert(0, {str(TOOLS)!r})\nfrom pathlib import Path\nfrom bootstrap import lock\n"
    code += f"with lock.exclusive(Path({str(path)!r}), 0.05): print('held', flush=True)"
    with lock.exclusive(path):
        other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert "waiting" in other.stdout.readline()
    assert other.communicate()[0].strip() == "held"


@pytest.mark.parametrize(("codes", "expected"), [((0, 0, 0, 0), 0), ((1, 0, 0, 0), 1), ((0, 1, 0, 5), 1)])
def test_all_checks_run_whatever_the_earlier_ones_found(monkeypatch, codes, expected):
    spec = importlib.util.spec_from_file_location("kerasfusion_tools_test", TOOLS / "test.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    commands, left = [], iter(codes)

    def run(command, cwd):
        commands.append(command[2:])
        return next(left)

    monkeypatch.setattr(module("steps"), "run_foreground", run)
    monkeypatch.setattr(module("install"), "ensure", lambda extras: None)
    assert script.main(["-k", "one"]) == expected
    assert commands[:3] == [["ruff", "check"], ["ruff", "format", "--check"], ["tests.browser"]]
    assert (commands[3][0], commands[3][-2:]) == ("pytest", ["-k", "one"])

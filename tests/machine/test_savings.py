"""What builds without GPUs would save."""

import importlib.metadata

import pytest

from kerasfusion.machine import savings
from kerasfusion.machine.findings import OK, WARNING
from kerasfusion.machine.packages import Package
from kerasfusion.machine.savings import check_savings, installed_bytes

SIZES = {"nvidia-cudnn-cu12": 700_000_000, "nvidia-cublas-cu12": 600_000_000, "triton": 200_000_000}


def look(names, torch="2.15.0", has_gpu=False):
    packages = {name: Package("1.0") for name in names} | ({"torch": Package(torch)} if torch else {})
    return check_savings(packages, has_gpu, lambda name: SIZES.get(name, 0))


def test_torchs_libraries_of_gpus_are_added_up():
    (found,) = look([*SIZES, "nvidia-ml-py", "numpy"])
    assert (found.status, found.found) == (WARNING, "1.5 GB in 3 packages, for a GPU that is not here")
    cpu, _, remove = found.todo.partition(", then ")
    assert cpu.startswith("pip install --force-reinstall torch torchvision --index-url ")
    assert remove == "pip uninstall nvidia-cublas-cu12 nvidia-cudnn-cu12 triton"


@pytest.mark.parametrize("torch", ["2.15.0+cpu", None])
def test_what_a_torch_without_gpus_left_behind_is_only_removed(torch):
    (found,) = look(["nvidia-cudnn-cu12"], torch)
    assert found.todo == "pip uninstall nvidia-cudnn-cu12"


@pytest.mark.parametrize(("names", "has_gpu"), [(["nvidia-ml-py", "numpy"], False), ([*SIZES, "tensorflow"], True)])
def test_nothing_is_said_without_such_libraries_or_with_a_gpu(names, has_gpu):
    assert look(names, has_gpu=has_gpu) == []


@pytest.mark.parametrize(("platform", "said"), [("linux", True), ("darwin", False), ("win32", False)])
def test_tensorflows_build_for_processors_is_named_where_there_is_another(monkeypatch, platform, said):
    monkeypatch.setattr(savings.sys, "platform", platform)
    found = look(["tensorflow"])
    assert [each.status for each in found] == [OK] * said
    assert all("tensorflow-cpu" in each.found for each in found)
    assert look(["tensorflow-cpu"]) == []


def test_a_packages_files_are_measured():
    """Against the files themselves, without those that Python compiled since."""
    paths = [file.locate() for file in importlib.metadata.files("click") if file.suffix != ".pyc"]
    sizes = {path: path.stat().st_size for path in paths if path.name != "RECORD"}
    assert installed_bytes("click") == sum(sizes.values())

import ast
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from kerasfusion.files.saving import read_description
from kerasfusion.fume.plumes.dataset import write_dataset
from kerasfusion.roadwork.data.split_job import split_dataset
from kerasfusion.roadwork.fit.job import fit
from tests.material.warm_python import WARM

TOOLS = Path(__file__).parents[2] / "tools"
NOTEBOOKS = ("colab.ipynb", "colab_fume.ipynb")
MARKS = ("# @title", "# @param")
COMMAND = ("-m", "kerasfusion")
TINY_NETWORK = f"""
import sys
sys.path.append({str(TOOLS.parent)!r})
from kerasfusion.cli.main import main
from kerasfusion.fume.fit import train
from tests.fume.fit.training_material import tiny_network
train.build_network = tiny_network
main(prog_name="kerasfusion")
"""
"""The command with a network of a few layers: what is tested is how the notebook goes from step to step."""


def read(name):
    return nbformat.read(TOOLS / name, as_version=4)


def parameters_of(book):
    (cell,) = [cell for cell in book.cells if "parameters" in cell.metadata.get("tags", [])]
    values = {line.targets[0].id: ast.literal_eval(line.value) for line in ast.parse(cell.source).body}
    return cell, values


def execute(name, folder, command=COMMAND, **parameters):
    """Run a notebook in `folder` with other parameters; returns what its cells printed.

    `command` is what Python is started with where the notebook starts kerasfusion.
    """
    book = read(name)
    cell, values = parameters_of(book)
    assert parameters.keys() <= values.keys()
    start = WARM.command(*command)
    for other in book.cells:
        other.source = other.source.replace('sys.executable, "-m", "kerasfusion"', ", ".join(map(repr, start)))
    cell.source = "\n".join(f"{key} = {value!r}" for key, value in (values | parameters).items())
    NotebookClient(book, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    return "".join(output.text for output in outputs if output.output_type == "stream"), outputs


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_committed_without_what_running_it_leaves(name):
    book = read(name)
    nbformat.validate(book)
    assert set(book.metadata) == {"kernelspec", "language_info"}
    assert book.metadata.language_info == {"name": "python"}
    for cell in book.cells:
        assert set(cell.metadata) <= {"tags", "cellView"}
        if cell.cell_type == "code":
            assert (cell.execution_count, cell.outputs) == (None, [])


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_parameters_are_a_form_in_the_first_code_cell_and_all_of_them_are_used_and_explained(name):
    book = read(name)
    cell, values = parameters_of(book)
    codes = [other for other in book.cells if other.cell_type == "code"]
    assert codes[0] is cell
    title, *lines = cell.source.splitlines()
    assert title.startswith(MARKS[0])
    assert len(lines) == len(values)
    assert all(MARKS[1] in line for line in lines)
    rest = "\n".join(other.source for other in codes[1:])
    assert [key for key in values if key not in rest] == []


@pytest.mark.notebooks
def test_roadwork_packs_what_fit_needs_at_home(make_config, photos, vit_folder, tmp_path):
    source = tmp_path / "photos.zip"
    with zipfile.ZipFile(source, "w") as archive:
        for path in sorted((photos / "train").rglob("*.*")):
            archive.write(path, f"street/{path.relative_to(photos / 'train')}")
    printed, _ = execute(
        "colab.ipynb",
        tmp_path,
        DATA=str(source),
        NAME="toy",
        WORK="work",
        YOLO_MODEL="yolo11n-cls.yaml",
        YOLO_EPOCHS=1,
        YOLO_BATCH=8,
        IMAGE_SIZE=32,
        VIT=str(vit_folder),
        CACHE_BATCH=8,
    )
    assert "kerasfusion data split data/raw data/roadwork" in printed
    home = tmp_path / "home"
    with zipfile.ZipFile(tmp_path / "work" / "toy.zip") as archive:
        archive.extractall(home)
    assert {path.name for path in (home / "runs" / "toy" / "yolo").iterdir()} >= {"best.pt", "training.json"}
    split_dataset(tmp_path / "work" / "data" / "raw", home / "data")
    config = make_config(
        home,
        f"data.root={home / 'data'}",
        f"yolo.weights={home / 'runs' / 'toy' / 'yolo' / 'best.pt'}",
        f"cache.folder={home / 'cache' / 'roadwork'}",
        f"vit.weights={tmp_path / 'none'}",
        "fit.epochs=1",
        "fit.augmentation=none",
        "views.count=4",  # as the notebook leaves it
    )
    assert fit(config, report=lambda line: None).parts.is_file()


@pytest.mark.notebooks
def test_fume_packs_a_run_with_its_report(tmp_path):
    data = tmp_path / "frames"
    write_dataset(data, {"train": 6, "val": 3, "test": 3}, 1, size=(64, 64), copies=0, balanced=True)
    printed, outputs = execute(
        "colab_fume.ipynb",
        tmp_path,
        ("-c", TINY_NETWORK),
        DATA=str(data),
        NAME="toy",
        WORK="work",
        MODEL="MultiTaskFastSCNN",
        EPOCHS=1,
        BATCH=4,
        WIDTH=64,
        HEIGHT=64,
        PANELS_EVERY=1,
    )
    assert "rumen state" in printed
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not list(data.glob("paired_*"))
    with zipfile.ZipFile(tmp_path / "work" / "toy.zip") as archive:
        names = archive.namelist()
        archive.extract("runs/toy/fume.keras", tmp_path / "home")
    assert {"runs/toy/metrics.json", "runs/toy/report.html", "runs/toy/history.csv"} <= set(names)
    assert any(name.startswith("runs/toy/predicted/") and name.endswith(".png") for name in names)
    assert not any("checkpoints" in name for name in names)
    assert read_description(tmp_path / "home" / "runs" / "toy" / "fume.keras")["model"] == "MultiTaskFastSCNN"

"""The benchmark against plain torch layers: it runs, both sides answer alike, and both have the same loss."""

import csv
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from keras import ops

from kerasfusion.fume.networks.losses import Focal, FocalDice

import torch  # isort: skip  after keras

TOOLS = Path(__file__).resolve().parents[2] / "tools"
sys.path.append(str(TOOLS))  # last: test.py lies there, too

from bench_fume import material, torch_side  # noqa: E402  they lie beside the tools

pytestmark = pytest.mark.exports


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("bench_fume_script", TOOLS / "bench_fume.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_both_sides_answer_alike_and_a_row_is_kept(tmp_path, script, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # torch's threads wait for each other busily
    monkeypatch.setattr("bench_fume.run.EXPORTS", ("onnx",))
    arguments = ["--rows", "inference", "--rows", "exports", "--inference", "96x64", "--rounds", "1"]
    result = CliRunner().invoke(script.main, [*arguments, "--work", str(tmp_path)])
    assert result.exit_code == 0, result.output
    with (tmp_path / "bench_fume.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["row"] for row in rows] == ["inference, one pair, keras", "inference, one pair, onnx"]
    for row in rows:
        assert (row["form"], row["unit"], row["asked"]) == ("96x64", "ms", ">= 1.5")
        assert float(row["ratio"]) == pytest.approx(float(row["peer"]) / float(row["ours"]))
        assert row["machine"] and row["torch"] and row["tensorflow"]
        assert float(row["note"].rpartition(" ")[2]) < 1e-4
        assert row["row"] in result.output and row["ratio"][:2] in result.output


def test_both_sides_have_the_same_loss():
    _, targets = material.draw_batch(16, 24, 3)
    rng = np.random.default_rng(1)
    logits = {name: rng.normal(0, 2, (*y.shape, 3)).astype(np.float32) for name, y in targets.items()}
    ours = sum(0.5 * FocalDice()(targets[name], logits[name]) for name in ("co2_mask", "ch4_mask"))
    ours += Focal(alpha=material.ALPHA)(targets["state"], logits["state"])
    theirs = torch_side.total_loss(
        {name: torch.from_numpy(np.moveaxis(value, -1, 1)) for name, value in logits.items()},
        {name: torch.from_numpy(value) for name, value in targets.items()},
    )
    assert float(theirs) == pytest.approx(float(ops.convert_to_numpy(ours)), rel=1e-5)


@pytest.mark.parametrize("wrong", [["--training", "100x64"], ["--inference", "64"], ["--rows", "speed"]])
def test_a_wrong_request_is_refused(tmp_path, script, wrong):
    assert CliRunner().invoke(script.main, [*wrong, "--work", str(tmp_path)]).exit_code == 2

"""Several seeds of a configuration: which runs they are, and mean and spread of what they reach."""

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from kerasfusion.cli.main import main
from kerasfusion.files.kept_answers import predictions_path
from kerasfusion.fume.ablate import job
from kerasfusion.fume.ablate.configs import changes
from kerasfusion.fume.ablate.figures import draw_curves
from kerasfusion.fume.ablate.plan import compared_samples
from kerasfusion.fume.ablate.results import Result
from kerasfusion.fume.ablate.seeds import METRICS, SAME, gather, with_seeds
from kerasfusion.fume.evaluate.paper import as_latex, as_markdown
from kerasfusion.fume.evaluate.predictions import write_predictions
from kerasfusion.fume.evaluate.split import Answers, Asked
from tests.fume.ablate.ablation_material import configured, write_config, write_run
from tests.fume.fit.training_material import write_set

pytestmark = pytest.mark.trains


def test_each_configuration_comes_with_its_own_seed_and_the_next(tmp_path):
    configs = [
        configured(tmp_path / "data", "a"),
        configured(tmp_path / "data", "b", "FUMEFastSCNN", "experiment.seed=7"),
    ]
    found = [(config.experiment.name, config.experiment.seed) for config in with_seeds(configs, 2)]
    assert found == [("a-seed42", 42), ("a-seed43", 43), ("b-seed7", 7), ("b-seed8", 8)]
    assert with_seeds(configs, 1) == configs


def row(name, **values):
    return {"name": name, **dict.fromkeys((*SAME, *METRICS)), "parameters": 1_656_236, **values}


def test_mean_and_sample_standard_deviation():
    rows = [
        row("a_b-seed1", joint=0.5, miou_co2=0.70),
        row("a_b-seed2", joint=0.7, miou_co2=0.72),
        row("a_b-seed3", joint=0.6, miou_co2=0.77),
        row("c-seed1", joint=0.4),
    ]
    first, second = gather(rows)
    assert (first["name"], first["seeds"], first["joint"]) == ("a_b", 3, pytest.approx(0.6))
    assert first["joint_sd"] == pytest.approx(0.1)
    assert first["miou_co2_sd"] == pytest.approx(0.036056, abs=1e-6)  # sqrt((0.03^2 + 0.01^2 + 0.04^2) / 2)
    assert (second["name"], second["joint"], second["joint_sd"], second["miou_co2"]) == ("c", 0.4, None, None)
    assert as_latex([first, second]).splitlines() == [
        r"\begin{tabular}{lrrr}",
        r"\toprule",
        r"run & parameters & mIoU CO\textsubscript{2} & joint \\",
        r"\midrule",
        r"a\_b & 1,656,236 & 0.730 $\pm$ 0.036 & 0.600 $\pm$ 0.100 \\",
        r"c & 1,656,236 & - & 0.400 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]
    assert as_markdown([first]).splitlines()[2] == r"| a\_b | 1,656,236 | 0.730 ± 0.036 | 0.600 ± 0.100 |"


@pytest.mark.parametrize(
    ("differs", "told"),
    [
        (None, None),
        ("experiment.seed: 43", None),
        ("experiment.seed: 43, model.shared_encoder: false", "model.shared_encoder: false"),
        ("data.gases: co2, experiment.seed: 43", "data.gases: co2"),
        ("a: [1, 2], experiment.seed: 43, training.batch_size: 4", "a: [1, 2], training.batch_size: 4"),
    ],
)
def test_what_a_configuration_has_otherwise_is_told_without_the_seed_of_one_training(differs, told):
    """Of the first training that is there: it need not have the first seed."""
    assert gather([row("b-seed43", differs=differs), row("b-seed44")])[0]["differs"] == told


def test_that_the_seed_is_told_as_it_is_left_out(tmp_path):
    first, second = with_seeds([configured(tmp_path, "a")], 2)
    assert changes(first, second) == "experiment.seed: 43"


def test_seeds_of_a_configuration_share_a_colour_in_the_curves(tmp_path):
    results = [Result(configured(tmp_path, "a"), {}, {}, {"val_loss": [1.0, height]}, 2) for height in (0.5, 0.4, 0.3)]
    figure = draw_curves(results, ["a", "a", "b"])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]
    curves = [line.get_color() for line in figure.axes[0].get_lines() if len(line.get_xdata()) == 2]
    assert curves[0] == curves[1] != curves[2]


def keep_answers(config, are_right):
    """As `evaluate` keeps them; all states right, or none."""
    samples = compared_samples(config)
    said = [(sample.class_id + (not are_right)) % 3 for sample in samples]
    asked = [Asked(sample, sample.is_paired, True) for sample in samples]
    path = predictions_path(config.run_folder, "test")
    write_predictions(path, Answers(asked, np.eye(3, dtype=np.float32)[said], {}))


def test_the_command_trains_each_seed_and_tells_the_spread(tmp_path, monkeypatch):
    root = write_set(tmp_path / "data", {"train": 12, "val": 6, "test": 9})
    config, other = configured(root, "usual"), configured(root, "no_attention", "FUMEFastSCNNConcat")
    for seeded, balanced in zip(with_seeds([config, other], 2), (0.7, 0.8, 0.4, 0.4), strict=True):
        write_run(seeded, balanced=balanced)
        keep_answers(seeded, are_right=seeded.model == config.model)
    monkeypatch.setattr(job, "start", lambda *_: pytest.fail("finished runs are not run again"))
    files = [str(write_config(tmp_path, each)) for each in (config, other)]
    out = tmp_path / "out"
    arguments = ["ablate", *files, "--seeds", "2", "--out", str(out)]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert "0.750 ± 0.071" in done.output  # 0.1 / sqrt(2)
    # Nine originals, all of one sign: 2 of 2^9 ways.
    told = "Clearly other than usual (p < 0.05) in balanced accuracy: no_attention (p = 0.004) of 1."
    assert told in done.output
    with (out / "ablation_seeds.csv").open(newline="") as file:
        line, second = csv.DictReader(file)
    assert (line["name"], line["seeds"], line["balanced_accuracy_p"]) == ("usual", "2", "-")
    assert float(line["balanced_accuracy_sd"]) == pytest.approx(0.1 / 2**0.5)
    assert float(second["balanced_accuracy_p"]) == 2**-8
    latex = (out / "ablation.tex").read_text()
    assert "0.750 $\\pm$ 0.071 & - &" in latex
    assert "no\\_attention & " in latex
    assert "0.400 $\\pm$ 0.000 & 0.004 &" in latex
    markdown = (out / "ablation_seeds.md").read_text()
    assert "| 0.750 ± 0.071 | - |" in markdown
    assert rf"- {told}".replace("no_", r"no\_") in markdown
    with Image.open(out / "panels.png") as image:
        assert 4 * 182 < image.width < 5 * 182  # input, truth, and the first seed of each
    with (out / "ablation.csv").open(newline="") as file:
        trainings = list(csv.DictReader(file))
    assert [row["name"] for row in trainings] == [
        *("usual-seed42", "usual-seed43", "no_attention-seed42", "no_attention-seed43")
    ]
    assert "balanced_accuracy_p" not in trainings[0]
    told = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).stdout)
    assert [run["name"] for run in told["runs"]] == [row["name"] for row in trainings]
    assert told["seeds"][0]["balanced_accuracy"] == pytest.approx(0.75)


def test_a_dry_run_with_seeds_tries_one_training_and_lists_all(tmp_path, monkeypatch):
    tried = []
    monkeypatch.setattr(
        "kerasfusion.fume.dry_run.ablate._try",
        lambda config: tried.append(config.experiment.name) or SimpleNamespace(run_bytes=10**6),
    )
    monkeypatch.setattr("kerasfusion.fume.dry_run.ablate._step_macs", lambda config, known: 1)
    monkeypatch.setattr("kerasfusion.fume.dry_run.ablate._seconds", lambda *arguments: 60.0)
    monkeypatch.setattr("kerasfusion.fume.ablate.cost._parameters", lambda run: 10)
    root = write_set(tmp_path / "data", {"train": 12, "val": 6, "test": 9})
    files = [
        write_config(tmp_path, configured(root, name, network))
        for name, network in (("usual", "FUMEFastSCNN"), ("multi", "MultiTaskFastSCNN"))
    ]
    arguments = ["ablate", *map(str, files), "--seeds", "3", "--dry-run", "--json"]
    told = json.loads(CliRunner().invoke(main, arguments).stdout)
    assert [row["name"] for row in told["runs"]] == [
        f"{name}-seed{n}" for name in ("usual", "multi") for n in (42, 43, 44)
    ]
    assert {row["minutes_left"] for row in told["runs"]} == {1.0}
    assert [row["told_by"] for row in told["runs"]] == ["a trial"] * 3 + ["the trial, by MACs"] * 3
    assert tried == [told["measured_on"]["run"]] == ["usual-seed42"]
    assert not (tmp_path / "runs").exists()

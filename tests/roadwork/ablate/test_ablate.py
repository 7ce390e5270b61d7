"""ablate of roadwork: planted branches of known worth, and one fitted toy run from the command line."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.metrics import accuracy_score, matthews_corrcoef

from kerasfusion.cli.main import main
from kerasfusion.config import to_yaml
from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.files.saving import load_model
from kerasfusion.roadwork.ablate.answers import Said, read_answers, with_folds
from kerasfusion.roadwork.ablate.costs import Cost
from kerasfusion.roadwork.ablate.job import made_of, weigh
from kerasfusion.roadwork.ablate.record import read_ablation
from kerasfusion.roadwork.ablate.text import as_text
from kerasfusion.roadwork.config import Fusion, RoadworkConfig, Views
from kerasfusion.roadwork.data.dataset import Sample
from kerasfusion.roadwork.fit.out_of_fold_table import FoldAnswers, write_fold_answers
from kerasfusion.roadwork.fit.training_data import Photos
from kerasfusion.roadwork.precompute import branch_cache
from kerasfusion.roadwork.report.page import write_report
from kerasfusion.roadwork.scoring.reward import binary_report

pytestmark = pytest.mark.commands

CONFIG = RoadworkConfig(views=Views(count=0), fusion=Fusion(epochs=15, learning_rate=0.3))
COSTS = {"yolo": Cost(5.0, 6.0), "vit": Cost(200.0, 343.0), "efficientnetv2": Cost(20.0, 24.0)}


def two_columns(p):
    return np.stack([1 - p, p], axis=1).astype(np.float32)


def planted(answers, labels, groups=None):
    """Photos of which the branches say this; {branch: (N,) P(roadwork)}."""
    samples = [Sample(f"test/{n:04}.jpg", Path(f"{n:04}.jpg"), "test", int(label)) for n, label in enumerate(labels)]
    digests = [f"{n:064x}" for n in range(len(labels))]
    yolo, vit, efficientnetv2 = (two_columns(answers[name]) for name in ("yolo", "vit", "efficientnetv2"))
    return Photos(samples, digests, groups or digests, labels.astype(np.int32), yolo, vit), efficientnetv2


def weighed(draw, costs=COSTS):
    """Weigh branches that `draw(rng, labels)` plants, on photos of their own."""
    both = []
    for seed, count in enumerate((256, 2000)):
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, 2, count)
        both += planted(draw(rng, labels), labels)
    return weigh(CONFIG, Said(*both, ("yolo", "vit", "efficientnetv2")), costs, "0" * 64)


def knowing(rng, labels, sure):
    """P(roadwork) whose logit is drawn around +-sure."""
    return 1 / (1 + np.exp(-rng.normal(sure * (2 * labels - 1), 1)))


def test_of_three_that_know_alike_every_one_pays():
    found = weighed(lambda rng, labels: {name: knowing(rng, labels, 1.0) for name in COSTS})
    assert found.useless == []
    assert "every branch pays" in as_text(found)
    assert "by photo (copies, and photos of one group, count as one; paired bootstrap)" in as_text(found)
    rows = {row.name: row for row in found.asked["test"]}
    # Signs of sums of one, two and three draws of N(1, 1): Phi(1), Phi(sqrt 2) and Phi(sqrt 3) of them are right.
    expected = {"vit alone": 0.8413, "without vit": 0.9214, "fusion": 0.9584}
    for name, share in expected.items():
        assert rows[name].accuracy == pytest.approx(share, abs=0.02)
    assert rows["fusion"].reward_difference is None
    assert rows["without vit"].reward_difference == pytest.approx(rows["without vit"].reward - rows["fusion"].reward)
    assert rows["without vit"].reward_difference_ci95[1] < 0
    assert rows["without vit"].branches == ["yolo", "efficientnetv2"]
    assert rows["without vit"].ms == 25.0
    assert rows["fusion"].mb == 373.0


def test_one_that_knows_nothing_is_named_with_what_it_costs():
    def draw(rng, labels):
        noise = 1 / (1 + np.exp(-rng.normal(0, 1, len(labels))))
        return {"yolo": knowing(rng, labels, 1.0), "vit": noise, "efficientnetv2": knowing(rng, labels, 1.0)}

    found = weighed(draw)
    (useless,) = found.useless
    assert (useless.branch, useless.ms, useless.mb) == ("vit", 200.0, 343.0)
    low, high = useless.gain_ci95
    assert low <= useless.gain <= high
    assert low <= 0
    assert "--without vit --name roadwork-without-vit --yolo" in useless.command
    text = as_text(found)
    assert "vit pays for nothing that 2000 photos could show" in text
    assert "leaving it out saves 200.0 ms a photo and 343.0 MB" in text


def test_of_two_that_say_the_same_either_may_go():
    def draw(rng, labels):
        same = knowing(rng, labels, 1.0)
        return {"yolo": same, "vit": knowing(rng, labels, 1.0), "efficientnetv2": same}

    found = weighed(draw, costs={})
    assert [each.branch for each in found.useless] == ["yolo", "efficientnetv2"]
    assert {row.ms for row in found.asked["test"]} == {None}
    assert "saves" not in as_text(found)
    assert "--yolo" not in found.useless[0].command  # what is left out needs no weights
    assert "--yolo" in found.useless[1].command


def test_of_two_branches_those_without_one_are_heads_of_one():
    assert [row.name for row in made_of(("yolo", "vit"))] == [
        "fusion",
        "without yolo",
        "without vit",
        "yolo alone",
        "vit alone",
    ]
    assert len(made_of(("yolo", "vit", "efficientnetv2"))) == 1 + 3 + 3


def test_photos_of_one_drive_are_drawn_together():
    """Forty drives of ten photos that are all alike are forty photos, as far as an interval can tell."""
    both = []
    for seed in (0, 1):
        rng = np.random.default_rng(seed)
        labels = np.repeat(rng.integers(0, 2, 40), 10)
        answers = {name: np.repeat(knowing(rng, labels[::10], 0.5), 10) for name in COSTS}
        both += planted(answers, labels, [f"key:drive{number // 10}" for number in range(400)])
    found = weigh(CONFIG, Said(*both, ("yolo", "vit")), {}, "0" * 64)
    yolo = {row.name: row for row in found.asked["test"]}["yolo alone"]
    p, labels = both[2].yolo_probs[::10, 1], both[2].labels[::10]
    rewards = []
    for _ in range(2000):
        drawn = rng.integers(0, 40, 40)
        rewards.append(binary_report(labels[drawn], p[drawn])["reward"])
    assert yolo.reward_ci95 == pytest.approx(np.percentile(rewards, [2.5, 97.5]), abs=0.03)


@pytest.fixture
def run(fitted, tmp_path):
    """A copy of the fitted run and its configuration's file."""
    shutil.copytree(fitted.run_folder, tmp_path / "runs" / "toy")
    config = replace(fitted, runs_folder=tmp_path / "runs")
    path = tmp_path / "roadwork.yaml"
    path.write_text(to_yaml(config), encoding="utf-8")
    return config, path


@pytest.fixture
def quick_costs(monkeypatch):
    monkeypatch.setattr("kerasfusion.roadwork.ablate.job.measure_costs", lambda path, branches: COSTS)


@pytest.mark.trains
def test_a_finished_fit_is_weighed_from_cache_and_kept_features(run, photos, without_figures):
    config, path = run
    kept = {file.name for file in config.fit.pixel_cache.iterdir()}
    done = CliRunner().invoke(main, ["ablate", "-c", str(path), "--json"], catch_exceptions=False)
    said = json.loads(done.stdout)
    rows = {row["name"]: row for row in said["asked"]["test"]}
    records = branch_cache.read_cache(config.cache.folder, ["test"])
    labels = [record.label for record in records.values()]
    for name in ("yolo", "vit"):
        decided = [round(float(getattr(record, f"{name}_probs")[0, 1])) for record in records.values()]
        assert rows[f"{name} alone"]["accuracy"] == pytest.approx(accuracy_score(labels, decided))
        assert rows[f"{name} alone"]["mcc"] == pytest.approx(matthews_corrcoef(labels, decided))
    model = load_model(config.run_folder / "fusion.keras")[0]
    assert rows["fusion"]["mb"] == pytest.approx(4 * model.count_params() / 1e6, rel=0.01)
    assert all(row["ms"] > 0 for row in rows.values())
    assert rows["without vit"]["ms"] == pytest.approx(rows["yolo alone"]["ms"] + rows["efficientnetv2 alone"]["ms"])
    new = {file.name for file in config.fit.pixel_cache.iterdir()} - kept
    assert len(new) == 2  # pixels and features of test/: those of the held-out photos were there
    assert [Path(file).name for file in said["files"]] == ["ablation.json", "ablation.csv"]
    with (config.run_folder / "ablation.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["name"] for line in lines] == list(rows)
    assert float(lines[0]["reward"]) == rows["fusion"]["reward"]
    _answers_are_those_of_the_fit(config, model)
    _the_report_has_it(config)


def _answers_are_those_of_the_fit(config, model):
    said = read_answers(config, "test")
    from kerasfusion.roadwork.detect.detector import open_detector

    detector = open_detector(config.run_folder / "fusion.keras")
    asked = [detector.detect(sample.path) for sample in said.asked.samples[:3]]
    for name, probs in said.of_asked().items():
        np.testing.assert_allclose(probs[:3, 1], [each.branches[name] for each in asked], atol=1e-3)


def _the_report_has_it(config):
    page = write_report(config.run_folder).read_text(encoding="utf-8")
    assert "What each branch is worth" in page
    assert "without efficientnetv2" in page
    assert "It was fitted anew since" not in page
    shutil.copyfile(config.run_folder / "ablation.json", config.run_folder / "kept.json")
    (config.run_folder / "ablation.json").write_text("{}", encoding="utf-8")
    with pytest.raises(KerasFusionError, match=r"ablation\.json(.|\n)*kerasfusion ablate"):
        write_report(config.run_folder)
    shutil.move(config.run_folder / "kept.json", config.run_folder / "ablation.json")
    assert read_ablation(config.run_folder).photos == 12


@pytest.mark.trains
def test_what_does_not_belong_together_is_refused(run, tmp_path, quick_costs):
    config, _ = run
    nowhere = replace(config, name="nobody")
    with pytest.raises(RequestError, match=r"no finished fit(.|\n)*kerasfusion fit"):
        read_answers(nowhere, "test")
    no_cache = replace(config, cache=replace(config.cache, folder=tmp_path / "none"))
    with pytest.raises(RequestError, match=r"no branch cache(.|\n)*kerasfusion precompute"):
        read_answers(no_cache, "test")
    views = replace(config, views=Views(count=4))
    with pytest.raises(RequestError, match=r"other settings(.|\n)*views\.count(.|\n)*-c .*config\.yaml"):
        read_answers(views, "test")
    head = replace(config, fusion=replace(config.fusion, head="mlp"))
    with pytest.raises(RequestError, match=r"fusion\.head: was linear, is now mlp"):
        read_answers(head, "test")
    manifest = json.loads((config.cache.folder / "manifest.json").read_text())
    manifest["vit"]["sha256"] = "0" * 64
    shutil.copytree(config.cache.folder, tmp_path / "other")
    (tmp_path / "other" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RequestError, match="another ViT or YOLO"):
        read_answers(replace(config, cache=replace(config.cache, folder=tmp_path / "other")), "test")


def test_wrong_calls_are_refused(tmp_path):
    roadwork, fume = tmp_path / "roadwork.yaml", tmp_path / "fume.yaml"
    roadwork.write_text("system: roadwork\n", encoding="utf-8")
    fume.write_text("system: fume\n", encoding="utf-8")
    for arguments, said in (
        ([], "no configuration is named"),
        (["-c", str(roadwork), str(fume)], "one run's branches are weighed at a time"),
        (["-c", str(roadwork), "--epochs", "3"], "--epochs is not for roadwork"),
        (["-c", str(roadwork), "--dry-run"], "--dry-run is not for roadwork"),
        ([str(roadwork), "--set", f"runs_folder={tmp_path}"], "no finished fit"),
    ):
        result = CliRunner().invoke(main, ["ablate", *arguments])
        assert (result.exit_code, said in result.output) == (2, True), result.output


def test_heads_of_all_photos_are_refitted_on_what_is_kept_out_of_fold(tmp_path):
    """Twelve photos of train/ with the kept answers, and then the held-out ones with those that are asked for."""
    rng = np.random.default_rng(3)
    labels = np.arange(12) % 2
    training, _ = planted({name: rng.uniform(size=12) for name in COSTS}, labels)
    validation, asked = planted({name: rng.uniform(size=4) for name in COSTS}, labels[:4])
    config = replace(CONFIG, runs_folder=tmp_path, fusion=Fusion(fit_on="all"))
    config.run_folder.mkdir(parents=True)
    kept = {"yolo": rng.uniform(size=(12, 1)), "efficientnetv2": rng.uniform(size=(12, 1))}
    names = [sample.sample_id for sample in training.samples]
    write_fold_answers(config.run_folder, FoldAnswers(names, training.digests, labels, labels + 1, kept), ["1" * 64])
    learned, probs = with_folds(config, training, validation, asked)
    assert [sample.sample_id for sample in learned.samples] == names + names[:4]
    np.testing.assert_allclose(probs[:12, 1], kept["efficientnetv2"][:, 0], rtol=1e-6)
    np.testing.assert_array_equal(probs[12:], asked)


@pytest.mark.parametrize("fusion", [Fusion(head="features"), Fusion(head="auto"), Fusion(vit_adapted=True)])
def test_heads_of_features_are_refused(tmp_path, fusion):
    with pytest.raises(RequestError, match="head sees features") as found:
        read_answers(replace(CONFIG, runs_folder=tmp_path, fusion=fusion), "test")
    assert "another run folder" in found.value.todo

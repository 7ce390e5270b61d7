"""The adapted ViT's answers are out of fold, and of the heads that are tried the simplest good one is taken."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import log_loss, matthews_corrcoef

from kerasfusion.errors import RequestError
from kerasfusion.files.saving import load_model, read_description
from kerasfusion.roadwork.branches.ensemble import build_head
from kerasfusion.roadwork.branches.features_head import build_adapted
from kerasfusion.roadwork.config import Fusion
from kerasfusion.roadwork.detect.detector import open_detector
from kerasfusion.roadwork.dry_run.fit import estimate_fit
from kerasfusion.roadwork.evaluate.job import Request, as_text, run
from kerasfusion.roadwork.fit.job import fit
from kerasfusion.roadwork.head import choose as module
from kerasfusion.roadwork.head.adapted import adapt_vit
from kerasfusion.roadwork.head.choose import Candidate, build_chosen, candidates, choose_head
from kerasfusion.roadwork.head.fitting import fit_head
from kerasfusion.roadwork.head.record import table_of
from kerasfusion.roadwork.head.rows import HeadRows
from kerasfusion.roadwork.precompute import branch_cache
from kerasfusion.roadwork.report.page import write_report
from tests.material.hugging_face_vit import HIDDEN

pytestmark = [pytest.mark.usefixtures("yolo_in_this_process"), pytest.mark.trains]

BRANCHES = ("yolo", "vit", "efficientnetv2")
LINEAR = Candidate("linear", BRANCHES)
FEATURES = ("vit_features", "efficientnetv2_features")


def probs(p):
    return np.stack([1 - p, p], axis=1).astype(np.float32)


def rows_of(count, views=2, width=6, seed=0):
    """Rows without anything to learn."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(rng.permutation(np.arange(count) % 2), views).astype(np.int32)
    inputs = {name: probs(rng.uniform(0.01, 0.99, len(labels))) for name in BRANCHES}
    inputs |= {name: rng.normal(size=(len(labels), width)).astype(np.float32) for name in FEATURES}
    return HeadRows(labels, np.repeat(np.arange(count), views), inputs, views)


def told(rows, name, right=1.0, seed=1):
    """The same rows with an input that tells the label, of as many photos as `right` says."""
    rng = np.random.default_rng(seed)
    known = (rng.uniform(size=len(rows.labels)) < right)[rows.groups * (len(rows) // len(np.unique(rows.groups)))]
    said = np.where(known, rows.labels, 1 - rows.labels)
    values = rows.inputs[name].copy()
    if name in BRANCHES:
        values = probs(np.where(said == 1, 0.8, 0.2))
    else:
        values[:, 0] = 3 * said + 0.1 * rng.normal(size=len(rows))
    return replace(rows, inputs={**rows.inputs, name: values})


def test_the_adapted_vit_says_of_no_photo_what_it_was_told_of_it(make_config, tmp_path):
    """Labels at random, and features by which a photo is known: whoever has seen it knows its label."""
    rows = rows_of(40, views=3)
    rows = replace(rows, inputs={**rows.inputs, "vit_features": np.eye(40, dtype=np.float32)[rows.groups]})
    adapted = build_adapted(40)
    found, said = adapt_vit(make_config(tmp_path), adapted, rows)
    told_head = found.inputs["vit_adapted"]
    assert told_head.shape == (120, 2)
    np.testing.assert_allclose(told_head.sum(axis=1), 1, atol=1e-6)
    assert ((told_head[:, 1] > 0.5) == rows.labels).mean() < 0.6
    of_all = np.asarray(adapted(rows.inputs["vit_features"]))[:, 1]
    assert ((of_all > 0.5) == rows.labels).mean() == 1  # the one that is saved has seen all of them
    assert said["photos"] == 40
    assert set(rows.inputs) == set(found.inputs) - {"vit_adapted"}


def test_a_head_of_four_begins_as_the_soft_vote():
    head = build_head(Fusion(), (*BRANCHES, "vit_adapted"))
    p = np.random.default_rng(0).uniform(size=(20, 4))
    answers = head({name: probs(p[:, column]) for column, name in enumerate(head.input)})
    # With s the sum of four P(roadwork), the logits are -2 s + 4 and 2 s - 4.
    np.testing.assert_allclose(np.asarray(answers)[:, 1], 1 / (1 + np.exp(-16 * (p.mean(axis=1) - 0.5))), atol=1e-5)


def test_with_the_adapted_vit_every_head_is_tried_twice():
    assert [candidate.name for candidate in candidates(Fusion(head="auto"))] == ["linear", "mlp", "features"]
    names = [candidate.name for candidate in candidates(Fusion(head="auto", vit_adapted=True))]
    assert names[:3] == ["linear", "mlp", "features"]
    assert names[3:] == ["linear with vit_adapted", "mlp with vit_adapted", "features with vit_adapted"]


@pytest.fixture
def config(make_config, tmp_path):
    return make_config(tmp_path, "fusion.head=auto", "fusion.epochs=30", "fusion.hidden=4")


@pytest.mark.parametrize(("name", "right", "expected"), [("yolo", 0.9, "linear"), ("vit_features", 1.0, "features")])
def test_the_head_is_taken_that_sees_what_tells(config, monkeypatch, name, right, expected):
    monkeypatch.setattr(module, "candidates", lambda settings: [LINEAR, replace(LINEAR, head="features")])
    rows = told(rows_of(40), name, right)
    candidate, said = choose_head(config, rows)
    assert (candidate, said["chosen"]) == (Candidate(expected, BRANCHES), expected)
    assert (said["photos"], said["views"], said["prior"]) == (40, 80, 0.5)
    text = table_of(said)
    assert [line.split()[0] for line in text.splitlines()[2:4]] == ["linear", "features"]
    assert f"{expected} learns fewest numbers" in text
    assert "on 40 photos in 80 views" in text
    assert "groups" not in said  # each photo is one, as in records of before there were any
    json.dumps(said)


@pytest.mark.parametrize("head", ["auto", "features", "vit_adapted"])
def test_photos_are_counted_and_their_groups_beside_them(config, monkeypatch, head):
    """Sixty photos of twelve drives in two views each."""
    monkeypatch.setattr(module, "candidates", lambda settings: [LINEAR])
    rows = rows_of(60)
    rows = replace(rows, groups=rows.groups % 12)
    if head == "auto":
        said = choose_head(config, rows)[1]
        assert "5-fold cross-validation on 60 photos (12 groups) in 120 views" in table_of(said)
    elif head == "features":
        said = fit_head(config, build_chosen(config, Candidate("features", BRANCHES), rows)[1], rows)
    else:
        said = adapt_vit(config, build_adapted(6), rows)[1]
    assert (said["photos"], said["groups"]) == (60, 12)


def answering(answers):
    """Stands in for the trials: candidate -> its answers about all rows."""
    numbers = {"linear": 8, "mlp": 98, "features": 900}
    return lambda config, candidate, rows, folds: (answers[candidate.head], numbers[candidate.head])


def test_the_scores_are_those_of_scikit_learn_and_the_simplest_within_one_error_is_taken(config, monkeypatch):
    rng, rows = np.random.default_rng(3), rows_of(100)
    rare = np.flatnonzero((rows.labels == 0) | (rows.groups % 3 == 0))
    rows = rows.take(rare)

    def right(share):
        known = rng.uniform(size=len(rows)) < share
        return np.where(known == (rows.labels == 1), 0.9, 0.1)

    answers = {"linear": right(0.7), "mlp": right(0.93), "features": right(0.97)}
    monkeypatch.setattr(module, "_try_out", answering(answers))
    _, said = choose_head(config, rows)
    weights = np.where(rows.labels == 1, 0.5 / rows.labels.mean(), 0.5 / (1 - rows.labels.mean()))
    for row in said["tried"]:
        decided = answers[row["head"]] > 0.5
        mcc = matthews_corrcoef(rows.labels, decided, sample_weight=weights)
        accuracy = np.average(decided == rows.labels, weights=weights)
        assert row["mcc"] == pytest.approx(mcc, abs=1e-6)
        assert row["reward"] == pytest.approx(((max(mcc, 0) + accuracy) / 2) ** 3, abs=1e-6)
        assert row["nll"] == pytest.approx(log_loss(rows.labels, answers[row["head"]], sample_weight=weights), abs=1e-6)
    linear, mlp, best = said["tried"]
    least = best["reward"] - best["standard_error"]
    expected = "mlp" if mlp["reward"] >= least else "features"
    assert linear["reward"] < least
    assert (said["best"], said["chosen"]) == ("features", expected)


def test_the_error_is_of_photos_and_not_of_their_views(config, monkeypatch):
    """The same answers about four views of each photo say no more than about one."""
    error = {}
    for views in (1, 4):
        rows = rows_of(200, views)
        of_photo = np.random.default_rng(8).uniform(size=200) < 0.8
        p = np.where(of_photo[rows.groups] == (rows.labels == 1), 0.9, 0.1)
        monkeypatch.setattr(module, "_try_out", answering(dict.fromkeys(("linear", "mlp", "features"), p)))
        candidate, said = choose_head(config, rows)
        error[views] = said["tried"][0]["standard_error"]
        assert candidate.head == "linear"  # of equal ones the simplest
    assert error[4] == pytest.approx(error[1], rel=0.15)


def test_no_trial_answers_a_photo_that_its_head_has_seen(config, monkeypatch):
    seen = []

    def remember(config, head, rows, folds):
        seen.append(set(rows.groups))
        return {}

    monkeypatch.setattr(module, "fit_head", remember)
    asked, take = [], HeadRows.take

    def remember_taken(rows, numbers):
        asked.append(set(rows.groups[numbers]))
        return take(rows, numbers)

    monkeypatch.setattr(HeadRows, "take", remember_taken)
    choose_head(config, rows_of(30))
    assert len(seen) == 15  # three heads in five folds
    for fitted_on, left_out in zip(asked[::2], asked[1::2], strict=True):
        assert fitted_on in seen
        assert not fitted_on & left_out
        assert fitted_on | left_out == set(range(30))


def test_too_few_photos_are_refused(config):
    with pytest.raises(RequestError, match=r"too few groups of .* for fusion\.head: auto(.|\n)*4 no_.*, 4 road"):
        choose_head(config, rows_of(8, views=6))


@pytest.fixture(scope="module")
def chosen(make_config, featured, tmp_path_factory):
    """A finished run whose head was chosen, with the adapted ViT."""
    folder = tmp_path_factory.mktemp("chosen")
    cache = (f"cache.folder={featured.cache.folder}", "views.count=2", "fit.augmentation=none", "fit.epochs=1")
    config = make_config(folder, *cache, "fusion.head=auto", "fusion.vit_adapted=true", "fusion.epochs=3")
    lines, both = [], (*BRANCHES, "vit_adapted")
    with pytest.MonkeyPatch.context() as patch:  # fewer of them: each that is trained takes seconds
        patch.setattr(module, "candidates", lambda settings: [LINEAR, Candidate("features", both)])
        fit(config, report=lines.append)
    return config, "\n".join(lines)


def test_the_table_is_printed_and_kept_in_run_and_file(chosen):
    config, printed = chosen
    said = json.loads((config.run_folder / "head.json").read_text())
    assert table_of(said) in printed
    assert [row["head"] for row in said["tried"]] == ["linear", "features with vit_adapted"]
    assert said["vit_adapted"]["photos"] == 12
    description = read_description(config.run_folder / "fusion.keras")
    assert description["head"] == said
    assert description["outputs"] == ["fusion", "vit", "yolo", "efficientnetv2", "vit_adapted"]


def test_the_adapted_vit_is_an_output_of_parts_and_file_and_a_row_of_the_evaluation(chosen, without_figures):
    config, _ = chosen
    folder = config.run_folder
    result = run(Request(folder / "trained_parts.keras", config, split="val"), lambda line: None)
    assert list(result.report) == ["fusion", "vit", "yolo", "efficientnetv2", "vit_adapted"]
    assert "vit_adapted against the default ViT" in as_text(result)
    parts, whole = load_model(folder / "trained_parts.keras")[0], open_detector(folder / "fusion.keras")
    kernel, bias = parts.get_layer("vit_adapted_classifier").get_layer("vit_adapted_probs").get_weights()
    records = branch_cache.read_cache(config.cache.folder, ("val",))
    for sample, p in list(zip(result.samples, result.answers["vit_adapted"], strict=True))[::5]:
        z = records[sample.sample_id].vit_features[0].astype(np.float64) @ kernel + bias
        assert p == pytest.approx(1 / (1 + np.exp(z[0] - z[1])), abs=1e-5)
        branches = whole.detect(sample.path).branches
        assert branches["vit_adapted"] == pytest.approx(p, abs=3e-3)
        assert branches["vit"] == pytest.approx(records[sample.sample_id].vit_probs[0, 1], abs=1e-4)
    page = write_report(folder, None).read_text()
    assert "Heads that were tried" in page
    assert "ViT adapted" in page


def test_it_is_refused_without_features_and_in_the_joint_way(make_config, tmp_path, cached, featured):
    without = make_config(tmp_path, f"cache.folder={cached.cache.folder}", "fusion.vit_adapted=true")
    with pytest.raises(RequestError, match=r"vit_adapted: true learns from the ViT's f(.|\n)*vit_adapted: false"):
        fit(without, report=print)
    cache = (f"cache.folder={featured.cache.folder}", "views.count=2")
    joint = make_config(tmp_path, *cache, "fusion.vit_adapted=true", "fusion.fit_on=train")
    with pytest.raises(RequestError, match=r"fusion\.vit_adapted: true is fitted after(.|\n)*fit_on: val"):
        fit(joint, report=print)


def test_a_dry_run_tells_what_is_tried(chosen):
    config, _ = chosen
    estimate = estimate_fit(replace(config, name="estimated"))
    stages = {stage.stage: stage for stage in estimate.stages}
    assert stages["adapt the ViT"].count == 5 * 9
    assert stages["try heads that are trained"].count == 5 * 4
    assert stages["try heads of features"].count == 5 * 2 * 3 * 9
    assert "fit the head" not in stages
    # EfficientNetV2's classifier, the adapted ViT, and the linear head of four that stands for the one that is taken.
    assert estimate.facts["network"]["trained"] == (1280 * 2 + 2) + (HIDDEN * 2 + 2) + (4 * 2 + 2)

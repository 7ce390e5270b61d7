"""What a study finds of its runs, and what it refuses, before the first one starts."""

import json
import shutil

import pytest

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.fume.ablate.plan import plan_runs
from kerasfusion.fume.dry_run import ablate as ablate_trial
from tests.fume.ablate.ablation_material import configured, write_evaluation, write_run, write_training
from tests.fume.detect.answering_material import save_reader
from tests.fume.fit.training_material import write_set

pytestmark = pytest.mark.trains

CLASSIFIER = "ClassificationOnlyFastSCNN"


@pytest.fixture
def root(tmp_path):
    return write_set(tmp_path / "data", {"train": 3, "val": 3, "test": 3})


@pytest.mark.parametrize("changed", ["network", "metrics", "test frame", "test state"])
def test_a_run_whose_metrics_are_of_something_else_is_evaluated_again(root, changed):
    config = configured(root, "one", CLASSIFIER)
    write_run(config)
    assert plan_runs([config])[0].is_finished
    if changed == "network":
        (config.run_folder / "fume.keras").write_bytes(b"another")
    elif changed == "metrics":
        write_evaluation(config, balanced=0.8)
    elif changed == "test frame":
        shutil.copy(root / "frames" / "test1co2.png", root / "frames" / "test0co2.png")
    else:
        path = root / "paired_test_annotations.csv"
        path.write_text(path.read_text().replace("0,Healthy", "1,Transitional", 1))
    (found,) = plan_runs([config])
    assert found.is_trained
    assert not found.is_finished


def test_what_does_not_change_the_network_is_no_other_setting(root):
    config = configured(root, "one", CLASSIFIER)
    write_run(config)
    same = configured(root, "one", CLASSIFIER, "experiment.tags=[a]", "training.checkpoint.save_freq=0")
    assert plan_runs([same])[0].is_finished


def test_runs_that_begin_from_weights_are_gone_on_with_while_these_are_the_same(root):
    start = save_reader(root.parent / "start.keras", CLASSIFIER, root)
    config = configured(root, "one", CLASSIFIER, f"model.weights={start}")
    write_run(config)
    assert plan_runs([config])[0].is_finished
    kept = file_sha256(start)
    save_reader(start, CLASSIFIER, root, "experiment.name=another")
    with pytest.raises(RequestError, match=f"model.weights: was {kept[:12]}..., is now {file_sha256(start)[:12]}..."):
        plan_runs([config])
    start.unlink()
    with pytest.raises(RequestError, match="the file does not exist"):
        plan_runs([config])


def test_a_run_may_begin_from_the_weights_of_one_before_it(root):
    first = configured(root, "first", CLASSIFIER)
    second = configured(root, "second", CLASSIFIER, f"model.weights={root.parent}/./runs/first/fume.keras")
    assert [found.name for found in plan_runs([first, second])] == ["first", "second"]
    assert ablate_trial._with_quick_steps(second, {}).model.weights is None  # a trial can begin before they are there
    with pytest.raises(RequestError, match="the file does not exist"):
        plan_runs([second, first])
    other = configured(root, "first", "GasAwareClassifierFastSCNN")
    with pytest.raises(
        RequestError, match=f"holds GasAwareClassifierFastSCNN, and what is to be trained is {CLASSIFIER}"
    ):
        plan_runs([other, second])
    save_reader(first.run_folder / "fume.keras", CLASSIFIER, root)
    write_training(second, finished=False)
    assert [found.epochs for found in plan_runs([first, second])] == [0, 4]
    (first.run_folder / "fume.keras").unlink()
    with pytest.raises(
        RequestError, match=r"second:(.|\n)*model\.weights: the run was begun from a file that is no longer"
    ):
        plan_runs([first, second])


def test_a_finished_run_by_a_loss_that_training_refuses_is_compared_and_none_is_begun(root):
    config = configured(root, "one", CLASSIFIER, "training.loss.focal_gamma=0.5")
    with pytest.raises(RequestError, match=r"with 0\.5 the gradient has no limit"):
        plan_runs([config])
    write_run(config)
    assert plan_runs([config])[0].is_finished


def test_settings_of_a_run_that_finished_no_epoch_bind_nobody_as_in_fit(root):
    write_training(configured(root, "one", CLASSIFIER), finished=False)
    other = configured(root, "one", CLASSIFIER, "training.num_epochs=9")
    with pytest.raises(RequestError, match="num_epochs: was 4, is now 9"):
        plan_runs([other])
    (other.run_folder / "checkpoints" / "state.npz").unlink()
    assert [found.epochs for found in plan_runs([other])] == [0]


def test_settings_of_an_earlier_version_lack_keys(root):
    config = configured(root, "one", CLASSIFIER)
    write_run(config)
    path = config.run_folder / "checkpoints" / "settings.json"
    kept = json.loads(path.read_text())
    del kept["model"]["weights"], kept["data"]["frames"]
    path.write_text(json.dumps(kept))
    assert plan_runs([config])[0].is_finished

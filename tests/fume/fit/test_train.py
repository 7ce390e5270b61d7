import csv
import re
from pathlib import Path
from typing import get_args

import keras
import numpy as np
import pytest

from kerasfusion.config import load_config
from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.files.saving import load_model, read_description
from kerasfusion.fume.config import WITHOUT_MEANING, FumeConfig, ModelName
from kerasfusion.fume.dry_run.fit import estimate_fit
from kerasfusion.fume.fit import train as train_module
from kerasfusion.fume.fit.best_epoch import JOINT, best_epoch, monitor_of
from kerasfusion.fume.fit.epoch_reports import only_state
from kerasfusion.fume.fit.job import fit
from kerasfusion.fume.networks.architectures import ARCHITECTURES
from kerasfusion.fume.networks.fused_normalisation import with_fused_normalisation
from kerasfusion.trainer import Checkpoint, read_checkpoint, write_checkpoint
from tests.fume.fit.training_material import HEIGHT, WIDTH, tiny_network, write_set
from tests.material import event_file_reading, wandb_files

pytestmark = pytest.mark.trains


EPOCHS = 3


@pytest.fixture(scope="module", autouse=True)
def quick_to_trace():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_module, "build_network", tiny_network)
        yield


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("fume"), {"train": 12, "val": 9})


def configured(root, folder, *settings):
    own = [
        f"data.dataset_root={root}",
        f"data.frame_cache={root}/cache",
        f"data.image_size=[{WIDTH},{HEIGHT}]",
        f"runs_folder={folder}",
        "model.name=MultiTaskFastSCNN",
        "training.batch_size=8",
        f"training.num_epochs={EPOCHS}",
        "training.checkpoint.save_freq=2",
    ]
    return load_config(FumeConfig, settings=[*own, *settings])


@pytest.fixture(scope="module")
def trained(root, tmp_path_factory):
    config, lines = configured(root, tmp_path_factory.mktemp("runs")), []
    return config, fit(config, report=lines.append), lines


def read_history(folder):
    with (folder / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def weights(path):
    return load_model(path)[0].get_weights()


def test_a_run_leaves_everything(trained):
    config, path, lines = trained
    folder = config.run_folder
    assert path == folder / "fume.keras"
    assert {p.name for p in (folder / "checkpoints").iterdir()} == {
        "best.keras",
        "epoch-002.keras",
        "last.keras",
        "settings.json",
        "state.npz",
    }
    assert read_description(path)["model"] == "MultiTaskFastSCNN"
    history = read_history(folder)
    assert [row["epoch"] for row in history] == ["1", "2", "3"]
    assert "12 training" not in lines[0]  # single frames: each gas of a sample is one
    assert lines[0].startswith("21 training samples (")
    shown = history[-1]
    assert f"Transitional F1 {float(shown['val_state_transitional_f1']):.4f}" in lines[EPOCHS]
    assert f"gas IoU {float(shown['val_mask_gas_iou']):.4f}" in lines[EPOCHS]
    assert (folder / "figures" / "training_curves.png").read_bytes()[:4] == b"\x89PNG"
    for row in history:
        balanced, gas = float(row["val_state_balanced_accuracy"]), float(row["val_mask_gas_iou"])
        assert float(row[JOINT]) == pytest.approx((balanced + gas) / 2)


def test_the_file_is_the_best_epoch(trained):
    config, path, _ = trained
    for ours, best in zip(weights(path), weights(config.run_folder / "checkpoints" / "best.keras"), strict=True):
        np.testing.assert_array_equal(ours, best)


@pytest.mark.parametrize(
    ("rows", "best"),
    [
        ([(0.5, 0.1, 1.0), (0.6, 0.0, 2.0), (0.4, 0.9, 0.1)], 2),
        ([(0.5, 0.1, 1.0), (0.5, 0.3, 2.0), (0.5, 0.3, 3.0)], 2),
        ([(0.5, 0.1, 1.0), (0.5, 0.1, 0.5), (0.5, 0.1, 0.5)], 2),
    ],
)
@pytest.mark.parametrize("resumed", [False, True])
def test_the_best_epoch_is_the_highest_and_among_equals_the_one_with_better_masks(
    tmp_path, monkeypatch, rows, best, resumed
):
    keys = (JOINT, "val_mean_iou", "val_loss")
    logs = [dict(zip(keys, row, strict=True)) for row in rows]
    written = []
    monkeypatch.setattr(train_module, "_network", lambda config, mixed: keras.Sequential([keras.Input((1,))]))
    monkeypatch.setattr(train_module, "with_probabilities", lambda network: network)
    monkeypatch.setattr(train_module, "describe", lambda config, network: {})
    monkeypatch.setattr(train_module, "save_model", lambda model, path, *_, **__: written.append(path.stem))
    monkeypatch.setattr(train_module, "copy_file", lambda source, path: written.append(path.stem))
    for number, values in enumerate(logs):
        if resumed or number == 0:
            write_checkpoint(tmp_path / "state.npz", Checkpoint(epoch=number, history=logs[:number]))
            keep = train_module.KeepModels(FumeConfig(), tmp_path, keys[0])
            keep.set_model(keras.Sequential([keras.Input((1,))]))
            keep.on_train_begin()
        written.append(number + 1)
        keep.on_epoch_end(number, values)
    epochs_of_best = [written[:place].count("last") for place, name in enumerate(written) if name == "best"]
    assert epochs_of_best[-1] == best
    assert best_epoch(logs, FumeConfig()) == best


def test_one_answer_for_all_is_said_at_the_epoch_and_at_the_end(root, tmp_path, monkeypatch):
    def always_acidotic(name, height, width, shared_encoder):
        network = tiny_network(name, height, width, shared_encoder)
        said = keras.layers.Rescaling(0.0, [0.0, 0.0, 1.0])(network.output["state"])
        return keras.Model(network.input, {**network.output, "state": said})

    monkeypatch.setattr(train_module, "build_network", always_acidotic)
    monkeypatch.setattr("kerasfusion.fume.fit.job.save_model", lambda *_: None)
    monkeypatch.setattr(train_module.KeepModels, "on_epoch_end", lambda *_, **__: None)
    monkeypatch.setattr(train_module, "load_model", lambda path: (always_acidotic("", HEIGHT, WIDTH, True), None))
    lines = []
    fit(configured(root, tmp_path, "training.num_epochs=1"), report=lines.append)
    assert "  all answers Acidotic  " in lines[1]
    assert re.search("warning: all 16 validation answers of the best epoch, 1, are Acidotic", lines[2])


@pytest.mark.parametrize(
    ("shares", "state"), [((0, 1, 0), "Transitional"), ((1, 0, 0), "Healthy"), ((0.5, 0.5, 0), None), ((), None)]
)
def test_the_only_state_of_an_epoch(shares, state):
    names = ("val_state_said_healthy", "val_state_said_transitional", "val_state_said_acidotic")
    assert only_state(dict(zip(names, shares, strict=False))) == state


def test_event_files_hold_the_history(trained):
    folder = trained[0].run_folder
    for name, key, column in (("train", "loss", "loss"), ("validation", "state_accuracy", "val_state_accuracy")):
        told = [entry for entry in event_file_reading.told(folder / "tensorboard" / name) if entry[0] == f"epoch/{key}"]
        assert [step for _, step, _ in told] == [1, 2, 3]
        np.testing.assert_allclose(
            [value for *_, value in told], [float(row[column]) for row in read_history(folder)], rtol=1e-6
        )


def cut_off_in_the_second_epoch(config, monkeypatch):
    keep = train_module.KeepModels.on_epoch_end

    def cut(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt
        keep(self, epoch, logs)

    with monkeypatch.context() as patch:
        patch.setattr(train_module.KeepModels, "on_epoch_end", cut)
        with pytest.raises(KeyboardInterrupt):
            fit(config, report=lambda line: None)


def test_a_run_that_was_cut_off_ends_like_an_undisturbed_one(root, trained, tmp_path, monkeypatch):
    # Pictures and a tracker in one of the two runs alone: they change nothing.
    own = ("experiment.panels_every=1", "experiment.use_wandb=true", "experiment.wandb_mode=offline")
    config = configured(root, tmp_path, *own)

    cut_off_in_the_second_epoch(config, monkeypatch)
    assert len(read_history(config.run_folder)) == 1
    path = fit(config, report=lambda line: None)
    assert read_history(config.run_folder) == read_history(trained[0].run_folder)
    for resumed, undisturbed in zip(weights(path), weights(trained[1]), strict=True):
        np.testing.assert_array_equal(resumed, undisturbed)
    assert [step["epoch"] for step in wandb_files.told(config.run_folder)] == [1, 2, 3]
    panels = sorted((config.run_folder / "figures" / "epochs").iterdir())
    assert [panel.name for panel in panels] == ["epoch-001.png", "epoch-002.png", "epoch-003.png"]


def test_a_finished_run_leaves_its_file_unless_that_is_damaged(trained):
    config, path, _ = trained
    before, said = path.read_bytes(), []
    fit(config, report=said.append)
    assert path.read_bytes() == before
    assert any("stays as it is" in line for line in said)
    network = weights(path)
    path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    fit(config, report=said.append)
    for old, new in zip(network, weights(path), strict=True):
        np.testing.assert_array_equal(old, new)


def test_other_settings_are_refused_and_named(root, trained):
    config = configured(root, trained[0].runs_folder, "training.loss.focal_gamma=1", "weighted_sampling=false")
    with pytest.raises(RequestError, match=r"focal_gamma: was 2.0, is now 1.0(.|\n)*weighted_sampling"):
        fit(config, report=lambda line: None)


def beginning_from(trained, root, folder, *settings):
    return configured(root, folder, f"model.weights={trained[1]}", "training.num_epochs=1", *settings)


def test_training_begins_from_a_file_of_frames_of_another_size(root, trained, tmp_path):
    still = ("training.optimizer.lr=1e-12", "training.optimizer.weight_decay=0", "training.scheduler.eta_min=0")
    config, lines = beginning_from(trained, root, tmp_path, *still, "data.image_size=[64,48]"), []
    learned = load_model(fit(config, report=lines.append))[0].trainable_variables
    for now, before in zip(learned, load_model(trained[1])[0].trainable_variables, strict=True):
        np.testing.assert_allclose(now, before, atol=1e-8)
    assert f"training begins from the weights of {trained[1]}" in lines


def test_a_run_is_not_gone_on_with_from_other_weights(root, trained, tmp_path):
    fit(beginning_from(trained, root, tmp_path), report=lambda line: None)
    with pytest.raises(RequestError, match=r"model.weights: was [0-9a-f]{12}..., is now null"):
        fit(configured(root, tmp_path, "training.num_epochs=1"), report=lambda line: None)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("model.name=EarlyFusionFastSCNN", "holds MultiTaskFastSCNN.* to be trained is EarlyFusionFastSCNN"),
        ("model.shared_encoder=false", "do not have the same encoders"),
        ("model.weights=nowhere.keras", "does not exist"),
    ],
)
def test_a_file_that_training_cannot_begin_from_is_refused_before_a_frame_is_read(trained, tmp_path, setting, said):
    with pytest.raises(RequestError, match=said):
        fit(beginning_from(trained, tmp_path / "no-frames", tmp_path, setting), report=lambda line: None)
    assert not (tmp_path / "fume" / "config.yaml").exists()


def test_small_gradients_of_mixed_float16_are_not_lost(root, tmp_path):
    """The logits' are about 1e-9, which float16, whose least number is 6e-8, holds only times the loss' scale."""
    keras.utils.set_random_seed(0)
    still = ("training.optimizer.weight_decay=0", "training.loss.seg_weight=0", "training.loss.cls_weight=1e-7")
    config = configured(root, tmp_path, *still)
    learner = with_fused_normalisation(train_module._network(config, mixed=True))
    train_module.compile_network(config, learner, steps=10, told=["state"])
    learner.run_eagerly = True
    before = learner.get_weights()
    frames = np.random.default_rng(0).uniform(0, 255, (3, HEIGHT, WIDTH, 1)).astype(np.float32)
    targets = {"mask": np.zeros((3, HEIGHT, WIDTH), int), "state": np.arange(3)}
    loss = learner.train_on_batch({"frame": frames}, targets, dict.fromkeys(targets, np.ones(3)), return_dict=True)
    assert loss["loss"] < 1e-6
    (head,) = (layer for layer in learner.layers if isinstance(layer, keras.layers.Dense))
    kernel = next(n for n, variable in enumerate(learner.weights) if variable is head.kernel)
    assert (learner.get_weights()[kernel] != before[kernel]).any()
    assert float(learner.optimizer.learning_rate) == pytest.approx(1e-3, rel=0.01)


def test_a_loss_that_is_not_finite_names_the_samples(root, tmp_path):
    own = ("training.optimizer.lr=1e30", "training.grad_clip=0", "training.batch_size=4", "data.augmentation=null")
    config = configured(root, tmp_path, *own)
    with pytest.raises(KerasFusionError, match=r"the loss is (nan|inf) in epoch(.|\n)*frames/train"):
        fit(config, report=lambda line: None)


def test_what_is_not_learned_has_no_column_and_no_word(root, tmp_path):
    config, lines = configured(root, tmp_path, "training.loss.cls_weight=0", "training.num_epochs=1"), []
    fit(config, report=lines.append)
    for row in read_history(config.run_folder):
        assert not [column for column in row if "state" in column or "joint" in column]
        assert row["val_gas_iou"] == row["val_mask_gas_iou"] != ""
    assert lines[1].startswith("epoch 1/1  loss ")
    assert not [line for line in lines[1:] if "accuracy" in line or "F1" in line or "answers" in line]


def test_a_run_that_an_earlier_version_began_goes_on_with_its_columns(root, tmp_path, monkeypatch):
    config = configured(root, tmp_path, "training.loss.cls_weight=0", "training.num_epochs=2")
    cut_off_in_the_second_epoch(config, monkeypatch)
    state = read_checkpoint(config.run_folder / "checkpoints" / "state.npz")
    row = state.history[0]  # earlier versions told of the state as well, and knew no mean gas IoU
    del row["val_gas_iou"]
    metrics = ["accuracy", "balanced_accuracy", "loss", "transitional_f1"]
    metrics += [f"said_{name}" for name in ("healthy", "transitional", "acidotic")]
    row |= {f"{split}state_{metric}": 0.25 for split in ("", "val_") for metric in metrics} | {JOINT: 0.3}
    write_checkpoint(config.run_folder / "checkpoints" / "state.npz", state)
    fit(config, report=lambda line: None)
    history = read_checkpoint(config.run_folder / "checkpoints" / "state.npz").history
    assert [values.keys() for values in history] == [row.keys()] * 2
    assert monitor_of(config, history[0]) == "val_mean_iou"
    assert all(value != "" for values in read_history(config.run_folder) for value in values.values())


def test_a_file_of_the_reference_is_read_with_one_notice(tmp_path):
    path = tmp_path / "reference.yaml"
    path.write_text(
        "model: {name: FUMEFastSCNN, pretrained: false, shared_encoder: true}\n"
        "training: {num_workers: 4, pin_memory: true, batch_size: 6, scheduler: {type: CosineAnnealingLR, T_max: 9}}\n"
        "directories: {logs: ./logs}\nweighted_sampling: false\n"
    )
    with pytest.warns(UserWarning, match="pretrained.*num_workers.*pin_memory.*T_max.*directories") as notices:
        config = load_config(FumeConfig, path, without_meaning=WITHOUT_MEANING)
    assert len(notices) == 1
    assert (config.training.batch_size, config.weighted_sampling) == (6, False)
    path.write_text("training: {num_worker: 4, batch_size: 0}\n")
    with pytest.raises(RequestError, match=r"num_worker: unknown key(.|\n)*batch_size|batch_size(.|\n)*num_worker"):
        load_config(FumeConfig, path, without_meaning=WITHOUT_MEANING)


@pytest.mark.parametrize(
    ("settings", "refused"),
    [
        (["training.loss.focal_gamma=0"], None),
        (["training.loss.focal_gamma=1"], None),
        (["training.loss.focal_gamma=0.01"], r"with 0.01 .* no limit(.|\n)*training.loss.focal_gamma"),
        (["training.loss.focal_gamma=0.99"], r"with 0.99 .* no limit(.|\n)*training.loss.focal_gamma"),
        (["training.loss.seg_weight=0"], None),
        (["training.loss.cls_weight=0"], None),
        (["training.loss.seg_weight=0", "training.loss.cls_weight=0"], "MultiTaskFastSCNN would learn nothing"),
        (["training.loss.seg_weight=0", "model.name=SegmentationOnlyFastSCNN"], "SegmentationOnly.* learn nothing"),
    ],
)
def test_a_loss_by_which_nothing_can_be_trained_is_refused_before_a_frame_is_read(tmp_path, settings, refused):
    config = configured(tmp_path / "no-frames", tmp_path, *settings)
    for begin in (fit, estimate_fit):
        with pytest.raises(RequestError, match=refused or "no-frames"):
            begin(config)
    assert not (tmp_path / "fume" / "config.yaml").exists()


def test_every_committed_configuration_is_valid_and_names_its_own_run():
    paths = sorted((Path(__file__).parents[3] / "configs" / "fume").rglob("*.yaml"))
    configs = [load_config(FumeConfig, path) for path in paths]
    names = [config.experiment.name for config in configs]
    assert len(set(names)) == len(names) >= 18
    assert load_config(FumeConfig) == load_config(
        FumeConfig, paths[[path.name for path in paths].index("fume_fastscnn.yaml")], ["experiment.name=fume"]
    )


def test_the_names_in_the_settings_are_the_networks():
    assert set(get_args(ModelName)) == set(ARCHITECTURES)


def test_keras_state_is_left_as_it_was():
    assert keras.config.dtype_policy().name == "float32"

import sys
from dataclasses import dataclass
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.images.stored_arrays import epoch_batches
from kerasfusion.trackers import wandb_run
from kerasfusion.trackers.epochs import trackers
from kerasfusion.trackers.settings import Tracking
from kerasfusion.trainer import train
from tests.material import event_file_reading, wandb_files

pytestmark = pytest.mark.trains


RNG = np.random.default_rng(4)
X = RNG.normal(size=(24, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int32)
EPOCHS = 4
VALIDATION = tf.data.Dataset.from_tensor_slices((X[::2] + 0.3, Y[::2])).batch(8)


@dataclass(frozen=True)
class Config:
    seed: int = 5


class Cut(keras.callbacks.Callback):
    """Ends the training when an epoch was told to the trackers and is not in the checkpoint yet."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 == self.epoch:
            raise KeyboardInterrupt


def picture_of(model):
    """Uniform, and different after each epoch."""
    return np.full((6, 9, 3), int(model.optimizer.iterations.numpy()), np.uint8)


def run(folder, settings, cut=None):
    keras.utils.set_random_seed(1)
    layers = [keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dropout(0.5), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(0.05), keras.losses.SparseCategoricalCrossentropy(from_logits=True))

    def stream(epochs):
        batches = epoch_batches(lambda rows: {"x": X[rows], "y": Y[rows]}, len(X), 8, 7, epochs)
        return batches.map(lambda arrays: (arrays["x"], arrays["y"]))

    checkpoint = folder / "checkpoints" / "state.npz"
    watch = trackers(settings, folder, Config(), checkpoint, picture_of) if settings else []
    history = train(
        model,
        stream,
        steps=3,
        epochs=EPOCHS,
        checkpoint=checkpoint,
        history=folder / "history.csv",
        validation=VALIDATION,
        callbacks=[*watch, Cut(cut)],
        verbose=0,
    )
    return model.get_weights(), history


@pytest.fixture
def offline():
    return Tracking(wandb=True, wandb_mode="offline", project="tests", tags=("a", "b"), panels_every=2)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A run without any tracker: weights, history, folder."""
    folder = tmp_path_factory.mktemp("plain")
    return *run(folder, None), folder


def test_a_run_that_was_cut_off_tells_every_epoch_once_and_ends_like_one_without_trackers(
    undisturbed, offline, tmp_path
):
    weights, history, plain = undisturbed
    for epoch in (1, 3):  # before the first checkpoint, and with two epochs behind it
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, offline, cut=epoch)
    tracked, _ = run(tmp_path, offline)
    for ours, expected in zip(tracked, weights, strict=True):
        np.testing.assert_array_equal(ours, expected)
    assert (tmp_path / "history.csv").read_bytes() == (plain / "history.csv").read_bytes()

    epochs = range(1, EPOCHS + 1)
    found = event_file_reading.told(tmp_path / "tensorboard" / "train")
    assert [(tag, step) for tag, step, _ in found] == [("epoch/loss", epoch) for epoch in epochs]
    np.testing.assert_allclose([value for *_, value in found], [row["loss"] for row in history], rtol=1e-6)
    found = event_file_reading.told(tmp_path / "tensorboard" / "validation")
    assert [(tag, step) for tag, step, _ in found] == [("epoch/loss", n) for n in epochs] + [
        ("samples", 2),
        ("samples", 4),
    ]
    assert [value[0, 0, 0] for tag, _, value in found if tag == "samples"] == [6, 12]  # steps that were trained

    steps = wandb_files.told(tmp_path)
    assert [step["epoch"] for step in steps] == [1, 2, 3, 4]
    assert [step["loss"] for step in steps] == pytest.approx([row["loss"] for row in history])
    assert [step["val_loss"] for step in steps] == pytest.approx([row["val_loss"] for row in history])
    assert ["samples" in step for step in steps] == [False, True, False, True]


def test_panels_are_pictures_of_their_epoch(tmp_path):
    panels = tmp_path / "figures" / "epochs"
    panels.mkdir(parents=True)
    (panels / "epoch-099.png").touch()  # of an earlier, longer run
    run(tmp_path, Tracking(panels_every=3))
    assert [path.name for path in panels.iterdir()] == ["epoch-003.png"]
    with Image.open(panels / "epoch-003.png") as image:
        assert (image.size, image.getpixel((0, 0))) == ((9, 6), (9, 9, 9))


def test_a_run_goes_on_under_its_id_and_a_new_one_has_another(offline, tmp_path):
    identity = tmp_path / "checkpoints" / "wandb_run.txt"
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, offline, cut=2)
    first = identity.read_text()
    assert first.startswith(tmp_path.name)
    run(tmp_path, offline)
    assert identity.read_text() == first
    (tmp_path / "checkpoints" / "state.npz").unlink()
    run(tmp_path, offline)
    assert identity.read_text() != first
    kept = [path.name.split("-", 3)[-1] for path in (tmp_path / "wandb").glob("offline-run-*")]
    assert kept == [identity.read_text()]


def test_the_server_is_not_told_again_what_it_has(tmp_path, monkeypatch):
    begun, logged = [], []
    run_at_server = SimpleNamespace(
        offline=False, starting_step=3, log=lambda values, step: logged.append((step, values)), finish=lambda: None
    )

    class Failure(Exception):
        """Stands for wandb's own."""

    fake = SimpleNamespace(
        init=lambda **asked: begun.append(asked) or run_at_server,
        Settings=dict,
        Image=lambda what: what,
        teardown=lambda: None,
        UsageError=Failure,
        Error=Failure,
    )
    monkeypatch.setitem(sys.modules, "wandb", fake)
    identity = tmp_path / "id.txt"
    identity.write_text("known-id")
    settings = Tracking(wandb=True, project="p", entity="team", tags=("a",))
    tracker = wandb_run.WandbRun(settings, tmp_path, identity, {"seed": 5}, "fit")
    tracker.begin([{"epoch": 1, "loss": 3.0}, {"epoch": 2, "loss": 2.0}], {2: tmp_path / "epoch-002.png"})
    tracker.tell(3, {"loss": 1.0})
    assert logged == [(3, {"loss": 1.0, "epoch": 3})]
    asked = begun[0]
    assert (asked["id"], asked["project"], asked["entity"], asked["tags"]) == ("known-id", "p", "team", ["a"])
    assert (asked["mode"], asked["resume"], asked["config"]) == (None, "allow", {"seed": 5})

    def refused(**asked):
        raise Failure("no route\nto anywhere")

    fake.init = refused
    with pytest.raises(KerasFusionError, match=r"Weights & Biases: no route\n.*wandb_mode: offline"):
        tracker.begin([], {})


def test_without_a_login_online_is_refused_before_anything_is_done(monkeypatch, tmp_path):
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(RequestError, match=r"nobody is logged in(.|\n)*wandb_mode: offline"):
        wandb_run.refuse_unusable(Tracking(wandb=True))
    wandb_run.refuse_unusable(Tracking(wandb=True, wandb_mode="offline"))
    wandb_run.refuse_unusable(Tracking())
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(RequestError, match=r"\.\[wandb\]"):
        wandb_run.refuse_unusable(Tracking(wandb=True, wandb_mode="offline"))


def test_nothing_asked_for_is_no_callback(tmp_path):
    assert trackers(Tracking(tensorboard=False), tmp_path, Config(), tmp_path / "state.npz", picture_of) == []

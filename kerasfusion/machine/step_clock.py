"""Measure the steps of a training that is broken off after a few of them."""

import itertools
import time
from dataclasses import dataclass

import keras

PIPELINE = 5
"""Batches that tf.data may have ready before they are asked for: they say nothing about how fast it makes them."""


@dataclass(frozen=True)
class Pace:
    """What a training takes, in seconds.

    Attributes:
        first_step: what the first step takes longer than others, which is when the graph is made.
        step: a training step, its data included.
        first_validation: what the first validation takes longer than its batches.
        validation_batch: a batch of validation.
        first_epoch: what the end of the first epoch takes longer than that of others.
        epoch: what an epoch takes besides its batches: checkpoint, history, models.
        steps: how many training steps were measured.
    """

    first_step: float
    step: float
    first_validation: float
    validation_batch: float
    first_epoch: float
    epoch: float
    steps: int


class StepClock(keras.callbacks.Callback):
    """Takes the times of two epochs, and ends each of them early. It belongs last among the callbacks.

    The second epoch has one step and one batch of validation: it tells what comes with a graph that is there already.

    Args:
        steps: training steps that suffice in the first epoch; at least two are done.
        seconds: after which the first epoch's steps end, and its validation's batches.
        batches: of the first validation that suffice; at least two are done.
    """

    EPOCHS = 2

    def __init__(self, steps: int = 25, seconds: float = 6.0, batches: int = 6):
        super().__init__()
        self._steps, self._seconds, self._batches = steps, seconds, batches
        self._train: list[list[float]] = []
        self._test: list[list[float]] = []
        self._tested: list[float] = []
        self._ends: list[float] = []

    def on_train_begin(self, logs=None):
        """Everything before is not the training's."""
        self._begin = time.perf_counter()

    def on_epoch_begin(self, epoch, logs=None):
        """Start the clock; what all callbacks did at the end of the epoch before is over."""
        now = time.perf_counter()
        self._ends += [now] if self._train else []
        self._train.append([now])

    def on_train_batch_end(self, batch, logs=None):
        """A step; perhaps the last one."""
        self.model.stop_training = self._suffices(self._train, self._steps)

    def on_test_begin(self, logs=None):
        """Start the validation's clock."""
        self._test.append([time.perf_counter()])

    def on_test_batch_end(self, batch, logs=None):
        """A batch; perhaps the last one."""
        self.model.stop_evaluating = self._suffices(self._test, self._batches)

    def on_test_end(self, logs=None):
        """The metrics are there."""
        self._tested.append(time.perf_counter())

    def on_epoch_end(self, epoch, logs=None):
        """Go on after the first epoch, which was only broken off."""
        self.model.stop_training = epoch + 1 == self.EPOCHS

    def on_train_end(self, logs=None):
        """The last epoch is over."""
        self._ends.append(time.perf_counter())

    def _suffices(self, epochs: list[list[float]], batches: int) -> bool:
        """Note that a batch of the last of these epochs is done. Whether it was the last that is needed."""
        stamps = epochs[-1]
        stamps.append(time.perf_counter())
        if len(epochs) > 1:
            return True
        return len(stamps) > 2 and (len(stamps) > batches or stamps[-1] - stamps[1] > self._seconds)

    @property
    def seconds(self) -> float:
        """From the training's begin to its end."""
        return self._ends[-1] - self._begin

    def pace(self) -> Pace:
        """What was measured; call it after the training."""
        first, second = self._train
        begin = PIPELINE + 1 if len(first) > PIPELINE + 4 else 1
        step = (first[-1] - first[begin]) / (len(first) - 1 - begin) if len(first) > 2 else second[1] - second[0]
        tails = [
            end - (self._tested[epoch] if self._tested else stamps[-1])
            for epoch, (end, stamps) in enumerate(zip(self._ends, self._train, strict=True))
        ]
        batch, spent = self._validation()
        return Pace(
            first_step=max(0.0, first[1] - first[0] - step),
            step=step,
            first_validation=max(0.0, spent[0] - spent[1]),
            validation_batch=batch,
            first_epoch=max(0.0, tails[0] - tails[1]),
            epoch=tails[1] + spent[1],
            steps=len(first) - 1 - begin,
        )

    def _validation(self) -> tuple[float, list[float]]:
        """Seconds a batch, and what each of the two validations took beside its batches."""
        if not self._test:
            return 0.0, [0.0, 0.0]
        gaps = [after - before for stamps in self._test for before, after in itertools.pairwise(stamps[1:])]
        batch = sum(gaps) / len(gaps) if gaps else self._test[1][1] - self._test[1][0]
        spent = [
            end - stamps[0] - batch * (len(stamps) - 1) for stamps, end in zip(self._test, self._tested, strict=True)
        ]
        return batch, [max(0.0, value) for value in spent]

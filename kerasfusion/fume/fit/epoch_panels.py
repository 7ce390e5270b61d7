"""A few validation samples with what the network says of them after an epoch."""

import keras
import numpy as np

from kerasfusion.fume.config import FumeConfig
from kerasfusion.fume.data.annotations import GASES, STATES
from kerasfusion.fume.data.frames import Frames
from kerasfusion.fume.detect.answer_panels import draw_answer
from kerasfusion.fume.detect.answering import MASK, Answer
from kerasfusion.fume.detect.panels import spread
from kerasfusion.fume.fit.training_data import Examples
from kerasfusion.fume.networks.architectures import ARCHITECTURES

SAMPLES = 4


class EpochPanels:
    """Draws the same samples, some of each state, each time it is called with a network.

    Args:
        config: of the training; what its network does not learn is not drawn.
        frames: the validation samples.
    """

    def __init__(self, config: FumeConfig, frames: Frames):
        name = config.model.name
        self._architecture = ARCHITECTURES[name]
        self._learned = [output for output in self._architecture.outputs if config.learns(output)]
        self._examples, self._frames = Examples(name), frames
        self._numbers = spread(frames.labels.tolist(), [None] * len(frames), SAMPLES)

    def __call__(self, network: keras.Model) -> np.ndarray:
        """Ask a network (logits) that is being trained, at its own size.

        Returns:
            (H, W, 3) uint8, one sample below the other.
        """
        arrays = self._frames.take(np.array(self._numbers))
        inputs = {name: keras.ops.convert_to_tensor(value) for name, value in self._examples(arrays)[0].items()}
        answered = network(inputs, training=False)
        logits = {name: np.asarray(answered[name], np.float32) for name in self._learned}
        sheets = [self._draw(number, row, arrays, logits) for row, number in enumerate(self._numbers)]
        return np.concatenate([_widened(sheet, max(sheet.shape[1] for sheet in sheets)) for sheet in sheets])

    def _draw(self, number: int, row: int, arrays: dict, logits: dict[str, np.ndarray]) -> np.ndarray:
        sample = self._frames.samples[number]
        columns = {gas: column for column, gas in enumerate(GASES) if arrays["presence"][row, column]}
        frames = {gas: arrays["frames"][row, ..., column] for gas, column in columns.items()}
        truths = {gas: arrays["masks"][row, ..., column] for gas, column in columns.items()}
        masks = {
            name: values[row].argmax(-1).astype(np.uint8)
            for name, values in logits.items()
            if name == MASK or name.removesuffix(f"_{MASK}") in frames
        }
        answer = Answer(_softmax(logits["state"][row]) if "state" in logits else None, masks)
        title = f"{sample.sample_id}\ntruth: {STATES[sample.class_id]}"
        return draw_answer(self._architecture, frames, answer, title, truths)


def _softmax(logits: np.ndarray) -> np.ndarray:
    shares = np.exp(logits - logits.max())
    return shares / shares.sum()


def _widened(sheet: np.ndarray, width: int) -> np.ndarray:
    return np.pad(sheet, ((0, 0), (0, width - sheet.shape[1]), (0, 0)), constant_values=255)

"""Our side, as a worker process: the saved file, opened as `predict` opens it, and the steps that `fit` takes."""

import time
from pathlib import Path

from bench_peers.channel import open_replies, serve

if __name__ == "__main__":
    replies = open_replies()  # before TensorFlow prints anything

import numpy as np

from bench_fume.material import draw_batch, draw_pair

NETWORK = "FUMEFastSCNN"


class Side:
    """What the process keeps between requests."""

    def __init__(self):
        self.network = self.learner = None

    def open(self, path: str, width: int, height: int, name: str, answers: str) -> None:
        """Take over a torch checkpoint, save it, open the file or its export, and write what it answers on the pair."""
        from kerasfusion.formats.opening import open_model
        from kerasfusion.fume.export.job import Request, run

        file = Path(path).with_suffix(".keras")
        take_over(Path(path), file, width, height)
        if name != "keras":
            file = run(Request(file, format=name), report=lambda line: None).path
        self.network, self.pair = open_model(file), draw_pair(height, width)
        np.savez(answers, **self.network.answer(self.pair))

    def infer(self, calls: int) -> list[float]:
        """Seconds of each call, frames in, probabilities out."""
        return [_seconds(lambda: self.network.answer(self.pair)) for _ in range(calls)]

    def prepare(self, width: int, height: int, batch: int) -> None:
        """The network that `kerasfusion fit` trains, compiled as it compiles it, and a batch."""
        from kerasfusion.machine.onednn import use_onednn

        use_onednn()
        from kerasfusion.fume.fit.train import compile_network
        from kerasfusion.fume.networks.architectures import build_network
        from kerasfusion.fume.networks.fused_normalisation import with_fused_normalisation

        self.learner = with_fused_normalisation(build_network(NETWORK, height, width))
        compile_network(_config(width, height), self.learner, steps=100, told=self.learner.output)
        inputs, targets = draw_batch(height, width, batch)
        # A gas of a sample that has both counts half, as in fit.
        weights = {name: np.full(batch, 1.0 if name == "state" else 0.5, np.float32) for name in targets}
        self.batch = inputs, targets, weights

    def train(self, steps: int) -> list[float]:
        """Seconds of each step."""
        return [_seconds(lambda: self.learner.train_on_batch(*self.batch)) for _ in range(steps)]


def take_over(checkpoint: Path, file: Path, width: int, height: int) -> None:
    """Save a torch checkpoint of the network as the file that `fit` would have left."""
    from kerasfusion.files.saving import save_model
    from kerasfusion.fume.fit.description import describe
    from kerasfusion.fume.networks.architectures import with_probabilities
    from port_fume.conversion import convert, read_weights

    config = _config(width, height)
    model = with_probabilities(convert(read_weights(checkpoint), config, checkpoint))
    save_model(model, file, describe(config, model), sample=None)


def _config(width: int, height: int):
    from kerasfusion.config import load_config
    from kerasfusion.fume.config import FumeConfig

    return load_config(FumeConfig, flags={"data.image_size": [width, height], "model.name": NETWORK})


def _seconds(work) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


if __name__ == "__main__":
    side = Side()
    serve(replies, {"open": side.open, "infer": side.infer, "prepare": side.prepare, "train": side.train})

"""The plain torch side, as a worker process: answers for one pair of frames, and steps of training."""

import time

from bench_peers.channel import open_replies, serve

if __name__ == "__main__":
    replies = open_replies()  # before torch prints anything

import numpy as np
import torch
from torch.nn import functional as F

from bench_fume.material import ALPHA, SMOOTH, draw_batch, draw_pair
from bench_fume.networks_torch import build

NETWORK = "FUMEFastSCNN"


def save_weights(path: str) -> None:
    """Write a checkpoint with random weights, attention's scales among them, for both sides to open."""
    torch.manual_seed(0)
    network = build(NETWORK)
    for key, value in network.state_dict().items():
        if key.endswith("gamma"):
            value.fill_(0.5)
    torch.save({"model_state_dict": network.state_dict()}, path)


class Side:
    """What the process keeps between requests."""

    def __init__(self):
        self.network = self.learner = None

    def open(self, path: str, width: int, height: int, answers: str) -> None:
        """Load a checkpoint, and write what it answers on the pair."""
        self.network = build(NETWORK).eval()
        self.network.load_state_dict(torch.load(path, weights_only=True)["model_state_dict"])
        self.pair = _as_inputs(draw_pair(height, width))
        found = self._answer()
        np.savez(answers, **{name: np.moveaxis(value, 1, -1) for name, value in found.items()})

    def infer(self, calls: int) -> list[float]:
        """Seconds of each call, frames in, probabilities out."""
        return [_seconds(self._answer) for _ in range(calls)]

    def prepare(self, width: int, height: int, batch: int) -> None:
        """A network that learns, and a batch."""
        inputs, targets = draw_batch(height, width, batch)
        self.learner = build(NETWORK).train()
        self.inputs, self.targets = _as_inputs(inputs), {name: torch.from_numpy(y) for name, y in targets.items()}
        self.optimizer = torch.optim.AdamW(self.learner.parameters(), 1e-3, weight_decay=1e-4)

    def train(self, steps: int) -> list[float]:
        """Seconds of each step."""
        return [_seconds(self._step) for _ in range(steps)]

    def _answer(self) -> dict[str, np.ndarray]:
        with torch.inference_mode():
            return {name: logits.softmax(1).numpy() for name, logits in self.network(*self.pair).items()}

    def _step(self) -> float:
        self.optimizer.zero_grad(set_to_none=True)
        loss = total_loss(self.learner(*self.inputs), self.targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.learner.parameters(), 1.0)
        self.optimizer.step()
        return loss.item()


def total_loss(logits: dict[str, torch.Tensor], targets: dict[str, torch.Tensor]) -> torch.Tensor:
    """Half focal, half Dice loss of each mask, averaged over the gases, and the focal loss of the state."""
    masks = [focal_dice(logits[name], targets[name].long()) for name in ("co2_mask", "ch4_mask")]
    truth = targets["state"].long()
    state = focal(logits["state"], truth) * torch.tensor(ALPHA)[truth]
    return sum(masks) / len(masks) + state.mean()


def focal_dice(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """(B, C, H, W), (B, H, W) -> the batch's mean."""
    probs, one_hot = logits.softmax(1), F.one_hot(truth, logits.shape[1]).permute(0, 3, 1, 2).float()
    overlap, size = (probs * one_hot).sum((2, 3)), (probs + one_hot).sum((2, 3))
    dice = (2 * overlap + SMOOTH) / (size + SMOOTH)
    return 0.5 * focal(logits, truth).mean() + 0.5 * (1 - dice.mean())


def focal(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Gamma 2; the shape of `truth`."""
    cross_entropy = F.cross_entropy(logits, truth, reduction="none")
    return cross_entropy * (1 - torch.exp(-cross_entropy)) ** 2


def _as_inputs(values: dict[str, np.ndarray]) -> list[torch.Tensor]:
    frames = [torch.from_numpy(values[gas].transpose(0, 3, 1, 2) / 127.5 - 1).contiguous() for gas in ("co2", "ch4")]
    return [*frames, torch.from_numpy(values["modality_mask"])]


def _seconds(work) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


if __name__ == "__main__":
    side = Side()
    handlers = {"save_weights": save_weights, "open": side.open, "infer": side.infer}
    serve(replies, {**handlers, "prepare": side.prepare, "train": side.train})

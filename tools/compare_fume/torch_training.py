"""The reference's recipe on plain torch layers, as a process of its own: one training, the best epoch's weights kept.

Its recipe (train.py and its configuration, taminulislam/fume f0ab18b): the states drawn equally often and weighed as
well, AdamW with a cosine an epoch, clipped gradients, modality dropout, its augmentation, focal and Dice loss averaged
over the batch's gases, the first epoch of the highest balanced accuracy kept. Where its scripts contradict themselves
the better way is taken: the best epoch is kept whichever it is (not every fifth alone), and in validation the network
is told truly which gases are there.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

from bench_fume.material import ALPHA
from bench_fume.networks_torch import build
from bench_fume.torch_side import NETWORK, focal, focal_dice
from compare_fume.reference_augmentation import augment
from compare_fume.torch_task import Task
from kerasfusion.fume.config import Data
from kerasfusion.fume.data.annotations import GASES, STATES
from kerasfusion.fume.data.frames import Frames, load_frames
from kerasfusion.fume.data.samples import paired_path, read_samples
from kerasfusion.metrics.classification import balanced_accuracy, confusion_matrix

MODALITY_DROPOUT = 0.2
LEARNING_RATE, LAST_RATE, WEIGHT_DECAY, CLIP = 1e-3, 1e-5, 1e-4, 1.0


def train(task: Task) -> None:
    """Train; prints a line an epoch."""
    torch.manual_seed(task.seed)
    training, validation = (_load(task, split) for split in ("train", "val"))
    # The order of the numbers in memory alone; depthwise convolutions are nearly twice as fast in this one.
    network = build(NETWORK).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, task.epochs, LAST_RATE)
    counts = np.bincount(training.labels, minlength=len(STATES))
    chances, best = torch.from_numpy(1 / counts[training.labels]), -1.0
    for epoch in range(task.epochs):
        drawn = torch.multinomial(chances, len(training), replacement=True).split(task.batch)
        losses = [_step(network, optimizer, training.take(numbers.numpy())) for numbers in drawn]
        schedule.step()
        score = validate(network, validation, task.batch)
        if score > best:
            best = score
            _keep(network, Path(task.checkpoint))
        print(f"epoch {epoch + 1}/{task.epochs}  loss {np.mean(losses):.4f}  balanced accuracy {score:.4f}", flush=True)


def reference_loss(
    logits: dict[str, torch.Tensor], masks: torch.Tensor, states: torch.Tensor, presence: torch.Tensor
) -> torch.Tensor:
    """Half focal, half Dice loss of each gas over the samples that have it, mean of the gases; plus that of the state.

    Args:
        logits: of the network.
        masks: (B, 2, H, W) integers.
        states: (B,) int64.
        presence: (B, 2) of [CO2, CH4].
    """
    of_masks = []
    for column, gas in enumerate(GASES):
        rows = presence[:, column] > 0
        if rows.any():
            of_masks.append(focal_dice(logits[f"{gas}_mask"][rows], masks[rows, column].long()))
    of_states = focal(logits["state"], states) * torch.tensor(ALPHA)[states]
    return sum(of_masks) / len(of_masks) + of_states.mean()


def drop_modality(presence: torch.Tensor) -> torch.Tensor:
    """(B, 2) of [CO2, CH4]: one gas, either with equal chance, taken from some of the samples that have both."""
    loses = (torch.rand(len(presence)) < MODALITY_DROPOUT) & (presence.sum(1) == 2)
    kept = presence.clone()
    kept[loses, torch.randint(2, (int(loses.sum()),))] = 0
    return kept


@torch.inference_mode()
def validate(network: torch.nn.Module, frames: Frames, batch: int) -> float:
    """Balanced accuracy. Pairs and single gases in batches of their own: one pair in a batch of torch's network
    switches cross-attention on for all of it."""
    network.eval()
    is_pair = frames.presence.sum(axis=1) == 2
    said, truth = [], []
    for rows in (np.flatnonzero(is_pair), np.flatnonzero(~is_pair)):
        for start in range(0, len(rows), batch):
            arrays = frames.take(rows[start : start + batch])
            pictures, _, presence, labels = _tensors(arrays)
            said += network(*_as_inputs(pictures, presence))["state"].argmax(1).tolist()
            truth += labels.tolist()
    return float(balanced_accuracy(confusion_matrix(truth, said, len(STATES))))


def _load(task: Task, split: str) -> Frames:
    """The samples of a split, read by kerasfusion as `fit` reads them."""
    root = Path(task.root)
    data = Data(root, image_size=tuple(task.image_size), frame_cache=Path(task.cache))
    return load_frames(read_samples(paired_path(root, split)), data, split)


def _step(network: torch.nn.Module, optimizer: torch.optim.Optimizer, arrays: dict[str, np.ndarray]) -> float:
    network.train()
    pictures, masks, presence, states = _tensors(arrays)
    presence = drop_modality(presence)
    there = presence[:, :, None, None]
    pictures, masks = augment(pictures * there, masks * there.to(masks.dtype))
    optimizer.zero_grad(set_to_none=True)
    loss = reference_loss(network(*_as_inputs(pictures, presence)), masks, states, presence)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP)
    optimizer.step()
    return loss.item()


def _tensors(arrays: dict[str, np.ndarray]) -> tuple[torch.Tensor, ...]:
    """Frames (B, 2, H, W) float32 0..255, masks (B, 2, H, W) uint8, presence (B, 2), states (B,) int64."""
    pictures, masks = (torch.from_numpy(arrays[name].transpose(0, 3, 1, 2).copy()) for name in ("frames", "masks"))
    return pictures.float(), masks, torch.from_numpy(arrays["presence"]), torch.from_numpy(arrays["label"]).long()


def _as_inputs(pictures: torch.Tensor, presence: torch.Tensor) -> tuple[torch.Tensor, ...]:
    scaled = pictures / 127.5 - 1
    return scaled[:, :1].contiguous(), scaled[:, 1:].contiguous(), presence


def _keep(network: torch.nn.Module, path: Path) -> None:
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    partial = path.with_suffix(".partial")
    torch.save({"model_state_dict": weights}, partial)
    partial.replace(path)


if __name__ == "__main__":
    train(Task(**json.loads(sys.argv[1])))

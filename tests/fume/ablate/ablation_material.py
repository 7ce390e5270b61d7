"""Runs that were never made: folders as `fit` and `evaluate` leave them, with values that are chosen."""

import json

import numpy as np

from kerasfusion.config import load_config, to_yaml
from kerasfusion.files.run_folder import claim_checkpoints, describe_run
from kerasfusion.files.writing import write_file, write_text
from kerasfusion.fume.ablate.plan import compared_samples, record_evaluation
from kerasfusion.fume.config import FumeConfig
from kerasfusion.fume.data.masks import write_mask
from kerasfusion.fume.fit.train import settings_of
from kerasfusion.fume.fit.training_data import load_split
from kerasfusion.fume.networks.architectures import ARCHITECTURES
from kerasfusion.trainer import Checkpoint, write_checkpoint, write_history
from tests.fume.fit.training_material import HEIGHT, WIDTH

SETTINGS = (f"data.image_size=[{WIDTH},{HEIGHT}]", "training.num_epochs=4")


def configured(root, name, network="FUMEFastSCNN", *settings):
    """The configuration of one run on the set below `root`; runs lie beside it."""
    own = [f"experiment.name={name}", f"model.name={network}", f"data.dataset_root={root}"]
    own += [f"runs_folder={root.parent}/runs", f"data.frame_cache={root.parent}/cache"]
    return load_config(FumeConfig, None, [*SETTINGS, *own, *settings])


def write_config(folder, config):
    """As a YAML file for the command line."""
    path = folder / f"{config.experiment.name}.yaml"
    write_text(path, to_yaml(config))
    return path


def write_run(config, balanced=0.75, miou=0.5, best_epoch=3):
    """A finished run: its masks are gas everywhere in the left half."""
    write_training(config, best_epoch)
    write_evaluation(config, balanced, miou)
    record_evaluation(config)


def write_training(config, best_epoch=3, finished=True, epochs=4):
    """What `fit` leaves."""
    folder, outputs = config.run_folder, ARCHITECTURES[config.model.name].outputs
    describe_run(folder, config)
    claim_checkpoints(folder, settings_of(config, *(load_split(config, split).digest for split in ("train", "val"))))
    history = []
    for epoch in range(1, epochs + 1):
        row = {"epoch": epoch, "loss": 2.0 / epoch, "val_loss": 2.2 / epoch}
        height = epoch if epoch <= best_epoch else best_epoch - 0.5
        if "state" in outputs:
            row |= {"val_state_balanced_accuracy": 0.2 * height, "val_state_transitional_f1": 0.1}
        for mask in (output for output in outputs if output != "state"):
            row |= {f"val_{mask}_mean_iou": 0.1 * height, f"val_{mask}_gas_iou": 0.1, "val_mean_iou": 0.1 * height}
        history.append(row)
    arrays = {"variable/00000": np.zeros(2, np.float32)}
    write_checkpoint(folder / "checkpoints" / "state.npz", Checkpoint(epochs, finished, history, {}, arrays))
    write_history(folder / "history.csv", history)
    if finished:
        write_file(folder / "fume.keras", config.experiment.name.encode())


def write_evaluation(config, balanced=0.75, miou=0.5):
    """What `evaluate --save-masks` leaves."""
    architecture = ARCHITECTURES[config.model.name]
    masks = [name for name in architecture.outputs if name != "state"]
    if masks and not architecture.is_paired:
        masks += ["co2_mask", "ch4_mask"]
    test = {name: {"miou": miou, "miou_ci95": [miou - 0.1, miou + 0.1], "iou_gas": miou / 2, "n": 9} for name in masks}
    for name in masks:
        test[name] |= {"boundary_f_gas": miou / 4, "boundary_f_tube": None}
    if "state" in architecture.outputs:
        test["state"] = {
            "accuracy": 0.7,
            "balanced_accuracy": balanced,
            "balanced_accuracy_ci95": [balanced - 0.2, balanced + 0.15],
            "macro_f1": 0.6,
            "f1_transitional": 0.4,
            "n": 9,
            "confusion_matrix": [[2, 1, 0], [0, 3, 0], [1, 0, 2]],
        }
    if len(test) > 1 and "state" in test:
        test["joint"] = {"score": 0.5 * miou + 0.5 * balanced, "miou": miou, "balanced_accuracy": balanced}
    per = "pair" if architecture.is_paired else "frame"
    size = {"model": config.model.name, "trainable_parameters": 1_656_236, "macs": 2_000_000_000, "per": per}
    network = {"size": size, "speed": {"total_ms": 12.34, "fps": 81.0, "runs": 10}}
    write_text(config.run_folder / "metrics.json", json.dumps({"test": test, "network": network}))
    if masks:
        left = np.zeros((HEIGHT, WIDTH), np.uint8)
        left[:, : WIDTH // 2] = 2
        for frame in (frame for sample in compared_samples(config) for frame in sample.frames.values()):
            write_mask(config.run_folder, frame.frame_path.removesuffix(".png"), left)

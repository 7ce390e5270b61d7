"""Run folders with known answers, made without training."""

import json
import zipfile
from dataclasses import replace

import numpy as np

from kerasfusion.config import load_config
from kerasfusion.files.digests import file_sha256
from kerasfusion.files.json_yaml import write_json
from kerasfusion.files.kept_answers import predictions_path
from kerasfusion.files.keras_file_check import DESCRIPTION
from kerasfusion.files.run_files import record_evaluation
from kerasfusion.files.run_folder import describe_run
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.data.dataset import scan
from kerasfusion.roadwork.evaluate.comparison import full_report
from kerasfusion.roadwork.evaluate.predictions import Predictions, write_predictions
from kerasfusion.roadwork.evaluate.record import count_photos
from kerasfusion.roadwork.evaluate.rehearsal import Curve, Earned, Rehearsal, Waited, keep_rehearsal

HISTORY = "epoch,accuracy,loss,val_accuracy,val_loss\n1,0.5,0.7,0.5,0.7\n2,0.8,0.5,0.6,0.6\n"
YOLO_HISTORY = "epoch,time,train/loss,metrics/accuracy_top1,val/loss,lr/pg0\n1,1,0.7,0.5,0.7,0.1\n2,2,0.5,0.7,0.6,0.1\n"


def answered(photos, wrong=(), split="test"):
    """Answers on a split's photos: the fusion is right but on rows `wrong`, the surest first; the ViT is a coin."""
    samples = scan(photos, (split,))
    labels = np.array([sample.label for sample in samples])
    fusion = np.where(labels == 1, 0.9, 0.1)
    for rank, row in enumerate(wrong):
        fusion[row] = 1 - fusion[row] + np.sign(fusion[row] - 0.5) * rank * 0.05
    vit = np.where(np.arange(labels.size) % 2 == 0, 0.7, 0.3)
    answers = {"fusion": fusion, "vit": vit, "yolo": np.where(labels == 1, 0.8, 0.3)}
    ids = [sample.sample_id for sample in samples]
    digests = {sample.sample_id: file_sha256(sample.path) for sample in samples}
    return Predictions(ids, labels, answers, {}, digests)


def write_training(folder, photos, *settings):
    """A run that was trained; its fusion.keras holds a description and nothing else."""
    base = [f"runs_folder={folder.parent}", f"name={folder.name}", f"data.root={photos}"]
    config = load_config(RoadworkConfig, settings=[*base, *settings])
    folder.mkdir(parents=True, exist_ok=True)
    describe_run(folder, config)
    (folder / "history.csv").write_text(HISTORY)
    listings = {split: counts["listing_sha256"] for split, counts in count_photos(photos).items()}
    seen = {"splits": ["train"], "n": 24}
    description = {"system": "roadwork", "weights": {"vit": "v" * 64, "yolo": "y" * 64}, "data": listings}
    with zipfile.ZipFile(folder / "fusion.keras", "w") as archive:
        archive.writestr(DESCRIPTION, json.dumps(description | {"yolo_trained_on": seen}))
    (folder / "yolo").mkdir(exist_ok=True)
    (folder / "yolo" / "yolo_history.csv").write_text(YOLO_HISTORY)
    write_json(
        folder / "yolo" / "training.json",
        {"weights_sha256": "0" * 64, "model": "yolo11n-cls.pt", "train": seen, "val": {"splits": ["val"], "n": 12}},
    )
    return config


def write_evaluation(folder, photos, kept, split="test", **changed):
    """What `evaluate` keeps of these answers."""
    record = {
        "model": "fusion.keras",
        "model_sha256": file_sha256(folder / "fusion.keras"),
        "format": "keras",
        "precision": "float32",
        "tta": False,
        "data_root": photos,
        "photos": count_photos(photos),
        "max_samples": None,
        "seed": 42,
    }
    record_evaluation(folder, split, record | changed)
    write_predictions(predictions_path(folder, split), kept)
    report = full_report(kept.labels, kept.answers, n_resamples=200)
    path = folder / "metrics.json"
    metrics = json.loads(path.read_text()) if path.is_file() else {}
    write_json(path, metrics | {split: report})


def rehearsed(source="fusion.keras", digest=None, **changed):
    """What a rehearsal may have found: the fusion earns 0.8, the ViT 0.5, and 5 of 200 answers came late."""

    def earned(reward):
        curve = Curve([1, 100, 200], [0.1, reward, reward], [0.0, reward - 0.1, reward - 0.1], [0.2, reward, reward])
        return Earned(reward, (reward - 0.05, reward + 0.05), 0.9, 0.95, curve)

    found = {
        "source": source,
        "model_sha256": digest,
        "data": "photos/test",
        "photos": {"no_roadwork": 6, "roadwork": 6},
        "listing_sha256": "d" * 64,
        "layout": "mix",
        "challenges": 200,
        "asked": 200,
        "repeats": 20,
        "seed": 42,
        "deadline_s": 9.0,
        "outputs": {"fusion": earned(0.8), "vit": earned(0.5)},
        "gain": 0.3,
        "gain_over_repeats": (0.2, 0.4),
        "waited": Waited(21.4, 33.3),
        "lost": {"late": 5},
    }
    return Rehearsal(**found | changed)


def write_rehearsal(folder, **changed):
    """What `miner rehearse` keeps of its fusion.keras as it is now."""
    keep_rehearsal(folder, rehearsed(digest=file_sha256(folder / "fusion.keras"), **changed))


def without(kept, rows):
    """The answers but those on some rows."""
    left = [row for row in range(len(kept.sample_ids)) if row not in rows]
    answers = {name: p[left] for name, p in kept.answers.items()}
    return replace(kept, sample_ids=[kept.sample_ids[row] for row in left], labels=kept.labels[left], answers=answers)

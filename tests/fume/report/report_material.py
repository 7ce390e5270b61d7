"""Run folders of fume as training and evaluation leave them, from networks that read the answer off the frames."""

import json
from dataclasses import replace
from pathlib import Path

from kerasfusion.config import load_config, to_yaml
from kerasfusion.files.run_folder import environment
from kerasfusion.fume.config import FumeConfig
from kerasfusion.fume.evaluate.job import Request, run
from tests.fume.detect.answering_material import HEIGHT, WIDTH, save_reader, write_set

ROWS = [
    ("co2 ch4", 0, 0, "a"),
    ("co2 ch4", 1, 1, "b"),
    ("ch4", 2, 2, "c"),
    ("co2 ch4", 2, 0, "d"),  # an acidotic rumen that passes for a healthy one
    ("co2", 0, 0, "a"),
    ("co2 ch4", 1, 1, "b"),
]
"""(gases, true state, state that the frames say, original) of the test samples."""

HISTORY = """epoch,loss,state_loss,state_balanced_accuracy,state_transitional_f1,co2_mask_loss,co2_mask_gas_iou,\
co2_mask_mean_iou,val_loss,val_state_loss,val_state_balanced_accuracy,val_state_transitional_f1,val_co2_mask_loss,\
val_co2_mask_gas_iou,val_co2_mask_mean_iou,val_mean_iou
1,1.0,0.6,0.4,0.3,0.4,0.2,0.3,0.9,0.5,0.40,0.3,0.4,0.1,0.3,0.3
2,0.8,0.5,0.6,0.4,0.3,0.4,0.5,0.7,0.4,0.75,0.5,0.3,0.4,0.5,0.5
3,0.6,0.4,0.7,0.5,0.2,0.5,0.6,0.8,0.5,0.60,0.4,0.3,0.5,0.6,0.6
"""
"""Its second epoch has the highest balanced accuracy."""

COSTS = {
    "size": {
        "model": "FUMEFastSCNN",
        "image_size": [WIDTH, HEIGHT],
        "trainable_parameters": 1_656_236,
        "macs": 250_000_000,
        "per": "pair",
    },
    "speed": {"total_ms": 12.5, "forward_ms": 10.0, "p95_ms": 15.0, "fps": 80.0, "runs": 10},
}


def write_data(root: Path, rows=ROWS, train=(("co2 ch4", 0, 0, "t"), ("co2 ch4", 1, 1, "b"))) -> Path:
    """A training split, which shares the originals co2-b and ch4-b with the test split."""
    write_set(root, list(train), split="train")
    write_set(root, list(rows))
    return root


def write_run(folder: Path, root: Path, monkeypatch, *settings: str, name="FUMEFastSCNN", asked: Path | None = None):
    """A run folder with settings, history and network, evaluated on the test split.

    Args:
        folder: of the run.
        root: of the data.
        monkeypatch: takes the place of measuring the network's cost.
        settings: "key=value" texts.
        name: of the network.
        asked: data that it is evaluated on; None is `root`.
    """
    folder.mkdir(parents=True)
    texts = [f"data.dataset_root={root}", f"data.image_size=[{WIDTH}, {HEIGHT}]", f"model.name={name}"]
    texts += [f"experiment.name={folder.name}", "training.num_epochs=5", *settings]
    config = load_config(FumeConfig, None, texts)
    (folder / "config.yaml").write_text(to_yaml(config), encoding="utf-8")
    (folder / "environment.json").write_text(json.dumps(environment()), encoding="utf-8")
    (folder / "history.csv").write_text(HISTORY, encoding="utf-8")
    model = save_reader(folder / "fume.keras", name, root=root)
    monkeypatch.setattr("kerasfusion.fume.evaluate.job.costs", lambda network, files: COSTS)
    data = replace(config.data, dataset_root=asked or root)
    run(Request(model=model, config=replace(config, data=data), panels=0), lambda line: None)
    return folder

"""What version 0.1.0 wrote, in its shape: settings of runs, what bound their checkpoints, records of evaluations."""

import json
import zipfile
from pathlib import Path

ROADWORK_CONFIG = """\
system: "roadwork"
name: "demo"
runs_folder: "runs"
seed: 42
data: {"root": "scenes", "max_pixels": 64000000, "validation_fraction": 0.15}
yolo:
  model: "yolo11n-cls.yaml"
  weights: null
  image_size: 96
  epochs: 15
  batch: 16
  patience: 50
  workers: 2
  device: "cpu"
  augmentation:
    hsv_h: 0.05
    hsv_s: 0.7
    hsv_v: 0.4
    degrees: 25.0
    translate: 0.2
    scale: 0.5
    shear: 10.0
    perspective: 0.0001
    fliplr: 0.5
    mixup: 0.1
    mosaic: 1.0
    erasing: 0.4
    auto_augment: null
vit: {"weights": "vit", "class_names": ["None", "Roadwork"]}
cache: {"folder": "cache", "batch": 16, "shard_size": 256, "precision": "float32"}
efficientnetv2:
  variant: "b0"
  weights: null
  fine_tune_blocks: 0
  fine_tune_learning_rate: 1.0e-05
  dropout: 0.2
fusion:
  head: "linear"
  hidden: 16
  dropout: 0.1
  fit_on: "val"
  efficientnetv2_loss_weight: 0.3
  epochs: 200
  learning_rate: 0.05
  l2: 0.001
fit:
  epochs: 10
  batch: 16
  learning_rate: 0.001
  class_weights: false
  augmentation: "none"
  patience: 3
  pixel_cache: "pixels"
tracking:
  tensorboard: true
  wandb: false
  project: "roadwork"
  entity: null
  tags: []
  wandb_mode: "online"
  panels_every: 0
"""

FUME_CONFIG = """\
system: "fume"
runs_folder: "runs"
weighted_sampling: false
experiment:
  name: "demo"
  seed: 42
  use_tensorboard: true
  use_wandb: false
  project: "fume"
  wandb_entity: null
  tags: []
  wandb_mode: "online"
  panels_every: 0
model: {"name": "FUMEFastSCNN", "shared_encoder": true, "num_classes": 3, "num_seg_classes": 3}
data:
  dataset_root: "frames"
  paired_train_csv: null
  paired_val_csv: null
  paired_test_csv: null
  image_size: [128, 96]
  gases: "both"
  augmentation:
    horizontal_flip: 0.5
    rotate_limit: 5.0
    shift_scale_rotate: {"shift_limit": 0.1, "scale_limit": 0.15, "rotate_limit": 15.0, "p": 0.0}
    brightness_contrast: {"brightness_limit": 0.2, "contrast_limit": 0.2, "p": 0.5}
    gaussian_noise: {"var_limit": [10.0, 50.0], "p": 0.3}
    gaussian_blur: {"blur_limit": [3, 7], "p": 0.0}
    random_gamma: {"gamma_limit": [80.0, 120.0], "p": 0.3}
  modality_dropout: 0.2
  frame_cache: "cache"
  class_names: ["Healthy", "Transitional", "Acidotic"]
  seg_class_names: ["Background", "Tube", "Gas"]
training:
  batch_size: 16
  num_epochs: 13
  optimizer: {"type": "AdamW", "lr": 0.001, "weight_decay": 0.0001, "betas": [0.9, 0.999]}
  scheduler: {"type": "CosineAnnealingLR", "eta_min": 1.0e-05}
  loss:
    seg_weight: 1.0
    cls_weight: 1.0
    focal_gamma: 2.0
    cls_alpha: [1.0, 1.0, 1.0]
    use_focal_dice: true
  grad_clip: 1.0
  use_amp: true
  early_stopping: {"patience": 15, "min_delta": 0.001}
  checkpoint: {"save_freq": 0}
validation: {"batch_size": 8}
"""

EVALUATED = {
    "test": {
        "model": "fusion.keras",
        "model_sha256": "e0" * 32,
        "format": "keras",
        "precision": "float32",
        "tta": False,
        "data_root": "scenes",
        "photos": {"test": {"no_roadwork": 1, "roadwork": 1, "listing_sha256": "bb" * 32}},
        "max_samples": None,
        "seed": 42,
    }
}
PREDICTIONS = """\
sample_id,image_sha256,label,fusion,vit,yolo,efficientnetv2,unreadable
test/no_roadwork/a.jpg,6262626262626262626262626262626262626262626262626262626262626262,0,0.0129956454,0.546827555,0.100287147,0.496893346,
test/roadwork/b.jpg,aeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeae,1,0.951664062,0.977173388,0.898169276,0.501534283,
"""


def checkpoint_settings(manifest: dict) -> dict:
    """What a checkpoint of ROADWORK_CONFIG was bound to."""
    return {
        "seed": 42,
        "efficientnetv2": {
            "variant": "b0",
            "weights": None,
            "fine_tune_blocks": 0,
            "fine_tune_learning_rate": 1e-05,
            "dropout": 0.2,
            "weights_sha256": None,
        },
        "fusion": {
            "head": "linear",
            "hidden": 16,
            "dropout": 0.1,
            "fit_on": "val",
            "efficientnetv2_loss_weight": 0.3,
            "epochs": 200,
            "learning_rate": 0.05,
            "l2": 0.001,
        },
        "fit": {
            "epochs": 10,
            "batch": 16,
            "learning_rate": 0.001,
            "class_weights": False,
            "augmentation": "none",
            "patience": 3,
        },
        "validation_fraction": 0.15,
        "cache": {
            "yolo": manifest["yolo"]["sha256"],
            "vit": manifest["vit"]["sha256"],
            "splits": {"train": ["30" * 32]},
        },
    }


def save_keras(model, path: Path, description: dict) -> Path:
    """As Keras writes it, with the description as one more member."""
    model.save(path, include_optimizer=False)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("kerasfusion.json", json.dumps(description))
    return path


def write_shard(path: Path, sample_id: str, label: int, yolo: tuple[float, float], vit: tuple[float, float]) -> None:
    """A shard of one photo: two floats of each branch."""
    import tensorflow as tf

    def raw(value: str):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))

    def floats(value):
        return tf.train.Feature(float_list=tf.train.FloatList(value=value))

    feature = {
        "sample_id": raw(sample_id),
        "image_sha256": raw("62" * 32),
        "split": raw(sample_id.split("/")[0]),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
        "yolo_probs": floats(yolo),
        "vit_probs": floats(vit),
    }
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())

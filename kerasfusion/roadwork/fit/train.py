"""Fit EfficientNetV2 and the fusion head from photos and branch cache, with neither ViT nor torch in memory.

Three ways (fusion.fit_on):
- val: EfficientNetV2's classifier learns on train/, then the head on held-out photos that no branch learned from. (A
  branch's probabilities on its own training photos are too good to learn from how far it can be trusted.)
- all: as val, but the head also learns on train/, from answers of classifiers that have not seen the photo.
- train: jointly on train/, loss = cross-entropy of the fusion + 0.3 x that of EfficientNetV2.
"""

import shutil
from typing import Any

import keras
import numpy as np

from kerasfusion.config import to_dict
from kerasfusion.errors import RequestError
from kerasfusion.files.run_folder import claim_checkpoints, describe_run
from kerasfusion.images.png import write_png
from kerasfusion.roadwork.branches import efficientnetv2
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.fit.epoch_panels import EpochPanels
from kerasfusion.roadwork.fit.graph import answer_all, checkpoint_of, train_graph
from kerasfusion.roadwork.fit.head import fit_head
from kerasfusion.roadwork.fit.kept_folds import FoldAnswers, write_fold_answers
from kerasfusion.roadwork.fit.out_of_fold import answers_out_of_fold, describe_folds, folds_of
from kerasfusion.roadwork.fit.parts import Parts, build_parts
from kerasfusion.roadwork.fit.sources import make_sources
from kerasfusion.roadwork.fit.training_data import Photos, load_photos
from kerasfusion.trackers.epochs import PANELS, trackers


def fit_parts(config: RoadworkConfig, manifest: dict[str, Any], restart: bool = False) -> Parts:
    """Train, or go on with a run that was killed.

    Nothing is written before data, cache, weights and an earlier run's settings are known to suit.

    Args:
        config: everything.
        manifest: of the branch cache.
        restart: forget an earlier run in the folder.

    Raises:
        RequestError: cache and data differ, weights are missing, the run folder holds a run with other settings, or
            pictures of held-out photos are asked for and there are none.
    """
    training, validation = load_photos(config, manifest)
    if config.tracking.panels_every and validation is None:
        raise RequestError("nothing is held out that pictures could show", where="tracking.panels_every", expected="0")
    keras.utils.set_random_seed(config.seed)
    image_size = manifest["sizes"]["image"]
    parts = build_parts(config, image_size)
    if restart:
        shutil.rmtree(config.run_folder / "checkpoints", ignore_errors=True)
    claim_checkpoints(config.run_folder, settings_of(config, manifest))
    describe_run(config.run_folder, config)
    sources = make_sources(config, parts, image_size, training, validation)
    panels = None
    if config.tracking.panels_every:
        panels = EpochPanels(validation, sources[1].gather, config.data.max_pixels)
    watch = trackers(config.tracking, config.run_folder, config, checkpoint_of(config), panels)
    graph = train_graph(config, parts, *sources, watch)
    if config.fusion.fit_on != "train":
        photos, probs = validation, None if validation is None else answer_all(config, graph, sources[1])
        if config.fusion.fit_on == "all":
            photos, probs = _with_training(config, manifest, parts, sources, probs)
        fit_head(config, parts.head, photos, probs)
        if panels is not None:
            _draw_fitted(config, parts.head, panels, probs[-len(validation) :])
    return parts


def _with_training(
    config: RoadworkConfig, manifest: dict[str, Any], parts: Parts, sources, probs: np.ndarray | None
) -> tuple[Photos, np.ndarray]:
    """The training photos with answers out of fold, and then those held out with `probs`, if there are any."""
    training, validation = sources
    folds = folds_of(training.photos, manifest)
    found = answers_out_of_fold(config, parts, training, validation, folds)
    _keep(config, training.photos, found, folds.of_photo, manifest)
    if validation is None:
        return training.photos, found
    return training.photos + validation.photos, np.concatenate([found, probs])


def _keep(config: RoadworkConfig, photos: Photos, efficientnetv2_probs: np.ndarray, folds, manifest) -> None:
    said = {"yolo": photos.yolo_probs, "vit": photos.vit_probs, "efficientnetv2": efficientnetv2_probs}
    answers = {branch: probs[:, 1].reshape(-1, photos.views) for branch, probs in said.items()}
    names = [sample.sample_id for sample in photos.samples]
    kept = FoldAnswers(names, photos.digests, photos.labels[photos.originals], folds, answers)
    write_fold_answers(config.run_folder, kept, [each["sha256"] for each in manifest["folds"]["classifiers"]])


def _draw_fitted(config: RoadworkConfig, head, panels: EpochPanels, efficientnetv2_probs: np.ndarray) -> None:
    """The same photos with the fusion, which while EfficientNetV2 learned was not fitted yet."""
    photos, numbers = panels.photos, panels.numbers
    answers = {
        "yolo": photos.yolo_probs[numbers],
        "vit": photos.vit_probs[numbers],
        "efficientnetv2": efficientnetv2_probs[numbers],
    }
    fused = np.asarray(head(answers, training=False))
    picture = panels.draw({"fusion": fused[:, 1], "efficientnetv2": answers["efficientnetv2"][:, 1]})
    write_png(config.run_folder / PANELS / "fitted.png", picture)


def settings_of(config: RoadworkConfig, manifest: dict[str, Any]) -> dict[str, Any]:
    """Settings and cache under which alone a checkpoint is gone on with, as a JSON value."""
    settings = {key: to_dict(config)[key] for key in ("seed", "efficientnetv2", "fusion", "fit")}
    del settings["fit"]["pixel_cache"]  # where pixels are kept changes nothing
    settings["efficientnetv2"]["weights_sha256"] = efficientnetv2.file_digest(config.efficientnetv2)
    settings["validation_fraction"] = config.data.validation_fraction
    settings["cache"] = {
        key: manifest[key]["sha256"] if key != "splits" else _shards(manifest) for key in ("yolo", "vit", "splits")
    } | describe_folds(config, manifest)
    return settings


def _shards(manifest: dict[str, Any]) -> dict[str, list[str]]:
    kept = {split: done for split, done in manifest["splits"].items() if split != "test"}
    return {split: [shard["sha256"] for shard in done.get("shards", [])] for split, done in kept.items()}

"""Fit EfficientNetV2 and the fusion head from photos and branch cache, with neither ViT nor torch in memory.

Two ways (fusion.fit_on):
- val: EfficientNetV2's classifier learns on train/, then the head on held-out photos that no branch learned from. (A
  branch's probabilities on its own training photos are too good to learn from how far it can be trusted.)
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
from kerasfusion.roadwork.fit.graph import checkpoint_of, train_graph
from kerasfusion.roadwork.fit.head import fit_head
from kerasfusion.roadwork.fit.parts import Parts, build_parts
from kerasfusion.roadwork.fit.sources import Source, in_order, make_sources
from kerasfusion.roadwork.fit.training_data import load_photos
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
    refuse_needless(config)
    keras.utils.set_random_seed(config.seed)
    image_size = manifest["sizes"]["image"]
    parts = build_parts(config, image_size)
    if restart:
        shutil.rmtree(config.run_folder / "checkpoints", ignore_errors=True)
    claim_checkpoints(config.run_folder, settings_of(config, manifest))
    describe_run(config.run_folder, config)
    if parts.trunk is None:
        (config.run_folder / "history.csv").unlink(missing_ok=True)  # an earlier fit's
        fit_head(config, parts.head, validation, None)
        return parts
    sources = make_sources(config, parts, image_size, training, validation)
    panels = None
    if config.tracking.panels_every:
        panels = EpochPanels(validation, sources[1].gather, config.data.max_pixels)
    watch = trackers(config.tracking, config.run_folder, config, checkpoint_of(config), panels)
    graph = train_graph(config, parts, *sources, watch)
    if config.fusion.fit_on == "val":
        probs = _predict(config, graph, sources[1])
        fit_head(config, parts.head, validation, probs)
        if panels is not None:
            _draw_fitted(config, parts.head, panels, probs)
    return parts


def refuse_needless(config: RoadworkConfig) -> None:
    """Check that nothing is asked for that only a fusion with EfficientNetV2 has.

    Raises:
        RequestError: otherwise; names the key.
    """
    if "efficientnetv2" in config.fusion.branches:
        return
    if config.fusion.fit_on == "train":
        raise RequestError(
            "without EfficientNetV2 there is nothing that the head could be fitted jointly with",
            where="fusion.fit_on: train, with fusion.without: efficientnetv2",
            expected="fusion.fit_on: val",
            todo="set fusion.fit_on: val, or leave EfficientNetV2 in",
        )
    if config.tracking.panels_every:
        raise RequestError(
            "without EfficientNetV2 there are no epochs to show pictures of",
            where="tracking.panels_every",
            expected="0",
        )


def _draw_fitted(config: RoadworkConfig, head, panels: EpochPanels, efficientnetv2_probs: np.ndarray) -> None:
    """The same photos with the fusion, which while EfficientNetV2 learned was not fitted yet."""
    photos, numbers = panels.photos, panels.numbers
    answers = {
        "yolo": photos.yolo_probs[numbers],
        "vit": photos.vit_probs[numbers],
        "efficientnetv2": efficientnetv2_probs[numbers],
    }
    fused = np.asarray(head({name: answers[name] for name in head.input}, training=False))
    picture = panels.draw({"fusion": fused[:, 1], "efficientnetv2": answers["efficientnetv2"][:, 1]})
    write_png(config.run_folder / PANELS / "fitted.png", picture)


def settings_of(config: RoadworkConfig, manifest: dict[str, Any]) -> dict[str, Any]:
    """Settings and cache under which alone a checkpoint is gone on with, as a JSON value."""
    settings = {key: to_dict(config)[key] for key in ("seed", "efficientnetv2", "fusion", "fit")}
    del settings["fit"]["pixel_cache"]  # where pixels are kept changes nothing
    if not config.fusion.without:
        del settings["fusion"]["without"]  # so that runs go on that were begun before there was such a key
    if "efficientnetv2" in config.fusion.branches:
        settings["efficientnetv2"]["weights_sha256"] = efficientnetv2.file_digest(config.efficientnetv2)
    settings["validation_fraction"] = config.data.validation_fraction
    settings["cache"] = {
        key: manifest[key]["sha256"] if key != "splits" else _shards(manifest) for key in ("yolo", "vit", "splits")
    }
    return settings


def _shards(manifest: dict[str, Any]) -> dict[str, list[str]]:
    kept = {split: done for split, done in manifest["splits"].items() if split != "test"}
    return {split: [shard["sha256"] for shard in done.get("shards", [])] for split, done in kept.items()}


def _predict(config: RoadworkConfig, model, source: Source) -> np.ndarray:
    batches = in_order(config, source).map(lambda arrays: {key: arrays[key] for key in model.input})
    return model.predict(batches, verbose=0)["efficientnetv2"]

"""Fit EfficientNetV2 and the fusion head from photos and branch cache, with neither ViT nor torch in memory.

Three ways (fusion.fit_on):
- val: EfficientNetV2's classifier learns on train/, then the head on held-out photos that no branch learned from. (A
  branch's probabilities on its own training photos are too good to learn from how far it can be trusted.)
- all: as val, but the head also learns on train/, from answers of classifiers that have not seen the photo.
- train: jointly on train/, loss = cross-entropy of the fusion + 0.3 x that of EfficientNetV2.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from kerasfusion.config import to_dict
from kerasfusion.errors import RequestError
from kerasfusion.files.run_folder import claim_checkpoints, describe_run, forget_checkpoints
from kerasfusion.images.png import write_png
from kerasfusion.roadwork.branches import efficientnetv2
from kerasfusion.roadwork.branches.ensemble import ADAPTED
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.fit.epoch_panels import EpochPanels
from kerasfusion.roadwork.fit.gather_rows import gather_rows, gather_rows_without_efficientnetv2
from kerasfusion.roadwork.fit.graph import checkpoint_of, train_graph
from kerasfusion.roadwork.fit.out_of_fold import describe_folds
from kerasfusion.roadwork.fit.parts import Parts, build_parts
from kerasfusion.roadwork.fit.sources import make_sources
from kerasfusion.roadwork.fit.training_data import load_photos
from kerasfusion.roadwork.head.adapted import adapt_vit
from kerasfusion.roadwork.head.choose import build_chosen, choose_head
from kerasfusion.roadwork.head.fitting import fit_head
from kerasfusion.roadwork.head.record import keep_record, table_of
from kerasfusion.roadwork.head.rows import HeadRows
from kerasfusion.trackers.epochs import PANELS, trackers


def fit_parts(
    config: RoadworkConfig,
    manifest: dict[str, Any],
    restart: bool = False,
    report: Callable[[str], None] = print,
) -> Parts:
    """Train, or go on with a run that was killed.

    Nothing is written before data, cache, weights and an earlier run's settings are known to suit.

    Args:
        config: everything.
        manifest: of the branch cache.
        restart: forget an earlier run in the folder.
        report: takes what the person who waits should know.

    Raises:
        RequestError: cache and data differ, weights are missing, the run folder holds a run with other settings, or
            pictures of held-out photos are asked for and there are none.
        KerasFusionError: the earlier run's checkpoints cannot be deleted.
    """
    training, validation = load_photos(config, manifest)
    if config.tracking.panels_every and validation is None:
        raise RequestError("nothing is held out that pictures could show", where="tracking.panels_every", expected="0")
    refuse_needless(config)
    keras.utils.set_random_seed(config.seed)
    image_size = manifest["sizes"]["image"]
    parts = build_parts(config, image_size, training.features)
    if restart:
        forget_checkpoints(config.run_folder)
    claim_checkpoints(config.run_folder, settings_of(config, manifest))
    describe_run(config.run_folder, config)
    if parts.trunk is None:
        (config.run_folder / "history.csv").unlink(missing_ok=True)  # an earlier fit's
        rows = gather_rows_without_efficientnetv2(config, manifest, training, validation)
        return _fit_on_rows(config, parts, rows, report)[0]
    sources = make_sources(config, parts, image_size, training, validation)
    panels = None
    if config.tracking.panels_every:
        panels = EpochPanels(validation, sources[1].gather, config.data.max_pixels)
    watch = trackers(config.tracking, config.run_folder, config, checkpoint_of(config), panels)
    graph = train_graph(config, parts, *sources, watch)
    if config.fusion.fit_on != "train":
        rows = gather_rows(config, manifest, parts, graph, sources)
        parts, rows = _fit_on_rows(config, parts, rows, report)
        if panels is not None:
            held_out = rows.take(np.arange(len(rows) - len(validation), len(rows)))
            _draw_fitted(config, parts.head, panels, held_out)
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


def _fit_on_rows(
    config: RoadworkConfig, parts: Parts, rows: HeadRows, report: Callable[[str], None]
) -> tuple[Parts, HeadRows]:
    """Fit what learns from rows that no branch has learned from; the rows come back with the adapted ViT's answers."""
    adapted, chosen = {}, {}
    if parts.adapted is not None:
        rows, adapted = adapt_vit(config, parts.adapted, rows)
    if config.fusion.head == "auto":
        candidate, chosen = choose_head(config, rows)
        report(table_of(chosen))
        config, head = build_chosen(config, candidate, rows)
        parts = replace(parts, head=head)
    record = fit_head(config, parts.head, rows) | chosen
    keep_record(config.run_folder, record | ({ADAPTED: adapted} if adapted else {}))
    return parts, rows


def _draw_fitted(config: RoadworkConfig, head, panels: EpochPanels, rows: HeadRows) -> None:
    """The same photos with the fusion, which while EfficientNetV2 learned was not fitted yet."""
    answers = {name: values[panels.numbers] for name, values in rows.inputs.items()}
    fused = np.asarray(head({name: answers[name] for name in head.input}, training=False))
    of_this_fit = {name: answers[name][:, 1] for name in ("efficientnetv2", ADAPTED) if name in answers}
    picture = panels.draw({"fusion": fused[:, 1], **of_this_fit})
    write_png(config.run_folder / PANELS / "fitted.png", picture)


def settings_of(config: RoadworkConfig, manifest: dict[str, Any]) -> dict[str, Any]:
    """Settings and cache under which alone a checkpoint is gone on with, as a JSON value."""
    settings = {key: to_dict(config)[key] for key in ("seed", "efficientnetv2", "fusion", "fit")}
    del settings["fit"]["pixel_cache"]  # where pixels are kept changes nothing
    for key in ("without", "vit_adapted"):
        if not settings["fusion"][key]:
            del settings["fusion"][key]  # so that runs go on that were begun before there was such a key
    if "efficientnetv2" in config.fusion.branches:
        settings["efficientnetv2"]["weights_sha256"] = efficientnetv2.file_digest(config.efficientnetv2)
    settings["validation_fraction"] = config.data.validation_fraction
    settings["cache"] = {
        key: manifest[key]["sha256"] if key != "splits" else _shards(manifest) for key in ("yolo", "vit", "splits")
    } | describe_folds(config, manifest)
    return settings


def _shards(manifest: dict[str, Any]) -> dict[str, list[str]]:
    kept = {split: done for split, done in manifest["splits"].items() if split != "test"}
    return {split: [shard["sha256"] for shard in done.get("shards", [])] for split, done in kept.items()}

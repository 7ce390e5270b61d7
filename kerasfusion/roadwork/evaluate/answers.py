"""Ask a model about every photo of a split, and about the challenges that a validator would make of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kerasfusion.address import Place
from kerasfusion.errors import RequestError
from kerasfusion.images.decoding import MAX_PIXELS, ImageError, read_image
from kerasfusion.parallel import ordered_map
from kerasfusion.progress import track
from kerasfusion.roadwork.branches.features_head import VIT
from kerasfusion.roadwork.challenge.kinds import Kind
from kerasfusion.roadwork.challenge.views import view_count, view_kinds, views_of
from kerasfusion.roadwork.config import RoadworkConfig, Views
from kerasfusion.roadwork.data.dataset import Sample, scan
from kerasfusion.roadwork.detect.detector import Detector
from kerasfusion.roadwork.precompute import branch_cache
from kerasfusion.roadwork.precompute.manifest import refuse_other_views


@dataclass(frozen=True)
class Answers:
    """What a model answered on a split.

    Attributes:
        split: which split.
        samples: N photos, in sample_id order.
        views: {output: (N, V) P(roadwork)} of each photo's views, the first of which is the photo itself; NaN where the
            photo could not be read.
        kinds: N lists of what the views are, as `view_kinds` gives them; of a photo that could not be read all that
            does not depend on its content.
        unreadable: {sample_id: reason}.
        digests: {sample_id: sha256 of the file}, of those that could be read.
    """

    split: str
    samples: list[Sample]
    views: dict[str, np.ndarray]
    kinds: list[list[Kind | None]]
    unreadable: dict[str, str]
    digests: dict[str, str]

    @property
    def answers(self) -> dict[str, np.ndarray]:
        """{output: (N,) P(roadwork)} of the photos themselves."""
        return {name: probs[:, 0] for name, probs in self.views.items()}

    @property
    def labels(self) -> np.ndarray:
        """(N,) int32 true classes."""
        return np.array([sample.label for sample in self.samples], np.int32)


def choose(root: Place, split: str, max_samples: int | None, seed: int = 42) -> list[Sample]:
    """The photos of a split, or a random part of them, in sample_id order.

    Raises:
        RequestError: the split has no photos.
    """
    samples = scan(root, (split,))
    if max_samples is None or max_samples >= len(samples):
        return samples
    chosen = np.random.default_rng(seed).choice(len(samples), max_samples, replace=False)
    return [samples[number] for number in sorted(chosen)]


def cached_branches(
    config: RoadworkConfig, split: str, description: dict, inputs: Sequence[str] = ()
) -> dict[str, branch_cache.Record]:
    """What the branch cache holds of ViT and YOLO, for parts that were fitted on it, or to compare with.

    Args:
        config, description, inputs: as for `refuse_other_cache`.
        split: which split.

    Returns:
        Records by sample_id.

    Raises:
        RequestError: as `refuse_other_cache`; or the cache is without this split.
    """
    refuse_other_cache(config, description, inputs)
    return branch_cache.read_cache(config.cache.folder, [split])


def refuse_other_cache(config: RoadworkConfig, description: dict, inputs: Sequence[str] = ()) -> None:
    """Check the branch cache against a model.

    Args:
        config: names the cache and its views.
        description: of the parts, or of a whole model without the ViT, whose answers alone are then looked for.
        inputs: what the parts take of a record.

    Raises:
        RequestError: no cache, one of other weights or views, or one without these inputs.
    """
    folder = config.cache.folder
    manifest = branch_cache.read_manifest(folder)
    expected = {} if "model_sha256" in description else dict(description.get("weights", {}))
    if "default_vit" in description:
        expected["vit"] = description["default_vit"]
    said = [manifest["vit"].get("settings"), description.get("vit_settings")]  # None of older versions
    if any(manifest[name]["sha256"] != sha256 for name, sha256 in expected.items()) or (
        None not in said and said[0] != said[1]
    ):
        raise RequestError(
            "the branch cache was made with another ViT or YOLO than the parts were fitted on",
            where=folder,
            todo="name the right one with --cache, or run precompute and fit again",
        )
    refuse_other_views(config, manifest)
    if VIT in inputs and "features" not in manifest["vit"]:
        raise RequestError(
            "these parts learned from the ViT's features, and the branch cache holds its probabilities alone",
            where=folder,
            todo="name the right one with --cache, or compose the parts (`kerasfusion export`) and evaluate the file",
        )


def answer(
    detector: Detector,
    samples: Sequence[Sample],
    views: Views,
    *,
    outputs: Sequence[str] | None = None,
    records: dict[str, branch_cache.Record] | None = None,
    batch: int = 16,
    max_pixels: int = MAX_PIXELS,
) -> Answers:
    """Answer every photo and its challenges.

    Args:
        detector: opened model.
        samples: photos of one split.
        views: which challenges are made of them.
        outputs: those to keep; None is all.
        records: the branch cache's records, for trained parts that take ViT's and YOLO's probabilities from it, and for
            an output `vit` that the detector has not.
        batch: views a forward pass.
        max_pixels: largest photo that is decoded.

    Raises:
        RequestError: a photo is not the one that the cache holds, or an output that the model has not.
    """
    outputs = tuple(outputs or detector.outputs)
    from_cache = [name for name in outputs if name not in detector.outputs]
    if from_cache and (records is None or from_cache != ["vit"]):
        raise RequestError(
            f"the model has no output {from_cache[0]}", expected=" or ".join(detector.outputs), todo="name one of them"
        )
    unreadable: dict[str, str] = {}
    digests: dict[str, str] = {}
    split, count = samples[0].split, view_count(views, samples[0].split)
    prepared = ordered_map(lambda sample: _prepare(detector, sample, views, records, max_pixels), samples)
    said = {name: np.full((len(samples), count), np.nan) for name in outputs}
    work = _answer_all(detector, samples, prepared, batch, said, unreadable, digests)
    for _ in track(work, f"evaluate {split}", total=len(samples)):
        pass
    for row, sample in enumerate(samples):
        if from_cache and sample.sample_id in digests:
            said["vit"][row] = records[sample.sample_id].vit_probs[:, 1]
    kinds = [view_kinds(views, split, digests.get(sample.sample_id)) for sample in samples]
    return Answers(split, list(samples), said, kinds, dict(sorted(unreadable.items())), digests)


def _answer_all(detector, samples, prepared, batch: int, answers, unreadable, digests) -> Iterator[Sample]:
    waiting: list[tuple[tuple[int, int], dict[str, np.ndarray]]] = []
    for row, (sample, photo) in enumerate(zip(samples, prepared, strict=True)):
        if isinstance(photo, ImageError):
            unreadable[sample.sample_id] = photo.what
        else:
            views, digests[sample.sample_id] = photo
            waiting += [((row, number), view) for number, view in enumerate(views)]
        while len(waiting) >= batch or (waiting and row == len(samples) - 1):
            places, inputs = zip(*waiting[:batch], strict=True)
            del waiting[:batch]
            probs = detector.answer(inputs)
            for name in answers.keys() & probs.keys():
                answers[name][tuple(np.transpose(places))] = probs[name]
        yield sample


def _prepare(detector: Detector, sample: Sample, views: Views, records, max_pixels: int):
    """What the detector takes of each view of a photo, and the photo's digest."""
    try:
        pixels, digest = read_image(sample.path, max_pixels)
        prepared = [detector.prepare(view) for view in views_of(pixels, digest, sample.split, views)]
    except ImageError as error:
        return error
    if records is not None:
        record = _recorded(sample, digest, records)
        kept = {name: getattr(record, name) for name in detector.other_inputs}
        prepared = [inputs | {name: kept[name][view] for name in kept} for view, inputs in enumerate(prepared)]
    return prepared, digest


def _recorded(sample: Sample, digest: str, records) -> branch_cache.Record:
    record = records.get(sample.sample_id)
    if record is None or record.image_sha256 != digest:
        raise RequestError(
            "cache and data differ: this photo is " + ("not in the cache" if record is None else "another one now"),
            where=sample.path,
            todo="run precompute into a new folder, or compose the parts (`kerasfusion export`) and evaluate the file",
        )
    return record

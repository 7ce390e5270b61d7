"""What both sides work on, generated offline into the work folder and kept there: photos, networks, a fitted run."""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from bench_peers.processes import TOOLS, run

SIZE = (1280, 720)
CLASSES = ("no_roadwork", "roadwork")
SHARD = 16
"""Photos a shard of the branch cache. Precompute's speed is read from the moments at which shards appear, so that every
split is a multiple of it."""
VIEWS = 4
"""Of a photo, where fit learns on views."""
GENERATED = ("scenes", "vit", "yolo", "cache", "pixels", "runs", "exports", "fit")
HELD_OUT = 0.16
"""Share of val/ and of test/."""
PHOTOS_FOR_NETWORKS = 24
FIT_COUNTS = {"train": 512, "val": 64}
"""For fit alone: what surrounds an epoch would be too large a part of one of fewer photos."""


@dataclass(frozen=True)
class Material:
    """Where everything is.

    Attributes:
        work: the folder.
    """

    work: Path

    @property
    def config(self) -> Path:
        """Settings for every command of kerasfusion."""
        return self.work / "config.yaml"

    @property
    def parts(self) -> Path:
        """What `fit` trained."""
        return self.work / "runs" / "bench" / "trained_parts.keras"

    @property
    def fusion(self) -> Path:
        """The composed file."""
        return self.work / "runs" / "bench" / "fusion.keras"

    @property
    def yolo(self) -> Path:
        """YOLO's weights."""
        return self.work / "yolo" / "best.pt"

    @property
    def cache(self) -> Path:
        """The branch cache that `fit` reads."""
        return self.work / "cache"

    @property
    def cache_of_views(self) -> Path:
        """The same with VIEWS views a photo."""
        return self.work / "cache-views"

    def with_views(self) -> list[str]:
        """The options of a command that works on views."""
        return [f"--cache={self.cache_of_views}", f"--set=views.count={VIEWS}"]

    def photos(self, split: str) -> list[Path]:
        """The photos of a split, the classes taking turns."""
        return sorted((self.work / "scenes" / split).rglob("*.jpg"), key=lambda path: path.name)

    def command(self, verb: str, *arguments: str) -> list[str]:
        """A kerasfusion command under these settings, for `processes.Child`."""
        return ["-m", "kerasfusion", verb, "--config", str(self.config), *arguments]


def draw(material: Material, count: int, report: Callable[[str], None]) -> None:
    """Photos, networks and settings, as far as they are not there yet.

    Args:
        material: where.
        count: photos in all, at most; at least 3 shards.
        report: takes a line for the person who waits.
    """
    counts = split_counts(count)
    if any(len(material.photos(split)) != number for split, number in counts.items()):
        report(f"drawing {sum(counts.values())} photos of {SIZE[0]} x {SIZE[1]} pixels")
        _forget(material.work)
        draw_scenes(material.work / "scenes", counts)
    if not (material.yolo.exists() and (material.work / "fit" / "vit").exists()):
        report("writing a ViT-B/16 and a yolo11n classifier")
        photos = material.photos("train")[:PHOTOS_FOR_NETWORKS]
        run(["-m", "bench_peers.networks", material.work, *photos], material.work, "networks")
    write_settings(material, material.yolo)


def fit_once(material: Material, report: Callable[[str], None]) -> None:
    """The fused model of these networks as this version of kerasfusion makes it; needs what `draw` makes.

    A model that another version made is made again, and so are its exports.
    """
    mark, version = material.work / "runs" / "made_by", source_digest()
    if material.fusion.exists() and mark.exists() and mark.read_text() == version:
        return
    report("precompute and fit, once, for the weights that both sides answer with")
    _forget(material.work, ("runs", "exports"))
    if not _is_complete(material.cache / "manifest.json"):
        run(material.command("precompute"), material.work, "precompute")
    run(material.command("fit", "--epochs", "1", "--restart"), material.work, "fit")
    mark.write_text(version)


def prepare_fit(material: Material, report: Callable[[str], None]) -> Material:
    """FIT_COUNTS photos with a branch cache, in work/fit; needs what `draw` makes.

    The photos are those of `material` several times over, told apart by a JPEG comment. A small ViT answers for the
    cache: fit reads what it said and never asks it.
    """
    fit = Material(material.work / "fit")
    if any(len(fit.photos(split)) != count for split, count in FIT_COUNTS.items()):
        _forget(fit.work, ("scenes", "cache", "cache-views", "pixels", "runs"))
        for split, count in FIT_COUNTS.items():
            copy_photos(material.photos(split), fit.work / "scenes" / split, count)
    write_settings(fit, material.yolo)
    splits = [f"--split={split}" for split in FIT_COUNTS]
    if not _is_complete(fit.cache / "manifest.json"):
        report(f"precompute with a small ViT for fit's {sum(FIT_COUNTS.values())} photos")
        run(fit.command("precompute", *splits), material.work, "precompute")
    if not _is_complete(fit.cache_of_views / "manifest.json"):
        report(f"the same with {VIEWS} views a photo")
        run(fit.command("precompute", *splits, *fit.with_views()), material.work, "precompute-views")
    return fit


def copy_photos(photos: Sequence[Path], folder: Path, count: int) -> None:
    """Write `count` JPEGs to folder/CLASS, the photos in turn, each with its number as a comment in the file."""
    for number in range(count):
        source = photos[number % len(photos)]
        data, comment = source.read_bytes(), b"\xff\xfe\x00\x06" + number.to_bytes(4, "big")
        path = folder / source.parent.name / f"{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data[:2] + comment + data[2:])


def source_digest() -> str:
    """sha256 over kerasfusion's source."""
    sources = sorted((TOOLS.parent / "kerasfusion").rglob("*.py"))
    return hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()


def split_counts(count: int) -> dict[str, int]:
    """How many photos each split gets of at most `count`: whole shards, one at least."""
    shards = count // SHARD
    held_out = max(1, round(shards * HELD_OUT))
    return {"train": (shards - 2 * held_out) * SHARD, "val": held_out * SHARD, "test": held_out * SHARD}


def draw_scenes(folder: Path, counts: dict[str, int]) -> None:
    """An imagefolder of generated streets as JPEGs of a dashcam's size, half of each split with roadwork."""
    from kerasfusion.roadwork.scenes.street import draw_scene

    splits = [split for split, count in counts.items() for _ in range(count)]
    for number, split in enumerate(splits):
        path = folder / split / CLASSES[number % 2] / f"{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        scene = draw_scene(np.random.default_rng(number), bool(number % 2))
        scene.resize(SIZE).save(path, "JPEG", quality=90)


def write_settings(material: Material, yolo: Path) -> None:
    """kerasfusion's configuration: the defaults but for places and for what makes a run fit into minutes."""
    work = material.work
    values = {
        "name": "bench",
        "runs_folder": str(work / "runs"),
        "data": {"root": str(work / "scenes")},
        "views": {"count": 0},
        "yolo": {"weights": str(yolo)},
        "vit": {"weights": str(work / "vit")},
        "cache": {"folder": str(material.cache), "shard_size": SHARD},
        "efficientnetv2": {"weights": None},
        # The head stays near the soft vote that it starts as, so that P(fusion) differs from photo to photo.
        "fusion": {"epochs": 1},
        "fit": {"patience": 0, "pixel_cache": str(work / "pixels")},
    }
    material.config.write_text(yaml.safe_dump(values), encoding="utf-8")


def _is_complete(manifest: Path) -> bool:
    """Whether a branch cache has all that `fit` reads."""
    splits = json.loads(manifest.read_text(encoding="utf-8"))["splits"] if manifest.exists() else {}
    return {"train", "val"} <= set(splits) and all(split["complete"] for split in splits.values())


def _forget(work: Path, names: Sequence[str] = GENERATED) -> None:
    for name in names:
        shutil.rmtree(work / name, ignore_errors=True)

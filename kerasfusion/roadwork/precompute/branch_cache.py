"""The branch cache: what YOLO and the ViT said of every photo, once and for all.

A folder, here or behind an address, with `manifest.json` and `shards/SPLIT-00000.tfrecord`. A split's shards are fixed
by its sorted sample ids, so that a resumed precompute ends in the same bytes. One tf.train.Example a photo: sample_id,
image_sha256, split (bytes), label (int64), yolo_probs and vit_probs (2 floats a view, in the order of CLASS_NAMES; the
first view is the photo itself), and where the manifest says so vit_features (bytes: C little-endian float16 a view).
"""

import os
import socket
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pydantic

from kerasfusion.address import Address, Place
from kerasfusion.errors import DamagedError, KerasFusionError, RequestError
from kerasfusion.files.at_home import bring_home, home_path
from kerasfusion.files.digests import file_sha256
from kerasfusion.files.json_yaml import read_json, refuse_other_shape, write_json
from kerasfusion.files.writing import own_partial, remove_abandoned
from kerasfusion.roadwork.data.dataset import Sample

FORMAT_VERSION = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Record:
    """What the cache holds of one photo.

    Attributes:
        sample_id: POSIX path relative to the dataset's root.
        image_sha256: digest of the encoded file, hex.
        split: train, val or test.
        label: index into CLASS_NAMES.
        yolo_probs, vit_probs: (V, 2) float32 probabilities, a row a view.
        vit_features: (V, C) float16, what the ViT's classifier sees; None where it is not kept.
    """

    sample_id: str
    image_sha256: str
    split: str
    label: int
    yolo_probs: np.ndarray
    vit_probs: np.ndarray
    vit_features: np.ndarray | None = None


def shard_path(folder: Place, split: str, number: int) -> Place:
    """Where shard `number` of a split is kept."""
    return folder / "shards" / f"{split}-{number:05d}.tfrecord"


def write_shard(path: Place, records: Iterable[Record]) -> None:
    """Write a shard beside its name, then rename it; one at an address elsewhere, then send it. What is there is whole.

    Raises:
        KerasFusionError: the disk is full or refuses the write; or what `Address.write_bytes` raises.
    """
    if isinstance(path, Address):
        with tempfile.TemporaryDirectory() as folder:
            own = Path(folder, path.name)
            write_shard(own, records)
            path.write_bytes(own.read_bytes())
        return
    import tensorflow as tf

    path.parent.mkdir(parents=True, exist_ok=True)
    # Of many machines' processes: a number first, and a container's name may be one, would be taken for a process here.
    partial = own_partial(path, f"on-{socket.gethostname()}-{os.getpid()}")
    try:
        with tf.io.TFRecordWriter(str(partial)) as writer:
            for record in records:
                writer.write(_encode(record))
        partial.replace(path)
    except tf.errors.OpError as error:
        raise KerasFusionError(
            f"cannot write a cache shard: {error.message}",
            where=path,
            todo="free some space, then run the same command again",
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def remove_leftovers(folder: Place) -> None:
    """Delete what killed runs left in a cache folder; the caller is its only writer. At an address they leave nothing.

    Also what tells of a process that lives: a worker's on another machine may have had the same number.
    """
    if isinstance(folder, Address):
        return
    shards = folder / "shards"
    remove_abandoned(folder, is_held=True)
    for pattern in (own_partial(shards / "*", "*").name, "*.partial"):  # the latter of older versions
        for partial in shards.glob(pattern):
            partial.unlink(missing_ok=True)


def read_shard(path: Place) -> list[Record]:
    """Read one shard.

    Raises:
        DamagedError: the file is damaged or cut short (every record carries a checksum).
        RequestError: it holds answers that are no probabilities, as older versions wrote them for broken weights.
        OSError: it is not there.
    """
    if isinstance(path, Address):
        with tempfile.TemporaryDirectory() as folder:
            own = Path(folder, path.name)
            own.write_bytes(path.read_bytes())
            return _parse(own, path)
    return _parse(path, path)


def _parse(file: Path, path: Place) -> list[Record]:
    import tensorflow as tf

    features = {
        "sample_id": tf.io.FixedLenFeature([], tf.string),
        "image_sha256": tf.io.FixedLenFeature([], tf.string),
        "split": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
        "yolo_probs": tf.io.FixedLenSequenceFeature([2], tf.float32, allow_missing=True),
        "vit_probs": tf.io.FixedLenSequenceFeature([2], tf.float32, allow_missing=True),
        "vit_features": tf.io.FixedLenFeature([], tf.string, default_value=""),
    }
    dataset = tf.data.TFRecordDataset(str(file)).batch(1024).map(lambda raw: tf.io.parse_example(raw, features))
    try:
        records = [record for batch in dataset.as_numpy_iterator() for record in _decode(batch)]
    except tf.errors.OpError as error:
        raise DamagedError(
            f"a cache shard is damaged: {error.message}", where=path, todo="delete this file and run precompute again"
        ) from error
    _refuse_impossible(records, path)
    return records


def read_manifest(folder: Place) -> dict[str, Any]:
    """The manifest of a cache folder.

    Raises:
        RequestError: there is no cache, or one of another format.
        DamagedError: the manifest is damaged; names each wrong key.
    """
    path = folder / MANIFEST
    todo = f"delete the folder {folder}, then kerasfusion precompute"
    manifest = read_json(path, todo=todo)
    if manifest is None:
        raise RequestError("there is no branch cache here", where=path, todo="kerasfusion precompute")
    if manifest.get("format_version", FORMAT_VERSION) != FORMAT_VERSION:
        raise RequestError(
            f"the cache has format {manifest.get('format_version')}",
            where=path,
            expected=f"format {FORMAT_VERSION}",
            todo="run precompute into a new cache.folder",
        )
    refuse_other_shape(manifest, _Manifest, path, todo)
    return manifest


def refuse_unknown_shards(folder: Place) -> None:
    """Check that there are no shards without a manifest: of which weights, views and photos they are is not known.

    Raises:
        RequestError: there are.
    """
    if (folder / MANIFEST).exists():
        return
    shards = folder / "shards"
    found = shards.files() if isinstance(shards, Address) else shards.glob("*.tfrecord")
    if any(path.suffix == ".tfrecord" for path in found):
        raise RequestError(
            f"here are shards, and no {MANIFEST} that says of which weights and photos they are",
            where=shards,
            expected=f"{folder / MANIFEST}, or no shards",
            todo=f"delete the folder {shards}, put its {MANIFEST} back, or name a new folder with --cache",
        )


class _Shard(pydantic.BaseModel):
    file: str
    sha256: str


class _Split(pydantic.BaseModel):
    complete: bool
    samples: int
    listing_sha256: str


class _FinishedSplit(_Split):
    complete: Literal[True]
    skipped: list[dict[str, str]]
    shards: list[_Shard]


class _BegunSplit(_Split):
    complete: Literal[False]


class _Weights(pydantic.BaseModel):
    sha256: str


class _TrainedOn(pydantic.BaseModel):
    splits: list[str]
    n: int


class _Yolo(_Weights):
    trained_on: _TrainedOn | None
    train_sha256: list[str] | None = None  # not known of older versions' trainings


class _Vit(_Weights):
    settings: dict[str, str | int | float] | None = None
    features: Literal["float16"] | None = None


class _Folds(pydantic.BaseModel):
    count: int
    held_out: str
    classifiers: list[_Weights]
    of: dict[str, int]


class _Manifest(pydantic.BaseModel):
    """What is relied on; what else a manifest tells is compared with the request."""

    format_version: int
    sizes: dict[str, int]
    yolo: _Yolo
    vit: _Vit
    folds: _Folds | None = None
    splits: dict[str, Annotated[_FinishedSplit | _BegunSplit, pydantic.Field(discriminator="complete")]]


def write_manifest(folder: Place, manifest: dict[str, Any]) -> None:
    """Write the manifest in one step; it never says more than the shards hold."""
    write_json(folder / MANIFEST, manifest)


def read_cache(folder: Place, splits: Sequence[str]) -> dict[str, Record]:
    """Every record of the given splits, by sample_id; shards at an address are brought home once.

    Raises:
        RequestError: no cache, or a split that precompute has not finished.
        DamagedError: a shard is missing, damaged or not the one that precompute wrote.
    """
    manifest = read_manifest(folder)
    records = {}
    for split in splits:
        done = manifest["splits"].get(split)
        if done is None or not done["complete"]:
            raise RequestError(
                f"the cache does not hold all of {split}/",
                where=folder,
                todo=f"kerasfusion precompute --split {split}",
            )
        digests = [shard["sha256"] for shard in done["shards"]]
        paths = [shard_path(folder, split, number) for number in range(len(digests))]
        for path, file, digest in zip(paths, _files_of(paths, digests, split), digests, strict=True):
            if not file.is_file() or file_sha256(file) != digest:
                raise DamagedError(
                    "a cache shard is missing or is not the one that precompute wrote",
                    where=path,
                    todo="delete this file if it is there and run precompute again",
                )
            records.update((record.sample_id, record) for record in _parse(file, path))
    return records


def _files_of(paths: Sequence[Place], digests: Sequence[str], split: str) -> Sequence[Path]:
    """The shards as files of this machine."""
    if not paths or not isinstance(paths[0], Address):
        return paths
    named = [Address(path.url, version=digest) for path, digest in zip(paths, digests, strict=True)]
    for address in named:
        copy = home_path(address)
        if copy.is_file() and file_sha256(copy) != address.version:  # damaged since
            copy.unlink()
    return bring_home(named, f"branch cache of {split}")


def refuse_other_photos(records: dict[str, Record], samples: Sequence[Sample], digests: Sequence[str], skipped) -> None:
    """Check that the cache is of exactly these photos.

    Args:
        records: the cache, by sample_id.
        samples: the photos that are there now.
        digests: sha256 of each photo's file, in the order of `samples`.
        skipped: sample ids that precompute was told to leave out.

    Raises:
        RequestError: a photo is new, gone, changed or in another class; says how many and names some.
    """
    here = {sample.sample_id: (sample.label, digest) for sample, digest in zip(samples, digests, strict=True)}
    known = {name: (record.label, record.image_sha256) for name, record in records.items()}
    problems = {
        "not in the cache": sorted(here.keys() - known.keys() - set(skipped)),
        "in the cache but gone from the data": sorted(known.keys() - here.keys()),
        "changed since precompute": sorted(name for name in here.keys() & known.keys() if here[name] != known[name]),
    }
    lines = [f"{len(names)} photo(s) {what}: {', '.join(names[:3])}" for what, names in problems.items() if names]
    if lines:
        raise RequestError(
            "cache and data differ: " + "; ".join(lines),
            todo="run precompute into a new cache.folder, or set data.root to the photos that the cache was made of",
        )


def _refuse_impossible(records: Sequence[Record], path: Path) -> None:
    for record in records:
        for branch, probs in (("YOLO", record.yolo_probs), ("ViT", record.vit_probs)):
            if not ((probs >= 0) & (probs <= 1)).all():  # also where it is NaN
                raise RequestError(
                    f"a cache shard holds what is no probability: {branch} on {record.sample_id} {probs.tolist()}",
                    where=path,
                    expected="numbers in 0..1",
                    todo="delete this file and run precompute again, which refuses weights that are broken",
                )


def _encode(record: Record) -> bytes:
    import tensorflow as tf

    def raw(value: bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    def text(value: str):
        return raw(value.encode())

    def floats(value: np.ndarray):
        return tf.train.Feature(float_list=tf.train.FloatList(value=value.ravel()))

    feature = {
        "sample_id": text(record.sample_id),
        "image_sha256": text(record.image_sha256),
        "split": text(record.split),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[record.label])),
        "yolo_probs": floats(record.yolo_probs),
        "vit_probs": floats(record.vit_probs),
    }
    if record.vit_features is not None:
        feature["vit_features"] = raw(record.vit_features.astype("<f2").tobytes())
    # A protobuf map has no order of its own; the resumed cache must be the same bytes.
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString(deterministic=True)


def _decode(batch: dict[str, np.ndarray]) -> Iterable[Record]:
    for row, kept in enumerate(batch["vit_features"]):
        yield Record(
            sample_id=batch["sample_id"][row].decode(),
            image_sha256=batch["image_sha256"][row].decode(),
            split=batch["split"][row].decode(),
            label=int(batch["label"][row]),
            yolo_probs=batch["yolo_probs"][row],
            vit_probs=batch["vit_probs"][row],
            vit_features=np.frombuffer(kept, "<f2").reshape(len(batch["vit_probs"][row]), -1) if kept else None,
        )

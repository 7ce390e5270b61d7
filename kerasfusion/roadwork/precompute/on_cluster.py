"""Shards filled by the workers of a cluster, each with YOLO and the ViT open."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from kerasfusion.address import Address, Place
from kerasfusion.errors import KerasFusionError
from kerasfusion.files.writing import existing_part
from kerasfusion.machine.findings import Finding
from kerasfusion.machine.probe import spread
from kerasfusion.progress import note
from kerasfusion.roadwork.branches.vit import VitCheckpoint, weights_files
from kerasfusion.roadwork.cluster.carried_files import INBOX, CarriedFolder, bring, carry
from kerasfusion.roadwork.cluster.node_check import LOOKED_FOR, Needs, describe_nodes, refuse_unfit
from kerasfusion.roadwork.cluster.pool import Pool
from kerasfusion.roadwork.cluster.ray_library import Node, Worker, WorkerDied, connected
from kerasfusion.roadwork.config import RoadworkConfig, with_absolute_paths
from kerasfusion.roadwork.data.dataset import Sample, scan
from kerasfusion.roadwork.precompute.answering import Branches
from kerasfusion.roadwork.precompute.fold_classifiers import FoldClassifiers
from kerasfusion.roadwork.precompute.shards import fill_shard

FILLER = "filler"


@dataclass(frozen=True)
class _Shard:
    """A task: a shard's path and samples."""

    path: Place
    samples: Sequence[Sample]
    skip_unreadable: bool

    def __str__(self) -> str:
        return f"{self.path.name} from {self.samples[0].sample_id} on"


class ShardFiller:
    """Lives in a worker: the branches, opened once.

    Args:
        config: as `Branches` takes it, with weights of this machine.
        checkpoint, folds, with_features: as `Branches` takes them.
    """

    def __init__(
        self, config: RoadworkConfig, checkpoint: VitCheckpoint, folds: FoldClassifiers | None, with_features: bool
    ):
        from kerasfusion.keras_settings import use_keras

        use_keras()
        self._config = config
        self._branches = Branches(config, checkpoint, folds, with_features)

    def sizes(self) -> dict[str, int]:
        """Side of each branch's input, pixels."""
        return self._branches.sizes

    def fill(self, path: Place, samples: Sequence[Sample], skip_unreadable: bool) -> dict[str, str]:
        """Write a shard unless it is there; returns {sample_id: reason} of its unreadable photos."""
        unreadable: dict[str, str] = {}
        for _ in fill_shard(path, samples, self._branches, self._config, skip_unreadable, unreadable):
            pass
        return unreadable


class FillsOnCluster:
    """Fills shards on all machines of a cluster; use it in a `with` statement.

    Args:
        address: of the cluster.
        config: with absolute paths to photos and cache, which all machines share, or addresses that all reach.
        samples: all photos.
        checkpoint, folds, with_features: as `Branches` takes them.

    Attributes:
        sizes: side of each branch's square input, pixels, by input.

    Raises:
        RequestError: no Ray, no cluster, or a machine with other packages or without these folders.
        KerasFusionError: no worker could be opened.
    """

    def __init__(
        self,
        address: str,
        config: RoadworkConfig,
        samples: Sequence[Sample],
        checkpoint: VitCheckpoint,
        folds: FoldClassifiers | None,
        with_features: bool,
    ):
        self._stack = ExitStack()
        with ExitStack() as stack:
            cluster = stack.enter_context(connected(address))
            needs = _needs(config, samples)
            vit = carry([*checkpoint.folder.glob("*.json"), *weights_files(checkpoint.folder)])
            yolo = [carry([path]) for path in (config.yolo_weights, *(folds.weights if folds else ()))]
            opening = _Opening(config, replace(checkpoint, folder=Path()), folds, with_features, vit, yolo)
            self._pool = stack.enter_context(
                Pool(cluster, partial(refuse_unfit, cluster, needs=needs), opening, _ask, note)
            )
            self.sizes: dict[str, int] = self._pool.open()
            self._stack = stack.pop_all()

    def fill(
        self, shards: Sequence[tuple[Place, Sequence[Sample]]], skip_unreadable: bool, unreadable: dict[str, str]
    ) -> Iterator[Sample]:
        """As `FillsHere.fill`; a shard's samples come all at once, and shards as they end."""
        for task, broken in self._pool.map([_Shard(path, part, skip_unreadable) for path, part in shards]):
            if not task.path.exists() and (skip_unreadable or not broken):
                raise KerasFusionError(
                    "a worker wrote this shard, and it is not here",
                    where=task.path,
                    expected="a folder that all machines share, under the same path, or an address that all reach",
                    todo="mount it there, or name another one with --cache",
                )
            unreadable |= broken
            yield from task.samples

    def __enter__(self) -> "FillsOnCluster":
        return self

    def __exit__(self, *_) -> None:
        self._stack.close()


def find_machines(address: str, config: RoadworkConfig, samples: Sequence[Sample]) -> list[Node]:
    """The machines of a cluster, each checked; nothing is begun there.

    Raises:
        RequestError: as `FillsOnCluster`.
    """
    with connected(address) as cluster:
        nodes = cluster.nodes()
        for node in nodes:
            try:
                refuse_unfit(cluster, node, _needs(config, samples))
            except WorkerDied as death:
                raise KerasFusionError(f"a machine of the cluster does not answer: {death}", where=node.name) from death
        return nodes


def describe_machines(address: str, config: RoadworkConfig) -> list[Finding]:
    """What `doctor` tells of each machine of a cluster, with photos and cache as they are configured.

    Raises:
        RequestError: Ray is not installed, or no cluster answers.
    """
    config = with_absolute_paths(config)
    samples: list[Sample] = []
    with suppress(KerasFusionError):  # no photos yet: doctor's steps say so
        samples = scan(config.data.root)
    return describe_nodes(address, _needs(config, samples))


def _needs(config: RoadworkConfig, samples: Sequence[Sample]) -> Needs:
    folder = config.cache.folder
    return Needs(
        {"data.root": [sample.path for sample in spread(samples, LOOKED_FOR)]},
        {"cache.folder": folder if isinstance(folder, Address) else existing_part(folder)},
    )


@dataclass(frozen=True)
class _Opening:
    """Opens the branches in a worker, with the weights that it has or is sent."""

    config: RoadworkConfig
    checkpoint: VitCheckpoint
    folds: FoldClassifiers | None
    with_features: bool
    vit: CarriedFolder
    yolo: Sequence[CarriedFolder]

    def __call__(self, worker: Worker) -> dict[str, int]:
        bring(worker, [self.vit, *self.yolo])
        vit, *yolo = (worker.call(INBOX, "place", folder) for folder in (self.vit, *self.yolo))
        last, *others = (place / folder.files[0].path.name for place, folder in zip(yolo, self.yolo, strict=True))
        config = replace(self.config, yolo=replace(self.config.yolo, weights=last))
        folds = replace(self.folds, weights=others) if self.folds else None
        worker.make(FILLER, ShardFiller, config, replace(self.checkpoint, folder=vit), folds, self.with_features)
        return worker.call(FILLER, "sizes")


def _ask(worker: Worker, shard: _Shard) -> dict[str, str]:
    return worker.call(FILLER, "fill", shard.path, shard.samples, shard.skip_unreadable)

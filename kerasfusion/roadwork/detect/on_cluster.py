"""A model that answers on all machines of a cluster, opened once by each worker."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from kerasfusion.address import Address, Place, place
from kerasfusion.errors import RequestError
from kerasfusion.formats.measuring import model_parts
from kerasfusion.images.decoding import MAX_PIXELS
from kerasfusion.machine.device import use_device
from kerasfusion.machine.probe import spread
from kerasfusion.roadwork.cluster.carried_files import CarriedFolder, carry
from kerasfusion.roadwork.cluster.mapping import cluster_map
from kerasfusion.roadwork.cluster.node_check import LOOKED_FOR, Needs
from kerasfusion.roadwork.detect.detector import Detector, open_detector
from kerasfusion.roadwork.detect.predict import STDIN, Answer, predict

BATCHES_AT_A_TIME = 8
"""Whole batches are handed out, so that each is the one that a single machine would ask about."""


def carry_model(path: Path) -> CarriedFolder:
    """A model's files, for the workers.

    Raises:
        RequestError: one is not there.
    """
    parts = model_parts(path)
    missing = next((part for part in parts if not part.is_file()), None)
    if missing is not None:
        raise RequestError("the model's file does not exist", where=missing, todo="name another one")
    return carry(parts)


def open_carried(folder: Path, name: str, tta: bool, device: str, full: bool = False) -> Detector:
    """In a worker: the model that was carried."""
    use_device(folder / name, device)
    return open_detector(folder / name, tta, full=full)


def predict_on_cluster(
    address: str,
    model: Path,
    images: Sequence[str],
    batch: int,
    tta: bool,
    device: str,
    full: bool,
) -> Iterator[Answer]:
    """`predict` on a cluster's machines, which all see the photos under the same paths.

    Args:
        address: of the cluster.
        model: file of the model.
        images: paths or addresses; not standard input.
        batch: photos a forward pass.
        tta, device, full: as for `open_detector` and `use_device`.

    Raises:
        RequestError: standard input, no model, no cluster, or a machine that is unfit.
        KerasFusionError: no machine left.
    """
    if STDIN in images:
        raise RequestError(
            "standard input is of this machine alone", where=f"--on {address}", expected="files, folders"
        )
    paths = [(name, path if isinstance(path := place(name), Address) else path.absolute()) for name in images]
    needs = Needs({"IMAGES": [path for _, path in spread(paths, LOOKED_FOR)]}, {})
    arguments = (model.name, tta, device, full, batch)
    carried = [carry_model(model)]
    return cluster_map(address, _Predicts, arguments, paths, needs, carried, batch * BATCHES_AT_A_TIME)


class _Predicts:
    """Lives in a worker."""

    def __init__(self, folder: Path, name: str, tta: bool, device: str, full: bool, batch: int):
        self._detector, self._batch = open_carried(folder, name, tta, device, full), batch

    def work(self, paths: Sequence[tuple[str, Place]]) -> list[Answer]:
        """Answers, with each photo's name as it was given."""
        answers = predict(self._detector, [str(path) for _, path in paths], None, self._batch, MAX_PIXELS)
        return [replace(answer, image=name) for answer, (name, _) in zip(answers, paths, strict=True)]

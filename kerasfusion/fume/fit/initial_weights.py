"""The weights that a training begins from: those of another training's file, where `model.weights` names one."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.files.saving import load_network, read_description
from kerasfusion.fume.config import FumeConfig

if TYPE_CHECKING:
    import keras


def refuse_other_network(config: FumeConfig, made: Mapping[Path, FumeConfig] | None = None) -> None:
    """Check that a training of this configuration can begin from the file that it names; reads the file's words alone.

    Args:
        config: everything.
        made: {resolved path: configuration} of files that will have been trained by then, and need not be there yet.

    Raises:
        RequestError: no such file, not one of this program, or one that holds another network.
    """
    path = config.model.weights
    if path is None:
        return
    maker = (made or {}).get(path.resolve())
    found, shared_encoder = _described(path) if maker is None else (maker.model.name, maker.model.shared_encoder)
    if found != config.model.name:
        raise RequestError(
            f"the file holds {found}, and what is to be trained is {config.model.name}",
            where=path,
            expected=f"a fume.keras of {config.model.name}, of frames of any size",
            todo="train one first, or choose the file's network with --model",
        )
    if shared_encoder != config.model.shared_encoder:
        raise RequestError(
            "the file's network and the one to be trained do not have the same encoders",
            where=path,
            expected=f"model.shared_encoder: {str(config.model.shared_encoder).lower()}",
        )


def _described(path: Path) -> tuple[str, bool | None]:
    """What a file holds, and whether one encoder of it is for both gases."""
    about = read_description(path)
    if "model" not in about:
        return f"a model of {about.get('system', 'roadwork')}", None
    return about["model"], about["config"]["model"]["shared_encoder"]


def initial_sha256(config: FumeConfig) -> str | None:
    """What tells the initial weights from others; None where they are random."""
    return None if config.model.weights is None else file_sha256(config.model.weights)


def take_initial_weights(config: FumeConfig, network: "keras.Model") -> None:
    """Give a network the weights of the file that the configuration names; without one it stays as it is.

    Args:
        config: of which `refuse_other_network` found nothing to refuse.
        network: of `build_network`; changed in place. The networks are convolutions and pooling, so that the size of
            the frames does not matter to the weights.

    Raises:
        RequestError: the file is damaged.
    """
    if config.model.weights is not None:
        network.set_weights(load_network(config.model.weights).get_weights())

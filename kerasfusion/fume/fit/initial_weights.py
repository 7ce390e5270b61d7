"""The weights that a training begins from: those of another training's file, where `model.weights` names one."""

from typing import TYPE_CHECKING

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.files.saving import load_network, read_description
from kerasfusion.fume.config import FumeConfig

if TYPE_CHECKING:
    import keras


def refuse_other_network(config: FumeConfig) -> None:
    """Check that a training of this configuration can begin from the file that it names; reads the file's words alone.

    Raises:
        RequestError: no such file, not one of this program, or one that holds another network.
    """
    path = config.model.weights
    if path is None:
        return
    about = read_description(path)
    found = about.get("model", f"a model of {about.get('system', 'roadwork')}")
    if found != config.model.name:
        raise RequestError(
            f"the file holds {found}, and what is to be trained is {config.model.name}",
            where=path,
            expected=f"a fume.keras of {config.model.name}, of frames of any size",
            todo="train one first, or choose the file's network with --model",
        )
    if about["config"]["model"]["shared_encoder"] != config.model.shared_encoder:
        raise RequestError(
            "the file's network and the one to be trained do not have the same encoders",
            where=path,
            expected=f"model.shared_encoder: {str(config.model.shared_encoder).lower()}",
        )


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

"""Whether a network can be trained by the loss that is asked for, before a frame is read."""

from kerasfusion.errors import RequestError
from kerasfusion.fume.config import FumeConfig


def refuse_unfit_loss(config: FumeConfig) -> None:
    """Check a loss where training begins; what earlier versions trained by another is read all the same.

    Raises:
        RequestError: focal_gamma is between 0 and 1, or the loss asks for none of the network's outputs.
    """
    loss = config.training.loss
    if 0 < loss.focal_gamma < 1:
        raise RequestError(
            f"with {loss.focal_gamma} the gradient has no limit where an answer is sure",
            where="training.loss.focal_gamma",
            expected="0, which makes it cross-entropy, or at least 1",
        )
    if 0 in (loss.seg_weight, loss.cls_weight) and not _learned(config):
        raise RequestError(
            f"{config.model.name} would learn nothing: its loss asks for none of its outputs",
            where="training.loss",
            expected="seg_weight for a network of masks, or cls_weight for one of the state, above 0",
        )


def _learned(config: FumeConfig) -> list[str]:
    from kerasfusion.fume.networks.architectures import ARCHITECTURES

    return [output for output in ARCHITECTURES[config.model.name].outputs if config.learns(output)]

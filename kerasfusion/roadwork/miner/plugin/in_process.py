"""What the installed detector calls to answer in the miner's own process."""

import os
from collections.abc import Callable
from pathlib import Path

from kerasfusion.errors import RequestError
from kerasfusion.machine.device import use_device
from kerasfusion.roadwork.detect.detector import Detector, open_detector
from kerasfusion.roadwork.miner.plugin.detector_settings import model_file, read_detector_settings


def open_for_miner(
    config_file: Path, device: str = "cpu", before_opening: Callable[[Path], None] = lambda path: None
) -> Detector:
    """Open the model that a detector's YAML names.

    Args:
        config_file: the YAML.
        device: the miner's name of it: "auto", "cpu", "cuda" or "cuda:0"; others compute on the CPU.
        before_opening: is called with the model's file before TensorFlow is loaded.

    Raises:
        RequestError: wrong settings, no such model, or a GPU that is not there or that the file cannot use.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    settings = read_detector_settings(config_file)
    path = model_file(settings, config_file)
    if settings.precision is not None:
        from kerasfusion.roadwork.detect.precision import choose_file

        path = choose_file(path, settings.precision)
    before_opening(path)
    name = "gpu" if device.startswith("cuda") else "auto" if device == "auto" else "cpu"
    try:
        use_device(path, name)
    except RequestError as error:
        raise RequestError(error.what, where=path, todo="IMAGE_DETECTOR_DEVICE=cpu in miner.env") from error
    return open_detector(path, settings.tta, full=settings.full)

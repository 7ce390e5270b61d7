"""How long a miner takes for a photo, with the very settings that it is started with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from kerasfusion.roadwork.detect.latency import measure_latency, time_photo
from kerasfusion.roadwork.miner.check.launch import read_launch
from kerasfusion.roadwork.miner.check.service_latency import request_stage
from kerasfusion.roadwork.miner.plugin.detector_settings import read_detector_settings
from kerasfusion.roadwork.miner.plugin.in_process import open_for_miner


def measure_miner(
    env: Path, image: Path | None, runs: int, warmup: int, before_opening: Callable[[Path], None] = lambda path: None
) -> dict[str, Any]:
    """Time the detector that a miner.env names; where a service answers, the requests to it as the one stage.

    Args:
        env: the miner.env.
        image, runs, warmup: as `measure_latency` takes them.
        before_opening: as `open_for_miner` takes it.

    Returns:
        What `measure_latency` gives; for a service what `time_photo` gives.

    Raises:
        RequestError: a missing variable, another detector, no or a wrong YAML, no such model.
        KerasFusionError: no answer from the service.
    """
    launch = read_launch(env)
    settings = read_detector_settings(launch.config_file)
    if settings.service_url is not None:
        return time_photo({"request": request_stage(settings)}, image, runs, warmup)
    return measure_latency(
        lambda: open_for_miner(launch.config_file, launch.device, before_opening), image, runs, warmup
    )

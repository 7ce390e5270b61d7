"""Who answers in a rehearsal: a model in this process, a running service, or what a miner.env starts."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kerasfusion.config import load_config
from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256, files_sha256
from kerasfusion.formats.measuring import model_parts
from kerasfusion.machine.device import use_device
from kerasfusion.reporting import command_line
from kerasfusion.roadwork.detect.detector import open_detector
from kerasfusion.roadwork.miner.check.launch import read_launch
from kerasfusion.roadwork.miner.plugin.detector_settings import DetectorSettings, model_file, read_detector_settings
from kerasfusion.roadwork.miner.plugin.in_process import open_for_miner
from kerasfusion.roadwork.miner.rehearse.asking import Ask, ask_detector, ask_service
from kerasfusion.roadwork.miner.whole_model import describe_whole


@dataclass(frozen=True)
class Source:
    """Who answers.

    Attributes:
        name: the file's, or the service's address.
        ask: asks it.
        model_sha256: of the file; None where a service answers.
        is_service: whether the model is in another process.
    """

    name: str
    ask: Ask
    model_sha256: str | None
    is_service: bool = False


def open_source(
    model: Path | None,
    service_url: str | None,
    env: Path | None,
    device: str,
    deadline_s: float,
    before_opening: Callable[[Path], None],
) -> Source:
    """Open what is to answer.

    Args:
        model: `fusion.keras` or an export of it; with a service, the file that it should answer with.
        service_url: of a running service.
        env: a miner.env.
        device: "auto", "cpu" or "gpu", for a model in this process.
        deadline_s: how long the validator waits.
        before_opening: is called with the model's file before TensorFlow is loaded.

    Raises:
        RequestError: no whole roadwork model, a wrong address, wrong settings, or a GPU that is not there.
    """
    if env is not None:
        return _of_miner(env, deadline_s, before_opening)
    if service_url is not None:
        settings = load_config(DetectorSettings, None, flags={"service_url": service_url})
        return Source(service_url, ask_service(settings, deadline_s), None, is_service=True)
    describe_whole(model)
    before_opening(model)
    use_device(model, device)
    return Source(model.name, ask_detector(open_detector(model), deadline_s), file_sha256(model))


def refuse_other_model(model: Path, said: str | None, url: str) -> None:
    """Check that a service answers with a file.

    Args:
        model: the file.
        said: the digest that came with the service's first answer; None if it did not say.
        url: of the service.

    Raises:
        RequestError: it answers with another file, or does not say with which.
    """
    if said is None:
        raise RequestError(
            "the service does not say which file it answers with",
            where=url,
            expected=f"the digest of {model}",
            todo="leave MODEL away: what answers is then noted by its address",
        )
    if said != files_sha256(model_parts(model)):
        raise RequestError(
            f"the service answers with another file than {model}",
            where=url,
            todo=f"{command_line(['kerasfusion', 'miner', 'serve', model])}, or leave MODEL away",
        )


def _of_miner(env: Path, deadline_s: float, before_opening: Callable[[Path], None]) -> Source:
    launch = read_launch(env)
    settings = read_detector_settings(launch.config_file)
    if settings.service_url is not None:
        return Source(settings.service_url, ask_service(settings, deadline_s), None, is_service=True)
    path = model_file(settings, launch.config_file)
    detector = open_for_miner(launch.config_file, launch.device, before_opening)
    return Source(path.name, ask_detector(detector, deadline_s), file_sha256(path))

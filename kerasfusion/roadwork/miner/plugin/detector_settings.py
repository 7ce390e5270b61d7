"""The YAML that a miner's InceptionFusion detector is configured by, with the keys of the older two-file layout."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from kerasfusion.config import STRICT_KEYS, load_config
from kerasfusion.errors import RequestError
from kerasfusion.reporting import command_line

MODEL_NAME = "fusion.keras"
_PATHS = ("model_path", "googlenet_fusion_path", "yolo_weights_path")


@dataclass(frozen=True, config=STRICT_KEYS)
class DetectorSettings:
    """How a miner answers: with a model of its own, or by asking a service.

    Attributes:
        model_path: `fusion.keras` or an export of it; relative to the YAML.
        precision: takes the export in this precision beside the model; auto: the fastest; null: the file as named.
        tta: also ask about the mirrored photo, and average.
        full: ask all branches about every photo, also where the model is a cascade.
        service_url: `kerasfusion miner serve` answers instead of a model in the miner's own process.
        timeout_s: longest wait for the service, seconds; a validator waits 9.
        googlenet_fusion_path: older layout: the folder of the two files.
        use_keras: older layout: false stood for its PyTorch variant.
        yolo_weights_path: older layout: YOLO's best.pt; relative to the YAML.
        vit_config: older layout: name of the YAML that names the ViT's repository.
        roadwork_class_index: older layout: column of YOLO's answer that stands for roadwork.
    """

    model_path: Path | None = None
    precision: Literal["float32", "bfloat16", "int8", "auto"] | None = None
    tta: bool = False
    full: bool = False
    service_url: Annotated[str, Field(pattern=r"^https?://[^\s/]+")] | None = None
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 8.0
    googlenet_fusion_path: Path | None = None
    use_keras: bool | None = None
    yolo_weights_path: Path | None = None
    vit_config: str | None = None
    roadwork_class_index: Annotated[int, Field(ge=0)] = 1


def read_detector_settings(path: Path) -> DetectorSettings:
    """Read a detector's YAML.

    Returns:
        The settings with absolute paths.

    Raises:
        RequestError: missing, not YAML, any wrong keys (all in one message), or neither a model nor a service.
    """
    settings = load_config(DetectorSettings, path)
    if not (settings.model_path or settings.service_url or settings.googlenet_fusion_path):
        if settings.use_keras is False:
            raise _pytorch_variant(path)
        raise RequestError("neither a model nor a service is named", where=path, expected="model_path or service_url")
    folder = path.parent.absolute()
    named = {key: getattr(settings, key) for key in _PATHS if getattr(settings, key) is not None}
    return replace(settings, **{key: Path(os.path.normpath(folder / given)) for key, given in named.items()})


def model_file(settings: DetectorSettings, path: Path) -> Path:
    """The model to open.

    Args:
        settings: of the YAML.
        path: the YAML, for the message.

    Raises:
        RequestError: the settings are of the older layout, and its files were not made into one.
    """
    if settings.model_path is not None:
        return settings.model_path
    folder = settings.googlenet_fusion_path
    if folder is None:
        raise RequestError("these settings name a service and no model", where=path, expected="model_path")
    if settings.use_keras is False or folder.suffix == ".pt":
        raise _pytorch_variant(path)
    if not (folder / MODEL_NAME).is_file():
        raise RequestError(
            f"the older two-file layout has not been made into one {MODEL_NAME} yet",
            where=folder,
            todo=command_line(["kerasfusion", "miner", "import-legacy", path]),
        )
    return folder / MODEL_NAME


def _pytorch_variant(path: Path) -> RequestError:
    return RequestError(
        "the PyTorch variant of the older layout cannot be imported; only its Keras files can",
        where=path,
        todo="fit a model with this program and name it as model_path",
    )

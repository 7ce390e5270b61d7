"""YOLO classifiers through ultralytics: opened from weights, or started anew."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerasfusion.errors import RequestError
from kerasfusion.files.torch_file import refuse_damaged_archive
from kerasfusion.files.weights_check import refuse_nonfinite
from kerasfusion.roadwork.branches.ultralytics_library import (
    check_published,
    download_published,
    import_ultralytics,
    reason_of,
)
from kerasfusion.roadwork.data.dataset import CLASS_NAMES


def class_columns(names: Mapping[int, str], where: object) -> list[int]:
    """The position of each of CLASS_NAMES in a model's output, found by name.

    Raises:
        RequestError: the model's classes are not exactly CLASS_NAMES.
    """
    if sorted(names.values()) != sorted(CLASS_NAMES):
        shown = ", ".join(list(names.values())[:10]) + (", ..." if len(names) > 10 else "")
        raise RequestError(
            f"the YOLO weights have other classes: {shown}",
            where=where,
            expected=" and ".join(CLASS_NAMES),
            todo="kerasfusion train-yolo trains weights with these classes",
        )
    positions = {name: index for index, name in names.items()}
    return [positions[name] for name in CLASS_NAMES]


def load_classifier(path: Path) -> Any:
    """Load a `.pt` file as ultralytics' YOLO object.

    Raises:
        RequestError: ultralytics is missing, or the file is missing, damaged or not a classifier.
    """
    if not path.is_file():
        raise RequestError(
            "the YOLO weights do not exist",
            where=path,
            todo="kerasfusion train-yolo makes them, or set yolo.weights to a trained .pt file",
        )
    if path.suffix.lower() != ".pt":  # ultralytics would take it for another format, or add a suffix to its name
        raise RequestError(
            "the YOLO weights are of a kind that is not opened here",
            where=path,
            expected="what torch.save wrote, under a name that ends in .pt",
            todo="kerasfusion train-yolo makes them, or set yolo.weights to a trained .pt file",
        )
    return _open_classifier(str(path))


def starting_model(model: str, download: bool = True) -> Any:
    """What a training starts from: pretrained weights (`.pt`) or random ones (`.yaml`), as a YOLO object.

    Pretrained weights that ultralytics publishes are downloaded to the very path that was asked for; without
    `download` random ones stand in for them.

    Raises:
        RequestError: neither `.pt` nor `.yaml`, unknown, damaged, not a classifier, or not to be downloaded.
    """
    suffix = Path(model).suffix.lower()
    if suffix in (".yaml", ".yml") and "://" not in model:
        return _open_classifier(model)
    if suffix != ".pt" or "://" in model:
        raise RequestError(
            f"{model!r} is not a model that YOLO can start from",
            where="yolo.model",
            expected="a file such as yolo11n-cls.pt (pretrained) or a name such as yolo11n-cls.yaml (random weights)",
        )
    if not Path(model).is_file():
        check_published(Path(model))
        if not download:
            return _open_classifier(f"{Path(model).stem}.yaml")
        download_published(Path(model))
    return _open_classifier(model)


def _open_classifier(source: str) -> Any:
    ultralytics = import_ultralytics()
    if Path(source).suffix.lower() == ".pt":  # ultralytics does not look at the case either
        refuse_damaged_archive(Path(source))
    try:
        model = ultralytics.YOLO(source)
    # A damaged, foreign or unknown file ends in one of many kinds of error (TypeError, KeyError, OSError, ...).
    except Exception as error:
        raise RequestError(
            f"ultralytics cannot open the model: {reason_of(error)}",
            where=source,
            expected="a YOLO classifier, for example yolo11n-cls.pt or yolo11n-cls.yaml",
        ) from error
    if model.task != "classify":
        raise RequestError(
            f"the YOLO model is made to {model.task}, not to classify",
            where=source,
            expected="a classifier; ultralytics' names for them end in -cls",
        )
    refuse_nonfinite(((name, value.numpy()) for name, value in model.model.state_dict().items()), source)
    return model

"""Which augmentation settings act on a classifier's training, and which do not."""

from collections.abc import Mapping
from typing import Any

CLASSIFICATION_AUGMENTATION = frozenset(
    {"hsv_h", "hsv_s", "hsv_v", "scale", "fliplr", "flipud", "erasing", "auto_augment"}
)
"""What ultralytics' ClassificationDataset reads (ultralytics/data/dataset.py); its other settings act in its other
tasks only."""

VIEW_AUGMENTATION = frozenset({"degrees", "translate", "shear", "perspective", "mixup"})
"""What acts besides where photos have views, whose dataset is our own (`fresh_views.py`)."""


def split_augmentation(asked: Mapping[str, Any], with_views: bool = False) -> tuple[dict[str, Any], dict[str, str]]:
    """Part the augmentation settings into those that act on classification and those that do not.

    Args:
        asked: ultralytics' names and values.
        with_views: photos have views; else they are trained on by ultralytics' own dataset.

    Returns:
        The settings to pass on, and for each other one that is not off the reason why it has no effect.
    """
    policy = asked.get("auto_augment")
    acting = CLASSIFICATION_AUGMENTATION | (VIEW_AUGMENTATION if with_views else frozenset())
    applied, ignored = {}, {}
    for name, value in asked.items():
        if name in acting:
            applied[name] = value
            if policy and name.startswith("hsv_") and value:
                ignored[name] = f"auto_augment {policy} takes the place of the colour jitter"
        elif value and name in VIEW_AUGMENTATION:
            ignored[name] = "used only where photos have views (views.count of 2 or more)"
        elif value:
            ignored[name] = "ultralytics does not use it for classification"
    return applied, ignored


def ignored_lines(ignored: Mapping[str, str]) -> list[str]:
    """What `split_augmentation` ignores, for a person: a line a reason."""
    names: dict[str, list[str]] = {}
    for name, reason in ignored.items():
        names.setdefault(reason, []).append(name)
    return [
        f"yolo.augmentation.{', '.join(each)} {'has' if len(each) == 1 else 'have'} no effect: {reason}"
        for reason, each in names.items()
    ]

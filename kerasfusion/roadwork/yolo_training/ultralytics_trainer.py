"""Ultralytics' trainer of classifiers, with a training dataset of our own: fresh views of photos.

Ultralytics' augmentation of photos stays as it is; torchvision's transforms add the settings of which ultralytics makes
no use in classification. (Ultralytics and torch are imported inside functions; see `branches/ultralytics_library.py`.)
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kerasfusion.roadwork.branches.ultralytics_library import import_ultralytics
from kerasfusion.roadwork.config import Views
from kerasfusion.roadwork.yolo_training.fresh_views import EpochOrder, FreshViews, copies_in


def trainer_class(views: Views) -> type:
    """A trainer for ultralytics' `YOLO.train`; where photos have views, it makes fresh ones of the training photos.

    Args:
        views: how many, and which challenges are made of the photos. The augmentation is in ultralytics' arguments.
    """
    import_ultralytics()
    from ultralytics.data import build_dataloader
    from ultralytics.models.yolo.classify import ClassificationTrainer

    class Trainer(ClassificationTrainer):
        """One that works in the folders it is told of: when it resumes too, though the checkpoint names others."""

        def __init__(self, *, overrides: dict[str, Any], **others: Any):
            self._folders = {name: overrides[name] for name in ("data", "save_dir")}
            super().__init__(overrides=overrides, **others)

        def check_resume(self, overrides: dict[str, Any]) -> None:
            super().check_resume(overrides)
            vars(self.args).update(self._folders)

    class ViewTrainer(Trainer):
        def get_dataloader(self, dataset_path: str, batch_size: int = 16, rank: int = 0, mode: str = "train") -> Any:
            if mode != "train":
                return super().get_dataloader(dataset_path, batch_size, rank, mode)
            dataset = fresh_views(Path(dataset_path), self.data["names"], views, self.args)
            loader = build_dataloader(dataset, batch_size, self.args.workers, rank=rank)
            number_epochs(loader, lambda: self.start_epoch)
            return loader

    return ViewTrainer if views.count > 1 else Trainer


def number_epochs(loader: Any, first: Callable[[], int]) -> None:
    """Let ultralytics' loader, of which nothing was read yet, tell its dataset the epoch; see `EpochOrder`."""
    batches = loader.batch_sampler.sampler  # below the one that repeats it for ever
    batches.sampler = EpochOrder(batches.sampler, first)
    # Many releases' loaders begin when they are made: with pictures' bare numbers, in an order that they have drawn.
    loader.generator.manual_seed(loader.generator.initial_seed())
    loader.reset()


def fresh_views(folder: Path, names: dict[int, str], views: Views, arguments: Any) -> FreshViews:
    """The training dataset of a training tree's folder.

    Args:
        folder: the tree's train/.
        names: the model's classes.
        views: which challenges are made of the copies.
        arguments: ultralytics', with the augmentation, imgsz and seed as attributes.
    """
    photo, square = view_transforms(arguments)
    return FreshViews(
        samples=copies_in(folder, names),
        classes=len(names),
        views=views,
        image_size=arguments.imgsz,
        seed=arguments.seed,
        mixup=arguments.mixup,
        photo=photo,
        square=square,
    )


def view_transforms(arguments: Any) -> tuple["Seeded", "Seeded"]:
    """The augmentation of whole photos, and the part of it that challenges get: flips, colours and erasing."""
    import_ultralytics()
    from torchvision.transforms import Compose
    from ultralytics.data.augment import classify_augmentations

    crop, *rest = classify_augmentations(
        size=arguments.imgsz,
        scale=(1.0 - arguments.scale, 1.0),
        hflip=arguments.fliplr,
        vflip=arguments.flipud,
        erasing=arguments.erasing,
        auto_augment=arguments.auto_augment,
        hsv_h=arguments.hsv_h,
        hsv_s=arguments.hsv_s,
        hsv_v=arguments.hsv_v,
    ).transforms
    # After the crop, which leaves few pixels to move. What is moved in from outside is black, as at validators.
    return Seeded(Compose([crop, *_movements(arguments), *rest])), Seeded(Compose(rest))


def _movements(arguments: Any) -> list[Any]:
    from torchvision.transforms import InterpolationMode, RandomAffine

    movements: list[Any] = []
    if arguments.degrees or arguments.translate or arguments.shear:
        shear, shift = arguments.shear, arguments.translate
        movements.append(
            RandomAffine(
                arguments.degrees,
                translate=(shift, shift),
                shear=(-shear, shear, -shear, shear) if shear else None,
                interpolation=InterpolationMode.BILINEAR,
            )
        )
    if arguments.perspective:
        movements.append(Perspective(arguments.perspective))
    return movements


@dataclass(frozen=True)
class Perspective:
    """A random change of perspective, of ultralytics' strength.

    Torchvision's own RandomPerspective moves corners by whole pixels only, which none of ultralytics' usual strengths
    reach in a small picture.

    Attributes:
        strength: a point (x, y), in pixels from the middle, goes to (x, y) / (1 + p x + q y), with p and q drawn from
            +- this.
    """

    strength: float

    def __call__(self, picture: Image.Image) -> Image.Image:
        import torch
        from torchvision.transforms import InterpolationMode
        from torchvision.transforms.functional import perspective

        width, height = picture.size
        p, q = ((torch.rand(2) * 2 - 1) * self.strength).tolist()
        corners = [(x, y) for x in (-width / 2, width / 2) for y in (-height / 2, height / 2)]
        moved = [(x / (1 + p * x + q * y), y / (1 + p * x + q * y)) for x, y in corners]
        before, after = ([[x + width / 2, y + height / 2] for x, y in points] for points in (corners, moved))
        return perspective(picture, before, after, InterpolationMode.BILINEAR)


@dataclass(frozen=True)
class Seeded:
    """Torchvision's transforms, which draw from torch's own random numbers, with a seed.

    Attributes:
        transforms: (Pillow image) -> tensor.
    """

    transforms: Callable[[Any], Any]

    def __call__(self, picture: np.ndarray, seed: int) -> Any:
        """(h, w, 3) uint8 -> tensor; torch's random numbers go on afterwards as if nothing had been drawn."""
        import torch

        state = torch.get_rng_state()
        # The processor's generator alone: `torch.manual_seed` would set a GPU's back to the same number each time.
        torch.default_generator.manual_seed(seed)
        try:
            return self.transforms(Image.fromarray(picture))
        finally:
            torch.set_rng_state(state)

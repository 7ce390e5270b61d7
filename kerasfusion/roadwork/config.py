"""The settings of the roadwork job: one frozen dataclass a section of configs/roadwork.yaml."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator
from pydantic.dataclasses import dataclass

from kerasfusion.address import Address, place
from kerasfusion.config import STRICT_KEYS
from kerasfusion.images.decoding import MAX_PIXELS
from kerasfusion.trackers.settings import Tracking

Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0, le=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
ImageSize = Annotated[int, Field(ge=32, le=1024)]


def _as_text(value: Path | Address) -> str:
    return str(value)


# Pydantic 2.4 takes no class, such as str itself, for a serializer.
PathOrAddress = Annotated[Path | Address, PlainValidator(place), PlainSerializer(_as_text, return_type=str)]

Variant = Literal["b0", "b1", "b2", "b3", "s", "m", "l"]
Strength = Literal["none", "light", "moderate", "strong"]
Layout = Literal["crop", "letterbox", "plain", "mix"]
Branch = Literal["vit", "yolo", "efficientnetv2"]

BRANCHES: tuple[Branch, ...] = ("yolo", "vit", "efficientnetv2")
"""In the order in which the head's weights take them."""


def _refuse_none_left(without: tuple[Branch, ...]) -> tuple[Branch, ...]:
    if set(without) == set(BRANCHES):
        raise ValueError("Input should leave at least one of vit, yolo and efficientnetv2")
    return without


DEFAULT_VIT = "hf://natix-network-org/roadwork"
"""What the subnet's miners answer with by default."""


def is_default_vit(weights: str) -> bool:
    """Whether weights are that ViT's by their name, of whatever revision (hf://owner/name@revision)."""
    return weights.partition("@")[0] == DEFAULT_VIT


@dataclass(frozen=True, config=STRICT_KEYS)
class Data:
    """The photos.

    Attributes:
        root: imagefolder with train/, val/ and test/; a path, or an address such as s3://bucket/photos.
        max_pixels: largest width x height that is decoded.
        validation_fraction: share of train/ held out where there is no val/; 0 goes without validation.
    """

    root: PathOrAddress = Path("data/roadwork")
    max_pixels: Count = MAX_PIXELS
    validation_fraction: Fraction = 0.15


@dataclass(frozen=True, config=STRICT_KEYS)
class Views:
    """A photo's views: the photo itself, and challenges as a validator makes them of it.

    Attributes:
        layout: of the challenges: one that validators have used, or a mix of them all.
        count: views of each photo of train/ and val/, the photo itself among them; 0 or 1 is the photo alone.
            Where there are views, test/ is asked about in every layout and level.
    """

    layout: Layout = "mix"
    count: Annotated[int, Field(ge=0, le=64)] = 4


PHOTOS_ALONE = Views(count=0)
"""No challenges: what was asked about before there were views."""


@dataclass(frozen=True, config=STRICT_KEYS)
class YoloAugmentation:
    """Training augmentation, in ultralytics' terms; which of these have no effect is reported when training.

    Attributes:
        hsv_h: hue shift, fraction of the colour wheel.
        hsv_s: saturation gain, fraction.
        hsv_v: brightness gain, fraction.
        degrees: rotation, +- degrees.
        translate: shift, fraction of the image.
        scale: zoom, fraction.
        shear: shear, +- degrees.
        perspective: perspective strength.
        fliplr: chance of a horizontal flip.
        mixup: chance of mixing two images.
        mosaic: acts nowhere, since ultralytics has no mosaics in classification; earlier configurations name it.
        erasing: chance of erasing a rectangle.
        auto_augment: colour and shape policy; null lets hsv_* act.
    """

    hsv_h: Probability = 0.05
    hsv_s: Probability = 0.7
    hsv_v: Probability = 0.4
    degrees: Annotated[float, Field(ge=0, le=180)] = 25.0
    translate: Probability = 0.2
    scale: Probability = 0.5
    shear: Annotated[float, Field(ge=0, le=180)] = 10.0
    perspective: Annotated[float, Field(ge=0, le=0.001)] = 0.0001
    fliplr: Probability = 0.5
    mixup: Probability = 0.1
    mosaic: Probability = 0.0
    erasing: Annotated[float, Field(ge=0, le=0.9)] = 0.4
    auto_augment: Literal["randaugment", "autoaugment", "augmix"] | None = None


@dataclass(frozen=True, config=STRICT_KEYS)
class Yolo:
    """The YOLO classifier.

    Attributes:
        model: what training starts from: a `.pt` file (pretrained) or a `.yaml` name (random weights).
        weights: the trained classifier that precompute uses; null is the run folder's own best.pt.
        image_size: side of the square input, pixels.
        epochs: passes over train/.
        batch: photos a training step.
        patience: epochs without improvement before training stops.
        workers: loader processes.
        device: "cpu", or a CUDA device number.
        folds: 3 or 5 also trains as many classifiers that have not seen one fold of train/ each, which answer its
            photos in precompute; 0 trains one alone.
        held_out: with folds, what answers photos that are not of train/: "final", the classifier of all photos, which
            is the one that is deployed, or the "mean" of the folds' classifiers.
        augmentation: see YoloAugmentation.
    """

    model: str = "yolo11n-cls.pt"
    weights: Path | None = None
    image_size: ImageSize = 224
    epochs: Count = 50
    batch: Count = 32
    patience: Count = 50
    workers: Annotated[int, Field(ge=0, le=64)] = 2
    device: str = "cpu"
    folds: Literal[0, 3, 5] = 0
    held_out: Literal["final", "mean"] = "final"
    augmentation: YoloAugmentation = YoloAugmentation()


@dataclass(frozen=True, config=STRICT_KEYS)
class Vit:
    """The default answer.

    Attributes:
        weights: hf://owner/name, a local Hugging Face ViT folder, or a keras-hub preset folder.
        class_names: names of its outputs in order; only needed for a keras-hub preset, which holds none.
    """

    weights: str = DEFAULT_VIT
    class_names: tuple[str, str] | None = None


@dataclass(frozen=True, config=STRICT_KEYS)
class Cache:
    """The branch cache that precompute writes.

    Attributes:
        folder: where it is kept; a path or an address.
        batch: photos a forward pass: 16, 8, 4 or 2 for 24, 16, 8 or 4 GB of memory.
        shard_size: photos a file; a killed run loses at most one shard's work.
        precision: what the ViT computes in. bfloat16 moves its probabilities by up to about 0.01, and is only faster
            on a processor with matrix instructions for it (AMX).
        vit_features: keep what the ViT's classifier sees as well, 2 bytes a number; `--dry-run` says how much that
            is. They are always kept where fusion.head learns from them.
    """

    folder: PathOrAddress = Path("cache/roadwork")
    batch: Count = 16
    shard_size: Count = 256
    precision: Literal["float32", "bfloat16"] = "float32"
    vit_features: bool = False


@dataclass(frozen=True, config=STRICT_KEYS)
class EfficientNetV2:
    """The branch that is trained on the laptop.

    Attributes:
        variant: keras.applications EfficientNetV2 size.
        weights: "imagenet", a local `.weights.h5`/`.h5` file of the headless network, or null: random on purpose.
        fine_tune_blocks: how many of the last blocks are trained; 0 keeps the backbone frozen.
        fine_tune_learning_rate: Adam's rate for those blocks.
        dropout: before the classifier, in training.
    """

    variant: Variant = "b0"
    weights: str | None = "imagenet"
    fine_tune_blocks: Annotated[int, Field(ge=0, le=64)] = 0
    fine_tune_learning_rate: Rate = 1e-5
    dropout: Fraction = 0.2


@dataclass(frozen=True, config=STRICT_KEYS)
class Fusion:
    """The head over the branches.

    Attributes:
        without: branches that are left out of the head and of the one file: vit, yolo, efficientnetv2. The branch
            cache keeps the ViT's answers all the same, for the comparison with the default one.
        head: "linear": of the branches' P(roadwork); "mlp": of the same, with a hidden layer; "features": of their
            logits and what ViT and EfficientNetV2 see of a photo (fit_on: val or all); "auto": the simplest of these
            whose reward is within one standard error of the best, in cross-validation on those photos.
        vit_adapted: fit a new linear classifier on what the ViT sees, an answer of its own beside the ViT's, which the
            head sees too (fit_on: val or all).
        hidden: width of the mlp's hidden layer.
        dropout: in the mlp, in training.
        fit_on: "val": the head is fitted on held-out photos; "all": on them and on train/, whose photos are answered by
            classifiers that have not seen them (needs yolo.folds); "train": jointly with EfficientNetV2 on train/.
        efficientnetv2_loss_weight: weight of EfficientNetV2's own cross-entropy in the joint loss.
        epochs: passes over the photos that the head is fitted on (fit_on: val or all; not of features).
        learning_rate: Adam's rate for the head (fit_on: val or all; not of features).
        l2: weight of the squared kernels in the loss, against over-fitting on few photos; that of features is chosen by
            cross-validation.
        prior: share of roadwork among the photos that will be asked about; those that the head learns from are weighed
            to it. The subnet's validators draw half of each; null leaves the shares as they are.
    """

    without: Annotated[tuple[Branch, ...], AfterValidator(_refuse_none_left)] = ()
    head: Literal["linear", "mlp", "features", "auto"] = "linear"
    hidden: Count = 16
    dropout: Fraction = 0.1
    fit_on: Literal["val", "all", "train"] = "val"
    efficientnetv2_loss_weight: Annotated[float, Field(ge=0, le=100)] = 0.3
    epochs: Count = 200
    learning_rate: Rate = 0.05
    l2: Annotated[float, Field(ge=0, le=1)] = 1e-3
    prior: Annotated[float, Field(gt=0, lt=1)] | None = 0.5
    vit_adapted: bool = False

    @property
    def needs_features(self) -> bool:
        """Whether anything learns from the ViT's features."""
        return "vit" in self.branches and (self.vit_adapted or self.sees_features)

    @property
    def sees_features(self) -> bool:
        """Whether the head, or one of those that are tried, sees the features of its branches."""
        return self.head in ("features", "auto")

    @property
    def branches(self) -> tuple[Branch, ...]:
        """Those that the fusion is made of."""
        return tuple(name for name in BRANCHES if name not in self.without)


@dataclass(frozen=True, config=STRICT_KEYS)
class Fit:
    """Training of EfficientNetV2 and, jointly or after it, the head.

    Attributes:
        epochs: at most this many passes over train/.
        batch: photos a step: 24, 16, 8 or 4 for 24, 16, 8 or 4 GB of memory.
        learning_rate: Adam's rate.
        class_weights: weight each class by its rarity for EfficientNetV2 (as sample weights; never in validation).
        augmentation: how much the views are changed anew in each epoch. "none" keeps the features of a frozen trunk.
        patience: epochs without a lower validation loss before training stops; 0 switches it off.
        pixel_cache: folder of decoded, resized photos and of frozen features.
    """

    epochs: Count = 10
    batch: Count = 16
    learning_rate: Rate = 1e-3
    class_weights: bool = False
    augmentation: Strength = "none"
    patience: Annotated[int, Field(ge=0)] = 3
    pixel_cache: Path = Path("cache/pixels")


@dataclass(frozen=True, config=STRICT_KEYS)
class RoadworkConfig:
    """All settings of the roadwork job.

    Attributes:
        system: says which system the file configures.
        name: the run's folder is runs_folder/name.
        runs_folder: where runs are kept.
        seed: of every random choice.
    """

    system: Literal["roadwork"] = "roadwork"
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = "roadwork"
    runs_folder: Path = Path("runs")
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 42
    data: Data = Data()
    views: Views = Views()
    yolo: Yolo = Yolo()
    vit: Vit = Vit()
    cache: Cache = Cache()
    efficientnetv2: EfficientNetV2 = EfficientNetV2()
    fusion: Fusion = Fusion()
    fit: Fit = Fit()
    tracking: Tracking = Tracking()

    @property
    def run_folder(self) -> Path:
        """Everything that one run leaves behind is in here."""
        return self.runs_folder / self.name

    @property
    def keeps_vit_features(self) -> bool:
        """Whether a new branch cache holds the ViT's features."""
        return self.cache.vit_features or self.fusion.needs_features

    @property
    def yolo_weights(self) -> Path:
        """The trained YOLO classifier."""
        return self.yolo.weights or self.run_folder / "yolo" / "best.pt"

    @property
    def yolo_fold_weights(self) -> list[Path]:
        """The classifiers that have not seen one fold each, in the order of the folds."""
        return [fold_folder(self.yolo_weights.parent, number) / "best.pt" for number in range(1, self.yolo.folds + 1)]


def with_absolute_paths(config: RoadworkConfig) -> RoadworkConfig:
    """The configuration for other machines, which have other working folders; an address means the same there."""
    root, folder = (
        where if isinstance(where, Address) else where.absolute() for where in (config.data.root, config.cache.folder)
    )
    return replace(config, data=replace(config.data, root=root), cache=replace(config.cache, folder=folder))


def fold_folder(yolo_folder: Path, number: int) -> Path:
    """Where the classifier is kept that has not seen fold `number` of the training photos, beside the one of all."""
    return yolo_folder / f"fold_{number}"

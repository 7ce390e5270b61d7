"""The settings of the fume job, under the keys of taminulislam/fume where those mean something here."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from kerasfusion.tracking import Epochs, Tracking, WandbMode

STRICT_KEYS = ConfigDict(extra="forbid")

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, le=1)]
Degrees = Annotated[float, Field(ge=0, le=180)]
Side = Annotated[int, Field(ge=32, le=4096, multiple_of=8)]
ModelName = Literal[
    "FUMEFastSCNN",
    "FUMEFastSCNNConcat",
    "SegmentationOnlyFastSCNN",
    "ClassificationOnlyFastSCNN",
    "GasAwareClassifierFastSCNN",
    "EarlyFusionFastSCNN",
    "MultiTaskFastSCNN",
]
"""The keys of models.ARCHITECTURES, which cannot be asked without loading TensorFlow."""
Gamma = Annotated[float, Field(ge=0, le=10)]

WITHOUT_MEANING = (
    "model.pretrained",
    "data.return_original",
    "training.num_workers",
    "training.pin_memory",
    "training.scheduler.T_max",
    "training.early_stopping.monitor",
    "training.early_stopping.mode",
    "training.checkpoint.save_best",
    "training.checkpoint.save_last",
    "training.checkpoint.monitor",
    "training.checkpoint.mode",
    "validation.val_freq",
    "testing",
    "logging",
    "directories",
    "metrics",
    "resume",
)
"""Keys of the reference's files that are read over, with one notice: they steer PyTorch's loaders and its scripts, or
say what is always done here."""


@dataclass(frozen=True, config=STRICT_KEYS)
class Experiment:
    """What the run is called and where it is reported.

    Attributes:
        name: the run's folder is runs_folder/name.
        seed: of every random choice.
        use_tensorboard: event files in RUN/tensorboard.
        use_wandb: also report each epoch to Weights & Biases (extra `wandb`).
        project: its project.
        wandb_entity: its user or team; null is the one who is logged in.
        tags: its tags.
        wandb_mode: "online" needs a login; "offline" keeps it in RUN/wandb for `wandb sync`; "disabled" only pretends.
        panels_every: a picture of some validation samples with the answers after every so many epochs, in
            RUN/figures/epochs and to the trackers; 0 draws none.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = "fume"
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 42
    use_tensorboard: bool = True
    use_wandb: bool = False
    project: str = "fume"
    wandb_entity: str | None = None
    tags: tuple[str, ...] = ()
    wandb_mode: WandbMode = "online"
    panels_every: Epochs = 0

    @property
    def tracking(self) -> Tracking:
        """The same under the names that both systems share."""
        return Tracking(
            tensorboard=self.use_tensorboard,
            wandb=self.use_wandb,
            project=self.project,
            entity=self.wandb_entity,
            tags=self.tags,
            wandb_mode=self.wandb_mode,
            panels_every=self.panels_every,
        )


@dataclass(frozen=True, config=STRICT_KEYS)
class Model:
    """The network.

    Attributes:
        name: the README's table says what each takes and gives.
        shared_encoder: one encoder for both gases (FUMEFastSCNN and FUMEFastSCNNConcat).
        num_classes: of states; fixed.
        num_seg_classes: of pixels; fixed.
    """

    name: ModelName = "FUMEFastSCNN"
    shared_encoder: bool = True
    num_classes: Literal[3] = 3
    num_seg_classes: Literal[3] = 3


@dataclass(frozen=True, config=STRICT_KEYS)
class ShiftScaleRotate:
    """A second geometric change.

    Attributes:
        shift_limit: largest shift, share of the frame's size.
        scale_limit: largest change of scale, share.
        rotate_limit: largest rotation, +- degrees.
        p: its chance.
    """

    shift_limit: Annotated[float, Field(ge=0, lt=1)] = 0.1
    scale_limit: Annotated[float, Field(ge=0, lt=1)] = 0.15
    rotate_limit: Degrees = 15
    p: Probability = 0.5


@dataclass(frozen=True, config=STRICT_KEYS)
class BrightnessContrast:
    """A change of all grey levels of a frame.

    Attributes:
        brightness_limit: largest change of brightness, share of 255.
        contrast_limit: largest change of contrast, share.
        p: its chance.
    """

    brightness_limit: Probability = 0.2
    contrast_limit: Annotated[float, Field(ge=0, lt=1)] = 0.2
    p: Probability = 0.5


@dataclass(frozen=True, config=STRICT_KEYS)
class GaussianNoise:
    """Noise that each pixel gets on its own.

    Attributes:
        var_limit: range of its variance, squared grey levels of 0..255.
        p: its chance.
    """

    var_limit: tuple[Weight, Weight] = (10.0, 50.0)
    p: Probability = 0.3


@dataclass(frozen=True, config=STRICT_KEYS)
class GaussianBlur:
    """A blur.

    Attributes:
        blur_limit: smallest and largest width of its kernel, pixels (odd).
        p: its chance.
    """

    blur_limit: tuple[Annotated[int, Field(ge=3, le=15)], Annotated[int, Field(ge=3, le=15)]] = (3, 7)
    p: Probability = 0.3


@dataclass(frozen=True, config=STRICT_KEYS)
class RandomGamma:
    """A curve over the grey levels.

    Attributes:
        gamma_limit: range of gamma, percent.
        p: its chance.
    """

    gamma_limit: tuple[Positive, Positive] = (80, 120)
    p: Probability = 0.3


@dataclass(frozen=True, config=STRICT_KEYS)
class Augmentation:
    """Changes of training frames; one geometry for both gases and their masks.

    Attributes:
        horizontal_flip: chance.
        rotate_limit: rotation of every sample, +- degrees.
        shift_scale_rotate, brightness_contrast, gaussian_noise, gaussian_blur, random_gamma: see there.
    """

    horizontal_flip: Probability = 0.5
    rotate_limit: Degrees = 15
    shift_scale_rotate: ShiftScaleRotate = ShiftScaleRotate()
    brightness_contrast: BrightnessContrast = BrightnessContrast()
    gaussian_noise: GaussianNoise = GaussianNoise()
    gaussian_blur: GaussianBlur = GaussianBlur()
    random_gamma: RandomGamma = RandomGamma()


@dataclass(frozen=True, config=STRICT_KEYS)
class Data:
    """The frames.

    Attributes:
        dataset_root: folder that the CSV files' paths are relative to.
        paired_train_csv, paired_val_csv, paired_test_csv: written by `data pair`; null is
            dataset_root/paired_SPLIT_annotations.csv.
        image_size: [width, height] of what the network sees, pixels, divisible by 8.
        gases: "both", or one gas alone: the other is then missing everywhere, and samples without this one left out.
        augmentation: null switches it off.
        modality_dropout: chance that a paired training sample loses one of its gases.
        frame_cache: folder of decoded, resized frames and masks.
        class_names: of states, in the order of class ids; fixed.
        seg_class_names: of pixels, in the order of a mask's values; fixed.
    """

    dataset_root: Path = Path("data/fume")
    paired_train_csv: Path | None = None
    paired_val_csv: Path | None = None
    paired_test_csv: Path | None = None
    image_size: tuple[Side, Side] = (640, 480)
    gases: Literal["both", "co2", "ch4"] = "both"
    augmentation: Augmentation | None = Augmentation()
    modality_dropout: Probability = 0.2
    frame_cache: Path = Path("cache/frames")
    class_names: tuple[Literal["Healthy"], Literal["Transitional"], Literal["Acidotic"]] = (
        "Healthy",
        "Transitional",
        "Acidotic",
    )
    seg_class_names: tuple[Literal["Background"], Literal["Tube"], Literal["Gas"]] = ("Background", "Tube", "Gas")

    def paired_csv(self, split: str) -> Path:
        """The paired CSV of a split."""
        named = getattr(self, f"paired_{split}_csv")
        return named or self.dataset_root / f"paired_{split}_annotations.csv"


@dataclass(frozen=True, config=STRICT_KEYS)
class Optimizer:
    """AdamW.

    Attributes:
        type: fixed.
        lr: learning rate at the beginning.
        weight_decay: decoupled (arXiv 1711.05101).
        betas: decay rates of the two moments.
    """

    type: Literal["AdamW"] = "AdamW"
    lr: Positive = 1e-3
    weight_decay: Weight = 1e-4
    betas: tuple[Probability, Probability] = (0.9, 0.999)


@dataclass(frozen=True, config=STRICT_KEYS)
class Scheduler:
    """Cosine from the optimizer's rate to eta_min over all epochs; step by step.

    Attributes:
        type: fixed.
        eta_min: learning rate at the end.
    """

    type: Literal["CosineAnnealingLR"] = "CosineAnnealingLR"
    eta_min: Weight = 1e-5


@dataclass(frozen=True, config=STRICT_KEYS)
class Loss:
    """Total = seg_weight x masks + cls_weight x state.

    Attributes:
        seg_weight: of the masks' loss; 0 switches the task off.
        cls_weight: of the state's loss; 0 switches the task off.
        focal_gamma: of the focal loss; 0 makes it cross-entropy.
        cls_alpha: weight of each state.
        use_focal_dice: masks by half focal and half Dice loss, else by the focal loss alone.
    """

    seg_weight: Weight = 1.0
    cls_weight: Weight = 1.0
    focal_gamma: Gamma = 2.0
    cls_alpha: tuple[Weight, Weight, Weight] = (1.0, 8.0, 1.2)
    use_focal_dice: bool = True


@dataclass(frozen=True, config=STRICT_KEYS)
class EarlyStopping:
    """When training stops before its last epoch.

    Attributes:
        patience: after so many epochs in which the monitored metric did not rise by `min_delta`; 0 never stops.
        min_delta: smallest rise that counts.
    """

    patience: Annotated[int, Field(ge=0)] = 15
    min_delta: Weight = 0.001


@dataclass(frozen=True, config=STRICT_KEYS)
class Checkpoint:
    """Models that are kept besides the best and the last.

    Attributes:
        save_freq: every how many epochs; 0 keeps none.
    """

    save_freq: Annotated[int, Field(ge=0)] = 5


@dataclass(frozen=True, config=STRICT_KEYS)
class Training:
    """How it is trained.

    Attributes:
        batch_size: samples a step.
        num_epochs: passes over the training samples, at most.
        optimizer, scheduler, loss, early_stopping, checkpoint: see there.
        grad_clip: largest norm of all gradients together; 0 switches it off.
        use_amp: compute in mixed float16 where there is a GPU.
    """

    batch_size: Count = 8
    num_epochs: Count = 50
    optimizer: Optimizer = Optimizer()
    scheduler: Scheduler = Scheduler()
    loss: Loss = Loss()
    grad_clip: Weight = 1.0
    use_amp: bool = True
    early_stopping: EarlyStopping = EarlyStopping()
    checkpoint: Checkpoint = Checkpoint()


@dataclass(frozen=True, config=STRICT_KEYS)
class Validation:
    """Validation and evaluation.

    Attributes:
        batch_size: samples a forward pass.
    """

    batch_size: Count = 8


@dataclass(frozen=True, config=STRICT_KEYS)
class FumeConfig:
    """All settings of the fume job.

    Attributes:
        system: says which system the file configures.
        runs_folder: where runs are kept.
        weighted_sampling: draw training samples so that the states come equally often.
    """

    system: Literal["fume"] = "fume"
    runs_folder: Path = Path("runs")
    weighted_sampling: bool = True
    experiment: Experiment = Experiment()
    model: Model = Model()
    data: Data = Data()
    training: Training = Training()
    validation: Validation = Validation()

    @property
    def run_folder(self) -> Path:
        """Everything that one run leaves behind is in here."""
        return self.runs_folder / self.experiment.name

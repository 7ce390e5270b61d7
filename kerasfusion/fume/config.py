"""The settings of the fume job, under the keys of taminulislam/fume where those mean something here."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from kerasfusion.config import STRICT_KEYS
from kerasfusion.fume.config_augmentation import Augmentation
from kerasfusion.fume.config_reading import FrameReading, MaskReading
from kerasfusion.fume.config_training import Training
from kerasfusion.fume.config_types import Count, Probability
from kerasfusion.trackers.settings import Epochs, Tracking, WandbMode

MODEL = "fume.keras"
"""Of a run folder: the trained network."""

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
"""The keys of architectures.ARCHITECTURES, which cannot be asked without loading TensorFlow."""


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
        name: the table in kerasfusion/fume/README.md says what each takes and gives.
        shared_encoder: one encoder for both gases (FUMEFastSCNN and FUMEFastSCNNConcat).
        weights: a fume.keras of the same network, of frames of any size, that training begins from; null begins with
            random weights.
        num_classes: of states; fixed.
        num_seg_classes: of pixels; fixed.
    """

    name: ModelName = "FUMEFastSCNN"
    shared_encoder: bool = True
    weights: Path | None = None
    num_classes: Literal[3] = 3
    num_seg_classes: Literal[3] = 3


@dataclass(frozen=True, config=STRICT_KEYS)
class Data:
    """The frames.

    Attributes:
        dataset_root: folder that the CSV files' paths are relative to.
        paired_train_csv, paired_val_csv, paired_test_csv: written by `data pair`; null is
            dataset_root/paired_SPLIT_annotations.csv.
        image_size: [width, height] of what the network sees, pixels, divisible by 8.
        frames: how a frame's file becomes grey levels.
        masks: how a mask's file becomes classes.
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
    frames: FrameReading = FrameReading()
    masks: MaskReading = MaskReading()
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

    def learns(self, output: str) -> bool:
        """Whether a network of this configuration learns an output: "state", or a mask ("mask" stands for any)."""
        return self.training.loss.asks_for(output, self.data.gases)

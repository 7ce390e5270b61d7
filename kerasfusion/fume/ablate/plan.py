"""What an ablation is made of: its configurations, and how far the run of each one has come."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pydantic

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256, json_sha256, lines_sha256
from kerasfusion.files.json_yaml import read_json, write_json
from kerasfusion.files.run_files import METRICS, read_metrics
from kerasfusion.files.run_folder import binding_settings, differences
from kerasfusion.fume.config import MODEL, FumeConfig
from kerasfusion.fume.data.frames import file_digests, list_files, refuse_missing, samples_digest
from kerasfusion.fume.data.samples import Sample, read_samples, with_gases
from kerasfusion.fume.fit.initial_weights import refuse_other_network
from kerasfusion.fume.fit.loss_check import refuse_unfit_loss

SPLIT = "test"
"""What the runs are compared on."""

RECORD = "ablation.json"
"""In a run's folder: of which network and data its metrics are."""


@dataclass(frozen=True)
class Run:
    """One configuration and what there is of it.

    Attributes:
        config: of the run; it lies in `config.run_folder`, where `fit` puts it too.
        samples: {split: samples, as the network looks at them: pairs or frames}.
        epochs: that are finished.
        is_trained: training is over, and the network is saved.
        is_finished: and its metrics.json is of this network and these data.
    """

    config: FumeConfig
    samples: dict[str, int]
    epochs: int
    is_trained: bool
    is_finished: bool

    @property
    def name(self) -> str:
        """Of the experiment."""
        return self.config.experiment.name

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return -(-self.samples["train"] // self.config.training.batch_size)


def plan_runs(configs: Sequence[FumeConfig]) -> list[Run]:
    """Check everything that can be checked before the first run starts.

    Args:
        configs: of the runs, in the table's order.

    Raises:
        RequestError: two runs of one name, an unknown network, data that are not there, initial weights that are not
            there (and that no run before makes) or of another network, a run to be trained by a loss that cannot be, or
            a run folder that holds a run with other settings or data; names what differs.
    """
    _refuse_names(configs)
    data, made = _Data(), {}
    runs, refused = [], []
    for config in configs:
        refuse_other_network(config, made)
        made[(config.run_folder / MODEL).resolve()] = config
        samples = {split: data.count(config, split) for split in ("train", "val", SPLIT)}
        changed = _changed(config, data)
        if changed:
            refused.append(f"{config.run_folder}:\n      " + "\n      ".join(changed))
        else:
            runs.append(_found(config, samples))
            if not runs[-1].is_trained:
                refuse_unfit_loss(config)
    if refused:
        raise RequestError(
            "these run folders hold runs with other settings or data:\n  - " + "\n  - ".join(refused),
            todo="keep them and set another runs_folder, or delete the folders of the runs that are to be made anew",
        )
    return runs


def record_evaluation(config: FumeConfig) -> None:
    """Note of which network and data a run's metrics.json is.

    Raises:
        KerasFusionError: the note cannot be written.
    """
    write_json(config.run_folder / RECORD, _evaluated(config))


def compared_samples(config: FumeConfig) -> list[Sample]:
    """The samples that `evaluate` asks about.

    Raises:
        RequestError: no CSV, or none with the gases that the configuration names.
    """
    return _chosen(config, SPLIT)


class _Data:
    """Looks at each set of files once, however many configurations use it."""

    def __init__(self):
        self._counts: dict[tuple, int] = {}
        self._digests: dict[tuple, str] = {}

    def count(self, config: FumeConfig, split: str) -> int:
        """Number of samples, as the network looks at them; all their files are there."""
        from kerasfusion.fume.fit.training_data import choose_samples

        key = _data_key(config, split)
        if key not in self._counts:
            samples = choose_samples(config, _chosen(config, split))
            refuse_missing(samples, config.data.dataset_root)
            self._counts[key] = len(samples)
        return self._counts[key]

    def digest(self, config: FumeConfig, split: str) -> str:
        """What `fit` keeps of the data that it was given."""
        from kerasfusion.fume.fit.training_data import choose_samples

        key = _data_key(config, split)
        if key not in self._digests:
            samples = choose_samples(config, _chosen(config, split))
            digests = file_digests(list_files(samples), config.data.dataset_root, split)
            self._digests[key] = samples_digest(samples, digests)
        return self._digests[key]


def _data_key(config: FumeConfig, split: str) -> tuple:
    from kerasfusion.fume.networks.architectures import ARCHITECTURES

    is_paired = ARCHITECTURES[config.model.name].is_paired
    return config.data.dataset_root, config.data.paired_csv(split), config.data.gases, is_paired


def _chosen(config: FumeConfig, split: str) -> list[Sample]:
    path, gases = config.data.paired_csv(split), config.data.gases
    samples = with_gases(read_samples(path), gases)
    if not samples:
        raise RequestError(f"no {split} samples with {gases}", where=path)
    return samples


def _refuse_names(configs: Sequence[FumeConfig]) -> None:
    names = Counter(config.experiment.name for config in configs)
    if twice := [name for name, count in names.items() if count > 1]:
        raise RequestError(
            f"several configurations are called {', '.join(twice)}",
            where="experiment.name",
            expected="a name of its own for each: it is the run's folder",
        )


class _KeptData(pydantic.BaseModel):
    train: str
    val: str


class _Kept(pydantic.BaseModel):
    data: _KeptData


def _changed(config: FumeConfig, data: _Data) -> list[str]:
    """What differs from the settings and data that the run in the folder was begun with."""
    from kerasfusion.fume.fit.train import settings_of

    path = binding_settings(config.run_folder)
    if path is None:
        return []
    weights = config.model.weights
    if weights is not None and not weights.is_file():  # an earlier run of the study will train it anew
        return [f"model.weights: the run was begun from a file that is no longer there, {weights}"]
    kept = read_json(path, _Kept, _again(config))
    # The data come after the settings: their digests take longest.
    ours = json.loads(json.dumps(settings_of(config, kept["data"]["train"], kept["data"]["val"])))
    if changed := differences(_same_keys(kept, ours), kept):
        return changed
    return [
        f"data: the files of {config.data.paired_csv(split)} are not those that the run was trained on"
        for split in ("train", "val")
        if data.digest(config, split) != kept["data"][split]
    ]


def _same_keys(kept: dict[str, Any], tree: dict[str, Any]) -> dict[str, Any]:
    """Those parts of the settings that are kept, sections key by key: an earlier version's `fit` kept fewer."""
    return {
        key: {name: tree[key][name] for name in value if name in tree[key]} if isinstance(value, dict) else tree[key]
        for key, value in kept.items()
        if isinstance(tree.get(key), dict) == isinstance(value, dict) and key in tree
    }


def checkpoint_of(config: FumeConfig):
    """The trainer.Checkpoint of a run's training; a beginning where there is none.

    Raises:
        DamagedError: it is damaged.
    """
    from kerasfusion.trainer import read_checkpoint

    return read_checkpoint(config.run_folder / "checkpoints" / "state.npz", _again(config))


def _again(config: FumeConfig) -> str:
    return f"delete the folder {config.run_folder / 'checkpoints'} and run the study again: this run begins anew"


def _found(config: FumeConfig, samples: dict[str, int]) -> Run:
    folder = config.run_folder
    state = checkpoint_of(config)
    is_trained = state.finished and (folder / MODEL).is_file()
    is_finished = is_trained and read_json(folder / RECORD) == _evaluated(config)
    return Run(config, samples, state.epoch, is_trained, is_finished)


def _evaluated(config: FumeConfig) -> dict[str, str | None]:
    """Digests of the network, of the files that it is asked about, and of what metrics.json says of them."""
    data, folder = config.data, config.run_folder
    samples = compared_samples(config)
    files = [
        path for sample in samples for frame in sample.frames.values() for path in (frame.frame_path, frame.mask_path)
    ]
    digests = {path: file_sha256(data.dataset_root / path) for path in dict.fromkeys(files)}
    rows = [f"{sample.sample_id} {sample.class_id} {sample.group}" for sample in samples]
    report = read_metrics(folder / METRICS).get(SPLIT)
    return {
        "network": file_sha256(folder / MODEL),
        "data": lines_sha256([*rows, *(digests[path] for path in files)]),
        "report": report and json_sha256(report),
    }

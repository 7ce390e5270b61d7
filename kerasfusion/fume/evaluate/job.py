"""One `evaluate` of a fume network: answer a split, keep metrics, figures and masks."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.files.one_writer import only_writer
from kerasfusion.files.run_files import METRICS, read_evaluated, read_metrics, run_folder_of
from kerasfusion.fume.config import FumeConfig
from kerasfusion.fume.data.frames import list_files, refuse_missing
from kerasfusion.fume.data.mask_check import check_masks
from kerasfusion.fume.data.masks import write_mask
from kerasfusion.fume.data.record import record_data
from kerasfusion.fume.data.samples import Sample, read_samples, with_gases
from kerasfusion.fume.detect.answering import Answer, Network, open_network
from kerasfusion.fume.detect.latency import time_network
from kerasfusion.fume.evaluate.files import keep_evaluation
from kerasfusion.fume.evaluate.panels import write_panels
from kerasfusion.fume.evaluate.report import one_answer, report_views
from kerasfusion.fume.evaluate.split import Answers, Asked, evaluate
from kerasfusion.machine.device import use_device

TIMED_RUNS, WARMUP = 10, 2
COSTS = "network"
"""Key of metrics.json beside the splits: what the network costs."""


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        model: `fume.keras` or an export of it.
        config: data; its model and image size are not read, those are the file's own.
        split: which split.
        max_samples: a random part of the split; None is all of it.
        batch: questions a forward pass.
        device: "auto", "cpu" or "gpu".
        panels: how many samples are drawn.
        save_masks: write the predicted masks of the samples as they are.
        flips: answer with the mean of the frames and their mirrored copies; see Network.
        out: folder for metrics.json, figures/, answers and masks; None is the run folder that the model lies in.
    """

    model: Path
    config: FumeConfig
    split: str = "test"
    max_samples: int | None = None
    batch: int = 8
    device: str = "auto"
    panels: int = 12
    save_masks: bool = False
    flips: bool = False
    out: Path | None = None


@dataclass(frozen=True)
class Evaluation:
    """What came of it.

    Attributes:
        split: which split.
        answers: of every question.
        report: {split or view: {part: {metric: value}}, "network": {...}}: what metrics.json holds.
    """

    split: str
    answers: Answers
    report: dict[str, dict]


def run(request: Request, report: Callable[[str], None] = print) -> Evaluation:
    """Evaluate, and keep what came of it.

    Args:
        request: what is asked for.
        report: takes a line for the person who waits.

    Raises:
        RequestError: no such model, CSV or files, no samples, samples of a gas that the network was not trained on, or
            nowhere to write masks.
        ImageError: a file cannot be read.
        KerasFusionError: another run is writing the folder that it is kept in.
    """
    folder = request.out or run_folder_of(request.model)
    if request.save_masks and folder is None:
        raise RequestError("--save-masks needs a folder", todo="name one with --out")
    with only_writer(folder) if folder is not None else nullcontext():
        return _run(request, folder, report)


def _run(request: Request, folder: Path | None, report: Callable[[str], None]) -> Evaluation:
    if folder is not None:  # what is damaged is found before the work
        read_metrics(folder / METRICS)
        read_evaluated(folder)
    data = request.config.data
    samples = choose(request)
    for note in check_masks(data.dataset_root, list_files(samples), data.masks, is_whole=False):
        report(f"note: {note}")
    use_device(request.model, request.device)
    network = open_network(request.model)
    network.require_gases({gas for sample in samples for gas in sample.frames})
    network.masks, network.flips = data.masks, request.flips
    # Before the work too: the other splits' CSVs are read for it.
    record = _record(network, samples, request) if folder is not None else {}
    answers = evaluate(
        network,
        samples,
        data.dataset_root,
        request.batch,
        f"evaluate {request.split}",
        _mask_writer(folder) if request.save_masks else lambda asked, answer: None,
    )
    found = report_views(answers, request.split, seed=request.config.experiment.seed)
    for line in one_answer(found):
        report(f"warning: {line}")
    found[COSTS] = costs(network, {gas: data.dataset_root / frame.frame_path for gas, frame in _typical(samples)})
    result = Evaluation(request.split, answers, found)
    if folder is not None:
        _keep(result, network, record, request, folder)
        report(f"kept in {folder / 'metrics.json'} and {folder / 'figures'}")
    return result


def choose(request: Request) -> list[Sample]:
    """The samples of the split: with the gases that the configuration names, or a random part of them.

    Raises:
        RequestError: no CSV, no samples, or files that do not exist.
    """
    data, path = request.config.data, request.config.data.paired_csv(request.split)
    samples = with_gases(read_samples(path), data.gases)
    if not samples:
        raise RequestError(f"no samples with {data.gases}", where=path, expected="rows with frames")
    if request.max_samples is not None and request.max_samples < len(samples):
        rng = np.random.default_rng(request.config.experiment.seed)
        samples = [samples[number] for number in sorted(rng.choice(len(samples), request.max_samples, replace=False))]
    refuse_missing(samples, data.dataset_root)
    return samples


def costs(network: Network, files: dict[str, Path]) -> dict[str, dict]:
    """What an answer takes: {"size": {...}, "speed": {...}}.

    "macs" are multiplications with accumulation of one answer (a pair, or a frame, as "per" says), see `macs`; "speed"
    is measured on this machine, a sample at a time, from the files to the masks.
    """
    from kerasfusion.fume.networks.architectures import build_network, count_trainable
    from kerasfusion.fume.networks.macs import count_macs

    shared = network.config["model"]["shared_encoder"]
    built = build_network(network.name, network.height, network.width, shared)
    timed = time_network(network, files, TIMED_RUNS, WARMUP)
    return {
        "size": {
            "model": network.name,
            "image_size": [network.width, network.height],
            "trainable_parameters": count_trainable(built),
            "macs": count_macs(built) * network.passes,
            "flips": network.flips,
            "per": "pair" if network.is_paired else "frame",
        },
        "speed": {
            **{f"{stage}_ms": values["mean_ms"] for stage, values in timed["stages"].items()},
            "p95_ms": timed["stages"]["total"]["p95_ms"],
            "fps": timed["fps"],
            "runs": timed["runs"],
        },
    }


def _typical(samples: list[Sample]):
    """The frames of the first pair, or of the first sample if there is none."""
    return next((sample for sample in samples if sample.is_paired), samples[0]).frames.items()


def _mask_writer(folder: Path) -> Callable[[Asked, Answer], None]:
    def write(asked: Asked, answer: Answer) -> None:
        if not asked.as_it_is:
            return
        for output, mask in answer.masks.items():
            frames = asked.sample.frames
            frame = frames.get(output.removesuffix("_mask")) or next(iter(frames.values()))
            write_mask(folder, Path(frame.frame_path).with_suffix("").as_posix(), mask)

    return write


def _keep(result: Evaluation, network: Network, record: dict[str, object], request: Request, folder: Path) -> None:
    data = request.config.data
    keep_evaluation(folder, result.split, result.answers, result.report, record)
    if request.panels:
        write_panels(
            network,
            result.answers,
            data.dataset_root,
            request.panels,
            folder / "figures" / f"{result.split}_panels",
            request.config.experiment.seed,
        )


def _record(network: Network, samples: list[Sample], request: Request) -> dict[str, object]:
    """What was asked about which samples; `report` says so."""
    data = request.config.data
    return {
        "model": request.model.name,
        "model_sha256": file_sha256(request.model),
        "format": network.description.get("format"),
        "precision": network.description.get("precision"),
        "data_root": data.dataset_root.resolve(),
        "gases": data.gases,
        "flips": request.flips,
        "samples": len(samples),
        "max_samples": request.max_samples,
        "seed": request.config.experiment.seed,
        **record_data(data),
    }

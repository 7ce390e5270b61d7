"""How far the roadwork job is, step by step, and what each step still needs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from kerasfusion.address import Place
from kerasfusion.errors import KerasFusionError
from kerasfusion.files.digests import file_sha256
from kerasfusion.files.run_files import METRICS, read_evaluated, read_metrics
from kerasfusion.machine.findings import MISSING, Finding, Need, Step, after, plan_extra, plan_step
from kerasfusion.machine.packages import Declared, Package, lacks_extra
from kerasfusion.reporting import command_line
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.data.dataset import CLASS_NAMES, SPLITS, Sample, hold_out, scan
from kerasfusion.roadwork.precompute import branch_cache


def list_steps(
    config: RoadworkConfig,
    weights: Sequence[Finding],
    asked: Declared,
    packages: Mapping[str, Package],
    own: Sequence[str],
) -> list[Step]:
    """The steps in the order of the work.

    Args:
        config: of the job.
        weights: what `check_weights` found.
        asked, packages: what `declared` and `installed_packages` of machine/packages.py give.
        own: words by which commands name the configuration: "-c", "FILE"; none for the default one.
    """
    samples, problem = _scan(config)
    data = None if problem is None else Need(problem[0])
    lacks = {extra: lacks_extra(extra, asked, packages) for extra in ("train", "yolo", "export", "serve")}
    folder, cache = config.run_folder, config.cache.folder
    trained, cached = config.yolo_weights.is_file(), _is_cached(config, samples)
    weights_need = {finding.about: _weights_need(finding) for finding in weights}
    model, metrics = folder / "fusion.keras", folder / "metrics.json"
    report, evaluated = folder / "report.html", _is_evaluated(folder)
    made = after(model.is_file(), model)
    return [
        plan_step("data", problem is None, [problem and Need(*problem)], ""),
        plan_step(
            "split",
            _is_split(config, samples),
            [data or _split_need(config, samples)],
            _into("kerasfusion data split SOURCE", config.data.root),
        ),
        plan_step(
            "train-yolo",
            trained,
            [data, lacks["yolo"], weights_need["YOLO to start from"]],
            command_line(["kerasfusion", "train-yolo", *own]),
        ),
        plan_step(
            "precompute",
            cached,
            [data, lacks["train"], lacks["yolo"], weights_need["ViT"], after(trained, config.yolo_weights)],
            command_line(["kerasfusion", "precompute", *own]),
        ),
        plan_step(
            "fit",
            model.is_file(),
            [
                data,
                lacks["train"],
                weights_need["EfficientNetV2"],
                after(cached, f"all of the branch cache {cache}"),
            ],
            command_line(["kerasfusion", "fit", *own]),
        ),
        plan_step(
            "evaluate",
            evaluated,
            [data, lacks["train"], made],
            command_line(["kerasfusion", "evaluate", model, *own]),
        ),
        plan_step(
            "report",
            evaluated and _is_newer(report, metrics),
            [lacks["train"], after(evaluated, f"an evaluation of the present {model}")],
            command_line(["kerasfusion", "report", folder]),
        ),
        plan_extra(
            "export",
            model.with_suffix(".xml").is_file(),
            lacks["export"],
            [made],
            command_line(["kerasfusion", "export", folder, "--format", "openvino"]),
        ),
        plan_extra("serve", False, lacks["serve"], [made], command_line(["kerasfusion", "miner", "serve", model])),
    ]


def _is_evaluated(folder: Path) -> bool:
    """Whether metrics are there, and no evaluated file of the folder has changed since."""
    try:
        metrics, records = read_metrics(folder / METRICS), read_evaluated(folder)
    except KerasFusionError:  # `evaluate` writes them anew; `report` tells what is wrong
        return False
    noted = [record for record in records.values() if record.get("model_sha256")]
    there = [(folder / str(record.get("model")), record["model_sha256"]) for record in noted]
    return bool(metrics) and all(file_sha256(path) == digest for path, digest in there if path.is_file())


def _is_newer(report: Path, metrics: Path) -> bool:
    return report.is_file() and report.stat().st_mtime >= metrics.stat().st_mtime


def _weights_need(finding: Finding) -> Need | None:
    lacks = finding.status == MISSING
    return Need(f"{finding.about}: no weights", f"see {finding.about} above") if lacks else None


def _scan(config: RoadworkConfig) -> tuple[list[Sample], tuple[str, str] | None]:
    """(the photos, None) or ([], (what is wrong, what to do))."""
    get = _into("kerasfusion data import SOURCE", config.data.root)
    try:
        samples = scan(config.data.root)
    except KerasFusionError as error:
        return [], (f"{error.what}: {error.where}", get)
    counts = Counter(CLASS_NAMES[sample.label] for sample in samples if sample.split == "train")
    if lacking := [name for name in CLASS_NAMES if not counts[name]]:
        return samples, (f"train/ has no photos of {' and '.join(lacking)}", get)
    return samples, None


def _is_split(config: RoadworkConfig, samples: Sequence[Sample]) -> bool:
    return bool(samples) and _split_need(config, samples) is None


def _split_need(config: RoadworkConfig, samples: Sequence[Sample]) -> Need | None:
    """Photos held out, for the head, and test photos, for the evaluation."""
    held_out = hold_out(samples, config.data.validation_fraction, config.seed, {})[1]
    there = {"val/": bool(held_out), "test/": any(sample.split == "test" for sample in samples)}
    if all(there.values()):
        return None
    lacking = " and ".join(name for name, is_there in there.items() if not is_there)
    root = config.data.root
    source = root if isinstance(root, Path) else "COPY_OF_IT"
    return Need(f"no photos in {lacking}", command_line(["kerasfusion", "data", "split", source, "NEW_FOLDER"]))


def _into(command: str, root: Place) -> str:
    """What makes the photos' folder; an address is sent them, by other programs."""
    if isinstance(root, Path):
        return f"{command} {command_line([root])}"
    return f"{command} FOLDER, and send FOLDER to {root}"


def _is_cached(config: RoadworkConfig, samples: Sequence[Sample]) -> bool:
    try:
        if not (config.cache.folder / branch_cache.MANIFEST).is_file():
            return False
        done = branch_cache.read_manifest(config.cache.folder)["splits"]
    except KerasFusionError:
        return False
    splits = {sample.split for sample in samples} & set(SPLITS)
    return bool(splits) and all(done.get(split, {}).get("complete", False) for split in splits)

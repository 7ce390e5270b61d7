"""How far the fume job is, step by step, and what each step still needs."""

from collections.abc import Mapping, Sequence

from kerasfusion.errors import KerasFusionError
from kerasfusion.fume.config import MODEL, FumeConfig
from kerasfusion.fume.data.annotations import SPLITS
from kerasfusion.fume.data.frames import refuse_missing
from kerasfusion.fume.data.samples import read_samples
from kerasfusion.machine.findings import Need, Step, after, plan_extra, plan_step
from kerasfusion.machine.packages import Declared, Package, lacks_extra
from kerasfusion.reporting import command_line


def list_steps(config: FumeConfig, asked: Declared, packages: Mapping[str, Package], own: Sequence[str]) -> list[Step]:
    """The steps in the order of the work.

    Args:
        config: of the job.
        asked, packages: what `declared` and `installed_packages` of machine/packages.py give.
        own: words by which commands name the configuration: "-c", "FILE"; none for the default one.
    """
    folder, root = config.run_folder, config.data.dataset_root
    paired = all(config.data.paired_csv(split).is_file() for split in SPLITS)
    data, pairs = _data_need(config, paired), _pairs_need(config) if paired else None
    lacks = {extra: lacks_extra(extra, asked, packages) for extra in ("train", "export")}
    model, metrics = folder / MODEL, folder / "metrics.json"
    made, listed = after(model.is_file(), model), after(paired, "the set of paired CSV files")
    table = folder.parent / "ablation" / "ablation.csv"
    return [
        plan_step("data", data is None, [data], ""),
        plan_step(
            "pair",
            paired and pairs is None,
            [data and Need(data.missing), pairs],
            command_line(["kerasfusion", "data", "pair", root]),
        ),
        plan_step("fit", model.is_file(), [listed or pairs], command_line(["kerasfusion", "fit", *own])),
        plan_step(
            "evaluate",
            metrics.is_file(),
            [lacks["train"], made],
            command_line(["kerasfusion", "evaluate", model, *own]),
        ),
        plan_step(
            "report",
            (folder / "report.html").is_file(),
            [lacks["train"], after(metrics.is_file(), metrics)],
            command_line(["kerasfusion", "report", folder]),
        ),
        plan_step(
            "ablate",
            table.is_file(),
            [listed or pairs, lacks["train"]],
            command_line(["kerasfusion", "ablate", "configs/fume", "--data", root]),
        ),
        plan_extra(
            "export",
            model.with_suffix(".xml").is_file(),
            lacks["export"],
            [made],
            command_line(["kerasfusion", "export", model, "--format", "openvino"]),
        ),
    ]


def _data_need(config: FumeConfig, paired: bool) -> Need | None:
    """Annotations to pair, unless that is done."""
    root = config.data.dataset_root
    listed = (root / "annotations.csv", *(root / f"{split}_annotations.csv" for split in SPLITS))
    if paired or any(path.is_file() for path in listed):
        return None
    what = f"{root} does not exist" if not root.is_dir() else f"no annotations in {root}"
    draw = command_line(["kerasfusion", "data", "synth", "fume", root])
    return Need(what, f"put frames, masks and SPLIT_annotations.csv into {root}, or draw some: {draw}")


def _pairs_need(config: FumeConfig) -> Need | None:
    """The files that the paired CSVs list, each of which must be there."""
    try:
        for split in SPLITS:
            refuse_missing(read_samples(config.data.paired_csv(split)), config.data.dataset_root)
    except KerasFusionError as error:
        what = error.what.splitlines()[0].rstrip(":")
        return Need(what, error.todo or "kerasfusion data pair makes the files anew")
    return None

"""The beginning of fume's report: the verdict and the main numbers."""

from collections.abc import Iterator

from kerasfusion.fume.config import MODEL
from kerasfusion.fume.data.annotations import SPLITS
from kerasfusion.fume.evaluate.mask_figures import mask_title
from kerasfusion.fume.evaluate.state_figures import CHANCE
from kerasfusion.fume.report.run import Run
from kerasfusion.fume.report.words import DIGITS, counted, interval_text, masks_of, value_text, with_intervals
from kerasfusion.report_page.blocks import Details, Note, Number, Numbers, Section, Table

MAIN_STATE = {
    "balanced_accuracy": "balanced accuracy of the state",
    "macro_f1": "macro F1 of the state",
    "f1_transitional": "F1 of Transitional",
}


def lead(run: Run) -> str:
    """The verdict for a reader who reads nothing else."""
    if run.split is None:
        trained = f"{run.config.model.name} was trained for {counted(len(run.history), 'epoch')}"
        return f"{trained}, and never evaluated: nothing is known of its worth."
    sentences = [_state_sentence(run), _mask_sentence(run)]
    return " ".join(sentence for sentence in sentences if sentence)


def summary(run: Run) -> Section:
    """The main numbers with their intervals, and what is missing."""
    numbers = [Numbers(list(_numbers(run)))] if run.main else []
    return Section("Summary", [*numbers, *missing_parts(run), *_other_splits(run)])


def missing_parts(run: Run) -> list[Note]:
    """What was never made, with the commands that make it."""
    notes = []
    if not run.history:
        notes.append(Note("The training left no history here.", run.fit_command, "missing"))
    if not run.model.is_file():
        notes.append(Note(f"There is no {MODEL}: the training has not come to its end.", run.fit_command, "missing"))
    elif run.split is None:
        notes.append(Note("The network was never evaluated.", run.evaluate_command(), "missing"))
    if run.split is not None and run.main_answers is None:
        text = "The answers of the evaluation were not kept: curves, reliability and mistakes are missing."
        notes.append(Note(text, run.evaluate_command(run.split), "missing"))
    return notes


def _other_splits(run: Run) -> list[Details]:
    """The main numbers of the other splits that were evaluated."""
    rows = []
    for split in SPLITS:
        if split != run.split and split in run.report:
            parts = run.report[split]
            row = {"split": split, **with_intervals(parts.get("state", {}), MAIN_STATE)}
            for part, values in masks_of(parts).items():
                row |= with_intervals(values, {"iou_gas": f"IoU of the gas, {mask_title(part)}"})
            rows.append(row)
    caption = "Samples as they are, with 95 % bootstrap intervals."
    return [Details("The same of other splits", [Table(rows, caption, DIGITS)])] if rows else []


def _state_sentence(run: Run) -> str:
    state = run.main.get("state")
    if state is None:
        return "This network does not tell the state."
    samples = f"{counted(state['n'], run.split + ' sample')} of {counted(state['n_groups'], 'original')}"
    sure = state.get("balanced_accuracy_ci95")
    if sure and sure[0] > CHANCE:
        judgement = "tells the rumen's state better than guessing"
    elif sure and sure[1] < CHANCE:
        judgement = "tells the rumen's state worse than guessing"
    else:
        judgement = "cannot be told from guessing at the rumen's state"
    return (
        f"On {samples} the network {judgement} (balanced accuracy {CHANCE:.3f}): balanced accuracy "
        f"{value_text(state, 'balanced_accuracy')}, macro F1 {state['macro_f1']:.3f}, "
        f"F1 of Transitional {state['f1_transitional']:.3f}."
    )


def _mask_sentence(run: Run) -> str:
    masks = masks_of(run.main)
    if not masks:
        return "It draws no masks."
    parts = (f"{mask_title(part)} {value_text(values, 'iou_gas')}" for part, values in masks.items())
    return f"IoU of the gas in its masks: {', '.join(parts)}."


def _numbers(run: Run) -> Iterator[Number]:
    state = run.main.get("state", {})
    for metric, label in MAIN_STATE.items():
        if state.get(metric) is not None:
            yield Number(label, f"{state[metric]:.3f}", f"95 % interval {interval_text(state.get(f'{metric}_ci95'))}")
    for part, values in masks_of(run.main).items():
        if values.get("iou_gas") is not None:
            interval = interval_text(values.get("iou_gas_ci95"))
            yield Number(f"IoU of the gas, {mask_title(part)}", f"{values['iou_gas']:.3f}", f"95 % interval {interval}")

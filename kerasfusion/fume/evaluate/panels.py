"""Panels of a spread of evaluated samples."""

from pathlib import Path

from kerasfusion.fume.data.annotations import STATES
from kerasfusion.fume.detect.answer_panels import draw_answer
from kerasfusion.fume.detect.answering import Network
from kerasfusion.fume.detect.panels import spread
from kerasfusion.fume.evaluate.split import Answers, read_truth
from kerasfusion.images.png import write_png


def write_panels(network: Network, answers: Answers, root: Path, count: int, folder: Path, seed: int) -> list[Path]:
    """Answer a spread of samples again and draw them: some of each state, and some that were answered wrongly.

    Args:
        network: that gave the answers.
        answers: what it said.
        root: what the samples' paths are relative to.
        count: samples that are drawn, at most.
        folder: for the PNGs; those of an earlier run in it are deleted.
        seed: of the choice.

    Returns:
        The PNGs' paths: NUMBER_STATE_right.png, NUMBER_STATE_wrong.png, or NUMBER_STATE.png without a predicted state.
    """
    rows = answers.rows("")
    truth = answers.labels[rows]
    right = [None] * len(rows) if answers.predicted is None else (answers.predicted[rows] == truth).tolist()
    for older in folder.glob("[0-9][0-9][0-9]_*.png"):
        older.unlink()
    paths = []
    for number, place in enumerate(spread(truth, right, count, seed), start=1):
        sample = answers.asked[rows[place]].sample
        frames = network.read_frames({gas: root / frame.frame_path for gas, frame in sample.frames.items()})
        (answer,) = network.answer([network.prepare(frames)])
        title = f"{sample.sample_id}\ntruth: {STATES[sample.class_id]}"
        word = {None: "", True: "_right", False: "_wrong"}[right[place]]
        paths.append(folder / f"{number:03}_{STATES[truth[place]].lower()}{word}.png")
        write_png(paths[-1], draw_answer(network, frames, answer, title, read_truth(sample, root, network.masks)))
    return paths

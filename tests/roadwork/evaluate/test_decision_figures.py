import io

import numpy as np
import pytest
from PIL import Image

from kerasfusion.figure_style import save_png
from kerasfusion.roadwork.evaluate import decision_figures
from kerasfusion.roadwork.evaluate.comparison import against_each, full_report
from kerasfusion.roadwork.evaluate.figures import COLOURS


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(0)
    labels = (rng.random(120) < 0.4).astype(int)
    qualities = {"fusion": 0.8, "vit": 0.3, "yolo": 0.6}
    answers = {
        name: np.clip(0.5 + (labels - 0.5) * each + rng.normal(0, 0.3, 120), 0, 1) for name, each in qualities.items()
    }
    return labels, answers


def test_each_output_is_compared_as_the_report_compares_with_the_baseline(case):
    labels, answers = case
    against = against_each(labels, answers, "fusion", n_resamples=50)
    assert list(against) == ["vit", "yolo"]
    report = full_report(labels, answers, n_resamples=50)
    assert against["vit"] == report["fusion"]["vs_vit"]


def test_the_best_threshold_and_one_half_are_marked(case):
    labels, answers = case
    figure = decision_figures.mcc_against_threshold(labels, {"fusion": answers["fusion"]})
    (ax,) = figure.axes
    marks = {line.get_marker(): (line.get_xdata()[0], line.get_ydata()[0]) for line in ax.get_lines()}
    curve = next(line for line in ax.get_lines() if len(line.get_xdata()) > 2)
    assert marks["D"][1] == pytest.approx(max(curve.get_ydata()))
    decided = answers["fusion"] > 0.5
    assert marks["o"] == pytest.approx((0.5, np.corrcoef(labels, decided)[0, 1]))
    legend = figure.legends[0].get_texts()[0].get_text()
    assert legend.startswith(f"fusion: {marks['o'][1]:.3f} at 0.5, best {marks['D'][1]:.3f} at")


def test_the_forest_shows_each_difference_with_its_interval(case):
    against = against_each(*case, "fusion", n_resamples=50)
    figure = decision_figures.against_branches(against)
    for ax, metric in zip(figure.axes, ("reward", "mcc"), strict=True):
        drawn = {line.get_color(): line for line in ax.get_lines() if len(line.get_xdata()) == 1}
        bars = {line.get_color(): line for line in ax.get_lines() if line.get_linewidth() == 2.5}
        for branch, values in against.items():
            assert drawn[COLOURS[branch]].get_xdata()[0] == values[f"{metric}_difference"]
            assert list(bars[COLOURS[branch]].get_xdata()) == values[f"{metric}_difference_ci95"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["ViT", "YOLO"]


def test_unreadable_photos_and_narrow_screens_can_be_drawn(case, tmp_path):
    labels, answers = case
    answers = {name: np.where(np.arange(120) < 3, np.nan, p) for name, p in answers.items()}
    figures = [
        decision_figures.reliability_curves(labels, answers, per_row=1),
        decision_figures.mcc_against_threshold(labels, answers, width=4.0),
        decision_figures.against_branches(against_each(labels, answers, "fusion", n_resamples=20), width=4.0),
    ]
    for number, figure in enumerate(figures):
        save_png(figure, tmp_path / f"{number}.png")
        with Image.open(io.BytesIO((tmp_path / f"{number}.png").read_bytes())) as image:
            assert image.width <= 620
            assert np.asarray(image.convert("L")).std() > 5

import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.figure_style import save_png
from kerasfusion.roadwork.evaluate import figures
from kerasfusion.roadwork.evaluate.comparison import full_report

HISTORY = """epoch,phase,loss,val_loss,fusion_accuracy,val_fusion_accuracy,efficientnetv2_loss,learning_rate
0,classifier,0.9,0.8,,,0.7,0.001
1,classifier,0.7,0.6,,,0.5,0.001
0,head,0.5,0.4,0.8,0.9,,0.001
"""


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(0)
    labels = (rng.random(150) < 0.3).astype(int)
    answers = {"fusion": 0.8, "vit": 0.5, "yolo": 0.1, "efficientnetv2": 0.3}
    for name, quality in answers.items():
        answers[name] = np.clip(0.5 + (labels - 0.5) * quality + rng.normal(0, 0.25, 150), 0, 1)
    return labels, answers


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were saved, so that a test can read what is on them."""
    saved = []
    original = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (saved.append(self), original(self, *a, **k))[1])
    return saved


def lines_of(ax):
    return {
        (line.get_color(), line.get_linestyle()): (list(line.get_xdata()), list(line.get_ydata()))
        for line in ax.get_lines()
    }


def assert_png(path, min_width):
    with Image.open(path) as image:
        image.load()
        assert image.format == "PNG"
        assert image.width >= min_width
        assert round(image.info["dpi"][0]) == 150
        assert np.asarray(image.convert("L")).std() > 5


def test_confusion_matrices_show_every_count(case, drawn, tmp_path):
    labels, answers = case
    report = full_report(labels, answers, n_resamples=10)
    save_png(figures.confusion_matrices(report), tmp_path / "figures" / "confusion.png")
    assert_png(tmp_path / "figures" / "confusion.png", min_width=1500)
    for ax, values in zip(drawn[0].axes, report.values(), strict=True):
        counts = [int(text.get_text().split("\n")[0]) for text in ax.texts]
        assert counts == [count for row in values["confusion_matrix"] for count in row]
        assert [label.get_text() for label in ax.get_xticklabels()] == ["no roadwork", "roadwork"]


def test_confusion_matrix_of_one_class_is_drawn(tmp_path):
    report = {"vit": {"confusion_matrix": [[0, 0], [1, 5]], "accuracy": 5 / 6, "mcc": 0.0}}
    save_png(figures.confusion_matrices(report), tmp_path / "one.png")
    assert_png(tmp_path / "one.png", min_width=400)


def test_curves_run_through_the_decision_at_one_half(case, drawn, tmp_path):
    labels, answers = case
    save_png(figures.roc_and_pr_curves(labels, answers), tmp_path / "curves.png")
    assert_png(tmp_path / "curves.png", min_width=1200)
    decided = answers["vit"] > 0.5
    recall = decided[labels == 1].mean()
    expected = [(decided[labels == 0].mean(), recall), (recall, labels[decided].mean())]
    for ax, point in zip(drawn[0].axes, expected, strict=True):
        own = [line for line in ax.get_lines() if line.get_color() == figures.COLOURS["vit"]]
        curve, dot = sorted(own, key=lambda line: -len(line.get_xdata()))
        assert (dot.get_xdata()[0], dot.get_ydata()[0]) == pytest.approx(point)
        distance = np.abs(np.column_stack(curve.get_data()) - point).sum(axis=1)
        assert distance.min() < 1e-9


def test_curve_legends_name_the_outputs_in_their_order(case, drawn, tmp_path):
    labels, answers = case
    save_png(figures.roc_and_pr_curves(labels, answers), tmp_path / "curves.png")
    for ax in drawn[0].axes:
        names = [text.get_text().split(",")[0].split(" (")[0] for text in ax.get_legend().get_texts()]
        assert names == ["fusion", "ViT", "YOLO", "EfficientNetV2", "chance"]


def test_an_output_that_never_says_roadwork_has_curves_too(drawn, tmp_path):
    save_png(figures.roc_and_pr_curves([0, 1, 1], {"vit": [0.1, 0.2, np.nan]}), tmp_path / "curves.png")
    assert_png(tmp_path / "curves.png", min_width=1200)


def test_curves_of_one_class_are_refused(tmp_path):
    with pytest.raises(RequestError, match="both classes"):
        save_png(figures.roc_and_pr_curves([1, 1], {"vit": [0.1, 0.9]}), tmp_path / "curves.png")
    assert not list(tmp_path.iterdir())


def test_history_has_a_panel_per_kind_and_a_colour_per_output(drawn, tmp_path):
    (tmp_path / "history.csv").write_text(HISTORY)
    save_png(figures.history_curves(tmp_path / "history.csv"), tmp_path / "history.png")
    assert_png(tmp_path / "history.png", min_width=1000)
    panels = {ax.get_title(): lines_of(ax) for ax in drawn[0].axes}
    assert set(panels) == {"loss", "accuracy"}
    assert panels["loss"][figures.OTHER_COLOUR, "-"] == ([1, 2, 3], [0.9, 0.7, 0.5])
    assert panels["loss"][figures.OTHER_COLOUR, "--"] == ([1, 2, 3], [0.8, 0.6, 0.4])
    assert panels["loss"][figures.COLOURS["efficientnetv2"], "-"][1][:2] == [0.7, 0.5]
    _, accuracy = panels["accuracy"][figures.COLOURS["fusion"], "--"]
    assert np.isnan(accuracy[0])
    assert accuracy[2] == 0.9
    legend = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert legend == ["whole model", "EfficientNetV2", "fusion", "training", "validation"]


def test_the_history_of_a_yolo_training_is_understood(drawn, tmp_path):
    header = "epoch,time,train/loss,metrics/accuracy_top1,metrics/accuracy_top5,val/loss,lr/pg0"
    (tmp_path / "results.csv").write_text(f"{header}\n1,3.2,0.7,0.5,1,0.6,0.01\n2,6.1,0.5,0.8,1,0.4,0.01\n")
    save_png(figures.history_curves(tmp_path / "results.csv"), tmp_path / "yolo.png")
    panels = {ax.get_title(): lines_of(ax) for ax in drawn[0].axes}
    assert panels["loss"] == {
        (figures.OTHER_COLOUR, "-"): ([1, 2], [0.7, 0.5]),
        (figures.OTHER_COLOUR, "--"): ([1, 2], [0.6, 0.4]),
    }
    assert panels["accuracy"] == {(figures.OTHER_COLOUR, "--"): ([1, 2], [0.5, 0.8])}


@pytest.mark.parametrize("text", [None, "", "epoch,loss\n", "epoch,phase\n0,head\n"])
def test_a_history_without_curves_is_refused(tmp_path, text):
    if text is not None:
        (tmp_path / "history.csv").write_text(text)
    with pytest.raises(RequestError, match=r"training history(.|\n)*history\.csv"):
        save_png(figures.history_curves(tmp_path / "history.csv"), tmp_path / "history.png")
    assert not (tmp_path / "history.png").exists()


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        (b"epoch,loss\n1,0.5\n2,0.4x\n", "line 3: loss is '0.4x', not a number"),
        (b"epoch,loss\n1,0.5\n2\n", "line 3 has not a cell a column"),
        (b"\xff\xfe\x00\x9c", "can't decode byte"),
    ],
)
def test_a_damaged_history_is_named_with_what_is_wrong(tmp_path, data, wrong):
    (tmp_path / "history.csv").write_bytes(data)
    with pytest.raises(KerasFusionError, match=rf"damaged: .*{wrong}(.|\n)*history\.csv"):
        figures.history_columns(tmp_path / "history.csv")


def test_figures_use_neither_pyplot_nor_global_settings(case, monkeypatch, tmp_path):
    labels, answers = case
    # Reading the settings loads pyplot to find the backend, so that is done before pyplot is looked for.
    before = dict(matplotlib.rcParams)
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    save_png(figures.roc_and_pr_curves(labels, answers), tmp_path / "curves.png")
    assert "matplotlib.pyplot" not in sys.modules
    assert dict(matplotlib.rcParams) == before


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(RequestError, match=r"matplotlib(.|\n)*pip install .* -e \"\.\[train\]\""):
        save_png(figures.roc_and_pr_curves([0, 1], {"vit": [0.1, 0.9]}), tmp_path / "curves.png")

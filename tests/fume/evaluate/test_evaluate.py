import json

import numpy as np
import pytest
import sklearn.metrics
from PIL import Image

from kerasfusion.config import load_config
from kerasfusion.errors import RequestError
from kerasfusion.fume.config import FumeConfig
from kerasfusion.fume.data.samples import read_samples
from kerasfusion.fume.detect.answering import open_network
from kerasfusion.fume.evaluate.job import Request, run
from kerasfusion.fume.evaluate.report import one_answer, report_rows, report_views
from kerasfusion.fume.evaluate.split import evaluate
from kerasfusion.fume.evaluate.text import as_text
from kerasfusion.images.decoding import ImageError
from tests.fume.detect.answering_material import (
    HEIGHT,
    WIDTH,
    draw_mask,
    frame_of,
    leave_out_costs,
    save_reader,
    write_set,
)

pytestmark = pytest.mark.exports


ROWS = [
    ("co2 ch4", 0, 0, "a"),
    ("co2 ch4", 1, 1, "b"),
    ("ch4", 2, 2, "c"),
    ("co2 ch4", 2, 0, "d"),  # the frames say another state than the truth is
    ("co2", 0, 0, "a"),
    ("co2 ch4", 1, 1, "b"),
]
TAMPERED = 1
"""Number of the row whose CO2 frame shows other gas than its mask."""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    pictures = write_set(root, ROWS, sizes={0: (HEIGHT * 2, WIDTH * 2)})
    shown = draw_mask(99)
    Image.fromarray(frame_of(shown, 1)).save(root / "co2" / "frames" / f"test{TAMPERED:02}.png")
    return root, pictures, shown


@pytest.fixture(scope="module")
def models(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("models")
    return {
        name: save_reader(folder / f"{name}.keras", name, root=data[0])
        for name in ("FUMEFastSCNN", "EarlyFusionFastSCNN", "MultiTaskFastSCNN", "SegmentationOnlyFastSCNN")
    }


@pytest.fixture(scope="module")
def answers(data, models):
    root, *_ = data
    samples = read_samples(root / "paired_test_annotations.csv")
    return {
        name: evaluate(open_network(path), samples, root, batch=4)
        for name, path in models.items()
        if name != "SegmentationOnlyFastSCNN"
    }


@pytest.fixture
def without_costs(monkeypatch):
    leave_out_costs(monkeypatch)


def make_request(data, models, name="FUMEFastSCNN", **options):
    config = load_config(FumeConfig, None, [f"data.dataset_root={data[0]}"])
    return Request(model=models[name], config=config, **options)


def test_every_sample_is_asked_as_it_is_and_pairs_with_each_gas_alone(answers):
    found = answers["FUMEFastSCNN"]
    assert len(found.rows("")) == 6
    assert len(found.rows("_paired")) == len(found.rows("_co2_only")) == len(found.rows("_ch4_only")) == 4
    assert {tuple(found.asked[row].sample.frames) for row in found.rows("_co2_only")} == {("co2",)}
    single = answers["MultiTaskFastSCNN"]
    assert len(single.rows("")) == 10
    assert len(single.rows("_paired")) == 0
    assert len(single.rows("_co2_only")) == len(single.rows("_ch4_only")) == 4


def test_masks_and_states_are_counted_as_they_were_drawn(data, answers):
    _, pictures, shown = data
    report = report_views(answers["FUMEFastSCNN"], "test", resamples=50)
    assert list(report) == ["test", "test_paired", "test_co2_only", "test_ch4_only"]
    test = report["test"]
    assert list(test) == ["state", "co2_mask", "ch4_mask", "joint"]
    truth = [picture["co2"][1] for picture in pictures if "co2" in picture]
    said = [shown if number == TAMPERED else mask for number, mask in enumerate(truth)]
    # The first pair's files are twice the network's size: its masks come back enlarged, right but at edges.
    rows = answers["FUMEFastSCNN"].rows("")
    first = answers["FUMEFastSCNN"].pixels["co2_mask"][rows[0]]
    assert first.sum() == 4 * HEIGHT * WIDTH
    assert np.trace(first) / first.sum() > 0.98
    others = np.concatenate([np.stack(list(map(np.ravel, side[1:]))) for side in (truth, said)]).reshape(2, -1)
    expected = sklearn.metrics.confusion_matrix(*others)
    np.testing.assert_array_equal(np.array(test["co2_mask"]["confusion_matrix"]) - first, expected)
    assert (test["co2_mask"]["n"], test["ch4_mask"]["n"]) == (5, 5)
    labels, predicted = [row[1] for row in ROWS], [row[2] for row in ROWS]
    assert test["state"]["accuracy"] == sklearn.metrics.accuracy_score(labels, predicted)
    assert test["state"]["balanced_accuracy"] == sklearn.metrics.balanced_accuracy_score(labels, predicted)
    assert (test["state"]["n"], test["state"]["n_groups"]) == (6, 4)  # originals co2-a, co2-b, ch4-c, co2-d
    # Frames of the network's size are answered exactly; the gas of the one that was made smaller is off by less than
    # the 1.7 pixels that are allowed (its blurred edge passes for tube here and there).
    scores = answers["FUMEFastSCNN"].boundaries["co2_mask"][rows]
    exact = [number for number, (gases, *_) in enumerate(ROWS) if "co2" in gases and number not in (0, TAMPERED)]
    np.testing.assert_array_equal(scores[exact], 1)
    assert scores[0, 1] == 1
    assert 0.5 < scores[0, 0] < 1
    assert np.isnan(scores[2]).all()  # the sample of CH4 alone
    assert scores[TAMPERED, 1] < 1
    assert test["co2_mask"]["boundary_f_gas"] == pytest.approx(np.nanmean(scores[:, 1]))
    miou = (test["co2_mask"]["miou"] + test["ch4_mask"]["miou"]) / 2
    assert test["joint"]["score"] == pytest.approx(0.5 * miou + 0.5 * test["state"]["balanced_accuracy"])


def test_a_gas_alone_has_its_mask_alone_and_its_own_originals(answers):
    report = report_views(answers["FUMEFastSCNN"], "val", resamples=20)
    assert set(report["val_co2_only"]) == {"state", "co2_mask", "joint"}
    assert report["val_ch4_only"]["joint"]["miou"] == report["val_ch4_only"]["ch4_mask"]["miou"]
    assert report["val_co2_only"]["co2_mask"]["n"] == 4
    groups = {answers["FUMEFastSCNN"].asked[row].sample.group for row in answers["FUMEFastSCNN"].rows("_ch4_only")}
    assert groups == {"ch4-a", "ch4-b", "ch4-d"}


def test_a_single_frame_network_answers_each_frame_and_its_gases_are_told_apart(answers):
    found, pair = answers["MultiTaskFastSCNN"], answers["FUMEFastSCNN"]
    report = report_views(found, "test", resamples=20)
    assert set(report) == {"test", "test_co2_only", "test_ch4_only"}
    test = report["test"]
    assert set(test) == {"state", "mask", "co2_mask", "ch4_mask", "joint"}
    assert (test["mask"]["n"], test["co2_mask"]["n"], test["state"]["n"]) == (10, 5, 10)
    both = np.add(test["co2_mask"]["confusion_matrix"], test["ch4_mask"]["confusion_matrix"])
    np.testing.assert_array_equal(test["mask"]["confusion_matrix"], both)
    np.testing.assert_array_equal(
        found.pixels["co2_mask"].sum(axis=0), pair.pixels["co2_mask"][pair.rows("")].sum(axis=0)
    )


def test_early_fusion_is_compared_with_the_union_of_what_it_was_given(data, answers):
    _, pictures, _ = data
    found = answers["EarlyFusionFastSCNN"]
    last = found.rows("_paired")[-1]  # an untouched pair
    union = np.maximum(pictures[5]["co2"][1], pictures[5]["ch4"][1])
    np.testing.assert_array_equal(found.pixels["mask"][last], np.diag(np.bincount(union.ravel(), minlength=3)))
    alone = found.rows("_co2_only")[-1]
    counts = np.bincount(pictures[5]["co2"][1].ravel(), minlength=3)
    np.testing.assert_array_equal(found.pixels["mask"][alone], np.diag(counts))
    assert set(report_rows(found, found.rows(""), 20)) == {"state", "mask", "joint"}


def test_intervals_draw_whole_originals(answers):
    found = answers["FUMEFastSCNN"]
    of_one = np.array([row for row in found.rows("") if found.asked[row].sample.group == "co2-b"])
    assert len(of_one) == 2
    values = report_rows(found, of_one, 200)
    for part in values.values():
        for name, value in part.items():
            if name.endswith("_ci95") and value is not None:
                assert value == [pytest.approx(part[name.removesuffix("_ci95")])] * 2
    assert values["state"]["cohen_kappa"] is None  # one state alone: chance agrees always
    everything = report_rows(found, found.rows(""), 500)
    low, high = everything["state"]["accuracy_ci95"]
    assert low < everything["state"]["accuracy"] < high
    assert everything == report_rows(found, found.rows(""), 500)


def test_metrics_figures_panels_and_masks_are_kept(data, models, tmp_path):
    _, pictures, _ = data
    out = tmp_path / "out"
    out.mkdir()
    (out / "metrics.json").write_text(json.dumps({"val": {"state": {}}, "test_ch4_only": {"old": {}}}))
    lines = []
    result = run(make_request(data, models, out=out, panels=4, save_masks=True), lines.append)
    kept = json.loads((out / "metrics.json").read_text())
    assert set(kept) == {"val", "test", "test_paired", "test_co2_only", "test_ch4_only", "network"}
    assert kept["test"] == result.report["test"]
    assert "old" not in kept["test_ch4_only"]
    assert kept["network"]["size"]["trainable_parameters"] == 1_656_236
    assert kept["network"]["size"]["per"] == "pair"
    assert kept["network"]["speed"]["fps"] > 0
    markdown = (out / "test_table.md").read_text().splitlines()
    assert [line.split(" | ")[0] for line in markdown[2:]] == [
        *(rf"| {name}" for name in ("test", r"test\_paired", r"test\_co2\_only", r"test\_ch4\_only"))
    ]
    assert f" {kept['test']['co2_mask']['boundary_f_gas']:.3f} " in markdown[2]
    assert r"test\_co2\_only & 4 & " in (out / "test_table.tex").read_text()
    with Image.open(out / "figures" / "test_confusion_matrices.png") as image:
        assert image.width > 400
    names = sorted(path.name for path in (out / "figures" / "test_panels").iterdir())
    assert [name.split("_", 1)[1] for name in names if "wrong" in name] == ["acidotic_wrong.png"]
    assert {name.split("_")[1] for name in names} == {"healthy", "transitional", "acidotic"}
    masks = sorted(path.relative_to(out / "masks").as_posix() for path in (out / "masks").rglob("*.png"))
    assert len(masks) == 10
    with Image.open(out / "masks" / "ch4" / "frames" / "test02.png") as image:
        np.testing.assert_array_equal(np.asarray(image), pictures[2]["ch4"][1])
    text = as_text(result)
    for part in (
        "rumen state",
        "test_co2_only",
        "joint score",
        "said Transitional",
        "1,656,236 parameters",
        "95 %",
        "boundary_f_gas",
    ):
        assert part in text


def test_flips_are_recorded_and_change_the_answers(data, models, tmp_path, without_costs):
    plain, flipped = (
        run(make_request(data, models, out=tmp_path / str(flips), panels=0, flips=flips), lambda line: None)
        for flips in (False, True)
    )
    # The networks here look at each pixel by itself, so that masks stay; the state stands in the left corner alone.
    assert flipped.report["test"]["ch4_mask"] == plain.report["test"]["ch4_mask"]
    assert np.abs(flipped.answers.states - plain.answers.states).max() > 0.3
    told = [json.loads((tmp_path / str(flips) / "evaluated.json").read_text()) for flips in (False, True)]
    assert [each["test"]["flips"] for each in told] == [False, True]


def test_a_part_without_gas_is_evaluated_and_said(data, models, tmp_path, without_costs):
    write_set(tmp_path, ROWS[:2])
    for gas in ("co2", "ch4"):
        tube = np.zeros((HEIGHT, WIDTH), np.uint8)
        tube[HEIGHT - 6 :, 10:40] = 1
        Image.fromarray(tube).save(tmp_path / gas / "masks" / "test00.png")
        Image.fromarray(frame_of(tube, 0)).save(tmp_path / gas / "frames" / "test00.png")
    path, lines = tmp_path / "paired_test_annotations.csv", []
    path.write_text("\n".join(path.read_text().splitlines()[:2]))
    found = run(make_request((tmp_path,), models, panels=0), lines.append)
    assert "note: no pixel of the 2 masks is gas; 1 is read as tube" in lines
    assert found.report["test"]["co2_mask"]["iou_tube"] == 1


def test_a_bad_row_of_another_split_is_named_before_the_answers(data, models, tmp_path, monkeypatch):
    write_set(tmp_path, ROWS[:2])
    table = tmp_path / "paired_test_annotations.csv"
    (tmp_path / "paired_train_annotations.csv").write_text(table.read_text().replace("Healthy", "Sick"))
    monkeypatch.setattr("kerasfusion.fume.evaluate.job.evaluate", lambda *_: pytest.fail("it was answered"))
    with pytest.raises(RequestError, match=r"class_name is 'Sick'(.|\n)*paired_train_annotations\.csv"):
        run(make_request((tmp_path,), models, out=tmp_path / "out"), lambda line: None)


def test_panels_of_an_earlier_run_do_not_stay(data, models, tmp_path, without_costs):
    for count in (4, 1):
        run(make_request(data, models, out=tmp_path, panels=count), lambda line: None)
        assert len(list((tmp_path / "figures" / "test_panels").iterdir())) == count


def test_a_network_without_states_has_masks_alone(data, models, without_costs):
    result = run(make_request(data, models, "SegmentationOnlyFastSCNN", max_samples=3, panels=0), lambda line: None)
    assert set(result.report["test"]) == {"mask", "co2_mask", "ch4_mask"}
    assert "rumen state" not in as_text(result)


def test_what_a_network_did_not_learn_is_not_measured(data, tmp_path, without_costs):
    path = save_reader(tmp_path / "fume.keras", "FUMEFastSCNN", data[0], "training.loss.cls_weight=0")
    found = run(make_request(data, {"FUMEFastSCNN": path}, max_samples=3, panels=0), lambda line: None)
    assert set(found.report["test"]) == {"co2_mask", "ch4_mask"}
    assert "rumen state" not in as_text(found)


def test_a_gas_that_the_network_never_saw_is_not_evaluated(data, tmp_path, monkeypatch):
    path = save_reader(tmp_path / "fume.keras", "FUMEFastSCNN", data[0], "data.gases=co2")
    monkeypatch.setattr("kerasfusion.fume.evaluate.job.evaluate", lambda *_: pytest.fail("it was answered"))
    with pytest.raises(RequestError, match="never saw CH4: it was trained on CO2 alone"):
        run(make_request(data, {"FUMEFastSCNN": path}), lambda line: None)


def test_a_gas_that_the_configuration_leaves_out_is_not_asked(data, models, without_costs):
    request = make_request(data, models, panels=0)
    only = load_config(FumeConfig, None, [f"data.dataset_root={data[0]}", "data.gases=ch4"])
    result = run(Request(model=request.model, config=only, panels=0), lambda line: None)
    assert set(result.report) == {"test", "network"}
    assert set(result.report["test"]) == {"state", "ch4_mask", "joint"}


def test_what_cannot_be_evaluated_is_said(data, models, tmp_path):
    with pytest.raises(RequestError, match="annotations do not exist"):
        run(make_request(data, models, split="val"))
    with pytest.raises(RequestError, match="--save-masks needs a folder"):
        run(make_request(data, models, save_masks=True))
    write_set(tmp_path, ROWS[:2])
    Image.fromarray(np.zeros((HEIGHT, WIDTH + 1), np.uint8)).save(tmp_path / "co2" / "masks" / "test01.png")
    with pytest.raises(ImageError, match=f"the mask has {WIDTH + 1} x {HEIGHT} pixels, the frame {WIDTH} x {HEIGHT}"):
        run(make_request((tmp_path,), models))
    (tmp_path / "co2" / "masks" / "test01.png").unlink()
    with pytest.raises(RequestError, match=r"paired_test_annotations.csv line 3.*co2/masks/test01.png"):
        run(make_request((tmp_path,), models))


@pytest.mark.parametrize(
    ("matrix", "said"),
    [
        (
            [[0, 3, 0], [0, 4, 0], [0, 2, 0]],
            ["test: all 9 answers are Transitional; the network does not tell the state"],
        ),
        ([[5, 0, 0], [2, 0, 0], [0, 0, 0]], ["test: all 7 answers are Healthy; the network does not tell the state"]),
        ([[3, 0, 0], [0, 4, 0], [0, 1, 1]], []),
        ([[0, 0, 0], [0, 4, 0], [0, 0, 0]], []),  # there is nothing else to say
    ],
)
def test_one_answer_for_all_is_said(matrix, said):
    assert one_answer({"test": {"state": {"confusion_matrix": matrix}}, "test_paired": {"co2_mask": {}}}) == said

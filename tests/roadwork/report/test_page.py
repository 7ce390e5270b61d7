import base64
import io
import json
import re
import shutil
from dataclasses import replace
from html import unescape

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from kerasfusion.cli.main import main
from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.files.json_yaml import write_json
from kerasfusion.files.run_files import record_evaluation
from kerasfusion.report_page.blocks import Note, Paragraph
from kerasfusion.roadwork.report import charts
from kerasfusion.roadwork.report.limits import limits_of
from kerasfusion.roadwork.report.page import write_report
from kerasfusion.roadwork.report.reward import reward_section
from kerasfusion.roadwork.report.run import read_run
from kerasfusion.roadwork.report.verdict import lead_of
from tests.material.page_checks import check_page, check_source
from tests.roadwork.report.material import answered, write_evaluation, write_rehearsal, write_training

pytestmark = pytest.mark.trains


WRONG = (7, 2)
"""Rows of test/ that the fusion has wrong, the surer one first."""


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "first"
    write_training(folder, photos)
    write_evaluation(folder, photos, answered(photos, WRONG))
    write_rehearsal(folder)
    return folder


@pytest.fixture(scope="module")
def page(run):
    return write_report(run)


@pytest.fixture
def copy(run, tmp_path):
    return shutil.copytree(run, tmp_path / "first")


def words(path):
    """The page's text without its figures, spaces made single."""
    text = re.sub(r"<svg.*?</svg>|<style.*?</style>", " ", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<wbr>", "", text)).replace("\n", " ").split())


def plain(path):
    return " ".join(re.sub(r"<[^>]+>", " ", words(path)).split())


def images(path):
    found = re.findall(r'<img src="data:image/jpeg;base64,([^"]+)" alt="([^"]*)"', path.read_text(encoding="utf-8"))
    return {unescape(name): Image.open(io.BytesIO(base64.b64decode(data))) for data, name in found}


def test_the_verdict_and_the_numbers_come_first(page, run):
    values = json.loads((run / "metrics.json").read_text())["test"]["fusion"]
    lead = re.search(r'<p class="lead">(.*?)</p>', words(page))[1]
    low, high = values["mcc_ci95"]
    assert f"On 12 drawn scenes of test/, the fusion has an MCC of {values['mcc']:.3f}" in lead
    assert f"(95 % interval {low:.3f} to {high:.3f})" in lead
    assert "there is no clear difference between the fusion and it" in lead
    assert page.read_text().index(f"<strong>{values['reward']:.3f}</strong>") < page.read_text().index("<svg")


def test_every_part_is_there(page):
    titles = re.findall(r"<h2>([^<]+)</h2>", page.read_text())
    assert [unescape(title) for title in titles] == [
        "Summary",
        "What these numbers do not say",
        "The fusion against each branch",
        "Answers",
        "The subnet's reward",
        "The worst mistakes",
        "Training",
        "What was trained on what",
        "Time for a photo",
    ]
    text = page.read_text()
    charts = re.findall(r'<div role="img" aria-label="([^"]+)">', text)
    assert len(charts) == len(re.findall(r'<figure class="chart">', text)) == 8
    assert text.count("<svg") == 16  # each for a wide screen and a narrow one
    held_out = "val 6 6 50.0 choosing YOLO's epoch, fitting the fusion's head"
    assert f"train 12 12 50.0 training YOLO and EfficientNetV2 {held_out}" in plain(page)
    assert "kerasfusion benchmark" in plain(page)


def test_the_worst_mistakes_are_shown_the_surest_first(page, photos):
    kept = answered(photos, WRONG)
    found = images(page)
    assert list(found) == [kept.sample_ids[row] for row in WRONG]
    for name, image in found.items():
        assert max(image.size) <= 320
        with Image.open(photos / name) as photo:
            small = photo.convert("RGB").resize(image.size)
        difference = np.abs(np.asarray(small, float) - np.asarray(image.convert("RGB"), float)).mean()
        assert difference < 12
    row = WRONG[0]
    said = [f"fusion said {kept.answers['fusion'][row]:.3f}", f"ViT {kept.answers['vit'][row]:.3f}, YOLO"]
    assert all(text in plain(page) for text in said)


def test_a_browser_shows_all_of_it(page):
    check_source(page.read_text(encoding="utf-8"))
    check_page(page, pictures=len(WRONG))


def test_limits_are_those_of_the_run(run, copy, photos):
    text = " ".join(limits_of(read_run(run)))
    assert "12 photos put the MCC of the fusion between" in text
    for absent in (
        "EfficientNetV2 started from random",
        "YOLO began from random",
        "not the subnet's default one",
        "was changed after",
        "max-samples",
        "could not be read",
        "--tta",
    ):
        assert absent not in text
    write_training(copy, photos, "efficientnetv2.weights=null")
    kept = answered(photos, WRONG)
    kept.answers["fusion"][0] = np.nan
    write_evaluation(copy, photos, kept, model_sha256="0" * 64, max_samples=12, tta=True)
    text = " ".join(limits_of(read_run(copy)))
    for present in (
        "EfficientNetV2 started from random weights and its trunk was frozen",
        "fusion.keras was changed after it was evaluated",
        "--max-samples 12",
        "1 photos could not be read",
        "--tta",
    ):
        assert present in text


def test_what_a_demo_is_comes_first_among_the_limits(copy, photos):
    settings = ["vit.weights=some/vit", "yolo.model=yolo11n-cls.yaml", "efficientnetv2.weights=null"]
    write_training(copy, photos, *settings)
    photos_of = {split: {"splits": [split], "n": 12} for split in ("train", "val")}
    write_json(copy / "yolo" / "training.json", {"weights_sha256": "0" * 64, "model": "yolo11n-cls.yaml", **photos_of})
    write_evaluation(copy, photos, answered(photos, WRONG))
    run = read_run(copy)
    begins = [
        "The photos are drawn scenes by their names",
        "The ViT is some/vit, not the subnet's default one",
        "What the ViT (some/vit) learned from",
        "YOLO began from random weights (yolo11n-cls.yaml)",
        "EfficientNetV2 started from random weights",
        "The fusion's head was fitted on the same held-out photos that chose YOLO's epoch and told when",
    ]
    assert [text[: len(begin)] for text, begin in zip(limits_of(run), begins, strict=False)] == begins
    assert "default ViT" not in lead_of(run, {})
    assert "drawings, which they do not" in lead_of(run, {})


def test_photos_with_other_names_are_photos(copy, photos):
    kept = answered(photos, WRONG)
    ids = [kept.sample_ids[0].replace("scene_", "IMG_"), *kept.sample_ids[1:]]
    write_evaluation(copy, photos, replace(kept, sample_ids=ids, digests={}))
    run = read_run(copy)
    assert "drawn scenes" not in " ".join(limits_of(run))
    assert lead_of(run, {}).startswith("On 12 photos of test/, the fusion has")


@pytest.mark.usefixtures("without_figures")
def test_a_model_changed_after_its_evaluation_is_told_before_any_number(copy):
    with (copy / "fusion.keras").open("ab") as file:
        file.write(b"other")
    run = read_run(copy)
    assert lead_of(run, {}).startswith("fusion.keras was changed after it was evaluated")
    assert limits_of(run)[0].startswith("fusion.keras was changed after it was evaluated")
    assert "To measure the present one: kerasfusion evaluate" in plain(write_report(copy))


def test_the_rehearsal_is_quoted_with_what_was_lost_and_what_it_does_not_say(page):
    text = plain(page)
    assert "fusion 0.800 (0.750 to 0.850) 0.900 0.950 ViT 0.500 (0.450 to 0.550)" in text
    assert "200 challenges of all layouts were made of 12 photos and asked once each; half of the answers took" in text
    assert "lost: 5 late." in text
    assert "says nothing of other photos" in text
    assert "The reward after each answer. Mean from the hundredth on: fusion 0.800, ViT 0.500." in page.read_text()


def notes_and_words(folder):
    """Of the section on rewards: the notes' texts and commands, and the paragraphs."""
    blocks = reward_section(read_run(folder)).blocks
    notes = [(block.text, block.command) for block in blocks if isinstance(block, Note)]
    return notes, [block.text for block in blocks if isinstance(block, Paragraph)]


def test_a_rehearsal_of_an_earlier_file_is_told_and_a_missing_one_asked_for(copy):
    command = f"kerasfusion miner rehearse {copy / 'fusion.keras'} --data "
    write_rehearsal(copy, source="fusion_int8.xml", lost={}, layout="crop")  # of a file that is not here any more
    notes, (of_all, of_crop) = notes_and_words(copy)
    assert not notes
    assert "200 challenges of all layouts" in of_all
    assert "Fusion less ViT: reward +0.300 (in 95 % of 20 repeats +0.200 to +0.400)." in of_all
    assert "200 challenges of the layout crop" in of_crop
    assert "none was lost in 9 s" in of_crop
    with (copy / "fusion.keras").open("ab") as file:
        file.write(b"more")
    ((said, todo),) = notes_and_words(copy)[0]
    assert said.startswith("fusion.keras was changed after it was rehearsed")
    assert todo.startswith(command)
    (copy / "rehearsal.json").unlink()
    ((said, todo),) = notes_and_words(copy)[0]
    assert said == "The subnet's loop was not rehearsed with this run."
    assert todo.startswith(command)


def test_other_photos_than_those_of_the_training_are_told(copy, photos):
    training = {"no_roadwork": 3, "roadwork": 9, "listing_sha256": "0" * 64}
    asked = {"no_roadwork": 6, "roadwork": 6, "listing_sha256": "1" * 64}
    kept = answered(photos)
    write_evaluation(copy, photos, kept)
    record = json.loads((copy / "evaluated.json").read_text())["test"]
    record_evaluation(copy, "test", record | {"photos": {"train": training, "test": asked}})
    text = " ".join(limits_of(read_run(copy)))
    assert "The photos of test/ were others when it was evaluated" in text
    assert "75% of the training photos show roadwork, but 50% of these" in text


def test_only_validation_photos_are_said_to_be_such(photos, tmp_path):
    write_training(tmp_path / "run", photos)
    write_evaluation(tmp_path / "run", photos, answered(photos, (1,), "val"), split="val")
    found = read_run(tmp_path / "run")
    assert "On 12 drawn scenes of val/" in lead_of(found, {})
    assert "had a part in the training" in " ".join(limits_of(found))


@pytest.mark.usefixtures("without_figures")
def test_missing_parts_are_named_with_the_command_that_makes_them(photos, tmp_path):
    folder = tmp_path / "run"
    write_training(folder, photos)
    shutil.rmtree(folder / "yolo")
    (folder / "history.csv").unlink()
    text = plain(write_report(folder))
    assert "never evaluated" in text
    for command in (f"evaluate {folder / 'fusion.keras'}", "train-yolo", "fit"):
        assert f"kerasfusion {command} -c {folder / 'config.yaml'}" in text  # else it would be the run of the defaults
    (note,) = charts.answer_charts(None, "kerasfusion evaluate x")
    assert (note.kind, note.command) == ("missing", "kerasfusion evaluate x")


@pytest.mark.usefixtures("without_figures")
def test_commands_for_a_renamed_run_are_about_it_and_not_about_the_one_that_has_its_name_now(photos, tmp_path):
    write_training(tmp_path / "run", photos)
    folder = (tmp_path / "run").rename(tmp_path / "run (old)")
    (folder / "history.csv").write_text("loss\n")  # damaged
    own = f"-c '{folder / 'config.yaml'}' --set runs_folder={tmp_path} --set 'name=run (old)'"
    page = plain(write_report(folder))
    assert f"kerasfusion fit --restart {own}" in page
    assert f"kerasfusion evaluate '{folder / 'fusion.keras'}' {own}" in page
    assert f"kerasfusion benchmark '{folder / 'fusion.keras'}'" in page
    assert page.endswith(f"kerasfusion report '{folder}'")
    assert read_run(folder).rehearse_command.startswith(f"kerasfusion miner rehearse '{folder / 'fusion.keras'}' ")


@pytest.mark.usefixtures("without_figures")
def test_times_of_several_files_are_told_apart(copy):
    stages = {name: {"mean_ms": 2.0, "p50_ms": 2.0, "p95_ms": 3.0} for name in ("forward", "total")}
    timed = {"load_s": 1.0, "memory_mb": 9.0, "runs": 5, "within_timeout": True, "stages": stages}
    timed["image"] = {"width": 64, "height": 48}
    write_json(copy / "latency.json", {"fusion.keras": timed, "fusion.xml": timed})
    text = plain(write_report(copy))
    for name in ("fusion.keras", "fusion.xml"):
        assert f"time for a photo, {name}" in text
    assert "stage mean ms p50 ms p95 ms" in text
    assert "95 % interval 0." in text
    assert "95 %:" not in text


def test_photos_of_one_class_have_no_curves(photos):
    kept = answered(photos)
    rows = np.flatnonzero(kept.labels == 1)
    only = replace(kept, labels=kept.labels[rows], answers={"fusion": kept.answers["fusion"][rows]})
    note, reliability = charts.answer_charts(only, "")
    assert "All photos are of one class" in note.text
    assert reliability.alt.startswith("Reliability of fusion")


@pytest.mark.usefixtures("without_figures")
def test_another_vit_alone_can_be_reported(photos, tmp_path):
    kept = answered(photos)
    write_training(tmp_path / "run", photos)
    only = replace(kept, answers={"vit": kept.answers["vit"]})
    write_evaluation(tmp_path / "run", photos, only, model="hf://somebody/vit", model_sha256=None)
    text = plain(write_report(tmp_path / "run"))
    assert "On 12 drawn scenes of test/, the ViT (hf://somebody/vit) has an MCC of" in text
    assert "The fusion against each branch" not in text


@pytest.mark.parametrize("name", ["metrics.json", "evaluated.json", "predictions_test.csv", "rehearsal.json"])
def test_a_damaged_file_is_named(copy, name):
    (copy / name).write_text("{")
    with pytest.raises(KerasFusionError, match=re.escape(name)):
        write_report(copy)


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda output: output.pop("n"), "test.fusion.n: Field required"),
        (lambda output: output.update(mcc="high"), "test.fusion.mcc: Input should be a valid number"),
        (lambda output: output.update(mcc_ci95=[0.1]), "test.fusion.mcc_ci95.1: Field required"),
        (lambda output: output["vs_vit"].update(verdict="?"), "test.fusion.vs_vit.verdict: Input should be 'better'"),
    ],
)
def test_wrong_metrics_are_named_with_their_key(copy, change, wrong):
    metrics = json.loads((copy / "metrics.json").read_text())
    change(metrics["test"]["fusion"])
    write_json(copy / "metrics.json", metrics)
    expected = rf"the file is damaged:\n  - {re.escape(wrong)}(.|\n)*delete it and run kerasfusion evaluate"
    with pytest.raises(KerasFusionError, match=expected) as error:
        write_report(copy)
    assert error.value.where == copy / "metrics.json"


@pytest.mark.usefixtures("without_figures")
def test_answers_of_other_photos_than_the_metrics_are_refused(copy, photos):
    path, kept = copy / "predictions_test.csv", answered(photos, WRONG)
    lines = path.read_text().splitlines(keepends=True)
    of_five = "11 rows, 5 without roadwork and 6 with it"
    of_six = "12 rows, 6 without roadwork and 6 with it"
    for text, found, expected in (
        (lines[:1] + lines[2:], of_five, of_six),
        ([lines[0].replace("fusion", "merged"), *lines[1:]], "merged, vit, yolo", "fusion, vit, yolo"),
        ([lines[0], lines[2], *lines[2:]], "a photo has two rows", "one row a photo"),
    ):
        path.write_text("".join(text))
        said = rf"does not belong to metrics\.json: .*{found}(.|\n)*{path}(.|\n)*{expected}(.|\n)*kerasfusion evaluate"
        with pytest.raises(KerasFusionError, match=said):
            write_report(copy)
    write_evaluation(copy, photos, kept)
    write_report(copy)


@pytest.mark.usefixtures("without_figures")
@pytest.mark.parametrize("name", ["history.csv", "yolo/yolo_history.csv"])
def test_a_damaged_history_costs_its_chart_only(copy, name):
    (copy / name).write_text("epoch,loss\n1,0.5\n2,x\n")
    text = plain(write_report(copy))
    assert "the training history is damaged: line 3: loss is 'x', not a number. No curves can be drawn." in text
    assert len(images(copy / "report.html")) == len(WRONG)


def test_a_folder_with_nothing_in_it_is_refused(tmp_path):
    with pytest.raises(RequestError, match=r"nothing to report(.|\n)*kerasfusion fit"):
        write_report(tmp_path)


@pytest.mark.usefixtures("without_figures")
def test_the_command_writes_where_it_is_told(run, tmp_path):
    def call(*arguments):
        return CliRunner().invoke(main, ["report", *map(str, arguments)])

    done = call(run, "--out", tmp_path / "other.html")
    assert (done.exit_code, done.output) == (0, f"report: {tmp_path / 'other.html'}\n")
    assert (tmp_path / "other.html").is_file()
    for wrong in ([tmp_path / "nowhere"], [run, run, run], [run, run]):
        refused = call(*wrong)
        assert refused.exit_code == 2
        assert refused.output.startswith("error: ")

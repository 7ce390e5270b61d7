"""`data suspects`: planted answers of branches find planted wrong labels; what is written, and what is refused."""

import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner

from kerasfusion.cli.main import main
from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.roadwork.data.dataset import CLASS_NAMES, scan
from kerasfusion.roadwork.data.split_job import split_dataset
from kerasfusion.roadwork.fit.out_of_fold_table import FoldAnswers, read_fold_answers, write_fold_answers
from kerasfusion.roadwork.scenes.street import write_dataset
from kerasfusion.roadwork.suspects.confident import doubts_of, margin, thresholds
from kerasfusion.roadwork.suspects.job import find_suspects


def said(truth, rng, skill):
    """P(roadwork) of a branch: logits around +-skill with noise of 1.5; skill 0 is noise alone."""
    logits = np.where(truth == 1, skill, -skill) + rng.normal(0, 1.5, len(truth))
    return 1 / (1 + np.exp(-logits))


def flip_some(truth, rng, share=0.05):
    flipped = rng.choice(len(truth), round(share * len(truth)), replace=False)
    labels = truth.copy()
    labels[flipped] = 1 - labels[flipped]
    return labels, set(flipped.tolist())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share_of_roadwork", [0.5, 0.2])
def test_most_flipped_labels_are_among_the_first_twice_as_many(seed, share_of_roadwork):
    rng = np.random.default_rng(seed)
    truth = (rng.uniform(size=400) < share_of_roadwork).astype(int)
    labels, flipped = flip_some(truth, rng)
    answers = {"yolo": said(truth, rng, 2.5), "vit": said(truth, rng, 2.0), "efficientnetv2": said(truth, rng, 0)}
    first = doubts_of(labels, answers).suspects[: 2 * len(flipped)]
    assert len(flipped & set(first.tolist())) >= 0.7 * len(flipped)


def test_a_branch_that_answers_at_random_is_not_heard():
    rng = np.random.default_rng(0)
    truth = np.arange(400) % 2
    labels, _ = flip_some(truth, rng)
    good = {"yolo": said(truth, rng, 2.5), "vit": said(truth, rng, 2.0)}
    worse = 1 - said(truth, rng, 0.5)
    found = doubts_of(labels, good | {"efficientnetv2": worse})
    assert found.skill["efficientnetv2"] == 0
    assert set(found.contradicting) == {"yolo", "vit"}
    np.testing.assert_array_equal(found.suspects, doubts_of(labels, good).suspects)


def test_thresholds_and_margins_by_hand():
    labels, p = np.array([0, 0, 0, 1, 1]), np.array([0.1, 0.2, 0.9, 0.8, 0.35])
    # Class 0: the mean of 0.9, 0.8 and 0.1; class 1: of 0.8 and 0.35.
    np.testing.assert_allclose(thresholds(labels, p), [0.6, 0.575])
    # (0.1 - 0.575) - (0.9 - 0.6), and so on, halved.
    np.testing.assert_allclose(margin(labels, p), [-0.3875, -0.2875, 0.4125, -0.3125, 0.1375])
    found = doubts_of(labels, {"yolo": p, "vit": p})
    assert found.suspects.tolist() == [2, 4]
    assert found.branches.tolist() == [0, 0, 2, 0, 2]
    np.testing.assert_allclose(found.suspicion, margin(labels, p))


def test_a_branch_that_is_always_unsure_is_measured_by_what_is_usual_for_it():
    """P(roadwork) is 0.3 at most: a photo of no roadwork with 0.28 is a suspect although it is far below 0.5."""
    labels = np.array([0] * 6 + [1] * 4)
    p = np.array([0.02, 0.03, 0.01, 0.02, 0.04, 0.28, 0.27, 0.3, 0.25, 0.22])
    assert doubts_of(labels, {"yolo": p, "vit": p}).suspicion.argmax() == 5


def test_answers_that_tell_nothing_are_refused():
    with pytest.raises(RequestError, match="one class alone"):
        doubts_of(np.zeros(4, int), {"yolo": np.full(4, 0.5)})
    with pytest.raises(RequestError, match="no branch tells the classes apart"):
        doubts_of(np.array([0, 1, 0, 1]), {"yolo": np.full(4, 0.5)})


@pytest.fixture(scope="module")
def flipped_run(tmp_path_factory):
    """Scenes of which two training photos lie in the wrong folder, and a run whose branches know better."""
    folder = tmp_path_factory.mktemp("flipped")
    root, run = folder / "scenes", folder / "run"
    write_dataset(root, {"train": 40, "val": 4, "test": 4}, seed=5)
    wrong = []
    for sample in [scan(root, ("train",))[number] for number in (7, 31)]:
        target = root / "train" / CLASS_NAMES[1 - sample.label] / f"wrong_{sample.path.name}"
        sample.path.rename(target)
        wrong.append(target.relative_to(root).as_posix())
    samples = scan(root, ("train",))
    labels = np.array([sample.label for sample in samples])
    truth = np.array([1 - s.label if s.sample_id in wrong else s.label for s in samples])
    rng = np.random.default_rng(1)
    answers = {name: np.stack([said(truth, rng, 3)] * 2, axis=1) for name in ("yolo", "vit", "efficientnetv2")}
    digests = [file_sha256(sample.path) for sample in samples]
    kept = FoldAnswers([s.sample_id for s in samples], digests, labels, np.arange(40) % 3 + 1, answers)
    run.mkdir()
    write_fold_answers(run, kept, ["a", "b", "c"])
    (run / "config.yaml").write_text(json.dumps({"data": {"root": str(root)}}))
    return root, run, wrong


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_and_the_page_tell_the_worst_first_and_nothing_is_changed(flipped_run, tmp_path):
    root, run, wrong = flipped_run
    before = {path: file_sha256(path) for path in root.rglob("*.jpg")}
    done = CliRunner().invoke(main, ["data", "suspects", str(run), "--out", str(tmp_path), "--most", "1"])
    assert done.exit_code == 0, done.output
    rows = rows_of(tmp_path / "suspects.csv")
    assert {row["sample_id"] for row in rows[:2]} == set(wrong)
    assert [float(row["suspicion"]) for row in rows] == sorted((float(row["suspicion"]) for row in rows), reverse=True)
    assert all(row["decision"] == "" and row["label"] != row["suggested"] for row in rows)
    assert f"{len(rows)} of 40 training photos" in done.output
    page = (tmp_path / "suspects.html").read_text()
    assert page.count("data:image/jpeg") == 1
    assert "http://" not in page.replace("http://www.w3.org", "") and 'src="http' not in page
    assert {path: file_sha256(path) for path in root.rglob("*.jpg")} == before


def test_a_photo_that_is_another_one_now_is_listed_without_its_picture(flipped_run, tmp_path):
    _, run, wrong = flipped_run
    find_suspects(run, tmp_path, data=tmp_path / "elsewhere")
    page = (tmp_path / "suspects.html").read_text()
    assert "data:image/jpeg" not in page
    assert wrong[0].split("/")[-1] in page


def test_decisions_go_back_into_the_split(flipped_run, tmp_path):
    root, run, wrong = flipped_run
    find_suspects(run, tmp_path)
    table = tmp_path / "suspects.csv"
    rows = rows_of(table)
    for row in rows:
        row["decision"] = {wrong[0]: "flip", wrong[1]: "drop"}.get(row["sample_id"], "")
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(RequestError, match=r"holds 2 decision\(s\)"):
        find_suspects(run, tmp_path)
    summary = split_dataset(root, tmp_path / "new", val=0.2, test=0.2, labels=table)
    assert any("1 labels flipped, 1 photos dropped, 0 kept" in note for note in summary.notes)
    there = {file_sha256(sample.path): sample.label for sample in scan(tmp_path / "new")}
    assert len(there) == 47
    assert there[file_sha256(root / wrong[0])] == 1 - CLASS_NAMES.index(wrong[0].split("/")[1])
    assert file_sha256(root / wrong[1]) not in there
    with pytest.raises(RequestError, match="not in SRC"):  # the dropped one is gone, and the other has its new label
        split_dataset(tmp_path / "new", tmp_path / "third", labels=table)


def test_a_run_without_answers_or_with_altered_ones_is_refused(flipped_run, tmp_path):
    with pytest.raises(RequestError, match=r"no answers out of fold(.|\n)*fusion\.fit_on=all"):
        find_suspects(tmp_path)
    _, run, _ = flipped_run
    for name in ("out_of_fold.csv", "out_of_fold.json"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    kept = read_fold_answers(tmp_path)
    assert kept.answers["vit"].shape == (40, 2)
    (tmp_path / "out_of_fold.csv").write_text((run / "out_of_fold.csv").read_text().replace(",1,", ",0,", 1))
    with pytest.raises(RequestError, match="not those that fit wrote"):
        find_suspects(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sample_id;image_sha256;label;decision\na.jpg;00;roadwork;flip\n", r"holds 1 decision\(s\)"),
        ("sample_id,image_sha256,label,decision;\na.jpg,00,roadwork,;flip\n", "no table without decisions"),
        ("my own notes\n", "no table without decisions"),
    ],
    ids=["semicolons", "two separators", "no table"],
)
def test_what_may_hold_decisions_is_not_overwritten(flipped_run, tmp_path, text, said):
    table = tmp_path / "suspects.csv"
    table.write_text(text)
    with pytest.raises(RequestError, match=said):
        find_suspects(flipped_run[1], tmp_path)
    assert table.read_text() == text


def test_a_table_without_decisions_is_replaced(flipped_run, tmp_path):
    find_suspects(flipped_run[1], tmp_path)
    first = (tmp_path / "suspects.csv").read_text()
    (tmp_path / "suspects.csv").write_text(first.replace(",", ";"))
    find_suspects(flipped_run[1], tmp_path)
    assert (tmp_path / "suspects.csv").read_text() == first

"""The benchmark against the usual stack: its arithmetic, its files and its processes."""

import csv
import importlib.util
import json
import sys
import time
from pathlib import Path

import filelock
import numpy as np
import psutil
import pytest
from click.testing import CliRunner

from kerasfusion.config import load_config
from kerasfusion.errors import RequestError
from kerasfusion.images.decoding import read_image
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.data.dataset import scan

pytestmark = pytest.mark.commands

TOOLS = Path(__file__).resolve().parents[2] / "tools"
sys.path.append(str(TOOLS))  # last: test.py lies there, too

from bench_peers import answering, cascade, cascade_file, material, processes, rows, training  # noqa: E402  they lie beside the tools

ECHO = """
from bench_peers.channel import open_replies, serve
replies = open_replies()
print("a library's note")
def fail(): raise ValueError("no such photo")
def die(): print("the last words"); __import__("os")._exit(3)
serve(replies, {"double": lambda number: 2 * number, "fail": fail, "die": die})
"""
"""A worker."""
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""
"""A process that starts another one and says which."""


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("bench_peers_script", TOOLS / "bench_peers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("compare", "bound", "ours", "peer", "ratio", "reached"),
    [
        ("times", 2.5, 100.0, 300.0, 3.0, True),
        ("times", 2.5, 150.0, 300.0, 2.0, False),
        ("rate", 5.0, 60.0, 12.0, 5.0, True),
        ("rate", 5.0, 48.0, 12.0, 4.0, False),
        ("share", 0.75, 1500.0, 2000.0, 0.75, True),
        ("share", 0.75, 1600.0, 2000.0, 0.8, False),
        ("value", 0.3, 0.2, None, None, True),
        ("value", 0.3, 0.4, None, None, False),
        ("times", None, 100.0, 300.0, 3.0, None),
    ],
)
def test_a_row_compares(compare, bound, ours, peer, ratio, reached):
    row = rows.Row("what", "form", "ms", ours, peer, rows.Asked(compare, bound))
    assert (row.ratio, row.reached) == (ratio, reached)


def test_what_was_not_measured_or_answers_differently_is_not_reached():
    asked = rows.Asked("times", 2)
    assert rows.Row("what", "", "ms", None, 300.0, asked).reached is False
    assert rows.Row("what", "", "ms", 100.0, 300.0, asked, allowed=False).reached is False
    assert rows.Row("floor", "", "ms", 100.0).reached is None


def test_the_csv_file_grows_by_runs_and_reads_back(tmp_path):
    path, facts = tmp_path / "new" / "bench.csv", {"date": "today", "machine": "Intel, two cores"}
    rows.append_csv(path, facts, [rows.Row("start", ".keras", "s", 4.0, 10.0, rows.Asked("times", 2), note="a, b")])
    rows.append_csv(path, facts, [rows.Row("start", "export", "s", None, 10.0, rows.Asked("times", 2))])
    with path.open(newline="") as file:
        first, second = csv.DictReader(file)
    assert list(first) == ["date", "machine", *rows.FIELDS]
    assert first["machine"] == "Intel, two cores" and first["note"] == "a, b"
    assert [float(first[name]) for name in ("ours", "peer", "ratio")] == [4.0, 10.0, 2.5]
    assert (first["asked"], first["reached"]) == (">= 2", "yes")
    assert (second["ours"], second["ratio"], second["reached"]) == ("", "", "no")


def test_a_csv_file_with_other_columns_is_left_alone(tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("date,price\ntoday,3\n")
    with pytest.raises(RequestError, match="other columns"):
        rows.append_csv(path, {"date": "today"}, [])
    assert path.read_text() == "date,price\ntoday,3\n"


def answers(**p):
    """Made-up answers; each side takes as many seconds as its name is long."""
    p = {name.replace("_", " "): np.array(values) for name, values in p.items()}
    sides = {{"keras": answering.KERAS}.get(name, name): values for name, values in p.items()}
    seconds = {side: np.full(len(values), len(side), float) for side, values in sides.items()}
    return answering.Answers(sides, seconds, dict.fromkeys(sides, 1.0), {})


def test_the_fastest_export_is_the_quickest_of_the_near_ones():
    found = answers(peer=[0.2, 0.9], keras=[0.2, 0.9], int8=[0.22, 0.9], bfloat16=[0.205, 0.9], float32_slow=[0.2, 0.9])
    assert found.fastest_export() == "bfloat16"
    keras, int8, bfloat16, _ = answering.answer_rows(found, "")
    assert (keras.ours, keras.peer) == (14000.0, 4000.0)
    assert "2 of 2 decisions identical" in keras.note
    assert "2.0e-02" in int8.note and int8.reached is None
    assert bfloat16.form == "bfloat16 (fastest)" and bfloat16.asked.bound == 4


def test_another_decision_is_not_reached_however_fast():
    found = answers(peer_which_takes_long_for_every_photo_that_it_answers=[0.49, 0.9], keras=[0.51, 0.9])
    peer = next(iter(found.p))
    found.p[answering.PEER], found.seconds[answering.PEER] = found.p.pop(peer), found.seconds.pop(peer)
    keras, missing = answering.answer_rows(found, "openvino is not installed")
    assert keras.ratio > 2.2 and keras.reached is False and "1 of 2" in keras.note
    assert missing.ours is None and missing.reached is False and missing.note == "openvino is not installed"


def cascade_answers(skips: int, sides=(answering.KERAS, cascade.INT8)):
    """Ten photos; ours takes 10 ms for one that skips and 100 ms for another, the peer 500 ms."""
    skipped = np.arange(10) < skips
    seconds = {answering.PEER: np.full(10, 0.5)} | {side: np.where(skipped, 0.01, 0.1) for side in sides}
    p = {side: np.full(10, 0.5) for side in seconds}
    return answering.Answers(p, seconds, {}, {}, {side: skipped & (side != answering.PEER) for side in seconds})


def test_a_cascade_is_measured_by_its_mean_and_by_those_that_skip():
    keras, int8, skipping = cascade.cascade_rows(cascade_answers(8), "")
    assert keras.ours == pytest.approx(28.0)  # 8 x 10 and 2 x 100 ms
    assert (keras.peer, keras.reached, int8.reached) == (pytest.approx(500.0), True, False)
    assert "8 of 10 photos skip the ViT" in keras.note
    assert (skipping.ours, skipping.reached) == (pytest.approx(10.0), True)
    assert cascade.cascade_rows(cascade_answers(0), "")[2].note == "no photo skips"
    keras, int8, skipping = cascade.cascade_rows(cascade_answers(8, (answering.KERAS,)), "openvino is not installed")
    assert keras.reached and int8.ours is None and skipping.ours is None
    assert int8.note == skipping.note == "openvino is not installed"


@pytest.mark.parametrize("count", [5, 30, 200])
def test_a_window_is_made_that_skips_four_of_five(count):
    seen = np.random.default_rng(count).normal([1.0, -3.0], [0.2, 5.0], (count, 2))
    fitted, half_width = cascade_file.spread(seen, cascade.SHARE)
    p = fitted.answer(seen)
    low, high = 1 / (1 + np.exp(half_width)), 1 / (1 + np.exp(-half_width))
    assert ((p <= low) | (p >= high)).sum() == count * 4 // 5
    assert 0 < (p > 0.5).mean() < 1


def test_sides_take_turns(tmp_path, monkeypatch):
    monkeypatch.setattr(answering, "PAUSE", 0)
    code = """
from bench_peers.channel import open_replies, serve
replies = open_replies()
def answer(photo):
    with open({log!r}, "a") as log: log.write({side!r} + photo)
    return {{"p": {p}, "seconds": 1.0, "stages": {{"vit": 0.5}}}}
serve(replies, {{"answer": answer, "memory": lambda: 7.0}})
"""

    def start(side, p):
        text = code.format(log=str(tmp_path / "order"), side=side, p=p)
        return lambda: processes.Worker(["-c", text], tmp_path, side)

    found = answering.ask_in_turn({answering.PEER: start("P", 0.25), answering.KERAS: start("K", 0.5)}, ["1", "2"])
    assert (tmp_path / "order").read_text() == "P1P2K1K2" + "P1K1P2K2"
    assert found.p[answering.PEER].tolist() == [0.25, 0.25] and found.memory[answering.KERAS] == 7.0
    assert found.stages["vit"].tolist() == [0.5, 0.5]


def test_a_worker_answers_though_its_libraries_print(tmp_path):
    with processes.Worker(["-c", ECHO], tmp_path, "echo") as worker:
        assert [worker.ask("double", number=number) for number in (2, 3)] == [4, 6]
        with pytest.raises(processes.ProcessFailed, match="no such photo"):
            worker.ask("fail")
        assert worker.ask("double", number=4) == 8
        with pytest.raises(processes.ProcessFailed, match=r"exit code 3(.|\n)*a library's note\n  the last words"):
            worker.ask("die")
    assert worker.process.returncode == 3


def test_a_command_that_fails_is_an_error_with_its_last_lines(tmp_path):
    with pytest.raises(processes.ProcessFailed, match=r"fit: exit code 2\n  no cache here"):
        processes.run(["-c", "import sys; print('no cache here', file=sys.stderr); sys.exit(2)"], tmp_path, "fit")


def has_ended(process):
    try:
        return process.status() == psutil.STATUS_ZOMBIE  # an orphan that nobody has asked about yet
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize(("reason", "suspended"), [(KeyboardInterrupt, True), (processes.ProcessFailed, False)])
def test_no_process_outlives_an_error(tmp_path, reason, suspended):
    with pytest.raises(reason), processes.Child(["-c", PARENT], tmp_path, "parent") as child:
        family = [psutil.Process(child.process.pid), psutil.Process(int(next(child.lines())))]
        if suspended:
            child.suspend()
        raise reason
    assert all(has_ended(process) for process in family)


def test_a_timed_process_stands_still_while_the_other_side_works(tmp_path):
    beats = tmp_path / "beats"
    beats.touch()
    code = f"""
import time
for mark in range(3):
    print("Epoch", flush=True)
    for _ in range(20):
        with open({str(beats)!r}, "a") as file: file.write(".")
        time.sleep(0.005)
"""
    seen = []

    def between():
        before = beats.stat().st_size
        time.sleep(0.1)
        seen.append((before, beats.stat().st_size))

    with processes.Child(["-c", code], tmp_path, "fit") as child:
        seconds = processes.time_stretches(child, child.lines(), between)
    assert len(seconds) == 2 and len(seen) == 3
    assert all(after == before for before, after in seen)
    assert beats.stat().st_size == 60


def test_precompute_is_read_from_its_shards(tmp_path):
    code = """
import pathlib, sys, time
folder = pathlib.Path(sys.argv[1], "shards")
folder.mkdir()
for number in range(3):
    time.sleep(0.1)
    (folder / f"train-{number}.tfrecord").touch()
time.sleep(0.1)
"""
    with processes.Child(["-c", code, tmp_path], tmp_path, "precompute") as child:
        assert list(training._shards(child, tmp_path)) == [1, 2, 3]


@pytest.mark.parametrize(("count", "splits"), [(192, (128, 32, 32)), (48, (16, 16, 16)), (200, (128, 32, 32))])
def test_splits_are_whole_shards(count, splits):
    assert tuple(material.split_counts(count).values()) == splits


def test_the_generated_photos_and_settings_are_what_kerasfusion_reads(tmp_path, monkeypatch):
    monkeypatch.setattr(material, "SIZE", (64, 36))
    monkeypatch.setattr(material, "run", lambda arguments, *_: (tmp_path / "yolo" / "best.pt").parent.mkdir())
    place = material.Material(tmp_path)
    material.draw(place, 48, lambda line: None)
    config = load_config(RoadworkConfig, place.config)
    samples = scan(config.data.root)
    assert [sum(s.split == split for s in samples) for split in ("train", "val", "test")] == [16, 16, 16]
    assert sum(sample.label for sample in samples) == 24
    assert config.run_folder == place.fusion.parent and config.cache.folder == place.cache


def test_copies_of_a_photo_are_other_files_with_the_same_pixels(tmp_path):
    material.draw_scenes(tmp_path, {"train": 2})
    photos = sorted(tmp_path.rglob("*.jpg"))
    material.copy_photos(photos, tmp_path / "copies", 5)
    copies = sorted((tmp_path / "copies").rglob("*.jpg"), key=lambda path: path.name)
    assert [path.parent.name for path in copies] == ["no_roadwork", "roadwork"] * 2 + ["no_roadwork"]
    first, third = (read_image(path) for path in (copies[0], copies[2]))
    assert first[1] != third[1]  # the digests
    np.testing.assert_array_equal(first[0], third[0])


def test_the_model_is_made_again_by_another_version_and_the_photos_stay(tmp_path, monkeypatch):
    place, done = material.Material(tmp_path), []
    kept, export = tmp_path / "scenes" / "photo.jpg", tmp_path / "exports" / "fusion-int8.xml"

    def fake_run(arguments, *_):
        done.append(arguments[2])
        if "fit" in arguments:
            place.fusion.parent.mkdir(parents=True)
            place.fusion.touch()

    monkeypatch.setattr(material, "run", fake_run)
    for file in (kept, export):
        file.parent.mkdir()
    for version, expected in (("1", ["precompute", "fit"]), ("1", []), ("2", ["precompute", "fit"])):
        monkeypatch.setattr(material, "source_digest", lambda version=version: version)
        kept.touch()
        done.clear()
        material.fit_once(place, lambda line: None)
        assert done == expected and kept.exists()
    assert not export.parent.exists()


def test_the_script_stores_and_prints(tmp_path, script, monkeypatch):
    row = rows.Row("fit", "augmentation none", "photos/s", 480.0, 12.0, rows.Asked("rate", 40))
    asked = []
    monkeypatch.setattr(script.Comparison, "measure", lambda self, groups: asked.append(groups) or [row])
    arguments = ["--work", str(tmp_path), "--rows", "fit, help"]
    text = CliRunner().invoke(script.main, arguments)
    assert text.exit_code == 0 and asked == [("fit", "help")]
    assert "480" in text.output and "40" in text.output and "yes" in text.output
    result = CliRunner().invoke(script.main, [*arguments, "--json"])
    assert json.loads(result.stdout)["rows"][0]["ratio"] == 40.0
    with (tmp_path / "bench_peers.csv").open(newline="") as file:
        assert [line["row"] for line in csv.DictReader(file)] == ["fit", "fit"]


def test_the_script_explains_what_went_wrong(tmp_path, script, monkeypatch):
    def fail(self, groups):
        raise processes.ProcessFailed("peer: exit code 1")

    monkeypatch.setattr(script.Comparison, "measure", fail)
    result = CliRunner().invoke(script.main, ["--work", str(tmp_path)])
    assert result.exit_code == 1 and "peer: exit code 1" in result.stderr
    with filelock.FileLock(tmp_path / ".lock"):
        result = CliRunner().invoke(script.main, ["--work", str(tmp_path)])
    assert result.exit_code == 2 and "another run" in result.stderr
    for wrong in (["--rows", "answer,speed"], ["--photos", "20"]):
        assert CliRunner().invoke(script.main, wrong).exit_code == 2

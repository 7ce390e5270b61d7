"""A rehearsal from photos to rehearsal.json, by whoever answers."""

import json
import threading
from dataclasses import asdict, replace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from kerasfusion.cli.main import main
from kerasfusion.cli.miner.rehearse import rehearse as command
from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.roadwork.challenge.kinds import LAYOUTS, MIX
from kerasfusion.roadwork.evaluate.rehearsal import keep_rehearsal, read_rehearsals
from kerasfusion.roadwork.evaluate.rehearsal_figure import reward_in_turn
from kerasfusion.roadwork.miner.plugin.install import InstallRequest, install
from kerasfusion.roadwork.miner.rehearse import job
from kerasfusion.roadwork.miner.rehearse.asking import Reply
from kerasfusion.roadwork.miner.rehearse.job import Request, choose_photos, rehearse
from kerasfusion.roadwork.miner.rehearse.pool import Drawing, Pool
from tests.roadwork.miner.miner_tree import write_tree
from tests.roadwork.miner.rehearse.material import ToldService, write_photos
from tests.roadwork.report.material import rehearsed
from tests.roadwork.service.material import write_model

pytestmark = pytest.mark.commands


@pytest.fixture
def photos(tmp_path):
    return write_photos(tmp_path / "photos" / "test")


@pytest.fixture
def model(tmp_path):
    """The ViT says the photo's brightness, which is right; the fusion half of it, which is never roadwork."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("name: run\n")
    return write_model(tmp_path / "run" / "fusion.onnx", slope=0.5)


def quiet(line):
    """Nobody waits."""


def test_who_is_always_right_earns_all_and_who_sees_no_roadwork_an_eighth_of_his_luck(photos, model):
    said = []
    found = rehearse(Request(photos, model, layout="plain", challenges=300, repeats=5), said.append)
    assert (found.outputs["vit"].reward, found.outputs["vit"].accuracy) == pytest.approx((1, 1))
    assert found.outputs["fusion"].mcc == 0
    # (accuracy of ten tosses / 2)^3: the third moment of a binomial of 10 and 1/2 is 160, so 0.16 / 8 on the average.
    assert found.outputs["fusion"].reward == pytest.approx(160 / 1000 / 8, abs=0.005)
    assert found.gain == pytest.approx(found.outputs["fusion"].reward - 1)
    assert found.gain_over_repeats[0] <= found.gain <= found.gain_over_repeats[1]
    assert (found.asked, found.challenges, found.lost) == (8, 300, {})  # eight photos, each asked once
    assert (found.source, found.model_sha256) == ("fusion.onnx", file_sha256(model))
    assert found.photos == {"no_roadwork": 4, "roadwork": 4}
    assert 0 < found.waited.p50_ms <= found.waited.p95_ms
    assert said[0].startswith("300 challenges, made and asked one after the other, ")
    assert "about" in said[0]
    assert read_rehearsals(model.parent) == {"fusion.onnx": found}
    with Image.open(model.parent / "figures" / "rehearsal.png") as figure:
        assert figure.width > 1000


def test_a_rehearsal_can_be_made_again_and_another_seed_gives_another(photos, model, tmp_path):
    request = Request(photos, model, layout="plain", challenges=100, repeats=3, out=tmp_path / "out")
    first, second = (replace(rehearse(request, quiet), waited=None) for _ in range(2))
    assert first == second
    assert replace(rehearse(replace(request, seed=1), quiet), waited=None, seed=42) != first
    assert not (model.parent / "rehearsal.json").exists()  # kept where it was asked for


def drawn(photos, layout, count, seed=0):
    return list(Drawing(choose_photos(photos), layout, seed, quiet).draw(count))


def test_challenges_are_half_roadwork_and_the_same_ones_on_every_machine(photos):
    first, again = (drawn(photos, "mix", 60) for _ in range(2))
    assert [each.label for each in first] == [0, 1] * 30
    assert [each.jpeg() for each in first[:20]] == [each.jpeg() for each in again[:20]]
    assert len({each.identity for each in first}) > 8
    layouts = {str(each.identity[2]).partition("-")[0] for each in first}
    assert layouts == set(LAYOUTS)
    assert {str(each.identity[2])[:4] for each in drawn(photos, "crop", 30)} == {"crop"}


def test_a_challenge_without_chance_is_asked_once_and_counts_as_often_as_it_was_drawn(photos):
    pool, asked = Pool(), []

    def ask(jpeg):
        asked.append(jpeg)
        return Reply({"fusion": 0.5}, 0.1)

    challenges = drawn(photos, "letterbox", 120)
    for challenge in challenges:
        pool.add(challenge, ask)
    assert len(pool.replies) == len(pool.labels) == 120
    fixed = [each for each in challenges if each.identity[2].level == 0]
    assert len({each.identity for each in fixed}) == 8  # the framed photo itself, of each
    assert len(fixed) > 16
    assert len(asked) == len(pool.asked) == 120 - len(fixed) + 8


def test_a_photo_that_cannot_be_read_is_left_out_and_told_once(photos, model):
    (photos / "roadwork" / "0.png").write_bytes(b"no picture")
    said = []
    found = rehearse(Request(photos, model, layout="plain", challenges=100, repeats=2), said.append)
    (told,) = [line for line in said if line.startswith("unreadable")]
    assert told.startswith("unreadable, left out: test/roadwork/0.png: ")
    assert found.asked == 7


@pytest.mark.parametrize("size", [(100, 2), (2, 100), (1, 1)])
def test_of_the_longest_strip_that_can_be_read_and_the_smallest_photo_every_challenge_can_be_made(photos, size):
    for path in photos.rglob("*.png"):
        path.unlink()
    for name in ("no_roadwork", "roadwork"):
        Image.new("RGB", size, (90, 90, 90)).save(photos / name / "strip.png")
    sizes = set()
    for challenge in drawn(photos, "mix", 40):
        (photos.parent / "one.jpg").write_bytes(challenge.jpeg())
        with Image.open(photos.parent / "one.jpg") as image:
            sizes.add(image.size)
    assert sizes == {size, (224, 224)}


def test_a_service_that_answers_badly_is_counted_and_paid_as_the_validators_would(photos, tmp_path):
    told = [("hang up",), 0.5, 0.5, ("status", 503), b"?", 2.0, ("hang up",), float("nan"), ("status", 503), 0.1]
    with ToldService(*told) as service:
        request = Request(photos, service_url=service.url, layout="plain", challenges=100, repeats=4, out=tmp_path)
        found = rehearse(request, quiet)
        assert len(service.asked) == 9  # the eight photos, and the first one to see that somebody is there
    assert found.lost == {
        "refused (503)": 2,
        "of a wrong type": 1,
        "outside 0..1": 2,
        "without an answer": 1,
    }
    assert list(found.outputs) == ["fusion"]
    assert (found.gain, found.model_sha256, found.source) == (None, None, service.url)
    assert found.outputs["fusion"].reward < 0.1
    assert read_rehearsals(tmp_path)[service.url] == found


def test_a_service_that_is_always_late_is_rehearsed_to_its_end(photos, monkeypatch):
    monkeypatch.setattr(job, "VALIDATOR_TIMEOUT_MS", 30.0)
    with ToldService(("wait", 0.2)) as service:
        found = rehearse(Request(photos, service_url=service.url, layout="plain", challenges=100, repeats=2), quiet)
    assert found.lost == {"late": 8}
    assert found.waited is None
    assert found.outputs["fusion"].reward == 0
    assert found.outputs["fusion"].accuracy == 0


def test_nobody_at_the_address_is_an_error_at_once(photos):
    with ToldService(0.5) as service:
        pass
    done = call("--service", service.url, "--data", photos, code=1)
    assert done.startswith("error: no answer from the service: ")
    assert f"\n  where: {service.url}/v1/detect\n" in done
    assert "kerasfusion miner serve MODEL" in done
    assert "Traceback" not in done


def test_a_service_must_answer_with_the_file_that_is_named(photos, model):
    def answer(digest):
        return json.dumps({"p_roadwork": 0.1, "branches": {"vit": 0.9}, "model_sha256": digest}).encode()

    request = Request(photos, model, layout="plain", challenges=100, repeats=2)
    with ToldService(answer(file_sha256(model))) as service:
        found = rehearse(replace(request, service_url=service.url), quiet)
        assert (found.source, found.model_sha256) == (service.url, file_sha256(model))
        assert set(found.outputs) == {"fusion", "vit"}
        assert list(read_rehearsals(model.parent)) == [service.url]
    for digest, wrong in (("0" * 64, "another file than"), (None, "does not say which file")):
        with ToldService(answer(digest)) as service, pytest.raises(RequestError, match=wrong):
            rehearse(replace(request, service_url=service.url), quiet)
    with ToldService(answer("0" * 64)) as service:
        assert rehearse(replace(request, model=None, service_url=service.url), quiet).model_sha256 == "0" * 64


def test_what_miner_env_starts_is_rehearsed(photos, model, tmp_path):
    tree = write_tree(tmp_path / "tree", "base_miner")
    install(InstallRequest(tree, model, write_env=True))
    asked = Request(photos, env=tree / "miner.env", layout="plain", challenges=100, repeats=2)
    found = rehearse(asked, quiet)
    assert (found.source, found.model_sha256) == ("fusion.onnx", file_sha256(model))
    assert found.outputs["vit"].reward == pytest.approx(1)
    with ToldService(0.9) as service:
        install(InstallRequest(tree, None, service_url=service.url, write_env=True))
        found = rehearse(asked, quiet)
        assert (found.source, list(found.outputs)) == (service.url, ["fusion"])


def call(*arguments, code=0):
    done = CliRunner().invoke(main, ["miner", "rehearse", *map(str, arguments)])
    assert done.exit_code == code, done.output
    return done.output if code else done.stdout


def test_the_command_prints_a_table_or_json(photos, model):
    arguments = [model, "--data", photos.parent, "--challenges", 100, "--repeats", 2, "--layout", "plain"]
    text = call(*arguments)
    assert text.startswith("2 rehearsals of 100 challenges, layout plain: means from the hundredth answer on\n")
    columns = text.splitlines()[1].split()
    assert columns == ["output", "reward", "over", "repeats", "mcc", "accuracy", "p50_ms", "p95_ms", "lost"]
    assert [line.split()[0] for line in text.splitlines()[3:5]] == ["fusion", "vit"]
    assert "fusion less default ViT: reward -0." in text
    assert "8 challenges of the layout plain were made of 8 photos and asked once each" in text
    said = json.loads(call(*arguments, "--json"))
    (kept,) = read_rehearsals(model.parent).values()
    assert said == json.loads(json.dumps(asdict(kept)))


def test_requests_that_make_no_sense_are_one_sentence_and_exit_2(photos, model, tmp_path):
    one_class = write_photos(tmp_path / "one" / "test", dark=3, bright=0)
    (tmp_path / "empty" / "roadwork").mkdir(parents=True)
    broken = write_photos(tmp_path / "broken" / "test")
    for path in broken.glob("roadwork/*.png"):
        path.write_bytes(b"no picture")
    for arguments, message in (
        ([model, "--data", one_class], "there is no photo of the class roadwork"),
        ([model, "--data", tmp_path / "empty"], "no photos in empty/"),
        ([model, "--data", tmp_path / "gone"], "there are no photos to make challenges of"),
        ([model, "--data", tmp_path / "run"], "there are no photos to make challenges of"),
        ([model, "--data", broken], "no photo of the class roadwork can be read"),
        ([model, "--data", photos, "--challenges", 99], "99 is not in the range x>=100"),
        ([model, "--data", photos, "--repeats", 1], "1 is not in the range x>=2"),
        ([model, "--data", photos, "--layout", "square"], "'square' is not one of 'crop'"),
        ([tmp_path / "gone.keras", "--data", photos], "does not exist"),
        (["--data", photos], "either MODEL, --service or --from-env"),
        ([model, "--data", photos, "--from-env", tmp_path / "miner.env"], "one of MODEL, --service and --from-env"),
        (["--service", "here", "--data", photos], "service_url"),
        (["--service", "http://x", "--device", "cpu", "--data", photos], "--device is for MODEL"),
        (["--from-env", tmp_path / "miner.env", "--data", photos], "cannot read the miner's settings"),
        ([model, "--data", photos, "--out", model], "this is a file"),
    ):
        output = call(*arguments, code=2)
        assert message in output
        assert "Traceback" not in output
    assert not (model.parent / "rehearsal.json").exists()


def test_the_layouts_are_those_of_the_challenges():
    (option,) = (each for each in command.params if each.name == "layout")
    assert set(option.type.choices) == {*LAYOUTS, MIX}


def test_several_rehearsals_are_kept_apart_and_a_damaged_file_is_named(tmp_path):
    keep_rehearsal(tmp_path, rehearsed())
    keep_rehearsal(tmp_path, rehearsed("http://127.0.0.1:8100", waited=None, lost={}))
    keep_rehearsal(tmp_path, rehearsed(challenges=300))
    kept = read_rehearsals(tmp_path)
    assert list(kept) == ["fusion.keras", "http://127.0.0.1:8100"]
    assert kept["fusion.keras"] == rehearsed(challenges=300)
    assert read_rehearsals(tmp_path / "elsewhere") == {}
    said = json.loads((tmp_path / "rehearsal.json").read_text())
    said["fusion.keras"]["outputs"]["fusion"]["reward"] = 1.5
    del said["fusion.keras"]["lost"]
    (tmp_path / "rehearsal.json").write_text(json.dumps(said))
    with pytest.raises(KerasFusionError, match=r"outputs\.fusion\.reward(.|\n)*\.lost(.|\n)*miner rehearse"):
        read_rehearsals(tmp_path)


def test_the_figure_has_a_line_and_a_band_for_each_output_and_names_both():
    found = rehearsed()
    figure = reward_in_turn(found)
    (ax,) = figure.axes
    lines = {line.get_color(): (list(line.get_xdata()), list(line.get_ydata())) for line in ax.get_lines()}
    assert len(lines) == 2
    for earned in found.outputs.values():
        assert (earned.curve.answers, earned.curve.mean) in lines.values()
    tops = [band.get_paths()[0].vertices[:, 1].max() for band in ax.collections]
    assert np.allclose(sorted(tops), sorted(max(earned.curve.high) for earned in found.outputs.values()))
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == [
        "fusion: mean 0.800, from repeat to repeat 0.750 to 0.850",
        "ViT: mean 0.500, from repeat to repeat 0.450 to 0.550",
    ]
    assert "20 rehearsals of 200 challenges (all layouts)" in ax.get_title()
    narrow = reward_in_turn(found, width=4.0)
    assert narrow.get_figwidth() == 4.0
    assert len(narrow.axes[0].get_title()) < 40


def test_no_thread_of_a_rehearsal_stays_where_all_was_answered(photos):
    before = threading.active_count()
    with ToldService(0.5) as service:
        rehearse(Request(photos, service_url=service.url, layout="plain", challenges=100, repeats=2), quiet)
    assert threading.active_count() <= before + 1

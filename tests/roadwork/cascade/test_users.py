"""Whoever asks the detector skips the ViT photo by photo too: benchmark, the service, the plug-in and the rehearsal."""

import io
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from kerasfusion.errors import RequestError
from kerasfusion.roadwork.evaluate.rehearsal import read_rehearsals
from kerasfusion.roadwork.miner.plugin.in_process import open_for_miner
from kerasfusion.roadwork.miner.plugin.install import InstallRequest, install
from kerasfusion.roadwork.miner.rehearse.asking import ask_detector
from kerasfusion.roadwork.service.answering import answer_batch
from tests.roadwork.cascade.material import SIZE, SURE, UNSURE, run
from tests.roadwork.miner.miner_tree import write_tree
from tests.roadwork.service.material import RunningService

pytestmark = pytest.mark.commands


def grey(value: float) -> bytes:
    data = io.BytesIO()
    Image.fromarray(np.full((SIZE, SIZE, 3), round(255 * value), np.uint8)).save(data, "PNG")
    return data.getvalue()


def test_benchmark_says_which_stage_it_timed(done, tmp_path):
    for value, stage in ((SURE, "first"), (UNSURE, "full")):
        (tmp_path / "photo.png").write_bytes(grey(value))
        timed = ("benchmark", done[0], "--image", tmp_path / "photo.png", "--runs", "2", "--warmup", "1")
        assert json.loads(run(*timed, "--json").stdout)["answered_by"] == stage
        assert f"answered by the stage {stage}" in run(*timed).stdout
        assert "answered_by" not in json.loads(run(*timed, "--full", "--json").stdout)


@pytest.mark.services
def test_the_service_answers_and_counts_by_stage(done, detector):
    service = RunningService(model=done[0])
    try:
        for value, stage in ((0.1, "first"), (UNSURE, "full"), (SURE, "first")):
            said = service.detect(grey(value)).json()
            assert said["stage"] == stage
            assert set(said["branches"]) == {"yolo", "efficientnetv2", *(["vit"] if stage == "full" else [])}
            assert said["p_roadwork"] == pytest.approx(detector.detect(grey(value)).p_roadwork, abs=1e-5)
        assert service.metric('answers_total{stage="first"}') == 2
        assert service.metric('answers_total{stage="full"}') == 1
    finally:
        assert service.stop() == 0


def test_a_batch_of_the_service_splits(detector):
    with ThreadPoolExecutor(2) as pool:
        batches = list(answer_batch(detector, pool, [grey(0.1), grey(UNSURE), b"text", grey(SURE)], 10_000))
    found = {place: each for batch in batches for place, each in zip(batch.places, batch.found, strict=True)}
    assert [found[place].stage for place in (0, 1, 3)] == ["first", "full", "first"]


def test_the_plug_in_skips_unless_its_yaml_says_full(done, tmp_path):
    tree = write_tree(tmp_path / "tree", "base_miner")
    for full, stage in ((False, "first"), (True, "full")):
        changed = install(InstallRequest(tree, done[0], full=full))
        (config,) = (path for path in changed if path.suffix == ".yaml")
        detector = open_for_miner(config)
        assert detector.detect(grey(SURE)).stage == stage
        assert detector.detect(grey(UNSURE)).stage == "full"
    with pytest.raises(RequestError, match="chosen where it is started"):
        install(InstallRequest(tree, None, full=True, service_url="http://localhost"))


def test_a_rehearsal_asks_the_vit_afterwards_for_the_comparison(detector):
    ask = ask_detector(detector, 9.0)
    reply = ask(grey(SURE))
    assert reply.stage == "first"
    assert reply.p["fusion"] == pytest.approx(detector.detect(grey(SURE)).p_roadwork)
    assert reply.p["vit"] == pytest.approx(detector.answer([detector.prepare(grey_pixels(SURE))])["vit"][0])
    assert ask(grey(UNSURE)).stage == "full"


def grey_pixels(value: float) -> np.ndarray:
    return np.full((SIZE, SIZE, 3), round(255 * value), np.uint8)


def test_rehearse_counts_the_stages(done, photos, tmp_path):
    rehearse = ("miner", "rehearse", done[0], "--data", photos, "--challenges", "100", "--repeats", "2")
    result = run(*rehearse, "--layout", "plain", "--out", tmp_path)
    (kept,) = read_rehearsals(tmp_path).values()
    assert sum(kept.stages.values()) == kept.asked
    assert kept.stages["first"] > kept.stages["full"] > 0
    assert f"the first stage of the cascade answered {kept.stages['first']} of {kept.asked}" in result.stdout
    assert set(kept.outputs) == {"fusion", "vit"}

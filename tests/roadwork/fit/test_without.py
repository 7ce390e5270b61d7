"""A fusion that goes without some of its branches: what is in the file, what it answers, and who can read it."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from kerasfusion.cli.main import main
from kerasfusion.config import to_yaml
from kerasfusion.errors import RequestError
from kerasfusion.files.saving import load_model, read_description
from kerasfusion.images.decoding import read_image, squash
from kerasfusion.roadwork.calibrate.graph import calibrated, uncalibrated
from kerasfusion.roadwork.config import Fusion
from kerasfusion.roadwork.data.dataset import scan
from kerasfusion.roadwork.detect.detector import open_detector
from kerasfusion.roadwork.detect.latency import measure_latency
from kerasfusion.roadwork.dry_run.fit import estimate_fit
from kerasfusion.roadwork.evaluate.answers import answer
from kerasfusion.roadwork.evaluate.job import Request, as_text, run
from kerasfusion.roadwork.evaluate.predictions import read_predictions
from kerasfusion.roadwork.export import job as export
from kerasfusion.roadwork.fit.job import fit
from kerasfusion.roadwork.miner.hub.folder import Request as Package
from kerasfusion.roadwork.miner.hub.folder import make_folder
from kerasfusion.roadwork.precompute import branch_cache
from kerasfusion.roadwork.report.page import write_report
from tests.material.hugging_face_vit import SIZE

pytestmark = [pytest.mark.usefixtures("yolo_in_this_process"), pytest.mark.trains, pytest.mark.exports]

LEFT_OUT = {
    "vit": ("fusion", "yolo", "efficientnetv2"),
    "yolo": ("fusion", "vit", "efficientnetv2"),
    "efficientnetv2": ("fusion", "vit", "yolo"),
    "vit,efficientnetv2": ("fusion", "yolo"),
    "vit,yolo": ("fusion", "efficientnetv2"),
}
INPUTS = {"vit": ["image"], "efficientnetv2": ["image"], "yolo": ["yolo_image"]}


@pytest.fixture(autouse=True)
def without_figures_of_answers(monkeypatch):
    """Drawing takes most of an evaluation's time."""
    monkeypatch.setattr("kerasfusion.roadwork.evaluate.job.draw_figures", lambda result, folder: None)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """{what is left out: its configuration}, of those that were fitted so far."""
    return {}, tmp_path_factory.mktemp("without")


@pytest.fixture
def without(runs, make_config, cached):
    """Fits a fusion without "vit", "vit,yolo", ... once, and gives its configuration."""
    done, folder = runs

    def fitted_without(names: str):
        if names not in done:
            config = make_config(
                folder,
                f"cache.folder={cached.cache.folder}",
                f"name=no-{names.replace(',', '-')}",
                f"fusion.without=[{names}]",
                "fit.augmentation=none",
                "fit.epochs=1",
            )
            assert fit(config, report=lambda line: None).fusion is not None
            done[names] = config
        return done[names]

    return fitted_without


@pytest.mark.parametrize("names", LEFT_OUT)
def test_the_file_has_the_branches_that_are_left_and_no_other(without, fitted, names):
    config = without(names)
    model, description = load_model(config.run_folder / "fusion.keras")
    left = LEFT_OUT[names]
    assert tuple(model.output) == left
    assert sorted(model.input) == sorted({name for branch in left[1:] for name in INPUTS[branch]})
    assert description["outputs"] == list(left)
    assert sorted(description["pixels"]) == sorted(model.input)
    assert sorted(description["weights"]) == sorted(set(left) & {"vit", "yolo"})
    assert ("default_vit" in description) == ("vit" in names)
    assert ("yolo_trained_on" in description) == ("yolo" in left)
    whole = load_model(fitted.run_folder / "fusion.keras")[0].count_params()
    # Each P(roadwork) that is gone takes two weights of the linear head with it.
    branches = {name: _weights_of(fitted, name) for name in names.split(",")}
    assert model.count_params() == whole - sum(branches.values()) - 2 * len(branches)


def _weights_of(config, branch: str) -> int:
    """Weights of one branch in the file with all of them, its classifier included."""
    model = load_model(config.run_folder / "fusion.keras")[0]
    begins = {"vit": ("vit",), "yolo": ("yolo",), "efficientnetv2": ("efficientnetv2",)}[branch]
    layers = [layer for layer in model.layers if layer.name.startswith(begins) and layer.weights]
    return sum(layer.count_params() for layer in layers)


@pytest.mark.parametrize("names", LEFT_OUT)
def test_the_head_fuses_what_the_other_branches_say(without, fitted, photos, names):
    path = scan(photos, ("test",))[0].path
    said = open_detector(without(names).run_folder / "fusion.keras").detect(path)
    whole = open_detector(fitted.run_folder / "fusion.keras").detect(path)
    assert list(said.branches) == list(LEFT_OUT[names][1:])
    for name in said.branches.keys() & {"vit", "yolo"}:  # EfficientNetV2's classifier was trained otherwise
        assert said.branches[name] == pytest.approx(whole.branches[name], abs=1e-5)
    parts = load_model(without(names).run_folder / "trained_parts.keras")[0]
    kernel, bias = parts.get_layer("fusion_head").get_layer("fusion_probs").get_weights()
    seen = [said.branches[name] for name in ("yolo", "vit", "efficientnetv2") if name in said.branches]
    logits = np.array(seen) @ kernel + bias
    assert said.p_roadwork == pytest.approx(1 / (1 + np.exp(logits[0] - logits[1])), abs=1e-4)


def test_evaluate_compares_with_the_vit_of_the_branch_cache(without):
    config = without("vit")
    path = config.run_folder / "fusion.keras"
    result = run(Request(path, config), report=lambda line: None)
    assert list(result.report) == ["fusion", "vit", "yolo", "efficientnetv2"]
    records = branch_cache.read_cache(config.cache.folder, ["test"])
    expected = [records[sample.sample_id].vit_probs[0, 1] for sample in result.samples]
    np.testing.assert_array_equal(result.answers["vit"], expected)
    assert "vs_vit" in result.report["fusion"]
    text = as_text(result)
    assert f"the model goes without the ViT; the ViT's answers are those of {config.cache.folder}" in text
    assert [line.split()[-1] for line in text.splitlines()[2:6]] == ["model", "cache", "model", "model"]
    record = json.loads((config.run_folder / "evaluated.json").read_text())["test"]
    assert record["default_from"] == "branch cache"
    kept = read_predictions(config.run_folder / "predictions_test.csv")
    assert list(kept.answers) == list(result.report)


def test_the_same_without_efficientnetv2_needs_no_cache(without, tmp_path):
    config = without("efficientnetv2")
    elsewhere = replace(config, cache=replace(config.cache, folder=tmp_path / "none"))
    result = run(Request(config.run_folder / "fusion.keras", elsewhere, out=tmp_path / "out"), lambda line: None)
    assert list(result.report) == ["fusion", "vit", "yolo"]
    assert result.default_from is None
    assert "goes without" not in as_text(result)


def test_parts_alone_take_from_the_cache_what_they_need(without, tmp_path):
    """Their answers are those of the composed file."""
    for names in ("vit", "efficientnetv2"):
        config = without(names)
        said = [
            run(Request(config.run_folder / name, config, out=tmp_path / f"{names}-{name}"), lambda line: None)
            for name in ("trained_parts.keras", "fusion.keras")
        ]
        np.testing.assert_allclose(said[0].answers["fusion"], said[1].answers["fusion"], atol=1e-4)


def test_without_a_cache_there_is_nothing_to_compare_with(without, tmp_path):
    config = without("vit")
    elsewhere = replace(config, cache=replace(config.cache, folder=tmp_path / "none"))
    request = Request(config.run_folder / "fusion.keras", elsewhere, out=tmp_path / "out")
    with pytest.raises(RequestError, match=r"goes without the ViT(.|\n)*no branch cache(.|\n)*--no-default"):
        run(request, lambda line: None)
    result = run(replace(request, no_default=True), lambda line: None)
    assert list(result.report) == ["fusion", "yolo", "efficientnetv2"]


def test_a_cache_of_another_vit_or_of_other_views_is_refused(without, tmp_path):
    config = without("vit")
    path = config.run_folder / "fusion.keras"
    views = replace(config, views=replace(config.views, count=4))
    with pytest.raises(RequestError, match=r"the branch cache holds(.|\n)*--no-default"):
        run(Request(path, views, out=tmp_path / "out"), lambda line: None)
    detector = open_detector(path)
    detector.description["default_vit"] = "0" * 64
    from kerasfusion.roadwork.evaluate.answers import cached_branches

    with pytest.raises(RequestError, match="another ViT"):
        cached_branches(config, "test", detector.description)


def test_an_output_that_was_left_out_is_refused_by_name(without, photos):
    detector = open_detector(without("yolo").run_folder / "fusion.keras")
    with pytest.raises(RequestError, match=r"no output yolo(.|\n)*fusion or vit or efficientnetv2"):
        answer(detector, scan(photos, ("test",)), without("yolo").views, outputs=["yolo"])


@pytest.mark.parametrize("format", ["openvino", "onnx", "litert"])
def test_exports_take_the_inputs_that_are_left(without, photos, tmp_path, format):
    """Without ViT and EfficientNetV2 there is no `image`, only `yolo_image`."""
    folder = without("vit,efficientnetv2").run_folder
    ending = {"openvino": ".xml", "onnx": ".onnx", "litert": ".tflite"}[format]
    out = tmp_path / f"small{ending}"
    export.run(export.Request(folder, format=format, samples=photos / "val", out=out), lambda line: None)
    said, expected = (open_detector(path).detect(photo_of(photos)) for path in (out, folder / "fusion.keras"))
    assert list(said.branches) == ["yolo"]
    assert said.p_roadwork == pytest.approx(expected.p_roadwork, abs=1e-4)


def photo_of(photos):
    return scan(photos, ("test",))[1].path


def test_composing_again_needs_only_the_branches_that_are_left(without, tmp_path):
    folder = without("vit,yolo").run_folder
    out = tmp_path / "again.keras"
    export.run(export.Request(folder / "trained_parts.keras", out=out), lambda line: None)
    first, second = (read_description(path)["model_sha256"] for path in (folder / "fusion.keras", out))
    assert first == second
    with pytest.raises(RequestError, match=r"trained without yolo(.|\n)*--yolo"):
        export.run(export.Request(folder / "trained_parts.keras", yolo=tmp_path / "best.pt", out=out))


def test_calibration_benchmark_and_report_follow_the_file(without, photos, without_figures):
    config = without("yolo")
    path = config.run_folder / "fusion.keras"
    model, _ = load_model(path)
    pixels, _ = read_image(photo_of(photos))
    views = {"image": squash(pixels, SIZE)[None].astype(np.float32)}
    before = np.asarray(model(views)["fusion"])[0]
    warm = calibrated(model, 2.0, 0.0)
    assert list(warm.output) == ["fusion", "vit", "efficientnetv2"]
    # At temperature 2 the odds are the square root of what they were.
    odds = np.sqrt(before[1] / before[0])
    assert np.asarray(warm(views)["fusion"])[0, 1] == pytest.approx(odds / (1 + odds), abs=1e-5)
    np.testing.assert_allclose(np.asarray(uncalibrated(warm)(views)["fusion"])[0], before, atol=1e-6)
    assert measure_latency(lambda: open_detector(path), runs=2, warmup=1)["stages"]["forward"]["mean_ms"] > 0
    run(Request(path, config), report=lambda line: None)
    page = write_report(config.run_folder).read_text(encoding="utf-8")
    assert "left out of the fusion" in page
    assert "YOLO started from" not in page


def test_a_card_says_what_is_in_the_file(without, tmp_path):
    config = without("vit")
    run(Request(config.run_folder / "fusion.keras", config), report=lambda line: None)
    request = Package(
        config.run_folder / "fusion.keras",
        tmp_path / "hub",
        "small",
        "1.0.0",
        "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY",
    )
    made = make_folder(request, lambda line: None)
    card = (made.folder / "README.md").read_text(encoding="utf-8")
    assert "the default ViT (not in this file)" in card
    assert "Fusion against the default ViT" in card
    assert "`vit`" not in card
    assert "fused of yolo, efficientnetv2" in made.model_card["description"]


def test_a_dry_run_knows_what_is_left(without, make_config, cached, tmp_path):
    settings = (f"cache.folder={cached.cache.folder}", "fusion.without=[efficientnetv2,vit]")
    estimate = estimate_fit(make_config(tmp_path, *settings))
    assert {stage.stage for stage in estimate.stages}.isdisjoint({"train", "features", "decode"})
    assert estimate.facts["branches"] == ["yolo"]
    assert estimate.facts["network"]["parameters"] == 2 + 2  # one P(roadwork) to two classes
    assert not any(tmp_path.iterdir())


def test_all_branches_are_the_default_and_one_must_stay(make_config, tmp_path):
    assert Fusion().branches == ("yolo", "vit", "efficientnetv2")
    assert make_config(tmp_path, "fusion.without=[vit,vit]").fusion.branches == ("yolo", "efficientnetv2")
    with pytest.raises(RequestError, match="leave at least one of vit, yolo and efficientnetv2"):
        make_config(tmp_path, "fusion.without=[vit,yolo,efficientnetv2]")
    with pytest.raises(RequestError, match=r"fusion\.without\.0: Input should be 'vit', 'yolo' or 'efficientnetv2'"):
        make_config(tmp_path, "fusion.without=[resnet]")


def test_what_needs_efficientnetv2_is_refused_without_it(make_config, cached, tmp_path):
    def config(*settings):
        return make_config(
            tmp_path, f"cache.folder={cached.cache.folder}", "fusion.without=[efficientnetv2]", *settings
        )

    with pytest.raises(RequestError, match=r"jointly(.|\n)*fusion\.fit_on: val"):
        fit(config("fusion.fit_on=train"), report=lambda line: None)
    with pytest.raises(RequestError, match=r"no epochs(.|\n)*tracking\.panels_every"):
        fit(config("tracking.panels_every=1"), report=lambda line: None)
    assert not (tmp_path / "runs" / "toy" / "trained_parts.keras").exists()


def test_jointly_fitted_heads_go_without_a_branch_too(make_config, cached, tmp_path):
    settings = (f"cache.folder={cached.cache.folder}", "fusion.without=[vit]", "fusion.fit_on=train", "fit.epochs=1")
    config = make_config(tmp_path, *settings, f"yolo.weights={tmp_path / 'none.pt'}")
    done = fit(config, report=lambda line: None)
    assert done.fusion is None  # YOLO is not at hand, and the ViT is not asked for
    assert "YOLO" in done.reason
    assert "ViT" not in done.reason
    assert sorted(load_model(done.parts)[0].input) == ["image", "yolo_probs"]


def test_the_flag_is_repeatable_and_lies_over_the_file(make_config, cached, tmp_path):
    config = make_config(tmp_path, f"cache.folder={cached.cache.folder}", "fusion.without=[efficientnetv2]")
    path = tmp_path / "roadwork.yaml"
    path.write_text(to_yaml(config), encoding="utf-8")
    asked = ["fit", "-c", str(path), "--dry-run", "--json"]
    for flags, left in (([], ["yolo", "vit"]), (["--without", "vit", "--without", "efficientnetv2"], ["yolo"])):
        said = CliRunner().invoke(main, [*asked, *flags], catch_exceptions=False)
        assert json.loads(said.stdout)["branches"] == left
    wrong = CliRunner().invoke(main, [*asked, "--without", "vit", "--without", "yolo", "--without", "efficientnetv2"])
    assert wrong.exit_code == 2

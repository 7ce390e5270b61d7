import json
import zipfile

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from kerasfusion.cli.main import main
from kerasfusion.errors import RequestError
from kerasfusion.fume.data.samples import read_samples, with_gases, write_samples
from kerasfusion.fume.detect.answering import open_network
from kerasfusion.fume.detect.latency import measure_network
from kerasfusion.fume.detect.predict import list_subjects, predict
from tests.fume.detect.answering_material import HEIGHT, WIDTH, leave_out_costs, save_reader, write_set

pytestmark = pytest.mark.exports


ROWS = [("co2 ch4", 0, 0, "a"), ("co2 ch4", 1, 1, "b"), ("ch4", 2, 2, "c"), ("co2", 1, 1, "d")]


def invoke(*arguments, code=0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    return root, write_set(root, ROWS)


@pytest.fixture(scope="module")
def model(data, tmp_path_factory):
    return save_reader(tmp_path_factory.mktemp("pair") / "fume.keras", "FUMEFastSCNN", root=data[0])


@pytest.fixture(scope="module")
def roadwork_model(tmp_path_factory):
    """A file that says it is of the other system; enough to be refused."""
    path = tmp_path_factory.mktemp("other") / "fusion.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("kerasfusion.json", json.dumps({"system": "roadwork"}))
    return path


def test_a_pair_has_its_state_and_the_area_of_each_plume(data, model, tmp_path):
    root, pictures = data
    files = {gas: root / gas / "frames" / "test01.png" for gas in ("co2", "ch4")}
    (result,) = predict(open_network(model), list_subjects(files["co2"], files["ch4"], None), out=tmp_path)
    line = result.to_json()
    assert (line["co2"], line["ch4"]) == (str(files["co2"]), str(files["ch4"]))
    assert line["state"] == "Transitional"
    assert sum(line["probabilities"].values()) == pytest.approx(1)
    for gas, path in result.masks.items():
        mask = pictures[1][gas][1]
        pixels = int((mask == 2).sum())
        assert line["plumes"][gas] == {"pixels": pixels, "share": pytest.approx(pixels / (HEIGHT * WIDTH))}
        with Image.open(path) as image:
            np.testing.assert_array_equal(np.asarray(image), mask)
        assert f"{gas.upper()} plume {pixels:>7,} px = {pixels / (HEIGHT * WIDTH):6.2%}" in result.to_line(4)


def test_the_gas_in_a_name_does_not_keep_frames_apart(tmp_path):
    names = ("a_co2_1.png", "a_ch4_1.png", "CO2-b.png", "c.png", "co2x.png")
    for name in names:
        (tmp_path / name).touch()
    subjects = {subject.name: subject.files for subject in list_subjects(tmp_path, tmp_path, None)}
    expected = {
        "a_1": {"co2": "a_co2_1.png", "ch4": "a_ch4_1.png"},
        "b": {"co2": "CO2-b.png"},
        "c": {"co2": "c.png", "ch4": "c.png"},
        "co2x": {"co2": "co2x.png", "ch4": "co2x.png"},
    }
    assert {name: {gas: path.name for gas, path in files.items()} for name, files in subjects.items()} == expected


def test_folders_are_matched_by_name_and_the_others_asked_alone(data, model, tmp_path):
    root, _ = data
    subjects = list_subjects(root / "co2" / "frames", root / "ch4" / "frames", None)
    assert [(subject.name, list(subject.files)) for subject in subjects] == [
        ("test00", ["co2", "ch4"]),
        ("test01", ["co2", "ch4"]),
        ("test02", ["ch4"]),
        ("test03", ["co2"]),
    ]
    results = list(predict(open_network(model), subjects, batch=3, out=tmp_path, overlays=True))
    assert [result.to_json()["state"] for result in results] == ["Healthy", "Transitional", "Acidotic", "Transitional"]
    assert [list(result.plumes) for result in results] == [["co2", "ch4"], ["co2", "ch4"], ["ch4"], ["co2"]]
    assert sorted(path.name for path in (tmp_path / "overlays").iterdir()) == [f"test0{n}.png" for n in range(4)]
    assert len(list((tmp_path / "masks").iterdir())) == len(list((tmp_path / "mask_views").iterdir())) == 6


def test_a_csv_without_masks_and_states_is_answered(data, model, tmp_path):
    root, _ = data
    lines = (root / "paired_test_annotations.csv").read_text().splitlines()
    header = lines[0].split(",")
    blank = {header.index(name) for name in ("co2_mask", "ch4_mask", "ph_value", "class_id", "class_name")}
    rows = [
        ",".join("" if column in blank else cell for column, cell in enumerate(line.split(","))) for line in lines[1:]
    ]
    path = tmp_path / "frames.csv"
    path.write_text("\n".join([lines[0], *rows, rows[0]]))
    subjects = list_subjects(None, None, path, root)
    assert len({subject.name for subject in subjects}) == 5  # the repeated row has a name of its own
    states = [result.to_json()["state"] for result in predict(open_network(model), subjects)]
    assert states == ["Healthy", "Transitional", "Acidotic", "Transitional", "Healthy"]


def test_other_kinds_of_network(data, tmp_path):
    root, pictures = data
    subjects = list_subjects(root / "co2" / "frames", root / "ch4" / "frames", None)[:3]
    single = open_network(save_reader(tmp_path / "single.keras", "MultiTaskFastSCNN"))
    results = list(predict(single, subjects, batch=2, out=tmp_path / "out", overlays=True))
    assert [list(result.subject.files) for result in results] == [["co2"], ["ch4"], ["co2"], ["ch4"], ["ch4"]]
    assert [list(result.plumes) for result in results] == [["co2"], ["ch4"], ["co2"], ["ch4"], ["ch4"]]
    assert len(list((tmp_path / "out" / "overlays").iterdir())) == 5
    early = open_network(save_reader(tmp_path / "early.keras", "EarlyFusionFastSCNN"))
    result = next(predict(early, subjects, out=tmp_path / "out", overlays=True))
    union = np.maximum(*(pictures[0][gas][1] for gas in ("co2", "ch4")))
    assert result.plumes == {"union": ((union == 2).sum(), (union == 2).mean())}


def test_an_unreadable_frame_gives_its_reason_and_the_others_their_answers(data, model, tmp_path):
    root, _ = data
    for gas in ("co2", "ch4"):
        folder = tmp_path / gas
        folder.mkdir()
        for name in ("test00.png", "test01.png"):
            (folder / name).write_bytes((root / gas / "frames" / name).read_bytes())
    (tmp_path / "ch4" / "test00.png").write_bytes(b"cut")
    shown = invoke("predict", model, "--co2", tmp_path / "co2", "--ch4", tmp_path / "ch4", "--json", code=1)
    first, second = map(json.loads, shown.stdout.splitlines())
    assert "not an image in a known format" in first["error"]
    assert "ch4/test00.png" in first["error"]
    assert first["state"] is None  # and not an answer to the gas that is left
    assert (second["state"], second["error"]) == ("Transitional", None)
    shown = invoke("predict", model, "--co2", tmp_path / "co2", "--ch4", tmp_path / "ch4", code=1).stdout
    assert "test00  unreadable: " in shown


def test_requests_that_cannot_be_met_are_refused(data, tmp_path):
    root, _ = data
    frame, folder, table = root / "co2/frames/test00.png", root / "co2/frames", root / "paired_test_annotations.csv"
    for given in ((None, None, None), (frame, None, table)):
        with pytest.raises(RequestError, match="name the frames"):
            list_subjects(*given)
    with pytest.raises(RequestError, match="no such file or folder"):
        list_subjects(tmp_path / "gone.png", None, None)
    with pytest.raises(RequestError, match="a file and a folder"):
        list_subjects(frame, folder, None)
    with pytest.raises(RequestError, match="no frame of CO2"):
        list_subjects(tmp_path, None, None)


def test_swapped_gases_are_said_and_the_answer_is_given(data, model, tmp_path):
    root, _ = data
    for name, gas in (("x_co2_00.png", "co2"), ("x_ch4_00.png", "ch4")):
        (tmp_path / name).write_bytes((root / gas / "frames" / "test00.png").read_bytes())
    co2, ch4 = tmp_path / "x_co2_00.png", tmp_path / "x_ch4_00.png"
    done = invoke("predict", model, "--co2", ch4, "--ch4", co2, "--json")
    assert done.stderr.splitlines() == [f"warning: {ch4} is taken for CO2, and its name says CH4, and 1 more"]
    assert json.loads(done.stdout)["error"] is None
    folders = ("--co2", root / "ch4" / "frames", "--ch4", root / "co2" / "frames")
    assert "is taken for CO2, and its name says CH4, and 5 more" in invoke("predict", model, *folders).stderr
    assert "its name says" in invoke("benchmark", model, "--ch4", co2, "--runs", 1, "--warmup", 0).stderr
    assert "warning" not in invoke("predict", model, "--co2", co2, "--ch4", ch4).stderr
    assert "warning" not in invoke("predict", model, "--pairs", root / "paired_test_annotations.csv").stderr


def test_files_that_are_not_there_are_said_before_tensorflow_is_loaded(data, model, tmp_path, monkeypatch):
    root, _ = data
    monkeypatch.setattr("kerasfusion.cli.fume_results.load_libraries", lambda model: pytest.fail("it was loaded"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "ch4.mp4").touch()
    gone, frame = tmp_path / "gone.png", root / "co2" / "frames" / "test00.png"
    for arguments, said in (
        (("predict", model, "--co2", gone), "no such file or folder"),
        (("predict", model, "--co2", frame, "--ch4", gone), "no such file or folder"),
        (("predict", model, "--co2", tmp_path / "empty"), "no frame of CO2 in the folder\n"),
        (("predict", model, "--ch4", tmp_path / "films"), "no frame of CH4 in the folder (other files: 1 .mp4)"),
        (("predict", model, "--ch4", tmp_path / "films"), "--ch4 FILM (MP4, AVI, MOV, MKV, SEQ, CSQ, or a TIFF"),
        (("predict", model, "--pairs", gone), "the annotations do not exist"),
        (("predict", model), "name the frames"),
        (("benchmark", model, "--ch4", gone), "the frame does not exist"),
        (("benchmark", model, "--ch4", tmp_path), "it is no file"),
        (("evaluate", model, "--data", tmp_path / "empty", "--out", tmp_path / "out"), "paired_test_annotations.csv"),
    ):
        assert said in invoke(*arguments, code=2).output


def test_two_images_of_one_name_are_named_and_the_others_are_answered(data, model, tmp_path):
    _, pictures = data
    for name, of in (("a_co2.png", 0), ("a_co2.bmp", 1), ("b_co2.png", 1), ("a_co2_2.png", 0)):
        Image.fromarray(pictures[of]["co2"][0]).save(tmp_path / name)
    done = invoke("predict", model, "--co2", tmp_path, "--json", code=1)
    rows = {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert (
        f"two images of one name, of which one must be taken away or renamed: {tmp_path / 'a_co2.bmp'} and"
        in rows["a"]["error"]
    )
    assert rows["a"]["state"] is None
    assert {name: row["error"] for name, row in rows.items() if name != "a"} == {"a_2": None, "b": None}
    assert rows["b"]["plumes"]["co2"]["pixels"] == int((pictures[1]["co2"][1] == 2).sum())


@pytest.mark.parametrize("name", ["FUMEFastSCNN", "MultiTaskFastSCNN", "EarlyFusionFastSCNN"])
def test_overlays_have_the_size_of_their_frames(tmp_path, name):
    (pictures,) = write_set(tmp_path, [("co2 ch4", 1, 1, "a")], sizes={0: (HEIGHT * 2, WIDTH * 2)})
    network = open_network(save_reader(tmp_path / "fume.keras", name))
    files = [tmp_path / gas / "frames" / "test00.png" for gas in ("co2", "ch4")]
    list(predict(network, list_subjects(*files, None), out=tmp_path / "out", overlays=True))
    for gas in ("co2", "ch4"):
        drawn = np.array(Image.open(tmp_path / "out" / "overlay_frames" / f"test00_{gas}.png"))
        assert drawn.shape == (HEIGHT * 2, WIDTH * 2, 3)
        _, mask = pictures[gas]
        gas_pixels = drawn[mask == 2].astype(float)
        assert np.median(gas_pixels[:, 0] - gas_pixels[:, 2]) > 50  # orange


def test_the_commands_know_the_system_from_the_file(data, model, roadwork_model, tmp_path, monkeypatch):
    root, _ = data
    leave_out_costs(monkeypatch)
    report = json.loads(invoke("evaluate", model, "--out", tmp_path, "--panels", 1, "--json").stdout)
    assert report == json.loads((tmp_path / "metrics.json").read_text())
    assert report["test"]["joint"]["score"] == 1.0
    assert "no such" not in invoke("predict", model, "--co2", root / "co2/frames/test00.png").output
    timing = json.loads(invoke("benchmark", model, "--runs", 2, "--warmup", 0, "--json").stdout)
    assert timing["frames"] == {"co2": [640, 480], "ch4": [640, 480]}
    other = {
        ("evaluate", model, "--tta", "--vit", "x"): "--vit, --tta: not for a fume model",
        ("evaluate", roadwork_model, "--save-masks"): "--save-masks: not for a roadwork model",
        ("evaluate", roadwork_model, "--flips"): "--flips: not for a roadwork model",
        ("predict", roadwork_model, "--flips"): "--flips: not for a roadwork model",
        ("predict", model, "photo.jpg"): "by their gas: --co2 FRAME, --ch4 FRAME or both",
        ("predict", model, "--tta", "--co2", "x.png"): "predict --help says which options",
        ("predict", roadwork_model, "--co2", "x.png", "photo.jpg"): "--co2: not for a roadwork model",
        ("predict", roadwork_model): "Missing argument 'IMAGES...'",
        ("benchmark", model, "--image", "x.jpg"): "--image: not for a fume model",
        ("benchmark", roadwork_model, "--ch4", "x.jpg"): "--ch4: not for a roadwork model",
        ("predict", model, "--co2", "x.png", "--overlays"): "--overlays needs a folder",
        ("evaluate", model, "--data", tmp_path / "gone"): "paired_test_annotations.csv",
    }
    for arguments, message in other.items():
        assert message in invoke(*arguments, code=2).output


def test_settings_lie_over_those_that_the_network_was_trained_with(model, tmp_path, monkeypatch):
    leave_out_costs(monkeypatch)
    other = tmp_path / "other"
    write_set(other, ROWS[:1], split="val")
    arguments = ("evaluate", model, "--data", other, "--split", "val", "--set", "data.gases=co2", "--json")
    found = json.loads(invoke(*arguments, "--panels", 0).stdout)
    assert found["val"]["co2_mask"]["n"] == 1
    assert "ch4_mask" not in found["val"]
    config = tmp_path / "fume.yaml"
    config.write_text(f"system: fume\ndata: {{dataset_root: {other}, image_size: [640, 480]}}")
    assert (
        json.loads(invoke("evaluate", model, "-c", config, "--split", "val", "--json").stdout)["val"]["state"]["n"] == 1
    )


def test_a_network_of_one_gas_is_asked_about_no_other(data, tmp_path):
    root, _ = data
    model, out = save_reader(tmp_path / "fume.keras", "FUMEFastSCNN", root, "data.gases=co2"), tmp_path / "out"
    frames = {gas: root / gas / "frames" / "test00.png" for gas in ("co2", "ch4")}
    for asked in (("--ch4", frames["ch4"]), ("--co2", root / "co2/frames", "--ch4", root / "ch4/frames")):
        shown = invoke("predict", model, *asked, "--out", out, code=2)
        assert "the network never saw CH4: it was trained on CO2 alone" in shown.stderr
        assert not shown.stdout and not out.exists()
    assert json.loads(invoke("predict", model, "--co2", frames["co2"], "--json").stdout)["state"] == "Healthy"
    assert "never saw CH4" in invoke("benchmark", model, "--ch4", frames["ch4"], code=2).stderr
    timing = json.loads(invoke("benchmark", model, "--runs", 1, "--warmup", 0, "--json").stdout)
    assert timing["frames"] == {"co2": [640, 480]}


@pytest.mark.parametrize(("gas", "other", "names"), [("co2", "ch4", "013"), ("ch4", "co2", "012")])
def test_a_network_of_one_gas_takes_it_out_of_a_csv_as_in_evaluate(data, tmp_path, gas, other, names):
    root, _ = data
    model, table = save_reader(tmp_path / "fume.keras", "FUMEFastSCNN", root, f"data.gases={gas}"), tmp_path / "a.csv"
    done = invoke("predict", model, "--pairs", root / "paired_test_annotations.csv", "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    expected = [(f"{gas}/frames/test0{name}", str(root / gas / "frames" / f"test0{name}.png"), None) for name in names]
    assert [(row["name"], row[gas], row[other]) for row in rows] == expected
    assert f"3 frames of the other gas are passed over: the network was trained on {gas.upper()} alone" in done.stderr
    write_samples(table, with_gases(read_samples(root / "paired_test_annotations.csv"), other)[2:])
    shown = invoke("predict", model, "--pairs", table, code=2).stderr
    assert f"the CSV has no frame of {gas.upper()}" in shown


def test_latency_is_measured_from_files_to_masks(data, model):
    root, _ = data
    files = {"ch4": root / "ch4" / "frames" / "test00.png"}
    result = measure_network(lambda: open_network(model), files, runs=3, warmup=1)
    assert list(result["stages"]) == ["decode", "preprocess", "forward", "total"]
    assert result["fps"] == pytest.approx(1000 / result["stages"]["total"]["mean_ms"])
    assert result["frames"] == {"ch4": [WIDTH, HEIGHT]}
    with pytest.raises(RequestError, match="does not exist"):
        measure_network(lambda: open_network(model), {"co2": root / "gone.png"})


def test_a_frame_to_be_timed_that_is_none_is_a_wrong_request(model, tmp_path):
    (tmp_path / "co2.png").write_text("text")
    assert "not an image" in invoke("benchmark", model, "--co2", tmp_path / "co2.png", code=2).stderr


def test_counts_are_answered_as_the_picture_that_they_were_scaled_to(data, model, tmp_path):
    root, pictures = data
    picture = pictures[1]["co2"][0].astype(np.uint16)
    path = tmp_path / "counts_co2.png"
    Image.fromarray(12_000 + 8 * picture).save(path)  # 255 levels of 8 counts
    shown = invoke("predict", model, "--co2", path, "--frame-range", 12_000, 14_040, "--json")
    plain = invoke("predict", model, "--co2", root / "co2/frames/test01.png", "--json")
    assert json.loads(shown.stdout)["plumes"] == json.loads(plain.stdout)["plumes"]
    assert json.loads(shown.stdout)["plumes"]["co2"]["pixels"] == int((pictures[1]["co2"][1] == 2).sum())
    refused = invoke("predict", model, "--co2", path, code=1).output
    assert "counts from 12,0" in refused
    assert "predict with --frame-range" in refused


def test_a_network_keeps_the_range_that_it_was_trained_with(data, tmp_path):
    root, pictures = data
    ranged = save_reader(tmp_path / "ranged.keras", "FUMEFastSCNN", root, "data.frames.range=[12000,14040]")
    path = tmp_path / "counts.tif"
    Image.fromarray(12_000 + 8 * pictures[0]["ch4"][0].astype(np.uint16)).save(path)
    shown = json.loads(invoke("predict", ranged, "--ch4", path, "--json").stdout)
    assert shown["plumes"]["ch4"]["pixels"] == int((pictures[0]["ch4"][1] == 2).sum())
    other = invoke("predict", ranged, "--ch4", path, "--frame-range", 0, 14_040, code=2).output
    assert "the network was trained on frames with the range [12000.0, 14040.0]" in other
    picture = invoke("predict", ranged, "--ch4", root / "ch4/frames/test00.png", code=1).output
    assert "a picture of 8 bits, whose levels have been scaled already" in picture

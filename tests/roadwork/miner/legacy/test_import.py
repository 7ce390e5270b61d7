"""The older two-file layout: one file with the same answers, against a replay with the libraries it was built on."""

import json
import zipfile

import keras
import keras_hub
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from kerasfusion.cli.main import main
from kerasfusion.errors import RequestError
from kerasfusion.files.saving import read_description
from kerasfusion.formats.opening import open_model
from kerasfusion.images.decoding import squash, squash_bicubic
from kerasfusion.roadwork.branches.efficientnetv2_folded import fold
from kerasfusion.roadwork.branches.vit import build_vit
from kerasfusion.roadwork.branches.vit import read_checkpoint as read_vit
from kerasfusion.roadwork.branches.yolo_keras import read_checkpoint
from kerasfusion.roadwork.detect import precision
from kerasfusion.roadwork.detect.detector import open_detector
from kerasfusion.roadwork.detect.sample_pictures import drawn_pictures
from kerasfusion.roadwork.export import job
from kerasfusion.roadwork.miner.legacy.files import LegacyFiles, choose_out, find_files
from kerasfusion.roadwork.miner.legacy.graph import build_legacy_yolo, read_branch, read_head
from kerasfusion.roadwork.miner.legacy.job import about_class
from tests.material.hugging_face_vit import write_vit
from tests.material.yolo_weights import photo_pixels, save_weights

pytestmark = pytest.mark.exports


MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])


def legacy_branch(scale=True):
    """A small network with the parts and the interface of the older third branch; its weights are random."""
    keras.utils.set_random_seed(5)
    image = keras.Input((224, 224, 3))
    x = keras.layers.Rescaling(1 / 2.0)(image)
    x = keras.layers.Conv2D(8, 7, strides=4, use_bias=False)(x)
    norm = keras.layers.BatchNormalization(scale=scale, epsilon=1e-3)
    x = keras.layers.Activation("swish")(norm(x))
    x = keras.layers.Dropout(0.2)(keras.layers.DepthwiseConv2D(3)(x))
    x = keras.layers.GlobalAveragePooling2D()(x)
    probs = keras.layers.Dense(2, activation="softmax", name="roadwork_head")(x)
    network = keras.Model(image, probs)
    rng = np.random.default_rng(6)
    norm.set_weights([rng.uniform(0.5, 1.5, value.shape) for value in norm.get_weights()])
    pictures = np.stack([photo_pixels(224, 224, seed) for seed in range(8)]) / 255
    features = np.asarray(keras.Model(image, x)((pictures - MEAN) / STD))
    kernel = rng.normal(0, 1, (8, 2))
    logits = features @ kernel
    kernel /= logits.std(axis=0)  # answers between the ends
    network.layers[-1].set_weights([kernel, -features.mean(axis=0) @ kernel])
    network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])  # as the file was saved
    return network


def legacy_head(hidden=16):
    """A head whose three inputs weigh differently."""
    given = keras.Input((3,))
    x = given
    if hidden:
        x = keras.layers.Dropout(0.3)(keras.layers.Dense(hidden, activation="relu")(x))
    network = keras.Model(given, keras.layers.Dense(2, activation="softmax")(x))
    rng = np.random.default_rng(19)
    network.set_weights([rng.normal(0, 0.6, value.shape) for value in network.get_weights()])
    return network


@pytest.fixture(scope="module")
def yolo(tmp_path_factory):
    return save_weights(tmp_path_factory.mktemp("yolo") / "best.pt", names=("None", "Roadwork"))


@pytest.fixture(scope="module")
def vit_folder(tmp_path_factory):
    """A ViT whose answers lie between the ends."""
    return write_vit(tmp_path_factory.mktemp("vit"), seed=11)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the older build left."""
    folder = tmp_path_factory.mktemp("googlenet_fusion")
    legacy_branch().save(folder / "efficientnetv2_branch.keras")
    legacy_head().save(folder / "fusion_head.keras")
    return folder


@pytest.fixture(scope="module")
def imported(folder, yolo, vit_folder):
    """What the command made of it, and what it printed."""
    command = ["miner", "import-legacy", folder, "--yolo", yolo, "--vit", vit_folder]
    result = CliRunner().invoke(main, [str(part) for part in command])
    assert result.exit_code == 0, result.output
    return folder / "fusion.keras", result.output


@pytest.fixture(scope="module")
def detector(imported):
    return open_detector(imported[0])


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Photos of other shapes than the inputs', one of them grey."""
    folder = tmp_path_factory.mktemp("photos")
    photo_pixels(720, 1280, 1).save(folder / "a.jpg", quality=90)
    photo_pixels(480, 300, 2).save(folder / "b.png")
    photo_pixels(200, 500, 3).convert("L").save(folder / "c.png")
    return sorted(folder.iterdir())


def replay(path, folder, yolo, vit_folder):
    """P(roadwork) as the older build worked it out."""
    from transformers import ViTForImageClassification, pipeline
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil
    from ultralytics import YOLO

    image = Image.open(path)
    # Pillow's processor is what the pipeline used then; torchvision's differs by up to one level of 255.
    network, processor = (
        kind.from_pretrained(vit_folder) for kind in (ViTForImageClassification, ViTImageProcessorPil)
    )
    answers = pipeline("image-classification", model=network, image_processor=processor)(image)
    (vit,) = (answer["score"] for answer in answers if answer["label"] == "Roadwork")
    probs = YOLO(yolo).predict(image.convert("RGB"), verbose=False)[0].probs.data
    pixels = (np.asarray(image.convert("RGB").resize((224, 224)), np.float32) / 255 - MEAN) / STD
    branch, head = (
        keras.saving.load_model(folder / name, compile=False)
        for name in ("efficientnetv2_branch.keras", "fusion_head.keras")
    )
    third = float(np.asarray(branch(pixels[None], training=False))[0, 1])
    p = {"vit": vit, "yolo": float(probs[min(1, len(probs) - 1)]), "efficientnetv2": third}
    fused = np.asarray(head(np.float32([list(p.values())]), training=False))
    return {"fusion": float(fused[0, 1]), **p}


def test_the_one_file_answers_as_the_older_build_did(detector, folder, yolo, vit_folder, photos):
    assert detector.outputs == ("fusion", "vit", "yolo", "efficientnetv2")
    spread = []
    for path in photos:
        found, expected = detector.detect(path), replay(path, folder, yolo, vit_folder)
        for name, p in {"fusion": found.p_roadwork, **found.branches}.items():
            assert abs(p - expected[name]) <= 1e-3, (path.name, name)
        spread.append(list(expected.values()))
    assert np.ptp(spread, axis=0).min() > 5e-3  # the answers tell the photos apart


def test_the_bicubic_resize_matters(detector, photos):
    """With the other inputs' BILINEAR the third branch would answer otherwise."""
    pixels = np.asarray(Image.open(photos[1]).resize((80, 60)).convert("RGB"))
    views = detector.prepare(pixels)
    np.testing.assert_array_equal(views["image_bicubic"], squash_bicubic(pixels, 224))
    np.testing.assert_array_equal(views["image_bicubic"], Image.fromarray(pixels).resize((224, 224)))
    other = detector.answer([views | {"image_bicubic": squash(pixels, 224)}])
    assert abs(other["efficientnetv2"][0] - detector.answer([views])["efficientnetv2"][0]) > 1e-6


def test_the_file_says_what_it_is(imported, folder):
    path, output = imported
    said = read_description(path)
    assert said["system"] == "roadwork" and said["precision"] == "float32"
    assert "BICUBIC" in said["pixels"]["image_bicubic"] and "0.485" in said["pixels"]["image_bicubic"]
    assert set(said["weights"]) == {"vit", "yolo", "efficientnetv2", "fusion_head"}
    assert "class 1, 'Roadwork', is taken for roadwork" in output
    assert f"model: {path}" in output


def test_predict_takes_it(imported, photos):
    result = CliRunner().invoke(main, ["predict", str(imported[0]), *map(str, photos), "--json"])
    assert result.exit_code == 0, result.output
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [set(answer["branches"]) for answer in answers] == [{"vit", "yolo", "efficientnetv2"}] * len(photos)


def test_export_and_the_choice_of_precision_find_the_sizes_of_its_pictures(imported, detector):
    """The file is of no run, so that no validation photos are known."""
    said = read_description(imported[0])
    sizes = {"image": 64, "yolo_image": 64, "image_bicubic": 224}
    assert precision._sizes(said) == sizes == {name: said[f"{name}_size"] for name in said["pixels"]}
    assert job._validation_photos(said) is None
    drawn = drawn_pictures(sizes, count=2)
    rows = [{name: pictures[row] for name, pictures in drawn.items()} for row in range(2)]
    assert detector.answer(rows)["fusion"].shape == (2,)


def test_the_googlenet_variant_and_a_linear_head(tmp_path, yolo, vit_folder):
    """InceptionV3's batch normalisation has no scale of its own."""
    branch, head = legacy_branch(scale=False), legacy_head(hidden=0)
    branch.save(tmp_path / "googlenet_branch.keras")
    head.save(tmp_path / "fusion_head.keras")
    pixels = np.random.default_rng(2).integers(0, 256, (2, 224, 224, 3)).astype(np.float32)
    third = read_branch(tmp_path / "googlenet_branch.keras", "googlenet")
    expected = np.asarray(branch((pixels / 255 - MEAN) / STD, training=False))
    np.testing.assert_allclose(np.asarray(third(pixels)), expected, atol=1e-4)
    (trunk,) = (layer for layer in third.layers if isinstance(layer, keras.Model))
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in trunk.layers)  # folded
    assert find_files(tmp_path, yolo, str(vit_folder)).third == "googlenet"
    p = np.float32([[0.9, 0.2, 0.4], [0.1, 0.7, 0.6]])  # ViT, YOLO, third
    answers = {name: np.stack([1 - p[:, i], p[:, i]], 1) for i, name in enumerate(("vit", "yolo", "googlenet"))}
    fused = read_head(tmp_path / "fusion_head.keras", "googlenet")(answers)
    np.testing.assert_allclose(np.asarray(fused), np.asarray(head(p)), atol=1e-6)


def test_a_batch_normalisation_without_scale_and_offset_is_folded():
    image = keras.Input((8, 8, 3))
    x = keras.layers.BatchNormalization(scale=False, center=False)(keras.layers.Conv2D(4, 3)(image))
    network = keras.Model(image, x)
    network.layers[-1].set_weights([np.float32([1, 2, 3, 4]), np.float32([4, 1, 9, 2])])
    pixels = np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(np.asarray(fold(network)(pixels)), np.asarray(network(pixels)), atol=1e-5)


@pytest.mark.parametrize(
    ("names", "index", "column"), [(("Roadwork", "None"), 1, 1), (("a", "b", "c"), 1, 1), (("a", "b", "c"), 7, 2)]
)
def test_yolos_column_is_chosen_by_its_number(names, index, column, tmp_path):
    """As the older build did, also where the names say otherwise, and among all of its classes."""
    from ultralytics import YOLO

    path = save_weights(tmp_path / "best.pt", names=names)
    picture = photo_pixels(64, 64, 4)
    expected = float(YOLO(path).predict(picture, verbose=False)[0].probs.data[column])
    probs = np.asarray(build_legacy_yolo(read_checkpoint(path), index)(np.asarray(picture, np.float32)[None]))
    assert probs.shape == (1, 2)
    np.testing.assert_allclose(probs[0], [1 - expected, expected], atol=1e-5)


def test_names_that_disagree_with_the_number_are_said(yolo, tmp_path):
    said = about_class(read_checkpoint(yolo), 0)
    assert said.startswith("warning: YOLO's class 0, 'None'") and "by its name it would be class 1" in said
    assert about_class(read_checkpoint(yolo), 1) == "YOLO's class 1, 'Roadwork', is taken for roadwork"
    strangers = save_weights(tmp_path / "best.pt", names=("a", "b", "c"))
    assert "its names do not tell (a, b, c)" in about_class(read_checkpoint(strangers), 2)


def settings(tmp_path, **changes):
    """The miner's YAML of the older layout."""
    keys = {
        "googlenet_fusion_path": "googlenet_fusion",
        "use_keras": True,
        "yolo_weights_path": "yolo/best.pt",
        "vit_config": "ViT_roadwork.yaml",
        "roadwork_class_index": 0,
    } | changes
    (tmp_path / "ViT_roadwork.yaml").write_text("hf_repo: someone/roadwork-vit\n")
    path = tmp_path / "InceptionFusion.yaml"
    path.write_text(json.dumps(keys))
    return path


def test_the_yaml_names_folder_yolo_vit_and_class(tmp_path, folder, yolo):
    (tmp_path / "yolo").mkdir()
    for file, at in ((yolo, "yolo/best.pt"), (folder, "googlenet_fusion")):
        (tmp_path / at).symlink_to(file)
    path = settings(tmp_path)
    found = find_files(path)
    assert (found.vit, found.roadwork_class_index, found.third) == ("hf://someone/roadwork-vit", 0, "efficientnetv2")
    assert found.branch.is_file() and found.head.is_file() and found.yolo == tmp_path / "yolo/best.pt"
    given = find_files(path, vit=str(folder), roadwork_class_index=1)
    assert (given.vit, given.roadwork_class_index) == (str(folder), 1)
    assert choose_out(found, None) == tmp_path / "googlenet_fusion/fusion.keras"


def test_a_preset_needs_the_names_of_its_classes_which_reach_it(folder, yolo, tmp_path):
    """In the other order than usual, so that the file has to answer with the other column."""
    backbone = keras_hub.models.ViTBackbone(
        image_shape=(32, 32, 3), patch_size=16, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=16
    )
    converter = keras_hub.layers.ViTImageConverter(image_size=(32, 32), scale=1 / 255, crop_to_aspect_ratio=False)
    preprocessor = keras_hub.models.ViTImageClassifierPreprocessor(converter)
    keras_hub.models.ViTImageClassifier(backbone, num_classes=2, preprocessor=preprocessor).save_to_preset(
        str(tmp_path / "vit")
    )
    command = ["miner", "import-legacy", str(folder), "--yolo", str(yolo), "--vit", str(tmp_path / "vit")]
    refused = CliRunner().invoke(main, command)
    assert refused.exit_code == 2 and "--vit-classes None,Roadwork" in refused.output
    assert "vit.class_names" not in refused.output
    sides = {"image": 32, "yolo_image": 64, "image_bicubic": 224}
    rng = np.random.default_rng(3)
    pixels = {name: rng.uniform(0, 255, (2, side, side, 3)).astype(np.float32) for name, side in sides.items()}
    out = tmp_path / "reversed.keras"
    done = CliRunner().invoke(main, [*command, "--vit-classes", "Roadwork, None", "--out", str(out)])
    assert done.exit_code == 0, done.output
    found = np.asarray(open_model(out).answer(pixels)["vit"])
    usual = build_vit(read_vit(str(tmp_path / "vit"), ("None", "Roadwork")))(pixels["image"])
    np.testing.assert_allclose(found, np.asarray(usual)[:, ::-1], atol=1e-5)
    assert np.abs(found - 0.5).max() > 1e-3


def test_all_that_is_missing_is_named_at_once(tmp_path):
    result = CliRunner().invoke(main, ["miner", "import-legacy", str(tmp_path)])
    assert result.exit_code == 2
    for name in ("efficientnetv2_branch.keras (or googlenet_branch.keras)", "fusion_head.keras", "--yolo", "--vit"):
        assert name in result.output.split("where")[0]
    with pytest.raises(RequestError, match=r"yolo/best\.pt \(--yolo\)"):
        find_files(settings(tmp_path))
    with pytest.raises(RequestError, match="no such file or folder"):
        find_files(tmp_path / "gone")


def test_other_variants_are_refused_with_a_sentence(tmp_path):
    for source in (
        settings(tmp_path, use_keras=False),
        settings(tmp_path, googlenet_fusion_path="googlenet_fusion.pt"),
    ):
        with pytest.raises(RequestError, match="PyTorch variant"):
            find_files(source)
    alone = tmp_path / "alone.yaml"
    alone.write_text("use_keras: false\n")
    with pytest.raises(RequestError, match="PyTorch variant"):
        find_files(alone)
    (tmp_path / "googlenet_fusion.pt").write_bytes(b"")
    for source in (tmp_path, tmp_path / "googlenet_fusion.pt"):
        with pytest.raises(RequestError, match="PyTorch variant"):
            find_files(source)
    (tmp_path / "efficientnetv2_branch").mkdir()
    with pytest.raises(RequestError, match="SavedModel folder"):
        find_files(tmp_path)
    for name in ("efficientnetv2", "googlenet"):
        (tmp_path / f"{name}_branch.keras").write_bytes(b"")
    (tmp_path / "fusion_head.keras").write_bytes(b"")
    with pytest.raises(RequestError, match="both efficientnetv2_branch"):
        find_files(tmp_path, tmp_path / "fusion_head.keras", str(tmp_path))


def test_a_hostile_branch_is_refused(folder, tmp_path):
    path = tmp_path / "efficientnetv2_branch.keras"
    with zipfile.ZipFile(folder / path.name) as archive, zipfile.ZipFile(path, "w") as copy:
        for name in archive.namelist():
            data = archive.read(name)
            copy.writestr(name, data.replace(b'"Rescaling"', b'"Lambda"') if name == "config.json" else data)
    with pytest.raises(RequestError, match=r"refused, nothing was run(.|\n)*keras\.layers\.Lambda"):
        read_branch(path, "efficientnetv2")


def test_networks_of_another_kind_are_refused(folder, tmp_path):
    head, branch = folder / "fusion_head.keras", folder / "efficientnetv2_branch.keras"
    with pytest.raises(RequestError, match=r"an input of \(224, 224, 3\), not of \(3,\)"):
        read_branch(head, "efficientnetv2")
    with pytest.raises(RequestError, match=r"an input of \(3,\)"):
        read_head(branch, "efficientnetv2")
    given = keras.Input((3,))
    ends = {
        "a softmax at its end": keras.layers.Dense(2, activation="sigmoid"),
        "a Dense layer of two classes": keras.layers.Dense(1, activation="sigmoid"),
    }
    for message, layer in ends.items():
        keras.Model(given, layer(given)).save(tmp_path / "fusion_head.keras")
        with pytest.raises(RequestError, match=message):
            read_head(tmp_path / "fusion_head.keras", "efficientnetv2")
    x = keras.layers.Dense(4, activation="tanh")(given)
    keras.Model(given, keras.layers.Dense(2, activation="softmax")(x)).save(tmp_path / "fusion_head.keras")
    with pytest.raises(RequestError, match="relu"):
        read_head(tmp_path / "fusion_head.keras", "efficientnetv2")


def test_no_file_that_it_is_made_of_is_overwritten(folder, tmp_path):
    files = LegacyFiles(folder, "efficientnetv2", tmp_path, "vit")
    with pytest.raises(RequestError, match="overwrite"):
        choose_out(files, folder / "fusion_head.keras")
    with pytest.raises(RequestError, match=r"must end in \.keras"):
        choose_out(files, tmp_path / "fusion.onnx")

from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from kerasfusion.config import load_config, to_yaml
from kerasfusion.errors import RequestError
from kerasfusion.fume.config import FumeConfig
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.miner.plugin.detector_settings import DetectorSettings

CONFIGS = Path(__file__).parent.parent / "configs"


def write(folder, text):
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def test_precedence_is_flag_then_set_then_file_then_default(tmp_path):
    path = write(tmp_path, "fit: {epochs: 2, batch: 2, patience: 2}\n")
    config = load_config(
        RoadworkConfig, path, ["fit.batch=3", "fit.patience=3"], {"fit.patience": 4, "fit.epochs": None}
    )
    assert (config.fit.epochs, config.fit.batch, config.fit.patience) == (2, 3, 4)
    assert config.fit.learning_rate == RoadworkConfig().fit.learning_rate


def test_all_wrong_keys_are_named_in_one_error(tmp_path):
    path = write(tmp_path, "fit: {epohcs: 3, batch: 0}\nfusion: {head: big}\nseed: many\n")
    with pytest.raises(RequestError) as caught:
        load_config(RoadworkConfig, path, ["yolo.augmentation.mosiac=1"])
    text = str(caught.value)
    for part in ("fit.epohcs: unknown key; did you mean epochs?", "fit.batch", "fusion.head", "seed", "5 keys"):
        assert part in text
    assert "yolo.augmentation.mosiac: unknown key; did you mean mosaic?" in text
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(("text", "message"), [("a: [", "not YAML"), ("- a\n", "not a mapping"), ("fit: 3\n", "fit: ")])
def test_a_file_of_another_shape_is_refused(tmp_path, text, message):
    with pytest.raises(RequestError, match=message):
        load_config(RoadworkConfig, write(tmp_path, text))


@pytest.mark.parametrize("setting", ["fit.epochs", "=3", "fit.epochs.more=3"])
def test_a_setting_of_another_shape_is_refused(setting):
    with pytest.raises(RequestError):
        load_config(RoadworkConfig, settings=["fit.epochs=2", setting])


def test_resolved_yaml_reads_back_to_an_equal_configuration(tmp_path):
    config = load_config(RoadworkConfig, settings=["vit.class_names=[None, Roadwork]", "efficientnetv2.weights=null"])
    text = to_yaml(config)
    assert yaml.safe_load(text)["efficientnetv2"]["weights"] is None
    assert load_config(RoadworkConfig, write(tmp_path, text)) == config


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda path: path.name)
def test_every_shipped_configuration_parses(path):
    schema = {"fume": FumeConfig, "miner": DetectorSettings}.get(path.relative_to(CONFIGS).parts[0], RoadworkConfig)
    assert load_config(schema, path) is not None
    assert path.read_text().startswith("# kerasfusion ")


@pytest.mark.parametrize(("text", "place"), [("a: [1\nb: {", "line 2, column 2"), ("seed: \0", "position 6")])
def test_what_is_no_yaml_is_named_by_its_file(tmp_path, text, place):
    with pytest.raises(RequestError, match=f'in "config.yaml", {place}') as caught:
        load_config(RoadworkConfig, write(tmp_path, text))
    assert "kerasfusion init" in caught.value.todo


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("fit:\n  batch: 4\nseed: 1\nfit:\n  epochs: 3\n", "fit stands twice, in lines 1 and 4"),
        ("fit:\n  batch: 4\n  batch: 8\n", "batch stands twice, in lines 2 and 3"),
        ("fit: {batch: 4,\n 'batch': 8}\n", "batch stands twice, in lines 1 and 2"),
    ],
)
def test_a_key_twice_is_refused_with_both_lines(tmp_path, text, lines):
    with pytest.raises(RequestError, match=lines):
        load_config(RoadworkConfig, write(tmp_path, text))


def test_aliases_and_merged_sections_of_usual_size_are_read(tmp_path):
    path = write(tmp_path, "fit: &usual {epochs: 4, learning_rate: 0.5}\nfusion:\n  <<: *usual\n  epochs: 8\n")
    config = load_config(RoadworkConfig, path)
    assert (config.fit.epochs, config.fusion.epochs, config.fusion.learning_rate) == (4, 8, 0.5)


def nested_aliases(levels):
    """Ten times ten times ... of one word."""
    names = "abcdefghijklmnop"
    lines = ["a: &a [" + ", ".join(["lol"] * 10) + "]"]
    lines += [f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]" for old, new in pairwise(names[:levels])]
    return "\n".join(lines)


@pytest.mark.commands
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (nested_aliases(9), "aliases repeat more than 10,000 values"),
        ("a: " + "[" * 20_000 + "]" * 20_000, "nested deeper than 50 levels"),
        ("a: " + "{a: " * 20_000 + "}" * 20_000, "nested deeper than 50 levels"),
        ("- " * 20_000 + "a", "nested deeper than 50 levels"),
        ("a: &a [*a]", "a part of"),
        ("seed: 2024-13-45", "not of its kind"),
        ("seed: !!int ''", "not of its kind"),
        ("seed: " + "9" * 5000, "not of its kind"),
        ("seed: [" + "1, " * 5000 + "]", "seed: "),
    ],
    # The texts are too long for a list of the slowest tests.
    ids=["aliases", "lists", "mappings", "items", "itself", "no date", "no number", "long number", "long list"],
)
@pytest.mark.parametrize("schema", [RoadworkConfig, DetectorSettings])
def test_a_small_text_makes_neither_a_huge_message_nor_a_raw_error(tmp_path, schema, text, message):
    with pytest.raises(RequestError) as caught:
        load_config(schema, write(tmp_path, text))
    assert message in str(caught.value)
    assert len(str(caught.value)) < 1500
    with pytest.raises(RequestError) as caught:
        load_config(RoadworkConfig, settings=["seed=" + text.removeprefix("seed: ")])
    assert len(str(caught.value)) < 1500


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/x #2/y", "/x #2/y"),
        ("#1", "#1"),
        ("/x#2", "/x#2"),
        ("'/x #2/y'", "/x #2/y"),
        ("/x # y # z", "/x # y # z"),
        (" /x #2 ", "/x #2"),
    ],
)
def test_a_value_on_the_command_line_has_no_comments(value, expected):
    assert load_config(RoadworkConfig, settings=[f"data.root={value}"]).data.root == Path(expected)


@pytest.mark.parametrize("value", ["5 #2", "[1, 2] # both"])
def test_a_number_with_a_hash_behind_it_is_no_number(value):
    with pytest.raises(RequestError, match=r"fit\.epochs"):
        load_config(RoadworkConfig, settings=[f"fit.epochs={value}"])

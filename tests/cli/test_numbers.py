"""Numbers of the command line that mean nothing are refused by the option's name, before anything is read."""

import click
import pytest
from click.testing import CliRunner
from PIL import Image

from kerasfusion.cli.main import main


def numeric_options(command, path=()):
    """(words of the command, option) of every option that takes a number."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from numeric_options(command.get_command(context, name), (*path, name))
        return
    for option in command.params:
        kind = option.type
        if isinstance(kind, click.types.IntParamType | click.types.FloatParamType) and not option.is_flag:
            yield path, option


CONFIGURED = {"--epochs", "--batch", "--image-size", "--folds"}
"""Options that set a key of the configuration, whose range the configuration knows."""


def test_every_number_has_a_range():
    found = list(numeric_options(main))
    assert len(found) > 25
    for path, option in found:
        has_range = isinstance(option.type, click.IntRange | click.FloatRange)
        is_configured = option.opts[0] in CONFIGURED and path[0] in ("ablate", "train-yolo", "precompute", "fit")
        assert has_range or is_configured, (path, option.opts)
        if isinstance(option.type, click.FloatRange):
            for value in ("nan", "inf", str(option.type.min - 1)):
                with pytest.raises(click.BadParameter):
                    option.type.convert(value, option, None)


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("data check . --max-pixels 0", "--max-pixels"),
        ("data check . --max-pixels -5", "--max-pixels"),
        ("data check . --max-pixels 1.5", "--max-pixels"),
        ("data split . out --seed -1", "--seed"),
        ("data split . out --val 1", "--val"),
        ("data split . out --test nan", "--test"),
        ("data pair . --val inf", "--val"),
        ("miner serve a.keras --batch-wait-ms nan", "--batch-wait-ms"),
        ("miner serve a.keras --deadline inf", "--deadline"),
        ("miner serve a.keras --read-timeout 0", "--read-timeout"),
        ("train-yolo --batch 0", "yolo.batch"),
        ("train-yolo --folds 4", "yolo.folds"),
        ("precompute --batch -1", "cache.batch"),
        ("fit --epochs 0", "fit.epochs"),
        ("fit --set system=fume --set training.learning_rate=.inf", "training.learning_rate"),
        ("fit --set system=fume --set training.learning_rate=.nan", "training.learning_rate"),
    ],
)
def test_it_is_named_and_nothing_is_written(tmp_path, monkeypatch, command, option):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, command.split())
    assert result.exit_code == 2, result.output
    assert option in result.output
    assert list(tmp_path.iterdir()) == []


def test_one_pixel_is_a_limit(tmp_path):
    photo = tmp_path / "train" / "roadwork" / "a.png"
    photo.parent.mkdir(parents=True)
    Image.new("RGB", (2, 1)).save(photo)
    result = CliRunner().invoke(main, ["data", "check", str(tmp_path), "--max-pixels", "1"])
    assert result.exit_code == 1
    assert "the image has 2 x 1 = 2 pixels" in result.output

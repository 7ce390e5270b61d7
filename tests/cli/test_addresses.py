"""Where the command line takes an address such as s3://bucket/photos, and where only a path of this machine."""

import click
import pytest
from click.testing import CliRunner

from kerasfusion.address import Address
from kerasfusion.cli.main import main
from kerasfusion.cli.options import PLACE, LocalPath
from kerasfusion.config import load_config
from kerasfusion.errors import RequestError
from kerasfusion.fume.config import FumeConfig
from kerasfusion.roadwork.config import RoadworkConfig


def path_options(command, path=()):
    """(words of the command, option) of every option and argument that takes a path."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from path_options(command.get_command(context, name), (*path, name))
        return
    for option in command.params:
        if isinstance(option.type, click.Path) or option.type is PLACE:
            yield path, option


def test_every_path_refuses_an_address_unless_it_is_photos_or_cache():
    found = list(path_options(main))
    assert len(found) > 60
    for path, option in found:
        if option.type is PLACE:
            assert option.name in ("data", "data__root", "root", "cache", "cache__folder"), (path, option.name)
            assert option.type.convert("s3://bucket/a/", option, None) == Address("s3://bucket/a")
        else:
            assert isinstance(option.type, LocalPath), (path, option.name)
            with pytest.raises(click.BadParameter, match="s3://bucket/a is an address; only a path of this machine"):
                option.type.convert("s3://bucket/a", option, None)


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("data split photos s3://bucket/split", "'OUT': s3://bucket/split is an address"),
        ("data split s3://bucket/photos split", "'SRC': s3://bucket/photos is an address"),
        ("data import photos gs://bucket/set", "'OUT': gs://bucket/set is an address"),
        ("data import s3://bucket/photos out", "nothing is imported from an address   where: s3://bucket/photos"),
        ("data challenge s3://bucket/a out", "'SRC': s3://bucket/a is an address"),
        ("data check s3://", "'ROOT': Input should name a bucket"),
        ("evaluate s3://bucket/fusion.keras", "'[MODEL]': s3://bucket/fusion.keras is an address"),
        ("evaluate m.keras --out az://c/x", "'--out': az://c/x is an address"),
        ("report s3://bucket/run", "'RUN [RUN]': s3://bucket/run is an address"),
        ("fit -c s3://bucket/c.yaml", "'--config' / '-c': s3://bucket/c.yaml is an address"),
        (
            "fit --set runs_folder=s3://b/runs",
            "runs_folder: only a path of this machine can be here, but 's3://b/runs'",
        ),
        ("fit --set fit.pixel_cache=s3://b/p", "fit.pixel_cache: only a path of this machine can be here"),
        ("precompute --yolo s3://b/best.pt", "'--yolo': s3://b/best.pt is an address"),
        ("precompute --set yolo.weights=s3://b/best.pt", "yolo.weights: only a path of this machine can be here"),
        ("fit --set system=fume --data s3://b/gas", "data.dataset_root: only a path of this machine can be here"),
        ("fit --set system=fume --cache s3://b/gas", "data.frame_cache: only a path of this machine can be here"),
    ],
)
def test_an_address_elsewhere_is_refused_by_its_name(command, named, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    result = CliRunner().invoke(main, command.split())
    assert result.exit_code == 2
    assert named in result.output.replace("\n", " "), result.output
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


@pytest.mark.parametrize("schema", [RoadworkConfig, FumeConfig])
def test_all_keys_that_are_wrong_are_named_at_once(schema):
    key = "yolo.weights" if schema is RoadworkConfig else "data.frame_cache"
    with pytest.raises(RequestError, match=rf"2 keys are wrong(.|\n)*runs_folder(.|\n)*{key}"):
        load_config(schema, settings=["runs_folder=s3://b/runs", f"{key}=s3://b/x"])


def test_texts_that_are_no_paths_may_be_addresses():
    config = load_config(RoadworkConfig, settings=["vit.weights=hf://natix/roadwork", "data.root=memory://b/x"])
    assert config.vit.weights == "hf://natix/roadwork" and config.data.root == Address("memory://b/x")

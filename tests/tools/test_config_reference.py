from pathlib import Path
from typing import Annotated, Literal

import pytest
from click.testing import CliRunner
from pydantic import Field
from pydantic.dataclasses import dataclass

from kerasfusion.config import load_config
from kerasfusion.errors import RequestError
from kerasfusion.roadwork.config import RoadworkConfig
from tools import config_reference
from tools.config_reference import CONFIGURATIONS, Key, sections


@dataclass(frozen=True)
class Inner:
    """What lies
    deeper.

    Attributes:
        side: of a square,
            in pixels.
    """

    side: Annotated[int, Field(ge=32, lt=4096, multiple_of=8)] = 64


@dataclass(frozen=True)
class Outer:
    """The top.

    Attributes:
        first, second: two of a kind.
        kind: a | b.
    """

    first: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] = (0.5, 2)
    second: Path | None = None
    kind: Literal["a", "b"] = "a"
    silent: tuple[str, ...] = ()
    inner: Inner | None = Inner()


def test_types_ranges_defaults_and_meanings_are_put_into_words(monkeypatch):
    (_, what, keys), (name, deeper, (side,)) = sections(Outer)
    assert what == "The top."
    assert (name, deeper) == ("inner", "What lies deeper.")
    assert side == Key("side", "integer ≥ 32, < 4,096, multiple of 8", "64", "of a square, in pixels.")
    assert keys == [
        Key("first", "list of 2: number > 0", "[0.5, 2]", "two of a kind."),
        Key("second", "path or null", "null", "two of a kind."),
        Key("kind", "`a` or `b`", "a", "a | b."),
        Key("silent", "list of text", "[]", ""),
        Key("inner", "null, or a section", "see below", ""),
    ]
    monkeypatch.setattr(config_reference, "CONFIGURATIONS", {"toy": (Outer, "nowhere")})
    assert "| `kind` | `a` or `b` | `a` | a \\| b. |" in config_reference.as_markdown()


def test_what_it_says_of_a_key_is_what_is_refused():
    found = {f"{name}.{key.name}": key.allowed for name, _, keys in sections(RoadworkConfig) for key in keys}
    assert found["data.validation_fraction"] == "number ≥ 0, < 1"
    assert found["tracking.panels_every"] == "integer ≥ 0"
    load_config(RoadworkConfig, settings=["data.validation_fraction=0", "tracking.panels_every=0"])
    for setting in ("data.validation_fraction=1", "data.validation_fraction=-0.1", "tracking.panels_every=1.5"):
        with pytest.raises(RequestError):
            load_config(RoadworkConfig, settings=[setting])


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_key_has_a_meaning(name):
    tables = list(sections(CONFIGURATIONS[name][0]))
    assert not [f"{section}.{key.name}" for section, _, keys in tables for key in keys if not key.meaning]


def test_the_committed_reference_is_current():
    result = CliRunner().invoke(config_reference.main, ["--check"])
    assert result.exit_code == 0, result.output


def test_a_reference_that_is_not_current_is_named_and_mended(monkeypatch, tmp_path):
    path = tmp_path / "REFERENCE.md"
    monkeypatch.setattr(config_reference, "FILE", path)
    assert CliRunner().invoke(config_reference.main, ["--check"]).exit_code == 1
    path.write_text("| `seed` | integer |")
    result = CliRunner().invoke(config_reference.main, ["--check"])
    assert (result.exit_code, "tools/config_reference.py" in result.output) == (1, True)
    assert path.read_text() == "| `seed` | integer |"
    assert CliRunner().invoke(config_reference.main, []).exit_code == 0
    assert CliRunner().invoke(config_reference.main, ["--check"]).exit_code == 0

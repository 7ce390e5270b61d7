"""TensorFlow's oneDNN: switched on for training, and by nobody against the user."""

import pytest

from kerasfusion.machine import onednn


@pytest.fixture
def environment(monkeypatch):
    """A process without TensorFlow whose environment does not speak of it; both are put back."""
    monkeypatch.setenv(onednn.VARIABLE, "")
    monkeypatch.delenv(onednn.VARIABLE)
    monkeypatch.delitem(onednn.sys.modules, "tensorflow", raising=False)
    return onednn.os.environ


@pytest.mark.parametrize(
    ("machine", "said", "expected"),
    [("x86_64", None, "1"), ("AMD64", None, "1"), ("x86_64", "0", "0"), ("arm64", None, None), ("aarch64", None, None)],
)
def test_what_the_environment_says_stays(environment, monkeypatch, machine, said, expected):
    if said is not None:
        environment[onednn.VARIABLE] = said
    monkeypatch.setattr(onednn.platform, "machine", lambda: machine)
    onednn.use_onednn()
    assert environment.get(onednn.VARIABLE) == expected


def test_a_process_that_has_tensorflow_says_nothing_to_those_it_starts(environment, monkeypatch):
    monkeypatch.setitem(onednn.sys.modules, "tensorflow", object())
    monkeypatch.setattr(onednn.platform, "machine", lambda: "x86_64")
    onednn.use_onednn()
    assert onednn.VARIABLE not in environment

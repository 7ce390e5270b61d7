"""TensorFlow's oneDNN: switched on for training, and by nobody against the user."""

import pytest

from kerasfusion.machine import onednn


@pytest.mark.parametrize(
    ("machine", "said", "expected"),
    [("x86_64", None, "1"), ("AMD64", None, "1"), ("x86_64", "0", "0"), ("arm64", None, None), ("aarch64", None, None)],
)
def test_what_the_environment_says_stays(monkeypatch, machine, said, expected):
    monkeypatch.setenv(onednn.VARIABLE, said or "")  # put back after the test, whatever it was
    if said is None:
        monkeypatch.delenv(onednn.VARIABLE)
    monkeypatch.setattr(onednn.platform, "machine", lambda: machine)
    onednn.use_onednn()
    assert onednn.os.environ.get(onednn.VARIABLE) == expected

"""A model file that does not answer in its own process: what is said of it."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from kerasfusion.errors import KerasFusionError
from kerasfusion.formats import measuring


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (4, "ended by signal 4: this processor lacks instructions that it needs"),
        (9, "ended by signal 9: probably for want of memory; close other programs"),
        (11, "ended by signal 11"),
    ],
)
def test_the_signal_that_ended_it_says_why(monkeypatch, number, reason):
    ended = SimpleNamespace(returncode=-number, stderr="", stdout="")
    monkeypatch.setattr(measuring, "subprocess", SimpleNamespace(run=lambda *arguments, **options: ended))
    with pytest.raises(KerasFusionError) as caught:
        measuring.measure(Path("a.onnx"), {"image": np.zeros((1, 2), np.float32)})
    assert caught.value.what.endswith(reason)

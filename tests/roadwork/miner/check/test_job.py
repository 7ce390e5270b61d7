"""`miner check` where the miner's Python does not come to its end."""

import pytest

from kerasfusion.errors import KerasFusionError
from kerasfusion.roadwork.miner.check import job
from kerasfusion.roadwork.miner.plugin.install import InstallRequest, install
from tests.roadwork.miner.miner_tree import LAYOUTS, write_tree


def test_a_python_that_waits_for_ever_is_ended_and_named(tmp_path, monkeypatch):
    tree = write_tree(tmp_path / "tree", LAYOUTS[0])
    install(InstallRequest(tree, None, service_url="http://127.0.0.1:1"))
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 60\n")
    python.chmod(0o755)
    monkeypatch.setattr(job, "_PATIENCE_S", 0.3)
    with pytest.raises(KerasFusionError, match="gave no answer in 0 s, and was ended") as raised:
        job.check(tree, python)
    assert (raised.value.exit_code, raised.value.where) == (1, python)
    assert raised.value.todo.endswith(f"in {tree}, {python} -c 'import base_miner.detectors'")

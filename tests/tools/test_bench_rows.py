"""The measurement of `fit` on many rows: what it makes up, and that it trains on all of it."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "bench_rows.py"

pytestmark = pytest.mark.trains


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("bench_rows", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_made_up_rows_differ_by_class_and_are_the_same_each_time(tool, tmp_path):
    labels = np.arange(2500, dtype=np.int32) % 2
    first, second = (tool.make_rows(tmp_path / name, labels, 40) for name in ("a.npy", "b.npy"))
    assert (first.shape, first.dtype) == ((2500, 40), np.float32)
    rows = first.take(np.arange(2500))
    assert (rows == second.take(np.arange(2500))).all()
    means = rows[labels == 1].mean() - rows[labels == 0].mean()
    assert means == pytest.approx(tool.SEPARATION, abs=4 / np.sqrt(2500 * 40 / 4))
    assert rows.std() == pytest.approx(1, abs=0.02)


def test_made_up_photos_have_their_views(tool):
    photos = tool.make_photos(5, 3)
    assert (len(photos), photos.views, len(set(photos.digests))) == (15, 3, 5)
    assert photos.labels.tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0]


def test_all_rows_are_trained_on(tool, tmp_path, short_efficientnetv2):
    found = tool.measure(rows=3000, views=2, epochs=2, variant="b0", folder=tmp_path)
    assert (found["rows"], found["width"]) == (3000, 1280)
    assert found["disk_gb"] == pytest.approx(3000 * 1280 * 4 / 1e9, rel=1e-3)
    assert min(found["begin_mb"], found["listed_mb"], found["peak_mb"]) > 100  # of this process, whatever it did before
    assert found["accuracy"] > 0.6

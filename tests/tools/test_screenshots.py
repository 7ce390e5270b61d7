"""The tool that takes pictures of reports."""

import importlib
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerasfusion.report_page.blocks import Paragraph, Section
from kerasfusion.report_page.page import write_page

pytestmark = pytest.mark.browser


TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture
def screenshots(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    return importlib.import_module("screenshots")


def png(pixels):
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return data.getvalue()


def test_a_picture_for_each_kind_of_window(tmp_path):
    write_page(tmp_path / "a.html", "roadwork: demo <1>", "lead", [Section("One", [Paragraph("text")])], "m")
    command = [sys.executable, str(TOOLS / "screenshots.py"), str(tmp_path / "a.html"), "--out", str(tmp_path / "out")]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    found = {}
    for path in (tmp_path / "out").iterdir():
        with Image.open(path) as image:
            found[path.name] = (image.size, image.convert("L").getpixel((2, 2)) < 60)
    assert found == {
        "roadwork-demo-1-desktop.png": ((1100, 1250), False),
        "roadwork-demo-1-phone.png": ((390, 844), False),
        "roadwork-demo-1-dark.png": ((1100, 1250), True),
    }


def test_pictures_stay_small(screenshots):
    flat = png(np.zeros((900, 900, 3), np.uint8))
    assert screenshots.small_png(flat) == flat
    slope = np.linspace(0, 255, 900)
    soft = np.stack([*np.meshgrid(slope, slope), np.tile(slope[::-1], (900, 1))], axis=-1)
    busy = png((soft + np.random.default_rng(0).normal(0, 3, soft.shape)).clip(0, 255).astype(np.uint8))
    small = screenshots.small_png(busy)
    assert len(small) < len(busy) / 2
    with Image.open(io.BytesIO(small)) as image:
        assert image.size == (900, 900)

"""What a report of two runs says of their settings."""

from typing import Any

from kerasfusion.files.run_files import settings_side_by_side
from kerasfusion.report_page.blocks import Paragraph, Section, Table


def settings_section(a: dict[str, Any], b: dict[str, Any], name_a: str, name_b: str) -> Section:
    """The settings in which two configurations differ, side by side."""
    rows = settings_side_by_side(a, b, name_a, name_b)
    there = Table(rows, "Of config.yaml; settings that are not here are the same in both.")
    return Section("Settings that differ", [there if rows else Paragraph("None: both runs have the same settings.")])

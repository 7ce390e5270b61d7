"""What every run leaves beside its results, so that it can be understood and made again: settings and environment."""

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from kerasfusion.config import to_yaml
from kerasfusion.file_writing import write_text
from kerasfusion.reporting import write_json

PACKAGES = ("kerasfusion", "tensorflow", "keras", "keras-hub", "keras-cv", "ultralytics", "torch", "numpy", "pillow")


def describe_run(folder: Path, config: Any) -> None:
    """Write `config.yaml` (resolved) and `environment.json` into the run folder."""
    write_text(folder / "config.yaml", to_yaml(config))
    write_json(folder / "environment.json", environment())


def environment() -> dict[str, Any]:
    """Python, system and package versions, and the command line."""
    return {
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None

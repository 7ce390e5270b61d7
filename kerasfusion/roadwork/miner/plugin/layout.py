"""Where a miner's source tree keeps its detectors."""

from dataclasses import dataclass
from pathlib import Path

from kerasfusion.errors import RequestError

PACKAGES = ("base_miner", "natix.miner")
"""The package that holds registry and detectors, in the subnet's own tree and in its rewritten one."""

MODULE = "inception_fusion_detector"
CONFIG = "inception_fusion_roadwork.yaml"
DETECTOR = "InceptionFusion"
"""The detector's name in the miner's registry."""

_SETUP = ("setup_env.sh", "scripts/setup_env.sh")
_NEEDED = ("registry.py", "detectors/__init__.py", "detectors/feature_detector.py", "detectors/configs")


@dataclass(frozen=True)
class Layout:
    """A miner's source tree.

    Attributes:
        root: its top folder, which the miner is started from.
        package: import name of the package that holds registry and detectors.
    """

    root: Path
    package: str

    @property
    def detectors(self) -> Path:
        """The folder of the detectors' modules."""
        return self.root.joinpath(*self.package.split("."), "detectors")

    @property
    def module(self) -> Path:
        """The module of the detector that is installed."""
        return self.detectors / f"{MODULE}.py"

    @property
    def config(self) -> Path:
        """Its YAML."""
        return self.detectors / "configs" / CONFIG

    @property
    def env(self) -> Path:
        """The settings that the miner's start script reads."""
        return self.root / "miner.env"

    @property
    def setup(self) -> Path | None:
        """The tree's own script that writes a complete `env`, and leaves one alone that is there; None if it has none.

        In the subnet's tree it lies at the top, since May 2026 in scripts/.
        """
        return next((self.root / name for name in _SETUP if (self.root / name).is_file()), None)


def find_layout(root: Path) -> Layout:
    """Recognise a miner's source tree.

    Raises:
        RequestError: not a folder, or none of the layouts; says what was looked for.
    """
    if not root.is_dir():
        raise RequestError("no such folder", where=root, expected="the source tree of a streetvision miner")
    missing = []
    for package in PACKAGES:
        folder = root.joinpath(*package.split("."))
        lacking = [name for name in _NEEDED if not (folder / name).exists()]
        if not lacking:
            return Layout(root.absolute(), package)
        missing.append(f"{folder.relative_to(root).as_posix()}/ lacks {', '.join(lacking)}")
    raise RequestError(
        "not the source tree of a streetvision miner: " + "; ".join(missing),
        where=root,
        expected=f"base_miner/ or natix/miner/ with {', '.join(_NEEDED)}",
        todo="name the top folder of a clone of the subnet's repository",
    )

"""What a miner is started with: the detector, its YAML and the device that miner.env names."""

from dataclasses import dataclass
from pathlib import Path

from kerasfusion.errors import RequestError
from kerasfusion.reporting import command_line
from kerasfusion.roadwork.miner.plugin.layout import CONFIG, DETECTOR, Layout, find_layout
from kerasfusion.roadwork.miner.plugin.miner_env import read_env

_DEFAULTS = {"IMAGE_DETECTOR": DETECTOR, "IMAGE_DETECTOR_CONFIG": CONFIG, "IMAGE_DETECTOR_DEVICE": "cpu"}


@dataclass(frozen=True)
class Launch:
    """What the miner's start script hands over.

    Attributes:
        layout: the miner's source tree.
        detector: name in the miner's registry.
        config: the YAML as the miner is given it.
        device: "cpu", "cuda" or "auto".
    """

    layout: Layout
    detector: str
    config: str
    device: str

    @property
    def config_file(self) -> Path:
        """The YAML as the miner finds it: the path as given from the tree's top folder, else in configs/."""
        given = self.layout.root / self.config
        return given if given.exists() else self.layout.config.parent / self.config


def installed(root: Path) -> Launch:
    """What a tree's miner would be started with: miner.env where it says so, else what is installed.

    Raises:
        RequestError: no miner's tree, or an unreadable miner.env.
    """
    layout = find_layout(root)
    values = _DEFAULTS | (read_env(layout.env) if layout.env.exists() else {})
    return Launch(layout, *(values[name] for name in _DEFAULTS))


def read_launch(env: Path) -> Launch:
    """What the miner beside a miner.env is started with.

    Raises:
        RequestError: a missing variable, another detector, a missing YAML, or no miner's tree around it.
    """
    values = read_env(env)
    missing = [name for name in _DEFAULTS if not values.get(name)]
    if missing:
        raise RequestError(
            f"not set: {', '.join(missing)}",
            where=env,
            expected=", ".join(f"{name}={value}" for name, value in _DEFAULTS.items()),
            todo=f"{command_line(['kerasfusion', 'miner', 'install', env.parent])} --write-env ...",
        )
    launch = Launch(find_layout(env.parent), *(values[name] for name in _DEFAULTS))
    if launch.detector != DETECTOR:
        raise RequestError(
            f"the miner answers with {launch.detector}, which is not this program's",
            where=f"{env}: IMAGE_DETECTOR",
            expected=DETECTOR,
        )
    if not launch.config_file.is_file():
        raise RequestError(
            "the detector's YAML does not exist",
            where=f"{env}: IMAGE_DETECTOR_CONFIG={launch.config}",
            expected=f"a file in {launch.layout.root} or {launch.layout.config.parent}",
        )
    return launch

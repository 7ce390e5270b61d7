"""Small miners' source trees with the subnet's two layouts and its interfaces, without its libraries."""

import base64
import importlib
import io
import subprocess
import sys
from pathlib import Path

from PIL import Image

LAYOUTS = ("base_miner", "natix.miner")

REGISTRY = """
class Registry:
    def __init__(self):
        self.found = {}

    def register_module(self, module_name=None):
        def register(kind):
            self.found[module_name or kind.__name__] = kind
            return kind

        return register

    def __getitem__(self, name):
        return self.found[name]

    def __contains__(self, name):
        return name in self.found


DETECTOR_REGISTRY = Registry()
"""

FEATURE_DETECTOR = """
from abc import ABC, abstractmethod
from pathlib import Path

import yaml


class FeatureDetector(ABC):
    def __init__(self, model_name, config_name=None, device="cpu"):
        self.model_name, self.device = model_name, device
        if config_name:
            self.set_class_attrs(config_name)
            self.load_model_config()
        self.load_model()

    @abstractmethod
    def load_model(self):
        pass

    @abstractmethod
    def __call__(self, image):
        pass

    def set_class_attrs(self, detector_config):
        path = Path(detector_config)
        path = path if path.exists() else Path(__file__).parent / "configs" / path
        for key, value in yaml.safe_load(path.read_text()).items():
            setattr(self, key, value)

    def load_model_config(self):
        raise RuntimeError("this would ask the hub")
"""

ENV = """# settings of the miner
IMAGE_DETECTOR=ViT
export IMAGE_DETECTOR_CONFIG="ViT_roadwork.yaml"   # in configs/

IMAGE_DETECTOR_DEVICE=cpu # Options: cpu, cuda
WALLET_NAME=some 'one'
MODEL_URL=https://example.org/#a"""


def write_tree(root: Path, package: str) -> Path:
    """Write a tree of one of LAYOUTS with a miner.env that has no end at its last line."""
    folder = root.joinpath(*package.split("."))
    (folder / "detectors" / "configs").mkdir(parents=True)
    for level in (folder, *folder.relative_to(root).parents):
        if level != Path():
            (root / level / "__init__.py").write_text("")
    (folder / "registry.py").write_text(REGISTRY)
    (folder / "detectors" / "feature_detector.py").write_text(FEATURE_DETECTOR)
    (folder / "detectors" / "__init__.py").write_text("from .feature_detector import FeatureDetector\n")
    (folder / "detectors" / "configs" / "ViT_roadwork.yaml").write_text("hf_repo: owner/name\n")
    (root / "miner.env").write_text(ENV)
    (root / "miner.env").chmod(0o600)
    return root


def contents(root: Path) -> dict[str, tuple[bytes, int]]:
    """Every file's bytes and mode, by path."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): (path.read_bytes(), path.stat().st_mode) for path in files}


class Miner:
    """Loads the detector and answers a synapse as the subnet's miner does: an error is an answer that stays -1.

    Args:
        monkeypatch: takes the tree's modules out of this process again.
        root: the tree, which is made the working directory.
        package: its layout.
    """

    def __init__(self, monkeypatch, root: Path, package: str, config="inception_fusion_roadwork.yaml", device="cpu"):
        monkeypatch.chdir(root)
        monkeypatch.syspath_prepend(root)
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        for name in [name for name in sys.modules if name.split(".")[0] in ("base_miner", "natix")]:
            monkeypatch.delitem(sys.modules, name)
        importlib.import_module(f"{package}.detectors")
        registry = importlib.import_module(f"{package}.registry").DETECTOR_REGISTRY
        self.detector = registry["InceptionFusion"](config_name=config, device=device)
        self.error = None

    def forward(self, image_base64: str) -> float:
        """The synapse's prediction."""
        prediction = -1.0
        try:
            prediction = self.detector(Image.open(io.BytesIO(base64.b64decode(image_base64))))
        except Exception as error:
            self.error = error
        return prediction


def without_kerasfusion(folder: Path) -> Path:
    """An interpreter that has Pillow and PyYAML and cannot import this package."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--symlinks", folder], check=True)
    (packages,) = folder.rglob("site-packages")
    import PIL
    import yaml

    for library in (PIL, yaml):
        source = Path(library.__file__).parent
        (packages / source.name).symlink_to(source, target_is_directory=True)
    libraries = Path(PIL.__file__).parents[1] / "pillow.libs"
    if libraries.is_dir():
        (packages / libraries.name).symlink_to(libraries, target_is_directory=True)
    return folder / "bin" / "python"

"""The older layout of a fusion miner: which files belong together, and which of them are missing."""

from dataclasses import dataclass
from pathlib import Path

from kerasfusion.config import read_yaml
from kerasfusion.errors import RequestError
from kerasfusion.files.run_folder import require_folder
from kerasfusion.formats.converting import refuse_wrong_name
from kerasfusion.roadwork.branches.vit import HUB
from kerasfusion.roadwork.miner.plugin.detector_settings import MODEL_NAME, read_detector_settings

HEAD = "fusion_head.keras"
BRANCHES = {"efficientnetv2": "efficientnetv2_branch.keras", "googlenet": "googlenet_branch.keras"}
"""Name of the third branch -> its file."""
ROADWORK_CLASS_INDEX = 1


@dataclass(frozen=True)
class LegacyFiles:
    """What one import reads.

    Attributes:
        folder: of the two files.
        third: the third branch's name, a key of BRANCHES.
        yolo: best.pt.
        vit: hf://owner/name or a folder.
        roadwork_class_index: the column of YOLO's answer that stands for roadwork; the last one if it has fewer.
        vit_classes: names of the ViT's outputs in order; needed for a keras-hub preset, which holds none.
    """

    folder: Path
    third: str
    yolo: Path
    vit: str
    roadwork_class_index: int = ROADWORK_CLASS_INDEX
    vit_classes: tuple[str, ...] | None = None

    @property
    def branch(self) -> Path:
        """The third branch's file."""
        return self.folder / BRANCHES[self.third]

    @property
    def head(self) -> Path:
        """The head's file."""
        return self.folder / HEAD


def find_files(
    source: Path,
    yolo: Path | None = None,
    vit: str | None = None,
    roadwork_class_index: int | None = None,
    vit_classes: tuple[str, ...] | None = None,
) -> LegacyFiles:
    """Find the files of an older layout.

    Args:
        source: the folder of the two files, or the YAML that the miner was configured by.
        yolo, vit, roadwork_class_index: as in LegacyFiles; None takes what the YAML says.
        vit_classes: as in LegacyFiles.

    Raises:
        RequestError: files that are missing (all of them in one message), the PyTorch variant, a SavedModel.
    """
    if not source.exists():
        raise RequestError("no such file or folder", where=source, expected=f"a folder with {HEAD}, or a miner's YAML")
    if source.is_dir():
        folder = source
    else:
        folder, yolo, vit, roadwork_class_index = _read_settings(source, yolo, vit, roadwork_class_index)
    _refuse_other_variants(folder)
    present = [name for name, file in BRANCHES.items() if (folder / file).is_file()]
    _refuse_missing(folder, present, yolo, vit)
    if len(present) > 1:
        raise RequestError(
            f"both {' and '.join(BRANCHES.values())} are here",
            where=folder,
            expected="the one that the head was fitted with",
            todo="move the other one elsewhere",
        )
    index = ROADWORK_CLASS_INDEX if roadwork_class_index is None else roadwork_class_index
    return LegacyFiles(folder, present[0], yolo, vit, index, vit_classes)


def choose_out(files: LegacyFiles, out: Path | None) -> Path:
    """The file to write: what the user named, else fusion.keras in the folder of the two files.

    Raises:
        RequestError: its name does not end in .keras, is that of a file it is made of, or its folder may not be
            written to.
    """
    out = out or files.folder / MODEL_NAME
    refuse_wrong_name(out, ".keras")
    require_folder(out.parent)
    if out.resolve() in (files.branch.resolve(), files.head.resolve()):
        raise RequestError("this would overwrite a file that it is made of", where=out, todo="another --out")
    return out


def _read_settings(source: Path, yolo: Path | None, vit: str | None, index: int | None):
    """Folder, YOLO, ViT and class index: what was given, else what the YAML says."""
    _refuse_torch_file(source)
    settings = read_detector_settings(source)
    folder = settings.googlenet_fusion_path
    if folder is None:
        raise RequestError(
            "these settings are not of the older layout",
            where=source,
            expected="googlenet_fusion_path",
            todo="nothing is to be imported where model_path or service_url is set",
        )
    if settings.use_keras is False:
        _refuse_pytorch(f"{source}: use_keras is false")
    if vit is None and settings.vit_config is not None:
        vit = _read_repository(source.parent / settings.vit_config)
    return folder, yolo or settings.yolo_weights_path, vit, settings.roadwork_class_index if index is None else index


def _read_repository(path: Path) -> str:
    repository = read_yaml(path).get("hf_repo")
    if not isinstance(repository, str):
        raise RequestError("the ViT's YAML names no repository", where=path, expected="hf_repo: owner/name")
    return repository if repository.startswith(HUB) else HUB + repository


def _refuse_other_variants(folder: Path) -> None:
    _refuse_torch_file(folder)
    if any((folder / file).is_file() for file in BRANCHES.values()):
        return
    for file in BRANCHES.values():
        if (saved_model := folder / Path(file).stem).is_dir():
            raise RequestError(
                "a SavedModel folder cannot be imported: it is a program, which TensorFlow runs without any check",
                where=saved_model,
                expected=file,
                todo="on the machine that made it, load the branch in Keras and save it as a .keras file",
            )
    if (torch_file := next(folder.glob("*.pt"), None)) and not (folder / HEAD).is_file():
        _refuse_torch_file(torch_file)


def _refuse_torch_file(path: Path) -> None:
    if path.suffix == ".pt":
        _refuse_pytorch(path)


def _refuse_pytorch(where: object) -> None:
    raise RequestError(
        "the PyTorch variant of the older layout cannot be imported; only its Keras files can",
        where=where,
        expected=f"a folder with {BRANCHES['efficientnetv2']} and {HEAD}",
        todo="fit a model with this program: kerasfusion train-yolo, precompute, fit",
    )


def _refuse_missing(folder: Path, present: list[str], yolo: Path | None, vit: str | None) -> None:
    """Name all that is not there."""
    missing = []
    if not present:
        missing.append(f"{folder / BRANCHES['efficientnetv2']} (or {BRANCHES['googlenet']})")
    if not (folder / HEAD).is_file():
        missing.append(str(folder / HEAD))
    if yolo is None or not yolo.is_file():
        missing.append("--yolo best.pt" if yolo is None else f"{yolo} (--yolo)")
    if vit is None or not (vit.startswith(HUB) or Path(vit).is_dir()):
        missing.append("--vit hf://owner/name or FOLDER" if vit is None else f"{vit} (--vit)")
    if missing:
        raise RequestError(
            f"not there: {'; '.join(missing)}",
            where=folder,
            expected=f"{BRANCHES['efficientnetv2']} and {HEAD} in the folder, YOLO's best.pt and the ViT",
        )

"""Read a `.pt` or `.pth` file that torch.save wrote, without torch and without running anything that the file asks for.

Such a file is a zip archive: `*/data.pkl` is a pickle of the saved object, `*/data/KEY` are the bare numbers of its
tensors (https://pytorch.org/docs/stable/notes/serialization.html). A pickle is a program. Here it may only name what
a weights file needs: tensors become NumPy arrays, objects of torch's and ultralytics' classes become boxes that hold
their attributes and have no code, and any other name is refused before anything is called.
"""

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from kerasfusion.errors import RequestError

EXPECTED = "what torch.save wrote (torch 1.6 or later), such as best.pt of a YOLO classifier or FUME's best_model.pth"

STORAGE_DTYPES = {
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "DoubleStorage": "<f8",
    "BFloat16Storage": "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "|b1",
}
EXPANSION = 4
"""All tensors together may be this many times as large as the file, from FLOOR bytes on: bfloat16 doubles, and a
tensor that is shared by two modules is made for each of them."""
FLOOR = 1_000_000
BOXED_PACKAGES = ("ultralytics.", "torch.nn.", "torch.torch_version.", "torchvision.transforms.", "pathlib.")
BOXED_NAMES = frozenset(
    {
        "torch.Size",
        "torch.device",
        "numpy.dtype",
        "numpy.core.multiarray.scalar",
        "numpy._core.multiarray.scalar",
        "_codecs.encode",
        "builtins.set",
        "builtins.slice",
        "types.SimpleNamespace",
        "argparse.Namespace",
    }
)


class Box:
    """An object whose class is not loaded.

    Attributes:
        kind: name of its class, for example "Conv".
        state: its attributes. A torch module keeps its parts in `_modules`, `_parameters` and `_buffers`, which
            `box[name]` and `name in box` look through.
    """

    kind = ""

    def __new__(cls, *_, **__):
        box = super().__new__(cls)
        box.state = {}
        return box

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.state.update(state)

    def __getitem__(self, name: str) -> Any:
        return self._parts()[name]

    def __contains__(self, name: str) -> bool:
        return self._parts().get(name) is not None

    def parts(self) -> list[Any]:
        """A torch container's modules, in order."""
        return list(self.state["_modules"].values())

    def _parts(self) -> dict[str, Any]:
        kinds = ("_modules", "_parameters", "_buffers")
        return {name: part for kind in kinds for name, part in self.state.get(kind, {}).items()}


def read_torch_file(path: Path) -> Any:
    """Read what torch.save wrote.

    Args:
        path: a `.pt` or `.pth` file.

    Returns:
        The saved object: dicts, lists, numbers and texts as they were; tensors as NumPy arrays (bfloat16 as float32);
        everything else as Box.

    Raises:
        RequestError: not there, not such a file, damaged, or its pickle names something that no weights file needs.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _Unpickler(archive, path).load()
    except FileNotFoundError:
        raise RequestError("the weights file does not exist", where=path, expected=EXPECTED) from None
    except RequestError:
        raise
    # A file that was cut or tampered with ends in whatever its bytes lead to (BadZipFile, IndexError, TypeError, ...).
    except Exception as error:
        raise RequestError(f"not a readable weights file: {error}", where=path, expected=EXPECTED) from error


def refuse_damaged_archive(path: Path) -> None:
    """Compare every byte of a `.pt` file's members with the CRC-32 that the file names; torch.load does not.

    Raises:
        RequestError: damaged, cut short, or not a zip archive as torch.save writes it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _refuse_packed(archive, path)
            damaged = archive.testzip()
    # What zipfile raises on damaged, encrypted or cut archives.
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise RequestError(f"not a readable weights file: {error}", where=path, expected=EXPECTED) from error
    if damaged is not None:
        raise RequestError(
            f"the weights file is damaged: {damaged} in it is not what was saved",
            where=path,
            expected="members that have the CRC-32 that the file names",
            todo="copy the file again from where it was trained",
        )


def _refuse_packed(archive: zipfile.ZipFile, path: Path) -> None:
    """ValueError where the members hold more than the file: torch neither compresses nor shares bytes between them."""
    members = archive.infolist()
    packed = any(member.compress_type != zipfile.ZIP_STORED for member in members)
    if packed or sum(member.file_size for member in members) > path.stat().st_size:
        raise ValueError("its members are compressed or overlap")


class _Unpickler(pickle.Unpickler):
    def __init__(self, archive: zipfile.ZipFile, path: Path):
        (program,) = (name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl"))
        self._archive, self._path, self._root = archive, path, program.removesuffix("data.pkl")
        self._storages: dict[str, np.ndarray] = {}
        _refuse_packed(archive, path)
        self._made, self._limit = 0, max(FLOOR, EXPANSION * path.stat().st_size)
        if f"{self._root}byteorder" in archive.namelist() and archive.read(f"{self._root}byteorder") != b"little":
            raise ValueError("its numbers are not little-endian")
        super().__init__(io.BytesIO(archive.read(program)))

    def find_class(self, module: str, name: str) -> Any:
        """What a name in the pickle stands for.

        Raises:
            RequestError: nothing that a weights file needs.
        """
        full = f"{module}.{name}".replace("__builtin__.", "builtins.", 1)  # protocol 2 writes Python 2 names
        if module == "torch" and name in STORAGE_DTYPES:
            return _Named(name)
        if full == "collections.OrderedDict":
            return OrderedDict
        if full == "torch._utils._rebuild_tensor_v2":
            return _Named(name, self._tensor)
        if full in ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"):
            return _Named(name, lambda tensor, *_: tensor)
        if full.startswith(BOXED_PACKAGES) or full in BOXED_NAMES:
            return type(name, (Box,), {"kind": name})
        raise RequestError(
            f"the file asks for {full}, which no weights file needs; nothing of it was run",
            where=self._path,
            expected=EXPECTED,
            todo="do not use this file; get the weights from where they were trained",
        )

    def persistent_load(self, reference: tuple) -> np.ndarray:
        """The numbers that a tensor is cut from: a flat array, read only."""
        _, storage, key, _, count = reference
        if key not in self._storages:
            data = self._archive.read(f"{self._root}data/{key}")
            numbers = np.frombuffer(data, STORAGE_DTYPES[storage.name], count)
            if storage.name == "BFloat16Storage":  # the upper half of a float32
                numbers = (numbers.astype("<u4") << 16).view("<f4")
            self._storages[key] = numbers
        return self._storages[key]

    def _tensor(self, storage: np.ndarray, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_):
        """A copy of a strided part of a storage; a file may ask for as many as it likes, so they are counted."""
        part = _strided(storage, offset, shape, strides)
        self._made += part.nbytes
        if self._made > self._limit:
            raise ValueError(f"its tensors take more than {self._limit:,} bytes, {EXPANSION} times what the file holds")
        return part.copy()


class _Named:
    """A name that the pickle may use. Without attributes that the pickle could change."""

    __slots__ = ("_call", "name")

    def __init__(self, name: str, call=None):
        self.name, self._call = name, call

    def __call__(self, *arguments):
        return self._call(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError(f"{self.name} has no state")


def _strided(storage: np.ndarray, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> np.ndarray:
    """A view of a strided part of a storage; `shape` and `strides` come from the file, so they are checked."""
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    count = math.prod(shape)
    if min((offset, *shape, *strides)) < 0 or count > len(storage) or (count and last >= len(storage)):
        raise ValueError("a tensor reaches beyond its numbers")
    if not count:
        return np.zeros(shape, storage.dtype)
    steps = [stride * storage.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, steps, writeable=False)

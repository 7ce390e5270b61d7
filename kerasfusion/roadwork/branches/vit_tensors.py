"""The tensors of a Hugging Face checkpoint: `model.safetensors`, its shards, or what torch.save wrote.

A safetensors file is eight bytes that hold the length of a JSON header, the header (names, types, shapes, places), and
the bare numbers (https://huggingface.co/docs/safetensors). It is read here because NumPy has no bfloat16, and so that
what is wrong with a file can be said in a sentence.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasfusion.errors import RequestError
from kerasfusion.files.torch_file import read_torch_file

INDEX = "model.safetensors.index.json"
TORCH = "pytorch_model.bin"
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
LONGEST_HEADER = 100_000_000
"""Bytes; the format's own limit."""

_POINTER = b"version https://git-lfs"
_AGAIN = "get the file again; its size and sha256 stand where it was downloaded"


def find_shards(folder: Path) -> list[Path]:
    """The index of a checkpoint in several files, and the files that it names, in the order of their names.

    Raises:
        RequestError: no such index, or it names what is not a file of this folder.
    """
    index = folder / INDEX
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8-sig"))["weight_map"].values()))
        paths = [folder / name for name in names]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RequestError(
            f"the index of the weights cannot be read ({type(error).__name__})",
            where=index,
            expected='{"weight_map": {TENSOR: FILE, ...}}',
            todo=_AGAIN,
        ) from error
    for name, path in zip(names, paths, strict=True):
        if Path(name).name != name or path.suffix != ".safetensors":
            raise RequestError(
                f"the index names {name!r}", where=index, expected="safetensors files beside it", todo=_AGAIN
            )
        if not path.is_file():
            raise RequestError("a part of the weights is missing", where=path, expected=f"the {len(names)} of {INDEX}")
    return [index, *paths]


def refuse_pointers(files: Sequence[Path]) -> None:
    """Look whether the weights are there, and not only what Git LFS keeps in their place.

    Raises:
        RequestError: a file is such a pointer, or cannot be read.
    """
    for path in files:
        try:
            with path.open("rb") as file:
                start = file.read(len(_POINTER))
        except OSError as error:
            raise RequestError(f"the weights cannot be read: {error.strerror}", where=path) from error
        if start == _POINTER:
            raise RequestError(
                "this is a pointer of Git LFS, not the weights", where=path, todo=f"git lfs pull, in {path.parent}"
            )


def read_tensors(files: Sequence[Path]) -> dict[str, np.ndarray]:
    """Every tensor of a checkpoint.

    Args:
        files: `model.safetensors`, `pytorch_model.bin`, or the index and its files.

    Returns:
        {name: array}, float16 to float64; of safetensors views into the file, which must stay until they are used.

    Raises:
        RequestError: cut, damaged, of another format, or with anything but numbers in it.
    """
    tensors: dict[str, np.ndarray] = {}
    for path in files:
        if path.name == INDEX:
            continue
        found = _read_torch(path) if path.name == TORCH else _read_safetensors(path)
        twice = tensors.keys() & found.keys()
        if twice:
            raise RequestError(f"the tensor {min(twice)} is in two files", where=path, todo=_AGAIN)
        tensors |= found
    # What torch's DataParallel puts before every name says nothing.
    if tensors and all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): values for name, values in tensors.items()}
    return tensors


def _read_torch(path: Path) -> dict[str, np.ndarray]:
    found = read_torch_file(path)
    if not isinstance(found, dict) or not all(
        isinstance(name, str) and isinstance(values, np.ndarray) and values.dtype.kind == "f"
        for name, values in found.items()
    ):
        raise RequestError(
            "the file does not hold tensors of real numbers by name",
            where=path,
            expected="the state_dict of a ViTForImageClassification",
            todo=f"load it with transformers where it was made and save it anew: "
            f"ViTForImageClassification.from_pretrained({path.parent.name!r}).save_pretrained({path.parent.name!r})",
        )
    return dict(found)


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    size = path.stat().st_size
    data = np.memmap(path, np.uint8, "r") if size else np.zeros(0, np.uint8)
    length = int.from_bytes(data[:8].tobytes(), "little")
    if size < 8 or length > min(LONGEST_HEADER, size - 8):
        raise _damaged(path, "its header is cut")
    try:
        header = json.loads(data[8 : 8 + length].tobytes())
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
        numbers = data[8 + length :]
        tensors = {name: _tensor(numbers, entry) for name, entry in entries.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(path, str(error) if type(error) is ValueError else "its header is not one") from error
    stored = sum(math.prod(entry["shape"]) * np.dtype(DTYPES[entry["dtype"]]).itemsize for entry in entries.values())
    if stored != len(numbers):
        raise _damaged(path, f"its tensors take {stored:,} bytes, it holds {len(numbers):,}")
    return tensors


def _tensor(numbers: np.ndarray, entry: dict[str, Any]) -> np.ndarray:
    """A view of one tensor; bfloat16, the upper half of a float32, as a float32 copy."""
    if entry["dtype"] not in DTYPES:
        raise ValueError(f"numbers of type {str(entry['dtype'])[:40]} are not read, only {', '.join(DTYPES)}")
    (start, end), shape, dtype = entry["data_offsets"], entry["shape"], np.dtype(DTYPES[entry["dtype"]])
    if not all(isinstance(value, int) and value >= 0 for value in (start, end, *shape)):
        raise ValueError("a place or shape in its header is no number")
    if not start <= end <= len(numbers) or end - start != math.prod(shape) * dtype.itemsize:
        raise ValueError("a tensor reaches beyond its numbers")
    values = numbers[start:end].view(dtype).reshape(shape)
    return (values.astype("<u4") << 16).view("<f4") if entry["dtype"] == "BF16" else values


def _damaged(path: Path, why: str) -> RequestError:
    return RequestError(
        f"the weights cannot be read: {why}", where=path, expected="a whole safetensors file", todo=_AGAIN
    )

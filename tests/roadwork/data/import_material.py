"""Small datasets in the forms that `data import` reads, and the tree that comes out, for its tests."""

import contextlib
import hashlib
import io
from pathlib import Path

import datasets
import numpy as np
import pyarrow
import pytest
from PIL import Image
from pyarrow import parquet

from kerasfusion.roadwork.data.importing import writing


@contextlib.contextmanager
def stopped_after(count: int, error: type[BaseException] = KeyboardInterrupt):
    """An import within it ends with the error, once it has written so many images."""

    def stopping(items, label, total=None, done=0):
        for number, item in enumerate(items):
            if number == count:
                raise error
            yield item

    with pytest.MonkeyPatch.context() as patch, pytest.raises(error):
        patch.setattr(writing, "track", stopping)
        yield


def encode(seed: int, kind: str = "JPEG") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 13, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def make_rows(images: list[bytes], labels: list, label_feature: object) -> datasets.Dataset:
    features = datasets.Features({"id": datasets.Value("int64"), "image": datasets.Image(), "label": label_feature})
    cells = [{"bytes": data, "path": None} for data in images]
    return datasets.Dataset.from_dict({"id": list(range(len(images))), "image": cells, "label": labels}, features)


def write_parquet(path: Path, columns: dict[str, list]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.table(columns), path, row_group_size=3)
    return path


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def tree(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): sha256(path.read_bytes())
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name not in ("import.json", "import.sha256")
    }

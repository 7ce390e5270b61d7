"""Open labelled images on the Hugging Face hub, in a saved dataset or in Parquet files, to be read row by row.

The only file that imports `datasets`. Nothing here fills the Hugging Face cache (`~/.cache/huggingface`, or `HF_HOME`):
rows are streamed, which leaves a lock file and the card of the dataset there. What fills it is `datasets.load_dataset`
without streaming: it keeps the downloaded Parquet files under `hub/` and an Arrow copy of them under `datasets/`.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasfusion.address import open_url
from kerasfusion.errors import KerasFusionError, RequestError, first_line, install_hint
from kerasfusion.images.listing import PhotoListing
from kerasfusion.roadwork.data.importing.reach import Reach
from kerasfusion.roadwork.data.importing.rows import SplitRows
from kerasfusion.roadwork.data.label_names import SPLIT_SPELLINGS, find_split, parse_split

if TYPE_CHECKING:
    from datasets import Dataset, Features, IterableDataset

_IMAGE_NAMES = ("image", "img", "photo")
_LABEL_NAMES = ("label", "labels")
PARQUET = ".parquet"
_METADATA = "metadata.parquet"
_ROWS_PER_READ = 4
_BYTES_PER_READ = 1 << 20


def resolve_hub_revision(name: str, revision: str | None) -> str:
    """Ask the hub which commit a dataset's revision (default: its main branch) stands at.

    Raises:
        KerasFusionError: no answer, no such dataset or revision, or no access; says what else can be done.
    """
    _require_datasets()
    from huggingface_hub import HfApi

    try:
        return HfApi().dataset_info(name, revision=revision, timeout=30).sha
    except Exception as error:  # connection, HTTP and validation errors of several libraries
        raise _hub_error(name, error) from error


def open_hub(name: str, revision: str, only: str | None, reach: Reach) -> list[SplitRows]:
    """Open a hub dataset at a commit; images are downloaded as rows are read.

    Args:
        name: the dataset's id, such as natix-network-org/roadwork.
        revision: the commit.
        only: open this split alone (train, val or test).
        reach: what rows may name.

    Raises:
        RequestError: a split of an unknown name.
        KerasFusionError: the hub is out of reach, or the columns are not understood.
    """
    datasets = _require_datasets()
    try:
        builder = datasets.load_dataset_builder(name, revision=revision)
        files = {split: list(urls) for split, urls in (builder.config.data_files or {}).items()}
        chosen = _choose(files, only)
        if files and all(url.endswith(".parquet") for urls in files.values() for url in urls):
            return [_parquet_rows(split, files[own], reach, builder.info.features) for split, own in chosen.items()]
        reach = dataclasses.replace(reach, own=frozenset(str(url) for urls in files.values() for url in urls))
        streams = builder.as_streaming_dataset()
        sizes = builder.info.splits or {}
        return [
            _stream_rows(split, streams[own], getattr(sizes.get(own), "num_examples", None), reach)
            for split, own in _choose(streams, only).items()
        ]
    except KerasFusionError:
        raise
    except Exception as error:
        raise _hub_error(name, error) from error


def open_parquet(path: Path, only: str | None, reach: Reach) -> list[SplitRows]:
    """Open a Parquet file, or all of a folder's; a file's split is read from its name, else train.

    Raises:
        KerasFusionError: a damaged file, or columns that are not understood.
    """
    _require_datasets()
    root = path if path.is_dir() else path.parent
    files: dict[str, list[Path]] = {}
    for file in parquet_files(path, reach.follow_links):
        split = find_split(root.name / file.relative_to(root)) or "train"
        files.setdefault(split, []).append(file)
    try:
        return [_parquet_rows(split, members, reach, None) for split, members in files.items() if only in (None, split)]
    except (OSError, ValueError) as error:  # pyarrow's errors are among these
        raise KerasFusionError(
            f"cannot open the Parquet files: {first_line(error)}", where=path, todo="download damaged files again"
        ) from error


def open_saved(folder: Path, only: str | None, reach: Reach) -> list[SplitRows]:
    """Open a folder written by `save_to_disk` of a Dataset (its own split name, else train) or a DatasetDict.

    Raises:
        RequestError: a split of an unknown name.
        KerasFusionError: a damaged folder, or columns that are not understood.
    """
    datasets = _require_datasets()
    try:
        saved = datasets.load_from_disk(str(folder))
    except Exception as error:  # JSON, Arrow and file errors
        raise KerasFusionError(f"cannot open the saved dataset: {first_line(error)}", where=folder) from error
    if isinstance(saved, datasets.Dataset):
        saved = {str(saved.split or "train"): saved}
    return [_saved_rows(split, saved[own], reach) for split, own in _choose(saved, only).items()]


def parquet_files(path: Path, follow_links: bool) -> list[Path]:
    """The Parquet files that `path` is or holds, sorted, but for tables that only describe others.

    What is passed over, and which links are followed, is as for photos.

    Raises:
        KerasFusionError: there are such files, and a folder beside them that may not be entered, or a link that leads
            nowhere, in a circle or out.
    """
    if path.is_file():
        return [path]
    listing = PhotoListing(path, follow_links, frozenset({PARQUET}))
    found = sorted(file for file in listing.photos(path) if file.name != _METADATA)
    if found:
        listing.require_whole()
    return found


def is_saved_dataset(folder: Path) -> bool:
    """Whether `save_to_disk` wrote the folder."""
    return (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()


def _require_datasets() -> Any:
    try:
        import datasets
    except ImportError as error:
        raise KerasFusionError(
            "this source is read with the package datasets, which is not installed",
            todo=install_hint("train"),
        ) from error
    return datasets


def _choose(names: dict[str, Any], only: str | None) -> dict[str, str]:
    """{train, val or test: the source's own name of it}."""
    chosen: dict[str, str] = {}
    for name in names:
        split = parse_split(str(name))  # `datasets` has a type of its own for these
        if only is not None and split != only:
            continue
        if split is None or split in chosen:
            raise RequestError(
                f"cannot tell which split {str(name)!r} is",
                where=f"the source's splits: {', '.join(map(str, names))}",
                expected=SPLIT_SPELLINGS,
                todo="take one with --split",
            )
        chosen[split] = name
    return chosen


def _parquet_rows(split: str, files: Sequence[Path | str], reach: Reach, features: "Features | None") -> SplitRows:
    from datasets import Features
    from pyarrow import parquet

    footers = []
    for file in files:
        with _open(file) as stream:
            footers.append(parquet.ParquetFile(stream))
    columns = _columns(features or Features.from_arrow_schema(footers[0].schema_arrow))
    if features is None:
        _refuse_other_columns(files, [Features.from_arrow_schema(footer.schema_arrow) for footer in footers], columns)
    num_rows = sum(footer.metadata.num_rows for footer in footers)
    groups = (footer.metadata.row_group(i) for footer in footers for i in range(footer.num_row_groups))
    num_bytes = sum(group.total_byte_size for group in groups)
    return SplitRows(split, partial(_read_parquet, files, columns[:2]), *columns, reach, num_rows, num_bytes)


def _refuse_other_columns(files: Sequence[Path | str], features: Sequence["Features"], columns: tuple) -> None:
    """All files of a split must name and type the two columns alike, or a label would mean two things."""
    for file, own in zip(files, features, strict=True):
        if any(own.get(column) != features[0][column] for column in columns[:2]):
            raise KerasFusionError(
                "the Parquet files of one split have different columns",
                where=f"{file}: {_described(own)}",
                expected=f"as in {files[0]}: {_described({name: features[0][name] for name in columns[:2]})}",
                todo="import the files one by one into folders of their own, or make their columns alike",
            )


def _described(features: "Features | dict") -> str:
    kinds = {name: getattr(kind, "names", None) or getattr(kind, "dtype", kind) for name, kind in features.items()}
    return ", ".join(f"{name} ({kind})" for name, kind in kinds.items())


def _read_parquet(files: Sequence[Path | str], columns: Sequence[str], first_row: int) -> Iterator[dict]:
    """Rows from a row on. Not through `datasets`, whose scanner holds several row groups: gigabytes of photos."""
    row = 0
    for file in files:
        with _open(file) as stream:
            table = _table(stream)
            for group in range(table.num_row_groups):
                behind = row + table.metadata.row_group(group).num_rows
                if behind <= first_row:
                    row = behind
                    continue
                for batch in table.iter_batches(_ROWS_PER_READ, row_groups=[group], columns=list(columns)):
                    yield from batch.to_pylist()[max(0, first_row - row) :]
                    row += len(batch)


def _table(stream: Any) -> Any:
    from pyarrow import parquet

    return parquet.ParquetFile(stream, pre_buffer=False, buffer_size=_BYTES_PER_READ, page_checksum_verification=True)


def _open(file: Path | str) -> Any:
    return file.open("rb") if isinstance(file, Path) else open_url(file)


def _saved_rows(split: str, rows: "Dataset", reach: Reach) -> SplitRows:
    columns = _columns(rows.features)
    rows = _undecoded(rows, columns)
    return SplitRows(
        split, lambda first: (rows[i] for i in range(first, len(rows))), *columns, reach, len(rows), rows.data.nbytes
    )


def _stream_rows(split: str, rows: "IterableDataset", num_rows: int | None, reach: Reach) -> SplitRows:
    columns = _columns(rows.features)
    rows = _undecoded(rows, columns)
    return SplitRows(split, lambda first: iter(rows.skip(first)), *columns, reach, num_rows, None)


def _undecoded(rows: Any, columns: tuple[str, str, Any]) -> Any:
    from datasets import Image

    rows = rows.select_columns(list(columns[:2]))
    is_image = isinstance(rows.features[columns[0]], Image)
    return rows.cast_column(columns[0], Image(decode=False)) if is_image else rows


def _columns(features: "Features | None") -> tuple[str, str, list[str] | None]:
    """(image column, label column, the source's class names)."""
    from datasets import ClassLabel, Image

    features = features or {}
    images = [column for column, feature in features.items() if isinstance(feature, Image)]
    classes = [column for column, feature in features.items() if isinstance(feature, ClassLabel)]
    named_images = [column for column in features if column.lower() in _IMAGE_NAMES]
    named_labels = [column for column in features if column.lower() in _LABEL_NAMES]
    both = [column for column in images if column in named_images]
    image = _one_column("image", (both, images, named_images), features)
    label = _one_column("label", (named_labels, classes), features)
    return image, label, features[label].names if label in classes else None


def _one_column(what: str, candidates: Sequence[list[str]], features: "Features") -> str:
    """The column of the first list that has one alone."""
    for columns in candidates:
        if len(columns) == 1:
            return columns[0]
    raise KerasFusionError(
        f"cannot tell which column holds the {what}",
        where=f"columns: {', '.join(features)}",
        expected=f"an image column ({', '.join(_IMAGE_NAMES)}) and a label column ({', '.join(_LABEL_NAMES)})",
    )


def _hub_error(name: str, error: Exception) -> KerasFusionError:
    return KerasFusionError(
        f"cannot open the dataset on the Hugging Face hub: {type(error).__name__}: {first_line(error)}",
        where=f"hf:{name}",
        expected="a network connection, an existing dataset id, and for a private dataset `hf auth login`",
        todo=f"or download the Parquet files by hand, from https://huggingface.co/datasets/{name}/tree/main, "
        "and run: kerasfusion data import FOLDER OUT",
    )

"""Memory of `fit` on many rows: EfficientNetV2's classifier, trained and asked on made-up features that are on disk.

    .venv/bin/python tools/bench_rows.py
    .venv/bin/python tools/bench_rows.py --rows 100000 --rows 1000000 --views 4 --epochs 2 --folder /data/rows

A row is one view of a photo, as wide as the trunk's features. Each number of rows is measured in a process of its own;
1,000,000 rows of B0 take 5.1 GB of disk in the folder, which are deleted again.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np

from kerasfusion.reporting import table

BLOCK = 1_000
"""Rows that are made up at a time: few, that they do not count in what is measured."""
SEPARATION = 0.05
"""By how much the features' mean differs between the classes, in standard deviations: something to learn."""


def make_rows(path: Path, labels: np.ndarray, width: int):
    """The stored features: normal numbers, those of roadwork moved a little."""
    from kerasfusion.images.stored_arrays import stored_array

    def blocks():
        random = np.random.default_rng(0)
        for start in range(0, len(labels), BLOCK):
            moved = np.float32(SEPARATION) * labels[start : start + BLOCK, None].astype(np.float32)
            yield random.standard_normal((len(moved), width), np.float32) + moved

    return stored_array(path, (len(labels), width), "float32", blocks, "made-up features")


def make_photos(count: int, views: int):
    """So many photos as `load_photos` would give them, of both classes in turn."""
    from kerasfusion.roadwork.data.dataset import CLASS_NAMES, Sample
    from kerasfusion.roadwork.fit.training_data import Photos

    def sample(number: int) -> Sample:
        name = f"train/{CLASS_NAMES[number % 2]}/photo_{number:08d}.jpg"
        return Sample(name, Path("/photos") / name, "train", number % 2)

    labels = np.repeat(np.arange(count, dtype=np.int32) % 2, views)
    half = np.full((len(labels), 2), 0.5, np.float32)
    digests = [f"{number:064x}" for number in range(count)]
    return Photos([sample(number) for number in range(count)], digests, digests, labels, half, half)


def measure(rows: int, views: int, epochs: int, variant: str, folder: Path) -> dict:
    """Train on so many rows in this process; what it took."""
    from kerasfusion.config import load_config
    from kerasfusion.keras_settings import use_keras

    use_keras()
    from kerasfusion.machine.stage_clock import peak_memory_mb, resident_memory_mb
    from kerasfusion.roadwork.config import RoadworkConfig
    from kerasfusion.roadwork.fit.graph import answer_all, train_graph
    from kerasfusion.roadwork.fit.parts import build_parts
    from kerasfusion.roadwork.fit.sources import Source

    settings = {
        "runs_folder": folder,
        "fit.epochs": epochs,
        "efficientnetv2.variant": variant,
        "efficientnetv2.weights": "null",
    }
    config = load_config(RoadworkConfig, settings=[f"{key}={value}" for key, value in settings.items()])
    parts = build_parts(config, 224)
    before = resident_memory_mb()
    photos = make_photos(rows // views, views)
    stored = make_rows(folder / "features.npy", photos.labels, parts.trunk.output_shape[-1])
    weights = {output: np.ones(2, np.float32) for output in ("fusion", "efficientnetv2")}
    source = Source(photos, "features", stored, weights)
    made = peak_memory_mb()
    begin = time.perf_counter()
    graph = train_graph(config, parts, source, None, verbose=0)
    trained = time.perf_counter() - begin
    right = (answer_all(config, graph, source)[:, 1] > 0.5) == photos.labels
    return {
        "rows": len(photos),
        "width": stored.shape[1],
        "disk_gb": (folder / "features.npy").stat().st_size / 1e9,
        "begin_mb": before,
        "listed_mb": made,
        "peak_mb": peak_memory_mb(),
        "epoch_s": trained / epochs,
        "accuracy": float(right.mean()),
    }


@click.command()
@click.option("--rows", multiple=True, type=click.IntRange(100), default=(100_000, 1_000_000), show_default=True)
@click.option("--views", type=click.IntRange(1), default=4, show_default=True, help="Rows of each photo.")
@click.option("--epochs", type=click.IntRange(1), default=1, show_default=True)
@click.option("--variant", default="b0", show_default=True, help="efficientnetv2.variant")
@click.option("--folder", type=click.Path(path_type=Path), help="Where the rows are kept meanwhile.  [default: /tmp]")
def main(rows: tuple[int, ...], views: int, epochs: int, variant: str, folder: Path | None) -> None:
    """Print a line for each number of rows."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    found = []
    for count in rows:
        with tempfile.TemporaryDirectory(dir=folder) as own:
            request = json.dumps({"rows": count, "views": views, "epochs": epochs, "variant": variant, "folder": own})
            done = subprocess.run(
                [sys.executable, __file__, "--measure", request], check=True, stdout=subprocess.PIPE, text=True
            )
        found.append(json.loads(done.stdout.splitlines()[-1]))
    print(table(found, digits={"disk_gb": 2, "begin_mb": 0, "listed_mb": 0, "peak_mb": 0, "epoch_s": 1}))
    print("begin: libraries and network are loaded; listed: photos are listed, rows written; peak: trained and asked")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        asked = json.loads(sys.argv[2])
        print(json.dumps(measure(**asked | {"folder": Path(asked["folder"])})))
    else:
        main()

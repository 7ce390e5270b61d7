"""The usual stack as a worker: a transformers pipeline, ultralytics' predict, and Keras called eagerly.

Written as each library's documentation shows it, one photo at a time, with the thread settings that the libraries
make themselves. (On importing, ultralytics sets OMP_NUM_THREADS to 1, and at its first prediction on a CPU it gives
torch all cores but one; --threads sets another number after that.)
"""

from bench_peers.channel import open_replies, serve

REPLIES = open_replies()

import argparse  # noqa: E402  the libraries' own prints must not reach the replies
import io  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402
from transformers import pipeline  # noqa: E402
from ultralytics import YOLO  # noqa: E402

from bench_peers.memory import peak_memory_mb  # noqa: E402


class Peer:
    """ViT, YOLO and the parts that `fit` trained.

    Args:
        work: the benchmark's folder.
        parts: trained_parts.keras; None where only ViT and YOLO are asked.
        threads: of torch; 0 leaves what the libraries set.
    """

    def __init__(self, work: Path, parts: Path | None, threads: int):
        self.vit = pipeline("image-classification", model=str(work / "vit"))
        self.yolo = YOLO(work / "yolo" / "best.pt")
        if parts:
            import keras  # after torch, whose CUDA builds abort a process that TensorFlow came to first

            model = keras.saving.load_model(parts)
            (self.trunk,) = (layer for layer in model.layers if layer.name.startswith("efficientnetv2-"))
            self.classifier, self.head = model.get_layer("efficientnetv2_classifier"), model.get_layer("fusion_head")
        if threads:
            self.ask_yolo(Image.new("RGB", (64, 64)))
            torch.set_num_threads(threads)

    def ask_yolo(self, image: Image.Image) -> float:
        """P(roadwork) of YOLO."""
        result = self.yolo.predict(image, verbose=False)[0]
        return {result.names[number]: float(p) for number, p in enumerate(result.probs.data)}["roadwork"]

    def ask_vit(self, image: Image.Image) -> float:
        """P(roadwork) of the ViT."""
        return {row["label"]: row["score"] for row in self.vit(image)}["Roadwork"]

    def fuse(self, image: Image.Image, yolo: float, vit: float) -> float:
        """P(roadwork) of EfficientNetV2 and the fusion head over all three."""
        pixels = np.asarray(image.resize(self.trunk.input_shape[1:3], Image.Resampling.BILINEAR), np.float32)
        efficientnetv2 = self.classifier(self.trunk(pixels[None], training=False), training=False)
        answers = {"yolo": yolo, "vit": vit, "efficientnetv2": float(efficientnetv2[0, 1])}
        probs = {name: np.float32([[1 - p, p]]) for name, p in answers.items()}
        return float(self.head(probs, training=False)[0, 1])

    def answer(self, photo: str) -> dict:
        """P(roadwork) of a photo from its bytes, and the seconds that each stage took."""
        data = Path(photo).read_bytes()
        times = [time.perf_counter()]
        image = Image.open(io.BytesIO(data)).convert("RGB")
        times.append(time.perf_counter())
        yolo = self.ask_yolo(image)
        times.append(time.perf_counter())
        vit = self.ask_vit(image)
        times.append(time.perf_counter())
        p = self.fuse(image, yolo, vit)
        times.append(time.perf_counter())
        stages = dict(zip(("decode", "yolo", "vit", "efficientnetv2 + head"), np.diff(times).tolist(), strict=True))
        return {"p": p, "seconds": times[-1] - times[0], "stages": stages}

    def precompute(self, photos: list[str]) -> float:
        """Seconds for the answers of YOLO and the ViT about these photos."""
        begin = time.perf_counter()
        for photo in photos:
            image = Image.open(photo).convert("RGB")
            self.ask_yolo(image)
            self.ask_vit(image)
        return time.perf_counter() - begin


def main() -> None:
    """Load, then answer requests."""
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=Path)
    parser.add_argument("--parts", type=Path)
    parser.add_argument("--threads", type=int, default=0)
    peer = Peer(**vars(parser.parse_args()))
    serve(REPLIES, {"answer": peer.answer, "precompute": peer.precompute, "memory": peak_memory_mb})


if __name__ == "__main__":
    main()

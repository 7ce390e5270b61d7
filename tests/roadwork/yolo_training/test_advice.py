"""What is advised where ultralytics stops, by what it stopped for."""

import types

import pytest

from kerasfusion.errors import KerasFusionError
from kerasfusion.roadwork.yolo_training.epochs import train_epochs

MEMORY = "a smaller yolo.batch or yolo.image_size"


@pytest.mark.parametrize(
    ("reason", "todo"),
    [
        (
            "Expected more than 1 value per channel when training, got input size torch.Size([1, 1280, 1, 1])",
            "a batch held one photo (5 photos in batches of 4): choose a yolo.batch of 2 or more that leaves no "
            "single photo over",
        ),
        (
            "final batch=1 training at imgsz=32 gives BatchNorm a single value per channel; change batch, or use imgsz",
            "a batch held one photo (5 photos in batches of 4): choose a yolo.batch of 2 or more that leaves no "
            "single photo over",
        ),
        ("CUDA out of memory. Tried to allocate 2.00 GiB", MEMORY),
        ("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory", MEMORY),
        ("[Errno 12] Cannot allocate memory", MEMORY),
        ("No space left on device", "the log says more"),
    ],
)
def test_the_advice_is_about_the_reason(tmp_path, reason, todo):
    for number in range(5):
        photo = tmp_path / "tree" / "train" / "roadwork" / f"{number}.jpg"
        photo.parent.mkdir(parents=True, exist_ok=True)
        photo.touch()

    def stop(**_):
        raise RuntimeError(reason)

    model = types.SimpleNamespace(add_callback=lambda *_: None, train=stop)
    with pytest.raises(KerasFusionError) as caught:
        train_epochs(model, tmp_path / "tree", tmp_path, {"batch": 4}, tmp_path / "log", print)
    assert caught.value.todo == todo
    assert reason in caught.value.what
    assert str(caught.value.where) == str(tmp_path / "log")

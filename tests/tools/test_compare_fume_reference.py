"""The reference's side of the comparison: what its augmentation does to frames and masks, and its loss."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

TOOLS = Path(__file__).resolve().parents[2] / "tools"
sys.path.append(str(TOOLS))  # last: test.py lies there, too

from bench_fume import material, torch_side  # noqa: E402  they lie beside the tools
from bench_fume.ours import take_over  # noqa: E402
from compare_fume import asking, torch_training  # noqa: E402
from compare_fume import reference_augmentation as changes  # noqa: E402
from compare_fume.sets import generated_set  # noqa: E402
from compare_fume.summary import METRICS  # noqa: E402
from compare_fume.torch_task import Task  # noqa: E402

pytestmark = pytest.mark.exports


@pytest.fixture(autouse=True)
def same_numbers():
    torch.manual_seed(0)


def pictures(count=4, height=24, width=32):
    frames = torch.rand(count, 1, height, width).repeat(1, 2, 1, 1) * 255
    return frames, torch.randint(3, (count, 1, height, width), dtype=torch.uint8).repeat(1, 2, 1, 1)


def test_both_gases_are_changed_alike_and_stay_in_their_range():
    frames, masks = pictures(64)
    changed, moved = changes.augment(frames, masks)
    assert torch.equal(changed[:, 0], changed[:, 1]) and torch.equal(moved[:, 0], moved[:, 1])
    assert changed.shape == frames.shape and moved.dtype == torch.uint8
    assert float(changed.min()) >= 0 and float(changed.max()) <= 255 and set(moved.unique().tolist()) <= {0, 1, 2}
    assert not torch.equal(changed, frames) and not torch.equal(moved, masks)


def test_a_mirrored_frame_is_mirrored_to_the_pixel():
    frames, masks = pictures(1)
    mirror = torch.diag(torch.tensor([-1.0, 1.0, 1.0]))[None]
    found, mask = changes.moved(frames, masks, mirror)
    assert torch.allclose(found, frames.flip(-1), atol=1e-2) and torch.equal(mask, masks.flip(-1))


def test_what_comes_into_the_picture_is_black():
    frames, masks = torch.full((1, 2, 24, 32), 200.0), torch.full((1, 2, 24, 32), 2, dtype=torch.uint8)
    right = torch.eye(3)[None].clone()
    right[0, 0, 2] = 8  # pixels
    found, mask = changes.moved(frames, masks, right)
    assert float(found[..., :7].max()) == 0 and int(mask[..., :8].max()) == 0
    assert torch.allclose(found[..., 9:], torch.tensor(200.0), atol=1e-2) and int(mask[..., 8:].min()) == 2


def test_the_geometry_stays_within_its_limits(monkeypatch):
    monkeypatch.setattr(changes, "ELASTIC", 0.0)
    matrices = changes.draw_geometry(2000, 96, 128)
    lengths = matrices[:, :2, :2].norm(dim=1)
    assert float(lengths.min()) >= 0.85 - 1e-5 and float(lengths.max()) <= 1.15 + 1e-5
    angles = torch.rad2deg(torch.atan2(matrices[:, 1, 1], matrices[:, 0, 1])) - 90
    assert float(angles.abs().max()) <= 15 + 1e-3 and float(angles.abs().max()) > 13
    assert float(matrices[:, 0, 2].abs().max()) <= 12.8 + 1e-4 and float(matrices[:, 1, 2].abs().max()) <= 9.6 + 1e-4
    assert float((matrices[:, 0, 0] < 0).float().mean()) == pytest.approx(0.5, abs=0.05)
    assert float((matrices.abs() == torch.eye(3)).all(dim=(1, 2)).float().mean()) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("kind", [-1, 0, 1, 2])
def test_a_blur_takes_no_light_away(kind):
    for _ in range(20):
        assert float(changes._kernel(kind).sum()) == pytest.approx(1)
    flat = torch.full((3, 2, 12, 16), 90.0)
    assert torch.allclose(changes._filtered(flat, torch.stack([changes._kernel(kind)] * 3)), flat, atol=1e-3)


def test_light_and_gamma_by_hand(monkeypatch):
    monkeypatch.setattr(changes, "_happens", lambda chance, count: torch.ones(count, dtype=torch.bool))
    monkeypatch.setattr(changes, "_uniform", lambda low, high, count: torch.full((count,), high))
    frames = torch.tensor([0.0, 100.0, 250.0]).reshape(1, 1, 1, 3)
    assert changes.brightness_contrast(frames).flatten().tolist() == pytest.approx([51, 171, 255])
    assert float(changes.gamma(torch.full((1, 1, 1, 1), 127.5))) == pytest.approx(255 * 0.5**1.2, rel=1e-5)


def test_with_all_gases_the_loss_is_that_of_the_benchmark():
    _, targets = material.draw_batch(16, 24, 3)
    rng = np.random.default_rng(1)
    logits = {
        name: torch.from_numpy(np.moveaxis(rng.normal(0, 2, (*y.shape, 3)).astype(np.float32), -1, 1))
        for name, y in targets.items()
    }
    masks = torch.from_numpy(np.stack([targets["co2_mask"], targets["ch4_mask"]], axis=1))
    states = torch.from_numpy(targets["state"]).long()
    whole = torch_training.reference_loss(logits, masks, states, torch.ones(3, 2))
    expected = torch_side.total_loss(logits, {name: torch.from_numpy(value) for name, value in targets.items()})
    assert float(whole) == pytest.approx(float(expected), rel=1e-6)
    without = torch_training.reference_loss(logits, masks, states, torch.tensor([[1.0, 0], [1, 0], [1, 0]]))
    alone = torch_side.focal_dice(logits["co2_mask"], masks[:, 0].long())
    of_states = torch_side.focal(logits["state"], states) * torch.tensor(material.ALPHA)[states]
    assert float(without) == pytest.approx(float(alone + of_states.mean()), rel=1e-6)


def test_a_gas_is_dropped_of_pairs_alone():
    presence = torch.tensor([[1.0, 1], [1, 0], [0, 1]]).repeat(2000, 1)
    kept = torch_training.drop_modality(presence).reshape(2000, 3, 2)
    assert torch.equal(kept[:, 1:], presence.reshape(2000, 3, 2)[:, 1:])
    pairs = kept[:, 0]
    assert int(pairs.sum(1).min()) == 1
    assert float((pairs.sum(1) == 1).float().mean()) == pytest.approx(0.2, abs=0.04)
    assert (
        float(pairs[:, 0].mean()) == pytest.approx(0.9, abs=0.03) == pytest.approx(float(pairs[:, 1].mean()), abs=0.05)
    )


@pytest.mark.trains
def test_a_training_keeps_weights_that_our_file_answers_with(tmp_path, capsys):
    size = (64, 48)
    gas_set = generated_set("balanced", tmp_path / "sets", 9, size, lambda line: None)
    task = Task(str(gas_set.root), size, str(tmp_path / "frames"), 1, 4, 0, str(tmp_path / "best.pth"))
    torch_training.train(task)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("epoch 1/1  loss ")

    take_over(tmp_path / "best.pth", tmp_path / "fume.keras", *size)
    views = asking.ask(tmp_path / "fume.keras", gas_set.root)
    assert set(views) == {"test", "test_paired", "test_co2_only", "test_ch4_only"}
    assert all(set(values) == set(METRICS) and 0 <= values["accuracy"] <= 1 for values in views.values())

    network = torch_training.build(torch_training.NETWORK)
    network.load_state_dict(torch.load(tmp_path / "best.pth", weights_only=True)["model_state_dict"])
    score = torch_training.validate(network, torch_training._load(task, "test"), 4)
    assert views["test"]["balanced_accuracy"] == pytest.approx(score)

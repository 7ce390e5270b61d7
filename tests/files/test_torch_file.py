"""Reading .pt files without torch; torch itself writes them here."""

import io
import os
import pickle
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch

from kerasfusion.errors import RequestError
from kerasfusion.files.torch_file import read_torch_file, refuse_damaged_archive

pytestmark = pytest.mark.exports  # torch writes the files


def save(path, value):
    torch.save(value, path)
    return path


def forge(path, program: bytes, storages: dict[str, bytes] | None = None, compression=zipfile.ZIP_STORED):
    """A file in torch's format with a pickle of our own."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", program)
        for key, data in (storages or {}).items():
            archive.writestr(f"archive/data/{key}", data)
    return path


class Runs:
    """Its pickle calls a function with arguments."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "dtype",
    [torch.float32, torch.float16, torch.float64, torch.int64, torch.int32, torch.int8, torch.uint8, torch.bool],
)
def test_numbers_of_every_kind_are_read(tmp_path, dtype):
    tensor = (torch.arange(24).reshape(2, 3, 4) % 5).to(dtype)
    found = read_torch_file(save(tmp_path / "a.pt", {"x": tensor}))["x"]
    np.testing.assert_array_equal(found, tensor.numpy())
    assert found.dtype == tensor.numpy().dtype


def test_bfloat16_is_widened_without_loss(tmp_path):
    tensor = torch.tensor([1.5, -3.140625, 1e30, -0.0], dtype=torch.bfloat16)
    found = read_torch_file(save(tmp_path / "a.pt", tensor))
    np.testing.assert_array_equal(found, tensor.float().numpy())
    assert found.dtype == np.float32


def test_views_scalars_and_empty_tensors_keep_their_shape(tmp_path):
    whole = torch.arange(20.0).reshape(4, 5)
    tensors = [whole.t(), whole[1:3, ::2], whole[2], torch.tensor(7.0), torch.zeros(0, 3), whole[0].expand(1, 5)]
    for found, tensor in zip(read_torch_file(save(tmp_path / "a.pt", tensors)), tensors, strict=True):
        np.testing.assert_array_equal(found, tensor.numpy())


def test_modules_become_boxes_with_their_parts(tmp_path):
    network = torch.nn.Sequential(OrderedDict(conv=torch.nn.Conv2d(3, 2, 1), norm=torch.nn.BatchNorm2d(2)))
    box = read_torch_file(save(tmp_path / "a.pt", network))
    assert [part.kind for part in box.parts()] == ["Conv2d", "BatchNorm2d"]
    np.testing.assert_array_equal(box["conv"]["weight"], network.conv.weight.detach().numpy())
    np.testing.assert_array_equal(box["norm"]["running_var"], network.norm.running_var.numpy())
    assert box["conv"].state["stride"] == (1, 1)
    assert "norm" in box
    assert "other" not in box


@pytest.mark.parametrize(
    "function", [os.system, eval, exec, __import__, getattr, io.open, torch.hub.load, np.load, pickle.loads]
)
def test_a_pickle_that_calls_something_is_refused_by_name(tmp_path, function, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = forge(tmp_path / "bad.pt", pickle.dumps({"model": Runs(function, "touch ran")}, protocol=2))
    with pytest.raises(RequestError, match=function.__name__) as caught:
        read_torch_file(path)
    assert "nothing of it was run" in str(caught.value)
    assert not (tmp_path / "ran").exists()


def test_a_box_of_a_known_package_has_no_code_to_call(tmp_path):
    """ultralytics.utils.downloads.download names a function; here it is an empty box."""
    program = b"\x80\x02cultralytics.utils.downloads\ndownload\nX\x03\x00\x00\x00urlq\x00\x85R."
    assert read_torch_file(forge(tmp_path / "a.pt", program)).kind == "download"


def test_what_stands_for_torchs_functions_cannot_be_changed(tmp_path):
    program = b"\x80\x02ctorch._utils\n_rebuild_parameter\n}b."  # BUILD: give the function a state
    with pytest.raises(RequestError, match="has no state"):
        read_torch_file(forge(tmp_path / "a.pt", program))


def tensor_program(offset, shape, strides, count=4):
    """The pickle of a tensor over storage "0" of `count` float32 numbers."""

    class Reference:
        pass

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            return ("storage", torch.FloatStorage, "0", "cpu", count) if isinstance(value, Reference) else None

    class Tensor:
        def __reduce__(self):
            arguments = (Reference(), offset, shape, strides, False, OrderedDict())
            return torch._utils._rebuild_tensor_v2, arguments

    buffer = io.BytesIO()
    Pickler(buffer, 2).dump(Tensor())
    return buffer.getvalue()


def test_a_forged_tensor_is_read_when_it_fits(tmp_path):
    data = np.float32([1, 2, 3, 4]).tobytes()
    path = forge(tmp_path / "a.pt", tensor_program(1, (3,), (1,)), {"0": data})
    np.testing.assert_array_equal(read_torch_file(path), [2, 3, 4])


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [(0, (5,), (1,)), (1, (4,), (1,)), (-1, (2,), (1,)), (0, (2,), (9,)), (3, (2,), (-1,)), (0, (10**12,), (0,))],
)
def test_a_tensor_that_reaches_beyond_its_numbers_is_refused(tmp_path, offset, shape, strides):
    path = forge(tmp_path / "a.pt", tensor_program(offset, shape, strides), {"0": bytes(16)})
    with pytest.raises(RequestError, match="beyond its numbers"):
        read_torch_file(path)


def test_other_files_are_refused_with_a_reason(tmp_path):
    whole = save(tmp_path / "whole.pt", {"x": torch.zeros(100)}).read_bytes()
    cases = {
        "text.pt": b"text",
        "cut.pt": whole[:-200],
        "short.pt": forge(tmp_path / "f", tensor_program(0, (4,), (1,)), {"0": bytes(8)}).read_bytes(),
        "nonsense.pt": forge(tmp_path / "f", b"\x80\x02\xff").read_bytes(),
        "packed.pt": forge(tmp_path / "f", pickle.dumps(1, 2), compression=zipfile.ZIP_DEFLATED).read_bytes(),
        "other.pt": b"PK\x05\x06" + bytes(18),
    }
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(RequestError, match="not a readable weights file"):
            read_torch_file(tmp_path / name)
    with pytest.raises(RequestError, match="does not exist"):
        read_torch_file(tmp_path / "gone.pt")


def flipped(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 4
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("number", [0, 1, 99])
def test_one_flipped_bit_of_the_numbers_is_refused(tmp_path, number):
    """torch.load reads the same file without a word."""
    path = save(tmp_path / "a.pt", {"x": torch.arange(100.0)})
    refuse_damaged_archive(path)
    start = path.read_bytes().index(np.arange(100, dtype="<f4").tobytes())
    flipped(path, start + 4 * number)
    assert not torch.equal(torch.load(path)["x"], torch.arange(100.0))
    with pytest.raises(RequestError, match=r"damaged: a/data/0 in it(.|\n)*copy the file again"):
        refuse_damaged_archive(path)
    with pytest.raises(RequestError, match="Bad CRC-32"):
        read_torch_file(path)


def test_what_is_no_archive_of_torch_has_no_checksum_and_is_refused(tmp_path):
    for name, data in {"text.pt": b"text", "empty.pt": b""}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(RequestError, match="not a readable weights file"):
            refuse_damaged_archive(tmp_path / name)


@pytest.mark.parametrize(("times", "size"), [(200, 100_000), (9, 2_000_000), (5000, 4_000)])
def test_a_file_that_rebuilds_one_storage_again_and_again_is_refused(tmp_path, times, size):
    whole = torch.zeros(size)
    path = save(tmp_path / "a.pt", [whole.view(size) for _ in range(times)])
    assert path.stat().st_size < 4 * size + 600 * times
    with pytest.raises(RequestError, match="tensors take more than"):
        read_torch_file(path)


def test_weights_that_two_modules_share_are_read(tmp_path):
    whole = torch.arange(400_000.0)
    found = read_torch_file(save(tmp_path / "a.pt", {"one": whole, "two": whole.view(2, -1), "three": whole[:9]}))
    np.testing.assert_array_equal(found["two"].reshape(-1), found["one"])


def test_members_that_share_their_bytes_are_refused(tmp_path):
    """Entries of the archive's list may all lead to the same bytes: a small file that unpacks to a large one."""
    path = forge(tmp_path / "a.pt", pickle.dumps(1, 2), {"0": bytes(100_000)})
    with zipfile.ZipFile(path, "a") as archive:
        inside = archive.getinfo("archive/data/0")
        for number in range(1, 50):
            other = zipfile.ZipInfo(f"archive/data/{number}")
            other.header_offset, other.CRC = inside.header_offset, inside.CRC
            other.file_size = other.compress_size = inside.file_size
            archive.filelist.append(other)
            archive.NameToInfo[other.filename] = other
        archive._didModify = True
    for read in (read_torch_file, refuse_damaged_archive):
        with pytest.raises(RequestError, match="compressed or overlap"):
            read(path)

"""What an ONNX file holds about itself, by files of the onnx library and by bytes made by hand."""

import numpy as np
import onnx
import pytest

from kerasfusion.formats import onnx_metadata
from kerasfusion.formats.onnx_metadata import read_metadata

PROPERTIES = {"kerasfusion": '{"precision": "int8"}' + "\u00e4" * 200, "carried": "a b", "empty": ""}


@pytest.fixture
def written(tmp_path):
    """A model with weights of 400 kB."""
    weights = onnx.numpy_helper.from_array(np.ones((100, 1000), np.float32), "weights")
    x, y = (onnx.helper.make_tensor_value_info(name, 1, [1, size]) for name, size in (("x", 100), ("y", 1000)))
    product = onnx.helper.make_node("MatMul", ["x", "weights"], ["y"])
    graph = onnx.helper.make_graph([product], "g", [x], [y], [weights])
    model = onnx.helper.make_model(graph, producer_name="test")
    onnx.helper.set_model_props(model, PROPERTIES)
    onnx.save(model, tmp_path / "a.onnx")
    return tmp_path / "a.onnx"


def test_the_texts_are_those_that_onnx_wrote(written):
    assert read_metadata(written) == PROPERTIES


def test_weights_are_stepped_over(written, monkeypatch):
    read = []

    def fields(stream, *wanted, was=onnx_metadata._fields):
        for number, data in was(stream, *wanted):
            read.append(len(data))
            yield number, data

    monkeypatch.setattr(onnx_metadata, "_fields", fields)
    read_metadata(written)
    assert sum(read) < 3000 < written.stat().st_size


def test_fields_by_hand(tmp_path):
    path = tmp_path / "a.onnx"
    one, nine, ten = b"\x08\xac\x02", b"\x49" + b"8" * 8, b"\x55" + b"4" * 4  # a number, eight bytes, four bytes
    text, entry = b"\x3a\x03xyz", b"\x72\x06\x0a\x01k\x12\x01v"
    path.write_bytes(one + nine + ten + text + entry)
    assert read_metadata(path) == {"k": "v"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x72\x06\x0a\x01k", "in the middle of a field"),
        (b"\x72\x03\x0a\x05k", "in the middle of a field"),
        (b"\x08\x80", "in the middle of a number"),
        (b"\x08" + b"\xff" * 11, "more than 64 bits"),
        (b"PK\x03\x04 a zip", "not a message of protobuf"),
        (b"\x02\x01k", "not a message of protobuf"),
        (b"\x72\x06\x0a\x01\xff\x12\x01v", "utf-8"),
    ],
)
def test_what_is_cut_or_something_else_is_told(tmp_path, data, reason):
    (tmp_path / "a.onnx").write_bytes(data)
    with pytest.raises(ValueError, match=reason):
        read_metadata(tmp_path / "a.onnx")


def test_a_file_of_nothing_has_no_texts(tmp_path):
    (tmp_path / "a.onnx").touch()
    assert read_metadata(tmp_path / "a.onnx") == {}

from pathlib import Path

import pytest

from kerasfusion.errors import RequestError
from kerasfusion.formats.description import parse_description

GOOD = '{"format": "onnx", "precision": "int8", "outputs": ["fusion"], "more": 1}'


def test_a_description_is_what_was_written():
    assert parse_description(GOOD, Path("a.onnx"), ("float32", "int8"))["more"] == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "keys and values"),
        ("null", "keys and values"),
        ("{", "damaged: "),
        ("[" * 100_000, "damaged: "),
        ("{}", "format is null"),
        ('{"format": "onnx", "precision": 3}', "precision is 3"),
        ('{"format": "onnx", "precision": "float16"}', r'precision is "float16"(.|\n)*expected: float32, int8'),
        ('{"format": "onnx", "precision": "int8", "outputs": "fusion"}', 'outputs is "fusion"'),
        ('{"format": "onnx", "precision": "int8", "outputs": []}', r"outputs is \[\]"),
        ('{"format": "onnx", "precision": "int8", "outputs": [1]}', r"outputs is \[1\]"),
    ],
)
def test_another_shape_is_refused_by_its_key(text, message):
    with pytest.raises(RequestError, match=message) as caught:
        parse_description(text, Path("a.onnx"), ("float32", "int8"))
    assert "a.onnx" in str(caught.value)
    assert "kerasfusion export" in str(caught.value)

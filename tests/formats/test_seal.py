"""An export of which one byte is not what was written is refused; one of an older version opens as before."""

import json
import shutil
import threading
import zlib

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from kerasfusion.cli.main import main
from kerasfusion.errors import RequestError
from kerasfusion.formats import seal
from kerasfusion.formats.measuring import model_parts
from kerasfusion.formats.opening import FORMATS, format_module, open_model, read_description
from kerasfusion.formats.seal import end_of, read_seal

pytestmark = pytest.mark.exports


SEALED = [name for name in FORMATS if name != "keras"]
GIVEN = {"image": np.linspace(0, 255, 2 * 8 * 8 * 3, dtype=np.float32).reshape(2, 8, 8, 3)}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A network of 6,000 random weights in every format."""
    return write_all(tmp_path_factory.mktemp("sealed"))


@pytest.fixture(scope="module")
def older(tmp_path_factory):
    """The same as an older version wrote them: without an end, and nothing in the description of one."""
    with pytest.MonkeyPatch.context() as patch:
        for name in SEALED:
            patch.setattr(format_module(name), "MARK", {})
        files = write_all(tmp_path_factory.mktemp("older"))
    for name in SEALED:
        cut_off_the_end(files[name])
    return files


def write_all(folder):
    keras.utils.set_random_seed(5)
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Dense(30, activation="tanh")(keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image)))
    model = keras.Model({"image": image}, {"fusion": keras.layers.Dense(2, activation="softmax", name="fusion")(x)})
    found = {}
    for name, suffix in FORMATS.items():
        found[name] = folder / f"model{suffix}"
        format_module(name).write(
            model, found[name], "float32", {"format": name, "precision": "float32", "outputs": ["fusion"]}
        )
    return found


def copy_to(folder, path):
    for part in model_parts(path):
        shutil.copy(part, folder / part.name)
    return folder / path.name


def cut_off_the_end(path):
    data = path.read_bytes()[: -len(end_of(path.suffix))]
    # The length of the zip's comment are the two bytes before it; older files have none.
    path.write_bytes(data[:-2] + b"\0\0" if path.suffix == ".tflite" else data)


def flip(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", SEALED)
def test_the_end_names_the_checksum_of_all_that_is_before_it(files, name):
    path = files[name]
    parts = [path.read_bytes()[: -len(end_of(path.suffix))]]
    if name == "openvino":
        parts.append(path.with_suffix(".bin").read_bytes())
    assert read_seal(path) == (seal.SUM, f"{by_hand(parts):08x}")


def by_hand(parts):
    """Of less than a block each: the sums of columns of 64 bits in rows of 509, then what is left below the rows."""
    crc = 0
    for data in parts:
        rows = len(data) // 4072
        sums = np.frombuffer(data, "<u8", 509 * rows).reshape(rows, 509).sum(axis=0, dtype=np.uint64)
        crc = zlib.crc32(data[4072 * rows :], zlib.crc32(sums.tobytes(), crc))
    return crc


@pytest.fixture(scope="module")
def with_crc(files, tmp_path_factory):
    """The same as the version before wrote them: with the CRC-32 of all bytes."""
    folder, found = tmp_path_factory.mktemp("with_crc"), {}
    for name in SEALED:
        found[name] = path = copy_to(folder, files[name])
        body = path.read_bytes()[: -len(end_of(path.suffix))]
        weights = path.with_suffix(".bin").read_bytes() if name == "openvino" else b""
        end = end_of(path.suffix, b"%08x" % zlib.crc32(body + weights)).replace(b"sum32", b"crc32")
        path.write_bytes(body + end)
    return found


@pytest.mark.parametrize("name", SEALED)
def test_an_export_with_a_crc_is_checked_by_that(files, with_crc, tmp_path, name):
    expected = open_model(files[name]).answer(GIVEN)["fusion"]
    np.testing.assert_array_equal(open_model(with_crc[name]).answer(GIVEN)["fusion"], expected)
    told = json.loads(CliRunner().invoke(main, ["info", str(with_crc[name])]).output)
    assert told["checked_when_opened"] == str(read_seal(with_crc[name])) != str(read_seal(files[name]))
    path = copy_to(tmp_path, with_crc[name])
    part = model_parts(path)[-1]
    flip(part, part.stat().st_size // 2)
    with pytest.raises(RequestError, match=r"CRC-32 [0-9a-f]{8}, found"):
        open_model(path)


@pytest.mark.parametrize("share", [0.1, 0.37, 0.5, 0.81])
@pytest.mark.parametrize("name", FORMATS)
def test_one_flipped_bit_is_refused(files, tmp_path, name, share):
    path = copy_to(tmp_path, files[name])
    part = model_parts(path)[-1]
    flip(part, int(part.stat().st_size * share))
    with pytest.raises(RequestError, match=r"damaged(.|\n)*what to do"):
        open_model(path)


def test_one_altered_letter_of_the_graph_is_refused(files, tmp_path):
    """The strides and offsets of the weights stand in the .xml."""
    path = copy_to(tmp_path, files["openvino"])
    text = path.read_text()
    path.write_text(text.replace('offset="0"', 'offset="4"', 1))
    assert path.read_text() != text
    with pytest.raises(RequestError, match="damaged or was altered"):
        open_model(path)


def test_weights_of_another_export_are_refused(files, tmp_path):
    path = copy_to(tmp_path, files["openvino"])
    weights = path.with_suffix(".bin")
    weights.write_bytes(weights.read_bytes()[::-1])
    with pytest.raises(RequestError, match=r"model\.bin beside it"):
        open_model(path)
    weights.unlink()
    with pytest.raises(RequestError, match="weights of the model are missing"):
        open_model(path)


@pytest.mark.parametrize("name", SEALED)
def test_an_export_of_an_older_version_opens_as_before(files, older, name):
    path = older[name]
    assert read_seal(path) is None
    told = CliRunner().invoke(main, ["info", str(path)]).output
    assert "holds no checksum" in json.loads(told)["checked_when_opened"]
    assert read_description(path) | {"sealed": True} == read_description(files[name])
    expected = open_model(files[name]).answer(GIVEN)["fusion"]
    np.testing.assert_array_equal(open_model(path).answer(GIVEN)["fusion"], expected)


@pytest.mark.parametrize("name", SEALED)
def test_an_export_that_lost_its_end_is_not_taken_for_an_older_one(files, tmp_path, name):
    path = copy_to(tmp_path, files[name])
    cut_off_the_end(path)
    with pytest.raises(RequestError, match=r"a checksum at its end, which is not there(.|\n)*kerasfusion export"):
        open_model(path)
    told = CliRunner().invoke(main, ["info", str(path)]).output
    assert "the checksum at its end is lost" in json.loads(told)["checked_when_opened"]


@pytest.mark.parametrize("name", SEALED)
def test_an_end_of_which_a_letter_was_altered_is_no_end(files, tmp_path, name):
    path = copy_to(tmp_path, files[name])
    flip(path, path.read_bytes().rindex(b"kerasfusion_sum32"))
    with pytest.raises(RequestError, match="damaged"):
        open_model(path)


@pytest.mark.parametrize("bit", range(8))
def test_onnx_with_a_damaged_end_is_opened_or_refused_but_never_ends_raw(files, tmp_path, bit):
    path = copy_to(tmp_path, files["onnx"])
    sound, expected = path.read_bytes(), open_model(path).answer(GIVEN)["fusion"]
    for place in range(1, len(end_of(".onnx")) + 1):
        data = bytearray(sound)
        data[-place] ^= 1 << bit
        path.write_bytes(data)
        try:
            found = open_model(path).answer(GIVEN)["fusion"]  # only the end's own name was damaged
        except RequestError:
            continue
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", SEALED)
def test_a_library_that_is_missing_is_told_and_not_the_damage_that_it_would_not_have_met(
    files, tmp_path, monkeypatch, name
):
    path = copy_to(tmp_path, files[name])
    flip(model_parts(path)[-1], 999)
    monkeypatch.setattr(format_module(name), "require", lambda *given, **named: refuse("not installed"))
    with pytest.raises(RequestError, match="not installed"):
        open_model(path)


@pytest.mark.parametrize("name", SEALED)
def test_the_library_gets_a_file_only_once_it_is_known_to_be_whole(files, tmp_path, monkeypatch, name):
    """However long the check takes: here until the library was imported."""
    path = copy_to(tmp_path, files[name])
    flip(model_parts(path)[-1], 999)
    imported, order = threading.Event(), []
    compare, require = seal._refuse_other, format_module(name).require

    def late(*given):
        assert imported.wait(60)
        order.append("compared")
        compare(*given)

    def required(*given, **named):
        library = require(*given, **named)
        order.append("imported")
        imported.set()
        return library

    monkeypatch.setattr(seal, "_refuse_other", late)
    monkeypatch.setattr(format_module(name), "require", required)
    with pytest.raises(RequestError, match="damaged or was altered"):
        open_model(path)
    assert order == ["imported", "compared"]


def refuse(what):
    raise RequestError(what)

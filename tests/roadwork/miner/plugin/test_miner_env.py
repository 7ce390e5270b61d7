"""miner.env as the shell reads it, and the edits of its lines."""

import subprocess

import pytest

from kerasfusion.errors import RequestError
from kerasfusion.roadwork.miner.plugin.line_edits import apply_edits, read_lines, undo_edits
from kerasfusion.roadwork.miner.plugin.miner_env import env_edits, read_env
from tests.roadwork.miner.miner_tree import ENV


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("KEY=plain", "plain"),
        ("  export KEY=plain   # a comment", "plain"),
        ("KEY='single quotes # kept'", "single quotes # kept"),
        ('KEY="double \\"quotes\\" and $ONE/${ONE}"', 'double "quotes" and 1/1'),
        ("KEY='$ONE'", "$ONE"),
        ('KEY="\\$ONE"', "$ONE"),
        ("KEY=one' two 'three", "one two three"),
        ("KEY=two\\ words", "two words"),
        ("KEY=https://example.org/#part", "https://example.org/#part"),
        ("KEY=                 # nothing", ""),
        ("KEY=first; export OTHER=2", "first"),
        ("KEY=first\nKEY=second", "second"),
    ],
)
def test_lines_are_read_as_the_shell_reads_them(tmp_path, line, value):
    path = tmp_path / "miner.env"
    path.write_text(f"ONE=1\n{line}\n")
    assert read_env(path)["KEY"] == value


def test_what_is_no_assignment_is_passed_over(tmp_path):
    path = tmp_path / "miner.env"
    path.write_text("#KEY=a\nKEY = b\nKEY=c echo d\necho KEY=e\n\n    # - wss://example.org:443\n")
    assert read_env(path) == {}
    with pytest.raises(RequestError, match="cannot read the miner's settings: No such file") as refused:
        read_env(tmp_path / "gone.env")
    assert "top folder of a miner's source tree" in refused.value.expected
    assert "kerasfusion miner install PATH" in refused.value.todo


def edited(path, entry, edits):
    """What the record says of a file after these edits."""
    kept = []
    apply_edits(path, entry, edits, kept.append)
    return kept[0]


WANTED = {"IMAGE_DETECTOR": "InceptionFusion", "IMAGE_DETECTOR_CONFIG": "a b.yaml", "IMAGE_DETECTOR_DEVICE": "cpu"}


@pytest.mark.parametrize("text", [ENV, ENV + "\n", "", "A=\u2026 \x85 \u00c5\n", "IMAGE_DETECTOR=ViT"])
def test_edits_set_the_variables_and_are_undone_byte_for_byte(tmp_path, text):
    path = tmp_path / "miner.env"
    path.write_bytes(text.encode())
    entry = edited(path, None, env_edits(read_lines(path), WANTED))
    values = read_env(path)
    assert {name: values[name] for name in WANTED} == WANTED
    assert env_edits(read_lines(path), WANTED) == []
    undo_edits(path, entry)
    assert path.read_bytes() == text.encode()


def test_other_lines_their_comments_and_the_mode_stay(tmp_path):
    path = tmp_path / "miner.env"
    path.write_text(ENV)
    path.chmod(0o600)
    edited(path, None, env_edits(read_lines(path), WANTED))
    assert path.stat().st_mode & 0o777 == 0o600
    expected = ENV.replace("IMAGE_DETECTOR=ViT", "IMAGE_DETECTOR=InceptionFusion")
    assert path.read_text() == expected.replace('"ViT_roadwork.yaml"', "'a b.yaml'")


def test_a_line_that_was_edited_since_is_kept_and_named(tmp_path):
    path = tmp_path / "miner.env"
    path.write_text(ENV)
    entry = edited(path, None, env_edits(read_lines(path), WANTED))
    path.write_text(path.read_text().replace("=InceptionFusion", "=ROADWORK") + "\nADDED=1\n")
    done = undo_edits(path, entry)
    assert "edited after it was set: IMAGE_DETECTOR=InceptionFusion" in "\n".join(done)
    assert path.read_text() == ENV.replace("IMAGE_DETECTOR=ViT", "IMAGE_DETECTOR=ROADWORK") + "\nADDED=1\n"
    entry = edited(path, entry, env_edits(read_lines(path), WANTED))
    assert "kept" not in "\n".join(undo_edits(path, entry))
    assert read_env(path)["IMAGE_DETECTOR"] == "ROADWORK"


CRLF = ENV.replace("\n", "\r\n")


@pytest.mark.parametrize("text", [CRLF, ENV + "\r\n", ENV.replace("\n", "\r"), "A='1\r\n2'\n"])
def test_line_ends_that_the_shell_takes_for_a_part_of_the_value_are_refused(tmp_path, text):
    path = tmp_path / "miner.env"
    path.write_bytes(text.encode())
    with pytest.raises(RequestError, match=r"Windows line ends(.|\n)*sed -i"):
        read_env(path)


def test_the_advice_makes_the_file_what_the_shell_reads(tmp_path):
    path = tmp_path / "miner.env"
    path.write_bytes((CRLF + "\r\n").encode())
    show = f'set -a; source {path}; printf %s "$IMAGE_DETECTOR"'
    assert subprocess.run(["bash", "-c", show], capture_output=True).stdout == b"ViT\r"
    with pytest.raises(RequestError) as caught:
        read_env(path)
    subprocess.run(["bash", "-c", caught.value.todo], check=True)
    assert subprocess.run(["bash", "-c", show], capture_output=True).stdout == b"ViT"
    assert read_env(path)["IMAGE_DETECTOR"] == "ViT"

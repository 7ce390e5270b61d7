import pytest

from kerasfusion import progress
from kerasfusion.progress import track


def test_items_come_through_and_the_end_is_said(capsys):
    assert list(track([1, 2, 3], "work")) == [1, 2, 3]
    assert capsys.readouterr().err.startswith("work: 3/3, ")


def test_a_line_now_and_then_tells_how_long_it_still_takes(capsys, monkeypatch):
    seconds = iter(range(0, 1000, 4))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(seconds))
    list(track(iter(range(10)), "work", total=20, done=10))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "work: 13/20, about 28 s left"  # 4 s an item, 7 items left
    assert lines[-1].startswith("work: 20/20")


def test_what_the_first_item_takes_longer_is_not_taken_for_the_pace(capsys, monkeypatch):
    seconds = iter([0, 30, *range(31, 100)])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(seconds))
    list(track(range(38), "epoch 1/13"))
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["epoch 1/13: 1/38", "epoch 1/13: 11/38, about 27 s left"]  # 1 s an item, 27 items left
    assert lines[-1] == "epoch 1/13: 38/38, 68.0 s"


@pytest.mark.parametrize("terminal", [True, False])
def test_an_error_in_the_work_comes_through(monkeypatch, terminal):
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: terminal, raising=False)

    def items():
        yield 1
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(track(items(), "work", total=2))

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


@pytest.mark.parametrize("terminal", [True, False])
def test_an_error_in_the_work_comes_through(monkeypatch, terminal):
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: terminal, raising=False)

    def items():
        yield 1
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(track(items(), "work", total=2))

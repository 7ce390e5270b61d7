"""Kept answers are those that were written, to the last digit, or are refused."""

import pytest

from kerasfusion.errors import RequestError
from kerasfusion.files.kept_answers import answers_record, predictions_path, refuse_other_answers
from kerasfusion.files.run_files import record_evaluation

TABLE = "sample_id,label,fusion\na.jpg,1,0.731\nb.jpg,0,0.25\n"


@pytest.fixture
def path(tmp_path):
    """The answers of an evaluation of test/, beside those of val/."""
    for split in ("val", "test"):
        predictions_path(tmp_path, split).write_text(TABLE)
        record_evaluation(tmp_path, split, {"model": "fusion.keras"} | answers_record(tmp_path, split))
    return predictions_path(tmp_path, "test")


@pytest.mark.parametrize(
    "altered",
    [TABLE.replace("0.731", "0.732"), TABLE.replace("a.jpg", "c.jpg"), TABLE.rpartition("b.jpg")[0], TABLE + "\n"],
)
def test_another_table_is_refused(path, altered):
    refuse_other_answers(path, "evaluate again")
    path.write_text(altered)
    with pytest.raises(RequestError, match=r"not the one that evaluate wrote(.|\n)*_test\.csv(.|\n)*evaluate again"):
        refuse_other_answers(path, "evaluate again")
    refuse_other_answers(predictions_path(path.parent, "val"), "evaluate again")


def test_an_evaluation_of_an_older_version_is_read_as_before(path):
    record_evaluation(path.parent, "test", {"model": "fusion.keras"})
    path.write_text(TABLE + "c.jpg,1,0.5\n")
    refuse_other_answers(path, "evaluate again")
    path.with_name("evaluated.json").unlink()
    refuse_other_answers(path, "evaluate again")

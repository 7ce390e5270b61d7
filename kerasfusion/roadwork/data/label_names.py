"""The many spellings of the two labels and the three splits, read into one."""

import re
from pathlib import PurePath

_NO_ROADWORK = frozenset({"0", "0.0", "false", "no", "none", "noroadwork", "noroadworks"})
_ROADWORK = frozenset({"1", "1.0", "true", "yes", "roadwork", "roadworks"})
_SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
_SPLIT_WORD = re.compile(rf"(?<![a-z])({'|'.join(_SPLIT_NAMES)})(?![a-z])")

LABEL_SPELLINGS = 'no_roadwork (0, False, "None", "No Roadwork") or roadwork (1, True, "Roadwork", "road works")'
SPLIT_SPELLINGS = "train, val (valid, validation, dev) or test"


def parse_label(value: object) -> int | None:
    """Read a label.

    Args:
        value: a bool, a number, a NumPy scalar or a name; case, spaces, hyphens and underscores do not matter.

    Returns:
        Index into CLASS_NAMES (0 no roadwork, 1 roadwork), or None for anything else; a missing value (None, NaN)
        is not the name "None".
    """
    if value is None:
        return None
    # Only what stands between letters goes: "-1" is a usual mark for "not labelled", not a 1.
    name = re.sub(r"(?<=[a-z])[\s_-]+(?=[a-z])", "", str(value).strip().lower())
    if name in _NO_ROADWORK:
        return 0
    return 1 if name in _ROADWORK else None


def parse_split(name: str) -> str | None:
    """Read a split's name: train, val or test, or None for any other name."""
    return _SPLIT_NAMES.get(name.strip().lower())


def find_split(path: PurePath) -> str | None:
    """Read the split from a word in a file's name (`test-00000-of-00001.parquet`), else from a folder's name."""
    word = _SPLIT_WORD.search(path.name.lower())
    if word:
        return _SPLIT_NAMES[word.group()]
    return next((split for folder in path.parents if (split := parse_split(folder.name))), None)

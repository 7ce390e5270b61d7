"""Reading what Weights & Biases keeps of an offline run: LevelDB's log format with a record in each entry."""

import json
from pathlib import Path

BLOCK, HEADER, HEAD_OF_FILE = 32768, 7, 7


def records(path: Path):
    """The records of a `.wandb` file."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, place, parts = path.read_bytes(), HEAD_OF_FILE, b""
    while place + HEADER <= len(data):
        if BLOCK - place % BLOCK < HEADER:  # too little is left of this block for another entry
            place += BLOCK - place % BLOCK
            continue
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        parts += data[place + HEADER : place + HEADER + length]
        place += HEADER + length
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(parts)
            parts = b""


def told(folder: Path) -> list[dict[str, object]]:
    """What was logged in a run folder's only offline run: one mapping a step."""
    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    steps = [record.history.item for record in records(path) if record.HasField("history")]
    return [{item.key or item.nested_key[0]: json.loads(item.value_json) for item in items} for items in steps]

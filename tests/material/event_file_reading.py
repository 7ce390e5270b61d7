"""Reading TensorBoard's event files back with TensorFlow."""

from pathlib import Path

import tensorflow as tf


def told(folder: Path) -> list[tuple[str, int, object]]:
    """(tag, step, value) of every entry in a folder's files, sorted; a picture is its (height, width, 3) pixels."""
    found = []
    for path in sorted(folder.iterdir()):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                content = tf.make_ndarray(value.tensor)
                if value.metadata.plugin_data.plugin_name == "images":
                    content = tf.io.decode_png(content[2]).numpy()
                found.append((value.tag, event.step, content))
    return sorted(found, key=lambda entry: entry[:2])

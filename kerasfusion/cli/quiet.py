"""Import TensorFlow without the notes that it writes on every start."""

import os
import sys
import tempfile
from pathlib import Path

from kerasfusion.errors import KerasFusionError


def load_libraries(model: Path | None) -> None:
    """Load TensorFlow, which takes seconds, for what needs it: a `.keras` file, or, without a file, the ViT alone."""
    if model is None or model.suffix == ".keras":
        import_tensorflow()


def import_tensorflow(onednn: bool = False) -> None:
    """Import TensorFlow and Keras; what they write to stderr meanwhile is only shown if the import fails.

    TensorFlow logs a few lines before it looks at TF_CPP_MIN_LOG_LEVEL, so that they can only be caught at the file
    descriptor.

    Args:
        onednn: as `use_onednn` has it.
    """
    if onednn:
        from kerasfusion.machine.onednn import use_onednn

        use_onednn()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from kerasfusion.keras_settings import use_keras

    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        try:
            use_keras()
        except KerasFusionError:
            raise
        except BaseException:
            notes.seek(0)
            os.write(stderr, notes.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)

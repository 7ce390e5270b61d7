"""Fast-SCNN with 3 of its 9 inverted residuals: with and without a stride and a shortcut, the same 128 features."""

from unittest.mock import patch

from kerasfusion.fume.networks import fast_scnn


def few_blocks():
    """A context in which kerasfusion builds the short encoder."""
    return patch.object(fast_scnn, "BOTTLENECKS", ((64, 2, 1), (128, 2, 2)))

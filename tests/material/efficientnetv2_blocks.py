"""EfficientNetV2-B0 with 4 of its 21 blocks: every kind of block, a residual connection, the same 1,280 features."""

import sys
from contextlib import contextmanager

import keras

_STAGES = sys.modules[keras.applications.EfficientNetV2B0.__module__].DEFAULT_BLOCKS_ARGS
_WHOLE = _STAGES["efficientnetv2-b0"]
_KINDS = {0: {}, 1: {"num_repeat": 2}, 3: {"num_repeat": 1, "input_filters": 32}}
"""Stages of B0 that are kept, with what they have otherwise."""


@contextmanager
def few_blocks():
    """keras.applications.EfficientNetV2B0 builds the short network: in seconds less."""
    with _built_of([_WHOLE[stage] | changes for stage, changes in _KINDS.items()]):
        yield


@contextmanager
def all_blocks():
    """It builds the whole network again."""
    with _built_of(_WHOLE):
        yield


@contextmanager
def _built_of(stages):
    before = _STAGES["efficientnetv2-b0"]
    _STAGES["efficientnetv2-b0"] = stages
    try:
        yield
    finally:
        _STAGES["efficientnetv2-b0"] = before

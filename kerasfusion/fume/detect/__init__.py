"""Frames to states and masks: answers, `predict`, latency, and panels of what was said."""

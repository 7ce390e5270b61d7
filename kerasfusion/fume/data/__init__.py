"""Annotated frames to samples: CSV files, frames and masks, pairs of gases, copies across splits. `data pair`."""

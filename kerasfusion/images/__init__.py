"""Encoded photos and frames to pixels, and pixels to batches: decoding, resizing, arrays kept on disk, augmentation.
In: files. Out: uint8 arrays and tf.data."""

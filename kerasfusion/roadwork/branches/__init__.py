"""The networks: ViT, YOLO, EfficientNetV2, the head over them, and the one file that they become. In: weights.
Out: Keras graphs from photos' pixels to probabilities."""

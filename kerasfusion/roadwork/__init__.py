"""Inception Fusion: ViT + YOLO classifier + EfficientNetV2 -> P(roadwork)."""

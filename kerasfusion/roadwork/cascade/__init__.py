"""A first stage that spares the ViT. In: answers on held-out photos. Out: a small head on YOLO and EfficientNetV2, and
the window outside of which its answer is taken."""

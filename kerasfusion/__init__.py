"""Multi-branch fusion models in Keras 3 for CPU-only laptops: roadwork photos and rumen gas frames."""

__version__ = "0.2.0"

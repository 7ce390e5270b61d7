"""FUME-FastSCNN, its baselines, and the losses that they learn by. In: settings. Out: Keras graphs and their MACs."""

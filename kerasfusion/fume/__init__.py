"""FUME-FastSCNN: plumes in CO2 and CH4 frames, and the rumen's state."""

"""`train-yolo`: photos to best.pt and its curve."""

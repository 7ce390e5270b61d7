"""`precompute`: photos, YOLO and the ViT to the branch cache, which holds what both say of every photo."""

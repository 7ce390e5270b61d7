"""The older layout of a fusion miner (two files, YOLO, ViT) to one file with the same answers: `import-legacy`."""

"""The subnet's loop as it runs, with a model, a running service or a miner's settings: challenges in, rewards out."""

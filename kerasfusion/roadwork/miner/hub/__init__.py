"""A model's folder for a hub: its card, what is known of it, and the upload. `miner package`."""

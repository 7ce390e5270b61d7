"""The usual stack and kerasfusion on the same weights and photos: what tools/bench_peers.py is made of."""

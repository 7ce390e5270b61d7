"""An installed detector tried and timed in the miner's own Python: `miner check`, `benchmark --from-env`."""

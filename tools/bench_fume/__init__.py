"""The parts of tools/bench_fume.py: the plain torch networks, the two sides' processes, the measurements."""

"""The parts of tools/port_fume_checkpoint.py: names of the reference's layers, and taking over their weights."""

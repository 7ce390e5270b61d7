"""What tools/demo.py and tools/test.py share: making .venv and installing into it, with the standard library only."""

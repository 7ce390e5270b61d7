"""The parts of tools/compare_fume.py: the sets, the reference's training, the trainings of both sides, their table."""

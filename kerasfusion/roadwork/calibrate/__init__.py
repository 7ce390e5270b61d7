"""`calibrate`: the one file and labelled photos to the same file with a temperature and a cut inside."""

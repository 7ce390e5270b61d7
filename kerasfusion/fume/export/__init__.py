"""`export`: a trained network to another format or precision, with its answers checked."""

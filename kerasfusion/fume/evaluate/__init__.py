"""`evaluate`: a network and a split to metrics with intervals, kept answers, figures and panels."""

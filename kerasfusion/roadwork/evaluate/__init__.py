"""`evaluate`: a model and a split to metrics with intervals, comparisons, kept answers and figures."""

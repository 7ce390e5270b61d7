"""The HTML report of a fume run, and of two side by side: `page` and `two_runs/comparison` write them."""

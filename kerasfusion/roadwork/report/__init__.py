"""The HTML report of a roadwork run, and of two side by side: `page` and `two_runs/comparison` write them."""

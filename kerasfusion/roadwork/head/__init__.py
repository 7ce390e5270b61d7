"""The head: rows of what every branch says of photos that it has not learned from to the weights that fuse them."""

"""`data suspects`: answers out of fold to the photos that are probably wrongly labelled, as a table and a page."""

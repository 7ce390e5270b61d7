"""`demo`: the whole roadwork job on generated scenes, offline."""

"""Files that can be trusted: written whole or not at all, known by their digests, checked before use; a run's folder.
In: bytes, texts, models. Out: the same on disk, and back."""

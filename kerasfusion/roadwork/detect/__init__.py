"""A photo to its answer: detector, `predict`, latency, and the choice of a model's file. In: a model file, photos.
Out: P(roadwork) of the fusion and of each branch."""

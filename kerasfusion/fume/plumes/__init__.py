"""Generated plumes of two gases, with masks and annotations. In: a seed. Out: frames, or a data set of them."""

"""What is told of each epoch to the outside. In: settings and epochs. Out: TensorBoard's event files, Weights & Biases,
pictures of held-out samples."""

"""The formats in which a model is deployed: from one Keras model to a file each, and back to a model that answers."""

"""`fit`: samples to a trained network: augmentation, training, best epoch, panels and curves."""

"""`fit`: photos and branch cache to a trained EfficientNetV2 and head, and with the other branches to the one file."""

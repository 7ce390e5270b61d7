"""Masks as people and label tools write them, to the classes of pixels.
In: PNG, TIFF, BMP, LabelMe's JSON. Out: uint8."""

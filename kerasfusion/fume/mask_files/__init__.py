"""Masks as people and label tools write them, to the classes of pixels.
In: PNG, TIFF, BMP, LabelMe's JSON, COCO's JSON of many pictures. Out: uint8."""

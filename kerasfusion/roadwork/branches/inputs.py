"""The pictures that a model takes: how a photo is brought to each of them."""

from kerasfusion.images.decoding import crop_centre, squash, squash_bicubic

RESIZE = {"image": squash, "yolo_image": crop_centre, "image_bicubic": squash_bicubic}
"""How a photo is brought to the size of each input; a model has those that its branches need."""

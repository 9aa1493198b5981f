"""Data that the chapters train on: digits, the reader's own pictures, points in the plane."""

from gan_lessons.data.digits import cache_dir, digits
from gan_lessons.data.pictures import folder, from_torchvision
from gan_lessons.data.tensors import Batch, TensorData
from gan_lessons.data.toys import grid, ring, swiss_roll

__all__ = [
    "Batch",
    "TensorData",
    "cache_dir",
    "digits",
    "folder",
    "from_torchvision",
    "grid",
    "ring",
    "swiss_roll",
]

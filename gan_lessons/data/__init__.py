"""Data that the chapters train on: digits, the reader's own pictures, points in the plane."""

from gan_lessons.data.digits import cache_dir, digits
from gan_lessons.data.tensors import Batch, TensorData

__all__ = ["Batch", "TensorData", "cache_dir", "digits"]

"""Data for the chapters: digits, two domains, the reader's own pictures, points in the plane."""

from gan_lessons.data.digits import cache_dir, digits
from gan_lessons.data.domains import (
    TwoDomains,
    USPSUnavailable,
    digits_and_usps,
    digits_in_two_styles,
    edges,
    halves,
    negative,
    restyled,
    usps,
)
from gan_lessons.data.few_labels import FewLabels, few_labels
from gan_lessons.data.pictures import folder, from_torchvision
from gan_lessons.data.tensors import Batch, TensorData
from gan_lessons.data.toys import grid, ring, swiss_roll

__all__ = [
    "Batch",
    "FewLabels",
    "TensorData",
    "TwoDomains",
    "USPSUnavailable",
    "cache_dir",
    "digits",
    "digits_and_usps",
    "digits_in_two_styles",
    "edges",
    "few_labels",
    "folder",
    "from_torchvision",
    "grid",
    "halves",
    "negative",
    "restyled",
    "ring",
    "swiss_roll",
    "usps",
]

"""Data for the chapters: digits, two domains, pairs, the reader's pictures, points in the plane."""

from gan_lessons.data.apple2orange import Apple2OrangeUnavailable, apple2orange
from gan_lessons.data.colours import (
    coloured,
    digits_in_two_colours,
    to_first,
    to_grey,
    to_second,
)
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
    two_folders,
    usps,
)
from gan_lessons.data.facades import FacadesUnavailable, facades, toy_facades
from gan_lessons.data.few_labels import FewLabels, few_labels
from gan_lessons.data.pairs import Pairs, side_by_side
from gan_lessons.data.pictures import folder, from_torchvision
from gan_lessons.data.tensors import Batch, TensorData, to_bytes
from gan_lessons.data.toys import grid, ring, swiss_roll

__all__ = [
    "Apple2OrangeUnavailable",
    "Batch",
    "FacadesUnavailable",
    "FewLabels",
    "Pairs",
    "TensorData",
    "TwoDomains",
    "USPSUnavailable",
    "apple2orange",
    "cache_dir",
    "coloured",
    "digits",
    "digits_and_usps",
    "digits_in_two_colours",
    "digits_in_two_styles",
    "edges",
    "facades",
    "few_labels",
    "folder",
    "from_torchvision",
    "grid",
    "halves",
    "negative",
    "restyled",
    "ring",
    "side_by_side",
    "swiss_roll",
    "to_bytes",
    "to_first",
    "to_grey",
    "to_second",
    "toy_facades",
    "two_folders",
    "usps",
]

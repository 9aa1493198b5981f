"""Data for the chapters: digits, two domains, pairs, the reader's pictures, points in the plane."""

from gan_lessons.data.adaptation import Adaptation, mnist_to_mnist_m, mnist_to_usps
from gan_lessons.data.backgrounds import BSDS500Unavailable, on_photographs, on_textures
from gan_lessons.data.digits import USPSUnavailable, digits, usps
from gan_lessons.data.download import cache_dir
from gan_lessons.data.folders import folder, from_torchvision, side_by_side, two_folders
from gan_lessons.data.houses import toy_facades
from gan_lessons.data.made import (
    coloured,
    digits_and_usps,
    digits_in_two_colours,
    digits_in_two_styles,
    edges,
    few_labels,
    halves,
    negative,
    restyled,
    to_first,
    to_grey,
    to_second,
)
from gan_lessons.data.photographs import (
    Apple2OrangeUnavailable,
    FacadesUnavailable,
    apple2orange,
    facades,
)
from gan_lessons.data.points import grid, ring, swiss_roll
from gan_lessons.data.sets import FewLabels, Pairs, TwoDomains
from gan_lessons.data.tensors import Batch, TensorData, to_bytes

__all__ = [
    "Adaptation",
    "Apple2OrangeUnavailable",
    "BSDS500Unavailable",
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
    "mnist_to_mnist_m",
    "mnist_to_usps",
    "negative",
    "on_photographs",
    "on_textures",
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

"""Numbers that can be believed beside a picture: how far generated samples are from real ones.

Digits are measured in the features of the judge, a small classifier that a script of this
repository trains on MNIST. Its distances are on a scale of their own: compare them with each other,
with real against real and with an untrained generator, never with Inception FIDs.
"""

from gan_lessons.metrics.clusters import (
    ClusterAgreement,
    adjusted_rand_index,
    cluster_accuracy,
    cluster_agreement,
    k_means,
    matched_classes,
    mutual_information,
)
from gan_lessons.metrics.copies import CopyTest, compare_distances, copy_test
from gan_lessons.metrics.images import (
    ClassCoverage,
    PrecisionRecall,
    SizeBias,
    class_coverage,
    conditional_accuracy,
    frechet_by_size,
    frechet_distance,
    kernel_distance,
    nearest_neighbours,
    precision_recall,
    within_class_diversity,
)
from gan_lessons.metrics.inception import inception_score
from gan_lessons.metrics.intervals import Interval, bootstrap_interval
from gan_lessons.metrics.judge import Judge, classify, features, load_judge
from gan_lessons.metrics.kernels import gaussian_kernel_distance
from gan_lessons.metrics.points import Modes, mode_coverage, wasserstein_1d, wasserstein_2d
from gan_lessons.metrics.tables import Table, report, table

__all__ = [
    "ClassCoverage",
    "ClusterAgreement",
    "CopyTest",
    "Interval",
    "Judge",
    "Modes",
    "PrecisionRecall",
    "SizeBias",
    "Table",
    "adjusted_rand_index",
    "bootstrap_interval",
    "class_coverage",
    "classify",
    "cluster_accuracy",
    "cluster_agreement",
    "compare_distances",
    "conditional_accuracy",
    "copy_test",
    "features",
    "frechet_by_size",
    "frechet_distance",
    "gaussian_kernel_distance",
    "inception_score",
    "k_means",
    "kernel_distance",
    "load_judge",
    "matched_classes",
    "mode_coverage",
    "mutual_information",
    "nearest_neighbours",
    "precision_recall",
    "report",
    "table",
    "wasserstein_1d",
    "wasserstein_2d",
    "within_class_diversity",
]

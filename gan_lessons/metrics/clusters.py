"""Clusters against labels: how well a division found without labels agrees with them."""

from typing import NamedTuple

import torch
from torch import Tensor

from gan_lessons.arguments import of_kind, whole
from gan_lessons.metrics.judge import check_samples


class ClusterAgreement(NamedTuple):
    """Accuracy, normalised mutual information and adjusted Rand index; 1 is full agreement."""

    accuracy: float
    nmi: float
    ari: float


def cluster_agreement(clusters: Tensor, labels: Tensor) -> ClusterAgreement:
    """All three scores of one division of N samples against its labels; both int64 (N,), from 0.

    No score changes when clusters or labels are numbered in another way. Raises as
    `matched_classes`.
    """
    return ClusterAgreement(
        cluster_accuracy(clusters, labels),
        mutual_information(clusters, labels),
        adjusted_rand_index(clusters, labels),
    )


def cluster_accuracy(clusters: Tensor, labels: Tensor) -> float:
    """max over m of P(m(c) = y), m one class for each cluster, no class twice.  [CLUSTERGAN-ACC]

    Of clusters that are more than the classes, the rest count as wrong. Raises as
    `matched_classes`.
    """
    matched = matched_classes(clusters, labels)
    return (matched[clusters] == labels).double().mean().item()


def mutual_information(clusters: Tensor, labels: Tensor) -> float:
    """2 I(c; y) / (H(c) + H(y)).  [CLUSTERGAN-NMI]

    0 for independent divisions, 1 for equal ones. Raises as `matched_classes`.
    """
    from sklearn.metrics import normalized_mutual_info_score

    _check_divisions(clusters, labels)
    return float(normalized_mutual_info_score(labels.numpy(), clusters.numpy()))


def adjusted_rand_index(clusters: Tensor, labels: Tensor) -> float:
    """(pairs - expected) / (largest - expected), pairs that are together in both.  [CLUSTERGAN-ARI]

    About 0 for random divisions, 1 for equal ones, and at times below 0. Raises as
    `matched_classes`.
    """
    from sklearn.metrics import adjusted_rand_score

    _check_divisions(clusters, labels)
    return float(adjusted_rand_score(labels.numpy(), clusters.numpy()))


def matched_classes(clusters: Tensor, labels: Tensor) -> Tensor:
    """The class that each cluster stands for in the best one-to-one assignment, int64 (clusters,).

    Found by the Hungarian method (SciPy). A cluster that gets no class has -1. Raises ValueError
    if the two are not int64 tensors (N,) of one length with numbers from 0.
    """
    from scipy.optimize import linear_sum_assignment

    _check_divisions(clusters, labels)
    n_clusters, n_classes = int(clusters.max()) + 1, int(labels.max()) + 1
    counts = torch.bincount(clusters * n_classes + labels, minlength=n_clusters * n_classes)
    rows, columns = linear_sum_assignment(-counts.reshape(n_clusters, n_classes).numpy())
    matched = torch.full((n_clusters,), -1)
    matched[torch.from_numpy(rows)] = torch.from_numpy(columns)
    return matched


def k_means(rows: Tensor, k: int, restarts: int = 10, seed: int = 0) -> Tensor:
    """The cluster of each of the `rows` (N, D) by k-means, int64 (N,): the best of the restarts.

    Best is the smallest sum of squared distances to the centres (scikit-learn). Raises ValueError
    for fewer rows than clusters, and for NaN.
    """
    from sklearn.cluster import KMeans

    rows, k = check_samples(rows, "rows"), whole("k", k)
    if rows.dim() != 2 or not 1 <= k <= len(rows):
        raise ValueError(
            f"rows {tuple(rows.shape)} do not fall into {k} clusters: pass (N, D), N at least k."
        )
    method = KMeans(k, n_init=restarts, random_state=seed)
    found = method.fit_predict(rows.detach().cpu().double().numpy())
    return torch.from_numpy(found).long()


def _check_divisions(clusters: Tensor, labels: Tensor) -> None:
    for division, name in ((clusters, "clusters"), (labels, "labels")):
        of_kind(name, division, Tensor)
        if division.dtype != torch.int64 or division.dim() != 1 or not len(division):
            raise ValueError(
                f"{name} are {division.dtype} of shape {tuple(division.shape)}: pass integers, "
                "torch.int64 of shape (N,), such as probabilities.argmax(dim=1)."
            )
        if division.min() < 0:
            raise ValueError(f"{name} begin at {int(division.min())}: number them from 0.")
    if len(clusters) != len(labels):
        raise ValueError(
            f"{len(clusters):,} clusters and {len(labels):,} labels: give one of each a sample."
        )

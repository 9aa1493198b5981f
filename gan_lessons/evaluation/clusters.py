"""Do the clusters that a model has found by itself agree with the classes?"""

import torch
from torch import Tensor

from gan_lessons import metrics
from gan_lessons.data import TensorData
from gan_lessons.evaluation.codes import encode
from gan_lessons.training import Run


def noise_and_clusters(run: Run, x: Tensor) -> tuple[Tensor, Tensor]:
    """Noise (n, latent_dim) and probabilities of the clusters (n, classes) of samples, on the CPU.

    By averaged weights. The cluster of a sample is the largest of its probabilities:
    `probabilities.argmax(dim=1)`.
    """
    sizes = [run.config.latent_dim, run.config.classes]
    noise, probabilities = encode(run, x).split(sizes, dim=1)
    return noise, probabilities


def measure_clusters(run: Run, data: TensorData) -> dict[str, float]:
    """How well the clusters agree with the labels of `data`, which should be held out.

    Accuracy, NMI and ARI (see `metrics.cluster_agreement`) of the encoder's own answer, and, as
    "k_means_…", of k-means on whole codes. Labels are used to score and for nothing else.
    """
    noise, probabilities = noise_and_clusters(run, data.floats())
    own = metrics.cluster_agreement(probabilities.argmax(dim=1), data.labels.cpu())
    codes = torch.cat([noise, probabilities], dim=1)
    division = metrics.k_means(codes, run.config.classes)
    means = metrics.cluster_agreement(division, data.labels.cpu())
    return own._asdict() | {f"k_means_{name}": v for name, v in means._asdict().items()}

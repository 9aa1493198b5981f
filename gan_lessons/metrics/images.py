"""Metrics of generated digits against real ones, in the judge's features or in pixels."""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from gan_lessons.arguments import is_whole, whole
from gan_lessons.metrics.judge import (
    check_digits,
    check_images,
    check_labels,
    check_samples,
    classify,
    features,
)
from gan_lessons.metrics.points import kl_to_uniform


def frechet_distance(samples: Tensor, reference: Tensor) -> float:
    """|m - n|^2 + tr(C + K - 2 (C K)^(1/2)), means m, n and covariances C, K.  [METRIC-FRECHET]

    The squared Fréchet distance between two Gaussians, fitted to the features of `samples` and of
    `reference`. Both are grey digits (N, 1, H, W) in [-1, 1], or rows (N, D): features, or points.
    Computed by torchmetrics in float64, on the judge's features as they are. 0 is best.

    Raises ValueError if a set has not more samples than features, and as `features`.

    Source: Heusel et al. 2017, https://arxiv.org/abs/1706.08500
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    fake, real = _both_features(samples, reference)
    for rows, name in ((fake, "samples"), (real, "reference")):
        if len(rows) <= rows.shape[1]:
            raise ValueError(
                f"{name} are {len(rows):,}, too few for the covariance of {rows.shape[1]} "
                f"features: pass more than {rows.shape[1]}, better 10,000."
            )
    metric = FrechetInceptionDistance(feature=_identity(fake.shape[1]))
    metric.update(real, real=True)
    metric.update(fake, real=False)
    return max(0.0, metric.compute().item())  # rounding leaves -1e-10 for equal sets


def kernel_distance(
    samples: Tensor, reference: Tensor, subsets: int = 20, subset_size: int = 1000, seed: int = 0
) -> float:
    """E k(x, x') + E k(y, y') - 2 E k(x, y), k(a, b) = (a.b / D + 1)^3.  [METRIC-KERNEL]

    The squared maximum mean discrepancy, unbiased: around 0 for equal distributions, at any number
    of samples, and at times a little below. The mean over `subsets` random subsets of `subset_size`
    (or of all, if there are fewer), drawn with `seed` and without touching torch's own state.

    Raises ValueError for fewer than two samples, and as `features`.

    Source: Binkowski et al. 2018, https://arxiv.org/abs/1801.01401
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    fake, real = _both_features(samples, reference)
    size = min(subset_size, len(fake), len(real))
    if size < 2:
        raise ValueError("The kernel distance compares pairs: pass two samples or more.")
    if size == len(fake) == len(real):
        subsets = 1  # every subset would be the whole
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.filterwarnings("ignore", "Metric `Kernel Inception Distance` will save")
        torch.manual_seed(seed)
        metric = KernelInceptionDistance(_identity(fake.shape[1]), subsets, size)
        metric.update(real, real=True)
        metric.update(fake, real=False)
        return metric.compute()[0].item()


def _both_features(samples: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    fake = features(check_digits(samples, "samples"))
    real = features(check_digits(reference, "reference"))
    if fake.shape[1] != real.shape[1]:
        raise ValueError(
            f"samples have {fake.shape[1]} features and reference {real.shape[1]}: distances "
            "exist in one feature space only; pass both as images, or both as features."
        )
    return fake, real


def _identity(width: int) -> nn.Module:
    """What torchmetrics takes for its feature extractor: ours has run already, in batches."""
    module = nn.Identity()
    module.num_features = width
    return module


class PrecisionRecall(NamedTuple):
    """Quality (precision, density) and variety (recall, coverage) of a set of samples."""

    precision: float
    recall: float
    density: float
    coverage: float


def precision_recall(samples: Tensor, reference: Tensor, k: int = 5) -> PrecisionRecall:
    """Share of x in some ball of the others.  [METRIC-PRECISION] [METRIC-RECALL]

    A ball around each point reaches to its k-th nearest neighbour in its own set. *Precision*:
    samples inside a ball of the reference. *Recall*: reference points inside a ball of the samples.
    *Density*: reference balls around a sample, on average, over k; may exceed 1.
    [METRIC-DENSITY] *Coverage*: reference balls that hold a sample.  [METRIC-COVERAGE]
    Takes images or features, as `frechet_distance`.

    Raises ValueError for k or fewer samples, and as `features`.

    Source: Kynkäänniemi et al. 2019, https://arxiv.org/abs/1904.06991 (precision, recall),
    Naeem et al. 2020, https://arxiv.org/abs/2002.09797 (density, coverage)
    """
    fake, real = _both_features(samples, reference)
    for rows, name in ((fake, "samples"), (real, "reference")):
        if not is_whole(k) or not 1 <= k < len(rows):
            raise ValueError(
                f"k is {k!r} with {len(rows):,} {name}: choose k from 1 to {len(rows) - 1}."
            )
    real_radii, fake_radii = _radii(real, k), _radii(fake, k)
    around_fake, _ = _balls(fake, real, real_radii)
    around_real, nearest_fake = _balls(real, fake, fake_radii)
    return PrecisionRecall(
        precision=(around_fake > 0).double().mean().item(),
        recall=(around_real > 0).double().mean().item(),
        density=around_fake.double().mean().item() / k,
        coverage=(nearest_fake <= real_radii).double().mean().item(),
    )


def _radii(rows: Tensor, k: int) -> Tensor:
    """Distance of each row to its k-th nearest neighbour among the others, (N,)."""
    from sklearn.neighbors import NearestNeighbors

    points = rows.numpy()
    # The nearest of the k + 1 is the point itself.
    distances, _ = NearestNeighbors(n_neighbors=k + 1).fit(points).kneighbors(points)
    return torch.from_numpy(distances[:, -1])


def _balls(points: Tensor, centres: Tensor, radii: Tensor) -> tuple[Tensor, Tensor]:
    """For each point: the number of balls that it is in, and the distance to the nearest centre."""
    counts, nearest = [], []
    for part in points.split(1000):  # never the whole matrix of distances
        distances = torch.cdist(part, centres)
        counts.append((distances <= radii).sum(dim=1))
        nearest.append(distances.amin(dim=1))
    return torch.cat(counts), torch.cat(nearest)


class ClassCoverage(NamedTuple):
    """Share of each class (10,), number of classes with 1 % or more, KL to uniform in nats."""

    histogram: Tensor
    covered: int
    kl: float


def class_coverage(samples: Tensor) -> ClassCoverage:
    """sum_c p_c log(10 p_c), p_c the share of class c by the judge.  [METRIC-KL]

    Takes images or judge features. MNIST itself is nearly uniform, its KL below 0.01; one class
    only gives log 10 = 2.30. Noise has classes too, by the judge: read it beside precision.

    Raises as `classify`.
    """
    histogram = torch.bincount(classify(samples), minlength=10).double() / len(samples)
    covered = int((histogram >= 0.01).sum())
    return ClassCoverage(histogram, covered, kl_to_uniform(histogram))


def conditional_accuracy(samples: Tensor, labels: Tensor) -> float:
    """Share of the samples whose class by the judge is the label (N,) they were asked for.

    The judge is wrong on about 1 % of real digits. One perfect image a class has accuracy 1: read
    it beside `within_class_diversity`. Raises as `classify`, and for labels out of 0..9.
    """
    classes = classify(samples)
    return (classes == check_labels(labels, len(classes))).double().mean().item()


def within_class_diversity(
    samples: Tensor, labels: Tensor, reference: Tensor, reference_labels: Tensor
) -> float:
    """mean over c of E |x - x'| in class c / the same for real.  [METRIC-DIVERSITY]

    About 1 for real digits, 0 for one image a class. Distances are between pixels, but only along
    the 20 principal components of the reference: slant, place, thickness, shape. Noise lies in all
    1,024 directions and hardly shows there: pure noise stays below 0.5. The judge's own features
    would not do: it is trained to ignore what differs within a class, and noise moves them far. The
    first 1,000 images of each class count. Two images a class, repeated, keep half of the value
    and twenty nearly all: recall and coverage see those.

    Images are (N, C, H, W) in [-1, 1]; labels, int64 (N,), are those the samples were asked for.
    Raises ValueError for images of another shape than the reference's, and if a class of `labels`
    has one image only, in samples or reference.
    """
    samples, reference = check_images(samples), check_images(reference, "reference")
    _check_same_shape(samples, reference)
    labels = check_labels(labels, len(samples))
    reference_labels = check_labels(reference_labels, len(reference), "reference_labels")
    for c in labels.unique():
        counts = int((labels == c).sum()), int((reference_labels == c).sum())
        if min(counts) < 2:
            raise ValueError(
                f"Class {int(c)} has {counts[0]} samples and {counts[1]} in the reference: "
                "a distance within the class needs two or more of both."
            )
    fake, real = _main_directions(samples, reference)
    ratios = [
        torch.pdist(fake[labels == c][:1000]).mean()
        / torch.pdist(real[reference_labels == c][:1000]).mean()
        for c in labels.unique()
    ]
    return torch.stack(ratios).mean().item()


def _main_directions(samples: Tensor, reference: Tensor, count: int = 20) -> list[Tensor]:
    """Both sets along the principal components of the reference, float64 (N, count)."""
    from sklearn.decomposition import PCA

    fake, real = (x.detach().cpu().flatten(1).float().numpy() for x in (samples, reference))
    some = real[:: max(1, len(real) // 2000)]  # 2,000 images are enough for the directions
    pca = PCA(min(count, len(some)), svd_solver="randomized", random_state=0).fit(some)
    return [torch.from_numpy(pca.transform(rows)).double() for rows in (fake, real)]


def nearest_neighbours(samples: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Index (N,) of the nearest reference row for each sample, and the distance (N,) to it.

    Images of any kind are compared pixel by pixel; pass `features(...)` of both to compare those.
    Distances are Euclidean; an exact copy has distance 0. 100 samples against 60,000 images take
    about a second; no table of all distances is made. Raises ValueError if the shapes do not fit.
    """
    from sklearn.neighbors import NearestNeighbors

    samples, reference = check_samples(samples), check_samples(reference, "reference")
    _check_same_shape(samples, reference)
    rows, others = (x.detach().cpu().flatten(1).float() for x in (samples, reference))
    search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(others.numpy())
    index = torch.from_numpy(search.kneighbors(rows.numpy(), return_distance=False)[:, 0])
    # The search works with |a|^2 - 2 ab + |b|^2, which does not give 0 exactly.
    return index, (rows - others[index]).norm(dim=1)


def _check_same_shape(samples: Tensor, reference: Tensor) -> None:
    if samples.shape[1:] != reference.shape[1:]:
        raise ValueError(
            f"one sample has shape {tuple(samples.shape[1:])}, one of the reference "
            f"{tuple(reference.shape[1:])}: bring both to one size and number of channels."
        )


class SizeBias(NamedTuple):
    """Fréchet distance at each number of samples, and where the line in 1/N meets N = infinity."""

    sizes: list[int]
    distances: list[float]
    at_infinity: float


def frechet_by_size(
    samples: Tensor, reference: Tensor, sizes: Sequence[int], repeats: int = 5, seed: int = 0
) -> SizeBias:
    """Fréchet distance of N of the samples to the whole reference, for each N in `sizes`.

    Means over `repeats` random draws without replacement. With few samples the distance comes out
    too large, by an amount that falls like 1/N; a least-squares line in 1/N gives `at_infinity`.

    Raises ValueError for fewer than two sizes or sizes above the number of samples, and as
    `frechet_distance`.

    Source: Chong and Forsyth 2020, https://arxiv.org/abs/1911.07023
    """
    fake, real = _both_features(samples, reference)
    sizes = [whole("each size", n) for n in sizes]
    if len(set(sizes)) < 2 or max(sizes) > len(fake):
        raise ValueError(
            f"sizes are {sizes} with {len(fake):,} samples: pass two or more different sizes, "
            f"none above {len(fake):,}."
        )
    generator = torch.Generator().manual_seed(seed)
    distances = [
        float(
            np.mean(
                [
                    frechet_distance(fake[torch.randperm(len(fake), generator=generator)[:n]], real)
                    for _ in range(repeats)
                ]
            )
        )
        for n in sizes
    ]
    _, at_infinity = np.polyfit(1 / np.array(sizes), distances, 1)
    return SizeBias(sizes, distances, float(at_infinity))

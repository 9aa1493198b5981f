"""Metrics of images: each equation against its oracle, known values, and each error."""

import itertools

import numpy as np
import pytest
import scipy.linalg
import torch

from gan_lessons import metrics
from tests.mutants import mutants, survivors
from tests.oracles import check, oracle

# --- oracles: NumPy and SciPy, from the papers ---------------------------------------------------


@oracle(
    "METRIC-FRECHET",
    r"d^2 = \lVert m - n \rVert^2 + \operatorname{tr}\bigl(C + K - 2\,(C K)^{1/2}\bigr)",
)
def frechet(samples, reference):
    m, n = samples.mean(0), reference.mean(0)
    c, k = np.cov(samples, rowvar=False), np.cov(reference, rowvar=False)
    return ((m - n) ** 2).sum() + np.trace(c + k - 2 * scipy.linalg.sqrtm(c @ k).real)


@oracle(
    "METRIC-KERNEL",
    r"\mathrm{MMD}^2 = \mathbb E\,k(a, a') + \mathbb E\,k(b, b') - 2\,\mathbb E\,k(a, b), "
    r"\qquad k(a, b) = \Bigl(\frac{a^\top b}{D} + 1\Bigr)^3",
)
def kernel(samples, reference):
    def within(a):
        pairs = itertools.permutations(range(len(a)), 2)
        return np.mean([(a[i] @ a[j] / len(a[i]) + 1) ** 3 for i, j in pairs])

    across = np.mean([(x @ y / len(x) + 1) ** 3 for x in samples for y in reference])
    return within(samples) + within(reference) - 2 * across


def distances(a, b):
    return np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))


def in_balls(points, centres, k):
    """[i, j]: point i is in the ball of centre j, which reaches to its k-th neighbour."""
    return distances(points, centres) <= np.sort(distances(centres, centres), axis=1)[:, k]


@oracle(
    "METRIC-PRECISION",
    r"\text{precision} = \frac1N \sum_i \mathbf 1\bigl[x_i \text{ in some } B(y_j)\bigr]",
)
def precision(samples, reference, k):
    return in_balls(samples, reference, k).any(1).mean()


@oracle(
    "METRIC-RECALL",
    r"\text{recall} = \frac1M \sum_j \mathbf 1\bigl[y_j \text{ in some } B(x_i)\bigr]",
)
def recall(samples, reference, k):
    return in_balls(reference, samples, k).any(1).mean()


@oracle(
    "METRIC-DENSITY",
    r"\text{density} = \frac1{kN} \sum_i \sum_j \mathbf 1\bigl[x_i \in B(y_j)\bigr]",
)
def density(samples, reference, k):
    return in_balls(samples, reference, k).sum() / (k * len(samples))


@oracle(
    "METRIC-COVERAGE",
    r"\text{coverage} = \frac1M \sum_j \mathbf 1\bigl[B(y_j) \text{ holds some } x_i\bigr]",
)
def coverage(samples, reference, k):
    return in_balls(samples, reference, k).any(0).mean()


@oracle(
    "METRIC-DIVERSITY",
    r"\text{diversity} = \frac1{10} \sum_c \frac{\mathbb E\,\lVert P x - P x' \rVert}{\mathbb "
    r"E\,\lVert P y - P y' \rVert}, \qquad x, x', y, y' \text{ of class } c",
)
def diversity(samples, labels, reference, reference_labels):
    flat, real = samples.reshape(len(samples), -1), reference.reshape(len(reference), -1)
    directions = np.linalg.svd(real - real.mean(0))[2][:20].T

    def within(rows, own_labels, c):
        rows = rows[own_labels == c] @ directions
        return distances(rows, rows)[np.triu_indices(len(rows), 1)].mean()

    return np.mean(
        [
            within(flat, labels, c) / within(real, reference_labels, c)
            for c in sorted(set(labels.tolist()))
        ]
    )


# --- each metric against its equation ------------------------------------------------------------


def number(value):
    return torch.tensor(value, dtype=torch.float64)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("width", [2, 7])
def test_frechet_distance_agrees_with_matrix_square_root(rng, width):
    samples = rng.normal(size=(90, width)) @ rng.normal(size=(width, width)) + 1
    reference = rng.normal(size=(70, width)) ** 3
    check(
        "METRIC-FRECHET",
        lambda **x: number(metrics.frechet_distance(**x)),
        rtol=1e-8,
        gradient=False,
        samples=samples,
        reference=reference,
    )


def with_moments(rng, mean, covariance, n=500):
    """Points whose mean and covariance are exactly these."""
    points = rng.normal(size=(n, len(mean)))
    points -= points.mean(0)
    points = points @ np.linalg.inv(np.linalg.cholesky(np.cov(points, rowvar=False))).T
    return torch.from_numpy(points @ np.linalg.cholesky(covariance).T + mean)


@pytest.mark.parametrize(
    ("moments", "others", "expected"),
    [
        ((np.zeros(3), np.eye(3)), (np.array([3.0, 0, 4]), np.eye(3)), 25.0),
        ((np.zeros(2), np.diag([1.0, 4])), (np.zeros(2), np.diag([9.0, 4])), 4.0),
        ((np.ones(2), np.diag([1.0, 4])), (np.zeros(2), np.diag([4.0, 1])), 4.0),
        ((np.ones(2), np.eye(2)), (np.ones(2), np.eye(2)), 0.0),
    ],
)
def test_frechet_distance_of_known_gaussians(rng, moments, others, expected):
    a, b = with_moments(rng, *moments), with_moments(rng, *others)
    assert metrics.frechet_distance(a, b) == pytest.approx(expected, abs=1e-9)
    assert metrics.frechet_distance(b, a) == pytest.approx(expected, abs=1e-9)


def test_frechet_distance_allows_features_that_never_fire(rng):
    a = torch.from_numpy(rng.normal(size=(100, 4))) * torch.tensor([1.0, 1, 0, 0])
    assert metrics.frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    assert metrics.frechet_distance(a + torch.tensor([0.0, 0, 2, 0]), a) == pytest.approx(4)


def test_kernel_distance_agrees_with_double_sum(rng):
    check(
        "METRIC-KERNEL",
        lambda **x: number(metrics.kernel_distance(**x)),
        gradient=False,
        samples=rng.normal(size=(30, 3)) + 0.5,
        reference=rng.normal(size=(30, 3)),
    )


def test_kernel_distance_is_unbiased(rng):
    pairs = torch.from_numpy(rng.normal(size=(400, 2, 20, 3)))
    values = np.array([metrics.kernel_distance(*pair) for pair in pairs])
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(len(values))
    assert (values < 0).any()


def test_kernel_distance_is_seeded_and_leaves_the_random_state_alone(rng):
    a, b = torch.from_numpy(rng.normal(size=(2, 300, 3)))
    before = torch.get_rng_state()
    first = metrics.kernel_distance(a, b, subsets=3, subset_size=50)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    assert metrics.kernel_distance(a, b, subsets=3, subset_size=50) == first
    assert metrics.kernel_distance(a, b, subsets=3, subset_size=50, seed=1) != first


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("known", [precision, recall, density, coverage])
def test_precision_and_recall_agree_with_all_pairs(rng, known, k):
    check(
        known.tag,
        lambda **x: number(getattr(metrics.precision_recall(**x), known.__name__)),
        gradient=False,
        samples=rng.normal(size=(60, 3)) * 0.7,
        reference=rng.normal(size=(80, 3)),
        k=k,
    )


def test_precision_and_recall_in_chunks(rng):
    samples, reference = torch.from_numpy(rng.normal(size=(2, 1500, 2)))
    result = metrics.precision_recall(samples, reference)
    assert result.precision == precision(samples.numpy(), reference.numpy(), 5)
    assert result.coverage == coverage(samples.numpy(), reference.numpy(), 5)


def test_precision_is_quality_and_recall_is_variety(rng):
    reference = torch.from_numpy(rng.normal(size=(500, 2)))
    narrow, wide = reference[:250] * 0.1, reference * 10
    assert metrics.precision_recall(narrow, reference).precision == 1
    assert metrics.precision_recall(narrow, reference).recall < 0.1
    assert metrics.precision_recall(wide, reference).precision < 0.3
    assert metrics.precision_recall(wide, reference).recall > 0.9


def test_diversity_agrees_with_singular_vectors(rng):
    patterns = rng.uniform(-0.3, 0.3, size=(25, 28 * 28))
    weights = rng.normal(size=(120, 25)) * 0.6 ** np.arange(25)
    images = np.clip(weights @ patterns, -1, 1).reshape(120, 1, 28, 28)
    labels = np.arange(120) % 3
    check(
        "METRIC-DIVERSITY",
        lambda **x: number(metrics.within_class_diversity(**x)),
        rtol=1e-4,  # the package finds the principal components in float32
        gradient=False,
        samples=images[:60] * 0.5,
        labels=labels[:60],
        reference=images[60:],
        reference_labels=labels[60:],
    )


# --- errors --------------------------------------------------------------------------------------

IMAGES = torch.zeros(100, 1, 32, 32) - 1
LABELS = torch.arange(100) % 10


def diversity_of(n, m):
    return metrics.within_class_diversity(IMAGES[:n], LABELS[:n], IMAGES[:m], LABELS[:m])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.frechet_distance(IMAGES, IMAGES[:20]), "reference are 20, too few"),
        (lambda: metrics.precision_recall(IMAGES[:5], IMAGES), "k is 5 with 5 samples"),
        (lambda: metrics.precision_recall(IMAGES, IMAGES, k=0), "k is 0"),
        (lambda: metrics.kernel_distance(IMAGES[:1], IMAGES), "two samples"),
        (lambda: metrics.nearest_neighbours(IMAGES, IMAGES[:, :, 2:, 2:]), "bring both to one"),
        (lambda: metrics.frechet_by_size(IMAGES, IMAGES, [70, 200]), "none above 100"),
        (lambda: metrics.frechet_by_size(IMAGES, IMAGES, [70, 70]), "two or more different"),
        (lambda: diversity_of(11, 100), "Class 1 has 1 samples and 10 in the reference"),
        (lambda: diversity_of(100, 10), "Class 0 has 10 samples and 1 in the reference"),
    ],
)
def test_bad_calls(call, message):
    with pytest.raises(ValueError, match=message):
        call()


MUTANTS = mutants(
    "metrics.images",
    (
        "a sample counts as its own nearest neighbour",
        "NearestNeighbors(n_neighbors=k + 1)",
        "NearestNeighbors(n_neighbors=k)",
        "test_precision_and_recall_agree_with_all_pairs",
    ),
    (
        "precision and recall are exchanged",
        "precision=(around_fake > 0)",
        "precision=(around_real > 0)",
        "test_precision_is_quality_and_recall_is_variety",
    ),
    (
        "density is the number of balls, not over k",
        "density=around_fake.double().mean().item() / k",
        "density=around_fake.double().mean().item()",
        "test_precision_and_recall_agree_with_all_pairs",
    ),
    (
        "coverage looks into the balls of the samples",
        "coverage=(nearest_fake <= real_radii)",
        "coverage=(nearest_fake <= fake_radii.mean())",
        "test_precision_and_recall_agree_with_all_pairs",
    ),
    (
        "the kernel distance keeps the pairs of a sample with itself",
        "if size == len(fake) == len(real):",
        "fake = torch.cat([fake, fake])\n    if False:",
        "test_kernel_distance_agrees_with_double_sum",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)

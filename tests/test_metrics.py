"""Metrics: each equation against its oracle, each metric on planted defects, each error."""

import shutil
import sys
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
import scipy.linalg
import torch
import torch.nn.functional as F
from safetensors import safe_open

from gan_lessons import data, metrics
from tests.helpers import load_script
from tests.oracles import check, oracle

# --- oracles: NumPy and SciPy, from the papers ---------------------------------------------------


@oracle("METRIC-FRECHET")
def frechet(samples, reference):
    m, n = samples.mean(0), reference.mean(0)
    c, k = np.cov(samples, rowvar=False), np.cov(reference, rowvar=False)
    return ((m - n) ** 2).sum() + np.trace(c + k - 2 * scipy.linalg.sqrtm(c @ k).real)


@oracle("METRIC-KERNEL")
def kernel(samples, reference):
    def mean_kernel(a, b, skip):
        values = [
            (x @ y / len(x) + 1) ** 3
            for i, x in enumerate(a)
            for j, y in enumerate(b)
            if not (skip and i == j)
        ]
        return np.mean(values)

    within = mean_kernel(samples, samples, True) + mean_kernel(reference, reference, True)
    return within - 2 * mean_kernel(samples, reference, False)


def distances(a, b):
    return np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))


def in_balls(points, centres, k):
    """[i, j]: point i is in the ball of centre j, which reaches to its k-th neighbour."""
    return distances(points, centres) <= np.sort(distances(centres, centres), axis=1)[:, k]


@oracle("METRIC-PRECISION")
def precision(samples, reference, k):
    return in_balls(samples, reference, k).any(1).mean()


@oracle("METRIC-RECALL")
def recall(samples, reference, k):
    return in_balls(reference, samples, k).any(1).mean()


@oracle("METRIC-DENSITY")
def density(samples, reference, k):
    return in_balls(samples, reference, k).sum() / (k * len(samples))


@oracle("METRIC-COVERAGE")
def coverage(samples, reference, k):
    return in_balls(samples, reference, k).any(0).mean()


@oracle("METRIC-KL")
def class_kl(counts):
    shares = [c / counts.sum() for c in counts if c > 0]
    return sum(p * np.log(p * len(counts)) for p in shares)


@oracle("METRIC-DIVERSITY")
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


@oracle("METRIC-W1")
def w1(a, b):
    return np.abs(np.sort(a) - np.sort(b)).mean()  # for equally many: the monotone coupling


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


def test_class_kl_agrees_with_its_sum(rng):
    from gan_lessons.metrics.points import kl_to_uniform

    check(
        "METRIC-KL",
        lambda counts: number(kl_to_uniform(counts / counts.sum())),
        gradient=False,
        counts=np.array([5.0, 0, 3, 1, 1, 7, 0, 2, 4, 9]),
    )
    assert kl_to_uniform(torch.full((10,), 0.1)) == pytest.approx(0, abs=1e-7)
    assert kl_to_uniform(F.one_hot(torch.tensor(3), 10).float()) == pytest.approx(np.log(10))


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


def test_wasserstein_1d_agrees_with_sorted_pairs(rng):
    check(
        "METRIC-W1",
        lambda a, b: number(metrics.wasserstein_1d(a, b)),
        gradient=False,
        a=rng.normal(size=40),
        b=rng.uniform(size=40),
    )
    a = torch.from_numpy(rng.normal(size=(40, 1)))
    assert metrics.wasserstein_1d(a, a[:, 0] + 3) == pytest.approx(3)
    assert metrics.wasserstein_1d(torch.zeros(4), torch.tensor([1.0, 2])) == pytest.approx(1.5)


def test_wasserstein_2d_of_a_shift_and_of_a_permutation(rng):
    points = torch.from_numpy(rng.normal(size=(200, 2)))
    shuffled = points[torch.randperm(200)]
    assert metrics.wasserstein_2d(points, shuffled) == pytest.approx(0, abs=1e-6)
    shift = torch.tensor([3.0, 4.0], dtype=torch.float64)
    assert metrics.wasserstein_2d(points, shuffled + shift) == pytest.approx(5)


# --- points --------------------------------------------------------------------------------------


def test_modes_of_the_ring_itself():
    ring = data.ring(n=8_000)
    covered, high_quality, kl = metrics.mode_coverage(ring.values, ring.modes, ring.std)
    assert covered == 8
    assert high_quality == pytest.approx(1 - np.exp(-4.5), abs=0.005)  # within 3 std in the plane
    assert kl == pytest.approx(0, abs=1e-6)


def test_modes_that_are_missing_or_missed():
    ring = data.ring(n=8_000)
    half = ring.values[ring.labels < 4]
    assert metrics.mode_coverage(half, ring.modes, ring.std)[0] == 4
    assert metrics.mode_coverage(half, ring.modes, ring.std).kl == pytest.approx(np.log(2))
    blurred = ring.values + torch.randn(8_000, 2)
    assert metrics.mode_coverage(blurred, ring.modes, ring.std).high_quality < 0.05
    nothing = metrics.mode_coverage(torch.zeros(100, 2) + 9, ring.modes, ring.std)
    assert nothing[:2] == (0, 0)
    rare = torch.cat([ring.modes[:1].repeat(995, 1), ring.modes[1:2].repeat(5, 1)])
    assert metrics.mode_coverage(rare, ring.modes, ring.std).covered == 1


# --- the judge -----------------------------------------------------------------------------------


class Sets(NamedTuple):
    """Two sets of real digits that do not overlap: one plays the samples."""

    fake: torch.Tensor
    labels: torch.Tensor
    real: torch.Tensor
    real_labels: torch.Tensor


@pytest.fixture(scope="module")
def mnist(real_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    shutil.copytree(real_data / "MNIST", folder / "MNIST")
    return tuple(data.digits(split, data_dir=folder, download=False) for split in ("train", "test"))


@pytest.fixture(scope="module", params=["built-in", "real"])
def sets(request):
    if request.param == "real":
        train, test = request.getfixturevalue("mnist")
        train, test = train.subset(slice(1000)), test.subset(slice(1000))
    else:
        digits = data.digits("train")
        train, test = digits.subset(slice(0, None, 2)), digits.subset(slice(1, None, 2))
    return Sets(train.floats(), train.labels, test.floats(), test.labels)


@pytest.fixture(scope="module")
def floor(sets):
    return metrics.report(*sets[:1], sets.real, sets.labels, reference_labels=sets.real_labels)


def measured(sets, fake, labels=None):
    labels = sets.labels if labels is None else labels
    return metrics.report(fake, sets.real, labels, reference_labels=sets.real_labels)


def test_judge_is_as_good_as_its_file_says(mnist):
    _, test = mnist
    reached = metrics.conditional_accuracy(test.floats(), test.labels)
    assert reached >= 0.99
    assert float(metrics.load_judge().facts["accuracy"]) == pytest.approx(reached, abs=3e-4)


def test_scale_of_the_judge(mnist):
    train, test = mnist
    real = metrics.features(test.floats())
    chosen = torch.randperm(60_000, generator=torch.Generator().manual_seed(0))[:10_000]
    assert 0.3 < metrics.frechet_distance(train.floats(chosen), real) < 1
    assert metrics.frechet_distance(torch.rand(1000, 1, 32, 32) * 2 - 1, real) > 500


def test_judge_file_is_small_and_says_where_it_comes_from(root):
    path = root / "gan_lessons" / "judge.safetensors"
    assert path.stat().st_size < 600_000
    with safe_open(path, "pt") as file:
        facts = file.metadata()
    assert float(facts["accuracy"]) >= 0.99
    assert (root / facts["script"]).is_file()
    assert set(facts) == {"accuracy", "data", "seed", "epochs", "torch", "script"}


def test_judge_is_frozen_and_the_same_at_every_size(sets):
    judge = metrics.load_judge()
    assert not judge.training
    assert not any(p.requires_grad for p in judge.parameters())
    images = sets.real[:50]
    assert judge(images).shape == (50, 10)
    assert judge.features(images).shape == (50, judge.num_features)
    small = images[:, :, 2:-2, 2:-2]
    torch.testing.assert_close(judge.features(small), judge.features(images))
    large = F.interpolate(images, size=64, mode="bilinear")
    assert (metrics.classify(large) == metrics.classify(images)).double().mean() > 0.9


def test_features_are_float64_and_independent_of_the_batch(sets):
    whole = metrics.features(sets.real[:70])
    assert whole.dtype == torch.float64
    assert (whole >= 0).all()
    torch.testing.assert_close(metrics.features(sets.real[:70], batch=16), whole, rtol=0, atol=1e-4)
    assert torch.equal(metrics.features(whole), whole)
    assert not metrics.features(whole.requires_grad_()).requires_grad
    whole.requires_grad_(False)
    assert torch.equal(metrics.classify(whole), metrics.classify(sets.real[:70]))


# --- planted defects -----------------------------------------------------------------------------


def test_floor(sets, floor):
    assert floor["frechet_distance"] < 12
    assert floor["precision"] > 0.85
    assert floor["recall"] > 0.85
    assert floor["density"] == pytest.approx(1, abs=0.2)
    assert floor["coverage"] > 0.85
    assert floor["classes"] == 10
    assert floor["class_kl"] < 0.02
    assert floor["conditional_accuracy"] > 0.8
    assert floor["diversity"] == pytest.approx(1, abs=0.06)


def test_the_set_itself_is_at_distance_zero(sets):
    same = metrics.report(sets.real, sets.real.flip(0))
    assert same["frechet_distance"] == pytest.approx(0, abs=1e-6)
    assert same["kernel_distance"] < 1
    assert (same["precision"], same["recall"], same["coverage"]) == (1, 1, 1)


def test_order_does_not_matter(sets, floor):
    order = torch.randperm(len(sets.fake))
    shuffled = metrics.precision_recall(sets.fake[order], sets.real)
    assert shuffled._asdict() == pytest.approx({name: floor[name] for name in shuffled._fields})
    distance = metrics.frechet_distance(sets.fake[order], sets.real)
    assert distance == pytest.approx(floor["frechet_distance"], rel=1e-4)
    classes = metrics.class_coverage(sets.fake[order])
    assert (classes.covered, classes.kl) == (floor["classes"], floor["class_kl"])


def test_dropped_classes(sets, floor):
    rows = [floor]
    for dropped in (1, 3, 5, 8):
        keep = sets.labels >= dropped
        rows.append(measured(sets, sets.fake[keep], sets.labels[keep]))
    for better, worse in pairwise(rows):
        assert worse["frechet_distance"] > 1.3 * better["frechet_distance"]
        assert worse["kernel_distance"] > better["kernel_distance"]
        assert worse["recall"] < better["recall"] + 0.02  # does not see the first dropped class
        assert worse["coverage"] < better["coverage"]
        assert worse["class_kl"] > better["class_kl"]
    assert rows[-1]["recall"] < 0.5 * rows[2]["recall"]
    assert rows[-1]["precision"] > 0.8  # what is left is still real


def test_class_coverage_counts_the_classes(sets):
    right = sets.labels == metrics.classify(sets.fake)
    found = metrics.class_coverage(sets.fake[right & (sets.labels < 4)])
    assert found.covered == 4
    assert found.histogram[:4].sum() == pytest.approx(1)
    rare = torch.cat([sets.fake[right & (sets.labels == 0)][:1].repeat(299, 1, 1, 1)])
    with_one = torch.cat([rare, sets.fake[right & (sets.labels == 1)][:1]])
    assert metrics.class_coverage(with_one).covered == 1  # 1 of 300 is below 1 %


def test_blur(sets, floor):
    one, two = (F.avg_pool2d(F.pad(sets.fake, (p,) * 4, value=-1), 2 * p + 1, 1) for p in (1, 2))
    mild, strong = measured(sets, one), measured(sets, two)
    assert strong["frechet_distance"] > mild["frechet_distance"] > 2 * floor["frechet_distance"]
    assert strong["precision"] < mild["precision"] < floor["precision"]


def test_noise(sets, floor):
    rows = [floor]
    for level in (0.1, 0.3, 1.0):
        noisy = (sets.fake + level * torch.randn(sets.fake.shape)).clamp(-1, 1)
        rows.append(measured(sets, noisy))
    for better, worse in pairwise(rows):
        assert worse["frechet_distance"] > 2 * better["frechet_distance"]
        assert worse["precision"] <= better["precision"]
    assert rows[-1]["precision"] < 0.1


def test_pure_noise_is_far_and_not_diverse(sets):
    noise = torch.rand(sets.fake.shape) * 2 - 1
    row = measured(sets, noise)
    assert row["frechet_distance"] > 500
    assert row["precision"] == row["recall"] == row["coverage"] == 0
    assert row["diversity"] < 0.6
    assert row["conditional_accuracy"] < 0.3


def test_few_images_copied_many_times(sets, floor):
    some = torch.cat([torch.where(sets.labels == c)[0][:3] for c in range(10)]).repeat(20)
    row = measured(sets, sets.fake[some], sets.labels[some])
    assert row["precision"] > 0.8
    assert row["recall"] < 0.1
    assert row["coverage"] < 0.5 * floor["coverage"]
    assert row["diversity"] < 0.9
    assert row["frechet_distance"] > 2 * floor["frechet_distance"]


def test_one_image_a_class_with_and_without_noise(sets):
    one = torch.stack([sets.fake[sets.labels == c][0] for c in range(10)])[sets.labels]
    row = measured(sets, one)
    assert row["diversity"] == pytest.approx(0, abs=1e-5)
    assert row["recall"] < 0.1
    noisy = (one + 0.3 * torch.randn(one.shape)).clamp(-1, 1)
    assert measured(sets, noisy)["diversity"] < 0.3


def test_shuffled_labels(sets, floor):
    shuffled = sets.labels[torch.randperm(len(sets.labels))]
    row = measured(sets, sets.fake, shuffled)
    assert row["conditional_accuracy"] == pytest.approx(0.1, abs=0.05)
    assert row["diversity"] > 1.05  # classes mixed are more diverse than real ones
    for name in ("frechet_distance", "precision", "recall"):
        assert row[name] == floor[name]  # these do not see labels


def test_memorised_images(sets):
    train = sets.fake[:600]
    copies = metrics.report(train[100:400].flip(0), sets.real, train=train)
    honest = metrics.report(sets.real[-300:], sets.real, train=train)
    assert copies["copies"] == 1
    assert honest["copies"] < 0.1
    index, distance = metrics.nearest_neighbours(train[100:400].flip(0), train)
    assert torch.equal(index, torch.arange(399, 99, -1))
    assert (distance == 0).all()


def test_nearest_neighbours_in_pixels_features_and_colour(sets):
    samples, reference = sets.fake[:40], sets.real[:300]
    index, distance = metrics.nearest_neighbours(samples, reference)
    table = torch.cdist(samples.flatten(1).double(), reference.flatten(1).double())
    assert torch.equal(index, table.argmin(1))
    torch.testing.assert_close(distance.double(), table.amin(1), rtol=1e-5, atol=0)
    rows, others = metrics.features(samples), metrics.features(reference)
    assert torch.equal(
        metrics.nearest_neighbours(rows, others)[0], torch.cdist(rows, others).argmin(1)
    )
    colour = torch.rand(5, 3, 16, 16)
    assert torch.equal(metrics.nearest_neighbours(colour + 0.01, colour)[0], torch.arange(5))


def test_frechet_by_size_falls_like_one_over_n(rng):
    samples, reference = torch.from_numpy(rng.normal(size=(2, 4000, 10)))
    bias = metrics.frechet_by_size(samples, reference, [50, 100, 200, 4000], repeats=10)
    assert bias.distances == sorted(bias.distances, reverse=True)
    assert bias.distances[0] / bias.distances[1] == pytest.approx(2, rel=0.2)
    assert abs(bias.at_infinity) < 0.3 * bias.distances[2]
    assert bias.distances[3] == pytest.approx(metrics.frechet_distance(samples, reference))
    again = metrics.frechet_by_size(samples, reference, [50, 100, 200, 4000], repeats=10)
    assert again == bias


# --- reports and tables --------------------------------------------------------------------------


def test_report_has_what_was_asked_for(sets):
    numbers = set(metrics.report(sets.fake[:100], sets.real[:100]))
    assert "conditional_accuracy" not in numbers
    assert "copies" not in numbers
    digits = data.digits("test")
    with_labels = metrics.report(digits, digits, digits.labels)
    assert set(with_labels) - numbers == {"conditional_accuracy", "diversity"}
    assert with_labels["diversity"] == pytest.approx(1)
    without = metrics.report(digits, digits.floats(), digits.labels)
    assert set(without) - numbers == {"conditional_accuracy"}


def test_report_of_the_same_samples_is_the_same(sets):
    assert metrics.report(sets.fake, sets.real) == metrics.report(sets.fake, sets.real)


def test_table_in_markdown_and_in_text():
    shown = metrics.table(
        {
            "real": {"frechet_distance": 0.4751, "kernel_distance": -0.01, "classes": 10},
            "GAN": {"frechet_distance": 1234.56, "classes": 9, "recall": 0.456, "seconds": 61.7},
        }
    )
    heads, rule, real, gan = shown._repr_markdown_().splitlines()
    assert "| Fréchet distance (judge features) |" in heads
    assert rule.count("---:") == 5
    assert real == "| real | 0.5 | 0.0 | 10 | – | – |"
    assert gan == "| GAN | 1,234.6 | – | 9 | 0.46 | 62 |"
    lines = repr(shown).splitlines()
    assert lines[1].split() == ["real", "0.5", "0.0", "10", "–", "–"]
    assert len({len(line) for line in lines}) == 1


def test_table_without_rows():
    with pytest.raises(ValueError, match="rows are empty"):
        metrics.table({})


# --- errors --------------------------------------------------------------------------------------

IMAGES = torch.zeros(100, 1, 32, 32) - 1


def nan_in_one():
    images = IMAGES.clone()
    images[7, 0, 3, 3] = float("nan")
    return images


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (torch.zeros(100, 3, 32, 32), "3 channels.*grey digits only"),
        (IMAGES * 127, r"range from -127 to -127.*\[-1, 1\]"),
        (torch.rand(100, 1, 32, 32).round(), r"look like images in \[0, 1\]"),
        (nan_in_one(), "1 of 100 samples contain NaN"),
        (torch.zeros(100, 1, 16, 16), "16 x 16 pixels.*28 to 64"),
        (torch.zeros(100, 1, 32, 28), "32 x 28 pixels"),
        (torch.zeros(100, 32, 32), "pass images"),
        (torch.zeros(0, 1, 32, 32), "empty"),
        (IMAGES[:64], "samples are 64, too few.*more than 64, better 10,000"),
        (torch.zeros(100, 63), "63 features and reference 64"),
    ],
)
def test_bad_samples(samples, message):
    with pytest.raises(ValueError, match=message):
        metrics.frechet_distance(samples, IMAGES)


@pytest.mark.parametrize("samples", [IMAGES.to(torch.uint8), IMAGES.numpy()])
def test_samples_of_another_type(samples):
    with pytest.raises(TypeError, match=r"x / 127\.5 - 1|as_tensor"):
        metrics.features(samples)


def test_too_few_in_the_reference():
    with pytest.raises(ValueError, match="reference are 20, too few"):
        metrics.frechet_distance(IMAGES, IMAGES[:20])


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (torch.zeros(99, dtype=torch.int64), ValueError, r"shape \(99,\) for 100 samples"),
        (torch.zeros(100, 10, dtype=torch.int64), ValueError, "one number a sample"),
        (torch.full((100,), 10), ValueError, "range from 10 to 10"),
        (torch.full((100,), -1), ValueError, "numbered 0 to 9"),
        (torch.zeros(100), TypeError, "whole numbers"),
        ([0] * 100, TypeError, "whole numbers, not list"),
    ],
)
def test_bad_labels(labels, error, message):
    with pytest.raises(error, match=message):
        metrics.conditional_accuracy(IMAGES, labels)
    with pytest.raises(error, match=message):
        metrics.within_class_diversity(IMAGES, labels, IMAGES, torch.arange(100) % 10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.classify(torch.zeros(5, 2)), "rows have 2 numbers"),
        (lambda: metrics.precision_recall(IMAGES[:5], IMAGES), "k is 5 with 5 samples"),
        (lambda: metrics.precision_recall(IMAGES, IMAGES, k=0), "k is 0"),
        (lambda: metrics.kernel_distance(IMAGES[:1], IMAGES), "two samples"),
        (lambda: metrics.nearest_neighbours(IMAGES, IMAGES[:, :, 2:, 2:]), "bring both to one"),
        (lambda: metrics.frechet_by_size(IMAGES, IMAGES, [70, 200]), "none above 100"),
        (lambda: metrics.frechet_by_size(IMAGES, IMAGES, [70, 70]), "two or more different"),
        (lambda: metrics.mode_coverage(torch.zeros(5, 2), torch.zeros(8, 3), 1), "do not fit"),
        (lambda: metrics.mode_coverage(torch.zeros(5, 2), torch.zeros(8, 2), 0), "std is 0"),
        (lambda: metrics.wasserstein_1d(torch.zeros(5, 2), torch.zeros(5)), "a has shape"),
        (lambda: metrics.wasserstein_2d(torch.zeros(5, 2), torch.zeros(4, 2)), "equally many"),
        (lambda: metrics.wasserstein_1d(torch.full((3,), torch.nan), torch.zeros(3)), "NaN"),
    ],
)
def test_bad_calls(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_diversity_needs_pairs():
    labels = torch.arange(100) % 10
    with pytest.raises(ValueError, match="Class 1 has 1 samples and 10 in the reference"):
        metrics.within_class_diversity(IMAGES[:11], labels[:11], IMAGES, labels)
    with pytest.raises(ValueError, match="Class 0 has 10 samples and 1 in the reference"):
        metrics.within_class_diversity(IMAGES, labels, IMAGES[:10], labels[:10])


# --- the script that trains the judge ------------------------------------------------------------


@pytest.fixture
def script():
    return load_script("train_judge")


def test_disturbed_digits_are_digits(script, sets):
    images = sets.real[:200]
    moved = script.disturbed(images, torch.Generator().manual_seed(0))
    assert moved.shape == images.shape
    assert moved.min() >= -1
    assert moved.max() <= 1
    assert not torch.allclose(moved, images, atol=0.5)
    again = script.disturbed(images, torch.Generator().manual_seed(0))
    assert torch.equal(moved, again)
    same = (metrics.classify(moved) == metrics.classify(images)).double().mean()
    assert same > 0.8


def test_script_writes_the_judge_only_from_99_percent_on(script, monkeypatch, tmp_path, capsys):
    target = tmp_path / "judge.safetensors"
    monkeypatch.setattr(sys, "argv", ["train_judge.py", "--out", str(target), "--seed", "3"])
    with pytest.raises(SystemExit, match="MNIST only"):  # the tests have the built-in digits
        script.main()
    mnist = data.TensorData(torch.zeros(5, 1, 32, 32, dtype=torch.uint8), name="MNIST, five")
    monkeypatch.setattr(script, "digits", lambda split: mnist)
    monkeypatch.setattr(script, "train", lambda *_: (metrics.Judge(), 0.9899))
    with pytest.raises(SystemExit, match=r"98\.99% is below 99%: nothing written"):
        script.main()
    assert not target.exists()
    monkeypatch.setattr(script, "train", lambda *_: (metrics.Judge(), 0.99))
    script.main()
    with safe_open(target, "pt") as file:
        assert file.metadata()["accuracy"] == "0.9900"
        assert file.metadata()["seed"] == "3"
    assert "judge.safetensors: 0.43 MB" in capsys.readouterr().out

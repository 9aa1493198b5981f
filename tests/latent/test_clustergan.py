"""ClusterGAN: its equations against oracles, facts about the code, and who reads which image."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import nn

from gan_lessons import metrics
from gan_lessons.data import Batch, ring
from gan_lessons.latent import clustergan
from gan_lessons.objectives import wgan
from tests.helpers import images, same
from tests.mutants import generated, mutants, survivors
from tests.oracles import check, oracle, scores, taken_over

SMALL = replace(clustergan.PRESETS["smoke"], batch_size=8)
POINTS = replace(SMALL, shape=(2,), hidden=(16,), classes=4, latent_dim=3)
QUIET = {"device": "cpu", "progress": False, "snapshots": 0}

taken_over(
    "CLUSTERGAN-D",
    "GAN-D",
    r"L_D = \mathbb E_x \operatorname{softplus}(-D(x)) + \mathbb E_z "
    r"\operatorname{softplus}(D(G(z)))",
)
taken_over("CLUSTERGAN-G", "GAN-G", r"L_G = \mathbb E_z \operatorname{softplus}(-D(G(z)))")


@pytest.fixture
def model():
    return clustergan.ClusterGAN(SMALL)


@pytest.fixture
def plane():
    return clustergan.ClusterGAN(POINTS)


def codes(n, **settings):
    """Codes of a model of points, apart: noise and one-hot vectors."""
    config = replace(POINTS, **settings)
    return clustergan.ClusterGAN(config).noise(n).split([config.latent_dim, config.classes], 1)


# --- the losses of the code --------------------------------------------------------------------


@oracle("CLUSTERGAN-N", r"L_n = \mathbb E_z\, \lVert z_n - E_1(G(z)) \rVert^2")
def noise_error(noise, recovered):
    return np.mean([np.dot(a - b, a - b) for a, b in zip(noise, recovered, strict=True)])


@oracle(
    "CLUSTERGAN-C",
    r"L_c = -\,\mathbb E_z\, \log \operatorname{softmax}(E_2(T(G(z))))_k, \qquad z_c = e_k",
)
def cross_entropy(classes, logits):
    """One-hot rows pick a logit; minus it, plus the logarithm of the sum of exponentials."""
    return np.mean(np.logaddexp.reduce(logits, axis=1) - logits[classes == 1])


@pytest.mark.parametrize("shape", [(5, 3), (1, 30), (4, 1)])
def test_noise_loss(shape):
    noise, recovered = (scores(math.prod(shape), seed=k).reshape(shape) for k in range(2))
    check("CLUSTERGAN-N", clustergan.noise_loss, noise=noise, recovered=recovered)


@pytest.mark.parametrize("classes", [[0, 2, 2, 1], [3]])
def test_class_loss(classes):
    """Compared with whole numbers as one-hot rows, so that only the logits have a gradient."""
    rows = np.eye(4, dtype=np.int64)[classes]
    logits = scores(4 * len(classes)).reshape(-1, 4)
    check("CLUSTERGAN-C", clustergan.class_loss, classes=rows, logits=logits)


def test_class_loss_is_from_logits():
    """At extreme logits it neither overflows nor forgets the gradient; a guess has log K."""
    rows, logits = torch.eye(3)[:1], torch.tensor([[-200.0, 0.0, 0.0]], requires_grad=True)
    loss = clustergan.class_loss(rows, logits)
    loss.backward()
    assert loss.item() == pytest.approx(200 + math.log(2))
    assert logits.grad[0].tolist() == pytest.approx([-1, 0.5, 0.5])
    guess = clustergan.class_loss(torch.eye(10), torch.zeros(10, 10))
    assert guess.item() == pytest.approx(math.log(10))


@oracle("CLUSTERGAN-GE", r"L_{G,E} = L_G + \beta_n L_n + \beta_c L_c")
def joint_loss(discriminator, generator, encoder, z, noise_dim, noise_weight, class_weight):
    """All three networks are matrices."""
    fake = np.asarray(z) @ generator
    answer = fake @ encoder
    noise, classes = np.asarray(z)[:, :noise_dim], np.asarray(z)[:, noise_dim:]
    fooled = np.logaddexp(0, -fake @ discriminator).mean()
    found = ((noise - answer[:, :noise_dim]) ** 2).sum(axis=1).mean()
    logits = answer[:, noise_dim:]
    named = (np.logaddexp.reduce(logits, axis=1) - (classes * logits).sum(axis=1)).mean()
    return fooled + noise_weight * found + class_weight * named


class Linear(nn.Module):
    """x W, for given weights; two results if there are sizes to split them."""

    def __init__(self, weights, sizes=None):
        super().__init__()
        self.weights, self.sizes = weights, sizes

    def forward(self, x):
        result = x @ self.weights
        return result if self.sizes is None else result.split(self.sizes, dim=1)


@pytest.mark.parametrize("weights", [(0.3, 10.0), (2.0, 0.5)])
def test_the_loss_of_generator_and_encoder(weights, monkeypatch):
    """Value and gradient: the losses of the code reach the generator, too."""
    losses = []
    monkeypatch.setattr(clustergan, "update", lambda optimizer, loss: losses.append(loss))
    config = replace(POINTS, noise_weight=weights[0], class_weight=weights[1])
    model = clustergan.ClusterGAN(config)
    rng = np.random.default_rng(0)
    z = np.concatenate([0.1 * rng.standard_normal((6, 3)), np.eye(4)[[0, 1, 2, 3, 3, 1]]], axis=1)
    model.noise = lambda n: torch.tensor(z)

    def loss(generator, encoder, discriminator, **numbers):
        model.generator, model.encoder = Linear(generator), Linear(encoder, model.encoder.sizes)
        model.discriminator = Linear(torch.tensor(discriminator, dtype=torch.float64))
        model.generator_encoder_step(6)
        return losses.pop()

    check(
        "CLUSTERGAN-GE",
        loss,
        discriminator=rng.standard_normal(2).tolist(),
        generator=rng.standard_normal((7, 2)),
        encoder=rng.standard_normal((2, 7)),
        z=z.tolist(),
        noise_dim=3,
        noise_weight=weights[0],
        class_weight=weights[1],
    )


def test_the_papers_weight_of_the_noise():
    """10 for a mean over 30 numbers, and the equation has their sum."""
    for config in clustergan.PRESETS.values():
        assert config.noise_weight * config.latent_dim == pytest.approx(10)


# --- the code ----------------------------------------------------------------------------------


@oracle(
    "CLUSTERGAN-Z",
    r"z = (z_n, z_c), \qquad z_n \sim \mathcal N(0, \sigma^2 I_{d_n}), \qquad z_c = e_k, "
    r"\quad k \sim U\{1, \dots, K\}",
)
def moments(noise_dim, classes, sigma):
    """Mean and covariance of the code: Gaussian noise beside one of `classes` unit vectors."""
    unit = np.eye(classes)
    covariance = np.zeros((noise_dim + classes,) * 2)
    covariance[:noise_dim, :noise_dim] = sigma**2 * np.eye(noise_dim)
    covariance[noise_dim:, noise_dim:] = np.cov(unit.T, bias=True)
    return np.concatenate([np.zeros(noise_dim), unit.mean(0)]), covariance


def test_the_code(plane):
    z_n, z_c = codes(50_000, noise_scale=0.5)
    z = torch.cat([z_n, z_c], dim=1).numpy()
    mean, covariance = moments(3, 4, 0.5)
    np.testing.assert_allclose(z.mean(axis=0), mean, atol=1e-2)
    np.testing.assert_allclose(np.cov(z.T), covariance, atol=1e-2)
    assert set(z_c.unique().tolist()) == {0, 1}
    assert (z_c.sum(dim=1) == 1).all()
    clusters = torch.tensor([3, 0, 0, 2])
    assert same(plane.noise(4, clusters)[:, 3:].argmax(1), clusters)


@oracle("CLUSTERGAN-DIST", r"\sqrt{\mathbb E\, \lVert z_n - z_n' \rVert^2} = \sigma \sqrt{2\, d_n}")
def root_mean_square_distance(noise_dim, sigma):
    """Of two noises: each of their coordinates differs by N(0, 2 sigma^2)."""
    return np.sqrt(stats.norm(scale=np.sqrt(2) * sigma).var() * noise_dim)


@pytest.mark.parametrize(("sigma", "expected"), [(0.1, 0.775), (0.75, 5.81)])
def test_distances_of_codes(sigma, expected):
    z_n, z_c = codes(20_000, latent_dim=30, noise_scale=sigma)
    z, other = z_n.chunk(2)
    measured = (z - other).square().sum(1).mean().sqrt().item()
    assert measured == pytest.approx(root_mean_square_distance(30, sigma), rel=0.02)
    assert root_mean_square_distance(30, sigma) == pytest.approx(expected, abs=5e-3)
    apart = torch.cdist(z_c.unique(dim=0), z_c.unique(dim=0))
    torch.testing.assert_close(apart, math.sqrt(2) * (1 - torch.eye(4)))
    nothing_found = clustergan.noise_loss(z, torch.zeros_like(z)).item()
    assert nothing_found == pytest.approx(root_mean_square_distance(30, sigma) ** 2 / 2, rel=0.02)


def expected_maximum(k):
    """E max of k standard normal numbers."""
    density = lambda t: t * k * stats.norm.pdf(t) * stats.norm.cdf(t) ** (k - 1)  # noqa: E731
    return integrate.quad(density, -10, 10)[0]


@oracle("CLUSTERGAN-KM", r"\sigma^\ast = \frac{K - 1}{K\, m_K}")
def largest_noise_scale(k):
    return (k - 1) / k / expected_maximum(k)


def test_beyond_the_largest_noise_scale_a_division_of_the_noise_is_the_better_k_means():
    """The sum of squares of the true clusters against that of a simplex in the noise."""
    k, limit = 10, largest_noise_scale(10)
    assert limit == pytest.approx(0.585, abs=1e-3)
    assert clustergan.Config().noise_scale < limit
    simplex = np.linalg.svd(np.eye(k) - 1 / k)[0][:, : k - 1]  # corners, seen in k - 1 dimensions

    def scatters(sigma):
        settings = {"classes": k, "latent_dim": 12, "noise_scale": sigma}
        z_n, z_c = (part.double().numpy() for part in codes(200_000, **settings))
        z, divisions = np.hstack([z_n, z_c]), (z_c, z_n[:, : k - 1] @ simplex.T)
        for clusters in (nearness.argmax(axis=1) for nearness in divisions):
            parts = [z[clusters == c] for c in range(k)]
            yield sum(part.var(axis=0).sum() * len(part) for part in parts) / len(z)

    for sigma, truth_wins in ((0.95 * limit, True), (1.05 * limit, False)):
        truth, by_noise = scatters(sigma)
        assert (truth < by_noise) == truth_wins
    truth, by_noise = scatters(limit)
    assert truth == pytest.approx(by_noise, rel=2e-3)


@pytest.mark.parametrize(("sigma", "low", "high"), [(0.1, 1.0, 1.0), (0.75, 0.1, 0.25)])
def test_k_means_on_the_true_codes(sigma, low, high):
    z_n, z_c = codes(1000, latent_dim=30, classes=10, noise_scale=sigma)
    found = metrics.k_means(torch.cat([z_n, z_c], dim=1), 10, restarts=5)
    assert low <= metrics.cluster_accuracy(found, z_c.argmax(1)) <= high


# --- facts about the losses --------------------------------------------------------------------


@oracle("CLUSTERGAN-V", r"\min_G \max_P\; \mathbb E_x\, q(P(x)) + \mathbb E_z\, q(1 - P(G(z)))")
def general_value(real, fake, q):
    """The paper's game without the encoder: any concave q of probabilities, or of critic values."""
    return np.mean(q(real)) + np.mean(q(1 - fake))


def test_two_choices_of_q():
    """The logarithm gives the GAN's loss; the identity the critic's, up to a constant."""
    real, fake = torch.from_numpy(scores(6)), torch.from_numpy(scores(6, seed=1))
    p, q = real.sigmoid().numpy(), fake.sigmoid().numpy()
    value = general_value(p, q, np.log)
    assert -value == pytest.approx(clustergan.discriminator_loss(real, fake).item())
    value = general_value(real.numpy(), fake.numpy(), lambda t: t)
    assert value - 1 == pytest.approx(-wgan.discriminator_loss(real, fake).item())


@oracle("CLUSTERGAN-MI", r"I(z_c;\, G(z)) \ge I(z_c;\, T(G(z))) \ge \log K - L_c")
def information_bound(joint, answer):
    """log K minus the cross-entropy of the answers q(k | x), with P(k, x) in rows k."""
    return np.log(len(joint)) + (joint * np.log(answer)).sum()


def test_the_class_loss_bounds_the_information_in_an_image():
    rng = np.random.default_rng(0)
    joint = rng.dirichlet(np.full(6, 0.5), size=4) / 4  # four clusters, six images
    drawn = joint.sum(axis=0)
    exact = (joint * np.log(joint / (drawn / 4))).sum()
    best = information_bound(joint, joint / drawn)
    assert best == pytest.approx(exact), "equal for the posterior"
    logits = rng.standard_normal((6, 4))
    answer = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    bound = information_bound(joint, answer.T)
    assert bound < exact
    clusters, xs = np.divmod(rng.choice(24, size=200_000, p=joint.ravel()), 6)
    rows = torch.eye(4, dtype=torch.float64)[clusters]
    loss = clustergan.class_loss(rows, torch.from_numpy(logits)[xs])
    assert math.log(4) - loss.item() == pytest.approx(bound, abs=0.01)


# --- the step ----------------------------------------------------------------------------------


def watch(network, seen):
    network.register_forward_hook(lambda _m, inputs, out: seen.append((inputs[0], out)))


def test_the_encoder_never_sees_a_real_sample(plane):
    """Whatever the data are, its input in a step is what the generator has just drawn."""
    drawn, read = [], []
    watch(plane.generator, drawn)
    watch(plane.encoder, read)
    plane.step(Batch(torch.full((8, 2), 77.0), None))
    assert len(read) == 2, "once for the noise, once for the class"
    assert all(same(x, drawn[-1][1]) for x, _ in read)


def test_the_class_is_read_from_distorted_copies_and_the_noise_from_the_images(monkeypatch):
    model = clustergan.ClusterGAN(replace(SMALL, bend=0.2, stroke=0.7))
    drawn, read, asked = [], [], []
    watch(model.generator, drawn)
    watch(model.encoder, read)
    blank = torch.zeros(8, 1, 32, 32)
    monkeypatch.setattr(clustergan, "distorted", lambda *args: asked.append(args) or blank)
    losses = model.generator_encoder_step(8)
    (z, fake), ((plain, (noise, _)), (copy, (_, logits))) = drawn[0], read
    assert same(asked[0][0], fake)
    assert asked[0][1:] == (0.2, 0.7)
    assert same(plain, fake)
    assert same(copy, blank)
    z_n, z_c = z.numpy()[:, :30], z.numpy()[:, 30:]
    expected = noise_error(z_n, noise.detach().numpy())
    assert losses["noise_loss"].item() == pytest.approx(expected, rel=1e-5)
    expected = cross_entropy(z_c, logits.detach().numpy())
    assert losses["class_loss"].item() == pytest.approx(expected, rel=1e-5)


def test_the_step_plays_for_the_losses_of_the_gan(plane):
    said = []
    watch(plane.discriminator, said)
    logged = plane.step(Batch(torch.randn(8, 2), None))
    real, fake, fresh = (out.detach().double().numpy() for _, out in said)
    expected = np.logaddexp(0, -real).mean() + np.logaddexp(0, fake).mean()
    assert logged["discriminator_loss"].item() == pytest.approx(expected, rel=1e-5)
    expected = np.logaddexp(0, -fresh).mean()
    assert logged["generator_loss"].item() == pytest.approx(expected, rel=1e-5)


def test_labels_do_not_touch_the_training():
    """The same numbers with other labels and with none."""
    data, config = images(), replace(SMALL, steps=2)
    kinds = (data, replace(data, labels=9 - data.labels), replace(data, labels=None))
    first, *others = (clustergan.train(config, d, **QUIET).model.state_dict() for d in kinds)
    assert all(same(value, other[name]) for other in others for name, value in first.items())


# --- samples and codes -------------------------------------------------------------------------


def test_samples_of_chosen_clusters(model):
    clusters = torch.tensor([0, 0, 9])
    torch.manual_seed(1)
    chosen = model.sample(3, clusters=clusters)
    torch.manual_seed(1)
    assert same(chosen, model.sample(z=model.noise(3, clusters)))
    with pytest.raises(ValueError, match="classes 0 to 9"):
        model.sample(1, clusters=torch.tensor([10]))
    with pytest.raises(ValueError, match="must be 2 integers"):
        model.sample(2, clusters=torch.tensor([1]))


def test_an_encoded_sample_is_a_code(model):
    """Noise beside probabilities: the code itself if the encoder is sure and right."""
    x = images(6).floats()
    found, (noise, logits) = model.encode(x), model.encoder(x)
    torch.testing.assert_close(found[:, :30], noise)
    torch.testing.assert_close(found[:, 30:], logits.softmax(dim=1))
    assert not found.requires_grad
    assert model.sample(z=found).shape == x.shape


def test_snapshots_have_a_cluster_in_each_row_and_a_noise_in_each_column(plane):
    z = plane.fixed_inputs(10, ring())["z"]
    assert z.shape == (12, 7)
    rows = z.reshape(4, 3, 7)
    assert same(rows[:, :, 3:].argmax(2), torch.arange(4)[:, None].expand(4, 3))
    assert all(same(row[:, :3], rows[0, :, :3]) for row in rows)
    assert len(rows[0, :, 0].unique()) == 3


def test_heaps_in_the_plane_become_clusters():
    data = ring(n_modes=3, n=3000, std=0.1)
    settings = {"hidden": (64, 64), "classes": 3, "latent_dim": 2, "batch_size": 64}
    config = replace(POINTS, **settings, steps=500, average_decay=0.98)
    run = clustergan.train(config, data, **QUIET)
    clusters = run.averaged.encode(data.values[:900])[:, 2:].argmax(1)
    assert metrics.cluster_accuracy(clusters, data.labels[:900]) > 0.9
    assert run.history["class_loss"][-50:].mean() < 0.1 < run.history["class_loss"][0]


MUTANTS = mutants(
    "latent.clustergan",
    (
        "the noise keeps the scale 1, and drowns the one-hot vectors",
        "z_n = self.config.noise_scale * super().noise(n)",
        "z_n = super().noise(n)",
        "test_the_code",
    ),
    (
        "one cluster for the whole batch",
        "torch.randint(self.config.classes, (n,), device=z_n.device)",
        "torch.randint(self.config.classes, (1,), device=z_n.device).expand(n)",
        "test_the_code",
    ),
    (
        "a noise scale that has been copied far, beyond what k-means can bear",
        "noise_scale: float = 0.5",
        "noise_scale: float = 0.75",
        "test_beyond_the_largest_noise_scale_a_division_of_the_noise_is_the_better_k_means",
    ),
    (
        "the paper's beta_n, which is for a mean, before the sum of its formula",
        "noise_weight: float = 1 / 3",
        "noise_weight: float = 10.0",
        "test_the_papers_weight_of_the_noise",
    ),
    (
        "a mean over the dimensions for the sum, and beta_n is d_n times weaker",
        "(noise - recovered).square().sum(dim=-1).mean()",
        "(noise - recovered).square().mean()",
        "test_noise_loss",
    ),
    (
        "a softmax before the cross-entropy",
        "logits.log_softmax(dim=-1)",
        "logits.softmax(dim=-1).log_softmax(dim=-1)",
        "test_class_loss",
    ),
    (
        "the noise loss does not reach the generator",
        "self.encoder(fake)  #",
        "self.encoder(fake.detach())  #",
        "test_the_loss_of_generator_and_encoder",
    ),
    (
        "the class loss does not reach the generator",
        "self.encoder(distorted(fake, ",
        "self.encoder(distorted(fake.detach(), ",
        "test_the_loss_of_generator_and_encoder",
    ),
    (
        "the class is read from the images, not from distorted copies",
        "self.encoder(distorted(fake, self.config.bend, self.config.stroke))",
        "self.encoder(fake)",
        "test_the_class_is_read_from_distorted_copies_and_the_noise_from_the_images",
    ),
    (
        "the noise is read from a distorted copy, too",
        "recovered, _ = self.encoder(fake)",
        "recovered, _ = self.encoder(distorted(fake, self.config.bend, self.config.stroke))",
        "test_the_class_is_read_from_distorted_copies_and_the_noise_from_the_images",
    ),
    (
        "each place of the snapshots has a noise of its own",
        "z_n[:columns].repeat(rows, 1)",
        "z_n",
        "test_snapshots_have_a_cluster_in_each_row_and_a_noise_in_each_column",
    ),
    (
        "codes with logits for probabilities",
        "torch.cat([noise, logits.softmax(dim=1)], dim=1)",
        "torch.cat([noise, logits], dim=1)",
        "test_an_encoded_sample_is_a_code",
    ),
    (
        "clusters that were chosen are forgotten",
        "z = self.noise(n, clusters.to(next(self.parameters()).device))",
        "z = self.noise(n)",
        "test_samples_of_chosen_clusters",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)


# What changes nothing, and why.
_ROWS = "noise, one-hot vectors and logits are rows of a table: dimension 1 is the last one"
_CLASS_LOSS = "return -(classes * logits.log_softmax(dim=-1)).sum(dim=-1).mean()"
EQUIVALENT = {
    "noise_loss: minus left out in `return (noise - recovered).square().sum(dim=-1).mean()`": _ROWS,
    f"class_loss: minus left out in `{_CLASS_LOSS}` (again)": _ROWS,
    f"class_loss: minus left out in `{_CLASS_LOSS}` (again) (again)": _ROWS,
    "generator_encoder_step: z_n and recovered exchanged in `found, named = "
    "(noise_loss(z_n, recovered), class_loss(z_c, logits))`": "a square has no direction",
}


def test_generated_mistakes_are_caught():
    assert not survivors(__file__, generated(clustergan, EQUIVALENT))

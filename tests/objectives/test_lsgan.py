"""LSGAN: the two losses, their codings, what the optimum is and what a step descends."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from gan_lessons.data import Batch, TensorData
from gan_lessons.objectives import lsgan
from tests.helpers import same
from tests.mutants import generated, mutants, survivors
from tests.oracles import check, oracle, scores

IMAGES = lsgan.PRESETS["smoke"]
POINTS = lsgan.Config(shape=(2,), hidden=(16,), latent_dim=8)
CODINGS = pytest.mark.parametrize("coding", [lsgan.CHI2, lsgan.ZERO_ONE], ids=["chi2", "zero_one"])


# --- the losses --------------------------------------------------------------------------------


@oracle(
    "LSGAN-D",
    r"L_D = \tfrac12\, \mathbb E_{x}\,(D(x) - b)^2 + \tfrac12\, \mathbb E_{z}\,(D(G(z)) - "
    r"a)^2",
)
def discriminator_loss(real_scores, fake_scores, a, b):
    """Mean squares, by variance and squared bias."""
    real = np.var(real_scores) + (np.mean(real_scores) - b) ** 2
    fake = np.var(fake_scores) + (np.mean(fake_scores) - a) ** 2
    return 0.5 * real + 0.5 * fake


@oracle("LSGAN-G", r"L_G = \tfrac12\, \mathbb E_{z}\,(D(G(z)) - c)^2")
def generator_loss(fake_scores, c):
    return 0.5 * (np.var(fake_scores) + (np.mean(fake_scores) - c) ** 2)


@pytest.mark.parametrize(("n", "m"), [(6, 6), (3, 8), (1, 1)])
@CODINGS
def test_discriminator_loss(n, m, coding):
    check(
        "LSGAN-D",
        lsgan.discriminator_loss,
        real_scores=scores(n),
        fake_scores=scores(m, seed=1) + 0.5,
        a=coding.a,
        b=coding.b,
    )


@CODINGS
def test_generator_loss(coding):
    check("LSGAN-G", lsgan.generator_loss, fake_scores=scores(7), c=coding.c)


def test_the_codings_are_the_papers():
    assert lsgan.CHI2 == (-1, 1, 0)
    assert lsgan.ZERO_ONE == (0, 1, 1)
    assert {config.coding for config in lsgan.PRESETS.values()} == {lsgan.ZERO_ONE}
    fake, real = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 3.0])
    a, b, c = lsgan.ZERO_ONE
    assert same(lsgan.generator_loss(fake), lsgan.generator_loss(fake, c))
    assert same(lsgan.discriminator_loss(real, fake), lsgan.discriminator_loss(real, fake, a, b))


def test_losses_without_the_half_at_the_undecided_score():
    """0-1 coding: each squared error is a quarter where D says one half to all."""
    half = torch.full((4,), 0.5)
    assert 2 * lsgan.discriminator_loss(half, half).item() == pytest.approx(0.5)
    assert 2 * lsgan.generator_loss(half).item() == pytest.approx(0.25)


@oracle("LSGAN-PULL", r"\frac{\partial}{\partial D}\, \tfrac12\,(D - c)^2 = D - c")
def pull(score, c):
    return score - c


@pytest.mark.parametrize("score", [-1e4, -10.0, 0.5, 10.0, 1e4])
@CODINGS
def test_the_gradient_grows_with_the_distance_on_both_sides(score, coding):
    fake = torch.tensor([score], requires_grad=True)
    (gradient,) = torch.autograd.grad(lsgan.generator_loss(fake, coding.c), fake)
    assert gradient.item() == pull(score, coding.c)


# --- the optimum -------------------------------------------------------------------------------


@oracle("LSGAN-OPT", r"D^*(x) = \frac{b\, p_r(x) + a\, p_g(x)}{p_r(x) + p_g(x)}")
def optimal_score(p, q, a, b):
    """The mean target of what is found at a point: b from the real part, a from the fakes."""
    weight = p / (p + q)
    return weight * b + (1 - weight) * a


@oracle(
    "LSGAN-CHI2",
    r"2\,C(G) = \chi^2(p_r + p_g \parallel 2 p_g) = \int \frac{\bigl(2 p_g - (p_r + "
    r"p_g)\bigr)^2}{p_r + p_g}\, dx = \int \frac{(p_r - p_g)^2}{p_r + p_g}\, dx",
)
def pearson(p, q):
    """chi-square of 2q against p + q by SciPy, as a test of counts 2q where p + q are expected."""
    return stats.chisquare(2 * q, p + q).statistic


@oracle(
    "LSGAN-011",
    r"2\,C(G) = \int \frac{p_g^2}{p_r + p_g}\, dx = \tfrac12 + \tfrac14\, \chi^2(p_r + p_g "
    r"\parallel 2 p_g) \ge \tfrac12",
)
def zero_one_value(p, q):
    return (q**2 / (p + q)).sum()


def counted(seed):
    """Two distributions over seven points as counts, so that samples have them exactly."""
    rng = np.random.default_rng(seed)
    return rng.integers(1, 20, 7), rng.integers(1, 20, 7)


def at_the_optimum(counts, coding):
    """Both distributions, the best scores of the points, and real and fake samples."""
    p, q = (c / c.sum() for c in counts)
    D = torch.tensor(optimal_score(p, q, coding.a, coding.b), requires_grad=True)
    return p, q, D, *(np.repeat(np.arange(len(c)), c) for c in counts)


@pytest.mark.parametrize("seed", range(3))
@CODINGS
def test_the_loss_is_minimal_at_the_optimal_discriminator(seed, coding):
    _, _, D, real, fake = at_the_optimum(counted(seed), coding)
    loss = lsgan.discriminator_loss(D[real], D[fake], coding.a, coding.b)
    (gradient,) = torch.autograd.grad(loss, D)
    assert gradient.abs().max() < 1e-15
    for k in range(7):
        nudged = D.detach() + 0.1 * torch.eye(7, dtype=torch.float64)[k]
        assert lsgan.discriminator_loss(nudged[real], nudged[fake], coding.a, coding.b) > loss


def value(counts, coding):
    """2 C(G): the generator's loss of fakes and, as in the paper, of real samples, no half."""
    _, _, D, real, fake = at_the_optimum(counts, coding)
    return 2 * sum(lsgan.generator_loss(D[x], coding.c).item() for x in (real, fake))


@pytest.mark.parametrize("seed", range(3))
def test_both_values_are_pearsons_divergence(seed):
    p, q = (c / c.sum() for c in counted(seed))
    assert value(counted(seed), lsgan.CHI2) == pytest.approx(pearson(p, q), rel=1e-12)
    quarter = value(counted(seed), lsgan.ZERO_ONE)
    assert quarter == pytest.approx(zero_one_value(p, q), rel=1e-12)
    assert quarter == pytest.approx(0.5 + pearson(p, q) / 4, rel=1e-12)


def test_the_bounds_of_the_values():
    alike = np.array([3, 1, 2]), np.array([3, 1, 2])
    apart = np.array([4, 2, 0, 0]), np.array([0, 0, 1, 5])
    for coding, least, most in ((lsgan.CHI2, 0, 2), (lsgan.ZERO_ONE, 0.5, 1)):
        assert value(alike, coding) == pytest.approx(least, abs=1e-15)
        assert value(apart, coding) == pytest.approx(most, rel=1e-12)
        assert least < value(counted(0), coding) < most


@oracle(
    "LSGAN-STEP",
    r"\nabla_\theta\, \tfrac12\, \mathbb E\,(D^*(G(z)) - c)^2 = (b - a)^2\, \nabla_\theta "
    r"\bigl[\, \kappa \operatorname{KL}(p_r \parallel m) - \tfrac18\, \chi^2(p_r + p_g "
    r"\parallel 2 p_g)\, \bigr]",
)
def what_the_step_descends(theta, p, a, b, c):
    """(b - a)^2 [k KL(p || m) - chi-square / 8] of q = softmax(theta), k = (c - a) / (b - a)."""
    q = np.exp(theta) / np.exp(theta).sum()
    kl = stats.entropy(p, (p + q) / 2)
    return (b - a) ** 2 * ((c - a) / (b - a) * kl - ((p - q) ** 2 / (p + q)).sum() / 8)


def slope_of_the_step(theta, p, a, b, c):
    """The gradient of the expected loss of q = softmax(theta) against the best D, held fixed."""
    t = torch.tensor(theta, requires_grad=True)
    q = t.softmax(0)
    D = torch.tensor(optimal_score(p, q.detach().numpy(), a, b))
    loss = q @ torch.stack([lsgan.generator_loss(score, c) for score in D])
    return torch.autograd.grad(loss, t)[0].numpy()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("coding", [lsgan.CHI2, lsgan.ZERO_ONE, (-1, 1, 1), (0, 1, 0), (0.2, 3, 1)])
def test_what_the_generators_step_descends(seed, coding):
    rng = np.random.default_rng(seed)
    p, theta = rng.dirichlet(np.ones(5)), rng.standard_normal(5)

    def potential(step):
        return what_the_step_descends(theta + step, p, *coding)

    numerical = [(potential(s) - potential(-s)) / 2e-5 for s in 1e-5 * np.eye(5)]
    np.testing.assert_allclose(slope_of_the_step(theta, p, *coding), numerical, atol=1e-8)


@pytest.mark.parametrize(("coding", "repairs"), [(lsgan.ZERO_ONE, True), (lsgan.CHI2, False)])
def test_only_the_chi2_step_drops_modes_of_even_data(coding, repairs):
    theta, p = np.random.default_rng(0).standard_normal(8), np.full(8, 1 / 8)
    for _ in range(400):
        theta = theta - 30 / (coding.b - coding.a) ** 2 * slope_of_the_step(theta, p, *coding)
    shares = np.exp(theta) / np.exp(theta).sum()
    if repairs:
        np.testing.assert_allclose(shares, p, atol=1e-3)
    else:
        assert shares.min() < 1e-3


# --- the step ----------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", [lsgan.CHI2, lsgan.ZERO_ONE, (0.5, -2.0, 3.0)])
def test_the_three_targets_are_in_their_places(coding):
    """One step by hand, on a copy with the same noise: the new D judges for G."""
    config = replace(POINTS, coding=coding)
    model, real = lsgan.LSGAN(config), torch.randn(16, 2)
    other = copy.deepcopy(model)
    noise = [torch.randn(16, config.latent_dim) for _ in range(2)]
    queue = iter(noise)
    model.noise = lambda n: next(queue)
    result = model.step(Batch(real, None))

    a, b, c = (torch.full((16,), float(target)) for target in coding)
    D, mse = other.discriminator, nn.functional.mse_loss
    before = {"real": D(real), "fake": D(other.generator(noise[0]).detach())}
    d_loss = mse(before["real"], b) / 2 + mse(before["fake"], a) / 2
    d_loss.backward()
    torch.optim.Adam(D.parameters(), config.learning_rate, config.betas).step()
    g_loss = mse(D(other.generator(noise[1])), c) / 2
    assert result["discriminator_loss"].item() == pytest.approx(d_loss.item(), rel=1e-5)
    assert result["real_score"].item() == pytest.approx(before["real"].mean().item(), rel=1e-5)
    assert result["fake_score"].item() == pytest.approx(before["fake"].mean().item(), rel=1e-5)
    assert result["generator_loss"].item() == pytest.approx(g_loss.item(), rel=1e-5)


@pytest.mark.parametrize("batch_norm", [True, False])
def test_batch_norm_in_the_discriminator_is_a_choice(batch_norm):
    model = lsgan.LSGAN(replace(IMAGES, batch_norm=batch_norm))
    kinds = [isinstance(m, nn.BatchNorm2d) for m in model.discriminator.modules()]
    assert any(kinds) == batch_norm


@CODINGS
def test_the_fakes_move_to_the_data(coding):
    generator = torch.Generator().manual_seed(0)
    values = 0.3 * torch.randn(2000, 2, generator=generator) + torch.tensor([2.0, -1.0])
    data = TensorData(values, name="one Gaussian")
    config = lsgan.Config(
        latent_dim=4,
        hidden=(32,),
        coding=coding,
        learning_rate=5e-3,
        steps=200,
        average_decay=0.95,
    )
    run = lsgan.train(config, data, device="cpu", progress=False, snapshots=0)
    samples = run.sample(1000, seed=0)
    assert (samples.mean(0) - torch.tensor([2.0, -1.0])).norm() < 0.5


# --- planted mistakes --------------------------------------------------------------------------

MUTANTS = mutants(
    "objectives.lsgan",
    (
        "LSGAN: a sigmoid is left in front of the squared error of the discriminator",
        "return ((real_scores - b) ** 2).mean() / 2 + ((fake_scores - a) ** 2).mean() / 2",
        "return ((real_scores.sigmoid() - b) ** 2 + (fake_scores.sigmoid() - a) ** 2).mean() / 2",
        "test_discriminator_loss",
    ),
    (
        "LSGAN: a sigmoid is left in front of the squared error of the generator",
        "return ((fake_scores - c) ** 2).mean() / 2",
        "return ((fake_scores.sigmoid() - c) ** 2).mean() / 2",
        "test_generator_loss",
    ),
    (
        "LSGAN: the generator's loss has no one half, the discriminator's has it",
        "return ((fake_scores - c) ** 2).mean() / 2",
        "return ((fake_scores - c) ** 2).mean()",
        "test_generator_loss",
    ),
    (
        "LSGAN: the mean score is squared, not the score of each sample",
        "((fake_scores - a) ** 2).mean() / 2",
        "(fake_scores.mean() - a) ** 2 / 2",
        "test_discriminator_loss",
    ),
    (
        "LSGAN: the targets of real samples and fakes are swapped",
        "return ((real_scores - b) ** 2).mean() / 2 + ((fake_scores - a) ** 2).mean() / 2",
        "return ((real_scores - a) ** 2).mean() / 2 + ((fake_scores - b) ** 2).mean() / 2",
        "test_discriminator_loss",
    ),
    (
        "LSGAN: mixed codings: the generator always aims at 1, whatever the discriminator was told",
        "loss = generator_loss(fake_scores, self.coding.c)",
        "loss = generator_loss(fake_scores)",
        "test_the_three_targets_are_in_their_places",
    ),
    (
        "LSGAN: mixed codings: the discriminator always has the targets 0 and 1",
        "loss = discriminator_loss(real_scores, fake_scores, self.coding.a, self.coding.b)",
        "loss = discriminator_loss(real_scores, fake_scores)",
        "test_the_three_targets_are_in_their_places",
    ),
    (
        "LSGAN: the generator aims at the target of fakes",
        "loss = generator_loss(fake_scores, self.coding.c)",
        "loss = generator_loss(fake_scores, self.coding.a)",
        "test_the_three_targets_are_in_their_places",
    ),
    (
        "LSGAN: a sigmoid ends the discriminator where it is used",
        "fake_scores = self.discriminator(self.generator(self.noise(n)))",
        "fake_scores = self.discriminator(self.generator(self.noise(n))).sigmoid()",
        "test_the_three_targets_are_in_their_places",
    ),
    (
        "real and generated images share a batch normalisation in LSGAN's discriminator",
        "real_scores, fake_scores = self.discriminator(real), self.discriminator(fake)",
        "real_scores, fake_scores = self.discriminator(torch.cat([real, fake])).chunk(2)",
        "",
    ),
    (
        "LSGAN has batch normalisation in the discriminator, whether asked for or not",
        "Discriminator(config, config.batch_norm)",
        "Discriminator(config, True)",
        "test_batch_norm_in_the_discriminator_is_a_choice",
    ),
    (
        "LSGAN: the presets have the coding that drops modes",
        "tuple[float, float, float] = ZERO_ONE",
        "tuple[float, float, float] = CHI2",
        "test_the_codings_are_the_papers",
    ),
    (
        "LSGAN: in the chi-square coding the generator aims at the target of real samples",
        "CHI2 = Coding(-1.0, 1.0, 0.0)",
        "CHI2 = Coding(-1.0, 1.0, 1.0)",
        "test_both_values_are_pearsons_divergence",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)


# What changes nothing, and why.
EQUIVALENT = {
    "generator_step: fake_scores and self.coding.c exchanged in "
    "`loss = generator_loss(fake_scores, self.coding.c)`": "a difference has the same square "
    "both ways",
}


def test_generated_mistakes_are_caught():
    assert not survivors(__file__, generated(lsgan, EQUIVALENT))

"""LSGAN: the losses and facts of the chapter, and what a user of the module relies on."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from gan_lessons.data import Batch, TensorData
from gan_lessons.objectives import lsgan
from tests.helpers import moved, same
from tests.oracles import check, oracle, scores

IMAGES = lsgan.PRESETS["smoke"]
POINTS = lsgan.Config(shape=(2,), hidden=(16,), latent_dim=8)
CODINGS = pytest.mark.parametrize("coding", [lsgan.CHI2, lsgan.ZERO_ONE], ids=["chi2", "zero_one"])


# --- the losses --------------------------------------------------------------------------------


@oracle("LSGAN-D")
def discriminator_loss(real_scores, fake_scores, a, b):
    """Mean squares, by variance and squared bias."""
    real = np.var(real_scores) + (np.mean(real_scores) - b) ** 2
    fake = np.var(fake_scores) + (np.mean(fake_scores) - a) ** 2
    return 0.5 * real + 0.5 * fake


@discriminator_loss.gradient
def _(real_scores, fake_scores, a, b):
    return {
        "real_scores": (real_scores - b) / real_scores.size,
        "fake_scores": (fake_scores - a) / fake_scores.size,
    }


@oracle("LSGAN-G")
def generator_loss(fake_scores, c):
    return 0.5 * (np.var(fake_scores) + (np.mean(fake_scores) - c) ** 2)


@generator_loss.gradient
def _(fake_scores, c):
    return {"fake_scores": (fake_scores - c) / fake_scores.size}


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
    fake, real = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 3.0])
    a, b, c = lsgan.ZERO_ONE
    assert same(lsgan.generator_loss(fake), lsgan.generator_loss(fake, c))
    assert same(lsgan.discriminator_loss(real, fake), lsgan.discriminator_loss(real, fake, a, b))


def test_losses_without_the_half_at_the_undecided_score():
    """0-1 coding: each squared error is a quarter where D says one half to all."""
    half = torch.full((4,), 0.5)
    assert 2 * lsgan.discriminator_loss(half, half).item() == pytest.approx(0.5)
    assert 2 * lsgan.generator_loss(half).item() == pytest.approx(0.25)


@oracle("LSGAN-PULL")
def pull(score, c):
    return score - c


@pytest.mark.parametrize("score", [-1e4, -10.0, 0.5, 10.0, 1e4])
@CODINGS
def test_the_gradient_grows_with_the_distance_on_both_sides(score, coding):
    fake = torch.tensor([score], requires_grad=True)
    (gradient,) = torch.autograd.grad(lsgan.generator_loss(fake, coding.c), fake)
    assert gradient.item() == pull(score, coding.c)


# --- the optimum -------------------------------------------------------------------------------


@oracle("LSGAN-OPT")
def optimal_score(p, q, a, b):
    """The mean target of what is found at a point: b from the real part, a from the fakes."""
    weight = p / (p + q)
    return weight * b + (1 - weight) * a


@oracle("LSGAN-CHI2")
def pearson(p, q):
    """chi-square of 2q against p + q by SciPy, as a test of counts 2q where p + q are expected."""
    return stats.chisquare(2 * q, p + q).statistic


@oracle("LSGAN-011")
def zero_one_value(p, q):
    return (q**2 / (p + q)).sum()


def counted(seed):
    """Two distributions over seven points as counts, so that samples have them exactly."""
    rng = np.random.default_rng(seed)
    return rng.integers(1, 20, 7), rng.integers(1, 20, 7)


def at_the_optimum(seed, coding):
    """Both distributions, and the scores that the best D gives to real and fake samples."""
    real, fake = (np.repeat(np.arange(7), counts) for counts in counted(seed))
    p, q = (counts / counts.sum() for counts in counted(seed))
    D = torch.tensor(optimal_score(p, q, coding.a, coding.b), requires_grad=True)
    return p, q, D, real, fake


@pytest.mark.parametrize("seed", range(3))
@CODINGS
def test_the_loss_is_minimal_at_the_optimal_discriminator(seed, coding):
    _, _, D, real, fake = at_the_optimum(seed, coding)
    loss = lsgan.discriminator_loss(D[real], D[fake], coding.a, coding.b)
    (gradient,) = torch.autograd.grad(loss, D)
    assert gradient.abs().max() < 1e-15
    for k in range(7):
        nudged = D.detach() + 0.1 * torch.eye(7, dtype=torch.float64)[k]
        assert lsgan.discriminator_loss(nudged[real], nudged[fake], coding.a, coding.b) > loss


@pytest.mark.parametrize("seed", range(3))
def test_both_values_are_pearsons_divergence(seed):
    """The generator's loss of fakes and, as in the paper, of real samples too, without the half."""
    values = {}
    for name, coding in {"chi2": lsgan.CHI2, "zero_one": lsgan.ZERO_ONE}.items():
        p, q, D, real, fake = at_the_optimum(seed, coding)
        both = [lsgan.generator_loss(D[x], coding.c) for x in (real, fake)]
        values[name] = 2 * sum(both).item()
    assert values["chi2"] == pytest.approx(pearson(p, q), rel=1e-12)
    assert values["zero_one"] == pytest.approx(zero_one_value(p, q), rel=1e-12)
    assert values["zero_one"] == pytest.approx(0.5 + pearson(p, q) / 4, rel=1e-12)
    assert 0 < pearson(p, q) < 2


def test_the_bounds_of_the_values():
    p = np.array([0.5, 0.5 - 1e-9, 1e-9])
    assert pearson(p, p) == 0
    assert zero_one_value(p, p) == pytest.approx(0.5, rel=1e-12)
    apart = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    assert pearson(*apart) == pytest.approx(2.0)
    assert zero_one_value(*apart) == pytest.approx(1.0)


@oracle("LSGAN-STEP")
def what_the_step_descends(theta, p, a, b, c):
    """(b - a)^2 [k KL(p || m) - chi-square / 8] of q = softmax(theta), k = (c - a) / (b - a)."""
    q = np.exp(theta) / np.exp(theta).sum()
    kl = stats.entropy(p, (p + q) / 2)
    return (b - a) ** 2 * ((c - a) / (b - a) * kl - ((p - q) ** 2 / (p + q)).sum() / 8)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("coding", [lsgan.CHI2, lsgan.ZERO_ONE, (-1, 1, 1), (0, 1, 0), (0.2, 3, 1)])
def test_what_the_generators_step_descends(seed, coding):
    """The expected loss against the best D, held fixed; differences of the oracle."""
    a, b, c = coding
    rng = np.random.default_rng(seed)
    p, theta = rng.dirichlet(np.ones(5)), rng.standard_normal(5)
    t = torch.tensor(theta, requires_grad=True)
    q = t.softmax(0)
    D = torch.tensor(optimal_score(p, q.detach().numpy(), a, b))
    loss = sum(q[k] * lsgan.generator_loss(D[k], c) for k in range(5))
    (gradient,) = torch.autograd.grad(loss, t)

    def potential(step):
        return what_the_step_descends(theta + step, p, a, b, c)

    numerical = [(potential(s) - potential(-s)) / 2e-5 for s in 1e-5 * np.eye(5)]
    np.testing.assert_allclose(gradient.numpy(), numerical, atol=1e-8)


@pytest.mark.parametrize(("coding", "better"), [(lsgan.CHI2, True), (lsgan.ZERO_ONE, False)])
def test_only_the_chi2_step_likes_to_drop_one_of_eight(coding, better):
    p, dropped = np.full(8, 1 / 8), np.append(np.full(7, 1 / 7), 1e-12)
    at_p, at_dropped = (what_the_step_descends(np.log(q), p, *coding) for q in (p, dropped))
    assert (at_dropped < at_p) == better


# --- the networks ------------------------------------------------------------------------------


def test_shapes_and_ranges():
    model = lsgan.LSGAN(IMAGES)
    images = model.sample(5)
    assert images.shape == (5, 1, 32, 32)
    assert images.abs().max() <= 1
    assert model.discriminator(images).shape == (5,)
    points = lsgan.LSGAN(POINTS)
    points.generator.layers[-1].bias.data.fill_(7.0)
    assert points.sample(5).shape == (5, 2)
    assert points.sample(5).max() > 1, "points have no tanh"


def test_the_score_is_any_real_number():
    model = lsgan.LSGAN(POINTS)
    for bias in (-9.0, 9.0):
        model.discriminator.layers[-1].bias.data.fill_(bias)
        given = model.discriminator(torch.zeros(3, 2)).detach()
        assert (given - bias).abs().max() < 1


@pytest.mark.parametrize("batch_norm", [True, False])
def test_batch_norm_in_the_discriminator_is_a_choice(batch_norm):
    model = lsgan.LSGAN(replace(IMAGES, batch_norm=batch_norm))
    kinds = [isinstance(m, nn.BatchNorm2d) for m in model.discriminator.modules()]
    assert any(kinds) == batch_norm
    assert any(isinstance(m, nn.BatchNorm2d) for m in model.generator.modules())


def test_sample_takes_noise_or_a_number():
    model = lsgan.LSGAN(POINTS)
    z = model.noise(4)
    assert same(model.sample(z=z), model.sample(z=z))
    assert not same(model.sample(4), model.sample(4))
    assert not model.sample(4).requires_grad


# --- the step ----------------------------------------------------------------------------------


def test_each_step_moves_its_own_network():
    model, real = lsgan.LSGAN(POINTS), torch.randn(32, 2)
    assert moved(model, lambda: model.discriminator_step(real)) == {"discriminator"}
    assert moved(model, lambda: model.generator_step(32)) == {"generator"}
    assert moved(model, lambda: model.step(Batch(real, None))) == {"discriminator", "generator"}


def test_no_loss_leaves_a_gradient_at_the_other_network():
    model = lsgan.LSGAN(POINTS)
    model.discriminator_step(torch.randn(32, 2))
    assert all(p.grad is None for p in model.generator.parameters()), "detach is missing"
    before = [p.grad.clone() for p in model.discriminator.parameters()]
    model.generator_step(32)
    after = [p.grad for p in model.discriminator.parameters()]
    assert all(same(a, b) for a, b in zip(after, before, strict=True)), "D is not frozen"


@pytest.mark.parametrize("coding", [lsgan.CHI2, lsgan.ZERO_ONE, (0.5, -2.0, 3.0)])
def test_the_step_by_hand(coding):
    """On a copy with the same noise: three targets in their places, the new D judges for G."""
    config = replace(POINTS, coding=coding)
    model, real = lsgan.LSGAN(config), torch.randn(16, 2)
    other = copy.deepcopy(model)
    noise = [torch.randn(16, config.latent_dim) for _ in range(2)]
    queue = iter(noise + noise)
    model.noise = other.noise = lambda n: next(queue)
    result = model.step(Batch(real, None))

    a, b, c = coding
    score = other.discriminator
    fake = other.generator(other.noise(16)).detach()
    d_loss = nn.functional.mse_loss(score(real), torch.full((16,), b)) / 2
    d_loss = d_loss + nn.functional.mse_loss(score(fake), torch.full((16,), a)) / 2
    d = torch.optim.Adam(score.parameters(), config.learning_rate, config.betas)
    d_loss.backward()
    d.step()
    g_loss = nn.functional.mse_loss(
        score(other.generator(other.noise(16))), torch.full((16,), float(c))
    )
    assert result["discriminator_loss"].item() == pytest.approx(d_loss.item(), rel=1e-5)
    assert result["generator_loss"].item() == pytest.approx(g_loss.item() / 2, rel=1e-5)


def test_the_generator_gets_fresh_noise():
    model, drawn = lsgan.LSGAN(POINTS), []
    draw = model.noise

    def remember(n):
        drawn.append(draw(n))
        return drawn[-1]

    model.noise = remember
    model.step(Batch(torch.randn(16, 2), None))
    assert [len(z) for z in drawn] == [16, 16]
    assert not same(*drawn)


def test_real_and_fake_batches_stay_apart():
    """With batch normalisation, one mixed batch would be another game."""
    model, real = lsgan.LSGAN(IMAGES), torch.rand(8, 1, 32, 32)
    z = model.noise(8)
    model.noise = lambda n: z
    fake = model.generator(z).detach()
    with torch.no_grad():
        loss = lsgan.discriminator_loss(model.discriminator(real), model.discriminator(fake))
    assert model.discriminator_step(real)["discriminator_loss"].item() == pytest.approx(loss.item())


# --- train -------------------------------------------------------------------------------------


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
        steps=300,
        average_decay=0.95,
    )
    run = lsgan.train(config, data, device="cpu", progress=False, snapshots=2)
    samples = run.sample(1000, seed=0)
    assert (samples.mean(0) - torch.tensor([2.0, -1.0])).norm() < 0.5
    assert set(run.history) == {"discriminator_loss", "generator_loss", "real_score", "fake_score"}


def test_unknown_presets_and_foreign_configs_are_refused():
    data = TensorData(torch.randn(10, 2), name="points")
    with pytest.raises(ValueError, match="choose one of 'smoke', 'cpu', 'gpu'"):
        lsgan.train("large", data)
    with pytest.raises(TypeError, match=r"must be a gan_lessons\.objectives\.lsgan\.Config"):
        lsgan.train({"steps": 3}, data)

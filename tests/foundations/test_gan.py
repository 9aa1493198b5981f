"""GAN: the losses and facts of the chapter, and what a user of the module relies on."""

import copy

import numpy as np
import pytest
import torch
from scipy import stats

from gan_lessons.data import Batch, TensorData
from gan_lessons.foundations import gan
from tests.helpers import moved, same
from tests.oracles import check, oracle, scores, sigmoid

IMAGES = gan.Config(generator_hidden=(16,), discriminator_hidden=(16,), latent_dim=8)
POINTS = gan.Config(shape=(2,), generator_hidden=(16,), discriminator_hidden=(16,), latent_dim=8)


# --- the losses --------------------------------------------------------------------------------


@oracle("GAN-V")
def value(real_scores, fake_scores):
    """The paper's logarithms of probabilities."""
    return np.log(sigmoid(real_scores)).mean() + np.log(1 - sigmoid(fake_scores)).mean()


@oracle("GAN-D")
def discriminator_loss(real_scores, fake_scores):
    return np.logaddexp(0, -real_scores).mean() + np.logaddexp(0, fake_scores).mean()


@discriminator_loss.gradient
def _(real_scores, fake_scores):
    return {
        "real_scores": -sigmoid(-real_scores) / real_scores.size,
        "fake_scores": sigmoid(fake_scores) / fake_scores.size,
    }


@oracle("GAN-MM")
def saturating_loss(fake_scores):
    """mean log(1 - P), the second term of V."""
    return -np.logaddexp(0, fake_scores).mean()


@saturating_loss.gradient
def _(fake_scores):
    return {"fake_scores": -sigmoid(fake_scores) / fake_scores.size}


@oracle("GAN-G")
def non_saturating_loss(fake_scores):
    """-mean log P."""
    return np.logaddexp(0, -fake_scores).mean()


@non_saturating_loss.gradient
def _(fake_scores):
    return {"fake_scores": -sigmoid(-fake_scores) / fake_scores.size}


@pytest.mark.parametrize(("n", "m"), [(6, 6), (3, 8), (1, 1)])
def test_discriminator_loss(n, m):
    check(
        "GAN-D", gan.discriminator_loss, real_scores=scores(n), fake_scores=scores(m, seed=1) + 0.5
    )


def test_discriminator_loss_is_minus_the_value():
    def minus_loss(real_scores, fake_scores):
        return -gan.discriminator_loss(real_scores, fake_scores)

    check("GAN-V", minus_loss, real_scores=scores(5), fake_scores=scores(7, seed=1))


def test_generator_losses():
    check("GAN-MM", gan.saturating_generator_loss, fake_scores=scores(7))
    check("GAN-G", gan.generator_loss, fake_scores=scores(7))


@pytest.mark.parametrize("score", [-1e4, -200.0, 200.0, 1e4])
def test_losses_are_exact_for_extreme_scores(score):
    """float32, where a probability is 0 or 1: losses stay finite and gradients right."""
    fake = torch.tensor([score], requires_grad=True)
    loss = gan.generator_loss(fake)
    (gradient,) = torch.autograd.grad(loss, fake)
    assert loss.item() == max(-score, 0.0)
    assert gradient.item() == (-1.0 if score < 0 else 0.0)
    loss = gan.discriminator_loss(torch.zeros(1), fake)
    (gradient,) = torch.autograd.grad(loss, fake)
    assert loss.item() == pytest.approx(np.log(2) + max(score, 0.0))
    assert gradient.item() == (1.0 if score > 0 else 0.0)


def test_losses_at_the_equilibrium():
    undecided = torch.zeros(4, dtype=torch.float64)
    assert gan.discriminator_loss(undecided, undecided).item() == pytest.approx(np.log(4))
    assert gan.generator_loss(undecided).item() == pytest.approx(np.log(2))
    assert gan.saturating_generator_loss(undecided).item() == pytest.approx(-np.log(2))


@oracle("GAN-RATIO")
def ratio(score):
    """Non-saturating over saturating gradient: (1 - P) / P."""
    return (1 - sigmoid(score)) / sigmoid(score)


@pytest.mark.parametrize("score", [-6.0, -3.0, 0.0, 2.5])
def test_ratio_of_the_generators_gradients(score):
    fake = torch.tensor(score, dtype=torch.float64, requires_grad=True)
    ns, mm = (
        torch.autograd.grad(loss(fake), fake)[0].item()
        for loss in (gan.generator_loss, gan.saturating_generator_loss)
    )
    assert max(ns, mm) < 0, "both raise the score"
    assert ns / mm == pytest.approx(ratio(score), rel=1e-12)
    assert ns / mm == pytest.approx(np.exp(-score), rel=1e-12)


# --- the optimum -------------------------------------------------------------------------------


@oracle("GAN-OPT")
def optimal_probability(p, q):
    return p / (p + q)


@oracle("GAN-JSD")
def value_at_the_optimum(p, q):
    """2 JSD(p || q) - log 4, with entropies from SciPy."""
    jsd = stats.entropy((p + q) / 2) - (stats.entropy(p) + stats.entropy(q)) / 2
    return 2 * jsd - np.log(4)


def counted(seed):
    """Two distributions over seven points as counts, so that samples have them exactly."""
    rng = np.random.default_rng(seed)
    return rng.integers(1, 20, 7), rng.integers(1, 20, 7)


@pytest.mark.parametrize("seed", range(3))
def test_the_loss_is_minimal_at_the_optimal_discriminator(seed):
    real, fake = (np.repeat(np.arange(7), counts) for counts in counted(seed))
    p, q = (counts / counts.sum() for counts in counted(seed))
    best = optimal_probability(p, q)
    D = torch.tensor(np.log(best / (1 - best)), requires_grad=True)
    loss = gan.discriminator_loss(D[real], D[fake])
    (gradient,) = torch.autograd.grad(loss, D)
    assert gradient.abs().max() < 1e-15
    assert -loss.item() == pytest.approx(value_at_the_optimum(p, q), rel=1e-12)
    for k in range(7):  # and it is a minimum in every direction
        nudged = D.detach() + 0.1 * torch.eye(7, dtype=torch.float64)[k]
        assert gan.discriminator_loss(nudged[real], nudged[fake]) > loss


def test_value_lies_between_minus_log_4_and_0():
    p = np.array([0.5, 0.5, 0.0, 0.0])
    assert value_at_the_optimum(p, p) == pytest.approx(-np.log(4))
    assert value_at_the_optimum(p, p[::-1]) == pytest.approx(0.0, abs=1e-12)


@oracle("GAN-LINE")
def optimal_score_on_the_line(x, mu):
    return mu**2 / 2 - mu * x


def test_the_best_score_between_two_gaussians_is_a_line():
    x, mu = np.linspace(-4, 6, 21), 1.5
    ratio = stats.norm.logpdf(x) - stats.norm.logpdf(x, mu)
    np.testing.assert_allclose(optimal_score_on_the_line(x, mu), ratio, atol=1e-12)


def test_a_discriminator_learns_that_line():
    """Quantiles in place of random samples; a linear D, as the optimum is linear."""
    mu, n = 1.5, 4000
    real = torch.tensor(stats.norm.ppf((np.arange(n) + 0.5) / n)[:, None])
    D = gan.Discriminator(gan.Config(shape=(1,), discriminator_hidden=())).double()
    optimiser = torch.optim.LBFGS(D.parameters(), max_iter=100, tolerance_change=1e-12)

    def closure():
        optimiser.zero_grad()
        loss = gan.discriminator_loss(D(real), D(real + mu))
        loss.backward()
        return loss

    optimiser.step(closure)
    assert D.layers[0].weight.item() == pytest.approx(-mu, abs=0.01)
    assert D.layers[0].bias.item() == pytest.approx(optimal_score_on_the_line(0.0, mu), abs=0.01)


@oracle("GAN-NS")
def kl_minus_two_jsd(theta, p):
    """KL(q || p) - 2 JSD(p || q) of q = softmax(theta)."""
    q = np.exp(theta) / np.exp(theta).sum()
    m = (p + q) / 2
    return stats.entropy(q, p) - stats.entropy(p, m) - stats.entropy(q, m)


@pytest.mark.parametrize("seed", range(3))
def test_what_the_generator_losses_descend(seed):
    """The expected loss against the best D, held fixed; differences of the oracle."""
    rng = np.random.default_rng(seed)
    p, theta = rng.dirichlet(np.ones(5)), rng.standard_normal(5)
    t = torch.tensor(theta, requires_grad=True)
    q = t.softmax(0)
    D = (torch.tensor(p) / q).log().detach()
    loss = sum(q[k] * gan.generator_loss(D[k]) for k in range(5))
    (gradient,) = torch.autograd.grad(loss, t, retain_graph=True)
    numerical = differences(lambda v: kl_minus_two_jsd(v, p), theta)
    np.testing.assert_allclose(gradient.numpy(), numerical, atol=1e-8)

    def two_jsd(v):
        return value_at_the_optimum(p, np.exp(v) / np.exp(v).sum())

    loss = sum(q[k] * gan.saturating_generator_loss(D[k]) for k in range(5))
    (gradient,) = torch.autograd.grad(loss, t)
    np.testing.assert_allclose(gradient.numpy(), differences(two_jsd, theta), atol=1e-8)


def differences(function, point, h=1e-5):
    steps = h * np.eye(len(point))
    return np.array([(function(point + s) - function(point - s)) / (2 * h) for s in steps])


@oracle("GAN-DIRAC")
def next_squared_distance(theta, psi, h):
    return (1 + h**2 * sigmoid(psi * theta) ** 2) * (theta**2 + psi**2)


@pytest.mark.parametrize(("theta", "psi"), [(1.0, 0.5), (-2.0, 1.5), (0.1, -0.1)])
def test_simultaneous_steps_lead_away_from_the_equilibrium(theta, psi):
    h = 0.1
    t, s = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (theta, psi))
    (d_psi,) = torch.autograd.grad(gan.discriminator_loss(0 * s, s * t), s)
    (d_theta,) = torch.autograd.grad(gan.saturating_generator_loss(s * t), t)
    after = ((t - h * d_theta) ** 2 + (s - h * d_psi) ** 2).item()
    assert after == pytest.approx(next_squared_distance(theta, psi, h), rel=1e-12)
    assert after > theta**2 + psi**2


# --- the networks ------------------------------------------------------------------------------


def test_shapes_and_ranges():
    model = gan.GAN(IMAGES)
    for parameter in model.generator.parameters():
        parameter.data *= 50
    images = model.generator(model.noise(5))
    assert images.shape == (5, 1, 32, 32)
    assert images.abs().max() <= 1
    assert images.abs().max() > 0.9, "tanh, not a smaller range"
    assert model.discriminator(images).shape == (5,)
    points = gan.GAN(POINTS)
    points.generator.layers[-1].bias.data.fill_(7.0)
    assert points.sample(5).shape == (5, 2)
    assert points.sample(5).max() > 1, "points have no tanh"


def test_the_score_is_no_probability():
    model = gan.GAN(POINTS)
    model.discriminator.layers[-1].bias.data.fill_(-9.0)
    assert (model.discriminator(torch.zeros(3, 2)) < -5).all()


def test_sample_takes_noise_or_a_number():
    model = gan.GAN(POINTS)
    z = model.noise(4)
    assert same(model.sample(z=z), model.sample(z=z))
    assert not same(model.sample(4), model.sample(4))
    assert not model.sample(4).requires_grad


# --- the step ----------------------------------------------------------------------------------

MODELS = pytest.mark.parametrize("model_class", [gan.GAN, gan.MinimaxGAN])


@MODELS
def test_each_step_moves_its_own_network(model_class):
    model, real = model_class(POINTS), torch.randn(32, 2)
    assert moved(model, lambda: model.discriminator_step(real)) == {"discriminator"}
    assert moved(model, lambda: model.generator_step(32)) == {"generator"}
    assert moved(model, lambda: model.step(Batch(real, None))) == {"discriminator", "generator"}


@MODELS
def test_no_loss_leaves_a_gradient_at_the_other_network(model_class):
    model = model_class(POINTS)
    model.discriminator_step(torch.randn(32, 2))
    assert all(p.grad is None for p in model.generator.parameters()), "detach is missing"
    before = [p.grad.clone() for p in model.discriminator.parameters()]
    model.generator_step(32)
    after = [p.grad for p in model.discriminator.parameters()]
    assert all(same(a, b) for a, b in zip(after, before, strict=True)), "D is not frozen"
    assert all(p.requires_grad for p in model.discriminator.parameters()), "D stays frozen"


@MODELS
def test_the_discriminator_goes_first_and_the_generator_sees_the_new_one(model_class):
    """The step by hand, on a copy with the same noise."""
    model, real = model_class(POINTS), torch.randn(16, 2)
    other = copy.deepcopy(model)
    noise = [torch.randn(16, POINTS.latent_dim) for _ in range(2)]
    loss = {gan.GAN: gan.generator_loss, gan.MinimaxGAN: gan.saturating_generator_loss}[model_class]
    queue = iter(noise + noise)
    model.noise = other.noise = lambda n: next(queue)
    result = model.step(Batch(real, None))

    fake = other.generator(other.noise(16)).detach()
    d_loss = gan.discriminator_loss(other.discriminator(real), other.discriminator(fake))
    d = torch.optim.Adam(other.discriminator.parameters(), POINTS.learning_rate, POINTS.betas)
    d_loss.backward()
    d.step()
    g_loss = loss(other.discriminator(other.generator(other.noise(16))))
    assert result["discriminator_loss"].item() == pytest.approx(d_loss.item(), rel=1e-5)
    assert result["generator_loss"].item() == pytest.approx(g_loss.item(), rel=1e-5)


def test_the_generator_gets_fresh_noise():
    model, drawn = gan.GAN(POINTS), []
    draw = model.noise

    def remember(n):
        drawn.append(draw(n))
        return drawn[-1]

    model.noise = remember
    model.step(Batch(torch.randn(16, 2), None))
    assert [len(z) for z in drawn] == [16, 16]
    assert not same(*drawn)


def test_the_two_generator_losses_push_the_same_way():
    """One plain gradient step of each: the fakes' score rises, that of a bad fake by less if MM."""
    model = gan.GAN(POINTS)
    model.discriminator.layers[-1].bias.data.fill_(-4.0)
    z = model.noise(64)
    gradients = []
    for loss in (gan.generator_loss, gan.saturating_generator_loss):
        value = loss(model.discriminator(model.generator(z)))
        parts = torch.autograd.grad(value, list(model.generator.parameters()))
        gradients.append(torch.cat([p.flatten() for p in parts]))
    ns, mm = gradients
    assert torch.nn.functional.cosine_similarity(ns, mm, dim=0) > 0.9
    assert ns.norm() > 20 * mm.norm()


# --- train -------------------------------------------------------------------------------------


def test_the_fakes_move_to_the_data():
    generator = torch.Generator().manual_seed(0)
    values = 0.3 * torch.randn(2000, 2, generator=generator) + torch.tensor([2.0, -1.0])
    data = TensorData(values, name="one Gaussian")
    config = gan.Config(
        shape=(2,),
        latent_dim=4,
        generator_hidden=(32,),
        discriminator_hidden=(32,),
        learning_rate=5e-3,
        steps=300,
        average_decay=0.95,
    )
    run = gan.train(config, data, device="cpu", progress=False, snapshots=2)
    samples = run.sample(1000, seed=0)
    assert (samples.mean(0) - torch.tensor([2.0, -1.0])).norm() < 0.5
    assert set(run.history) == {"discriminator_loss", "generator_loss", "real_score", "fake_score"}


def test_unknown_presets_and_foreign_configs_are_refused():
    data = TensorData(torch.randn(10, 2), name="points")
    with pytest.raises(ValueError, match="choose one of 'smoke', 'cpu', 'gpu'"):
        gan.train("large", data)
    with pytest.raises(TypeError, match=r"must be a gan_lessons\.foundations\.gan\.Config"):
        gan.train({"steps": 3}, data)

"""WGAN: the losses, the clipping, and what the chapter says of the distance."""

import copy
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import integrate, optimize, stats
from torch import nn

from gan_lessons import metrics
from gan_lessons.data import Batch, TensorData
from gan_lessons.foundations import gan
from gan_lessons.networks.convolutions import Discriminator
from gan_lessons.objectives import wgan
from gan_lessons.steps import rmsprop, update
from tests.helpers import same
from tests.mutants import generated, mutants, survivors
from tests.oracles import check, oracle, scores

POINTS = wgan.Config(
    shape=(2,), hidden=(16, 16), latent_dim=4, batch_size=8, critic_steps=3, clip=0.05
)
IMAGES = wgan.Config(width=4, latent_dim=8, batch_size=4, critic_steps=2)


def points(n=None):
    """A batch for one step of `POINTS`, or `n` points."""
    n = n or POINTS.batch_size * POINTS.critic_steps
    return torch.randn(n, 2) + torch.tensor([3.0, -1.0])


def outside(module, limit):
    """The names of the parameters that have an entry beyond the limit."""
    return [n for n, p in module.named_parameters() if (p.abs() > limit).any()]


# --- the losses and the clipping ---------------------------------------------------------------


@oracle("WGAN-D", r"L_D = \mathbb E_{z}\, D(G(z)) - \mathbb E_{x}\, D(x)")
def discriminator_loss(real_scores, fake_scores):
    return fake_scores.sum() / fake_scores.size - real_scores.sum() / real_scores.size


@oracle("WGAN-G", r"L_G = -\,\mathbb E_{z}\, D(G(z))")
def generator_loss(fake_scores):
    return -fake_scores.sum() / fake_scores.size


@pytest.mark.parametrize(("n", "m"), [(6, 6), (3, 8), (1, 1)])
def test_discriminator_loss(n, m):
    real_scores, fake_scores = scores(n) + 3, scores(m, seed=1)
    check("WGAN-D", wgan.discriminator_loss, real_scores=real_scores, fake_scores=fake_scores)


def test_generator_loss():
    check("WGAN-G", wgan.generator_loss, fake_scores=scores(7))


def test_the_losses_are_those_of_a_distance_not_of_a_probability():
    """A score counts in full, however large; a constant added to all scores does not count."""
    real, fake = torch.tensor([1e3, -4.0]), torch.tensor([-1e3, 7.0])
    assert wgan.discriminator_loss(real, fake).item() == pytest.approx(-496.5 - 498)
    shifted = wgan.discriminator_loss(real + 5, fake + 5).item()
    assert shifted == pytest.approx(wgan.discriminator_loss(real, fake).item())


@oracle("WGAN-CLIP", r"w \leftarrow \min(\max(w, -c),\, c)")
def clipped(w, c):
    return np.where(np.abs(w) > c, c * np.sign(w), w)


@pytest.mark.parametrize("limit", [0.01, 0.4, 100.0])
def test_clipping(limit):
    def by_the_package(w, c):
        layer = nn.Module()
        layer.weight = nn.Parameter(w.clone())
        wgan.clip_weights(layer, c)
        return layer.weight

    w = np.array([[-3.0, -0.4, 0.3], [0.0, 0.5, 2.0]])
    check("WGAN-CLIP", by_the_package, gradient=False, w=w, c=limit)


def test_clipping_takes_biases_too_and_leaves_buffers():
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    for parameter in network.parameters():
        nn.init.constant_(parameter, -7.0)
    network[1].running_var.fill_(5.0)
    wgan.clip_weights(network, 0.01)
    assert all((p == -0.01).all() for p in network.parameters())
    assert (network[1].running_var == 5.0).all()
    assert all(p.requires_grad for p in network.parameters())


@pytest.mark.parametrize("limit", [0.0, -0.01])
def test_a_limit_that_is_not_positive_is_refused(limit):
    with pytest.raises(ValueError, match="must be positive"):
        wgan.clip_weights(nn.Linear(2, 2), limit)


# --- the distance ------------------------------------------------------------------------------


@oracle("WGAN-POINTS", r"W_1(\delta_0, \delta_\theta) = |\theta|")
def distance_of_point_masses(theta):
    """There is one coupling only."""
    return np.abs(theta)


@oracle(
    "WGAN-JSD",
    r"\operatorname{JSD}(\delta_0 \parallel \delta_\theta) = \log 2 \quad \text{for every } "
    r"\theta \ne 0",
)
def divergence_of_point_masses(theta):
    """From the definition, with the two places as the whole space."""
    p, q = (np.array([1.0]), np.array([1.0])) if theta == 0 else np.eye(2)
    m = (p + q) / 2
    return (stats.entropy(p, m) + stats.entropy(q, m)) / 2


def divergence_of_the_best_discriminator(theta):
    """What the package's GAN loss says of all mass at 0 and all mass at theta: log 2 - L_D / 2."""
    rising = torch.linspace(-50, 50, 101, dtype=torch.float64)
    falling = rising if theta == 0 else -rising  # two places can have two scores
    losses = [gan.discriminator_loss(*s) for s in zip(rising, falling, strict=True)]
    return np.log(2) - min(losses).item() / 2


@pytest.mark.parametrize("theta", [-2.0, -1e-6, 0.0, 0.5, 40.0])
def test_wasserstein_orders_point_masses_and_jensen_shannon_does_not(theta):
    measured = metrics.wasserstein_1d(torch.zeros(3), torch.full((5,), theta).double())
    assert measured == pytest.approx(distance_of_point_masses(theta), abs=1e-12)
    divergence = divergence_of_point_masses(theta)
    assert divergence == pytest.approx(np.log(2) if theta else 0.0, abs=1e-15)
    assert divergence_of_the_best_discriminator(theta) == pytest.approx(divergence, abs=1e-15)


@oracle(
    "WGAN-KR",
    r"W_1(p_r, p_g) = \sup_{\lVert D \rVert_L \le 1} \ \mathbb E_{x \sim p_r} D(x) - \mathbb "
    r"E_{y \sim p_g} D(y)",
)
def steepest_gap(real, fake):
    """The largest mean gap of a function with slope 1 at most, by linear programming.

    One unknown for each point, real and fake; a constraint for every pair, of the same kind, too.
    """
    places = np.concatenate([real, fake])
    n, m = len(real), len(fake)
    pairs = [(i, j) for i in range(n + m) for j in range(n + m) if i != j]
    rows = np.zeros((len(pairs), n + m))
    for k, (i, j) in enumerate(pairs):
        rows[k, i], rows[k, j] = 1, -1
    distances = [np.linalg.norm(places[i] - places[j]) for i, j in pairs]
    weights = np.concatenate([np.full(n, -1 / n), np.full(m, 1 / m)])
    found = optimize.linprog(weights, A_ub=rows, b_ub=distances, bounds=(None, None))
    return -found.fun


def test_the_best_critic_reaches_the_distance():
    """Kantorovich and Rubinstein: the best critic's gap is the cost of the best coupling."""
    rng = np.random.default_rng(0)
    real, fake = rng.standard_normal((9, 2)) + 1, 2 * rng.standard_normal((9, 2))
    exact = metrics.wasserstein_2d(torch.tensor(real), torch.tensor(fake))
    assert steepest_gap(real, fake) == pytest.approx(exact, rel=1e-9)
    real, fake = real[:, :1], fake[:6, :1]  # of different size, on the line
    exact = metrics.wasserstein_1d(torch.tensor(real), torch.tensor(fake))
    assert steepest_gap(real, fake) == pytest.approx(exact, rel=1e-9)


@oracle(
    "WGAN-CONT",
    r"|W_1(p_r, p_{\theta'}) - W_1(p_r, p_\theta)| \le W_1(p_\theta, p_{\theta'}) \le \mathbb E_z "
    r"\lVert G_\theta(z) - G_{\theta'}(z) \rVert",
)
def cost_of_pairing_by_noise(before, after):
    """The mean way from each sample to that of the same noise: one coupling of many."""
    return np.mean([np.hypot(*(a - b)) for a, b in zip(before, after, strict=True)])


@pytest.mark.parametrize("change", [0.001, 0.3, 5.0])
def test_the_distance_is_continuous_in_the_generators_weights(change):
    """Theorem 1: it changes by no more than the samples move; and a shift moves all alike."""
    rng = np.random.default_rng(0)
    z, real, weights, step = (rng.standard_normal(s) for s in ((40, 3), (40, 2), (3, 2), (3, 2)))
    before, after = np.tanh(z @ weights), np.tanh(z @ (weights + change * step))
    of_real, moved, between = (
        metrics.wasserstein_2d(torch.tensor(a), torch.tensor(b))
        for a, b in ((real, before), (real, after), (before, after))
    )
    assert abs(moved - of_real) <= between + 1e-6
    assert between <= cost_of_pairing_by_noise(before, after) + 1e-6
    beside = before + np.array([change, 0.0])
    shifted = metrics.wasserstein_2d(torch.tensor(before), torch.tensor(beside))
    assert shifted == pytest.approx(cost_of_pairing_by_noise(before, beside), abs=1e-6)


def test_which_convergence_implies_which():
    """Theorem 2 on point masses: W1 goes to 0 with theta, and the divergence stays at log 2."""
    thetas = [1.0, 1e-3, 1e-9]
    ways = [metrics.wasserstein_1d(torch.zeros(1), torch.tensor([t])) for t in thetas]
    assert ways == pytest.approx(thetas, rel=1e-6)
    assert [divergence_of_point_masses(t) for t in thetas] == pytest.approx([np.log(2)] * 3)


@oracle(
    "WGAN-GAUSS",
    r"W_1 = \Delta\sigma \sqrt{2 / \pi}\; e^{-\Delta\mu^2 / 2 \Delta\sigma^2} + \Delta\mu\, "
    r"\bigl(1 - 2\, \Phi(-\Delta\mu / \Delta\sigma)\bigr)",
)
def distance_of_gaussians(m, s, n, t):
    """The integral of the difference between the distribution functions."""
    gap = lambda x: abs(stats.norm.cdf(x, m, s) - stats.norm.cdf(x, n, t))  # noqa: E731
    low, high = min(m - 12 * s, n - 12 * t), max(m + 12 * s, n + 12 * t)
    crossing = [] if s == t else [(m * t - n * s) / (t - s)]
    return integrate.quad(gap, low, high, points=crossing or None, limit=200)[0]


@pytest.mark.parametrize(
    ("m", "s", "n", "t"), [(1.0, 2.0, 0.3, 0.5), (0.0, 1.0, 2.5, 1.0), (0.0, 1.0, 0.0, 3.0)]
)
def test_distance_of_two_gaussians(m, s, n, t):
    """The chapter's formula, the mean of |N(m - n, |s - t|)|, and sorted quantiles."""
    shift, scale = m - n, abs(s - t)
    expected = distance_of_gaussians(m, s, n, t)
    folded = abs(shift)
    if scale:
        ratio = shift / scale
        folded = scale * np.sqrt(2 / np.pi) * np.exp(-(ratio**2) / 2)
        folded += shift * (1 - 2 * stats.norm.cdf(-ratio))
    assert folded == pytest.approx(expected, rel=1e-6)
    z = torch.tensor(stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000))
    assert metrics.wasserstein_1d(m + s * z, n + t * z) == pytest.approx(expected, rel=1e-3)
    if (m, s, n, t) == (1.0, 2.0, 0.3, 0.5):
        assert expected == pytest.approx(1.32483, abs=1e-5)


@oracle("WGAN-EST", r"-L_D \le K\, W_1(p_r, p_g), \quad K = \lVert D \rVert_L")
def most_that_the_estimate_can_be(slope, distance):
    return slope * distance


@oracle(
    "WGAN-LIP",
    r"K \le \prod_{l=1}^{L} \lVert W_l \rVert_2 \le \prod_{l=1}^{L} c \sqrt{n_{l-1}\, n_l}",
)
def most_that_the_slope_can_be(sizes, c):
    """Norms of matrices whose entries are all at the limit, which no others exceed."""
    norms = [np.linalg.norm(np.full((n_out, n_in), c), 2) for n_in, n_out in pairwise(sizes)]
    return np.prod(norms)


@pytest.mark.parametrize("hidden", [(), (16,), (12, 20, 8)])
def test_a_clipped_critic_is_bounded(hidden):
    sizes, limit = [2, *hidden, 1], 0.3
    closed = np.prod([limit * np.sqrt(a * b) for a, b in pairwise(sizes)])
    bound = most_that_the_slope_can_be(sizes, limit)
    assert bound == pytest.approx(closed, rel=1e-12)
    real, fake = points(60).double(), torch.randn(60, 2).double()
    for seed in range(5):
        torch.manual_seed(seed)
        critic = Discriminator(replace(POINTS, hidden=hidden)).double()
        for parameter in critic.parameters():
            nn.init.normal_(parameter)
        wgan.clip_weights(critic, limit)
        with torch.no_grad():
            rise = (critic(real)[:, None] - critic(fake)).abs() / torch.cdist(real, fake)
            matrices = [p for p in critic.parameters() if p.dim() == 2]
            norms = np.prod([torch.linalg.matrix_norm(m, 2).item() for m in matrices])
            estimate = -wgan.discriminator_loss(critic(real), critic(fake)).item()
        assert rise.max() <= norms * (1 + 1e-9)
        assert norms <= bound * (1 + 1e-9)
        exact = metrics.wasserstein_2d(real, fake)
        assert estimate <= most_that_the_estimate_can_be(rise.max().item(), exact) + 1e-9


def test_the_bound_is_reached_on_the_line():
    critic = Discriminator(replace(POINTS, shape=(1,), hidden=(8, 8)))
    for parameter in critic.parameters():
        nn.init.constant_(parameter, 9.0)
    wgan.clip_weights(critic, 0.1)
    rise = critic(torch.tensor([[3.0]])) - critic(torch.tensor([[2.0]]))
    assert rise.item() == pytest.approx(most_that_the_slope_can_be([1, 8, 8, 1], 0.1), rel=1e-5)


def test_batch_normalisation_undoes_the_bound():
    """Parameters inside the limits, and slopes that grow as the batch shrinks to a point."""
    critic = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8, eps=1e-15), nn.Linear(8, 1)).double()
    wgan.clip_weights(critic, 0.1)
    batch = torch.randn(16, 2).double()
    rises = []
    for spread in (1.0, 1e-3):
        out = critic(spread * batch).detach()
        rises.append((out[0] - out[1]).abs() / (spread * (batch[0] - batch[1]).norm()))
    assert not outside(critic, 0.1)
    assert (rises[1] / rises[0]).item() == pytest.approx(1e3, rel=1e-6)


@oracle(
    "WGAN-LINEAR",
    r"w = c \operatorname{sign}(\mu_r - \mu_g), \quad \max_{|w_i| \le c}\, w \cdot (\mu_r - "
    r"\mu_g) = c\, \lVert \mu_r - \mu_g \rVert_1",
)
def best_linear_gap(real, fake, c):
    """The largest gap over the corners of the cube of weights, one by one."""
    shift = real.mean(0) - fake.mean(0)
    corners = np.array(np.meshgrid(*[[-c, c]] * len(shift))).reshape(len(shift), -1)
    return (shift @ corners).max()


def test_a_linear_critic_ends_in_a_corner():
    rng = np.random.default_rng(1)
    real = rng.normal([2.0, -1.0, 0.5, -3.0], 1.0, size=(50, 4))
    fake = rng.standard_normal((50, 4))
    critic, (x, y) = nn.Linear(4, 1).double(), map(torch.tensor, (real, fake))
    optimizer = rmsprop(critic, 1e-2)
    for _ in range(60):
        update(optimizer, wgan.discriminator_loss(critic(x), critic(y)))
        wgan.clip_weights(critic, 0.1)
    shift = (x - y).mean(0)
    assert torch.equal(critic.weight[0].detach(), 0.1 * shift.sign())
    estimate = -wgan.discriminator_loss(critic(x), critic(y)).item()
    assert estimate == pytest.approx(best_linear_gap(real, fake, 0.1), rel=1e-9)
    assert estimate == pytest.approx(0.1 * shift.abs().sum().item(), rel=1e-9)


@oracle("WGAN-DIRAC", r"\theta_{k+1}^2 + \psi_{k+1}^2 = (1 + h^2)\,(\theta_k^2 + \psi_k^2)")
def next_squared_distance(theta, psi, h):
    """The linear map of one simultaneous step is a rotation, stretched."""
    step = np.array([[1, h], [-h, 1]])
    return ((step @ [theta, psi]) ** 2).sum()


@pytest.mark.parametrize(("theta", "psi"), [(1.0, 0.5), (-2.0, 1.5), (0.0, 0.3)])
@pytest.mark.parametrize("h", [0.01, 0.2])
def test_simultaneous_steps_lead_away_by_a_fixed_factor(theta, psi, h):
    t, s = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (theta, psi))
    (d_psi,) = torch.autograd.grad(wgan.discriminator_loss(s * 0, s * t), s)
    (d_theta,) = torch.autograd.grad(wgan.generator_loss(s * t), t)
    after = ((t - h * d_theta) ** 2 + (s - h * d_psi) ** 2).item()
    assert after == pytest.approx(next_squared_distance(theta, psi, h), rel=1e-12)
    assert after == pytest.approx((1 + h**2) * (theta**2 + psi**2), rel=1e-12)


# --- the step ----------------------------------------------------------------------------------


@pytest.mark.parametrize("config", [POINTS, IMAGES], ids=["points", "images"])
def test_all_weights_are_inside_the_limits_after_every_step_of_the_critic(config):
    """Also those that the very first updates, the longest of RMSProp, throw far out."""
    config = replace(config, learning_rate=0.1)
    model = wgan.WGAN(config)
    for _ in range(6):
        model.discriminator_step(torch.randn(config.batch_size, *config.shape))
        assert not outside(model.discriminator, config.clip)
    assert list(model.discriminator.buffers()) == [], "a buffer that nobody clips"


def test_only_the_critic_is_clipped():
    model = wgan.WGAN(POINTS)
    for parameter in model.generator.parameters():
        nn.init.constant_(parameter, 0.5)
    model.discriminator_step(points(8))
    assert all((p == 0.5).all() for p in model.generator.parameters())


def test_several_steps_of_the_critic_then_one_of_the_generator():
    """Each step of the critic has its own part of the batch; the generator comes last."""
    model, calls = wgan.WGAN(POINTS), []
    discriminator_step, generator_step = model.discriminator_step, model.generator_step
    model.discriminator_step = lambda real: calls.append(real) or discriminator_step(real)
    model.generator_step = lambda n: calls.append(n) or generator_step(n)
    real = points()
    model.step(Batch(real, None))
    assert model.samples_per_step == 24
    assert calls[3:] == [8]
    assert same(torch.cat(calls[:3]), real)


def by_rmsprop(parameters, loss, averages, learning_rate):
    """One step of RMSProp without momentum, by hand."""
    slopes = torch.autograd.grad(loss, parameters)
    with torch.no_grad():
        for p, g, v in zip(parameters, slopes, averages, strict=True):
            v.mul_(0.99).add_(0.01 * g**2)
            p.sub_(learning_rate * g / (v.sqrt() + 1e-8))


def test_a_step_is_the_algorithm_of_the_paper():
    """The step by hand, on a copy with the same noise: RMSProp, then clipping."""
    model, real = wgan.WGAN(POINTS), points()
    other = copy.deepcopy(model)
    noise = [torch.randn(8, POINTS.latent_dim) for _ in range(4)]
    queue = iter(noise)
    model.noise = lambda n: next(queue)
    result = model.step(Batch(real, None))

    weights, rates = list(other.discriminator.parameters()), POINTS.learning_rate
    averages = [torch.zeros_like(p) for p in weights]
    for z, x in zip(noise, real.split(8), strict=False):
        fake = other.generator(z).detach()
        gap = other.discriminator(x).mean() - other.discriminator(fake).mean()
        by_rmsprop(weights, -gap, averages, rates)
        with torch.no_grad():
            for p in weights:
                p.copy_(p.clip(-POINTS.clip, POINTS.clip))
    weights, rates = list(other.generator.parameters()), POINTS.generator_learning_rate
    score = other.discriminator(other.generator(noise[3])).mean()
    by_rmsprop(weights, -score, [torch.zeros_like(p) for p in weights], rates)
    for p, q in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(p, q)
    assert set(result) == {"discriminator_loss", "estimate", "generator_loss"}
    assert result["estimate"].item() == pytest.approx(gap.item(), rel=1e-4)
    assert result["discriminator_loss"].item() == pytest.approx(-gap.item(), rel=1e-4)
    assert result["generator_loss"].item() == pytest.approx(-score.item(), rel=1e-4)


def test_the_papers_settings():
    """Its limit and its steps; the two learning rates are ours, the generator's five times."""
    for config in (wgan.Config(), wgan.PRESETS["gpu"]):
        assert config.generator_learning_rate == pytest.approx(5 * config.learning_rate)
    assert (wgan.Config().clip, wgan.Config().critic_steps) == (0.01, 5)
    assert (wgan.PRESETS["gpu"].clip, wgan.PRESETS["gpu"].critic_steps) == (0.01, 5)


def test_the_fakes_move_to_the_data():
    target = torch.tensor([2.0, -1.0])
    data = TensorData(0.3 * torch.randn(2000, 2) + target, name="one Gaussian")
    config = replace(POINTS, batch_size=32, clip=0.1, steps=200, learning_rate=5e-3)
    config = replace(config, average_decay=0.9)
    run = wgan.train(config, data, device="cpu", progress=False, snapshots=0)
    assert (run.sample(1000, seed=0).mean(0) - target).norm() < 0.5


MUTANTS = mutants(
    "objectives.wgan",
    (
        "WGAN: the critic's sign is flipped and the generator's is not",
        "return fake_scores.mean() - real_scores.mean()",
        "return real_scores.mean() - fake_scores.mean()",
        "test_discriminator_loss",
    ),
    (
        "WGAN: the generator's sign is flipped and the critic's is not",
        "return -fake_scores.mean()",
        "return fake_scores.mean()",
        "test_generator_loss",
    ),
    (
        "WGAN: the hinge loss, called Wasserstein",
        "return fake_scores.mean() - real_scores.mean()",
        "return (1 + fake_scores).relu().mean() + (1 - real_scores).relu().mean()",
        "test_discriminator_loss",
    ),
    (
        "WGAN: no clipping at all",
        "clip_weights(self.discriminator, self.config.clip)",
        "pass",
        "test_all_weights_are_inside_the_limits_after_every_step_of_the_critic",
    ),
    (
        "WGAN: the weights are clipped before the update, so that G faces a critic that is not",
        "        update(self.discriminator_optimizer, loss)\n"
        "        clip_weights(self.discriminator, self.config.clip)",
        "        clip_weights(self.discriminator, self.config.clip)\n"
        "        update(self.discriminator_optimizer, loss)",
        "test_all_weights_are_inside_the_limits_after_every_step_of_the_critic",
    ),
    (
        "WGAN: the biases are not clipped",
        "for parameter in module.parameters():",
        "for parameter in (p for p in module.parameters() if p.dim() > 1):",
        "test_clipping_takes_biases_too_and_leaves_buffers",
    ),
    (
        "WGAN: the weights are clipped from above only",
        "parameter.clamp_(-limit, limit)",
        "parameter.clamp_(max=limit)",
        "test_clipping",
    ),
    (
        "WGAN: the generator's weights are clipped, too",
        "clip_weights(self.discriminator, self.config.clip)",
        "clip_weights(self, self.config.clip)",
        "test_only_the_critic_is_clipped",
    ),
    (
        "WGAN: a clipped critic with batch normalisation, whose buffers nobody clips",
        "self.discriminator = Discriminator(config)",
        "self.discriminator = Discriminator(config, batch_norm=True)",
        "test_all_weights_are_inside_the_limits_after_every_step_of_the_critic",
    ),
    (
        "WGAN: Adam with momentum for the clipped critic",
        "self.discriminator_optimizer = rmsprop(self.discriminator, config.learning_rate)",
        "self.discriminator_optimizer = "
        "torch.optim.Adam(self.discriminator.parameters(), config.learning_rate)",
        "test_a_step_is_the_algorithm_of_the_paper",
    ),
    (
        "WGAN: the generator has the learning rate of the critic",
        "rmsprop(self.generator, config.generator_learning_rate)",
        "rmsprop(self.generator, config.learning_rate)",
        "test_a_step_is_the_algorithm_of_the_paper",
    ),
    (
        "WGAN: the generator moves after the first of the critic's steps",
        "            logged = self.discriminator_step(real)\n"
        "        return logged | self.generator_step(self.config.batch_size)",
        "            logged = self.discriminator_step(real)\n"
        "            if real.data_ptr() == batch.x.data_ptr():\n"
        "                moved = self.generator_step(self.config.batch_size)\n"
        "        return logged | moved",
        "test_several_steps_of_the_critic_then_one_of_the_generator",
    ),
    (
        "WGAN: all steps of the critic see the same real samples",
        "logged = self.discriminator_step(real)",
        "logged = self.discriminator_step(batch.x[: self.config.batch_size])",
        "test_several_steps_of_the_critic_then_one_of_the_generator",
    ),
    (
        "WGAN: the limit of a larger model is ten times the paper's",
        "generator_learning_rate=5e-4, steps=3_000",
        "generator_learning_rate=5e-4, steps=3_000, clip=0.1",
        "test_the_papers_settings",
    ),
    (
        "WGAN: one step of the critic for one of the generator",
        "critic_steps: int = 5",
        "critic_steps: int = 1",
        "test_the_papers_settings",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)


def test_generated_mistakes_are_caught():
    assert not survivors(__file__, generated(wgan))

"""GAN: its losses and its optimum against oracles, and what each step plays for."""

import numpy as np
import pytest
import torch
from scipy import stats

from gan_lessons.data import Batch, TensorData
from gan_lessons.foundations import gan
from tests.mutants import generated, mutants, survivors
from tests.oracles import check, oracle, scores, sigmoid

POINTS = gan.Config(shape=(2,), generator_hidden=(16,), discriminator_hidden=(16,), latent_dim=8)


# --- the losses --------------------------------------------------------------------------------


@oracle(
    "GAN-V",
    r"V(D, G) = \mathbb E_{x \sim p_r} \log \sigma(D(x)) + \mathbb E_{z \sim p_z} \log\bigl(1 "
    r"- \sigma(D(G(z)))\bigr)",
)
def value(real_scores, fake_scores):
    """The paper's logarithms of probabilities."""
    return np.log(sigmoid(real_scores)).mean() + np.log(1 - sigmoid(fake_scores)).mean()


@oracle(
    "GAN-D",
    r"L_D = \mathbb E \operatorname{softplus}(-D(x)) + \mathbb E "
    r"\operatorname{softplus}(D(G(z)))",
)
def discriminator_loss(real_scores, fake_scores):
    return np.logaddexp(0, -real_scores).mean() + np.logaddexp(0, fake_scores).mean()


@oracle("GAN-MM", r"L_G^{\mathrm{MM}} = -\mathbb E \operatorname{softplus}(D(G(z)))")
def saturating_loss(fake_scores):
    """mean log(1 - P), the second term of V."""
    return -np.logaddexp(0, fake_scores).mean()


@oracle("GAN-G", r"L_G = \mathbb E \operatorname{softplus}(-D(G(z)))")
def non_saturating_loss(fake_scores):
    """-mean log P."""
    return np.logaddexp(0, -fake_scores).mean()


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


def test_losses_of_a_discriminator_that_cannot_tell():
    undecided = torch.zeros(4, dtype=torch.float64)
    assert gan.discriminator_loss(undecided, undecided).item() == pytest.approx(np.log(4))
    assert gan.generator_loss(undecided).item() == pytest.approx(np.log(2))
    assert gan.saturating_generator_loss(undecided).item() == pytest.approx(-np.log(2))


@oracle(
    "GAN-RATIO",
    r"\frac{\partial L_G / \partial D}{\partial L_G^{\mathrm{MM}} / \partial D} = \frac{1 - "
    r"\sigma(D)}{\sigma(D)} = e^{-D}",
)
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


@pytest.mark.parametrize("score", [-30.0, -2.0, 0.0, 5.0])
def test_the_non_saturating_gradient_is_never_larger_than_the_slope_of_d(score):
    """Where the ratio of a probability's slope to the probability would be without bound."""
    x = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    D = score + 7.0 * (x - 2)
    (gradient,) = torch.autograd.grad(gan.generator_loss(D), x)
    assert gradient.item() == pytest.approx(-(1 - sigmoid(score)) * 7.0, rel=1e-12)
    assert abs(gradient.item()) <= 7


# --- the optimum -------------------------------------------------------------------------------


@oracle("GAN-OPT", r"\sigma(D^*(x)) = \frac{p_r(x)}{p_r(x) + p_g(x)}")
def optimal_probability(p, q):
    return p / (p + q)


@oracle("GAN-JSD", r"V(D^*, G) = 2 \operatorname{JSD}(p_r \parallel p_g) - \log 4")
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


def test_the_loss_is_0_if_the_distributions_share_nothing_and_never_below():
    apart, sure = np.array([1.0, 1.0, 0.0, 0.0]) / 2, torch.full((2,), 200.0, dtype=torch.float64)
    best = -gan.discriminator_loss(sure, -sure).item()
    assert best == pytest.approx(value_at_the_optimum(apart, apart[::-1]), abs=1e-12)


@oracle("GAN-LINE", r"D^*(x) = \log\frac{p_r(x)}{p_g(x)} = \frac{\mu^2}{2} - \mu x")
def optimal_score_on_the_line(x, mu):
    return mu**2 / 2 - mu * x


def test_a_discriminator_learns_the_log_of_the_ratio_of_two_gaussians():
    """Quantiles in place of random samples; a linear D, as the optimum is linear."""
    mu, x = 1.5, np.linspace(-4, 6, 21)
    ratio = stats.norm.logpdf(x) - stats.norm.logpdf(x, mu)
    np.testing.assert_allclose(optimal_score_on_the_line(x, mu), ratio, atol=1e-12)
    real = torch.tensor(stats.norm.ppf((np.arange(2000) + 0.5) / 2000)[:, None])
    D = gan.Discriminator(gan.Config(shape=(1,), discriminator_hidden=())).double()
    optimiser = torch.optim.LBFGS(D.parameters(), max_iter=40, tolerance_change=1e-9)

    def closure():
        optimiser.zero_grad()
        loss = gan.discriminator_loss(D(real), D(real + mu))
        loss.backward()
        return loss

    optimiser.step(closure)
    learned = D(torch.from_numpy(x)[:, None]).detach().numpy()
    np.testing.assert_allclose(learned, ratio, atol=0.06)


@oracle(
    "GAN-NS",
    r"\nabla_\theta\, \mathbb E\, \operatorname{softplus}(-D^*(G(z))) = \nabla_\theta \bigl[ "
    r"\operatorname{KL}(p_g \parallel p_r) - 2 \operatorname{JSD}(p_r \parallel p_g) \bigr]",
)
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


@oracle(
    "GAN-DIRAC",
    r"\theta_{k+1}^2 + \psi_{k+1}^2 = \bigl(1 + h^2\, \sigma(\psi_k \theta_k)^2\bigr) "
    r"\bigl(\theta_k^2 + \psi_k^2\bigr)",
)
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


# --- the step ----------------------------------------------------------------------------------

LOSSES = {gan.GAN: non_saturating_loss, gan.MinimaxGAN: saturating_loss}


@pytest.mark.parametrize("model_class", LOSSES)
def test_the_step_plays_for_the_losses_of_its_scores(model_class):
    model, said = model_class(POINTS).double(), []
    model.noise = lambda n: torch.randn(n, POINTS.latent_dim, dtype=torch.float64)
    model.discriminator.register_forward_hook(lambda _m, _i, out: said.append(out.detach()))
    logged = model.step(Batch(3 + torch.randn(16, 2, dtype=torch.float64), None))
    real, fake, fresh = (values.numpy() for values in said)
    assert logged.keys() == {"discriminator_loss", "generator_loss", "real_score", "fake_score"}
    assert logged["discriminator_loss"].item() == pytest.approx(discriminator_loss(real, fake))
    assert logged["generator_loss"].item() == pytest.approx(LOSSES[model_class](fresh))
    assert logged["real_score"].item() == pytest.approx(real.mean())
    assert logged["fake_score"].item() == pytest.approx(fake.mean())


@pytest.mark.parametrize("model_class", LOSSES)
def test_the_players_pull_the_score_of_the_fakes_apart(model_class):
    """D lowers it, G raises it: with both losses, the same way."""
    model, real = model_class(POINTS), 3 + torch.randn(64, 2)
    z = model.noise(64)

    def score():
        return model.discriminator(model.generator(z)).mean().item()

    values = [score()]
    for play in (lambda: model.discriminator_step(real), lambda: model.generator_step(64)):
        for _ in range(20):
            play()
        values.append(score())
    assert values[0] > values[1] < values[2]


def test_the_saturating_loss_starves_a_generator_whose_fakes_are_bad():
    """The gradients have one direction, and sizes that GAN-RATIO tells: e^4 here, for each fake."""
    model = gan.GAN(POINTS)
    model.discriminator.layers[-1].bias.data.fill_(-4.0)
    z, found = model.noise(64), []
    for loss in (gan.generator_loss, gan.saturating_generator_loss):
        value = loss(model.discriminator(model.generator(z)))
        parts = torch.autograd.grad(value, list(model.generator.parameters()))
        found.append(torch.cat([p.flatten() for p in parts]))
    non_saturating, saturating = found
    assert torch.nn.functional.cosine_similarity(non_saturating, saturating, dim=0) > 0.9
    assert non_saturating.norm() > 20 * saturating.norm()


def test_the_fakes_move_to_the_data():
    generator = torch.Generator().manual_seed(0)
    values = 0.3 * torch.randn(2000, 2, generator=generator) + torch.tensor([2.0, -1.0])
    data = TensorData(values, name="one Gaussian")
    config = gan.Config(
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


MUTANTS = mutants(
    "foundations.gan",
    (
        "the sign of the real scores is flipped",
        "return softplus(-real_scores).mean() + softplus(fake_scores).mean()",
        "return softplus(real_scores).mean() + softplus(fake_scores).mean()",
        "test_discriminator_loss",
    ),
    (
        "the two terms of the discriminator's loss are averaged, the equation adds them",
        "return softplus(-real_scores).mean() + softplus(fake_scores).mean()",
        "return (softplus(-real_scores).mean() + softplus(fake_scores).mean()) / 2",
        "test_discriminator_loss",
    ),
    (
        "the batch is summed, not averaged",
        "return softplus(-real_scores).mean() + softplus(fake_scores).mean()",
        "return softplus(-real_scores).sum() + softplus(fake_scores).sum()",
        "test_discriminator_loss",
    ),
    (
        "the logarithm of a sigmoid in place of softplus: infinite where the discriminator is sure",
        "return softplus(-real_scores).mean() + softplus(fake_scores).mean()",
        "return -real_scores.sigmoid().log().mean() - (1 - fake_scores.sigmoid()).log().mean()",
        "test_losses_are_exact_for_extreme_scores",
    ),
    (
        "log(sigmoid + 1e-8) in place of softplus: no gradient where the discriminator is sure",
        "return softplus(-fake_scores).mean()",
        "return -(fake_scores.sigmoid() + 1e-8).log().mean()",
        "test_losses_are_exact_for_extreme_scores",
    ),
    (
        "least squares in place of the logistic loss, and still called GAN",
        "return softplus(-real_scores).mean() + softplus(fake_scores).mean()",
        "return (real_scores - 1).square().mean() + fake_scores.square().mean()",
        "test_discriminator_loss",
    ),
    (
        "the generator's loss is called non-saturating and is the saturating one",
        "return softplus(-fake_scores).mean()",
        "return -softplus(fake_scores).mean()",
        "test_generator_losses",
    ),
    (
        "the minimax loss uses the labels of real images, which makes it the non-saturating one",
        "return -softplus(fake_scores).mean()",
        "return softplus(-fake_scores).mean()",
        "test_generator_losses",
    ),
    (
        "the minimax model plays with the non-saturating loss",
        "loss = saturating_generator_loss(fake_scores)",
        "loss = generator_loss(fake_scores)",
        "test_the_step_plays_for_the_losses_of_its_scores",
    ),
    (
        "the discriminator climbs where it should descend",
        "update(self.discriminator_optimizer, loss)",
        "update(self.discriminator_optimizer, -loss)",
        "test_the_players_pull_the_score_of_the_fakes_apart",
    ),
    (
        "real samples are scored in the place of fakes",
        "self.discriminator(real), self.discriminator(fake)",
        "self.discriminator(fake), self.discriminator(real)",
        "test_the_players_pull_the_score_of_the_fakes_apart",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)


def test_generated_mistakes_are_caught():
    assert not survivors(__file__, generated(gan))

"""WGAN-div: the power of the slope, and what the chapter says of the divergence."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from gan_lessons.data import Batch, TensorData
from gan_lessons.objectives import wgan_div
from tests.helpers import images, same
from tests.mutants import generated, mutants, survivors
from tests.oracles import check, oracle, taken_over

IMAGES = wgan_div.Config(width=2, latent_dim=4, critic_steps=2, batch_size=4)
POINTS = wgan_div.Config(shape=(2,), hidden=(16,), latent_dim=4, critic_steps=3, batch_size=8)
K, P = 2.0, 6.0  # the paper's

taken_over("WGANDIV-W", "WGAN-D", r"L_\text{gap} = \mathbb E_{z}\,D(G(z)) - \mathbb E_{x}\,D(x)")
taken_over("WGANDIV-G", "WGAN-G", r"L_G = -\mathbb E_{z}\,D(G(z))")
taken_over(
    "WGANDIV-X",
    "WGANGP-X",
    r"\hat x = \epsilon\,x + (1 - \epsilon)\,G(z), \qquad \epsilon \sim U[0, 1]",
)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


class Linear(nn.Module):
    """D(x) = <w, x> with weights of any shape."""

    def __init__(self, w):
        super().__init__()
        self.w = torch.as_tensor(w)

    def forward(self, x):
        return (self.w * x).flatten(1).sum(1)


class Tanh(nn.Module):
    """D(x) = <v, tanh(W x)> for rows x."""

    def __init__(self, W, v):
        super().__init__()
        self.W, self.v = W, v

    def forward(self, x):
        return torch.tanh(x @ self.W.T) @ self.v


@pytest.fixture
def critics_step(monkeypatch):
    """The critic's step of the model, for a critic and samples of the test's own; e is of seed 5.

    What it logs keeps its graph: there is no update, which would free it.
    """
    monkeypatch.setattr(wgan_div, "update", lambda optimizer, loss: None)
    model = wgan_div.WGANDiv(POINTS)
    model.generator = nn.Identity()

    def step(critic, real, fake, k=K, p=P):
        model.config = replace(POINTS, penalty_weight=k, power=p)
        model.discriminator, model.noise = critic, lambda n: torch.as_tensor(fake)
        torch.manual_seed(5)
        return model.discriminator_step(torch.as_tensor(real))

    return step


def shares(n):
    """The e of `critics_step`."""
    torch.manual_seed(5)
    return torch.rand(n).double().numpy()


# --- the loss and its penalty ------------------------------------------------------------------


@oracle("WGANDIV-P", r"L_\text{slope} = \mathbb E_{\hat x}\,\lVert \nabla D(\hat x) \rVert^p")
def penalty(slopes, p):
    """Mean of the p-th power of each row's length, by hypot and not by squares."""
    lengths = np.array([np.hypot.reduce(row.ravel()) for row in slopes])
    return (lengths**p).mean()


@pytest.mark.parametrize("p", [2.0, 3.0, 6.0])
@pytest.mark.parametrize("shape", [(5, 2), (3, 1, 4, 4), (3, 2, 3, 3)])
def test_slope_penalty(shape, p):
    def ours(slopes, p):
        return wgan_div.slope_penalty(slopes.flatten(1).square().sum(1), p)

    check("WGANDIV-P", ours, slopes=normal(*shape), p=p)


def tanh_critic(W, v, x):
    """D(x) = <v, tanh(W x)> and its gradient W^T (v (1 - tanh^2)), for rows x."""
    h = np.tanh(x @ W.T)
    return h @ v, ((1 - h**2) * v) @ W


def mixed(real, fake, e):
    return np.stack([e[i] * real[i] + (1 - e[i]) * fake[i] for i in range(len(e))])


@oracle(
    "WGANDIV-D",
    r"L_D = \mathbb E_{z}\,D(G(z)) - \mathbb E_{x}\,D(x) + k\,\mathbb E_{\hat x}\,\lVert "
    r"\nabla D(\hat x) \rVert^p",
)
def critics_loss(W, v, real, fake, e, k, p):
    """L_D of the tanh critic, with its gradient by hand."""
    real, fake = np.array([real, fake])
    (real_scores, _), (fake_scores, _) = tanh_critic(W, v, real), tanh_critic(W, v, fake)
    gap = fake_scores.sum() / len(fake) - real_scores.sum() / len(real)
    return gap + k * penalty(tanh_critic(W, v, mixed(real, fake, e))[1], p)


@oracle(
    "WGANDIV-V",
    r"V_{k,p}(D) = \mathbb E_{x}\,D(x) - \mathbb E_{z}\,D(G(z)) - k\,\mathbb E_{\hat "
    r"x}\,\lVert \nabla D(\hat x) \rVert^p",
)
def value_of_the_game(W, v, real, fake, e, k, p):
    """What the critic maximises: the paper's form, with our sign of the score; x^ one by one."""
    real, fake = np.array([real, fake])
    rise = np.mean([tanh_critic(W, v, x)[0] for x in real])
    rise -= np.mean([tanh_critic(W, v, x)[0] for x in fake])
    lengths = [np.linalg.norm(tanh_critic(W, v, x)[1]) for x in mixed(real, fake, e)]
    return rise - k * np.mean(np.power(lengths, p))


@pytest.mark.parametrize(("k", "p"), [(2.0, 6.0), (0.5, 3.0)])
def test_the_critics_loss_is_minus_the_value_of_the_game(k, p, critics_step):
    """Value, and gradient with respect to the critic's weights: through the slope, too."""
    weights = {"W": normal(4, 3), "v": normal(4, seed=1)}
    real, fake = normal(2, 5, 3, seed=2)
    given = {"real": real.tolist(), "fake": fake.tolist(), "e": shares(5).tolist(), "k": k, "p": p}

    def step(W, v, real, fake, e, k, p):
        samples = (torch.tensor(s, dtype=torch.float64) for s in (real, fake))
        return critics_step(Tanh(W, v), *samples, k, p)

    check("WGANDIV-D", lambda **inputs: step(**inputs)["discriminator_loss"], **weights, **given)
    check("WGANDIV-V", lambda **inputs: -step(**inputs)["discriminator_loss"], **weights, **given)
    logged = step(**{name: torch.from_numpy(w) for name, w in weights.items()}, **given)
    gap = value_of_the_game(**weights, **given | {"k": 0.0})
    assert logged["estimate"].item() == pytest.approx(gap), "without the penalty"
    _, slopes = tanh_critic(**weights, x=mixed(real, fake, given["e"]))
    assert logged["gradient_norm"].item() == pytest.approx(np.linalg.norm(slopes, axis=1).mean())


@pytest.mark.parametrize("shape", [(3,), (1, 6, 6), (3, 4, 4)])
def test_one_slope_for_each_sample_over_all_dimensions(shape, critics_step):
    """A linear critic has the slope ||w|| everywhere, exactly, in the model's own step."""
    w, (real, fake) = normal(*shape) / 3, normal(2, 8, *shape, seed=1)
    logged = critics_step(Linear(w), real, fake)
    price = (logged["discriminator_loss"] + logged["estimate"]).item()
    assert price == pytest.approx(K * np.linalg.norm(w) ** P, rel=1e-9)
    assert logged["gradient_norm"].item() == pytest.approx(np.linalg.norm(w), rel=1e-12)


def test_a_flat_critic_pays_nothing_and_has_no_nan(critics_step):
    """At a slope of 0 the penalty and its gradient are 0; with a root the gradient is NaN."""
    w, samples = torch.zeros(1, 2, 2, requires_grad=True), torch.ones(4, 1, 2, 2)
    loss = critics_step(Linear(w), samples, samples)["discriminator_loss"]
    (gradient,) = torch.autograd.grad(loss, w)
    assert loss.item() == 0
    assert same(gradient, torch.zeros(1, 2, 2))


def test_float16_is_too_small_for_the_sixth_power():
    slopes = torch.tensor([6.0, 7.0])
    assert (slopes.half().square() ** 3).isinf().tolist() == [False, True]
    assert wgan_div.slope_penalty(slopes.square()).item() == (6.0**6 + 7.0**6) / 2


def test_the_models_critic_judges_each_image_alone():
    critic, x = wgan_div.WGANDiv(IMAGES).discriminator, images(4).floats().requires_grad_()
    for i, score in enumerate(critic(x)):
        (gradient,) = torch.autograd.grad(score, x, retain_graph=True)
        reached = gradient.flatten(1).abs().sum(1) > 0
        assert reached.nonzero().flatten().tolist() == [i]


# --- the divergence ----------------------------------------------------------------------------


@oracle("WGANDIV-SLOPE", r"\lVert w^* \rVert = \left( \frac{d}{k\,p} \right)^{1/(p-1)}")
def best_slope(d, k=K, p=P):
    return (d / (k * p)) ** (1 / (p - 1))


@oracle("WGANDIV-MAX", r"V_{k,p}(w^*) = \left( 1 - \tfrac1p \right) d\,\lVert w^* \rVert")
def divergence(d, k=K, p=P):
    return (1 - 1 / p) * d * best_slope(d, k, p)


@oracle("WGANDIV-SCALE", r"\frac{V_{k,p}(2d)}{V_{k,p}(d)} = 2^{\,p/(p-1)}")
def growth(p=P):
    """The divergence of a shift that is twice as long, over that of the shift."""
    return 2 ** (p / (p - 1))


@pytest.fixture
def linear_loss(critics_step):
    """The model's loss of D(x) = <w, x> between a cloud and the cloud moved away by -shift."""

    def loss(w, shift, k=K, p=P):
        real = torch.from_numpy(normal(10, len(shift)))
        return critics_step(Linear(w), real, real - shift, k, p)["discriminator_loss"]

    return loss


@pytest.mark.parametrize(("k", "p"), [(2.0, 6.0), (0.5, 2.0), (3.0, 4.0)])
@pytest.mark.parametrize("d", [0.3, 1.5, 3.0])
def test_the_best_linear_critic(d, k, p, linear_loss):
    direction = torch.tensor([0.6, 0.8, 0.0], dtype=torch.float64)
    w = (best_slope(d, k, p) * direction).requires_grad_()
    loss = linear_loss(w, d * direction, k, p)
    (gradient,) = torch.autograd.grad(loss, w)
    assert gradient.abs().max() < 1e-12, "the loss is convex in w, so this is its minimum"
    assert -loss.item() == pytest.approx(divergence(d, k, p), rel=1e-12)
    assert linear_loss(w.detach() + 0.05, d * direction, k, p) > loss
    twice = -linear_loss(best_slope(2 * d, k, p) * direction, 2 * d * direction, k, p)
    assert twice.item() == pytest.approx(-growth(p) * loss.item(), rel=1e-12)
    assert twice > -2 * loss, "no triangle inequality, so no metric"


def test_the_divergence_is_symmetric(critics_step):
    """Real and generated samples exchanged, and the critic's sign: the same loss."""
    w, (real, fake) = normal(3), normal(2, 7, 3, seed=1)
    one, other = critics_step(Linear(w), real, fake + 2), critics_step(Linear(-w), fake + 2, real)
    assert one["discriminator_loss"].item() == pytest.approx(other["discriminator_loss"].item())


@oracle(
    "WGANDIV-BALANCE",
    r"\mathbb E_{x}\,D(x) - \mathbb E_{z}\,D(G(z)) = k\,p\,\mathbb E_{\hat x}\,\lVert \nabla "
    r"D(\hat x) \rVert^p",
)
def gap_at_the_best_scale(slopes, k=K, p=P):
    return k * p * penalty(slopes, p)


def test_at_the_best_scale_gap_and_penalty_balance(critics_step):
    """Any critic, scaled so that L_D is least: the gap is k p times the bare penalty."""
    W, v, (real, fake) = normal(4, 3, seed=2), normal(4, seed=2), normal(2, 9, 3, seed=1)
    real = real + 1
    step = lambda v: critics_step(Tanh(torch.from_numpy(W), v), real, fake, K, P)  # noqa: E731
    logged = {name: value.item() for name, value in step(torch.from_numpy(v)).items()}
    price = logged["discriminator_loss"] + logged["estimate"]
    scale = abs(logged["estimate"] / (P * price)) ** (1 / (P - 1)) * np.sign(logged["estimate"])

    best = torch.tensor(scale, requires_grad=True)
    logged = step(best * torch.from_numpy(v))
    (gradient,) = torch.autograd.grad(logged["discriminator_loss"], best)
    assert abs(gradient.item()) < 1e-12
    _, slopes = tanh_critic(W, scale * v, mixed(real, fake, shares(9)))
    assert logged["estimate"].item() == pytest.approx(gap_at_the_best_scale(slopes), rel=1e-9)
    value = -logged["discriminator_loss"].item()
    assert value == pytest.approx((1 - 1 / P) * logged["estimate"].item(), rel=1e-9)


@oracle(
    "WGANDIV-LINE",
    r"D^{*\prime}(t) = \pm \left( \frac{|F_g(t) - F_r(t)|}{k\,p\,u(t)} \right)^{1/(p-1)}",
)
def slope_on_the_line(difference, u, k=K, p=P):
    """f' where the distribution functions differ by F_g - F_r and u is the density of x^."""
    return np.sign(difference) * (np.abs(difference) / (k * p * u)) ** (1 / (p - 1))


@pytest.mark.parametrize("seed", range(3))
def test_the_best_critic_on_the_line(seed):
    """A critic with one slope for each cell of a grid, and points counted cell by cell."""
    rng = np.random.default_rng(seed)
    h, cells = 0.5, 7
    at_node, at_other = (rng.integers(1, 9, cells + 1) for _ in range(2))
    in_cell = rng.integers(1, 9, cells)
    F_r, F_g = (np.cumsum(c / c.sum())[:-1] for c in (at_node, at_other))
    best = slope_on_the_line(F_g - F_r, in_cell / in_cell.sum() / h)
    slopes = torch.tensor(best, requires_grad=True)
    D = torch.cat([torch.zeros(1, dtype=torch.float64), (h * slopes).cumsum(0)])
    real, fake = (D.repeat_interleave(torch.from_numpy(c)) for c in (at_node, at_other))
    squared = slopes.repeat_interleave(torch.from_numpy(in_cell)).square()
    loss = wgan_div.discriminator_loss(real, fake) + K * wgan_div.slope_penalty(squared, P)
    (gradient,) = torch.autograd.grad(loss, slopes)
    assert gradient.abs().max() < 1e-12, "the loss is convex in the slopes"
    assert -loss.item() == pytest.approx((1 - 1 / P) * h * (best * (F_g - F_r)).sum(), rel=1e-12)


# --- the steps ---------------------------------------------------------------------------------


def test_every_step_of_the_critic_has_its_own_samples_then_the_generator_moves_once():
    model, calls = wgan_div.WGANDiv(POINTS), []
    assert model.samples_per_step == POINTS.critic_steps * POINTS.batch_size == 24
    discriminator_step, generator_step = model.discriminator_step, model.generator_step
    model.discriminator_step = lambda real: calls.append(real) or discriminator_step(real)
    model.generator_step = lambda n: calls.append(n) or generator_step(n)
    real = torch.randn(model.samples_per_step, 2)
    logged = model.step(Batch(real, None))
    assert calls[3:] == [8]
    assert same(torch.cat(calls[:3]), real)
    assert set(logged) == {"discriminator_loss", "estimate", "gradient_norm", "generator_loss"}


def test_the_papers_settings():
    for name in ("cpu", "gpu"):
        config = wgan_div.PRESETS[name]
        assert (config.penalty_weight, config.power) == (K, P)
        assert config.betas == (0.0, 0.9), "no momentum, as in WGAN-GP"
    squared = torch.tensor([0.25, 4.0], dtype=torch.float64)
    assert wgan_div.slope_penalty(squared).item() == (0.5**6 + 2.0**6) / 2
    model = wgan_div.WGANDiv(POINTS)
    for optimizer in (model.discriminator_optimizer, model.generator_optimizer):
        (group,) = optimizer.param_groups
        assert (group["lr"], group["betas"]) == (POINTS.learning_rate, POINTS.betas)


def test_the_fakes_move_to_the_data():
    values = 0.3 * torch.randn(2000, 2) + torch.tensor([2.0, -1.0])
    config = replace(POINTS, hidden=(32,), critic_steps=2, batch_size=64, steps=150)
    config = replace(config, learning_rate=5e-3, average_decay=0.95)
    data = TensorData(values, name="one Gaussian")
    run = wgan_div.train(config, data, device="cpu", progress=False, snapshots=0)
    samples = run.sample(1000, seed=0)
    assert (samples.mean(0) - torch.tensor([2.0, -1.0])).norm() < 0.5


MUTANTS = [
    *mutants(
        "objectives.wgan_div",
        (
            "WGAN-div: the slope is squared twice: ||g||^(2p)",
            "return (squared ** (power / 2)).mean()",
            "return (squared**power).mean()",
            "test_slope_penalty",
        ),
        (
            "WGAN-div: (||g|| - 1)^p: the penalty is centred at 1, as in WGAN-GP",
            "return (squared ** (power / 2)).mean()",
            "return ((squared.sqrt() - 1) ** power).mean()",
            "test_slope_penalty",
        ),
        (
            "WGAN-div: a root before the power: NaN where the critic is flat",
            "return (squared ** (power / 2)).mean()",
            "return (squared.sqrt() ** power).mean()",
            "test_a_flat_critic_pays_nothing_and_has_no_nan",
        ),
        (
            "WGAN-div: the power is computed in half precision, where 7^6 is infinite",
            "return (squared ** (power / 2)).mean()",
            "return (squared.half() ** (power / 2)).mean()",
            "test_float16_is_too_small_for_the_sixth_power",
        ),
        (
            "WGAN-div: the power of the mean slope, not the mean of the powers",
            "return (squared ** (power / 2)).mean()",
            "return squared.mean() ** (power / 2)",
            "test_slope_penalty",
        ),
        (
            "WGAN-div: one slope for the whole batch",
            "between(real, fake)).square().sum(1)",
            "between(real, fake)).square().sum()[None]",
            "test_one_slope_for_each_sample_over_all_dimensions",
        ),
        (
            "WGAN-div: the penalty at real samples only",
            "gradients(self.discriminator, between(real, fake))",
            "gradients(self.discriminator, real)",
            "test_the_critics_loss_is_minus_the_value_of_the_game",
        ),
        (
            "WGAN-div: the weight k is halved once too often",
            "loss = distance + self.config.penalty_weight * penalty",
            "loss = distance + self.config.penalty_weight / 2 * penalty",
            "test_the_critics_loss_is_minus_the_value_of_the_game",
        ),
        (
            "WGAN-div: the power of the config is ignored",
            "slope_penalty(squared, self.config.power)",
            "slope_penalty(squared)",
            "test_the_critics_loss_is_minus_the_value_of_the_game",
        ),
        (
            "WGAN-div: -L_D, with the penalty in it, is logged as the estimate",
            '"estimate": -distance',
            '"estimate": -loss',
            "test_the_critics_loss_is_minus_the_value_of_the_game",
        ),
        (
            "WGAN-div: the mean squared slope is logged as the mean slope",
            "norms = squared.sqrt()",
            "norms = squared",
            "test_one_slope_for_each_sample_over_all_dimensions",
        ),
        (
            "WGAN-div: the generator moves after each step of the critic",
            "logged = self.discriminator_step(real)\n"
            "        return logged | self.generator_step(self.config.batch_size)",
            "logged = self.discriminator_step(real) | "
            "self.generator_step(self.config.batch_size)\n"
            "        return logged",
            "test_every_step_of_the_critic_has_its_own_samples_then_the_generator_moves_once",
        ),
        (
            "WGAN-div: all steps of the critic see the same batch",
            "for real in batch.x.split(self.config.batch_size):",
            "for real in [batch.x[: self.config.batch_size]] * self.config.critic_steps:",
            "test_every_step_of_the_critic_has_its_own_samples_then_the_generator_moves_once",
        ),
        (
            "WGAN-div: batch normalisation in a critic whose slope is penalised",
            "self.discriminator = Discriminator(config)",
            "self.discriminator = Discriminator(config, batch_norm=True)",
            "test_the_models_critic_judges_each_image_alone",
        ),
        (
            "WGAN-div: the weight of WGAN-GP",
            "penalty_weight: float = 2.0",
            "penalty_weight: float = 10.0",
            "test_the_papers_settings",
        ),
        (
            "WGAN-div: a power of two by default, as in other penalties",
            "squared: Tensor, power: float = 6.0",
            "squared: Tensor, power: float = 2.0",
            "test_the_papers_settings",
        ),
    ),
    *mutants(
        "gradients",
        (
            "WGAN-div: one slope for each pixel, over its channels",
            "return result.flatten(1)",
            "return result",
            "test_one_slope_for_each_sample_over_all_dimensions",
        ),
        (
            "WGAN-div: no create_graph: the penalty does not move the critic",
            "create_graph=True",
            "retain_graph=True",
            "test_the_critics_loss_is_minus_the_value_of_the_game",
        ),
    ),
]


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)


def test_generated_mistakes_are_caught():
    assert not survivors(__file__, generated(wgan_div))

"""DRAGAN: the penalty around the data, its weight and its norm, and what a step descends."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from gan_lessons.data import TensorData
from gan_lessons.gradients import gradients
from gan_lessons.objectives import dragan
from tests.helpers import same
from tests.mutants import generated, mutants, survivors
from tests.oracles import check, oracle, oracles, scores, taken_over

POINTS = dragan.Config(shape=(2,), hidden=(6,), latent_dim=3, batch_size=8)
IMAGES = dragan.Config(shape=(1, 28, 28), width=2, latent_dim=3, batch_size=4)

taken_over(
    "DRAGAN-A",
    "GAN-D",
    r"L_A = \mathbb E_{x} \operatorname{softplus}(-D(x)) + \mathbb E_{z} "
    r"\operatorname{softplus}(D(G(z)))",
)
taken_over("DRAGAN-G", "GAN-G", r"L_G = \mathbb E_{z} \operatorname{softplus}(-D(G(z)))")


# --- the penalty and the objective -------------------------------------------------------------


@oracle("DRAGAN-P", r"P = \mathbb E_{\hat x} \bigl( \lVert \nabla D(\hat x) \rVert - k \bigr)^2")
def gradient_penalty(norms, slope):
    return np.mean(norms**2) - 2 * slope * np.mean(norms) + slope**2


@pytest.mark.parametrize("slope", [1.0, 0.0, 2.5])
def test_gradient_penalty_is_two_sided_and_on_the_norm(slope):
    norms = np.abs(scores(7))
    assert norms.min() < 1 < norms.max(), "both sides are in the test"
    check("DRAGAN-P", dragan.gradient_penalty, norms=norms, slope=slope)


def logistic(real_scores, fake_scores):
    """-E log P(x) - E log(1 - P(G(z)))."""
    return np.logaddexp(0, -real_scores).mean() + np.logaddexp(0, fake_scores).mean()


@oracle("DRAGAN-D", r"L_D = L_A + \lambda P")
def discriminator_objective(W, b, v, c, real, fake, points, weight, slope):
    """D(x) = <v, leaky(W x + b)> + c, whose slope at x is W' (v leaky'(W x + b))."""

    def hidden(x):
        return x @ W.T + b

    def score(x):
        return np.maximum(hidden(x), 0.2 * hidden(x)) @ v + c

    slopes = (v * np.where(hidden(points) > 0, 1.0, 0.2)) @ W
    penalty = np.mean((np.sqrt((slopes**2).sum(1)) - slope) ** 2)
    return logistic(score(real), score(fake)) + weight * penalty


@pytest.fixture
def model():
    """In float64, with weights large enough for slopes on both sides of 1, and no symmetry."""
    torch.manual_seed(1)
    model = dragan.DRAGAN(POINTS).double()
    for p in model.discriminator.parameters():
        p.data = torch.randn_like(p)
    return model


def recorded_step(model, monkeypatch, real=None):
    """One step of D: its result, and the real samples, fakes and penalised points in it."""
    real = torch.randn(8, *model.config.shape, dtype=torch.float64) if real is None else real
    seen, around = {"real": real}, dragan.around
    noise = torch.randn(8, model.config.latent_dim, dtype=torch.float64)
    model.noise = lambda n: noise
    seen["fake"] = model.generator(noise).detach()

    def remember(*inputs):
        seen["points"] = around(*inputs)
        return seen["points"]

    with monkeypatch.context() as patched:
        patched.setattr(dragan, "around", remember)
        return model.discriminator_step(real), {k: v.numpy() for k, v in seen.items()}


def test_the_step_descends_the_whole_objective(model, monkeypatch):
    """Value and gradient of the step are the oracle's: both terms, the weight, and the slope."""
    model.config = replace(POINTS, penalty_weight=3.0, slope=0.7)
    W, b, v, c = (p.detach().numpy().copy() for p in model.discriminator.parameters())
    before = {"W": W, "b": b, "v": v[0], "c": c}
    result, seen = recorded_step(model, monkeypatch)
    objective = oracles("DRAGAN-D")
    inputs = {**before, **seen, "weight": 3.0, "slope": 0.7}
    assert result["discriminator_loss"].item() == pytest.approx(objective(**inputs), rel=1e-10)
    for (name, value), p in zip(before.items(), model.discriminator.parameters(), strict=True):
        numerical = np.zeros_like(value)
        for index in np.ndindex(value.shape):
            sides = []
            for sign in (1, -1):
                nudged = value.copy()
                nudged[index] += sign * 1e-6
                sides.append(objective(**{**inputs, name: nudged}))
            numerical[index] = (sides[0] - sides[1]) / 2e-6
        own = p.grad.numpy().reshape(value.shape)
        np.testing.assert_allclose(own, numerical, atol=1e-6, err_msg=name)


def test_the_step_reports_scores_and_slope(model, monkeypatch):
    D = copy.deepcopy(model.discriminator)
    result, seen = recorded_step(model, monkeypatch)
    real, fake, points = (torch.from_numpy(seen[k]) for k in ("real", "fake", "points"))
    assert result["real_score"].item() == pytest.approx(D(real).mean().item())
    assert result["fake_score"].item() == pytest.approx(D(fake).mean().item())
    slopes = [torch.func.grad(lambda x: D(x[None])[0])(x).norm().item() for x in points]
    assert result["gradient_norm"].item() == pytest.approx(np.mean(slopes))


# --- where the penalty is ----------------------------------------------------------------------


@oracle("DRAGAN-X", r"\hat x = x + \delta, \qquad \delta \sim \mathcal N(0, (c\,s)^2 I)")
def around(real, scale, noise):
    """All numbers of the batch have one spread, the sample standard deviation."""
    spread = np.sqrt(np.sum((real - real.mean()) ** 2) / (real.size - 1))
    return real + scale * spread * np.asarray(noise)


@pytest.mark.parametrize("shape", [(2,), (1, 4, 4), (3, 4, 4)])
def test_points_around_the_data(shape):
    real = 3.0 + 2.0 * np.random.default_rng(0).standard_normal((6, *shape))
    torch.manual_seed(5)
    noise = torch.randn(6, *shape, dtype=torch.float64).numpy()

    def points(real, scale, noise):
        torch.manual_seed(5)  # the same noise as the oracle
        return dragan.around(real, scale)

    check("DRAGAN-X", points, real=real, scale=0.7, noise=list(noise))


@oracle(
    "DRAGAN-CODE",
    r"\mathbb E\, \delta = \frac s2 \cdot \frac12 \cdot \frac12 = 0.125\, s, \qquad "
    r"\sqrt{\mathbb E\, \delta^2} = \frac s2 \cdot \frac{1}{\sqrt 3} \cdot \frac{1}{\sqrt 3} "
    r"\approx 0.167\, s",
)
def moments_of_the_authors_noise(scale):
    """Mean and root mean square of scale u v, for independent u, v ~ U[0, 1)."""
    return scale * 0.5**2, scale * np.sqrt((1 / 3) ** 2)


def test_ours_is_a_centred_gaussian_and_the_authors_is_one_sided_and_smaller():
    real = 5.0 + 3.0 * torch.randn(4000, 1, 3, 3)
    ours = (dragan.around(real, 0.5) - real) / real.std()
    assert ours.mean().item() == pytest.approx(0.0, abs=0.01)
    assert ours.std().item() == pytest.approx(0.5, abs=0.01)
    assert (ours.abs() > 1).float().mean().item() == pytest.approx(0.0455, abs=0.005)
    assert torch.corrcoef(ours.flatten(1).T).fill_diagonal_(0).abs().max() < 0.1, "pixel by pixel"
    u, v = np.random.default_rng(0).random((2, 1_000_000))
    mean, rms = moments_of_the_authors_noise(0.5)
    assert (0.5 * u * v).mean() == pytest.approx(mean, abs=1e-3)
    assert np.sqrt(((0.5 * u * v) ** 2).mean()) == pytest.approx(rms, abs=1e-3)
    assert ours.square().mean().sqrt().item() == pytest.approx(3 * rms, abs=0.01)


def test_the_noise_is_made_where_the_data_are():
    """On the meta device, since not every machine has another one."""
    assert dragan.around(torch.empty(4, 2, device="meta"), 0.5).device.type == "meta"


@pytest.mark.parametrize("config", [POINTS, IMAGES])
def test_the_slope_is_measured_around_the_data_whatever_the_fakes_are(config):
    model, real = dragan.DRAGAN(config), torch.rand(8, *config.shape)
    norms = []
    for factor in (0.0, 1.0, -3.0):
        other = copy.deepcopy(model)
        for p in other.generator.parameters():
            p.data *= factor
        torch.manual_seed(3)
        norms.append(other.discriminator_step(real)["gradient_norm"].item())
    assert norms[0] == norms[1] == norms[2]


def test_the_penalty_is_not_at_the_data_themselves(model, monkeypatch):
    _, seen = recorded_step(model, monkeypatch)
    assert np.abs(seen["points"] - seen["real"]).min(1).mean() > 0.1
    assert same(dragan.around(torch.ones(3, 2), 0.5), torch.ones(3, 2)), "no spread, no noise"


# --- the norms ---------------------------------------------------------------------------------


class Linear(nn.Module):
    """D(x) = <w, x> with weights of any shape."""

    def __init__(self, w):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w))

    def forward(self, x):
        return (self.w * x).flatten(1).sum(1)


@oracle("DRAGAN-LINEAR", r"P = ( \lVert w \rVert - k )^2")
def penalty_of_a_linear_score(w, slope):
    return (np.sqrt(np.sum(w * w)) - slope) ** 2


@pytest.mark.parametrize("length", [0.0, 0.3, 1.0, 7.0])
@pytest.mark.parametrize("shape", [(2,), (1, 28, 28), (3, 28, 28)])
def test_penalty_of_a_linear_score_is_exact_whatever_the_noise(shape, length, monkeypatch):
    """What the step adds to the adversarial loss, and a step that leaves no NaN, even from 0."""
    w = np.random.default_rng(0).standard_normal(shape)
    w *= length / np.linalg.norm(w)
    for scale, slope in ((0.0, 1.0), (0.5, 0.4), (100.0, 1.0)):
        config = replace(IMAGES, shape=shape, hidden=(4,), noise_scale=scale, slope=slope)
        model = dragan.DRAGAN(config).double()
        model.discriminator = Linear(w)
        model.discriminator_optimizer = torch.optim.SGD(model.discriminator.parameters(), 0.1)
        result, seen = recorded_step(model, monkeypatch)
        assert result["gradient_norm"].item() == pytest.approx(length, rel=1e-10)
        real, fake = ((seen[name] * w).reshape(8, -1).sum(1) for name in ("real", "fake"))
        added = result["discriminator_loss"].item() - logistic(real, fake)
        assert added == pytest.approx(10 * penalty_of_a_linear_score(w, slope), abs=1e-9)
        assert model.discriminator.w.isfinite().all()


@oracle(
    "DRAGAN-SIGMOID",
    r"\lVert \nabla \sigma(D(x)) \rVert = \sigma(D(x))\,\bigl(1 - \sigma(D(x))\bigr)\, \lVert "
    r"\nabla D(x) \rVert \le \tfrac14 \lVert \nabla D(x) \rVert",
)
def slope_of_the_probability(score, slope):
    """P (1 - P) times the slope of the score; written with tanh."""
    return (1 - np.tanh(score / 2) ** 2) / 4 * slope


def test_the_slope_of_the_probability_is_a_quarter_of_the_scores_at_most():
    rng = np.random.default_rng(0)
    w, x = 3.0 * rng.standard_normal(5), rng.standard_normal((40, 5))
    D, points = Linear(w), torch.from_numpy(x)
    of_score, of_probability = (
        gradients(f, points).norm(dim=1).detach().numpy() for f in (D, lambda v: D(v).sigmoid())
    )
    np.testing.assert_allclose(of_probability, slope_of_the_probability(x @ w, of_score))
    assert (of_probability <= of_score / 4).all()


def test_every_norm_depends_on_its_own_sample():
    D, images = dragan.DRAGAN(IMAGES).discriminator, torch.randn(4, *IMAGES.shape)
    norms = gradients(D, images).norm(dim=1)
    for norm, image in zip(norms, images, strict=True):
        assert norm.item() == pytest.approx(gradients(D, image[None]).norm().item(), rel=1e-5)


# --- train -------------------------------------------------------------------------------------


def test_the_presets_are_what_the_chapter_says():
    for config in dragan.PRESETS.values():
        assert (config.penalty_weight, config.slope, config.noise_scale) == (10, 1, 0.5)


def test_the_fakes_move_to_the_data():
    generator = torch.Generator().manual_seed(0)
    values = 0.3 * torch.randn(2000, 2, generator=generator) + torch.tensor([2.0, -1.0])
    data = TensorData(values, name="one Gaussian")
    config = replace(
        POINTS, hidden=(32,), batch_size=32, learning_rate=5e-3, steps=300, average_decay=0.95
    )
    run = dragan.train(config, data, device="cpu", progress=False, snapshots=0)
    samples = run.sample(1000, seed=0)
    assert (samples.mean(0) - torch.tensor([2.0, -1.0])).norm() < 0.6


# --- planted mistakes --------------------------------------------------------------------------

MUTANTS = mutants(
    "objectives.dragan",
    (
        "DRAGAN: the adversarial loss is never back-propagated: only the penalty is",
        "update(self.discriminator_optimizer, loss)",
        "update(self.discriminator_optimizer, gradient_penalty(norms))",
        "test_the_step_descends_the_whole_objective",
    ),
    (
        "DRAGAN: the penalty is computed and left out of the loss",
        "loss = loss + self.config.penalty_weight *",
        "_ = loss + self.config.penalty_weight *",
        "test_the_step_descends_the_whole_objective",
    ),
    (
        "DRAGAN: the penalty has no weight",
        "loss = loss + self.config.penalty_weight *",
        "loss = loss +",
        "test_the_step_descends_the_whole_objective",
    ),
    (
        "DRAGAN: the penalty always asks for the slope 1, whatever k is",
        "gradient_penalty(norms, self.config.slope)",
        "gradient_penalty(norms)",
        "test_the_step_descends_the_whole_objective",
    ),
    (
        "DRAGAN: the norm of the gradient is taken over the channels, pixel by pixel",
        "gradients(self.discriminator, points).norm(dim=1)",
        "gradients(self.discriminator, points).unflatten(1, real.shape[1:]).norm(dim=1)",
        "test_penalty_of_a_linear_score_is_exact_whatever_the_noise",
    ),
    (
        "DRAGAN: one norm for the whole batch",
        "gradients(self.discriminator, points).norm(dim=1)",
        "gradients(self.discriminator, points).norm()[None]",
        "test_penalty_of_a_linear_score_is_exact_whatever_the_noise",
    ),
    (
        "DRAGAN: a root of squares has no gradient where the score is flat",
        "gradients(self.discriminator, points).norm(dim=1)",
        "gradients(self.discriminator, points).square().sum(1).sqrt()",
        "test_penalty_of_a_linear_score_is_exact_whatever_the_noise",
    ),
    (
        "DRAGAN: the penalty is on sigmoid(D), which has a quarter of the slope at most",
        "gradients(self.discriminator, points)",
        "gradients(lambda x: self.discriminator(x).sigmoid(), points)",
        "test_penalty_of_a_linear_score_is_exact_whatever_the_noise",
    ),
    (
        "DRAGAN: only slopes above k are penalised",
        "((norms - slope) ** 2).mean()",
        "((norms - slope).clamp_min(0) ** 2).mean()",
        "test_gradient_penalty_is_two_sided_and_on_the_norm",
    ),
    (
        "DRAGAN: the squared norm is compared with k",
        "((norms - slope) ** 2).mean()",
        "((norms**2 - slope) ** 2).mean()",
        "test_gradient_penalty_is_two_sided_and_on_the_norm",
    ),
    (
        "DRAGAN: one-sided noise, which only makes images brighter",
        "torch.randn_like(real)",
        "torch.rand_like(real)",
        "test_ours_is_a_centred_gaussian_and_the_authors_is_one_sided_and_smaller",
    ),
    (
        "DRAGAN: one noise for all pixels of a sample",
        "torch.randn_like(real)",
        "torch.randn(len(real), *[1] * (real.dim() - 1))",
        "test_points_around_the_data",
    ),
    (
        "DRAGAN: one noise for the whole batch",
        "torch.randn_like(real)",
        "torch.randn_like(real[:1])",
        "test_points_around_the_data",
    ),
    (
        "DRAGAN: the noise is made on the CPU, wherever the data are",
        "torch.randn_like(real)",
        "torch.randn(real.shape)",
        "test_the_noise_is_made_where_the_data_are",
    ),
    (
        "DRAGAN: the noise knows nothing of the data's spread",
        "scale * real.std() *",
        "scale *",
        "test_ours_is_a_centred_gaussian_and_the_authors_is_one_sided_and_smaller",
    ),
    (
        "DRAGAN: the variance of the data in place of the standard deviation",
        "real.std()",
        "real.var()",
        "test_ours_is_a_centred_gaussian_and_the_authors_is_one_sided_and_smaller",
    ),
    (
        "DRAGAN: the penalty around the fakes",
        "around(real, self.config.noise_scale)",
        "around(fake, self.config.noise_scale)",
        "test_the_slope_is_measured_around_the_data_whatever_the_fakes_are",
    ),
    (
        "DRAGAN: the penalty between data and fakes, as in WGAN-GP",
        "around(real, self.config.noise_scale)",
        "torch.lerp(real, fake, torch.rand_like(real))",
        "test_the_slope_is_measured_around_the_data_whatever_the_fakes_are",
    ),
    (
        "DRAGAN: the penalty at the data themselves, without noise",
        "around(real, self.config.noise_scale)",
        "real",
        "test_the_penalty_is_not_at_the_data_themselves",
    ),
    (
        "DRAGAN: batch normalisation in the penalised discriminator",
        "Discriminator(config)",
        "Discriminator(config, batch_norm=True)",
        "test_every_norm_depends_on_its_own_sample",
    ),
    (
        "DRAGAN: noise as wide as the data, where the presets have half of it",
        "noise_scale: float = 0.5",
        "noise_scale: float = 1.0",
        "test_the_presets_are_what_the_chapter_says",
    ),
    (
        "DRAGAN: the generator learns to be told apart",
        "loss = generator_loss(fake_scores)",
        "loss = generator_loss(-fake_scores)",
        "test_the_fakes_move_to_the_data",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)


# What changes nothing, and why.
EQUIVALENT = {
    "discriminator_step: norms and self.config.slope exchanged in `loss = loss + "
    "self.config.penalty_weight * gradient_penalty(norms, self.config.slope)`": "a difference has "
    "the same square both ways",
}


def test_generated_mistakes_are_caught():
    assert not survivors(__file__, generated(dragan, EQUIVALENT))

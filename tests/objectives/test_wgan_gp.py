"""WGAN-GP: the penalty, the points it is taken at, and what the chapter says of both."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import optimize
from torch import nn

from gan_lessons import metrics
from gan_lessons.data import Batch, TensorData
from gan_lessons.gradients import between, gradients
from gan_lessons.networks.convolutions import Discriminator
from gan_lessons.objectives import wgan_gp
from tests.helpers import same
from tests.mutants import generated, mutants, survivors
from tests.oracles import check, oracle, scores, taken_over

POINTS = wgan_gp.Config(shape=(2,), hidden=(6,), latent_dim=3, critic_steps=3, batch_size=8)
IMAGES = wgan_gp.Config(width=2, latent_dim=3, critic_steps=2, batch_size=4)

taken_over("WGANGP-W", "WGAN-D", r"L_W = \mathbb E_z D(G(z)) - \mathbb E_x D(x)")
taken_over("WGANGP-G", "WGAN-G", r"L_G = -\mathbb E_z D(G(z))")


class Linear(nn.Module):
    """D(x) = <w, x> with weights of any shape."""

    def __init__(self, w):
        super().__init__()
        self.w = torch.as_tensor(w, dtype=torch.float64)

    def forward(self, x):
        return (self.w * x).flatten(1).sum(1)


@pytest.fixture
def critics_step(monkeypatch):
    """The critic's step of the model, for a critic and samples of the test's own; e is of seed 5.

    What it logs keeps its graph: there is no update, which would free it.
    """
    monkeypatch.setattr(wgan_gp, "update", lambda optimizer, loss: None)
    model = wgan_gp.WGANGP(POINTS)
    model.generator = nn.Identity()

    def step(critic, real, fake, weight=POINTS.penalty_weight):
        model.config = replace(POINTS, penalty_weight=weight)
        model.discriminator, model.noise = critic, lambda n: fake
        torch.manual_seed(5)
        return model.discriminator_step(real)

    return step


# --- the loss and its penalty ------------------------------------------------------------------


@oracle(
    "WGANGP-P",
    r"P = \mathbb E_{\hat x} \bigl( \lVert \nabla_{\hat x} D(\hat x) \rVert_2 - 1 \bigr)^2",
)
def gradient_penalty(norms):
    return np.mean(norms**2) - 2 * np.mean(norms) + 1


def test_gradient_penalty_is_two_sided_and_on_the_norm():
    norms = np.abs(scores(7))
    assert norms.min() < 1 < norms.max(), "both sides are in the test"
    check("WGANGP-P", wgan_gp.gradient_penalty, norms=norms)


@oracle("WGANGP-X", r"\hat x = \epsilon\, x + (1 - \epsilon)\, G(z), \qquad \epsilon \sim U[0, 1]")
def mixed(real, fake, e):
    """One row of numbers e, one for each sample."""
    return np.stack([fake[i] + e[i] * (real[i] - fake[i]) for i in range(len(e))])


@pytest.mark.parametrize("shape", [(2,), (1, 4, 4), (3, 4, 4)])
def test_points_between(shape):
    real, fake = np.random.default_rng(0).standard_normal((2, 6, *shape))
    torch.manual_seed(5)
    e = torch.rand(6).tolist()

    def points(real, fake, e):
        torch.manual_seed(5)  # the same e as the oracle
        return between(real, fake)

    check("WGANGP-X", points, real=real, fake=fake, e=e)


@oracle("WGANGP-LINEAR", r"P = \bigl( \lVert w \rVert_2 - 1 \bigr)^2")
def penalty_of_a_linear_critic(w):
    return (np.sqrt(np.sum(w * w)) - 1) ** 2


@pytest.mark.parametrize("shape", [(2,), (5,), (1, 6, 6), (3, 4, 4)])
@pytest.mark.parametrize("length", [0.3, 1.0, 7.0])
def test_the_penalty_of_a_linear_critic_is_exact(shape, length, critics_step):
    """In the model's own step, for any data; and it moves the weights, through the gradient."""
    rng = np.random.default_rng(0)
    w = rng.standard_normal(shape)
    real, fake = (torch.from_numpy(rng.standard_normal((16, *shape))) for _ in range(2))

    def penalty(w):
        logged = critics_step(Linear(w), real, fake, weight=2.0)
        return (logged["discriminator_loss"] + logged["estimate"]) / 2

    check("WGANGP-LINEAR", penalty, w=w * length / np.linalg.norm(w))


def test_a_flat_critic_pays_the_full_price_and_has_a_finite_gradient(critics_step):
    """Norm 0: the root of a sum of squares would give NaN."""
    w = torch.zeros(1, 3, 3, dtype=torch.float64, requires_grad=True)
    loss = critics_step(Linear(w), *torch.randn(2, 4, 1, 3, 3))["discriminator_loss"]
    assert loss.item() == POINTS.penalty_weight
    loss.backward()
    assert w.grad.isfinite().all()


@oracle("WGANGP-D", r"L_D = L_W + \lambda P")
def penalised_loss(W, b, v, real, fake, e, weight):
    """For D(x) = <v, leaky(W x + b)>, whose gradient is written by hand."""
    real, fake = np.array([real, fake])

    def D(x):
        h = x @ W.T + b
        return np.maximum(h, 0.2 * h) @ v

    gap = D(fake).mean() - D(real).mean()
    return gap + weight * gradient_penalty(norms_by_hand(W, b, v, mixed(real, fake, e)))


def norms_by_hand(W, b, v, points):
    slopes = np.where(points @ W.T + b > 0, 1.0, 0.2)
    return np.sqrt((np.einsum("nh,hd->nd", slopes * v, W) ** 2).sum(axis=1))


class Shallow(nn.Module):
    """A perceptron with one hidden layer, on given weights."""

    def __init__(self, W, b, v):
        super().__init__()
        self.W, self.b, self.v = W, b, v

    def forward(self, x):
        return nn.functional.leaky_relu(x @ self.W.T + self.b, 0.2) @ self.v


@pytest.mark.parametrize("weight", [10.0, 0.5])
def test_the_critics_step_has_the_penalised_loss(weight, critics_step):
    """Value, and gradient with respect to the weights, through the gradient of the penalty."""
    rng = np.random.default_rng(1)
    weights = {"W": rng.standard_normal((4, 2)), "b": rng.standard_normal(4), "v": scores(4)}
    real, fake = rng.standard_normal((2, 7, 2)).tolist()  # lists: no gradient goes there
    torch.manual_seed(5)
    given = {"real": real, "fake": fake, "e": torch.rand(7).tolist(), "weight": weight}

    def step(W, b, v, real, fake, e, weight):
        samples = (torch.tensor(s, dtype=torch.float64) for s in (real, fake))
        return critics_step(Shallow(W, b, v), *samples, weight)

    check("WGANGP-D", lambda **inputs: step(**inputs)["discriminator_loss"], **weights, **given)
    logged = step(**{name: torch.from_numpy(w) for name, w in weights.items()}, **given)
    gap = -penalised_loss(**weights, **given | {"weight": 0.0})
    assert logged["estimate"].item() == pytest.approx(gap), "without the penalty"
    norms = norms_by_hand(**weights, points=mixed(*np.array([real, fake]), given["e"]))
    assert logged["gradient_norm"].item() == pytest.approx(norms.mean())


# --- each score depends on its own sample ------------------------------------------------------


@oracle("WGANGP-ALONE", r"\frac{\partial D(x_i)}{\partial x_j} = 0 \quad \text{for all } i \ne j")
def reached(n):
    """Which samples (columns) have a gradient of which score (rows)."""
    return [[i == j for j in range(n)] for i in range(n)]


def across(critic, x):
    """The norms (n, n) of d D(x_i) / d x_j."""
    jacobian = torch.autograd.functional.jacobian(critic, x)
    return jacobian.flatten(2).norm(dim=2)


def test_the_scores_of_the_models_critic_depend_on_one_sample_each():
    """So the norms of a batch are those of each score alone; with batch normalisation, not."""
    images = torch.rand(5, 1, 32, 32, dtype=torch.float64) * 2 - 1
    alone = wgan_gp.WGANGP(IMAGES).discriminator.double()
    joined = Discriminator(IMAGES, batch_norm=True).double()
    assert (across(alone, images) > 0).tolist() == reached(5)
    assert (across(joined, images) > 0).all()
    for critic, agrees in ((alone, True), (joined, False)):
        seen, own = gradients(critic, images).norm(dim=1), across(critic, images).diagonal()
        assert torch.allclose(seen, own, rtol=1e-9) == agrees
    assert not list(alone.buffers()), "no statistics of batches"


# --- the optimum -------------------------------------------------------------------------------


@oracle("WGANGP-SLOPE", r"\lVert w^* \rVert = 1 + \frac{\Delta}{2 \lambda}")
def best_slope(shift, weight):
    return 1 + shift / (2 * weight)


@oracle("WGANGP-GAP", r"-L_W = \Delta + \frac{\Delta^2}{2 \lambda}")
def best_gap(shift, weight):
    return shift + shift**2 / (2 * weight)


@pytest.fixture
def linear_loss(critics_step):
    """The model's loss of a linear critic between a fake at 0 and a real point at `shift`."""

    def loss(w, shift, weight):
        real = torch.as_tensor(shift, dtype=torch.float64)[None]
        logged = critics_step(Linear(w), real, torch.zeros_like(real), weight)
        return logged["discriminator_loss"].item()

    return loss


@pytest.mark.parametrize(
    ("shift", "weight"), [((1.0, 0.0), 10.0), ((3.0, 0.0), 10.0), ((-3.0, 4.0), 50.0)]
)
def test_the_best_linear_critic_is_steeper_than_one(shift, weight, linear_loss):
    length = np.linalg.norm(shift)
    found = optimize.minimize(lambda w: linear_loss(w, shift, weight), np.ones(2), method="BFGS")
    assert np.linalg.norm(found.x) == pytest.approx(best_slope(length, weight), rel=1e-5)
    assert found.x @ np.array(shift) == pytest.approx(best_gap(length, weight), rel=1e-5)
    assert found.fun == pytest.approx(-(length + length**2 / (4 * weight)), rel=1e-8)


@pytest.mark.parametrize("shift", [0.0, 0.5, 3.0, 20.0])
def test_the_estimate_predicts_the_slope(shift):
    """What the chapter draws: WGANGP-GAP solved for the shift, put into WGANGP-SLOPE."""
    weight = 10.0
    predicted = (1 + np.sqrt(1 + 2 * best_gap(shift, weight) / weight)) / 2
    assert predicted == pytest.approx(best_slope(shift, weight), rel=1e-12)


@pytest.mark.parametrize("slope", [-1.0, 0.0, 0.4, 1.0])
def test_slope_one_holds_along_coupled_pairs_only(slope):
    """Real points at 0 and 3, fakes at 1 and 2: any slope between the fakes is perfect."""
    scores_at = np.array([1.0, 0.0, slope, slope + 1])  # at 0, 1, 2 and 3
    assert np.abs(np.diff(scores_at)).max() <= 1, "a critic of slope one at most"
    gap = scores_at[[0, 3]].mean() - scores_at[[1, 2]].mean()
    real, fake = torch.tensor([0.0, 3.0]), torch.tensor([1.0, 2.0])
    assert gap == pytest.approx(metrics.wasserstein_1d(real, fake))


@oracle("WGANGP-TRAP", r"w = -\Bigl( 1 - \frac{\Delta}{2 \lambda} \Bigr)")
def slope_in_the_trap(shift, weight):
    return -(1 - shift / (2 * weight))


def test_on_a_line_a_critic_with_the_wrong_sign_is_a_local_minimum(linear_loss):
    shift, weight = 3.0, 10.0
    trap = slope_in_the_trap(shift, weight)
    assert trap * shift < 0, "the gap has the wrong sign"
    at, left, right = (linear_loss([trap + d], [shift], weight) for d in (0.0, -0.01, 0.01))
    assert at < min(left, right)
    assert right == pytest.approx(left, abs=1e-12), "the middle of a parabola"
    assert linear_loss([best_slope(shift, weight)], [shift], weight) < at, "local only"
    turned = [trap * np.cos(0.1), trap * np.sin(0.1)]
    assert linear_loss(turned, [shift, 0.0], weight) < at, "in the plane there is a way out"


@oracle(
    "WGANGP-ONE",
    r"P_1 = \mathbb E_{\hat x} \max\bigl( 0, \lVert \nabla_{\hat x} D(\hat x) \rVert_2 - 1 "
    r"\bigr)^2",
)
def one_sided(norms):
    return np.mean(np.where(norms > 1, norms - 1, 0.0) ** 2)


def test_the_penalty_is_the_one_sided_one_and_its_mirror_image():
    """Where no slope is below one, the two are the same, gradient and all."""
    norms = np.abs(scores(7))
    two_sided = wgan_gp.gradient_penalty(torch.from_numpy(norms)).item()
    assert two_sided == pytest.approx(one_sided(norms) + one_sided(2 - norms), rel=1e-12)
    assert two_sided > one_sided(norms), "some slopes are below one"
    check("WGANGP-ONE", wgan_gp.gradient_penalty, norms=norms + 1)


def test_the_one_sided_penalty_has_no_trap_and_the_same_optimum(linear_loss):
    shift, weight = 3.0, 10.0
    slopes, point = np.linspace(-2, 2, 401), torch.full((1, 1), shift, dtype=torch.float64)
    norms = [gradients(Linear([w]), point).norm(dim=1).numpy() for w in slopes]
    loss = -shift * slopes + weight * np.array([one_sided(n) for n in norms])
    best = slopes[np.argmin(loss)]
    assert (np.diff(loss)[slopes[:-1] < best - 0.01] < 0).all(), "downhill all the way"
    assert best == pytest.approx(best_slope(shift, weight), abs=1e-9)
    assert loss.min() == pytest.approx(linear_loss([best], [shift], weight), abs=1e-9)


# --- the step ----------------------------------------------------------------------------------


def test_steps_of_the_critic_on_samples_of_their_own_then_one_of_the_generator():
    model, calls = wgan_gp.WGANGP(POINTS), []
    assert model.samples_per_step == POINTS.critic_steps * POINTS.batch_size == 24
    discriminator_step, generator_step = model.discriminator_step, model.generator_step
    model.discriminator_step = lambda real: calls.append(real) or discriminator_step(real)
    model.generator_step = lambda n: calls.append(n) or generator_step(n)
    real = torch.randn(model.samples_per_step, 2)
    logged = model.step(Batch(real, None))
    assert calls[3:] == [8], "the generator once, at the end"
    assert same(torch.cat(calls[:3]), real), "every sample once"
    assert set(logged) == {"discriminator_loss", "estimate", "gradient_norm", "generator_loss"}


def test_the_papers_settings():
    """Its weight, its five steps, and Adam without momentum, for both players."""
    for name in ("cpu", "gpu"):
        config = wgan_gp.PRESETS[name]
        assert (config.penalty_weight, config.critic_steps) == (10.0, 5)
        assert config.betas == (0.0, 0.9)
    model = wgan_gp.WGANGP(POINTS)
    for optimizer in (model.discriminator_optimizer, model.generator_optimizer):
        (group,) = optimizer.param_groups
        assert (group["lr"], group["betas"]) == (POINTS.learning_rate, POINTS.betas)


def test_the_fakes_move_to_the_data_and_the_slope_to_one():
    values = 0.3 * torch.randn(2000, 2) + torch.tensor([2.0, -1.0])
    config = replace(POINTS, hidden=(32,), batch_size=64, steps=200, average_decay=0.95)
    config = replace(config, learning_rate=5e-3)
    data = TensorData(values, name="one Gaussian")
    run = wgan_gp.train(config, data, device="cpu", progress=False, snapshots=0)
    samples = run.sample(1000, seed=0)
    assert (samples.mean(0) - torch.tensor([2.0, -1.0])).norm() < 0.5
    assert run.history["gradient_norm"][-50:].mean() == pytest.approx(1, abs=0.2)


MUTANTS = [
    *mutants(
        "objectives.wgan_gp",
        (
            "WGAN-GP: one norm for the whole batch",
            "between(real, fake)).norm(dim=1)",
            "between(real, fake)).norm()[None]",
            "test_the_penalty_of_a_linear_critic_is_exact",
        ),
        (
            "WGAN-GP: a root of squares has no gradient where the critic is flat",
            "between(real, fake)).norm(dim=1)",
            "between(real, fake)).square().sum(1).sqrt()",
            "test_a_flat_critic_pays_the_full_price_and_has_a_finite_gradient",
        ),
        (
            "WGAN-GP: the penalty at real points only",
            "gradients(self.discriminator, between(real, fake))",
            "gradients(self.discriminator, real)",
            "test_the_critics_step_has_the_penalised_loss",
        ),
        (
            "WGAN-GP: the penalty at fakes only",
            "gradients(self.discriminator, between(real, fake))",
            "gradients(self.discriminator, fake)",
            "test_the_critics_step_has_the_penalised_loss",
        ),
        (
            "WGAN-GP: the penalty wants a squared norm of one",
            "((norms - 1) ** 2).mean()",
            "((norms**2 - 1) ** 2).mean()",
            "test_gradient_penalty_is_two_sided_and_on_the_norm",
        ),
        (
            "WGAN-GP: the penalty is one-sided, the paper's is not",
            "((norms - 1) ** 2).mean()",
            "((norms - 1).clamp_min(0) ** 2).mean()",
            "test_gradient_penalty_is_two_sided_and_on_the_norm",
        ),
        (
            "WGAN-GP: the mean norm is penalised, not the mean of the penalties",
            "((norms - 1) ** 2).mean()",
            "(norms.mean() - 1) ** 2",
            "test_gradient_penalty_is_two_sided_and_on_the_norm",
        ),
        (
            "WGAN-GP: the weight of the penalty is forgotten",
            "self.config.penalty_weight * gradient_penalty(norms)",
            "gradient_penalty(norms)",
            "test_the_critics_step_has_the_penalised_loss",
        ),
        (
            "WGAN-GP: batch normalisation in the critic",
            "self.discriminator = Discriminator(config)",
            "self.discriminator = Discriminator(config, batch_norm=True)",
            "test_the_scores_of_the_models_critic_depend_on_one_sample_each",
        ),
        (
            "WGAN-GP: the reported estimate holds the penalty",
            '"estimate": -distance',
            '"estimate": -loss',
            "test_the_critics_step_has_the_penalised_loss",
        ),
        (
            "WGAN-GP: the generator moves after every step of the critic",
            "logged = self.discriminator_step(real)\n",
            "logged = self.discriminator_step(real) | self.generator_step(len(real))\n",
            "test_steps_of_the_critic_on_samples_of_their_own_then_one_of_the_generator",
        ),
        (
            "WGAN-GP: all steps of the critic on the same samples",
            "logged = self.discriminator_step(real)\n",
            "logged = self.discriminator_step(batch.x[: len(real)])\n",
            "test_steps_of_the_critic_on_samples_of_their_own_then_one_of_the_generator",
        ),
        (
            "WGAN-GP: the critic's Adam has the momentum of a DCGAN",
            "adam(self.discriminator, config.learning_rate, config.betas)",
            "adam(self.discriminator, config.learning_rate, (0.5, 0.999))",
            "test_the_papers_settings",
        ),
        (
            "WGAN-GP: a weight of one instead of ten",
            "penalty_weight: float = 10.0",
            "penalty_weight: float = 1.0",
            "test_the_papers_settings",
        ),
    ),
    *mutants(
        "gradients",
        (
            "WGAN-GP: the norm of the gradient is taken over the channels, pixel by pixel",
            "return result.flatten(1)",
            "return result",
            "test_the_penalty_of_a_linear_critic_is_exact",
        ),
        (
            "WGAN-GP: no create_graph, so that the penalty moves no weight",
            "create_graph=True",
            "retain_graph=True",
            "test_the_critics_step_has_the_penalised_loss",
        ),
    ),
]


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)


def test_generated_mistakes_are_caught():
    assert not survivors(__file__, generated(wgan_gp))

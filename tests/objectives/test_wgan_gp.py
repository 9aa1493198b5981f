"""WGAN-GP: the losses and facts of the chapter, and what a user of the module relies on."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import optimize
from torch import nn

from gan_lessons.data import Batch, TensorData
from gan_lessons.networks import Discriminator
from gan_lessons.objectives import wgan_gp
from tests.helpers import moved, same
from tests.oracles import check, oracle, scores

POINTS = wgan_gp.Config(shape=(2,), hidden=(6,), latent_dim=3, critic_steps=3, batch_size=8)
IMAGES = wgan_gp.Config(width=2, latent_dim=3, critic_steps=2, batch_size=4)


class Linear(nn.Module):
    """D(x) = <w, x> with weights of any shape."""

    def __init__(self, w):
        super().__init__()
        self.w = nn.Parameter(torch.as_tensor(w, dtype=torch.float64))

    def forward(self, x):
        return (self.w * x).flatten(1).sum(1)


# --- the losses --------------------------------------------------------------------------------


@oracle("WGANGP-W")
def critic_loss(real_scores, fake_scores):
    return np.sum(fake_scores) / fake_scores.size - np.sum(real_scores) / real_scores.size


@critic_loss.gradient
def _(real_scores, fake_scores):
    return {
        "real_scores": np.full(real_scores.shape, -1 / real_scores.size),
        "fake_scores": np.full(fake_scores.shape, 1 / fake_scores.size),
    }


@oracle("WGANGP-G")
def generator_loss(fake_scores):
    return -np.sum(fake_scores) / fake_scores.size


@generator_loss.gradient
def _(fake_scores):
    return {"fake_scores": np.full(fake_scores.shape, -1 / fake_scores.size)}


@oracle("WGANGP-P")
def gradient_penalty(norms):
    return np.mean(norms**2) - 2 * np.mean(norms) + 1


@gradient_penalty.gradient
def _(norms):
    return {"norms": 2 * (norms - 1) / norms.size}


@pytest.mark.parametrize(("n", "m"), [(6, 6), (3, 8), (1, 1)])
def test_critic_loss(n, m):
    real, fake = scores(n), scores(m, seed=1) + 0.5
    check("WGANGP-W", wgan_gp.critic_loss, real_scores=real, fake_scores=fake)


def test_generator_loss():
    check("WGANGP-G", wgan_gp.generator_loss, fake_scores=scores(7))


def test_gradient_penalty_is_two_sided_and_on_the_norm():
    norms = np.abs(scores(7))
    assert norms.min() < 1 < norms.max(), "both sides are in the test"
    check("WGANGP-P", wgan_gp.gradient_penalty, norms=norms)


# --- the points --------------------------------------------------------------------------------


@oracle("WGANGP-X")
def between(real, fake, e):
    """One row of numbers e, one for each sample."""
    return np.stack([fake[i] + e[i] * (real[i] - fake[i]) for i in range(len(e))])


@pytest.mark.parametrize("shape", [(2,), (1, 4, 4), (3, 4, 4)])
def test_points_between(shape):
    rng = np.random.default_rng(0)
    real, fake = rng.standard_normal((2, 6, *shape))
    torch.manual_seed(5)
    e = torch.rand(6, dtype=torch.float32).double().numpy()

    def points(real, fake, e):
        torch.manual_seed(5)  # the same e as the oracle
        return wgan_gp.between(real, fake)

    check("WGANGP-X", points, real=real, fake=fake, e=list(e))


def test_one_e_for_each_sample_uniform_from_0_to_1():
    real, fake = torch.ones(4000, 1, 3, 3), torch.zeros(4000, 1, 3, 3)
    points = wgan_gp.between(real, fake)
    assert points.shape == real.shape
    e = points[:, 0, 0, 0]
    assert (points == e[:, None, None, None]).all(), "e differs from pixel to pixel"
    assert len(e.unique()) > 3000, "one e for the whole batch"
    assert e.min() >= 0
    assert e.max() <= 1
    assert e.mean().item() == pytest.approx(0.5, abs=0.03)
    assert e.var().item() == pytest.approx(1 / 12, abs=0.01)


# --- the norms ---------------------------------------------------------------------------------


@oracle("WGANGP-LINEAR")
def penalty_of_a_linear_critic(w):
    return (np.sqrt(np.sum(w * w)) - 1) ** 2


@pytest.mark.parametrize("shape", [(2,), (5,), (1, 6, 6), (3, 4, 4)])
@pytest.mark.parametrize("length", [0.3, 1.0, 7.0])
def test_penalty_of_a_linear_critic_is_exact(shape, length):
    rng = np.random.default_rng(0)
    w = rng.standard_normal(shape)
    w *= length / np.linalg.norm(w)
    real, fake = (torch.from_numpy(rng.standard_normal((16, *shape))) for _ in range(2))
    norms = wgan_gp.gradient_norms(Linear(w), wgan_gp.between(real, fake))
    assert norms.shape == (16,)
    assert wgan_gp.gradient_penalty(norms).item() == pytest.approx(
        penalty_of_a_linear_critic(w), abs=1e-12
    )


def test_the_penalty_moves_the_weights_of_a_linear_critic():
    """Value and gradient with respect to w; none without create_graph."""

    def penalty(w):
        points = torch.randn(4, *w.shape, dtype=torch.float64)
        norms = wgan_gp.gradient_norms(lambda x: (x * w).flatten(1).sum(1), points)
        return wgan_gp.gradient_penalty(norms)

    check("WGANGP-LINEAR", penalty, w=scores(6).reshape(1, 2, 3))


def test_each_point_has_a_norm_of_its_own():
    """D(x) = |x|^2 / 2 has the gradient x."""
    points = torch.randn(5, 1, 4, 4, dtype=torch.float64)
    norms = wgan_gp.gradient_norms(lambda x: x.square().flatten(1).sum(1) / 2, points)
    expected = np.sqrt((points.numpy() ** 2).sum(axis=(1, 2, 3)))
    np.testing.assert_allclose(norms.detach().numpy(), expected, rtol=1e-12)
    assert not points.requires_grad, "the caller's tensor is left alone"


def test_a_flat_critic_has_a_finite_gradient():
    """Norm 0: the root of a sum of squares would give NaN."""
    critic = Linear(np.zeros((1, 3, 3)))
    penalty = wgan_gp.gradient_penalty(wgan_gp.gradient_norms(critic, torch.randn(4, 1, 3, 3)))
    assert penalty.item() == 1
    penalty.backward()
    assert critic.w.grad.isfinite().all()


@oracle("WGANGP-ALONE")
def gradient_of_another_sample(w, x, i, j):
    """d D(x_i) / d x_j for D(x) = tanh(<w, x>), evaluated on a whole batch."""
    scores = np.tanh(x @ w)
    jacobian = np.einsum("i,ij,k->ijk", 1 - scores**2, np.eye(len(x)), w)
    return np.linalg.norm(jacobian[i, j])


def across(critic, x):
    """The norms (n, n) of d D(x_i) / d x_j."""
    jacobian = torch.autograd.functional.jacobian(critic, x)
    return jacobian.flatten(2).norm(dim=2)


def test_gradients_across_samples():
    """None without batch normalisation; with it, every sample moves every score."""
    w, x = scores(3), scores(12).reshape(4, 3)
    measured = across(lambda x: torch.tanh(x @ torch.from_numpy(w)), torch.from_numpy(x))
    expected = [[gradient_of_another_sample(w, x, i, j) for j in range(4)] for i in range(4)]
    np.testing.assert_allclose(measured.numpy(), expected, rtol=1e-12)
    images = torch.rand(5, 1, 32, 32, dtype=torch.float64) * 2 - 1
    apart = ~torch.eye(5, dtype=torch.bool)
    alone, joined = (Discriminator(IMAGES, batch_norm=b).double() for b in (False, True))
    assert (across(alone, images)[apart] == 0).all()
    assert (across(joined, images)[apart] > 0).all()


def test_the_model_has_no_batch_normalisation_in_the_critic():
    """So the norms in one batch are those of each image alone."""
    model = wgan_gp.WGANGP(IMAGES)
    images = torch.rand(5, 1, 32, 32) * 2 - 1
    together = wgan_gp.gradient_norms(model.critic, images)
    alone = torch.cat([wgan_gp.gradient_norms(model.critic, x[None]) for x in images])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-6)
    assert not list(model.critic.buffers()), "no statistics of batches"


# --- the optimum -------------------------------------------------------------------------------


@oracle("WGANGP-SLOPE")
def best_slope(shift, weight):
    return 1 + shift / (2 * weight)


@oracle("WGANGP-GAP")
def best_gap(shift, weight):
    return shift + shift**2 / (2 * weight)


def linear_loss(w, shift, weight):
    """The package's loss of a linear critic between fakes at 0 and real points at `shift`."""
    critic, fake = Linear(w), torch.zeros(1, len(shift), dtype=torch.float64)
    real = torch.as_tensor(shift, dtype=torch.float64)[None]
    norms = wgan_gp.gradient_norms(critic, wgan_gp.between(real, fake))
    penalty = wgan_gp.gradient_penalty(norms)
    return wgan_gp.critic_loss(critic(real), critic(fake)) + weight * penalty


@pytest.mark.parametrize(("shift", "weight"), [((1.0, 0.0), 10.0), ((-3.0, 4.0), 50.0)])
def test_the_best_linear_critic_is_steeper_than_one(shift, weight):
    length = np.linalg.norm(shift)
    found = optimize.minimize(
        lambda w: linear_loss(w, shift, weight).item(), np.ones(2), method="BFGS"
    )
    assert np.linalg.norm(found.x) == pytest.approx(best_slope(length, weight), rel=1e-5)
    assert found.x @ np.array(shift) == pytest.approx(best_gap(length, weight), rel=1e-5)
    assert found.fun == pytest.approx(-(length + length**2 / (4 * weight)), rel=1e-8)


def test_the_numbers_of_the_chapter():
    assert best_slope(1, 10) == pytest.approx(1.05)
    assert best_gap(3, 10) == pytest.approx(3.45)
    assert best_gap(3, 50) == pytest.approx(3.09)


@oracle("WGANGP-TRAP")
def slope_in_the_trap(shift, weight):
    return -(1 - shift / (2 * weight))


def test_on_a_line_a_critic_with_the_wrong_sign_is_a_local_minimum():
    shift, weight = 3.0, 10.0
    trap = slope_in_the_trap(shift, weight)
    at, left, right = (linear_loss([trap + d], [shift], weight).item() for d in (0.0, -0.01, 0.01))
    assert at < min(left, right)
    assert trap * shift == pytest.approx(-2.55), "the gap has the wrong sign"
    assert linear_loss([best_slope(shift, weight)], [shift], weight).item() < at, "local only"
    turned = [trap * np.cos(0.1), trap * np.sin(0.1)]
    assert linear_loss(turned, [shift, 0.0], weight) < at, "in the plane there is a way out"


@oracle("WGANGP-ONE")
def one_sided(norms):
    return np.mean(np.where(norms > 1, norms - 1, 0.0) ** 2)


def test_the_one_sided_penalty_has_no_trap_and_the_same_optimum():
    shift, weight = 3.0, 10.0
    w = np.linspace(-2, 2, 4001)
    loss = -shift * w + weight * np.array([one_sided(np.abs(v)) for v in w])
    falls = np.diff(loss) < 0
    assert falls[: np.argmin(loss)].all(), "downhill all the way from the wrong sign"
    assert w[np.argmin(loss)] == pytest.approx(best_slope(shift, weight), abs=1e-3)
    steep = np.abs(scores(5)) + 1.1
    check("WGANGP-P", wgan_gp.gradient_penalty, norms=steep)
    assert one_sided(steep) == pytest.approx(gradient_penalty(steep)), "they differ below 1 only"


# --- the step ----------------------------------------------------------------------------------


@oracle("WGANGP-D")
def penalised_loss(W, b, v, real, fake, e, weight):
    """For D(x) = <v, leaky(W x + b)>, whose gradient is written by hand."""
    real, fake, e = (np.asarray(values) for values in (real, fake, e))

    def leaky(h):
        return np.maximum(h, 0.2 * h)

    def D(x):
        return leaky(x @ W.T + b) @ v

    points = e[:, None] * real + (1 - e)[:, None] * fake
    slopes = np.where(points @ W.T + b > 0, 1.0, 0.2)
    gradients = np.einsum("nh,hd->nd", slopes * v, W)
    norms = np.sqrt((gradients**2).sum(axis=1))
    return D(fake).mean() - D(real).mean() + weight * ((norms - 1) ** 2).mean()


class Shallow(nn.Module):
    """A perceptron with one hidden layer, on given weights."""

    def __init__(self, W, b, v):
        super().__init__()
        self.W, self.b, self.v = W, b, v

    def forward(self, x):
        return nn.functional.leaky_relu(x @ self.W.T + self.b, 0.2) @ self.v


@pytest.mark.parametrize("weight", [10.0, 0.5])
def test_the_critics_step_has_the_penalised_loss(weight, monkeypatch):
    """Value, and gradient with respect to the weights, through the gradient of the penalty."""
    monkeypatch.setattr(wgan_gp, "update", lambda optimizer, loss: None)  # it would free the graph
    model = wgan_gp.WGANGP(replace(POINTS, penalty_weight=weight))
    model.generator = nn.Identity()
    rng = np.random.default_rng(1)
    real, fake = rng.standard_normal((2, 7, 2)).tolist()
    torch.manual_seed(5)
    e = torch.rand(7).tolist()

    def loss(W, b, v, real, fake, e, weight):
        model.critic = Shallow(W, b, v)
        model.noise = lambda n: torch.tensor(fake, dtype=torch.float64)
        torch.manual_seed(5)  # the same e as the oracle
        return model.critic_step(torch.tensor(real, dtype=torch.float64))["critic_loss"]

    weights = {"W": rng.standard_normal((4, 2)), "b": rng.standard_normal(4), "v": scores(4)}
    check("WGANGP-D", loss, **weights, real=real, fake=fake, e=e, weight=weight)


def test_what_a_step_reports():
    """The estimate is the gap alone, without the penalty; the norm is the mean of the batch."""
    model, real = wgan_gp.WGANGP(POINTS).double(), torch.randn(4, 2, dtype=torch.float64)
    fake = torch.randn(4, 2, dtype=torch.float64)
    model.generator, model.noise = nn.Identity(), lambda n: fake
    before = copy.deepcopy(model.critic)
    torch.manual_seed(5)
    logged = model.critic_step(real)
    gap = (before(real).mean() - before(fake).mean()).item()
    torch.manual_seed(5)
    norms = wgan_gp.gradient_norms(before, wgan_gp.between(real, fake)).detach()
    assert logged["estimate"].item() == pytest.approx(gap)
    assert logged["gradient_norm"].item() == pytest.approx(norms.mean().item())
    penalty = POINTS.penalty_weight * ((norms - 1) ** 2).mean().item()
    assert logged["critic_loss"].item() == pytest.approx(-gap + penalty)


@pytest.mark.parametrize("config", [POINTS, IMAGES], ids=["points", "images"])
def test_each_step_moves_its_own_network(config):
    model = wgan_gp.WGANGP(config)
    real = torch.rand(4, *config.shape)
    # the last bias shifts all scores alike: no loss of a critic moves it
    for parameter in list(model.critic.parameters())[-1:]:
        parameter.requires_grad_(False)
    before = [p.detach().clone() for p in model.critic.parameters()]
    assert not moved(model.generator, lambda: model.critic_step(real))
    after = list(model.critic.parameters())
    assert not any(same(a, b) for a, b in zip(after[:-1], before[:-1], strict=True))
    assert not moved(model.critic, lambda: model.generator_step(4))
    assert moved(model, lambda: model.generator_step(4)) == {"generator"}


def test_no_loss_leaves_a_gradient_at_the_other_network():
    model = wgan_gp.WGANGP(POINTS)
    model.critic_step(torch.randn(8, 2))
    assert all(p.grad is None for p in model.generator.parameters()), "detach is missing"
    before = [p.grad.clone() for p in model.critic.parameters()]
    model.generator_step(8)
    after = [p.grad for p in model.critic.parameters()]
    assert all(same(a, b) for a, b in zip(after, before, strict=True)), "the critic is not frozen"
    assert all(p.requires_grad for p in model.critic.parameters()), "the critic stays frozen"


def recorded(model, real):
    """One step; which player moved in it, on which samples, and all noise that was drawn."""
    calls, drawn, draw = [], [], model.noise
    critic_step, generator_step = model.critic_step, model.generator_step

    def noise(n):
        drawn.append(draw(n))
        return drawn[-1]

    def critic(x):
        calls.append(("critic", x))
        return critic_step(x)

    def generator(n):
        calls.append(("generator", n))
        return generator_step(n)

    model.noise, model.critic_step, model.generator_step = noise, critic, generator
    logged = model.step(Batch(real, None))
    return calls, drawn, logged


def test_critic_steps_on_samples_of_their_own_then_one_of_the_generator():
    model = wgan_gp.WGANGP(POINTS)
    assert model.samples_per_step == POINTS.critic_steps * POINTS.batch_size == 24
    real = torch.randn(model.samples_per_step, 2)
    calls, drawn, logged = recorded(model, real)
    assert [who for who, _ in calls] == ["critic"] * 3 + ["generator"]
    assert same(torch.cat([x for _, x in calls[:3]]), real), "every sample once"
    assert calls[3][1] == POINTS.batch_size
    assert [len(z) for z in drawn] == [8] * 4
    assert len(torch.cat(drawn).unique(dim=0)) == 32, "all noise is fresh, the generator's too"
    assert set(logged) == {"critic_loss", "estimate", "gradient_norm", "generator_loss"}


def test_the_generator_faces_the_updated_critic():
    model = wgan_gp.WGANGP(POINTS)
    model.generator_optimizer.param_groups[0]["lr"] = 0.0  # so that its last fakes are known
    _, drawn, logged = recorded(model, torch.randn(24, 2))
    fakes = model.generator(drawn[-1])
    assert logged["generator_loss"].item() == pytest.approx(-model.critic(fakes).mean().item())


def test_optimisers_have_the_settings_of_the_config():
    model = wgan_gp.WGANGP(POINTS)
    for optimiser in (model.critic_optimizer, model.generator_optimizer):
        (group,) = optimiser.param_groups
        assert (group["lr"], group["betas"]) == (POINTS.learning_rate, POINTS.betas)
    assert POINTS.betas == (0.0, 0.9), "the paper's, without momentum"
    assert POINTS.penalty_weight == 10


# --- train -------------------------------------------------------------------------------------


def test_shapes_of_samples():
    assert wgan_gp.WGANGP(POINTS).sample(5).shape == (5, 2)
    model = wgan_gp.WGANGP(IMAGES)
    images = model.sample(5)
    assert images.shape == (5, 1, 32, 32)
    assert images.abs().max() <= 1
    assert not images.requires_grad
    z = model.noise(3)
    assert same(model.sample(z=z), model.sample(z=z))
    assert model.critic(images).shape == (5,)


def test_the_fakes_move_to_the_data_and_the_slope_to_one():
    generator = torch.Generator().manual_seed(0)
    values = 0.3 * torch.randn(2000, 2, generator=generator) + torch.tensor([2.0, -1.0])
    config = replace(POINTS, hidden=(32,), batch_size=64, steps=200, average_decay=0.95)
    config = replace(config, learning_rate=5e-3)
    data = TensorData(values, name="one Gaussian")
    run = wgan_gp.train(config, data, device="cpu", progress=False, snapshots=0)
    samples = run.sample(1000, seed=0)
    assert (samples.mean(0) - torch.tensor([2.0, -1.0])).norm() < 0.5
    assert run.history["gradient_norm"][-50:].mean() == pytest.approx(1, abs=0.2)


def test_unknown_presets_and_foreign_configs_are_refused():
    data = TensorData(torch.randn(10, 2), name="points")
    with pytest.raises(ValueError, match="choose one of 'smoke', 'cpu', 'gpu'"):
        wgan_gp.train("large", data)
    with pytest.raises(TypeError, match=r"must be a gan_lessons\.objectives\.wgan_gp\.Config"):
        wgan_gp.train({"steps": 3}, data)

"""WGAN-div: the losses and facts of the chapter, and what a user of the module relies on."""

import copy

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import nn

from gan_lessons.data import Batch, TensorData
from gan_lessons.objectives import wgan_div
from tests.helpers import images, moved, same
from tests.oracles import check, oracle, scores

IMAGES = wgan_div.Config(width=2, latent_dim=4, critic_steps=2, batch_size=4)
POINTS = wgan_div.Config(shape=(2,), hidden=(16,), latent_dim=4, critic_steps=3, batch_size=8)
K, P = 2.0, 6.0  # the paper's


# --- the losses --------------------------------------------------------------------------------


@oracle("WGANDIV-W")
def score_gap(real_scores, fake_scores):
    return fake_scores.sum() / fake_scores.size - real_scores.sum() / real_scores.size


@score_gap.gradient
def _(real_scores, fake_scores):
    return {
        "real_scores": np.full(real_scores.shape, -1 / real_scores.size),
        "fake_scores": np.full(fake_scores.shape, 1 / fake_scores.size),
    }


@oracle("WGANDIV-G")
def generator_loss(fake_scores):
    return -fake_scores.sum() / fake_scores.size


@generator_loss.gradient
def _(fake_scores):
    return {"fake_scores": np.full(fake_scores.shape, -1 / fake_scores.size)}


@oracle("WGANDIV-P")
def penalty(gradients, p):
    """Mean of the p-th power of each row's length, by hypot and not by squares."""
    lengths = np.array([np.hypot.reduce(row.ravel()) for row in gradients])
    return (lengths**p).mean()


@oracle("WGANDIV-X")
def mixed(real, fake, e):
    return np.stack([e[i] * real[i] + (1 - e[i]) * fake[i] for i in range(len(real))])


def tanh_critic(W, v, x):
    """D(x) = v . tanh(W x) and its slope W^T (v (1 - tanh^2)), for rows x."""
    h = np.tanh(x @ W.T)
    return h @ v, ((1 - h**2) * v) @ W


@oracle("WGANDIV-D")
def critics_loss(W, v, real, fake, e, k, p):
    """L_D of the critic v . tanh(W x) with its slope by hand."""
    gap = score_gap(tanh_critic(W, v, real)[0], tanh_critic(W, v, fake)[0])
    return gap + k * penalty(tanh_critic(W, v, mixed(real, fake, e))[1], p)


@oracle("WGANDIV-V")
def value_of_the_game(real_scores, fake_scores, gradients, k, p):
    """What the critic maximises: the paper's form, with our sign of the score."""
    return real_scores.mean() - fake_scores.mean() - k * penalty(gradients, p)


class TanhCritic(nn.Module):
    def __init__(self, W, v):
        super().__init__()
        self.W, self.v = W, v

    def forward(self, x):
        return torch.tanh(x @ self.W.T) @ self.v


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize(("n", "m"), [(6, 6), (3, 8), (1, 1)])
def test_critic_loss(n, m):
    check(
        "WGANDIV-W",
        wgan_div.critic_loss,
        real_scores=scores(n),
        fake_scores=scores(m, seed=1) + 0.5,
    )


def test_generator_loss():
    check("WGANDIV-G", wgan_div.generator_loss, fake_scores=scores(7))


@pytest.mark.parametrize("p", [2.0, 3.0, 6.0])
@pytest.mark.parametrize("shape", [(5, 2), (3, 1, 4, 4), (3, 2, 3, 3)])
def test_slope_penalty(shape, p):
    def ours(gradients, p):
        return wgan_div.slope_penalty(gradients.flatten(1).square().sum(1), p)

    check("WGANDIV-P", ours, gradients=normal(*shape), p=p)


def test_the_usual_power_is_six():
    squared = torch.tensor([0.25, 4.0], dtype=torch.float64)
    assert wgan_div.slope_penalty(squared).item() == (0.5**6 + 2.0**6) / 2
    assert (wgan_div.Config().penalty_weight, wgan_div.Config().power) == (2.0, 6.0)


@pytest.mark.parametrize("shape", [(6, 2), (3, 1, 4, 4)])
def test_between(shape, monkeypatch):
    e = np.random.default_rng(2).random(shape[0])

    def rand(*size, device=None):
        assert size == (shape[0], *[1] * (len(shape) - 1)), "one e for each sample"
        return torch.from_numpy(e).reshape(size)

    monkeypatch.setattr(torch, "rand", rand)
    check(
        "WGANDIV-X",
        lambda real, fake, e: wgan_div.between(real, fake),
        gradient=False,
        real=normal(*shape),
        fake=normal(*shape, seed=1),
        e=e,
    )


def test_points_lie_on_the_way_from_fake_to_real():
    real, fake = torch.ones(4000, 1, 2, 2), torch.zeros(4000, 1, 2, 2)
    points = wgan_div.between(real, fake)
    assert points.shape == real.shape
    share = points[:, 0, 0, 0]
    assert same(points, share[:, None, None, None].expand_as(points)), "one e for all pixels"
    assert stats.kstest(share.numpy(), "uniform").pvalue > 1e-3
    assert not same(points, wgan_div.between(real, fake))


@pytest.mark.parametrize(("k", "p"), [(2.0, 6.0), (0.5, 3.0)])
def test_the_critics_loss_and_its_gradient(k, p, monkeypatch):
    """L_D with respect to the critic's weights: through the slope, too."""
    e = np.random.default_rng(4).random(5)
    monkeypatch.setattr(torch, "rand", lambda *size, device: torch.from_numpy(e).reshape(size))

    def ours(W, v, real, fake, e, k, p):
        critic = TanhCritic(W, v)
        real, fake = real.detach(), fake.detach()
        squared = wgan_div.squared_gradients(critic, wgan_div.between(real, fake))
        gap = wgan_div.critic_loss(critic(real), critic(fake))
        return gap + k * wgan_div.slope_penalty(squared, p)

    data = {"real": normal(5, 3, seed=2), "fake": normal(5, 3, seed=3), "e": e, "k": k, "p": p}
    weights = {"W": normal(4, 3), "v": normal(4, seed=1)}
    known = ours(*(torch.tensor(w) for w in weights.values()), *map(torch.tensor, data.values()))
    assert known.item() == pytest.approx(critics_loss(**weights, **data), rel=1e-12)
    for name in weights:  # one at a time, the rest stays
        rest = {**weights, **data}
        value = rest.pop(name)
        fixed = {n: torch.tensor(a) if isinstance(a, np.ndarray) else a for n, a in rest.items()}
        tensor = torch.tensor(value, requires_grad=True)
        (gradient,) = torch.autograd.grad(ours(**{name: tensor}, **fixed), tensor)
        numerical = np.zeros_like(value)
        for index in np.ndindex(value.shape):
            step = np.zeros_like(value)
            step[index] = 1e-5
            sides = [critics_loss(**rest, **{name: value + s * step}) for s in (1, -1)]
            numerical[index] = (sides[0] - sides[1]) / 2e-5
        np.testing.assert_allclose(gradient.numpy(), numerical, rtol=1e-6, atol=1e-8)


def test_the_critics_loss_is_minus_the_value():
    def minus_loss(real_scores, fake_scores, gradients, k, p):
        squared = gradients.flatten(1).square().sum(1)
        gap = wgan_div.critic_loss(real_scores, fake_scores)
        return -(gap + k * wgan_div.slope_penalty(squared, p))

    check(
        "WGANDIV-V",
        minus_loss,
        real_scores=scores(4),
        fake_scores=scores(5, seed=1),
        gradients=normal(6, 3),
        k=K,
        p=P,
    )


# --- the slope ---------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(8, 3), (8, 1, 32, 32), (8, 3, 4, 4)])
def test_one_slope_for_each_sample_over_all_dimensions(shape):
    """A linear critic has the slope ||w|| everywhere, exactly."""
    w = torch.from_numpy(normal(*shape[1:]))
    points = torch.from_numpy(normal(*shape, seed=1))
    squared = wgan_div.squared_gradients(lambda x: (x * w).flatten(1).sum(1), points)
    assert squared.shape == (8,)
    np.testing.assert_allclose(squared.numpy(), w.square().sum().item(), rtol=1e-12)
    assert not points.requires_grad, "the caller's points are left alone"


def test_each_slope_is_that_of_its_own_sample():
    points = torch.from_numpy(normal(6, 3))
    squared = wgan_div.squared_gradients(lambda x: x.square().sum(1) / 2, points)
    expected = points.square().sum(1).numpy()
    np.testing.assert_allclose(squared.detach().numpy(), expected, rtol=1e-12)


def test_the_critic_judges_each_image_alone():
    model = wgan_div.WGANDiv(IMAGES)
    x = images(4).floats().requires_grad_()
    for i, score in enumerate(model.critic(x)):
        (gradient,) = torch.autograd.grad(score, x, retain_graph=True)
        reached = gradient.flatten(1).abs().sum(1) > 0
        assert reached.nonzero().flatten().tolist() == [i]


def test_no_nan_where_the_critic_is_flat():
    """At a slope of 0 the penalty and its gradient are 0; with a root the gradient is NaN."""
    w = torch.zeros(3, requires_grad=True)
    squared = wgan_div.squared_gradients(lambda x: x @ w, torch.ones(4, 3))
    loss = wgan_div.slope_penalty(squared)
    (gradient,) = torch.autograd.grad(loss, w, retain_graph=True)
    assert loss.item() == 0
    assert gradient.tolist() == [0, 0, 0]
    (with_root,) = torch.autograd.grad((squared.sqrt() ** 6).mean(), w)
    assert with_root.isnan().all()


def test_float16_is_too_small_for_the_sixth_power():
    slopes = torch.tensor([6.0, 7.0])
    assert (slopes.half().square() ** 3).isinf().tolist() == [False, True]
    assert wgan_div.slope_penalty(slopes.square()).isfinite()
    assert 7.0**6 > torch.finfo(torch.float16).max > 6.0**6


# --- the divergence ----------------------------------------------------------------------------


@oracle("WGANDIV-SLOPE")
def best_slope(d, k=K, p=P):
    return (d / (k * p)) ** (1 / (p - 1))


@oracle("WGANDIV-MAX")
def divergence(d, k=K, p=P):
    return (1 - 1 / p) * d * best_slope(d, k, p)


@oracle("WGANDIV-SCALE")
def growth(factor, p=P):
    """The divergence of a shift that is `factor` times as long, over that of the shift."""
    return factor ** (p / (p - 1))


def linear_loss(w, shift, k, p):
    """L_D of D(x) = w . x between a cloud and the cloud moved away by -shift."""
    real = torch.from_numpy(normal(10, len(shift)))
    fake = real - shift
    squared = wgan_div.squared_gradients(lambda x: x @ w, wgan_div.between(real, fake))
    return wgan_div.critic_loss(real @ w, fake @ w) + k * wgan_div.slope_penalty(squared, p)


@pytest.mark.parametrize(("k", "p"), [(2.0, 6.0), (0.5, 2.0), (3.0, 4.0)])
@pytest.mark.parametrize("d", [0.3, 1.5, 3.0])
def test_the_best_linear_critic(d, k, p):
    direction = torch.tensor([0.6, 0.8, 0.0], dtype=torch.float64)
    w = (best_slope(d, k, p) * direction).requires_grad_()
    loss = linear_loss(w, d * direction, k, p)
    (gradient,) = torch.autograd.grad(loss, w)
    assert gradient.abs().max() < 1e-12, "the loss is convex in w, so this is its minimum"
    assert -loss.item() == pytest.approx(divergence(d, k, p), rel=1e-12)
    other = (w + 0.05).detach().requires_grad_()
    assert linear_loss(other, d * direction, k, p) > loss


def test_the_sheets_numbers():
    assert best_slope(1.5) == pytest.approx(0.6598, abs=5e-5)
    assert divergence(1.5) == pytest.approx(0.8247, abs=5e-5)
    assert growth(2) == pytest.approx(2**1.2)
    for d in (0.2, 1.0, 7.0):
        assert divergence(2 * d) / divergence(d) == pytest.approx(growth(2), rel=1e-12)
        assert divergence(2 * d) > 2 * divergence(d), "no triangle inequality, so no metric"


@oracle("WGANDIV-BALANCE")
def gap_at_the_best_scale(slopes, k=K, p=P):
    return k * p * (slopes**p).mean()


def test_at_the_best_scale_gap_and_penalty_balance():
    """Any critic, scaled so that L_D is least: the gap is k p times the bare penalty."""
    real, fake = (torch.from_numpy(normal(9, 3, seed=s) + s) for s in (0, 1))
    critic = TanhCritic(*(torch.from_numpy(normal(4, *m, seed=2)) for m in ((3,), ())))
    points = wgan_div.between(real, fake)
    gap = -wgan_div.critic_loss(critic(real), critic(fake))
    squared = wgan_div.squared_gradients(critic, points).detach()
    sign, bare = gap.sign(), wgan_div.slope_penalty(squared, P)
    scale = (gap.abs() / (K * P * bare)) ** (1 / (P - 1)) * sign
    best = scale.clone().requires_grad_()
    loss = -best * gap + K * wgan_div.slope_penalty(best**2 * squared, P)
    (gradient,) = torch.autograd.grad(loss, best)
    assert abs(gradient.item()) < 1e-12
    slopes = (scale.abs() * squared.sqrt()).numpy()
    assert (scale * gap).item() == pytest.approx(gap_at_the_best_scale(slopes), rel=1e-10)
    assert -loss.item() == pytest.approx((1 - 1 / P) * (scale * gap).item(), rel=1e-10)


@oracle("WGANDIV-LINE")
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
    loss = wgan_div.critic_loss(real, fake) + K * wgan_div.slope_penalty(squared, P)
    (gradient,) = torch.autograd.grad(loss, slopes)
    assert gradient.abs().max() < 1e-12, "the loss is convex in the slopes"
    assert -loss.item() == pytest.approx((1 - 1 / P) * h * (best * (F_g - F_r)).sum(), rel=1e-12)


def test_two_points_on_the_line_are_the_linear_case():
    d = 1.5
    slope = slope_on_the_line(np.ones(1), np.full(1, 1 / d))
    assert slope.item() == pytest.approx(best_slope(d))
    value, _ = integrate.quad(lambda t: (1 - 1 / P) * slope.item(), 0, d)
    assert value == pytest.approx(divergence(d))


def test_the_divergence_is_symmetric():
    real, fake = torch.from_numpy(normal(7)), torch.from_numpy(normal(7, seed=1) + 2)
    assert wgan_div.critic_loss(real, fake) == wgan_div.critic_loss(-fake, -real)
    squared = wgan_div.squared_gradients(lambda x: -(x**3).sum(1), real[:, None])
    other = wgan_div.squared_gradients(lambda x: (x**3).sum(1), real[:, None])
    assert same(squared, other)


# --- the step ----------------------------------------------------------------------------------


def batch_of(config):
    return Batch(torch.randn(config.critic_steps * config.batch_size, *config.shape), None)


@pytest.mark.parametrize("config", [POINTS, IMAGES], ids=["points", "images"])
def test_each_step_moves_its_own_network(config):
    model, batch = wgan_div.WGANDiv(config), batch_of(config)
    # The last bias shifts all scores alike, so the loss of a critic never moves it.
    model.critic.layers[-1].bias = None
    assert moved(model, lambda: model.critic_step(batch.x[:4])) == {"critic"}
    assert moved(model, lambda: model.generator_step(4)) == {"generator"}
    assert moved(model, lambda: model.step(batch)) == {"critic", "generator"}


def test_no_loss_leaves_a_gradient_at_the_other_network():
    model = wgan_div.WGANDiv(POINTS)
    model.critic_step(torch.randn(8, 2))
    assert all(p.grad is None for p in model.generator.parameters()), "detach is missing"
    before = [p.grad.clone() for p in model.critic.parameters()]
    model.generator_step(8)
    after = [p.grad for p in model.critic.parameters()]
    assert all(same(a, b) for a, b in zip(after, before, strict=True)), "D is not frozen"
    assert all(p.requires_grad for p in model.critic.parameters()), "D stays frozen"


def test_every_critic_step_has_its_own_samples_then_the_generator_moves_once():
    model, batch, calls = wgan_div.WGANDiv(POINTS), batch_of(POINTS), []
    draw = model.noise
    model.noise = lambda n: calls.append(draw(n)) or calls[-1]
    critic_step, generator_step = model.critic_step, model.generator_step
    model.critic_step = lambda real: calls.append(real) or critic_step(real)
    model.generator_step = lambda n: calls.append("G") or generator_step(n)
    assert model.samples_per_step == len(batch.x)
    model.step(batch)
    reals, noises = calls[:6:2], [*calls[1:6:2], calls[7]]
    assert calls[6] == "G", "the generator moves once, after all steps of the critic"
    assert len(calls) == 8
    assert same(torch.cat(reals), batch.x)
    assert all(len(z) == 8 for z in noises)
    assert len(torch.cat(noises).unique(dim=0)) == 4 * 8, "noise is drawn afresh each time"


def test_the_generator_is_judged_by_the_critic_as_it_is_after_all_its_steps():
    model = wgan_div.WGANDiv(POINTS)
    z, generator = model.noise(8), copy.deepcopy(model.generator)
    model.noise = lambda n: z
    out = model.step(batch_of(POINTS))
    expected = generator_loss(model.critic(generator(z)).detach().numpy())
    assert out["generator_loss"].item() == pytest.approx(expected, rel=1e-5)


def test_the_step_reports_its_loss(monkeypatch):
    """Loss, estimate and slope of one critic step, recomputed with a copy of the critic."""
    config = wgan_div.Config(shape=(2,), hidden=(16,), latent_dim=4, penalty_weight=3.0, power=4.0)
    model, real = wgan_div.WGANDiv(config), torch.randn(8, 2)
    z, e = model.noise(8), torch.rand(8, 1)
    for layer in model.critic.layers:  # steep enough for the penalty to matter
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.5)
    old, fake = copy.deepcopy(model.critic), model.generator(z).detach()
    model.noise = lambda n: z
    monkeypatch.setattr(torch, "rand", lambda *size, device: e)
    out = model.critic_step(real)

    x = (e * real + (1 - e) * fake).requires_grad_()
    norms = torch.stack([torch.autograd.grad(old(x)[i], x)[0][i] for i in range(8)]).norm(dim=1)
    gap = (old(fake).mean() - old(real).mean()).item()
    penalty_term = 3.0 * (norms**4).mean().item()
    assert penalty_term > 0.01
    assert out["critic_loss"].item() == pytest.approx(gap + penalty_term, rel=1e-5)
    assert out["estimate"].item() == pytest.approx(-gap, rel=1e-5)
    assert out["gradient_norm"].item() == pytest.approx(norms.mean().item(), rel=1e-5)


# --- shapes, and train -------------------------------------------------------------------------


def test_shapes_and_ranges():
    model = wgan_div.WGANDiv(IMAGES)
    drawn = model.sample(3)
    assert drawn.shape == (3, 1, 32, 32)
    assert drawn.abs().max() <= 1
    assert model.critic(drawn).shape == (3,)
    z = model.noise(2)
    assert same(model.sample(z=z), model.sample(z=z))
    assert wgan_div.WGANDiv(POINTS).sample(5).shape == (5, 2)


def test_no_normalisation_in_the_critic():
    kinds = {type(m).__name__ for m in wgan_div.WGANDiv(IMAGES).critic.modules()}
    assert not any("Norm" in kind for kind in kinds), kinds


def test_the_fakes_move_to_the_data():
    generator = torch.Generator().manual_seed(0)
    values = 0.3 * torch.randn(2000, 2, generator=generator) + torch.tensor([2.0, -1.0])
    config = wgan_div.Config(
        latent_dim=4,
        hidden=(32,),
        critic_steps=2,
        learning_rate=5e-3,
        steps=150,
        average_decay=0.95,
    )
    data = TensorData(values, name="one Gaussian")
    run = wgan_div.train(config, data, device="cpu", progress=False, snapshots=2)
    samples = run.sample(1000, seed=0)
    assert (samples.mean(0) - torch.tensor([2.0, -1.0])).norm() < 0.5
    assert set(run.history) == {"critic_loss", "estimate", "gradient_norm", "generator_loss"}


def test_unknown_presets_and_foreign_configs_are_refused():
    data = TensorData(torch.randn(10, 2), name="points")
    with pytest.raises(ValueError, match="choose one of 'smoke', 'cpu', 'gpu'"):
        wgan_div.train("large", data)
    with pytest.raises(TypeError, match=r"must be a gan_lessons\.objectives\.wgan_div\.Config"):
        wgan_div.train({"steps": 3}, data)

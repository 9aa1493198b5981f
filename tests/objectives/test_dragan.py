"""DRAGAN: the losses and facts of the chapter, and what a user of the module relies on."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call

from gan_lessons.data import Batch, TensorData
from gan_lessons.networks import Discriminator
from gan_lessons.objectives import dragan
from tests.helpers import moved, same
from tests.oracles import check, oracle, oracles, scores, sigmoid

POINTS = dragan.Config(shape=(2,), hidden=(6,), latent_dim=3, batch_size=8)
IMAGES = dragan.Config(width=2, latent_dim=3, batch_size=4)


class Linear(nn.Module):
    """D(x) = <w, x> with weights of any shape."""

    def __init__(self, w):
        super().__init__()
        self.w = nn.Parameter(torch.as_tensor(w, dtype=torch.float64))

    def forward(self, x):
        return (self.w * x).flatten(1).sum(1)


# --- the losses --------------------------------------------------------------------------------


@oracle("DRAGAN-A")
def adversarial_loss(real_scores, fake_scores):
    """The paper's logarithms of probabilities."""
    return -np.log(sigmoid(real_scores)).mean() - np.log(sigmoid(-fake_scores)).mean()


@adversarial_loss.gradient
def _(real_scores, fake_scores):
    return {
        "real_scores": -sigmoid(-real_scores) / real_scores.size,
        "fake_scores": sigmoid(fake_scores) / fake_scores.size,
    }


@oracle("DRAGAN-G")
def generator_loss(fake_scores):
    return -np.log(sigmoid(fake_scores)).mean()


@generator_loss.gradient
def _(fake_scores):
    return {"fake_scores": -sigmoid(-fake_scores) / fake_scores.size}


@oracle("DRAGAN-P")
def gradient_penalty(norms, slope):
    return np.mean(norms**2) - 2 * slope * np.mean(norms) + slope**2


@gradient_penalty.gradient
def _(norms, slope):
    return {"norms": 2 * (norms - slope) / norms.size}


@pytest.mark.parametrize(("n", "m"), [(6, 6), (3, 8), (1, 1)])
def test_discriminator_loss(n, m):
    real, fake = scores(n), scores(m, seed=1) + 0.5
    check("DRAGAN-A", dragan.discriminator_loss, real_scores=real, fake_scores=fake)


def test_generator_loss():
    check("DRAGAN-G", dragan.generator_loss, fake_scores=scores(7))


@pytest.mark.parametrize("slope", [1.0, 0.0, 2.5])
def test_gradient_penalty_is_two_sided_and_on_the_norm(slope):
    norms = np.abs(scores(7))
    assert norms.min() < 1 < norms.max(), "both sides are in the test"
    check("DRAGAN-P", dragan.gradient_penalty, norms=norms, slope=slope)


def test_losses_are_finite_for_extreme_scores():
    score = torch.tensor([-1e4, 1e4])
    assert dragan.discriminator_loss(score, score).item() == pytest.approx(1e4)
    assert dragan.generator_loss(score).item() == pytest.approx(5e3)


@oracle("DRAGAN-D")
def discriminator_objective(W, b, v, c, real, fake, points, weight, slope):
    """D(x) = <v, leaky(W x + b)> + c, whose slope at x is W' (v leaky'(W x + b))."""

    def hidden(x):
        return x @ W.T + b

    def score(x):
        return np.maximum(hidden(x), 0.2 * hidden(x)) @ v + c

    slopes = (v * np.where(hidden(points) > 0, 1.0, 0.2)) @ W
    penalty = np.mean((np.sqrt((slopes**2).sum(1)) - slope) ** 2)
    return adversarial_loss(score(real), score(fake)) + weight * penalty


def weights_of(model):
    """The discriminator of POINTS as NumPy arrays with the oracle's names."""
    W, b, v, c = (p.detach().numpy().copy() for p in model.discriminator.parameters())
    return {"W": W, "b": b, "v": v[0], "c": c}


@pytest.fixture
def model():
    """In float64, with weights large enough for slopes on both sides of 1, and no symmetry."""
    torch.manual_seed(1)
    model = dragan.DRAGAN(POINTS).double()
    for p in model.discriminator.parameters():
        p.data = torch.randn_like(p)
    return model


def test_the_objective_of_the_discriminator(model):
    rng = np.random.default_rng(0)
    real, fake, points = rng.standard_normal((3, 8, 2))

    def objective(W, b, v, c, real, fake, points, weight, slope):
        weights = {"layers.0.weight": W, "layers.0.bias": b}
        weights |= {"layers.2.weight": v[None], "layers.2.bias": c}
        real, fake, points = (torch.tensor(np.array(x)) for x in (real, fake, points))

        def D(x):
            return functional_call(model.discriminator, weights, (x,))

        norms = dragan.gradient_norms(D, points)
        loss = dragan.discriminator_loss(D(real), D(fake))
        return loss + weight * dragan.gradient_penalty(norms, slope)

    samples = {"real": list(real), "fake": list(fake), "points": list(points)}  # no gradient
    check("DRAGAN-D", objective, **weights_of(model), **samples, weight=10.0, slope=1.0)


def recorded_step(model, monkeypatch):
    """One step of D: its result, and the fakes and penalised points that it made on the way."""
    real = torch.randn(8, 2, dtype=torch.float64)
    seen = {"real": real}
    around, noise = dragan.around, torch.randn(8, POINTS.latent_dim, dtype=torch.float64)
    model.noise = lambda n: noise
    seen["fake"] = model.generator(noise).detach()

    def remember(*inputs):
        seen["points"] = around(*inputs)
        return seen["points"]

    monkeypatch.setattr(dragan, "around", remember)
    return model.discriminator_step(real), {k: v.numpy() for k, v in seen.items()}


def test_the_step_descends_the_whole_objective(model, monkeypatch):
    """Value and gradient of the step are the oracle's: both terms, the weight, and the slope."""
    model.config = replace(POINTS, penalty_weight=3.0, slope=0.7)
    before = weights_of(model)
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


@oracle("DRAGAN-X")
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


def test_the_noise_is_a_centred_gaussian_in_units_of_the_spread():
    torch.manual_seed(0)
    real = 5.0 + 3.0 * torch.randn(4000, 1, 3, 3)
    offsets = (dragan.around(real, 0.5) - real) / real.std()
    assert offsets.mean().item() == pytest.approx(0.0, abs=0.01), "one-sided"
    assert offsets.std().item() == pytest.approx(0.5, abs=0.01)
    assert (offsets.abs() > 1).float().mean().item() == pytest.approx(0.0455, abs=0.005)
    pixels = offsets.flatten(1)
    correlations = torch.corrcoef(pixels.T) - torch.eye(9)
    assert correlations.abs().max() < 0.1, "pixels share their noise"
    assert torch.corrcoef(pixels[:20]).fill_diagonal_(0).abs().max() < 0.99, "samples share it"
    assert same(dragan.around(real, 0.0), real)


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


# --- the norms ---------------------------------------------------------------------------------


@oracle("DRAGAN-LINEAR")
def penalty_of_a_linear_score(w, slope):
    return (np.sqrt(np.sum(w * w)) - slope) ** 2


@pytest.mark.parametrize("shape", [(2,), (5,), (1, 6, 6), (3, 4, 4)])
@pytest.mark.parametrize("length", [0.0, 0.3, 1.0, 7.0])
def test_penalty_of_a_linear_score_is_exact_whatever_the_noise(shape, length):
    rng = np.random.default_rng(0)
    w = rng.standard_normal(shape)
    w *= length / np.linalg.norm(w)
    real = torch.from_numpy(rng.standard_normal((16, *shape)))
    for scale in (0.0, 0.5, 100.0):
        norms = dragan.gradient_norms(Linear(w), dragan.around(real, scale))
        assert norms.shape == (16,)
        for slope in (1.0, 0.4):
            value = dragan.gradient_penalty(norms, slope).item()
            assert value == pytest.approx(penalty_of_a_linear_score(w, slope), abs=1e-12)


def test_the_gradient_is_zero_and_not_nan_where_the_score_is_flat():
    D = Linear(torch.zeros(1, 4, 4))
    penalty = dragan.gradient_penalty(dragan.gradient_norms(D, torch.randn(3, 1, 4, 4)))
    penalty.backward()
    assert penalty.item() == 1.0
    assert (D.w.grad == 0).all()


@oracle("DRAGAN-SIGMOID")
def slope_of_the_probability(score, slope):
    """P (1 - P) times the slope of the score; written with tanh."""
    return (1 - np.tanh(score / 2) ** 2) / 4 * slope


def test_the_slope_is_the_scores_not_the_probabilitys():
    rng = np.random.default_rng(0)
    w, x = 3.0 * rng.standard_normal(5), rng.standard_normal((40, 5))
    D, points = Linear(w), torch.from_numpy(x)
    of_score = dragan.gradient_norms(D, points).detach().numpy()
    np.testing.assert_allclose(of_score, np.linalg.norm(w), rtol=1e-12)
    of_probability = dragan.gradient_norms(lambda v: D(v).sigmoid(), points).detach().numpy()
    np.testing.assert_allclose(of_probability, slope_of_the_probability(x @ w, of_score))
    assert (of_probability <= of_score / 4).all()


def test_every_norm_depends_on_its_own_sample():
    model = dragan.DRAGAN(IMAGES)
    images = torch.randn(4, 1, 32, 32)
    others = torch.cat([images[:1], torch.randn(3, 1, 32, 32)])
    first, second = (dragan.gradient_norms(model.discriminator, x) for x in (images, others))
    assert first.shape == (4,)
    assert first[0].item() == pytest.approx(second[0].item(), rel=1e-5)
    for norm, image in zip(first, images, strict=True):
        alone = dragan.gradient_norms(model.discriminator, image[None])
        assert norm.item() == pytest.approx(alone.item(), rel=1e-5)


def test_the_penalty_moves_the_slope_towards_k():
    torch.manual_seed(0)
    D = Discriminator(replace(POINTS, hidden=(16, 16)))
    points = torch.randn(64, 2)
    optimiser = torch.optim.Adam(D.parameters(), 0.01)
    for _ in range(150):
        optimiser.zero_grad()
        dragan.gradient_penalty(dragan.gradient_norms(D, points), 2.0).backward()
        optimiser.step()
    norms = dragan.gradient_norms(D, points)
    assert norms.mean().item() == pytest.approx(2.0, abs=0.15)


@oracle("DRAGAN-CODE")
def moments_of_the_authors_noise(scale):
    """Mean and root mean square of scale u v, for independent u, v ~ U[0, 1)."""
    return scale * 0.5**2, scale * np.sqrt((1 / 3) ** 2)


def test_the_authors_noise_is_one_sided_and_smaller():
    rng = np.random.default_rng(0)
    u, v = rng.random((2, 1_000_000))
    mean, rms = moments_of_the_authors_noise(0.5)
    assert (mean, rms) == (0.125, pytest.approx(1 / 6))
    assert (0.5 * u * v).mean() == pytest.approx(mean, abs=1e-3)
    assert np.sqrt(((0.5 * u * v) ** 2).mean()) == pytest.approx(rms, abs=1e-3)


# --- the model ---------------------------------------------------------------------------------


def test_shapes_and_ranges():
    model = dragan.DRAGAN(IMAGES)
    images = model.sample(5)
    assert images.shape == (5, 1, 32, 32)
    assert images.abs().max() <= 1
    assert model.discriminator(images).shape == (5,)
    points = dragan.DRAGAN(POINTS)
    z = points.noise(4)
    assert points.sample(5).shape == (5, 2)
    assert same(points.sample(z=z), points.sample(z=z))
    assert not points.sample(4).requires_grad


@pytest.mark.parametrize("config", [POINTS, IMAGES])
def test_each_step_moves_its_own_network(config):
    model, real = dragan.DRAGAN(config), torch.rand(8, *config.shape)
    assert moved(model, lambda: model.discriminator_step(real)) == {"discriminator"}
    assert moved(model, lambda: model.generator_step(8)) == {"generator"}
    assert moved(model, lambda: model.step(Batch(real, None))) == {"discriminator", "generator"}


def test_no_loss_leaves_a_gradient_at_the_other_network():
    model = dragan.DRAGAN(POINTS)
    model.discriminator_step(torch.randn(8, 2))
    assert all(p.grad is None for p in model.generator.parameters()), "detach is missing"
    before = [p.grad.clone() for p in model.discriminator.parameters()]
    model.generator_step(8)
    after = [p.grad for p in model.discriminator.parameters()]
    assert all(same(a, b) for a, b in zip(after, before, strict=True)), "D is not frozen"
    assert all(p.requires_grad for p in model.discriminator.parameters()), "D stays frozen"


def test_one_step_is_the_discriminators_then_the_generators_on_fresh_noise():
    model, calls, drawn = dragan.DRAGAN(POINTS), [], []
    draw = model.noise

    def noise(n):
        drawn.append(draw(n))
        return drawn[-1]

    def discriminator_step(real, step=model.discriminator_step):
        calls.append("discriminator")
        return step(real)

    def generator_step(n, step=model.generator_step):
        calls.append("generator")
        return step(n)

    model.noise, model.discriminator_step = noise, discriminator_step
    model.generator_step = generator_step
    result = model.step(Batch(torch.randn(8, 2), None))
    assert calls == ["discriminator", "generator"]
    assert [len(z) for z in drawn] == [8, 8]
    assert not same(*drawn)
    keys = {"discriminator_loss", "generator_loss", "real_score", "fake_score", "gradient_norm"}
    assert set(result) == keys


def test_the_generator_descends_against_the_present_discriminator(model):
    """Its loss and its gradient, from the same noise, by hand."""
    noise = torch.randn(8, POINTS.latent_dim, dtype=torch.float64)
    other = copy.deepcopy(model)
    model.noise = lambda n: noise
    result = model.generator_step(8)
    fake_scores = other.discriminator(other.generator(noise))
    assert result["generator_loss"].item() == pytest.approx(
        generator_loss(fake_scores.detach().numpy())
    )
    (-torch.log(torch.sigmoid(fake_scores))).mean().backward()
    for own, expected in zip(
        model.generator.parameters(), other.generator.parameters(), strict=True
    ):
        torch.testing.assert_close(own.grad, expected.grad)


# --- train -------------------------------------------------------------------------------------


def test_the_fakes_move_to_the_data():
    generator = torch.Generator().manual_seed(0)
    values = 0.3 * torch.randn(2000, 2, generator=generator) + torch.tensor([2.0, -1.0])
    data = TensorData(values, name="one Gaussian")
    config = replace(
        POINTS, hidden=(32,), batch_size=32, learning_rate=5e-3, steps=300, average_decay=0.95
    )
    run = dragan.train(config, data, device="cpu", progress=False, snapshots=2)
    samples = run.sample(1000, seed=0)
    assert (samples.mean(0) - torch.tensor([2.0, -1.0])).norm() < 0.6
    assert np.isfinite(run.history["gradient_norm"]).all()


def test_unknown_presets_and_foreign_configs_are_refused():
    data = TensorData(torch.randn(10, 2), name="points")
    with pytest.raises(ValueError, match="choose one of 'smoke', 'cpu', 'gpu'"):
        dragan.train("large", data)
    with pytest.raises(TypeError, match=r"must be a gan_lessons\.objectives\.dragan\.Config"):
        dragan.train({"steps": 3}, data)

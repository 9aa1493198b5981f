"""BEGAN: its equations against oracles, the controller, and what each step moves."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from gan_lessons.data import Batch, TensorData
from gan_lessons.metrics import wasserstein_1d
from gan_lessons.objectives import began
from gan_lessons.training import load_run
from tests.helpers import images, moved, same
from tests.oracles import check, oracle, scores

SMALL = replace(began.PRESETS["smoke"], width=8)  # wide enough for no layer to start dead
POINTS = replace(SMALL, shape=(2,), hidden=(16,), latent_dim=8, code_dim=4)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return began.BEGAN(SMALL)


# --- equations ---------------------------------------------------------------------------------


@oracle("BEGAN-L")
def autoencoder_errors(samples, reconstructions):
    """One sum of absolute differences for each sample, over the number of its numbers."""
    return np.array(
        [np.abs(v - r).sum() / v.size for v, r in zip(samples, reconstructions, strict=True)]
    )


@oracle("BEGAN-D")
def began_d(real_errors, fake_errors, k):
    return np.mean(real_errors) - k * np.mean(fake_errors)


@began_d.gradient
def _(real_errors, fake_errors, k):
    return {
        "real_errors": np.full(real_errors.shape, 1 / real_errors.size),
        "fake_errors": np.full(fake_errors.shape, -k / fake_errors.size),
    }


@oracle("BEGAN-G")
def began_g(fake_errors):
    return np.mean(fake_errors)


@began_g.gradient
def _(fake_errors):
    return {"fake_errors": np.full(fake_errors.shape, 1 / fake_errors.size)}


@oracle("BEGAN-K")
def controlled(k, real_error, fake_error, gamma, gain):
    return np.median([0.0, k + gain * (gamma * real_error - fake_error), 1.0])


@oracle("BEGAN-M")
def global_measure(real_error, fake_error, gamma):
    return max(
        real_error + gamma * real_error - fake_error, real_error - gamma * real_error + fake_error
    )


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 2, 5), (2,)])
def test_error_of_each_sample(shape):
    samples, others = scores(3 * np.prod(shape)), scores(3 * np.prod(shape), seed=1)
    check(
        "BEGAN-L",
        began.errors,
        samples=samples.reshape(3, *shape),
        reconstructions=others.reshape(3, *shape),
    )


@pytest.mark.parametrize("k", [0.0, 0.3, 1.0])
def test_discriminator_loss(k):
    real, fake = abs(scores(6)), abs(scores(9, seed=1))
    check("BEGAN-D", began.discriminator_loss, real_errors=real, fake_errors=fake, k=k)


def test_generator_loss():
    check("BEGAN-G", began.generator_loss, fake_errors=abs(scores(7)))


def next_k(k, real_error, fake_error, gamma, gain):
    return began.next_k(k, began.balance(real_error, fake_error, gamma), gain)


def number(value):
    return np.array(value, dtype=np.float64)


@pytest.mark.parametrize("k", [0.0, 0.004, 0.4, 0.999, 1.0])
@pytest.mark.parametrize("fake", [0.0, 0.2, 0.3, 0.9])
def test_controller(k, fake):
    inputs = {"k": number(k), "real_error": number(0.5), "fake_error": number(fake)}
    check("BEGAN-K", next_k, gradient=False, gamma=0.4, gain=0.1, **inputs)


@pytest.mark.parametrize("k", [0.0, 0.5, 1.0])
def test_k_moves_towards_the_balance_unless_it_is_clipped(k):
    k = torch.tensor(k)
    more = next_k(k, torch.tensor(0.5), torch.tensor(0.1), 0.5, 0.01)
    less = next_k(k, torch.tensor(0.5), torch.tensor(0.4), 0.5, 0.01)
    assert more > k or k == 1, "fakes are redrawn too well: the discriminator turns to them"
    assert less < k or k == 0, "fakes are redrawn too badly: it turns to the data"
    assert same(next_k(k, torch.tensor(0.5), torch.tensor(0.25), 0.5, 0.01), k)


def test_no_gradient_reaches_k():
    error = torch.tensor(0.3, requires_grad=True)
    assert not next_k(torch.tensor(0.5), error, error, 0.5, 0.1).requires_grad


@pytest.mark.parametrize("fake", [0.05, 0.25, 0.7])
def test_global_measure(fake):
    def measure(real_error, fake_error, gamma):
        return began.convergence(real_error, began.balance(real_error, fake_error, gamma))

    check("BEGAN-M", measure, real_error=number(0.6), fake_error=number(fake), gamma=0.4)
    assert global_measure(0.6, fake, 0.4) >= 0.6
    assert global_measure(0.6, 0.24, 0.4) == pytest.approx(0.6), "equal exactly in balance"


# --- facts -------------------------------------------------------------------------------------


@oracle("BEGAN-W")
def difference_of_means(a, b):
    return abs(np.mean(a) - np.mean(b))


@pytest.mark.parametrize("seed", range(5))
def test_the_difference_of_the_means_is_below_the_wasserstein_distance(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.gamma(2.0, size=200) - 1.5, rng.normal(size=200) * (1 + seed)
    exact = wasserstein_1d(torch.tensor(a), torch.tensor(b))
    assert exact == pytest.approx(stats.wasserstein_distance(a, b), rel=1e-12)
    assert exact > difference_of_means(a, b)
    shifted = a - 0.7
    exact = wasserstein_1d(torch.tensor(a), torch.tensor(shifted))
    assert exact == pytest.approx(difference_of_means(a, shifted), rel=1e-12)


@oracle("BEGAN-RAMP")
def after_constant_errors(k, real_error, fake_error, gamma, gain, t):
    return np.clip(k + t * gain * (gamma * real_error - fake_error), 0, 1)


@pytest.mark.parametrize(("k", "fake"), [(0.0, 0.1), (0.9, 0.1), (0.0, 0.4), (0.6, 0.4)])
def test_constant_errors_drive_k_along_a_line(k, fake):
    value = torch.tensor(k, dtype=torch.float64)
    for t in range(200):
        expected = after_constant_errors(k, 0.5, fake, 0.5, 0.02, t)
        assert value.item() == pytest.approx(expected, abs=1e-12)
        value = next_k(value, *torch.tensor([0.5, fake], dtype=torch.float64), 0.5, 0.02)
    if (k, fake) == (0.0, 0.4):
        assert value == 0, "from 0 and with fakes too hard, k stays 0: a plain autoencoder"


@oracle("BEGAN-SUM")
def mean_off_balance(first_k, last_k, gain, t):
    return (last_k - first_k) / (gain * t)


def test_k_keeps_the_sum_of_the_imbalance():
    real, fake = torch.rand(2, 300, generator=torch.Generator().manual_seed(0)).double()
    k = [torch.tensor(0.5, dtype=torch.float64)]
    for x, g in zip(real, fake, strict=True):
        k.append(next_k(k[-1], x, g, 0.9, 0.01))
    assert min(k) > 0
    assert max(k) < 1, "never clipped, or the identity would not hold"
    mean = (0.9 * real - fake).mean().item()
    assert mean == pytest.approx(mean_off_balance(k[0].item(), k[-1].item(), 0.01, 300), rel=1e-10)


@oracle("BEGAN-LOOP")
def growth_per_step(gain, slope, lag):
    """The larger modulus of the two eigenvalues of the controlled line, and whether they turn."""
    matrix = np.array([[1.0, -gain], [lag * slope, 1.0 - lag]])
    values = np.linalg.eigvals(matrix)
    return np.abs(values).max(), bool(np.abs(values.imag).max() > 1e-9)


@pytest.mark.parametrize("slope", [0.5, 2.0])
@pytest.mark.parametrize("lag", [0.2, 0.5])
def test_gains_that_settle_swing_and_explode(slope, lag):
    quiet, largest = lag / (4 * slope), 1 / slope
    for gain, turns, grows in [
        (0.9 * quiet, False, False),
        (1.2 * quiet, True, False),
        (0.9 * largest, True, False),
        (1.1 * largest, True, True),
    ]:
        growth, turning = growth_per_step(gain, slope, lag)
        assert (turning, growth > 1) == (turns, grows)
        k = torch.tensor(0.3, dtype=torch.float64)
        fake, rest = k - k + 0.2, 0.5 - 0.5 * slope
        for _ in range(1000):  # the fakes' error follows k along a line, with a lag
            k, fake = (
                next_k(k, torch.tensor(1.0), fake, 0.5, gain),
                fake + lag * (rest + slope * k - fake),
            )
        settled = abs(k.item() - 0.5) < 1e-3
        assert settled != grows, f"gain {gain}: k is {k.item():.3f}"


@oracle("BEGAN-PATHS")
def slope_of_the_error(v, matrix):
    """Gradient of mean |v - A v|: (I - A)^T sign(v - A v) / d."""
    return (np.eye(len(v)) - matrix).T @ np.sign(v - matrix @ v) / len(v)


def test_both_occurrences_of_the_sample_carry_gradient():
    rng = np.random.default_rng(0)
    matrix, v = rng.normal(size=(6, 6)), rng.normal(size=6)
    x = torch.tensor(v[None], requires_grad=True)
    began.errors(x, x @ torch.tensor(matrix.T)).sum().backward()
    np.testing.assert_allclose(x.grad[0].numpy(), slope_of_the_error(v, matrix), rtol=1e-10)


def test_the_generator_step_follows_the_gradient_through_both_occurrences():
    """Compared with central differences of the loss over a weight of the generator."""
    torch.manual_seed(0)
    model = began.BEGAN(POINTS).double()
    z = torch.randn(16, POINTS.latent_dim, dtype=torch.float64)
    model.noise = lambda n: z

    def loss():
        with torch.no_grad():
            fake = model.generator(z)
            return (fake - model.discriminator(fake)).abs().mean(1).mean().item()

    bias = model.generator.layers[-1].bias
    numerical, h = [], 1e-6
    for i in range(2):
        values = []
        for sign in (1, -1):
            bias.data[i] += sign * h
            values.append(loss())
            bias.data[i] -= sign * h
        numerical.append((values[0] - values[1]) / (2 * h))
    model.generator_step(16)
    np.testing.assert_allclose(bias.grad.numpy(), numerical, rtol=1e-4)


# --- networks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 32, 32), (3, 64, 64), (2,)])
def test_reconstructions_have_the_shape_of_the_samples(shape):
    config = replace(SMALL, shape=shape, code_dim=5)
    model = began.BEGAN(config)
    x = torch.rand(4, *shape)
    code = model.discriminator.encoder(x)
    assert code.numel() == 4 * 5, "everything passes through the code"
    assert model.discriminator(x).shape == x.shape
    assert began.errors(x, model.discriminator(x)).shape == (4,)
    assert model.sample(4).shape == x.shape


def test_the_error_of_a_sample_does_not_depend_on_its_company(model):
    D, x = model.discriminator, images(8).floats(slice(8))
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in D.modules())
    torch.testing.assert_close(D(x)[:2], D(x[:2]), atol=1e-6, rtol=1e-5)


# --- steps -------------------------------------------------------------------------------------


def test_each_step_moves_one_network(model):
    real = images().floats(slice(16))
    model.k.fill_(0.5)
    assert moved(model, lambda: model.discriminator_step(real)) == {"discriminator"}
    assert moved(model, lambda: model.generator_step(16)) == {"generator"}
    assert moved(model, lambda: model.control_step(*torch.rand(2))) == set()
    assert moved(model, lambda: model.step(images().batch(16))) == {"discriminator", "generator"}


def test_no_loss_leaves_a_gradient_at_the_other_network(model):
    model.k.fill_(0.5)
    model.discriminator_step(images().floats(slice(16)))
    assert all(p.grad is None for p in model.generator.parameters()), "detach is missing"
    before = [p.grad.clone() for p in model.discriminator.parameters()]
    model.generator_step(16)
    after = [p.grad for p in model.discriminator.parameters()]
    assert all(same(a, b) for a, b in zip(after, before, strict=True)), "D is not frozen"
    assert all(p.requires_grad for p in model.discriminator.parameters()), "D stays frozen"


def test_the_steps_report_the_losses_of_the_equations():
    """The discriminator first; the generator is judged by the one that has just learned."""
    torch.manual_seed(0)
    model, real = began.BEGAN(POINTS), torch.randn(16, 2)
    model.k.fill_(0.4)
    drawn, draw = [], model.noise
    model.noise = lambda n: drawn.append(draw(n)) or drawn[-1]
    before = began.BEGAN(POINTS)
    before.load_state_dict(model.state_dict())
    generator = before.generator
    result = model.step(Batch(real, None))
    assert [len(z) for z in drawn] == [16, 16]
    assert not same(*drawn), "the generator gets fresh noise"

    def error(D, x):
        return (x - D(x)).abs().mean().item()

    first, second = (generator(z).detach() for z in drawn)
    loss = error(before.discriminator, real) - 0.4 * error(before.discriminator, first)
    assert result["discriminator_loss"].item() == pytest.approx(loss, rel=1e-5)
    fake_error = error(model.discriminator, second)
    assert result["generator_loss"].item() == pytest.approx(fake_error, rel=1e-5)
    real_error = error(before.discriminator, real)
    expected = controlled(0.4, real_error, fake_error, POINTS.gamma, POINTS.gain)
    assert model.k.item() == pytest.approx(expected, rel=1e-6)
    expected = global_measure(real_error, fake_error, POINTS.gamma)
    assert result["convergence"].item() == pytest.approx(expected, rel=1e-5)


def test_k_starts_at_zero_and_the_discriminator_as_a_plain_autoencoder():
    torch.manual_seed(0)
    model, real = began.BEGAN(POINTS), torch.randn(16, 2)
    assert model.k == 0
    result = model.discriminator_step(real)
    assert same(result["discriminator_loss"], result["real_error"])


def test_the_history_of_k_keeps_every_value(model):
    history = [model.step(images().batch(8))["k"] for _ in range(3)]
    assert len({k.item() for k in history}) == 3, "entries share one tensor"
    assert all(k.shape == () and not k.requires_grad for k in history)


def test_k_is_saved_with_the_run(tmp_path):
    run = began.train(replace(SMALL, steps=3), images(), device="cpu", progress=False, snapshots=1)
    assert run.model.k > 0
    again = load_run(run.save(tmp_path), device="cpu")
    assert same(again.model.k, run.model.k)


def test_sample_takes_noise_or_a_number(model):
    z = model.noise(4)
    assert same(model.sample(z=z), model.sample(z=z))
    assert same(model.sample(z=z)[:2], model.sample(z=z[:2])), "in evaluation"
    assert not same(model.sample(4), model.sample(4))
    assert not model.sample(4).requires_grad


# --- train -------------------------------------------------------------------------------------


def test_the_game_comes_to_its_balance_on_points():
    generator = torch.Generator().manual_seed(0)
    values = 0.3 * torch.randn(2000, 2, generator=generator) + torch.tensor([1.0, -1.0])
    config = replace(
        POINTS,
        hidden=(32,),
        code_dim=1,
        gamma=0.5,
        gain=0.2,
        batch_size=64,
        steps=600,
        average_decay=0.95,
    )
    data = TensorData(values, name="one Gaussian")
    run = began.train(config, data, device="cpu", progress=False, snapshots=1)
    last = {name: values[-150:].mean() for name, values in run.history.items()}
    assert run.history["k"][-150:].min() > 0
    assert run.history["k"][-150:].max() < 1
    assert last["generator_loss"] / last["real_error"] == pytest.approx(config.gamma, rel=0.15)
    assert (run.sample(1000, seed=0).mean(0) - torch.tensor([1.0, -1.0])).norm() < 0.5


def test_unknown_presets_and_foreign_configs_are_refused():
    with pytest.raises(ValueError, match="choose one of 'smoke', 'cpu', 'gpu'"):
        began.train("large", images())
    with pytest.raises(TypeError, match=r"must be a gan_lessons\.objectives\.began\.Config"):
        began.train({"steps": 3}, images())

"""BEGAN: the losses of an autoencoder, the controller, and what both come to."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import stats

from gan_lessons.data import Batch, TensorData
from gan_lessons.metrics import wasserstein_1d
from gan_lessons.objectives import began
from tests.helpers import same
from tests.mutants import generated, mutants, survivors
from tests.oracles import check, oracle, scores

POINTS = began.Config(shape=(2,), hidden=(16,), latent_dim=8, code_dim=4)


# --- equations ---------------------------------------------------------------------------------


@oracle("BEGAN-L", r"\mathcal L(v) = \frac1d \sum_{i=1}^{d} \left| v_i - D(v)_i \right|")
def autoencoder_errors(samples, reconstructions):
    """One sum of absolute differences for each sample, over the number of its numbers."""
    return np.array(
        [np.abs(v - r).sum() / v.size for v, r in zip(samples, reconstructions, strict=True)]
    )


@oracle(
    "BEGAN-INK",
    r"\mathcal L_{\text{ink}}(v) = \frac{\mathcal L(v)}{\varepsilon + \frac1d "
    r"\sum_{i=1}^{d} (v_i + 1)}",
)
def errors_for_their_ink(samples, reconstructions, paper):
    """Sums over each sample, one divided by the other; the number of pixels cancels."""
    return np.array(
        [
            np.abs(v - r).sum() / (v.size * paper + (v + 1).sum())
            for v, r in zip(samples, reconstructions, strict=True)
        ]
    )


@oracle("BEGAN-D", r"L_D = \mathbb E_x\, \mathcal L(x) - k\, \mathbb E_z\, \mathcal L(G(z))")
def began_d(real_errors, fake_errors, k):
    return np.mean(real_errors) - k * np.mean(fake_errors)


@oracle("BEGAN-G", r"L_G = \mathbb E_z\, \mathcal L(G(z))")
def began_g(fake_errors):
    return np.mean(fake_errors)


@oracle(
    "BEGAN-K",
    r"k_{t+1} = \min\bigl(\max\bigl(k_t + \lambda_k\, (\gamma\, \mathcal L(x) - \mathcal "
    r"L(G(z))),\, 0\bigr),\, 1\bigr)",
)
def controlled(k, real_error, fake_error, gamma, gain):
    return np.median([0.0, k + gain * (gamma * real_error - fake_error), 1.0])


@oracle("BEGAN-M", r"M = \mathcal L(x) + \left| \gamma\, \mathcal L(x) - \mathcal L(G(z)) \right|")
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


@pytest.mark.parametrize("paper", [0.05, 0.3])
def test_error_in_proportion_to_the_ink(paper):
    samples = np.tanh(scores(48)).reshape(3, 1, 4, 4)
    others = scores(48, seed=1).reshape(3, 1, 4, 4)
    inputs = {"samples": samples, "reconstructions": others, "paper": paper}
    check("BEGAN-INK", began.relative_errors, **inputs)


def test_twice_the_ink_and_twice_the_error_count_the_same():
    """Without the paper's share; the paper's own error doubles."""
    one = torch.full((1, 1, 4, 4), -1.0)
    one[..., 0] += 0.5
    two = one.clone()
    two[..., 1] += 0.5
    blank = torch.full_like(one, -1.0)
    assert began.errors(two, blank) == pytest.approx(2 * began.errors(one, blank).item())
    relative = [began.relative_errors(v, blank, paper=0.0).item() for v in (one, two)]
    assert relative == pytest.approx([1.0, 1.0])
    assert began.relative_errors(blank, one).isfinite().all(), "an empty sheet"


def test_points_have_the_error_of_the_paper_and_drawings_that_of_the_ink():
    torch.manual_seed(0)
    config = began.Config(width=4)
    plain, drawing = began.BEGAN(config), began.DrawingBEGAN(config)
    drawing.load_state_dict(plain.state_dict())
    x = torch.rand(3, 1, 32, 32)
    redrawn = plain.discriminator(x)
    assert same(plain.errors(x), began.errors(x, redrawn))
    assert same(drawing.errors(x), began.relative_errors(x, redrawn))


@pytest.mark.parametrize("k", [0.0, 0.3, 1.0])
def test_discriminator_loss(k):
    real, fake = abs(scores(6)), abs(scores(9, seed=1))
    check("BEGAN-D", began.discriminator_loss, real_errors=real, fake_errors=fake, k=k)


def test_generator_loss():
    check("BEGAN-G", began.generator_loss, fake_errors=abs(scores(7)))


def control(k, real_error, fake_error, gamma, gain=0.1):
    """What the model's controller reports for these numbers."""
    own = SimpleNamespace(k=k.clone(), config=SimpleNamespace(gamma=gamma, gain=gain))
    return began.BEGAN.control_step(own, real_error, fake_error)


def next_k(k, real_error, fake_error, gamma, gain):
    return control(k, real_error, fake_error, gamma, gain)["k"]


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
    off_balance = torch.tensor(0.3, requires_grad=True)
    assert not began.next_k(torch.tensor(0.5), off_balance, 0.1).requires_grad


@pytest.mark.parametrize("fake", [0.05, 0.25, 0.7])
def test_global_measure(fake):
    def measure(real_error, fake_error, gamma):
        return control(torch.tensor(0.0), real_error, fake_error, gamma)["convergence"]

    errors = {"real_error": number(0.6), "fake_error": number(fake)}
    check("BEGAN-M", measure, gradient=False, gamma=0.4, **errors)


def test_the_measure_is_the_error_of_the_data_exactly_in_balance():
    real = torch.tensor(0.6)
    for fake, above in ((0.24, 0.0), (0.2, 0.04), (0.3, 0.06)):
        measure = control(real, real, torch.tensor(fake), 0.4)["convergence"]
        assert measure.item() == pytest.approx(0.6 + above)


# --- facts -------------------------------------------------------------------------------------


@oracle("BEGAN-W", r"W_1(\mu_1, \mu_2) \ge \left| m_1 - m_2 \right|")
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


@oracle(
    "BEGAN-RAMP",
    r"k_t = \min\bigl(\max\bigl(k_0 + t\, \lambda_k\, (\gamma\, \mathcal L_x - \mathcal "
    r"L_G),\, 0\bigr),\, 1\bigr)",
)
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


@oracle(
    "BEGAN-SUM",
    r"\frac1T \sum_{t=0}^{T-1} \bigl( \gamma\, \mathcal L(x) - \mathcal L(G(z)) \bigr)_t = "
    r"\frac{k_T - k_0}{\lambda_k\, T}",
)
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


@oracle("BEGAN-LOOP", r"\mu^2 - (2 - \alpha)\,\mu + 1 - \alpha + \lambda_k\, \alpha\, s = 0")
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


@oracle(
    "BEGAN-PATHS",
    r"\nabla_v\, \mathcal L(v) = \frac1d\, (I - J)^\top \operatorname{sign}\bigl(v - "
    r"D(v)\bigr)",
)
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


# --- the step ----------------------------------------------------------------------------------


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
    assert "k" in model.state_dict(), "it is saved with the run"
    result = model.discriminator_step(real)
    assert same(result["discriminator_loss"], result["real_error"])


def test_the_history_of_k_keeps_every_value():
    model = began.BEGAN(POINTS)
    history = [model.step(Batch(torch.randn(8, 2), None))["k"] for _ in range(3)]
    assert len({k.item() for k in history}) == 3, "entries share one tensor"
    assert all(k.shape == () and not k.requires_grad for k in history)


# --- train -------------------------------------------------------------------------------------


def test_the_presets_are_what_the_chapter_says():
    for config in began.PRESETS.values():
        assert (config.code_dim, config.gamma, config.gain) == (16, 1.0, 0.5)


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
    run = began.train(config, data, began.BEGAN, device="cpu", progress=False, snapshots=0)
    last = {name: values[-150:].mean() for name, values in run.history.items()}
    assert run.history["k"][-150:].min() > 0
    assert run.history["k"][-150:].max() < 1
    assert last["generator_loss"] / last["real_error"] == pytest.approx(config.gamma, rel=0.15)
    assert (run.sample(1000, seed=0).mean(0) - torch.tensor([1.0, -1.0])).norm() < 0.5


# --- planted mistakes --------------------------------------------------------------------------

MUTANTS = mutants(
    "objectives.began",
    (
        "BEGAN: the error is summed over the pixels, and the controller is far too strong",
        ".abs().flatten(1).mean(1)",
        ".abs().flatten(1).sum(1)",
        "test_error_of_each_sample",
    ),
    (
        "BEGAN: the error is the mean over the batch, not one for each sample",
        ".abs().flatten(1).mean(1)",
        ".abs().mean()",
        "test_error_of_each_sample",
    ),
    (
        "BEGAN: black is taken for no paper, so the ink of a drawing is negative",
        "ink = (samples + 1)",
        "ink = (samples - 1)",
        "test_error_in_proportion_to_the_ink",
    ),
    (
        "BEGAN: drawings have the paper's error after all",
        "return relative_errors(samples, self.discriminator(samples))",
        "return errors(samples, self.discriminator(samples))",
        "test_points_have_the_error_of_the_paper_and_drawings_that_of_the_ink",
    ),
    (
        "BEGAN: the fakes' error is added, so the discriminator learns to redraw them",
        "return real_errors.mean() - k * fake_errors.mean()",
        "return real_errors.mean() + k * fake_errors.mean()",
        "test_discriminator_loss",
    ),
    (
        "BEGAN: gamma stands at the fakes' error, on the wrong side",
        "return gamma * real_error - fake_error",
        "return real_error - gamma * fake_error",
        "test_controller",
    ),
    (
        "BEGAN: the controller pushes k away from the balance",
        "return gamma * real_error - fake_error",
        "return fake_error - gamma * real_error",
        "test_k_moves_towards_the_balance_unless_it_is_clipped",
    ),
    (
        "BEGAN: k is not clamped",
        ".detach().clamp(0, 1)",
        ".detach()",
        "test_controller",
    ),
    (
        "BEGAN: k is clamped below only",
        ".detach().clamp(0, 1)",
        ".detach().clamp(min=0)",
        "test_controller",
    ),
    (
        "BEGAN: k drags the graph of every step along",
        ".detach().clamp(0, 1)",
        ".clamp(0, 1)",
        "test_no_gradient_reaches_k",
    ),
    (
        "BEGAN: the measure of convergence has no absolute value",
        "return real_error + off_balance.abs()",
        "return real_error + off_balance",
        "test_global_measure",
    ),
    (
        "BEGAN: the gradient is cut at the target, the first G(z) of the generator's loss",
        "return (samples - reconstructions)",
        "return (samples.detach() - reconstructions)",
        "test_both_occurrences_of_the_sample_carry_gradient",
    ),
    (
        "BEGAN: the generator's step cuts the gradient at the target",
        "return errors(samples, self.discriminator(samples))",
        "return errors(samples.detach(), self.discriminator(samples))",
        "test_the_generator_step_follows_the_gradient_through_both_occurrences",
    ),
    (
        "BEGAN: the generator's step cuts the gradient at the reconstruction",
        "return errors(samples, self.discriminator(samples))",
        "return errors(samples, self.discriminator(samples.detach()))",
        "test_the_generator_step_follows_the_gradient_through_both_occurrences",
    ),
    (
        "BEGAN: k starts at 1, against an autoencoder that cannot redraw anything yet",
        'self.register_buffer("k", torch.tensor(0.0))',
        'self.register_buffer("k", torch.tensor(1.0))',
        "test_k_starts_at_zero_and_the_discriminator_as_a_plain_autoencoder",
    ),
    (
        "BEGAN: k is no buffer and is lost when the run is saved",
        'self.register_buffer("k", torch.tensor(0.0))',
        "self.k = torch.tensor(0.0)",
        "test_k_starts_at_zero_and_the_discriminator_as_a_plain_autoencoder",
    ),
    (
        "BEGAN: the history holds k itself, so that every entry is the last value",
        '"k": self.k.clone()',
        '"k": self.k',
        "test_the_history_of_k_keeps_every_value",
    ),
    (
        "BEGAN: .data[0] of a number without axes, which torch has refused since 0.5",
        '"k": self.k.clone()',
        '"k": self.k.data[0].clone()',
        "test_the_history_of_k_keeps_every_value",
    ),
    (
        "BEGAN: k is moved by the fakes of the discriminator's step",
        'self.control_step(logged["real_error"], logged["generator_loss"])',
        'self.control_step(logged["real_error"], (logged["real_error"] - '
        'logged["discriminator_loss"]) / self.k)',
        "test_the_steps_report_the_losses_of_the_equations",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)


# What changes nothing, and why.
NO_GRADIENT = "next_k lets no gradient through, and the loop keeps no graph of what is logged"
EQUIVALENT = {
    "control_step: no detach in `off_balance = balance(real_error.detach(), fake_error.detach(), "
    "self.config.gamma)`": NO_GRADIENT,
    "control_step: no detach in `off_balance = balance(real_error.detach(), fake_error.detach(), "
    "self.config.gamma)` (again)": NO_GRADIENT,
}


def test_generated_mistakes_are_caught():
    assert not survivors(__file__, generated(began, EQUIVALENT))

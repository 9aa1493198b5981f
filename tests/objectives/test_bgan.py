"""BGAN: its losses, what they descend on exact distributions, the drawing, and the steps."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from scipy import special, stats

from gan_lessons.data import Batch
from gan_lessons.foundations import gan
from gan_lessons.objectives import bgan
from tests.helpers import images, same
from tests.mutants import generated, mutants, survivors
from tests.oracles import check, oracle, scores, sigmoid, taken_over

IMAGES = bgan.Config(width=4, latent_dim=8, draws=5, discrete_hidden=(16,))
POINTS = bgan.Config(shape=(2,), hidden=(16,), latent_dim=8)
MODELS = [bgan.BGAN, bgan.DiscreteBGAN, bgan.ReinforceGAN]
DISCRETE = MODELS[1:]

taken_over(
    "BGAN-D",
    "GAN-D",
    r"L_D = \mathbb E_{x}\,\operatorname{softplus}(-D(x)) + \mathbb "
    r"E_{z}\,\operatorname{softplus}(D(G(z)))",
)


def table(draws, n, seed=0):
    """Scores (draws, n), as float64."""
    return scores(draws * n, seed=seed).reshape(draws, n)


# --- the losses --------------------------------------------------------------------------------


@oracle("BGAN-G", r"L_G = \tfrac12\, \mathbb E_{z}\, D(G(z))^2")
def generator_loss(fake_scores):
    """Half the mean of (log P - log(1 - P))^2."""
    probability = sigmoid(fake_scores)
    return ((np.log(probability) - np.log(1 - probability)) ** 2).mean() / 2


def test_generator_loss():
    check("BGAN-G", bgan.generator_loss, fake_scores=scores(7))


@pytest.mark.parametrize("score", [-1e4, -200.0, 20.0, 200.0, 1e4])
def test_the_loss_is_exact_for_extreme_scores(score):
    """float32, where 1 - sigmoid(20) is 0 and its logarithm is minus infinity."""
    fake = torch.tensor([score], requires_grad=True)
    loss = bgan.generator_loss(fake)
    (gradient,) = torch.autograd.grad(loss, fake)
    assert loss.item() == pytest.approx(score**2 / 2)
    assert gradient.item() == score


@oracle(
    "BGAN-SLOPE",
    r"\frac{\partial}{\partial D}\, \tfrac12 D^2 = D, \qquad \frac{\partial}{\partial D} "
    r"\operatorname{softplus}(-D) = -\sigma(-D) < 0",
)
def slope(score):
    """What a fake with this score is pulled by: its own score."""
    return score


@pytest.mark.parametrize("score", [-6.0, -1.0, 0.0, 2.5, 7.0])
def test_the_slope_changes_its_sign_at_the_boundary_and_the_gans_never_does(score):
    fake = torch.tensor(score, dtype=torch.float64, requires_grad=True)
    own, non_saturating = (
        torch.autograd.grad(loss(fake), fake)[0].item()
        for loss in (bgan.generator_loss, gan.generator_loss)
    )
    assert own == slope(score)
    assert non_saturating == pytest.approx(-sigmoid(-score), rel=1e-12)
    assert non_saturating < 0


@oracle(
    "BGAN-LOGP",
    r"\log g(x \mid z) = \sum_i \big( x_i\, a_i - \operatorname{softplus}(a_i) \big)",
)
def log_probability(pixels, logits):
    """The logarithms of P and 1 - P, pixel by pixel, in loops."""
    pixels, probability = np.asarray(pixels), sigmoid(logits)
    result = np.zeros(pixels.shape[:2])
    for place in np.ndindex(pixels.shape):
        p = probability[place[1:]]
        result[place[:2]] += np.log(p if pixels[place] else 1 - p)
    return result


def test_log_probability():
    pixels = np.random.default_rng(0).integers(0, 2, (3, 2, 1, 4, 4)).astype(float)

    def of_logits(pixels, logits):
        return bgan.log_probability(torch.tensor(pixels, dtype=torch.float64), logits)

    logits = scores(32, seed=1).reshape(2, 1, 4, 4)
    check("BGAN-LOGP", of_logits, pixels=pixels.tolist(), logits=logits)


def test_log_probabilities_of_all_images_sum_to_one():
    logits = torch.tensor(scores(4).reshape(1, 1, 2, 2))
    every = torch.tensor(list(product((0.0, 1.0), repeat=4)), dtype=torch.float64)
    total = bgan.log_probability(every.reshape(16, 1, 1, 2, 2), logits).exp().sum()
    assert total.item() == pytest.approx(1, rel=1e-12)


def test_log_probabilities_are_finite_for_extreme_logits():
    logits = torch.tensor([[[[-300.0, 300.0]]]], requires_grad=True)
    wrong = torch.tensor([1.0, 0.0]).reshape(1, 1, 1, 1, 2)
    value = bgan.log_probability(wrong, logits)
    assert value.item() == -600
    (gradient,) = torch.autograd.grad(value.sum(), logits)
    assert gradient.flatten().tolist() == [1, -1]


@oracle("BGAN-W", r"w_m = \frac{e^{D(x_m)}}{\sum_{j=1}^{M} e^{D(x_j)}}")
def importance_weights(fake_scores):
    """P / (1 - P), divided by the sum over the draws."""
    odds = sigmoid(fake_scores) / sigmoid(-fake_scores)
    return odds / odds.sum(axis=0, keepdims=True)


def test_importance_weights():
    check("BGAN-W", bgan.importance_weights, gradient=False, fake_scores=table(4, 3))


def test_weights_sum_to_one_over_the_draws_of_each_noise():
    weights = bgan.importance_weights(50 * torch.randn(6, 3, dtype=torch.float64))
    assert torch.allclose(weights.sum(0), torch.ones(3, dtype=torch.float64))
    shifted = bgan.importance_weights(torch.tensor(table(6, 3)) + torch.tensor([0.0, 900, -900]))
    assert torch.allclose(shifted, bgan.importance_weights(torch.tensor(table(6, 3))))
    assert (bgan.importance_weights(torch.full((5, 2), 3.0)) == 0.2).all()


@oracle("BGAN-ESS", r"M_\text{eff} = \frac{1}{\sum_{m} w_m^2}")
def effective_draws(weights):
    return np.mean([1 / sum(w**2 for w in column) for column in weights.T])


def test_effective_draws():
    weights = importance_weights(table(5, 3))
    check("BGAN-ESS", bgan.effective_draws, weights=weights)
    one, all_alike = torch.eye(5)[:, :2], torch.full((5, 2), 0.2)
    assert bgan.effective_draws(one).item() == pytest.approx(1)
    assert bgan.effective_draws(all_alike).item() == pytest.approx(5)
    assert 1 < bgan.effective_draws(torch.tensor(weights)) < 5


@oracle(
    "BGAN-DG",
    r"L_G = -\mathbb E_{z} \sum_{m=1}^{M} \Big( w_m - \frac1M \Big) \log g(x_m \mid z)",
)
def discrete_generator_loss(fake_scores, log_probabilities):
    weights = special.softmax(np.array(fake_scores), axis=0)
    draws, n = log_probabilities.shape
    return -(weights * log_probabilities).sum() / n + log_probabilities.sum() / (draws * n)


@oracle(
    "BGAN-R",
    r"L_G = -\mathbb E_{z}\, \mathbb E_{x \sim g(\cdot \mid z)}\, \big( D(x) - b \big) \log "
    r"g(x \mid z)",
)
def reinforce_generator_loss(fake_scores, log_probabilities):
    rewards = np.array(fake_scores) - np.mean(fake_scores)
    return -np.mean(rewards * log_probabilities)


def test_losses_of_drawn_images():
    def on_fixed_scores(loss):
        return lambda fake_scores, log_probabilities: loss(
            torch.tensor(fake_scores, dtype=torch.float64), log_probabilities
        )

    inputs = {"fake_scores": table(4, 3).tolist(), "log_probabilities": table(4, 3, seed=1) - 9}
    check("BGAN-DG", on_fixed_scores(bgan.discrete_generator_loss), **inputs)
    check("BGAN-R", on_fixed_scores(bgan.reinforce_generator_loss), **inputs)


@pytest.mark.parametrize("loss", [bgan.discrete_generator_loss, bgan.reinforce_generator_loss])
def test_only_the_log_probabilities_get_a_gradient(loss):
    fake_scores, log_probabilities = (
        torch.tensor(table(4, 3, seed), requires_grad=True) for seed in (0, 1)
    )
    loss(fake_scores, log_probabilities).backward()
    assert log_probabilities.grad.abs().min() > 0
    assert fake_scores.grad is None, "the weights are constants of the loss"


# --- on a distribution over five things --------------------------------------------------------

COUNTS = np.array([1, 2, 3, 4, 6])  # 16 draws that come as often as q says


def exact(seed):
    """p, q, the draws, and theta with q = softmax(theta)."""
    p, q = np.random.default_rng(seed).dirichlet(np.ones(5)), COUNTS / COUNTS.sum()
    return p, q, np.repeat(np.arange(5), COUNTS), np.log(q)


def gradient(loss, D, draws, theta):
    """Of a loss over these draws of softmax(theta), with respect to theta."""
    t = torch.tensor(theta, requires_grad=True)
    value = loss(torch.tensor(D)[draws][:, None], t.log_softmax(0)[draws][:, None])
    return torch.autograd.grad(value, t)[0].numpy()


def differences(function, point, h=1e-5):
    steps = h * np.eye(len(point))
    return np.array([(function(point + s) - function(point - s)) / (2 * h) for s in steps])


@oracle(
    "BGAN-RATIO",
    r"D^*(x) = \log \frac{p_r(x)}{p_g(x)}, \qquad e^{D^*(x)}\, p_g(x) = p_r(x), \qquad "
    r"\mathbb E_{x \sim p_g}\, e^{D^*(x)} = 1",
)
def optimal_score(p, q):
    return np.log(p) - np.log(q)


@pytest.mark.parametrize("seed", range(3))
def test_at_the_optimal_score_the_weights_turn_fakes_into_data(seed):
    real_counts = np.random.default_rng(seed).integers(1, 9, 5)
    p, (_, q, draws, _) = real_counts / real_counts.sum(), exact(seed)
    best = torch.tensor(optimal_score(p, q), requires_grad=True)
    real = np.repeat(np.arange(5), real_counts)
    loss = bgan.discriminator_loss(best[real], best[draws])
    assert torch.autograd.grad(loss, best)[0].abs().max() < 1e-15
    weights = bgan.importance_weights(best[draws][:, None])[:, 0].numpy()
    np.testing.assert_allclose(np.bincount(draws, weights), p, rtol=1e-12)
    assert (q * np.exp(best.detach().numpy())).sum() == pytest.approx(1, rel=1e-12)


@oracle(
    "BGAN-KL",
    r"-\mathbb E_{x \sim p_g}\, e^{D^*(x)}\, \nabla \log p_g(x) = \nabla "
    r"\operatorname{KL}(p_r \parallel p_g)",
)
def divergence(p, theta):
    """KL(p || q) of q = softmax(theta)."""
    return stats.entropy(p, special.softmax(theta))


@pytest.mark.parametrize("seed", range(3))
def test_the_weighted_loss_descends_the_divergence(seed):
    p, q, draws, theta = exact(seed)
    own = gradient(bgan.discrete_generator_loss, optimal_score(p, q), draws, theta)
    np.testing.assert_allclose(own, q - p, atol=1e-12)
    np.testing.assert_allclose(own, differences(lambda t: divergence(p, t), theta), atol=1e-8)


@oracle(
    "BGAN-RKL",
    r"-\mathbb E_{x \sim p_g} \big( D^*(x) - b \big)\, \nabla \log p_g(x) = \nabla "
    r"\operatorname{KL}(p_g \parallel p_r)",
)
def reverse_divergence(p, theta):
    """KL(q || p) of q = softmax(theta)."""
    return stats.entropy(special.softmax(theta), p)


@pytest.mark.parametrize("seed", range(3))
def test_reinforce_descends_the_reverse_divergence_with_any_baseline(seed):
    p, q, draws, theta = exact(seed)
    D = optimal_score(p, q)
    expected = differences(lambda t: reverse_divergence(p, t), theta)
    own = gradient(bgan.reinforce_generator_loss, D, draws, theta)
    np.testing.assert_allclose(own, expected, atol=1e-8)
    for baseline in (0, 1, 7):

        def loss(fake_scores, log_probabilities, baseline=baseline):
            return -((fake_scores - baseline) * log_probabilities).mean()

        np.testing.assert_allclose(gradient(loss, D, draws, theta), own, atol=1e-12)


@pytest.mark.parametrize("loss", [bgan.discrete_generator_loss, bgan.reinforce_generator_loss])
def test_a_discriminator_that_sees_no_difference_teaches_nothing(loss):
    _, _, draws, theta = exact(0)
    assert np.abs(gradient(loss, np.full(5, 3.0), draws, theta)).max() < 1e-15


@oracle(
    "BGAN-F",
    r"\mathbb E_{x \sim p_g} f\Big( \frac{p_r(x)}{p_g(x)} \Big) = \sup_T\; \mathbb E_{x \sim p_r} "
    r"T(x) - \mathbb E_{x \sim p_g} f^*(T(x))",
)
def f_divergence(name, p, q):
    """E_q f(p / q)."""
    u = p / q
    f = {
        "the GAN's": u * np.log(u) - (u + 1) * np.log((u + 1) / 2),
        "KL(p || q)": u * np.log(u),
        "KL(q || p)": -np.log(u),
        "Pearson": (u - 1) ** 2,
    }
    return (q * f[name]).sum()


@oracle("BGAN-FRATIO", r"\frac{p_r(x)}{p_g(x)} = (f^*)'\big( T^*(x) \big)")
def best_scores(name, u):
    """T* = f'(u), the inverse of the derivative of the conjugate, at the ratio u."""
    return {
        "the GAN's": np.log(2 * u / (u + 1)),
        "KL(p || q)": np.log(u) + 1,
        "KL(q || p)": -1 / u,
        "Pearson": 2 * (u - 1),
    }[name]


CONJUGATES = {  # f*, and a function from all numbers onto scores in which it is defined
    "the GAN's": (lambda t: -(2 - t.exp()).log(), lambda v: v.sigmoid().mul(2).log()),
    "KL(p || q)": (lambda t: (t - 1).exp(), lambda v: v),
    "KL(q || p)": (lambda t: -1 - (-t).log(), lambda v: -(-v).exp()),
    "Pearson": (lambda t: t**2 / 4 + t, lambda v: v),
}


@pytest.mark.parametrize("name", CONJUGATES)
@pytest.mark.parametrize("seed", range(2))
def test_every_f_divergence_hands_over_the_ratio(name, seed):
    """At T* the game has its top, its value is the divergence, and (f*)' gives fakes as data."""
    real_counts = np.random.default_rng(seed).integers(1, 9, 5)
    p, (_, q, _, _) = real_counts / real_counts.sum(), exact(seed)
    f_star, _ = CONJUGATES[name]
    scores = torch.tensor(best_scores(name, p / q), requires_grad=True)
    real, fake = torch.tensor(p), torch.tensor(q)
    game = (real * scores - fake * f_star(scores)).sum()
    assert game.item() == pytest.approx(f_divergence(name, p, q), rel=1e-10)
    (slope,) = torch.autograd.grad(game, scores)
    assert slope.abs().max() < 1e-12, "the game is concave, so this is its top"
    (weights,) = torch.autograd.grad(f_star(scores).sum(), scores)
    np.testing.assert_allclose(weights.detach().numpy() * q, p, rtol=1e-12)


def test_the_gans_weights_are_those_of_the_package():
    """(f*)' of log 2 sigmoid(D) is e^D, whose share among the draws is the importance weight."""
    f_star, to_score = CONJUGATES["the GAN's"]
    logits = torch.tensor(table(6, 3))
    t = to_score(logits).requires_grad_()
    (weights,) = torch.autograd.grad(f_star(t).sum(), t)
    assert torch.allclose(weights / weights.sum(0), bgan.importance_weights(logits))


@oracle(
    "BGAN-LOO",
    r"D_i - \frac1N \sum_j D_j = \frac{N - 1}{N} \Big( D_i - \frac{1}{N - 1} \sum_{j \ne i} "
    r"D_j \Big)",
)
def rewards_left_one_out(fake_scores):
    """Each score less the mean of all the others."""
    return np.array([s - np.delete(fake_scores, k).mean() for k, s in enumerate(fake_scores)])


def test_the_mean_as_baseline_is_leave_one_out_but_for_a_factor():
    values, n = scores(6), 6
    log_probabilities = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    bgan.reinforce_generator_loss(torch.tensor(values), log_probabilities).backward()
    rewards = -n * log_probabilities.grad.numpy()
    np.testing.assert_allclose(rewards, (n - 1) / n * rewards_left_one_out(values), rtol=1e-12)


def expected_gradient(loss, D, n_draws, theta):
    """Over all sequences of draws, each with its probability."""
    q = special.softmax(theta)
    sequences = [list(draws) for draws in product(range(len(q)), repeat=n_draws)]
    return sum(q[draws].prod() * gradient(loss, D, draws, theta) for draws in sequences)


@pytest.mark.parametrize("n_draws", [2, 3])
def test_reinforce_is_unbiased_up_to_that_factor(n_draws):
    p, theta = np.array([0.5, 0.3, 0.2]), np.array([0.0, 1.0, -1.0])
    D = optimal_score(p, special.softmax(theta))
    wanted = differences(lambda t: reverse_divergence(p, t), theta)
    own = expected_gradient(bgan.reinforce_generator_loss, D, n_draws, theta)
    np.testing.assert_allclose(own, (n_draws - 1) / n_draws * wanted, atol=1e-8)


def test_the_mean_of_the_weights_changes_nothing_on_average_and_takes_noise_away():
    """Against the paper's form, over all sequences of draws."""

    def paper(fake_scores, log_probabilities):
        return -(bgan.importance_weights(fake_scores) * log_probabilities).sum(0).mean()

    p, theta = np.array([0.5, 0.3, 0.2]), np.array([0.0, 1.0, -1.0])
    q = special.softmax(theta)
    D = optimal_score(p, q)
    ours, theirs = (
        expected_gradient(f, D, 4, theta) for f in (bgan.discrete_generator_loss, paper)
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-12)
    noise = [
        sum(
            q[list(draws)].prod() * ((gradient(f, D, list(draws), theta) - ours) ** 2).sum()
            for draws in product(range(3), repeat=4)
        )
        for f in (bgan.discrete_generator_loss, paper)
    ]
    assert noise[0] < noise[1] / 2


def test_one_draw_teaches_nothing_and_more_draws_come_closer():
    p, theta = np.array([0.5, 0.3, 0.2]), np.array([0.0, 1.0, -1.0])
    D = optimal_score(p, special.softmax(theta))
    wanted = differences(lambda t: divergence(p, t), theta)
    shares = [
        expected_gradient(bgan.discrete_generator_loss, D, m, theta) @ wanted / (wanted @ wanted)
        for m in (1, 2, 4)
    ]
    assert shares[0] == pytest.approx(0, abs=1e-12)
    assert 0 < shares[1] < shares[2] < 1


@oracle(
    "BGAN-COND",
    r"-\mathbb E_{z}\, \mathbb E_{x \sim g(\cdot \mid z)}\, \frac{e^{D(x)}}{\alpha(z)}\, "
    r"\nabla \log g(x \mid z) = \nabla\, \mathbb E_{z} \operatorname{KL}\big(\tilde p(\cdot "
    r"\mid z) \parallel g(\cdot \mid z)\big)",
)
def divergence_of_the_conditionals(D, thetas, before):
    """Mean over z of KL(e^D g(. | z) / alpha(z) || g(. | z)), the first g as it was before."""
    total = 0.0
    for theta, old in zip(thetas, before, strict=True):
        wanted = special.softmax(D + np.log(special.softmax(old)))
        total += stats.entropy(wanted, special.softmax(theta))
    return total / len(thetas)


def two_noises():
    """Two noises, each with 16 draws that come exactly as often as g(. | z) says."""
    counts = np.array([[1, 2, 3, 4, 6], [8, 4, 2, 1, 1]])
    draws = np.stack([np.repeat(np.arange(5), row) for row in counts], axis=1)
    return draws, np.log(counts / 16), np.random.default_rng(0).dirichlet(np.ones(5))


def gradient_of_two_noises(as_draws, D, draws, thetas):
    """Of the discrete loss with respect to both thetas."""
    t = torch.tensor(thetas, requires_grad=True)
    logs = torch.stack([t[z].log_softmax(0)[draws[:, z]] for z in (0, 1)], dim=1)
    loss = bgan.discrete_generator_loss(as_draws(torch.tensor(D)[draws]), as_draws(logs))
    return torch.autograd.grad(loss, t)[0].numpy()


def test_weights_for_each_noise_descend_the_divergence_of_the_conditionals():
    draws, thetas, p = two_noises()
    D = optimal_score(p, np.exp(thetas).mean(0))
    own = gradient_of_two_noises(lambda s: s, D, draws, thetas)

    def flat(t):
        return divergence_of_the_conditionals(D, t.reshape(2, 5), thetas)

    np.testing.assert_allclose(own.ravel(), differences(flat, thetas.ravel()), atol=1e-8)


def test_one_softmax_over_all_noises_descends_the_divergence_of_the_images():
    draws, thetas, p = two_noises()
    D = optimal_score(p, np.exp(thetas).mean(0))
    own = gradient_of_two_noises(lambda s: s.reshape(-1, 1), D, draws, thetas)

    def flat(t):
        return stats.entropy(p, special.softmax(t.reshape(2, 5), axis=1).mean(0))

    np.testing.assert_allclose(own.ravel(), differences(flat, thetas.ravel()), atol=1e-8)


# --- drawing -----------------------------------------------------------------------------------


def test_binarise():
    x = torch.tensor([[-1.0, -0.01, 0.0, 0.01, 1.0]])
    assert bgan.binarise(x).tolist() == [[-1, -1, -1, 1, 1]]


def test_draws_follow_the_probabilities_and_pass_no_gradient():
    model = bgan.DiscreteBGAN(IMAGES)
    logits = torch.tensor([-20.0, -1.0, 0.0, 2.0, 20.0]).reshape(1, 1, 1, 5).requires_grad_()
    torch.manual_seed(0)
    pixels = model.draw(logits, 4000)
    assert pixels.shape == (4000, 1, 1, 1, 5)
    assert not pixels.requires_grad
    assert set(pixels.unique().tolist()) == {0.0, 1.0}
    shares = pixels.mean(0).flatten().tolist()
    assert shares == pytest.approx(logits.sigmoid().flatten().tolist(), abs=0.03)
    correlation = np.corrcoef(pixels.reshape(4000, 5)[:, 1:4].T)
    assert np.abs(correlation - np.eye(3)).max() < 0.06, "pixels are drawn one by one"


def test_draws_of_one_noise_differ():
    model = bgan.DiscreteBGAN(IMAGES)
    pixels = model.draw(model.generator(model.noise(2)), 3).flatten(2)
    assert len({tuple(row.tolist()) for row in pixels.flatten(0, 1)}) == 6


def test_logits_are_not_bounded():
    model = bgan.DiscreteBGAN(IMAGES)
    for parameter in model.generator.parameters():
        parameter.data *= 10
    assert model.generator(model.noise(4)).abs().max() > 2, "a tanh would keep 0.27 < P < 0.73"


@pytest.mark.parametrize("model_class", DISCRETE)
def test_samples_are_binary_and_drawn_anew(model_class):
    model = model_class(IMAGES)
    z = model.noise(3)
    first, second = model.sample(z=z), model.sample(z=z)
    assert first.shape == (3, 1, 32, 32)
    assert set(first.unique().tolist()) == {-1.0, 1.0}
    assert not same(first, second)
    assert model.sample(4).shape == (4, 1, 32, 32)


@pytest.mark.parametrize("model_class", DISCRETE)
def test_points_have_no_pixels_to_draw(model_class):
    with pytest.raises(ValueError, match=r"need images, not samples of shape \(2,\)"):
        model_class(POINTS)


# --- the step ----------------------------------------------------------------------------------


def real_images(n):
    return images(n).floats()


def passes(model, action):
    """What the discriminator is given and says while `action` runs."""
    seen = []
    hook = model.discriminator.register_forward_hook(
        lambda _, inputs, output: seen.append((inputs[0], output.detach().double().numpy()))
    )
    result = action()
    hook.remove()
    return result, [x for x, _ in seen], [said for _, said in seen]


@pytest.mark.parametrize("model_class", MODELS)
def test_the_discriminator_is_the_gans(model_class):
    model = model_class(IMAGES)
    result, _, (real, fake) = passes(model, lambda: model.discriminator_step(real_images(6)))
    loss = np.logaddexp(0, -real).mean() + np.logaddexp(0, fake).mean()
    assert result["discriminator_loss"].item() == pytest.approx(loss, rel=1e-5)
    assert result["real_score"].item() == pytest.approx(real.mean(), rel=1e-5)
    assert result["fake_score"].item() == pytest.approx(fake.mean(), rel=1e-5)
    assert abs(real.mean() - fake.mean()) > 1e-3, "or the two could be exchanged"


def test_the_continuous_generator_comes_to_rest_at_the_boundary():
    """From both sides: D(x) = x_1 is fixed, and the fakes start at scores of 2 and -2."""
    for start in (2.0, -2.0):
        model = bgan.BGAN(replace(POINTS, learning_rate=0.02))
        model.discriminator.forward = lambda x: x[:, 0]
        model.generator.layers[-1].bias.data[0] = start
        said = []
        for _ in range(80):
            model.generator_step(32)
            said.append(model.discriminator(model.sample(200)).mean().item())
        assert abs(said[0]) > 1.5
        assert abs(said[-1]) < 0.1


@pytest.mark.parametrize("model_class", MODELS)
def test_each_network_has_its_learning_rate(model_class):
    model = model_class(bgan.Config(width=4, learning_rate=0.125, discrete_learning_rate=0.25))
    generators = 0.125 if model_class is bgan.BGAN else 0.25
    assert model.discriminator_optimizer.param_groups[0]["lr"] == 0.125
    assert model.generator_optimizer.param_groups[0]["lr"] == generators


def test_the_discriminator_sees_binary_images_in_one_range_only():
    model, real = bgan.DiscreteBGAN(IMAGES), real_images(6)
    _, seen, _ = passes(model, lambda: model.step(Batch(real, None)))
    assert [len(x) for x in seen] == [6, 6, 6 * IMAGES.draws], "real, fake, all draws"
    assert all(set(x.unique().tolist()) == {-1.0, 1.0} for x in seen)
    assert same(seen[0], torch.where(real > 0, 1.0, -1.0))


@pytest.mark.parametrize("model_class", DISCRETE)
def test_the_discrete_generator_step_by_hand(model_class):
    """Scores, draws and log-probabilities belong together, draw by draw and noise by noise."""
    model = model_class(bgan.Config(width=4, latent_dim=8, draws=3, discrete_hidden=(16,)))
    z = model.noise(2)
    logits = model.generator(z).detach()
    torch.manual_seed(5)
    pixels = logits.sigmoid().expand(3, *logits.shape).bernoulli()
    with torch.no_grad():
        for parameter in model.discriminator.parameters():
            parameter.mul_(4)  # scores that differ
        D = torch.stack([model.discriminator(2 * draw - 1) for draw in pixels])
    log_p = torch.stack(
        [
            torch.distributions.Bernoulli(logits=logits).log_prob(draw).sum((1, 2, 3))
            for draw in pixels
        ]
    )
    weights = D.exp() / D.exp().sum(0)
    reward = (D - D.mean()) / 3 if model_class is bgan.ReinforceGAN else weights - 1 / 3
    model.noise = lambda n: z
    torch.manual_seed(5)
    result = model.generator_step(2)
    assert D.std(0).min() > 1e-4
    loss = -(reward * log_p).sum(0).mean()
    assert result["generator_loss"].item() == pytest.approx(loss.item(), rel=1e-4, abs=1e-4)
    ess = (1 / weights.square().sum(0)).mean()
    assert result["effective_draws"].item() == pytest.approx(ess.item(), rel=1e-5)


# --- train -------------------------------------------------------------------------------------


@pytest.mark.parametrize("model_class", DISCRETE)
def test_drawn_pixels_learn_without_a_gradient_through_them(model_class):
    """The discriminator is fixed and likes images whose left half is white."""
    torch.manual_seed(0)
    rate = {"discrete_learning_rate": 0.01}
    config = bgan.Config(shape=(1, 28, 28), width=4, latent_dim=4, draws=8, **rate)
    model = model_class(config)
    likes = torch.ones(28, 28)
    likes[:, 14:] = -1
    score = torch.nn.Linear(784, 1)
    score.weight.data.copy_(likes.reshape(1, 784) / 20)
    model.discriminator = torch.nn.Sequential(torch.nn.Flatten(), score, torch.nn.Flatten(0))
    for _ in range(60):
        model.generator_step(16)
    white = (model.sample(64) + 1).mean((0, 1)) / 2
    assert white[:, :14].mean() > white[:, 14:].mean() + 0.3


def test_drawn_pixels_have_presets_of_their_own():
    assert tuple(bgan.DISCRETE_PRESETS) == tuple(bgan.PRESETS)
    for name, config in bgan.DISCRETE_PRESETS.items():
        assert (
            config.learning_rate < bgan.PRESETS[name].learning_rate < config.discrete_learning_rate
        )
    options = {"device": "cpu", "progress": False, "snapshots": 0}
    run = bgan.train("smoke", images(), model_class=bgan.ReinforceGAN, **options)
    assert run.config.learning_rate == bgan.DISCRETE_PRESETS["smoke"].learning_rate
    assert run.steps == bgan.DISCRETE_PRESETS["smoke"].steps


# --- planted mistakes --------------------------------------------------------------------------

MUTANTS = mutants(
    "objectives.bgan",
    (
        "BGAN: log(1 - sigmoid) in float32, which is infinite at a score of 20",
        "return (fake_scores**2).mean() / 2",
        "P = fake_scores.sigmoid()\n    return (P.log() - (1 - P).log()).square().mean() / 2",
        "test_the_loss_is_exact_for_extreme_scores",
    ),
    (
        "BGAN: the non-saturating loss, which seeks no boundary",
        "return (fake_scores**2).mean() / 2",
        "return softplus(-fake_scores).mean()",
        "test_the_slope_changes_its_sign_at_the_boundary_and_the_gans_never_does",
    ),
    (
        "BGAN: softmax over the batch, not over the draws of one noise",
        "fake_scores.detach().softmax(0)",
        "fake_scores.detach().softmax(1)",
        "test_weights_sum_to_one_over_the_draws_of_each_noise",
    ),
    (
        "BGAN: one softmax over all draws of all noises",
        "fake_scores.detach().softmax(0)",
        "fake_scores.detach().flatten().softmax(0).reshape(fake_scores.shape)",
        "test_importance_weights",
    ),
    (
        "BGAN: exp of the scores without taking the largest away, which overflows",
        "fake_scores.detach().softmax(0)",
        "(fake_scores.detach().exp() / fake_scores.detach().exp().sum(0))",
        "test_weights_sum_to_one_over_the_draws_of_each_noise",
    ),
    (
        "BGAN: weights that are not detached",
        "fake_scores.detach().softmax(0)",
        "fake_scores.softmax(0)",
        "test_only_the_log_probabilities_get_a_gradient",
    ),
    (
        "BGAN: weights from probabilities, not from the ratio P / (1 - P)",
        "fake_scores.detach().softmax(0)",
        "(fake_scores.detach().sigmoid() / fake_scores.detach().sigmoid().sum(0))",
        "test_at_the_optimal_score_the_weights_turn_fakes_into_data",
    ),
    (
        "BGAN: the weights keep their mean, and with it the noise",
        "((weights - 1 / len(weights)) * log_probabilities)",
        "(weights * log_probabilities)",
        "test_the_mean_of_the_weights_changes_nothing_on_average_and_takes_noise_away",
    ),
    (
        "BGAN: effective draws from the sum over the batch",
        "(1 / weights.square().sum(0)).mean()",
        "1 / weights.square().sum()",
        "test_effective_draws",
    ),
    (
        "BGAN: REINFORCE without a baseline",
        "rewards = (fake_scores - fake_scores.mean()).detach()",
        "rewards = fake_scores.detach()",
        "test_losses_of_drawn_images",
    ),
    (
        "BGAN: mean over the pixels, which is no log-probability of an image",
        ".flatten(2).sum(2)",
        ".flatten(2).mean(2)",
        "test_log_probability",
    ),
    (
        "BGAN: the sign of the logit is flipped in the normalisation",
        "(pixels * logits - softplus(logits))",
        "(pixels * logits - softplus(-logits))",
        "test_log_probabilities_of_all_images_sum_to_one",
    ),
    (
        "BGAN: the logarithm of a rounded probability, infinite for a sure pixel",
        "(pixels * logits - softplus(logits))",
        "torch.where(pixels > 0, logits.sigmoid(), 1 - logits.sigmoid()).log()",
        "test_log_probabilities_are_finite_for_extreme_logits",
    ),
    (
        "BGAN: pixels are cut at one half, so all draws of one noise are alike",
        "logits.detach().sigmoid().expand(draws, *logits.shape).bernoulli()",
        "(logits.sigmoid() > 0.5).float().expand(draws, *logits.shape)",
        "test_draws_follow_the_probabilities_and_pass_no_gradient",
    ),
    (
        "BGAN: probabilities in place of draws, and a gradient through them",
        "logits.detach().sigmoid().expand(draws, *logits.shape).bernoulli()",
        "logits.sigmoid().expand(draws, *logits.shape)",
        "test_draws_follow_the_probabilities_and_pass_no_gradient",
    ),
    (
        "BGAN: a graph through bernoulli, whose gradient is zero",
        "logits.detach().sigmoid().expand(draws, *logits.shape).bernoulli()",
        "logits.sigmoid().expand(draws, *logits.shape).bernoulli()",
        "test_draws_follow_the_probabilities_and_pass_no_gradient",
    ),
    (
        "BGAN: one draw, repeated",
        "logits.detach().sigmoid().expand(draws, *logits.shape).bernoulli()",
        "logits.detach().sigmoid().bernoulli().expand(draws, *logits.shape)",
        "test_draws_of_one_noise_differ",
    ),
    (
        "BGAN: a tanh before the probabilities, which stay between 0.27 and 0.73",
        "Generator(config, tanh=False)",
        "Generator(config)",
        "test_logits_are_not_bounded",
    ),
    (
        "BGAN: binary fakes against grey real images",
        "self.discriminator(binarise(real))",
        "self.discriminator(real)",
        "test_the_discriminator_sees_binary_images_in_one_range_only",
    ),
    (
        "BGAN: the generator's draws are judged as 0 and 1, the others as -1 and 1",
        "self.discriminator((2 * pixels - 1).flatten(0, 1))",
        "self.discriminator(pixels.flatten(0, 1))",
        "test_the_discriminator_sees_binary_images_in_one_range_only",
    ),
    (
        "BGAN: draws and noises are exchanged when the scores are unfolded",
        ".unflatten(0, pixels.shape[:2])",
        ".unflatten(0, (pixels.shape[1], pixels.shape[0])).T",
        "test_the_discrete_generator_step_by_hand",
    ),
    (
        "BGAN: the generator of drawn pixels has the discriminator's learning rate",
        "rate = config.discrete_learning_rate",
        "rate = config.learning_rate",
        "test_each_network_has_its_learning_rate",
    ),
    (
        "BGAN: drawn pixels are trained with the presets of continuous ones",
        "preset(config, PRESETS if model_class is BGAN else DISCRETE_PRESETS)",
        "preset(config, PRESETS)",
        "test_drawn_pixels_have_presets_of_their_own",
    ),
    (
        "BGAN: the continuous generator has the GAN's loss and runs on over the boundary",
        "loss = generator_loss(fake_scores)",
        "loss = softplus(-fake_scores).mean()",
        "test_the_continuous_generator_comes_to_rest_at_the_boundary",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)


# What changes nothing, and why.
EQUIVALENT = {
    "discriminator_step: 1 becomes 2 in `fake = 2 * self.draw(self.generator(self.noise(len(real)"
    ")), 1)[0] - 1` (again)": "a second draw is made and thrown away",
}


def test_generated_mistakes_are_caught():
    assert not survivors(__file__, generated(bgan, EQUIVALENT))

"""BiGAN: its equations, the game on finite sets, and pairs that each network meets."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch

from gan_lessons.data import Batch, TensorData
from gan_lessons.evaluation.codes import error_ratio, reconstruct, shuffled
from gan_lessons.latent import bigan
from tests.mutants import generated, mutants, survivors
from tests.oracles import check, oracle, scores, sigmoid, taken_over

POINTS = replace(
    bigan.PRESETS["smoke"], shape=(2,), hidden=(16,), latent_dim=3, pair_width=16, batch_size=16
)


# --- equations ---------------------------------------------------------------------------------


@oracle(
    "BIGAN-V",
    r"\min_{G, E}\, \max_D\, V, \qquad V = \mathbb E_x \log f(x, E(x)) + \mathbb E_z "
    r"\log\bigl(1 - f(G(z), z)\bigr)",
)
def value_of_the_game(real_scores, fake_scores):
    """E log f(x, E(x)) + E log(1 - f(G(z), z)), with the probability f = sigmoid of the score."""
    return np.mean(np.log(sigmoid(real_scores))) + np.mean(np.log(1 - sigmoid(fake_scores)))


taken_over(
    "BIGAN-D",
    "GAN-D",
    r"L_D = \mathbb E_x \operatorname{softplus}\bigl(-D(x, E(x))\bigr) + \mathbb E_z "
    r"\operatorname{softplus}\bigl(D(G(z), z)\bigr)",
)
taken_over(
    "BIGAN-G",
    "GAN-G",
    r"L_G = \mathbb E_z \operatorname{softplus}\bigl(-D(G(z), z)\bigr)",
)


@oracle("BIGAN-E", r"L_E = \mathbb E_x \operatorname{softplus}\bigl(D(x, E(x))\bigr)")
def bigan_e(real_scores):
    return np.logaddexp(0, real_scores).mean()


def test_the_discriminator_maximises_the_value():
    def value(real_scores, fake_scores):
        return -bigan.discriminator_loss(real_scores, fake_scores)

    check("BIGAN-V", value, real_scores=scores(6), fake_scores=scores(9, seed=1))


def test_encoder_loss():
    check("BIGAN-E", bigan.encoder_loss, real_scores=scores(7))


def test_both_labels_are_swapped():
    """What D wants lower in its loss, E and G want higher: the slopes have opposite signs."""
    real, fake = torch.randn(2, 8).requires_grad_().unbind()
    of_d = torch.autograd.grad(bigan.discriminator_loss(real, fake), [real, fake])
    loss = bigan.encoder_loss(real) + bigan.generator_loss(fake)
    of_eg = torch.autograd.grad(loss, [real, fake])
    assert all((a * b < 0).all() for a, b in zip(of_d, of_eg, strict=True))


def test_the_encoder_learns_most_where_the_judge_is_sure():
    """And never from an infinite loss. The value V itself is flat there."""
    score = torch.tensor([-200.0, -5.0, 5.0, 200.0], requires_grad=True)
    loss = bigan.encoder_loss(score)
    (slope,) = torch.autograd.grad(4 * loss, score)
    assert loss.item() == pytest.approx(bigan_e(score.detach().numpy()), rel=1e-6)
    np.testing.assert_allclose(slope, sigmoid(score.detach().numpy()), rtol=1e-5, atol=1e-7)


# --- the game on finite sets -------------------------------------------------------------------


def pairs_of(encoder, generator, times_x=None, times_z=None):
    """All (x, E(x)) and all (G(z), z), for maps given as lists, as often as x and z occur."""
    times_x, times_z = times_x or [1] * len(encoder), times_z or [1] * len(generator)
    real = [(x, z) for x, z in enumerate(encoder) for _ in range(times_x[x])]
    fake = [(x, z) for z, x in enumerate(generator) for _ in range(times_z[z])]
    return real, fake


def best_value(real, fake):
    """The package's loss at the optimal scores of the pairs."""

    def score(pair):
        p, q = real.count(pair) / len(real), fake.count(pair) / len(fake)
        return np.log(p) - np.log(q) if p and q else (np.inf if p else -np.inf)

    both = (torch.tensor([score(pair) for pair in pairs]).double() for pairs in (real, fake))
    return -bigan.discriminator_loss(*both).item()


@oracle("BIGAN-TOY", r"\max_D V = -\frac{m}{n} \log 4")
def value_with_matches(matches, n):
    """n equally likely points, `matches` of which are encoded to where they came from."""
    return -matches / n * np.log(4)


def test_of_all_encoders_of_three_points_only_the_inverse_is_optimal():
    for generator in permutations(range(3)):
        values = {}
        for encoder in permutations(range(3)):
            matches = sum(encoder[x] == z for z, x in enumerate(generator))
            values[encoder] = best_value(*pairs_of(encoder, generator))
            assert values[encoder] == pytest.approx(value_with_matches(matches, 3), abs=1e-12)
        rounded = sorted(round(v, 3) for v in values.values())
        assert rounded == [-1.386, -0.462, -0.462, -0.462, 0.0, 0.0]
        assert min(values, key=values.get) == tuple(np.argsort(generator))


@oracle("BIGAN-JSD", r"\max_D V = 2\, \mathrm{JSD}(P_{EX} \,\|\, P_{GZ}) - \log 4")
def value_from_divergence(p, q):
    """2 JSD(p, q) - log 4, with the divergence from its definition by two KLs."""
    middle = (p + q) / 2

    def kl(a):
        there = a > 0
        return np.sum(a[there] * np.log(a[there] / middle[there]))

    return kl(p) + kl(q) - np.log(4)


@oracle(
    "BIGAN-L0",
    r"\max_D V = \sum_{x:\, G(E(x)) = x} p(x) \log \frac{p(x)}{p(x) + p(E(x))} + \sum_{z:\, "
    r"E(G(z)) = z} p(z) \log \frac{p(z)}{p(z) + p(G(z))}",
)
def value_from_exact_hits(encoder, generator, p_x, p_z):
    """Only x that come back exactly count, and z that do: sums over the two sets."""
    by_x = sum(
        p_x[x] * np.log(p_x[x] / (p_x[x] + p_z[z]))
        for x, z in enumerate(encoder)
        if generator[z] == x
    )
    by_z = sum(
        p_z[z] * np.log(1 - p_x[x] / (p_x[x] + p_z[z]))
        for z, x in enumerate(generator)
        if encoder[x] == z
    )
    return by_x + by_z


@pytest.mark.parametrize("seed", range(6))
def test_the_best_judge_measures_a_divergence_and_counts_exact_hits(seed):
    """Random maps between sets of random size; x and z are not equally likely."""
    rng = np.random.default_rng(seed)
    n_x, n_z = (int(n) for n in rng.integers(2, 7, size=2))
    encoder, generator = rng.integers(n_z, size=n_x).tolist(), rng.integers(n_x, size=n_z).tolist()
    encoder[0] = generator[0] = 0  # at least one hit
    times_x, times_z = (rng.integers(1, 5, size=n).tolist() for n in (n_x, n_z))
    real, fake = pairs_of(encoder, generator, times_x, times_z)
    p, q = np.zeros((2, n_x, n_z))
    for table, pairs in ((p, real), (q, fake)):
        for pair in pairs:
            table[pair] += 1 / len(pairs)
    value = best_value(real, fake)
    assert value == pytest.approx(value_from_divergence(p, q), abs=1e-12)
    p_x, p_z = (np.array(times) / sum(times) for times in (times_x, times_z))
    assert value == pytest.approx(value_from_exact_hits(encoder, generator, p_x, p_z), abs=1e-12)
    assert -np.log(4) <= value < 0


# --- a step ------------------------------------------------------------------------------------


def test_each_loss_is_that_of_its_own_pairs():
    """(x, E(x)) for the encoder, (G(z), z) with fresh z for the generator, both for the judge."""
    torch.manual_seed(0)
    model, real = bigan.BiGAN(POINTS), torch.randn(16, 2)
    before = bigan.BiGAN(POINTS)
    before.load_state_dict(model.state_dict())
    drawn = [model.noise(16), model.noise(16)]
    queue = iter(drawn)
    model.noise = lambda n: next(queue)[:n]
    result = model.step(Batch(real, None))

    def judged(D, z):
        both = D(real, before.encoder(real)), D(before.generator(z), z)
        return [s.detach().double().numpy() for s in both]

    of_x, of_z = judged(before.discriminator, drawn[0])
    assert result["real_score"].item() == pytest.approx(of_x.mean(), abs=1e-6)
    assert result["fake_score"].item() == pytest.approx(of_z.mean(), abs=1e-6)
    expected = np.logaddexp(0, -of_x).mean() + np.logaddexp(0, of_z).mean()
    assert result["discriminator_loss"].item() == pytest.approx(expected, rel=1e-5)
    of_x, of_z = judged(model.discriminator, drawn[1])  # D has learned by then
    assert result["encoder_loss"].item() == pytest.approx(bigan_e(of_x), rel=1e-5)
    expected = np.logaddexp(0, -of_z).mean()
    assert result["generator_loss"].item() == pytest.approx(expected, rel=1e-5)


def test_nothing_compares_an_image_with_its_reconstruction():
    """In a step nobody encodes a generated sample or generates from a code."""
    torch.manual_seed(0)
    model, real = bigan.BiGAN(POINTS), torch.randn(16, 2)
    seen = {"encoder": [], "generator": []}
    for name, inputs in seen.items():
        getattr(model, name).register_forward_pre_hook(lambda _, x, i=inputs: i.append(x[0]))
    drawn, draw = [], model.noise
    model.noise = lambda n: drawn.append(draw(n)) or drawn[-1]
    model.step(Batch(real, None))
    assert len(seen["encoder"]) == len(seen["generator"]) == 2
    assert all(x is real for x in seen["encoder"])
    assert all(z is noise for z, noise in zip(seen["generator"], drawn, strict=True))


def test_two_updates_are_one_update_on_the_sum():
    """E and G share no weight: the sum of their losses, as in the paper, says nothing else."""
    torch.manual_seed(0)
    model, real = bigan.BiGAN(POINTS), torch.randn(16, 2)
    z = model.noise(16)
    networks = (model.encoder, model.generator)
    on_x = bigan.encoder_loss(model.discriminator(real, model.encoder(real)))
    on_z = bigan.generator_loss(model.discriminator(model.generator(z), z))
    weights = [p for network in networks for p in network.parameters()]
    of_sum = torch.autograd.grad(on_x + on_z, weights)
    model.noise = lambda n: z[:n]
    model.encoder_step(real)
    model.generator_step(16)
    for p, g in zip(weights, of_sum, strict=True):
        torch.testing.assert_close(p.grad, g)


def test_it_learns_the_inverse_on_points_without_a_reconstruction_term():
    torch.manual_seed(0)
    turn = torch.tensor([[0.8, -0.6], [0.6, 0.8]])
    values = torch.randn(4000, 2) @ torch.diag(torch.tensor([1.5, 0.5])) @ turn
    config = replace(
        POINTS,
        hidden=(64, 64),
        latent_dim=2,
        pair_width=64,
        batch_size=128,
        steps=600,
        average_decay=0.98,
    )
    run = bigan.train(config, TensorData(values), device="cpu", progress=False, snapshots=0)
    x = values[:1000]
    assert error_ratio(x, reconstruct(run, x), shuffled(x)) < 0.4


MUTANTS = mutants(
    "latent.bigan",
    (
        "BiGAN: the encoder's label is not swapped: it helps the discriminator",
        "return softplus(real_scores).mean()",
        "return softplus(-real_scores).mean()",
        "test_both_labels_are_swapped",
    ),
    (
        "BiGAN: the encoder minimises V itself, which is flat where the judge is sure",
        "return softplus(real_scores).mean()",
        "return -softplus(-real_scores).mean()",
        "test_encoder_loss",
    ),
    (
        "BiGAN: the logarithm of a probability that is rounded to 1",
        "return softplus(real_scores).mean()",
        "return -(1 - real_scores.sigmoid()).log().mean()",
        "test_the_encoder_learns_most_where_the_judge_is_sure",
    ),
    (
        "BiGAN: the discriminator's labels are exchanged",
        "loss = discriminator_loss(real_scores, fake_scores)",
        "loss = discriminator_loss(fake_scores, real_scores)",
        "test_each_loss_is_that_of_its_own_pairs",
    ),
    (
        "BiGAN: the encoder learns from generated images",
        "real_scores = self.discriminator(real, self.encoder(real))",
        "real_scores = self.discriminator(real, self.encoder(self.sample(len(real))))",
        "test_nothing_compares_an_image_with_its_reconstruction",
    ),
    (
        "BiGAN: a reconstruction term in the encoder's loss",
        "loss = encoder_loss(real_scores)",
        "loss = encoder_loss(real_scores) + (real - self.generator(self.encoder(real))).norm()",
        "test_nothing_compares_an_image_with_its_reconstruction",
    ),
    (
        "BiGAN: the generator's image is paired with another noise",
        "fake_scores = self.discriminator(self.generator(z), z)",
        "fake_scores = self.discriminator(self.generator(self.noise(n)), z)",
        "test_each_loss_is_that_of_its_own_pairs",
    ),
    (
        "BiGAN: fakes are paired with their encoding instead of their noise",
        "self.discriminator(fake, z)",
        "self.discriminator(fake, self.encode(fake))",
        "test_each_loss_is_that_of_its_own_pairs",
    ),
    (
        "BiGAN: the encoder's pairs hold the reconstruction in the image's place",
        "real_scores = self.discriminator(real, self.encoder(real))",
        "real_scores = self.discriminator(self.generator(self.encoder(real)), self.encoder(real))",
        "test_two_updates_are_one_update_on_the_sum",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)


def test_generated_mistakes_are_caught():
    assert not survivors(__file__, generated(bigan))

"""AAE: its equations, the prior as the real side, what a code tells, and the phases of a round."""

import math
from contextlib import ExitStack
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from gan_lessons import metrics
from gan_lessons.data import Batch, FewLabels, TensorData, few_labels
from gan_lessons.latent import aae
from gan_lessons.networks.autoencoders import GaussianEncoder
from tests.helpers import images, same
from tests.mutants import generated, mutants, survivors
from tests.oracles import check, oracle, scores, taken_over

SMALL = replace(aae.PRESETS["smoke"], batch_size=16, steps=3)
PLANE = replace(SMALL, latent_dim=2)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return aae.AAE(SMALL)


@pytest.fixture
def semi():
    torch.manual_seed(0)
    return aae.SemiSupervisedAAE(SMALL)


def x(n=16):
    return images().floats(slice(n))


def softplus(scores):
    """The mean of it, of scores with a graph, by NumPy."""
    return np.logaddexp(0, scores.detach().double().numpy()).mean()


# --- equations ---------------------------------------------------------------------------------


@oracle("AAE-R", r"L_R = \frac1d\, \mathbb E_x \left| x - \mathrm{Dec}(E(x)) \right|^2")
def squared_error(x, reconstructions):
    return sum(
        ((v - r) ** 2).sum() / v.size for v, r in zip(x, reconstructions, strict=True)
    ) / len(x)


taken_over(
    "AAE-D",
    "GAN-D",
    r"L_D = \mathbb E_{z \sim p(z)} \operatorname{softplus}(-D(z)) + \mathbb E_x "
    r"\operatorname{softplus}(D(E(x)))",
)
taken_over("AAE-E", "GAN-G", r"L_E = \mathbb E_x \operatorname{softplus}(-D(E(x)))")
taken_over(
    "AAE-C",
    "ACGAN-C",
    r"L_C = \mathbb E_{x, y} \Bigl[ \log \sum_k e^{\ell_k(x)} - \ell_y(x) \Bigr]",
)


def test_reconstruction_loss():
    a, b = scores(30).reshape(3, 1, 2, 5), scores(30, seed=1).reshape(3, 1, 2, 5)
    check("AAE-R", aae.reconstruction_loss, x=a, reconstructions=b)


# --- priors ------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", [SMALL, replace(PLANE, modes=10)], ids=["normal", "petals"])
def test_samples_are_decoded_from_the_prior(config):
    model = aae.AAE(config)
    torch.manual_seed(3)
    z = model.noise(5)
    torch.manual_seed(3)
    assert same(model.sample(5), model.sample(z=z))


def test_petals_lie_around_the_origin():
    z = aae.petals(20_000, 10)
    angle = torch.atan2(z[:, 1], z[:, 0]) / (2 * math.pi) * 10
    petal = angle.round() % 10
    assert torch.bincount(petal.long(), minlength=10).min() > 1700
    far = z[z.norm(dim=1) > 1.5]
    across = (torch.atan2(far[:, 1], far[:, 0]) / (2 * math.pi) * 10 % 1 - 0.5).abs()
    assert (across < 0.05).double().mean() < 0.02, "no gaps between the petals"
    first = z[(petal == 0) & (z[:, 0] > 0)]
    assert first.mean(0).tolist() == pytest.approx([2, 0], abs=0.05)
    assert first.std(0).tolist() == pytest.approx([0.5, 0.2], rel=0.1)


def test_petals_are_a_prior_in_the_plane():
    z = aae.AAE(replace(PLANE, modes=10)).noise(2000)
    assert z.shape == (2000, 2)
    assert (z.norm(dim=1) < 0.5).double().mean() < 0.01, "a Gaussian is densest in the middle"
    with pytest.raises(ValueError, match="set latent_dim=2"):
        aae.AAE(replace(SMALL, modes=10))


def test_the_prior_of_the_class_are_the_corners(semi):
    classes, style = semi.noise(5000).split([10, SMALL.latent_dim], dim=1)
    assert set(classes.unique().tolist()) == {0.0, 1.0}
    assert (classes.sum(1) == 1).all()
    assert classes.mean(0).min() > 0.07
    assert style.mean(0).abs().max() < 0.1
    assert style.std(0).tolist() == pytest.approx([1] * SMALL.latent_dim, rel=0.05)


def test_the_discriminator_takes_codes_not_images(model, semi):
    assert model.discriminator.layers[0].in_features == SMALL.latent_dim
    assert semi.discriminator.of_class.layers[0].in_features == SMALL.classes
    assert semi.discriminator.of_style.layers[0].in_features == SMALL.latent_dim
    for player in (model, semi, aae.GaussianAAE(SMALL)):
        codes = player.encode(x())
        assert codes.shape == player.noise(16).shape
        assert player.sample(z=codes).shape == x().shape


# --- phases ------------------------------------------------------------------------------------


def test_a_round_is_three_phases_each_on_fresh_codes():
    """By hand: each phase sees the networks as the one before has left them."""
    torch.manual_seed(0)
    model, before, batch = aae.AAE(SMALL), aae.AAE(SMALL), images().batch(16)
    before.load_state_dict(model.state_dict())
    z, D = model.noise(16), before.discriminator
    model.noise = lambda n: z[:n]
    logged = model.step(batch)
    loss = ((before.decoder(before.encoder(batch.x)) - batch.x) ** 2).mean()
    assert logged["reconstruction_loss"].item() == pytest.approx(loss.item(), rel=1e-5)
    before.reconstruction_step(batch.x)
    codes = before.encode(batch.x)
    expected = softplus(-D(z)) + softplus(D(codes))
    assert logged["discriminator_loss"].item() == pytest.approx(expected, rel=1e-5)
    assert logged["prior_score"].item() == pytest.approx(D(z).mean().item(), abs=1e-6)
    assert logged["code_score"].item() == pytest.approx(D(codes).mean().item(), abs=1e-6)
    expected = softplus(-model.discriminator(codes))
    assert logged["encoder_loss"].item() == pytest.approx(expected, rel=1e-5)


def test_the_prior_is_real():
    """D learns to score the prior high; then E's step makes the score of codes rise."""
    torch.manual_seed(0)
    model = aae.AAE(replace(SMALL, adversarial_rate=1e-2))
    for _ in range(60):
        model.discriminator_step(x())
    D = model.discriminator
    assert D(model.noise(200)).mean() > 0.5 > -0.5 > D(model.encode(x())).mean()
    before = D(model.encode(x())).mean().item()
    for _ in range(5):
        model.encoder_step(x())
    assert D(model.encode(x())).mean().item() > before


def moving(model):
    """The names of the steps that move anything."""
    data, found = (x(), images().labels[:16]), set()
    for name in ("reconstruction", "discriminator", "encoder", "classification"):
        step = getattr(model, f"{name}_step", None)
        if step:
            before = [p.detach().clone() for p in model.parameters()]
            step(*data[: 2 if name == "classification" else 1])
            same_as = zip(model.parameters(), before, strict=True)
            found |= set() if all(same(p.detach(), old) for p, old in same_as) else {name}
    return found


def test_each_phase_has_a_rate_of_its_own():
    """No weight between the losses, and no optimiser that two of them share."""
    for cls, others in (
        (aae.AAE, {"discriminator", "encoder"}),
        (aae.SemiSupervisedAAE, {"discriminator", "encoder", "classification"}),
    ):
        assert moving(cls(replace(SMALL, adversarial_rate=0.0))) == {"reconstruction"}
        assert moving(cls(replace(SMALL, learning_rate=0.0))) == others


def test_one_phase_changes_nothing_for_another():
    """Adam's moments of the reconstruction know no gradient of the game."""
    ends = []
    for play in (False, True):
        torch.manual_seed(0)
        model = aae.AAE(replace(SMALL, adversarial_rate=0.0))
        for _ in range(2):
            model.reconstruction_step(x())
            if play:
                model.encoder_step(x())
        ends.append([p.detach().clone() for p in model.parameters()])
    assert all(same(a, b) for a, b in zip(*ends, strict=True))


# --- few labels --------------------------------------------------------------------------------


def test_the_few_labels_teach_the_class_and_not_the_style(semi):
    semi.classification_step(x(), images().labels[:16])
    last = semi.encoder.layers[-1].weight.grad
    assert last[:10].any()
    assert not last[10:].any(), "the style has no part in the class"
    assert all(p.grad is None for p in semi.decoder.parameters())


def test_the_class_is_the_likeliest(semi):
    assert same(semi.classify(x()), semi.encode(x())[:, :10].argmax(1))


def phases_of(semi, batch):
    """What each phase of a round gets."""
    names = ("reconstruction_step", "discriminator_step", "encoder_step", "classification_step")
    with ExitStack() as stack:
        steps = [
            stack.enter_context(mock.patch.object(semi, name, return_value={})) for name in names
        ]
        semi.step(batch)
    return {name: step.call_args.args for name, step in zip(names, steps, strict=True)}


def test_no_labelled_image_reaches_the_other_phases(semi):
    """The few are in every batch, and an autoencoder would learn them by heart."""
    white, black = (torch.full((40, 1, 32, 32), v, dtype=torch.uint8) for v in (255, 0))
    data = FewLabels(TensorData(white, torch.arange(40) % 10), TensorData(black))
    batch = data.batch(16)
    seen = phases_of(semi, batch)
    labelled, labels = seen.pop("classification_step")
    assert same(labelled, torch.ones(4, 1, 32, 32))
    assert same(labels, batch.y)
    for name, (others,) in seen.items():
        assert same(others, -torch.ones(16, 1, 32, 32)), name


def test_where_all_have_a_label_all_phases_see_all(semi):
    batch = images().batch(16)
    assert all(same(seen[0], batch.x) for seen in phases_of(semi, batch).values())


def test_the_first_images_have_the_labels(semi):
    batch = Batch(x(), images().labels[:4])
    labelled, labels = phases_of(semi, batch)["classification_step"]
    assert same(labelled, batch.x[:4])
    assert same(labels, batch.y)


def test_few_labels_are_enough_to_train_with():
    data = few_labels(images(60), 10)
    options = {"device": "cpu", "progress": False, "snapshots": 0}
    run = aae.train(SMALL, data, model_class=aae.SemiSupervisedAAE, **options)
    assert {"reconstruction_loss", "encoder_loss", "classification_loss"} <= set(run.history)
    assert "10 of them labelled" in run.summary()


# --- facts ---------------------------------------------------------------------------------------


@oracle("AAE-JSD", r"\min_D L_D = \log 4 - 2 \operatorname{JSD}(p \parallel q)")
def least_loss(p, q):
    """log 4 - 2 JSD(p, q) of two positive pmfs."""
    m = (p + q) / 2
    return np.log(4) - (p * np.log(p / m)).sum() - (q * np.log(q / m)).sum()


@pytest.mark.parametrize("seed", range(3))
def test_the_best_discriminator_of_codes(seed):
    rng = np.random.default_rng(seed)
    p, q = rng.dirichlet(np.ones(7)), rng.dirichlet(np.ones(7))
    best, wp, wq = (torch.tensor(v) for v in (np.log(p / q), p, q))

    def loss(D):  # the equation, with exact expectations in place of batches
        return sum(
            wp[i] * aae.discriminator_loss(D[i], torch.tensor(-math.inf))
            + wq[i] * aae.discriminator_loss(torch.tensor(math.inf), D[i])
            for i in range(7)
        ).item()

    assert loss(best) == pytest.approx(least_loss(p, q), rel=1e-12)
    assert all(loss(best + 0.1 * torch.randn(7)) > loss(best) for _ in range(5))


@oracle(
    "AAE-KL",
    r"\mathbb E_x \operatorname{KL}\bigl(q(z \mid x) \parallel p\bigr) = I(x; z) + "
    r"\operatorname{KL}(q \parallel p)",
)
def parts_of_the_kl(slope, variance):
    """I(x; z) and KL(q || p) for x ~ N(0, 1) and z | x ~ N(slope x, variance)."""
    total = slope**2 + variance
    return np.log(total / variance) / 2, (total - 1 - np.log(total)) / 2


@pytest.mark.parametrize(("slope", "variance"), [(0.6, 0.64), (0.9, 0.19), (1.5, 0.3)])
def test_the_kl_of_each_sample_is_information_plus_mismatch(slope, variance):
    """Of a linear Gaussian encoder; the mixture of its codes has the mismatch alone."""
    information, mismatch = parts_of_the_kl(slope, variance)
    encoder = GaussianEncoder(replace(SMALL, shape=(1,), hidden=(), latent_dim=1))
    with torch.no_grad():
        encoder.layers[0].weight[:] = torch.tensor([[slope], [0.0]])
        encoder.layers[0].bias[:] = torch.tensor([0.0, math.log(variance)])
        v = torch.randn(200_000, 1)
        mean, log_variance = encoder.moments(v)
        kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance)
        z = encoder(v)
    assert kl.mean().item() == pytest.approx(information + mismatch, abs=0.01)
    aggregated = 0.5 * (z.var() + z.mean() ** 2 - 1 - z.var().log())
    assert aggregated.item() == pytest.approx(mismatch, abs=0.01)


@oracle("AAE-LINEAR", r"|b|^2 + \operatorname{tr}\bigl( A A^\top + I - 2 (A A^\top)^{1/2} \bigr)")
def frechet_of_linear_codes(A, b):
    """|b|^2 + tr(A A^T + I - 2 (A A^T)^(1/2)), x ~ N(0, I), z = A x + b."""
    S = A @ A.T
    return b @ b + np.trace(S + np.eye(len(b)) - 2 * np.real(sqrtm(S)))


def test_linear_codes_of_gaussian_data():
    """Any codes, and those of a rotation: these follow the prior, and a shrunk one does not."""
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    v, z = torch.randn(2, 20_000, 2, dtype=torch.float64)
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    for A, b, nearly in (
        (rng.normal(size=(2, 2)), rng.normal(size=2), None),
        (turn, np.zeros(2), 0.0),
        (turn / 2, np.zeros(2), 0.5),
    ):
        expected = frechet_of_linear_codes(A, b)
        codes = v @ torch.tensor(A.T) + torch.tensor(b)
        found = metrics.frechet_distance(codes, z)
        assert found == pytest.approx(expected, rel=0.04, abs=1e-3)
        assert nearly is None or found == pytest.approx(nearly, abs=0.02)


@oracle(
    "AAE-MMD",
    r"\mathbb E\, k(a, a') + \mathbb E\, k(b, b') - 2\, \mathbb E\, k(a, b), \qquad k(u, v) = "
    r"\tfrac13 \sum_s e^{-|u - v|^2 / 2 s^2}",
)
def mean_discrepancy(samples, reference):
    """Three Gaussian kernels, pair by pair, without the diagonal."""

    def k(u, v):
        d = len(u)
        return np.mean([np.exp(-((u - v) ** 2).sum() / (2 * d * w * w)) for w in (0.25, 0.5, 1)])

    def between(a, b, diagonal):
        pairs = [k(u, v) for i, u in enumerate(a) for j, v in enumerate(b) if diagonal or i != j]
        return np.mean(pairs)

    own = between(samples, samples, False) + between(reference, reference, False)
    return own - 2 * between(samples, reference, True)


@oracle(
    "AAE-SHIFT",
    r"\frac13 \sum_s 2 \left( \frac{s^2}{s^2 + 2} \right)^{d/2} \left( 1 - e^{-\delta^2 / 2 "
    r"(s^2 + 2)} \right)",
)
def discrepancy_of_a_shift(shift, d):
    """N(shift, I) against N(0, I) in d dimensions, in closed form."""
    s2 = d * np.array([0.25, 0.5, 1]) ** 2
    similar = (s2 / (s2 + 2)) ** (d / 2)
    return np.mean(2 * similar * -np.expm1(-(shift**2) / (2 * (s2 + 2))))


@pytest.mark.parametrize("d", [1, 3])
def test_kernel_distance(d):
    a, b = scores(5 * d).reshape(5, d), scores(4 * d, seed=1).reshape(4, d)
    check("AAE-MMD", metrics.gaussian_kernel_distance, samples=a, reference=b)


@pytest.mark.parametrize(("shift", "d"), [(0.0, 2), (1.0, 1), (1.0, 2), (1.0, 8)])
def test_kernel_distance_of_a_shift(d, shift):
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 2000, d, generator=generator)
    a[:, 0] += shift
    distance = metrics.gaussian_kernel_distance(a, b).item()
    assert distance == pytest.approx(discrepancy_of_a_shift(shift, d), rel=0.2, abs=2e-3)


# --- training ----------------------------------------------------------------------------------


def test_codes_of_points_come_to_follow_the_prior():
    """Gaussian data in the plane, stretched and shifted, against the untrained encoder."""
    torch.manual_seed(0)
    values = torch.randn(2000, 2) @ torch.tensor([[0.2, 0.1], [0.0, 0.3]]) + 0.3
    data = TensorData(values, name="one Gaussian")
    config = replace(PLANE, hidden=(64,), batch_size=128, steps=600, average_decay=0.98)
    config = replace(config, adversarial_rate=2e-3)
    run = aae.train(config, data, device="cpu", progress=False, snapshots=0)
    prior = torch.randn(1000, 2)
    distance = metrics.gaussian_kernel_distance(run.averaged.encode(values[:1000]), prior)
    untrained = aae.AAE(run.config).encode(values[:1000])
    assert distance < 0.2 * metrics.gaussian_kernel_distance(untrained, prior)
    error = (run.averaged.sample(z=run.averaged.encode(values)) - values).square().mean()
    assert error < 0.3 * values.var(0).mean()


MUTANTS = [
    *mutants(
        "latent.aae",
        (
            "AAE: the error is a sum over the numbers of an image: its scale is the resolution's",
            "return (x - reconstructions).square().mean()",
            "return (x - reconstructions).square().flatten(1).sum(1).mean()",
            "test_reconstruction_loss",
        ),
        (
            "AAE: the discriminator takes codes for real and the prior for fake",
            "loss = discriminator_loss(real_scores, fake_scores)",
            "loss = discriminator_loss(fake_scores, real_scores)",
            "test_the_prior_is_real",
        ),
        (
            "AAE: the phases are merged into one weighted loss",
            "loss = reconstruction_loss(x, self.decoder(self.encoder(x)))",
            "codes = self.encoder(x)\n"
            "        adversarial = generator_loss(self.discriminator(codes))\n"
            "        loss = 0.999 * reconstruction_loss(x, self.decoder(codes)) "
            "+ 0.001 * adversarial",
            "test_a_round_is_three_phases_each_on_fresh_codes",
        ),
        (
            "AAE: the discriminator learns on codes from before the reconstruction",
            "logged = self.reconstruction_step(batch.x) | self.discriminator_step(batch.x)",
            "logged = self.discriminator_step(batch.x) | self.reconstruction_step(batch.x)",
            "test_a_round_is_three_phases_each_on_fresh_codes",
        ),
        (
            "AAE: two phases share an optimiser",
            'update(self.encoder_optimizer, loss)\n        return {"encoder_loss"',
            'update(self.reconstruction_optimizer, loss)\n        return {"encoder_loss"',
            "test_one_phase_changes_nothing_for_another",
        ),
        (
            "AAE: the game is played at the learning rate of the reconstruction",
            "rate, betas = config.adversarial_rate, config.betas",
            "rate, betas = config.learning_rate, config.betas",
            "test_each_phase_has_a_rate_of_its_own",
        ),
        (
            "AAE: the discriminator is built for images",
            "self.discriminator = self.discriminator_class(config, code_dim)",
            "self.discriminator = self.discriminator_class(config, math.prod(config.shape))",
            "test_the_discriminator_takes_codes_not_images",
        ),
        (
            "AAE: samples are decoded from N(0, I), whatever the prior",
            "self.decoder(self.noise_or(z, n))",
            "self.decoder(torch.randn(n, self.config.latent_dim) if z is None else z)",
            "test_samples_are_decoded_from_the_prior",
        ),
        (
            "AAE: petals are drawn out across the radius: they close to a ring",
            "torch.stack([2 + along, across], 1)",
            "torch.stack([2 + across, along], 1)",
            "test_petals_lie_around_the_origin",
        ),
        (
            "AAE: all petals turn by less than a whole circle",
            "(2 * math.pi / modes)",
            "(math.pi / modes)",
            "test_petals_lie_around_the_origin",
        ),
        (
            "AAE: the number of petals is never looked at",
            "if self.config.modes > 1:",
            "if self.config.modes < 1:",
            "test_petals_are_a_prior_in_the_plane",
        ),
        (
            "AAE: labels meet the images that have none",
            "labelled = batch.x[: len(batch.y)]",
            "labelled = batch.x[-len(batch.y) :]",
            "test_the_first_images_have_the_labels",
        ),
        (
            "AAE: the few labelled images are in every batch of all phases",
            "Batch(others, None)",
            "batch",
            "test_no_labelled_image_reaches_the_other_phases",
        ),
        (
            "AAE: where all images have a label, nothing is left for the other phases",
            "others = batch.x\n",
            "pass\n",
            "test_where_all_have_a_label_all_phases_see_all",
        ),
        (
            "AAE: the prior of the class is a soft distribution, not a corner",
            "one_hot(labels, self.config.classes).float()",
            "one_hot(labels, self.config.classes).float().softmax(1)",
            "test_the_prior_of_the_class_are_the_corners",
        ),
        (
            "AAE: the class is the likeliest style",
            "return self.encoder.logits(x).argmax(1)",
            "return self.encoder(x)[:, 10:].argmax(1)",
            "test_the_class_is_the_likeliest",
        ),
    ),
    *mutants(
        "metrics.kernels",
        (
            "Kernel distance: points are paired with themselves",
            "own = (_kernels(a, a) - n) / (n * (n - 1)) + (_kernels(b, b) - m) / (m * (m - 1))",
            "own = _kernels(a, a) / n**2 + _kernels(b, b) / m**2",
            "test_kernel_distance",
        ),
    ),
]


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)


# What changes nothing, and why.
EQUIVALENT = {
    "reconstruction_step: x and self.decoder(self.encoder(x)) exchanged in "
    "`loss = reconstruction_loss(x, self.decoder(self.encoder(x)))`": (
        "the square of a difference has no sides"
    ),
}


def test_generated_mistakes_are_caught():
    assert not survivors(__file__, generated(aae, EQUIVALENT))

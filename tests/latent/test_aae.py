"""AAE: its equations against oracles, the prior as the real side, and what each phase moves."""

import math
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.special import logsumexp

from gan_lessons import metrics
from gan_lessons.data import Batch, TensorData, few_labels
from gan_lessons.latent import aae
from gan_lessons.training import load_run
from tests.helpers import images, moved, same
from tests.oracles import check, oracle, scores, sigmoid

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


# --- equations ---------------------------------------------------------------------------------


@oracle("AAE-R")
def squared_error(x, reconstructions):
    return sum(
        ((v - r) ** 2).sum() / v.size for v, r in zip(x, reconstructions, strict=True)
    ) / len(x)


@oracle("AAE-D")
def aae_d(real_scores, fake_scores):
    return np.logaddexp(0, -real_scores).mean() + np.logaddexp(0, fake_scores).mean()


@aae_d.gradient
def _(real_scores, fake_scores):
    return {
        "real_scores": -sigmoid(-real_scores) / real_scores.size,
        "fake_scores": sigmoid(fake_scores) / fake_scores.size,
    }


@oracle("AAE-E")
def aae_e(fake_scores):
    return np.logaddexp(0, -fake_scores).mean()


@aae_e.gradient
def _(fake_scores):
    return {"fake_scores": -sigmoid(-fake_scores) / fake_scores.size}


@oracle("AAE-C")
def cross_entropy(logits, labels):
    return np.mean([logsumexp(row) - row[y] for row, y in zip(logits, labels, strict=True)])


@oracle("AAE-Z")
def drawn(mean, log_variance, noise):
    return mean + np.sqrt(np.exp(log_variance)) * noise


def test_reconstruction_loss():
    a, b = scores(30).reshape(3, 1, 2, 5), scores(30, seed=1).reshape(3, 1, 2, 5)
    check("AAE-R", aae.reconstruction_loss, x=a, reconstructions=b)


def test_discriminator_loss():
    check("AAE-D", aae.discriminator_loss, real_scores=scores(6), fake_scores=scores(9, seed=1))


def test_encoder_loss():
    check("AAE-E", aae.encoder_loss, fake_scores=scores(7))


def test_classification_loss():
    logits, labels = scores(12).reshape(4, 3), np.array([0, 2, 2, 1])
    check("AAE-C", aae.classification_loss, logits=logits, labels=labels)


def test_reparametrisation_and_its_gradients():
    """By central differences of the oracle: 1 for the mean, sigma eps / 2 for the log-variance."""
    mean, log_variance = scores(6).reshape(3, 2), scores(6, seed=1).reshape(3, 2)
    noise = scores(6, seed=2).reshape(3, 2)

    def fixed(mean, log_variance, noise):
        with mock.patch("torch.randn_like", return_value=noise):
            return aae.reparametrise(mean, log_variance)

    check("AAE-Z", fixed, mean=mean, log_variance=log_variance, noise=noise)


def test_drawn_codes_have_the_variance_and_noise_of_their_own():
    mean, log_variance = torch.zeros(2000, 2), torch.tensor([0.0, math.log(9.0)]).expand(2000, 2)
    z = aae.reparametrise(mean, log_variance)
    assert z.var(0)[0].item() == pytest.approx(1, rel=0.1)
    assert z.var(0)[1].item() == pytest.approx(9, rel=0.1), "exp(lambda) is no standard deviation"
    assert np.corrcoef(z.T.numpy())[0, 1] == pytest.approx(0, abs=0.1)
    assert len(z[:, 0].unique()) > 1990, "one noise for the whole batch"


# --- facts -------------------------------------------------------------------------------------


@oracle("AAE-JSD")
def least_loss(p, q):
    """log 4 - 2 JSD(p, q) of two positive pmfs."""
    m = (p + q) / 2
    return np.log(4) - (p * np.log(p / m)).sum() - (q * np.log(q / m)).sum()


def test_the_best_discriminator_of_codes():
    rng = np.random.default_rng(0)
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
    assert least_loss(p, p) == pytest.approx(math.log(4))


@oracle("AAE-KL")
def parts_of_the_kl(slope, variance):
    """E KL(q(z|x) || p), I(x; z) and KL(q || p) for x ~ N(0, 1), z | x ~ N(slope x, variance)."""
    total = slope**2 + variance
    mean_kl = (total - 1 - np.log(variance)) / 2
    return mean_kl, np.log(total / variance) / 2, (total - 1 - np.log(total)) / 2


@pytest.mark.parametrize(("slope", "variance"), [(0.6, 0.64), (0.9, 0.19), (1.5, 0.3)])
def test_the_kl_of_each_sample_is_information_plus_mismatch(slope, variance):
    mean_kl, information, mismatch = parts_of_the_kl(slope, variance)
    assert mean_kl == pytest.approx(information + mismatch, rel=1e-12)
    encoder = aae.GaussianEncoder(replace(SMALL, shape=(1,), hidden=(), latent_dim=1))
    with torch.no_grad():
        encoder.layers[0].weight[:] = torch.tensor([[slope], [0.0]])
        encoder.layers[0].bias[:] = torch.tensor([0.0, math.log(variance)])
        v = torch.randn(200_000, 1)
        mean, log_variance = encoder.moments(v)
        kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance)
        z = encoder(v)
    assert kl.mean().item() == pytest.approx(mean_kl, abs=0.01)
    aggregated = 0.5 * (z.var() + z.mean() ** 2 - 1 - z.var().log())
    assert aggregated.item() == pytest.approx(mismatch, abs=0.01)


@oracle("AAE-LINEAR")
def frechet_of_linear_codes(A, b):
    """|b|^2 + tr(A A^T + I - 2 (A A^T)^(1/2)), x ~ N(0, I), z = A x + b."""
    S = A @ A.T
    return b @ b + np.trace(S + np.eye(len(b)) - 2 * np.real(sqrtm(S)))


def test_linear_codes_of_gaussian_data():
    rng = np.random.default_rng(0)
    A, b = rng.normal(size=(2, 2)), rng.normal(size=2)
    torch.manual_seed(0)
    v, z = torch.randn(2, 20_000, 2, dtype=torch.float64)
    codes = v @ torch.tensor(A.T) + torch.tensor(b)
    expected = frechet_of_linear_codes(A, b)
    assert metrics.frechet_distance(codes, z) == pytest.approx(expected, rel=0.04)
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    assert frechet_of_linear_codes(turn, np.zeros(2)) == pytest.approx(0, abs=1e-7)
    assert frechet_of_linear_codes(0.5 * turn, np.zeros(2)) == pytest.approx(0.5)


@oracle("AAE-MMD")
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


@oracle("AAE-SHIFT")
def discrepancy_of_a_shift(shift, d):
    """N(shift, I) against N(0, I) in d dimensions, in closed form."""
    s2 = d * np.array([0.25, 0.5, 1]) ** 2
    similar = (s2 / (s2 + 2)) ** (d / 2)
    return np.mean(2 * similar * -np.expm1(-(shift**2) / (2 * (s2 + 2))))


@pytest.mark.parametrize("d", [1, 3])
def test_kernel_distance(d):
    a, b = scores(5 * d).reshape(5, d), scores(4 * d, seed=1).reshape(4, d)
    check("AAE-MMD", metrics.gaussian_kernel_distance, samples=a, reference=b)


@pytest.mark.parametrize("d", [1, 2, 8])
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_kernel_distance_of_a_shift(d, shift):
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 2000, d, generator=generator)
    a[:, 0] += shift
    distance = metrics.gaussian_kernel_distance(a, b).item()
    assert distance == pytest.approx(discrepancy_of_a_shift(shift, d), rel=0.2, abs=2e-3)


# --- prior and networks ------------------------------------------------------------------------


@pytest.mark.parametrize("config", [SMALL, replace(PLANE, modes=10)])
def test_samples_are_decoded_from_the_prior(config):
    model = aae.AAE(config)
    torch.manual_seed(3)
    z = model.prior(5)
    torch.manual_seed(3)
    assert same(model.sample(5), model.sample(z=z))


def test_the_prior_is_normal(model):
    assert model.prior(4000).std().item() == pytest.approx(1, rel=0.05)
    assert model.fixed_inputs(7, images())["z"].shape == (7, SMALL.latent_dim)


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
    assert aae.AAE(replace(PLANE, modes=10)).prior(3).shape == (3, 2)


def test_petals_outside_the_plane_are_refused():
    with pytest.raises(ValueError, match="set latent_dim=2"):
        aae.AAE(replace(SMALL, modes=10))


def test_the_discriminator_takes_codes_not_images(model, semi):
    assert model.discriminator.layers[0].in_features == SMALL.latent_dim
    assert semi.discriminator.of_class.layers[0].in_features == SMALL.classes
    assert semi.discriminator.of_style.layers[0].in_features == SMALL.latent_dim
    for m, width in ((model, SMALL.latent_dim), (semi, SMALL.classes + SMALL.latent_dim)):
        assert m.encode(x()).shape == m.prior(16).shape == (16, width)
        assert m.sample(z=m.encode(x())).shape == x().shape
    assert model.discriminator(model.encode(x())).shape == (16,)


def test_class_and_style_have_a_judge_each(semi):
    z = semi.prior(6)
    other_style = torch.cat([z[:, :10], semi.prior(6)[:, 10:]], dim=1)
    of_class, of_style = semi.discriminator(z).split(6)
    assert same(of_class, semi.discriminator(other_style)[:6])
    assert not (of_style == semi.discriminator(other_style)[6:]).any()


def test_discrete_codes_are_probabilities_and_the_prior_corners(semi):
    codes, prior = semi.encode(x()), semi.prior(5000)
    torch.testing.assert_close(codes[:, :10].sum(1), torch.ones(16))
    assert (codes[:, :10] >= 0).all()
    assert set(prior[:, :10].unique().tolist()) == {0.0, 1.0}
    assert (prior[:, :10].sum(1) == 1).all()
    assert prior[:, :10].mean(0).min() > 0.07
    torch.testing.assert_close(codes[:, :10], semi.encoder.logits(x()).softmax(1))
    assert same(semi.classify(x()), codes[:, :10].argmax(1))


def test_a_gaussian_encoder_draws_its_codes():
    model = aae.GaussianAAE(SMALL)
    mean, log_variance = model.encoder.moments(x())
    assert mean.shape == log_variance.shape == (16, SMALL.latent_dim)
    assert not same(model.encode(x()), model.encode(x()))
    assert mean.requires_grad
    torch.manual_seed(1)
    noise = torch.randn(16, SMALL.latent_dim)
    torch.manual_seed(1)
    torch.testing.assert_close(model.encode(x()), (mean + (log_variance / 2).exp() * noise).data)


# --- phases ------------------------------------------------------------------------------------


@pytest.mark.parametrize("model_class", [aae.AAE, aae.GaussianAAE, aae.SemiSupervisedAAE])
def test_each_phase_moves_its_own_networks(model_class):
    torch.manual_seed(0)
    model = model_class(replace(SMALL, hidden=(64,)))
    assert moved(model, lambda: model.reconstruction_step(x())) == {"encoder", "decoder"}
    assert moved(model, lambda: model.discriminator_step(x())) == {"discriminator"}
    assert moved(model, lambda: model.encoder_step(x())) == {"encoder"}
    batch = images().batch(16)
    assert moved(model, lambda: model.step(batch)) == {"encoder", "decoder", "discriminator"}


def test_the_few_labels_move_the_class_head_of_the_encoder_only(semi):
    before = {name: p.clone() for name, p in semi.named_parameters()}
    semi.classification_step(x(), images().labels[:16])
    changed = {n for n, p in semi.named_parameters() if not same(p, before[n])}
    assert {name.split(".")[0] for name in changed} == {"encoder"}
    last = semi.encoder.layers[-1].weight.grad
    assert last[:10].any()
    assert not last[10:].any(), "the style has no part in the class"


def test_no_phase_leaves_a_gradient_where_it_must_not_move(model):
    model.discriminator_step(x())
    assert all(p.grad is None for p in model.encoder.parameters()), "detach is missing"
    before = [p.grad.clone() for p in model.discriminator.parameters()]
    model.encoder_step(x())
    after = [p.grad for p in model.discriminator.parameters()]
    assert all(same(a, b) for a, b in zip(after, before, strict=True)), "D is not frozen"
    assert all(p.requires_grad for p in model.discriminator.parameters()), "D stays frozen"
    assert all(p.grad is None for p in model.decoder.parameters())


def test_a_round_is_the_three_phases_in_their_order_with_fresh_codes():
    """Each phase sees the networks as the phase before has left them."""
    torch.manual_seed(0)
    model, before, batch = aae.AAE(SMALL), aae.AAE(SMALL), images().batch(16)
    before.load_state_dict(model.state_dict())
    drawn, draw = [], model.prior
    model.prior = lambda n: drawn.append(draw(n)) or drawn[-1]
    logged = model.step(batch)
    assert [len(z) for z in drawn] == [16]
    loss = ((before.decoder(before.encoder(batch.x)) - batch.x) ** 2).mean()
    assert logged["reconstruction_loss"].item() == pytest.approx(loss.item(), rel=1e-5)
    before.reconstruction_step(batch.x)
    real, fake = before.discriminator(drawn[0]), before.discriminator(before.encode(batch.x))
    expected = aae_d(real.detach().double().numpy(), fake.detach().double().numpy())
    assert logged["discriminator_loss"].item() == pytest.approx(expected, rel=1e-5)
    assert logged["prior_score"].item() == pytest.approx(real.mean().item(), abs=1e-6)
    assert logged["code_score"].item() == pytest.approx(fake.mean().item(), abs=1e-6)
    fake = model.discriminator(before.encode(batch.x)).detach().double().numpy()
    assert logged["encoder_loss"].item() == pytest.approx(aae_e(fake), rel=1e-5), "stale codes"


def test_the_prior_is_real():
    """D learns to score the prior high; then E's step makes the score of codes rise."""
    torch.manual_seed(0)
    model = aae.AAE(replace(SMALL, adversarial_rate=1e-2))
    for _ in range(60):
        model.discriminator_step(x())
    D = model.discriminator
    assert D(model.prior(200)).mean() > 0.5 > -0.5 > D(model.encode(x())).mean()
    before = model.discriminator(model.encode(x())).mean().item()
    for _ in range(5):
        model.encoder_step(x())
    assert model.discriminator(model.encode(x())).mean().item() > before


def test_the_reconstruction_does_not_know_the_adversarial_rate():
    """Phases of their own: no weight between the losses, no shared moments."""
    ends = []
    for rate in (1e-4, 1e-2):
        torch.manual_seed(0)
        model = aae.AAE(replace(SMALL, adversarial_rate=rate))
        model.reconstruction_step(x())
        ends.append([p.detach().clone() for p in model.parameters()])
    assert all(same(a, b) for a, b in zip(*ends, strict=True))


def test_each_phase_has_an_optimizer_of_its_own(model):
    """Adam's moments of one phase know nothing of the gradients of another."""
    optimizers = {
        "reconstruction_step": model.reconstruction_optimizer,
        "discriminator_step": model.discriminator_optimizer,
        "encoder_step": model.encoder_optimizer,
    }
    for done, name in enumerate(optimizers, start=1):
        getattr(model, name)(x())
        assert [bool(o.state) for o in optimizers.values()] == [i < done for i in range(3)]


def test_only_the_first_images_need_a_label(semi):
    batch = Batch(x(), images().labels[:4])
    with mock.patch.object(semi, "classification_step", return_value={}) as step:
        semi.step(batch)
    labelled, labels = step.call_args.args
    assert same(labelled, batch.x[:4])
    assert same(labels, batch.y)


# --- train and measure -------------------------------------------------------------------------


def test_codes_of_points_come_to_follow_the_prior():
    """Gaussian data in the plane, stretched and shifted, against the untrained encoder."""
    torch.manual_seed(0)
    values = torch.randn(2000, 2) @ torch.tensor([[0.2, 0.1], [0.0, 0.3]]) + 0.3
    data = TensorData(values, name="one Gaussian")
    config = replace(PLANE, hidden=(64,), batch_size=128, steps=600, average_decay=0.98)
    config = replace(config, adversarial_rate=2e-3)
    run = aae.train(config, data, device="cpu", progress=False, snapshots=1)
    prior = torch.randn(1000, 2)
    distance = metrics.gaussian_kernel_distance(run.averaged.encode(values[:1000]), prior)
    untrained = aae.AAE(run.config).encode(values[:1000])
    assert distance < 0.2 * metrics.gaussian_kernel_distance(untrained, prior)
    error = (run.averaged.sample(z=run.averaged.encode(values)) - values).square().mean()
    assert error < 0.3 * values.var(0).mean()


def test_few_labels_train_and_survive_saving(tmp_path):
    data = few_labels(images(60), 10)
    run = aae.train(
        SMALL, data, device="cpu", progress=False, snapshots=1, model_class=aae.SemiSupervisedAAE
    )
    assert "10 of them labelled" in run.summary()
    assert {"reconstruction_loss", "classification_loss"} <= set(run.history)
    again = load_run(run.save(tmp_path), device="cpu")
    assert same(again.averaged.classify(x()), run.averaged.classify(x()))


def test_data_without_labels_are_refused_where_labels_are_needed():
    data = replace(images(), labels=None, classes=())
    aae.train(SMALL, data, device="cpu", progress=False, snapshots=0)
    with pytest.raises(ValueError, match="needs a few labels"):
        aae.train(SMALL, data, model_class=aae.SemiSupervisedAAE)
    with pytest.raises(ValueError, match="classes 0 to 2"):
        aae.train(replace(SMALL, classes=3), images(), model_class=aae.SemiSupervisedAAE)


def test_what_is_measured():
    run = aae.train(SMALL, images(), device="cpu", progress=False, snapshots=0)
    test = images(30)
    result = aae.measure(run, test, few=30)
    assert result == aae.measure(run, test, few=30), "its numbers do not depend on the moment"
    pixels = (test.floats() + 1) / 2
    again = (run.averaged.sample(z=run.averaged.encode(test.floats())) + 1) / 2
    assert result["test_error"] == pytest.approx(((again - pixels) ** 2).mean().item(), rel=1e-5)
    assert 0 <= result["same_class"] <= 1
    assert result["code_distance"] > 5 * result["prior_distance"] > 0, "hardly trained"

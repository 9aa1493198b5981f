"""ClusterGAN: its equations against oracles, the code, the facts, and what each step moves."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import nn

from gan_lessons import metrics
from gan_lessons.data import Batch, TensorData, ring
from gan_lessons.latent import clustergan
from gan_lessons.objectives.wgan_gp import critic_loss
from gan_lessons.training import load_run
from tests.helpers import images, moved, same
from tests.oracles import check, oracle, scores, sigmoid

SMALL = replace(clustergan.PRESETS["smoke"], batch_size=8)
POINTS = replace(SMALL, shape=(2,), hidden=(16,), classes=4, noise_dim=3)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return clustergan.ClusterGAN(SMALL)


@pytest.fixture
def plane():
    torch.manual_seed(0)
    return clustergan.ClusterGAN(POINTS)


# --- equations ---------------------------------------------------------------------------------


@oracle("CLUSTERGAN-D")
def told_apart(real_scores, fake_scores):
    return np.logaddexp(0, -real_scores).mean() + np.logaddexp(0, fake_scores).mean()


@told_apart.gradient
def _(real_scores, fake_scores):
    return {
        "real_scores": -sigmoid(-real_scores) / real_scores.size,
        "fake_scores": sigmoid(fake_scores) / fake_scores.size,
    }


@oracle("CLUSTERGAN-G")
def fooled(fake_scores):
    return np.logaddexp(0, -fake_scores).mean()


@fooled.gradient
def _(fake_scores):
    return {"fake_scores": -sigmoid(-fake_scores) / fake_scores.size}


@oracle("CLUSTERGAN-N")
def noise_error(noise, recovered):
    return np.mean([np.dot(a - b, a - b) for a, b in zip(noise, recovered, strict=True)])


@noise_error.gradient
def _(noise, recovered):
    slope = 2 * (noise - recovered) / len(noise)
    return {"noise": slope, "recovered": -slope}


@oracle("CLUSTERGAN-C")
def cross_entropy(classes, logits):
    """One-hot rows pick a logit; minus it, plus the logarithm of the sum of exponentials."""
    return np.mean(np.logaddexp.reduce(logits, axis=1) - logits[classes == 1])


def test_losses_of_the_game():
    real, fake = scores(6), scores(8, seed=1)
    check("CLUSTERGAN-D", clustergan.discriminator_loss, real_scores=real, fake_scores=fake)
    check("CLUSTERGAN-G", clustergan.generator_loss, fake_scores=fake)


@pytest.mark.parametrize("shape", [(5, 3), (1, 30), (4, 1)])
def test_noise_loss(shape):
    noise, recovered = scores(math.prod(shape)), scores(math.prod(shape), seed=1)
    check(
        "CLUSTERGAN-N",
        clustergan.noise_loss,
        noise=noise.reshape(shape),
        recovered=recovered.reshape(shape),
    )


@pytest.mark.parametrize("classes", [[0, 2, 2, 1], [3]])
def test_class_loss(classes):
    """Compared with whole numbers as one-hot rows, so that only the logits have a gradient."""
    rows = np.eye(4, dtype=np.int64)[classes]
    logits = scores(4 * len(classes)).reshape(-1, 4)
    check("CLUSTERGAN-C", clustergan.class_loss, classes=rows, logits=logits)


def test_class_loss_is_from_logits():
    """At extreme logits it neither overflows nor forgets the gradient; a guess has log K."""
    rows, logits = torch.eye(3)[:1], torch.tensor([[-200.0, 0.0, 0.0]], requires_grad=True)
    loss = clustergan.class_loss(rows, logits)
    loss.backward()
    assert loss.item() == pytest.approx(200 + math.log(2))
    assert logits.grad[0].tolist() == pytest.approx([-1, 0.5, 0.5])
    guess = clustergan.class_loss(torch.eye(10), torch.zeros(10, 10))
    assert guess.item() == pytest.approx(math.log(10))


@oracle("CLUSTERGAN-Z")
def moments(noise_dim, classes, sigma):
    """Mean and covariance of the code: Gaussian noise beside one of `classes` unit vectors."""
    unit = np.eye(classes)
    covariance = np.zeros((noise_dim + classes,) * 2)
    covariance[:noise_dim, :noise_dim] = sigma**2 * np.eye(noise_dim)
    covariance[noise_dim:, noise_dim:] = np.cov(unit.T, bias=True)
    return np.concatenate([np.zeros(noise_dim), unit.mean(0)]), covariance


def test_the_code():
    torch.manual_seed(0)
    model = clustergan.ClusterGAN(replace(POINTS, noise_scale=0.5))
    z = model.code(50_000)
    mean, covariance = moments(3, 4, 0.5)
    np.testing.assert_allclose(z.mean(0).numpy(), mean, atol=1e-2)
    np.testing.assert_allclose(np.cov(z.T.numpy()), covariance, atol=1e-2)
    one_hot = z[:, 3:]
    assert set(one_hot.unique().tolist()) == {0, 1}
    assert (one_hot.sum(1) == 1).all()
    clusters = torch.tensor([3, 0, 0, 2])
    assert same(model.code(4, clusters)[:, 3:].argmax(1), clusters)


@oracle("CLUSTERGAN-GE")
def joint_loss(discriminator, generator, encoder, z, noise_dim, noise_weight, class_weight):
    """All three networks are matrices."""
    fake = np.asarray(z) @ generator
    answer = fake @ encoder
    noise, classes = np.asarray(z)[:, :noise_dim], np.asarray(z)[:, noise_dim:]
    fooled = np.logaddexp(0, -fake @ discriminator).mean()
    found = ((noise - answer[:, :noise_dim]) ** 2).sum(axis=1).mean()
    logits = answer[:, noise_dim:]
    named = (np.logaddexp.reduce(logits, axis=1) - (classes * logits).sum(axis=1)).mean()
    return fooled + noise_weight * found + class_weight * named


class Linear(nn.Module):
    """x W, for given weights; two results if there are sizes to split them."""

    def __init__(self, weights, sizes=None):
        super().__init__()
        self.weights, self.sizes = weights, sizes

    def forward(self, x):
        result = x @ self.weights
        return result if self.sizes is None else result.split(self.sizes, dim=1)


@pytest.mark.parametrize("weights", [(0.3, 10.0), (2.0, 0.5)])
def test_the_step_of_generator_and_encoder(weights, monkeypatch):
    """Value and gradient: the code losses reach the generator, too."""
    losses = []
    monkeypatch.setattr(clustergan, "update", lambda optimizer, loss: losses.append(loss))
    config = replace(POINTS, noise_weight=weights[0], class_weight=weights[1])
    model = clustergan.ClusterGAN(config)
    rng = np.random.default_rng(0)
    z = np.concatenate([0.1 * rng.standard_normal((6, 3)), np.eye(4)[[0, 1, 2, 3, 3, 1]]], axis=1)
    model.code = lambda n: torch.tensor(z)

    def loss(generator, encoder, discriminator, **numbers):
        model.generator, model.encoder = Linear(generator), Linear(encoder, model.encoder.sizes)
        model.discriminator = Linear(torch.tensor(discriminator, dtype=torch.float64))
        model.generator_encoder_step(6)
        return losses.pop()

    check(
        "CLUSTERGAN-GE",
        loss,
        discriminator=rng.standard_normal(2).tolist(),
        generator=rng.standard_normal((7, 2)),
        encoder=rng.standard_normal((2, 7)),
        z=z.tolist(),
        noise_dim=3,
        noise_weight=weights[0],
        class_weight=weights[1],
    )


# --- facts -------------------------------------------------------------------------------------


@oracle("CLUSTERGAN-V")
def general_value(real, fake, q):
    """The paper's game without the encoder: any concave q of probabilities, or of critic values."""
    return np.mean(q(real)) + np.mean(q(1 - fake))


def test_two_choices_of_q():
    """The logarithm gives the GAN's loss; the identity the critic's, up to a constant."""
    real, fake = torch.from_numpy(scores(6)), torch.from_numpy(scores(6, seed=1))
    p, q = real.sigmoid().numpy(), fake.sigmoid().numpy()
    value = general_value(p, q, np.log)
    assert -value == pytest.approx(clustergan.discriminator_loss(real, fake).item())
    value = general_value(real.numpy(), fake.numpy(), lambda t: t)
    assert value - 1 == pytest.approx(-critic_loss(real, fake).item())


@oracle("CLUSTERGAN-DIST")
def root_mean_square_distance(noise_dim, sigma):
    """Of two noises: each of their coordinates differs by N(0, 2 sigma^2)."""
    return np.sqrt(stats.norm(scale=np.sqrt(2) * sigma).var() * noise_dim)


@pytest.mark.parametrize(("sigma", "expected"), [(0.1, 0.775), (0.75, 5.81)])
def test_distances_of_codes(sigma, expected):
    torch.manual_seed(0)
    config = replace(POINTS, noise_dim=30, classes=10, noise_scale=sigma)
    z, other = clustergan.ClusterGAN(config).code(20_000).chunk(2)
    measured = (z - other)[:, :30].square().sum(1).mean().sqrt().item()
    assert measured == pytest.approx(root_mean_square_distance(30, sigma), rel=0.02)
    assert root_mean_square_distance(30, sigma) == pytest.approx(expected, abs=5e-3)
    apart = (torch.eye(10)[0] - torch.eye(10)[1]).norm()
    assert apart.item() == pytest.approx(math.sqrt(2))
    zero = clustergan.noise_loss(z[:, :30], torch.zeros(10_000, 30)).item()
    assert zero == pytest.approx(root_mean_square_distance(30, sigma) ** 2 / 2, rel=0.02)


def expected_maximum(k):
    """E max of k standard normal numbers."""
    density = lambda t: t * k * stats.norm.pdf(t) * stats.norm.cdf(t) ** (k - 1)  # noqa: E731
    return integrate.quad(density, -10, 10)[0]


@oracle("CLUSTERGAN-KM")
def largest_noise_scale(k):
    return (k - 1) / k / expected_maximum(k)


def test_beyond_the_largest_noise_scale_a_division_of_the_noise_is_the_better_k_means():
    """The sum of squares of the true clusters against that of a simplex in the noise."""
    k, d, n = 10, 12, 200_000
    rng = np.random.default_rng(0)
    assert largest_noise_scale(k) == pytest.approx(0.585, abs=1e-3)
    noise, truth = rng.standard_normal((n, d)), rng.integers(k, size=n)
    simplex = np.linalg.svd(np.eye(k) - 1 / k)[0][:, : k - 1]  # corners, seen in k - 1 dimensions
    by_noise = (noise[:, : k - 1] @ simplex.T).argmax(axis=1)

    def scatter(clusters, sigma):
        z = np.concatenate([sigma * noise, np.eye(k)[truth]], axis=1)
        return sum(z[clusters == c].var(axis=0).sum() * np.mean(clusters == c) for c in range(k))

    limit = largest_noise_scale(k)
    for sigma, truth_wins in ((0.95 * limit, True), (1.05 * limit, False)):
        assert (scatter(truth, sigma) < scatter(by_noise, sigma)) == truth_wins
    at = scatter(truth, limit), scatter(by_noise, limit)
    assert at[0] == pytest.approx(at[1], rel=2e-3)


@pytest.mark.parametrize(("sigma", "low", "high"), [(0.1, 1.0, 1.0), (0.75, 0.1, 0.25)])
def test_k_means_on_the_true_codes(sigma, low, high):
    torch.manual_seed(0)
    config = replace(POINTS, noise_dim=30, classes=10, noise_scale=sigma)
    z = clustergan.ClusterGAN(config).code(1000)
    found = metrics.k_means(z, 10, restarts=5)
    assert low <= metrics.cluster_accuracy(found, z[:, 30:].argmax(1)) <= high


@oracle("CLUSTERGAN-MI")
def information_bound(joint, answer):
    """log K minus the cross-entropy of the answers q(k | x), with P(k, x) in rows k."""
    return np.log(len(joint)) + (joint * np.log(answer)).sum()


def test_the_class_loss_bounds_the_information_in_an_image():
    rng = np.random.default_rng(0)
    joint = rng.dirichlet(np.full(6, 0.5), size=4) / 4  # four clusters, six images
    images_ = joint.sum(axis=0)
    exact = (joint * np.log(joint / (images_ / 4))).sum()
    best = information_bound(joint, joint / images_)
    assert best == pytest.approx(exact), "equal for the posterior"
    logits = rng.standard_normal((6, 4))
    answer = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    bound = information_bound(joint, answer.T)
    assert bound < exact
    clusters, xs = np.divmod(rng.choice(24, size=200_000, p=joint.ravel()), 6)
    loss = clustergan.class_loss(
        torch.eye(4, dtype=torch.float64)[clusters], torch.from_numpy(logits)[xs]
    )
    assert math.log(4) - loss.item() == pytest.approx(bound, abs=0.01)


# --- networks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 64), (2,)])
def test_shapes(shape):
    config = replace(SMALL, shape=shape, noise_dim=7, classes=3)
    model = clustergan.ClusterGAN(config)
    noise, logits = model.encoder(torch.rand(4, *shape))
    assert noise.shape == (4, 7)
    assert logits.shape == (4, 3)
    assert (logits < 0).any(), "logits, not probabilities"
    assert model.sample(4).shape == (4, *shape)
    noise, probabilities = model.encode(torch.rand(4, *shape))
    assert probabilities.sum(1).tolist() == pytest.approx([1] * 4)
    assert not noise.requires_grad
    assert config.latent_dim == 10


def test_a_code_does_not_depend_on_the_company(model):
    x = images(8).floats(slice(8))
    together, alone = model.encoder(x), model.encoder(x[:2])
    for many, few in zip(together, alone, strict=True):
        torch.testing.assert_close(many[:2], few, atol=1e-5, rtol=1e-4)
    assert not list(model.encoder.buffers()), "no statistics of batches"


# --- distorted copies --------------------------------------------------------------------------


def test_without_a_bend_and_a_stroke_images_stay_what_they_are():
    x = images(8).floats()
    torch.testing.assert_close(clustergan.distorted(x, 0.0, 0.0), x, atol=1e-5, rtol=0)
    config = replace(SMALL, bend=0.0, stroke=0.0)
    torch.testing.assert_close(clustergan.ClusterGAN(config).distort(x), x, atol=1e-5, rtol=0)
    assert not torch.allclose(clustergan.ClusterGAN(SMALL).distort(x), x, atol=0.1)
    points = torch.randn(8, 2)
    assert same(clustergan.ClusterGAN(POINTS).distort(points), points)


def test_the_maps_are_affine_within_their_limits():
    """Of a ramp along each axis an affine map leaves a plane, whose slopes are the map's."""
    torch.manual_seed(0)
    side, n, bend = 33, 400, 0.2
    ticks = torch.linspace(-1, 1, side)  # pixel centres end half a pixel inside the image
    ramp = ticks.expand(side, side) * (side - 1) / side
    inner = slice(side // 2 - 5, side // 2 + 6)
    for axis, image in enumerate((ramp, ramp.T)):
        out = clustergan.distorted(image.expand(n, 1, side, side), bend, 0.0)[:, 0, inner, inner]
        rows = torch.stack([ramp, ramp.T, torch.ones_like(ramp)], -1)[inner, inner].reshape(-1, 3)
        fit = torch.linalg.lstsq(rows, out.reshape(n, -1).T).solution.T
        torch.testing.assert_close(fit @ rows.T, out.reshape(n, -1), atol=1e-4, rtol=0)
        change = fit - torch.eye(3)[axis]
        largest = change.abs().amax(dim=0) / bend
        assert (largest <= torch.tensor([1.0, 1.0, 1 / 3]) + 1e-3).all()
        assert (largest >= torch.tensor([0.9, 0.9, 0.3])).all(), "different maps, up to the limit"
        assert change.mean(dim=0).abs().max() < 0.02, "no direction is preferred"


def test_lines_get_thicker_or_thinner_by_a_pixel_at_most():
    torch.manual_seed(0)
    line = torch.full((1, 1, 16, 16), -1.0)
    line[..., 4:7] = 1.0
    out = clustergan.distorted(line.expand(200, 1, 16, 16), 0.0, 1.0)
    width = (out[:, 0, 8] + 1).sum(dim=1) / 2
    assert width.min() == pytest.approx(2, abs=0.05)
    assert width.max() == pytest.approx(4, abs=0.05)
    assert (width > 3).float().mean().item() == pytest.approx(0.5, abs=0.1)
    assert (out[..., [0, 1, 8, 9, 10]] < -0.99).all(), "nothing far from the line"


def test_a_distorted_copy_passes_the_gradient_on():
    x = images(4).floats().requires_grad_()
    clustergan.distorted(x, 0.3, 1.0).sum().backward()
    assert (x.grad.flatten(1).abs().sum(dim=1) > 0).all()


# --- steps -------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", [POINTS, replace(SMALL, width=8)], ids=["points", "images"])
def test_each_step_moves_its_networks(config):
    torch.manual_seed(0)
    model, real = clustergan.ClusterGAN(config), torch.rand(8, *config.shape)
    assert moved(model, lambda: model.discriminator_step(real)) == {"discriminator"}
    assert moved(model, lambda: model.generator_encoder_step(8)) == {"generator", "encoder"}


def test_no_loss_leaves_a_gradient_at_another_players_network(plane):
    plane.discriminator_step(torch.randn(8, 2))
    for network in (plane.generator, plane.encoder):
        assert all(p.grad is None for p in network.parameters()), "detach is missing"
    before = [p.grad.clone() for p in plane.discriminator.parameters()]
    plane.generator_encoder_step(8)
    after = [p.grad for p in plane.discriminator.parameters()]
    assert all(same(a, b) for a, b in zip(after, before, strict=True)), "D is not frozen"
    assert all(p.requires_grad for p in plane.discriminator.parameters()), "D stays frozen"


def test_the_encoder_never_sees_a_real_sample(plane):
    """Whatever the data are, its input in a step is what the generator has just drawn."""
    seen, drawn = [], []
    plane.encoder.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    plane.generator.register_forward_hook(lambda module, inputs, output: drawn.append(output))
    plane.step(Batch(torch.full((8, 2), 77.0), None))
    assert len(seen) == 2, "once for the noise, once for the class"
    assert all(same(x, drawn[-1]) for x in seen)


def test_the_class_is_read_from_distorted_copies_and_the_noise_from_the_images(model):
    seen, drawn = [], []
    model.generator.register_forward_hook(lambda module, inputs, output: drawn.append(output))
    model.encoder.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    blank = torch.zeros(8, 1, 32, 32)
    model.distort = lambda x: blank if same(x, drawn[-1]) else pytest.fail("not the fakes")
    losses = model.generator_encoder_step(8)
    assert same(seen[0], drawn[-1])
    assert same(seen[1], blank)
    assert losses["class_loss"].item() == pytest.approx(math.log(10), abs=0.5)


def test_the_discriminator_first_then_generator_and_encoder_on_fresh_codes(plane):
    real, codes, code = torch.randn(8, 2), [], plane.code
    plane.code = lambda n: codes.append(code(n)) or codes[-1]
    before = clustergan.ClusterGAN(POINTS)
    before.load_state_dict(plane.state_dict())
    logged = plane.step(Batch(real, None))
    assert [len(z) for z in codes] == [8, 8]
    assert not same(*codes), "fresh codes for the generator"
    D, first = before.discriminator, before.generator(codes[0])
    expected = told_apart(D(real).detach().numpy(), D(first).detach().numpy())
    assert logged["discriminator_loss"].item() == pytest.approx(expected, rel=1e-5)
    second = before.generator(codes[1])
    expected = fooled(plane.discriminator(second).detach().numpy())
    assert logged["generator_loss"].item() == pytest.approx(expected, rel=1e-5)
    noise, logits = (answer.detach().numpy() for answer in before.encoder(second))
    z = codes[1].numpy()
    assert logged["noise_loss"].item() == pytest.approx(noise_error(z[:, :3], noise), rel=1e-5)
    assert logged["class_loss"].item() == pytest.approx(cross_entropy(z[:, 3:], logits), rel=1e-5)


# --- samples and codes -------------------------------------------------------------------------


def test_samples_of_chosen_clusters(model):
    z = model.code(6)
    assert same(model.sample(z=z), model.sample(z=z))
    assert not same(model.sample(4), model.sample(4))
    clusters = torch.tensor([0, 0, 9])
    torch.manual_seed(1)
    chosen = model.sample(3, clusters=clusters)
    torch.manual_seed(1)
    assert same(chosen, model.sample(z=model.code(3, clusters)))
    with pytest.raises(ValueError, match="classes 0 to 9"):
        model.sample(1, clusters=torch.tensor([10]))
    with pytest.raises(ValueError, match="must be 2 integers"):
        model.sample(2, clusters=torch.tensor([1]))


def test_snapshots_have_a_cluster_in_each_row_and_a_noise_in_each_column(plane):
    z = plane.fixed_inputs(10, ring())["z"]
    assert z.shape == (12, 7)
    rows = z.reshape(4, 3, 7)
    assert same(rows[:, :, 3:].argmax(2), torch.arange(4)[:, None].expand(4, 3))
    assert all(same(row[:, :3], rows[0, :, :3]) for row in rows)
    assert len(rows[0, :, 0].unique()) == 3


@pytest.fixture(scope="module")
def run():
    config = replace(SMALL, steps=3)
    return clustergan.train(config, images(), device="cpu", progress=False, snapshots=1)


def test_codes_come_from_averaged_weights_in_chunks(run):
    x = images().floats()
    noise, probabilities = clustergan.encode(run, x, chunk=7)
    expected = run.averaged.encode(x)
    torch.testing.assert_close(noise, expected[0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(probabilities, expected[1], atol=1e-5, rtol=1e-4)
    assert not torch.allclose(noise, run.model.encode(x)[0], atol=1e-5)


def test_measure_scores_both_kinds_of_clusters(run):
    data = images()
    result = clustergan.measure(run, data)
    noise, probabilities = clustergan.encode(run, data.floats())
    own = metrics.cluster_agreement(probabilities.argmax(1), data.labels)
    assert [result[key] for key in ("accuracy", "nmi", "ari")] == pytest.approx(own)
    found = metrics.k_means(torch.cat([noise, probabilities], dim=1), 10)
    other = metrics.cluster_agreement(found, data.labels)
    keys = ("k_means_accuracy", "k_means_nmi", "k_means_ari")
    assert [result[key] for key in keys] == pytest.approx(other)


def test_labels_do_not_touch_the_training():
    """The same numbers with other labels and with none."""
    data, config = images(), replace(SMALL, steps=2)
    runs = [
        clustergan.train(config, d, device="cpu", progress=False, snapshots=0)
        for d in (data, replace(data, labels=9 - data.labels), replace(data, labels=None))
    ]
    first = runs[0].model.state_dict()
    for other in runs[1:]:
        state = other.model.state_dict()
        assert all(same(value, state[name]) for name, value in first.items())


def test_a_saved_run_gives_the_same_codes(run, tmp_path):
    again = load_run(run.save(tmp_path), device="cpu")
    x = images().floats()
    assert same(clustergan.encode(again, x)[1], clustergan.encode(run, x)[1])


# --- train -------------------------------------------------------------------------------------


def test_heaps_in_the_plane_become_clusters():
    data = ring(n_modes=3, n=3000, std=0.1)
    config = replace(
        POINTS,
        hidden=(64, 64),
        classes=3,
        noise_dim=2,
        batch_size=64,
        steps=500,
        average_decay=0.98,
    )
    run = clustergan.train(config, data, device="cpu", progress=False, snapshots=0)
    assert clustergan.measure(run, data.subset(slice(900)))["accuracy"] > 0.9
    assert run.history["class_loss"][-50:].mean() < 0.1 < run.history["class_loss"][0]


def test_unknown_presets_and_foreign_configs_are_refused():
    with pytest.raises(ValueError, match="choose one of 'smoke', 'cpu', 'gpu'"):
        clustergan.train("large", images())
    with pytest.raises(TypeError, match=r"must be a gan_lessons\.latent\.clustergan\.Config"):
        clustergan.train({"steps": 3}, images())


def test_points_need_no_labels():
    data = TensorData(torch.randn(50, 2), name="points")
    run = clustergan.train(replace(POINTS, steps=2), data, device="cpu", progress=False)
    assert run.sample(5).shape == (5, 2)

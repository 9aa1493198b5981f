"""CGAN: the game on pairs against oracles, labels that stay with their images, both ways."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from gan_lessons.data import TensorData
from gan_lessons.foundations import cgan, gan
from gan_lessons.networks.conditional import HiddenGenerator, InputDiscriminator
from tests.helpers import images
from tests.mutants import generated, mutants, survivors
from tests.oracles import check, oracle, scores, sigmoid, taken_over

CONFIG = replace(cgan.PRESETS["smoke"], latent_dim=3, width=2, hidden_label=3)
QUIET = {"device": "cpu", "progress": False}
WAYS = pytest.mark.parametrize("way", [cgan.CGAN, cgan.HiddenCGAN])

taken_over(
    "CGAN-D",
    "GAN-D",
    r"L_D = \mathbb E \operatorname{softplus}(-D(x, y)) + \mathbb E "
    r"\operatorname{softplus}(D(G(z, y), y))",
)
taken_over("CGAN-G", "GAN-G", r"L_G = \mathbb E \operatorname{softplus}(-D(G(z, y), y))")


# --- the value, on tables of pairs (x, y) ------------------------------------------------------


@oracle(
    "CGAN-V",
    r"\min_G \max_D\ V = \mathbb E \log \sigma(D(x, y)) + \mathbb E \log\bigl(1 - "
    r"\sigma(D(G(z, y), y))\bigr)",
)
def value(real_scores, fake_scores):
    return np.log(sigmoid(real_scores)).mean() + np.log(1 - sigmoid(fake_scores)).mean()


def test_the_discriminator_maximises_the_value():
    def minus_loss(real_scores, fake_scores):
        return -cgan.discriminator_loss(real_scores, fake_scores)

    check("CGAN-V", minus_loss, real_scores=scores(6), fake_scores=scores(6, seed=3))


def jsd(p, q):
    m = (p + q) / 2
    return float((p * np.log(p / m)).sum() + (q * np.log(q / m)).sum()) / 2


@oracle("CGAN-OPT", r"\sigma(D^*(x, y)) = \frac{p_r(x, y)}{p_r(x, y) + p_g(x, y)}")
def best_probability(p, q):
    return p / (p + q)


@oracle(
    "CGAN-JSD",
    r"V(D^*, G) = 2\, \mathbb E_y \operatorname{JSD}\bigl(p_r(x|y) \parallel p_g(x|y)\bigr) - "
    r"\log 4",
)
def value_by_class(p, q):
    """For tables with the same marginal of the labels (rows)."""
    weights = p.sum(axis=1)
    rows = [jsd(a / a.sum(), b / b.sum()) for a, b in zip(p, q, strict=True)]
    return 2 * weights @ rows - np.log(4)


@oracle(
    "CGAN-LABELS",
    r"V(D^*, G) = 2 \operatorname{JSD}\bigl(p_r(y) \parallel p_g(y)\bigr) - \log 4",
)
def value_of_wrong_labels(p_y, q_y):
    return 2 * jsd(p_y, q_y) - np.log(4)


@oracle(
    "CGAN-BLIND",
    r"\max_{D(x)} V = 2 \operatorname{JSD}\bigl(p_r(x) \parallel p_g(x)\bigr) - \log 4",
)
def value_without_labels(p, q):
    """For tables p(x, y) and q(x, y), labels in rows; D sees the column only."""
    return 2 * jsd(p.sum(axis=0), q.sum(axis=0)) - np.log(4)


@oracle(
    "CGAN-RATIO",
    r"D^*(x, y) = \log \frac{p_r(y|x)}{p_g(y|x)} + \log \frac{p_r(x)}{p_g(x)}",
)
def log_ratio(p, q):
    """For tables p(x, y) and q(x, y), labels in rows: does the label fit, is the image real?"""
    p_x, q_x = p.sum(axis=0), q.sum(axis=0)
    return np.log(p / p_x) - np.log(q / q_x) + np.log(p_x) - np.log(q_x)


@oracle(
    "CGAN-PROJECTION",
    r"D^*(x, y) = (r_y - g_y)^\top h(x) + \log \frac{p_r(x)}{p_g(x)} - \log "
    r"\frac{Z_r(x)}{Z_g(x)}",
)
def projection(h, r, g, p_x, q_x):
    """Features h (images, d), vectors r, g (labels, d) of both classifiers; (labels, images)."""
    z_r, z_g = (np.exp(vectors @ h.T).sum(axis=0) for vectors in (r, g))
    return (r - g) @ h.T + np.log(p_x / q_x) - np.log(z_r / z_g)


def counted(seed, labels=(50, 30, 20)):
    """How often each of 5 images comes with each of 3 labels: samples have it exactly."""
    rng = np.random.default_rng(seed)
    return np.stack([1 + rng.multinomial(n - 5, rng.dirichlet(np.ones(5))) for n in labels])


def shares(counts):
    return counts / counts.sum()


def value_and_slope(D, real, fake):
    """V of a table of scores, one for each pair or one row for all labels, and its gradient."""
    D = torch.tensor(D, requires_grad=True)
    table = D.expand(real.shape).flatten()
    found, made = (table[np.repeat(np.arange(real.size), c.ravel())] for c in (real, fake))
    loss = cgan.discriminator_loss(found, made)
    return -loss.item(), torch.autograd.grad(loss, D)[0].abs().max().item()


def odds(p, q):
    """The best scores, from the best probabilities."""
    best = best_probability(p, q)
    return np.log(best / (1 - best))


def test_the_best_scores_are_the_odds_of_the_pairs_and_leave_one_divergence_a_class():
    for real, fake in ((counted(0), counted(1)), (counted(0), counted(0))):
        p, q = shares(real), shares(fake)
        best, slope = value_and_slope(odds(p, q), real, fake)
        assert slope < 1e-15, "V is concave in the scores"
        assert best == pytest.approx(value_by_class(p, q), abs=1e-12)
    assert best == pytest.approx(-np.log(4)), "equal in every class"


def test_the_best_scores_are_those_of_a_projection_discriminator():
    """Any five images have five features in which both classifiers are linear."""
    real, fake = counted(0), counted(1)
    p, q = shares(real), shares(fake)
    h = np.random.default_rng(2).normal(size=(5, 5))
    r, g = (np.log(t / t.sum(axis=0)) @ np.linalg.inv(h).T + 1.5 for t in (p, q))
    best = projection(h, r, g, p.sum(axis=0), q.sum(axis=0))
    np.testing.assert_allclose(best, log_ratio(p, q), atol=1e-12)
    _, slope = value_and_slope(best, real, fake)
    assert slope < 1e-14, "no other scores have a greater value"
    no_constants = (r - g) @ h.T
    assert value_and_slope(no_constants, real, fake)[1] > 1e-3, "the sums Z count"


def test_where_the_generator_obeys_the_labels_part_of_the_score_is_gone():
    p = shares(counted(0))
    q = p / p.sum(axis=0) * np.random.default_rng(1).dirichlet(np.ones(5))
    assert np.ptp(log_ratio(p, q), axis=0).max() < 1e-12, "the same for all labels"


def test_other_labels_than_the_data_have_are_a_difference_that_no_image_can_mend():
    images_of_label = counted(0, (10, 10, 10))  # the same for real and generated ones
    p_y, q_y = np.array([0.5, 0.3, 0.2]), np.ones(3) / 3
    real, fake = images_of_label * np.array([[5], [3], [2]]), images_of_label
    blind_to_images = np.log(p_y / q_y)[:, None].repeat(5, axis=1)
    best, slope = value_and_slope(blind_to_images, real, fake)
    assert slope < 1e-15
    assert best == pytest.approx(value_of_wrong_labels(p_y, q_y), abs=1e-12)
    assert best > -np.log(4) + 0.01


def test_without_labels_a_generator_that_mixes_them_up_is_perfect():
    real = counted(0, (30, 30, 30))
    for fake in (real[[1, 2, 0]], counted(1, (30, 30, 30))):
        p, q = shares(real), shares(fake)
        best, slope = value_and_slope(odds(p.sum(0), q.sum(0))[None], real, fake)
        assert slope < 1e-15
        assert best == pytest.approx(value_without_labels(p, q), abs=1e-12)
        seen, _ = value_and_slope(odds(p, q), real, fake)
        assert seen > best + 0.01, "with labels it is found out"
    assert value_without_labels(p, shares(real[[1, 2, 0]])) == pytest.approx(-np.log(4))


# --- the step ----------------------------------------------------------------------------------


class Spy(cgan.CGAN):
    """Remembers what was made for which label, and what was said about which pair."""

    def __init__(self, config):
        super().__init__(config)
        self.made, self.judged, self.said = [], [], []
        self.generator.register_forward_hook(lambda _m, i, out: self.made.append((i[1], out)))
        self.discriminator.register_forward_hook(
            lambda _m, i, out: self.judged.append(i) or self.said.append(out.detach())
        )


def test_fakes_are_judged_with_the_label_they_were_made_for():
    model, data = Spy(CONFIG), images(8).batch(8)
    model.step(data)
    y = one_hot(data.y, 10).float()
    (real, y_real), (fake, y_fake), (fake_again, y_again) = model.judged
    assert torch.equal(real, data.x)
    assert torch.equal(fake, model.made[0][1])
    assert torch.equal(fake_again, model.made[1][1])
    for labels in (y_real, y_fake, y_again, model.made[0][0], model.made[1][0]):
        assert torch.equal(labels, y)  # the labels of the real batch: the same marginal


def test_the_step_plays_for_the_losses_of_the_gan():
    model = Spy(CONFIG)
    logged = model.step(images(8).batch(8))
    real, fake, fresh = model.said
    torch.testing.assert_close(logged["discriminator_loss"], gan.discriminator_loss(real, fake))
    torch.testing.assert_close(logged["generator_loss"], gan.generator_loss(fresh))
    torch.testing.assert_close(logged["real_score"], real.mean())
    torch.testing.assert_close(logged["fake_score"], fake.mean())


@WAYS
def test_the_networks_are_those_of_the_way(way):
    model = way(CONFIG)
    assert (type(model.generator), type(model.discriminator)) == way.networks
    assert isinstance(model.generator, HiddenGenerator) == (way is cgan.HiddenCGAN)
    assert isinstance(model.discriminator, InputDiscriminator) == (way is cgan.CGAN)


class Confused(torch.nn.Module):
    """Draws perfect images of the other class: class 1 is white, class 0 black."""

    def forward(self, z, y):
        return (2 * y[:, :1] - 1)[:, :, None, None].expand(-1, 1, 32, 32)


@WAYS
def test_the_discriminator_finds_perfect_images_of_the_wrong_class(way):
    model = way(replace(CONFIG, classes=2, hidden_label=8, learning_rate=5e-3))
    model.generator = Confused()
    labels = torch.arange(16) % 2
    x = (2.0 * labels - 1)[:, None, None, None].expand(-1, 1, 32, 32)
    losses = [model.discriminator_step(x, labels)["discriminator_loss"].item() for _ in range(50)]
    assert losses[0] > 1.2
    assert losses[-1] < 0.9  # without the label it could not fall below log 4 = 1.39


# --- labels ------------------------------------------------------------------------------------


def test_without_labels_all_classes_come():
    model, seen = cgan.CGAN(CONFIG), []
    model.generator.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[1]))
    model.sample(300)
    assert (seen[0].sum(dim=1) == 1).all()
    assert (seen[0].sum(dim=0) > 10).all()


def test_another_number_of_classes():
    config = replace(CONFIG, classes=3, steps=2)
    run = cgan.train(config, images(20, classes=3), snapshots=2, **QUIET)
    assert run.snapshots.shape == (2, 66, 1, 32, 32), "22 noises for each of 3 classes"
    assert run.sample(3, labels=torch.zeros(3, dtype=torch.int64)).shape == (3, 1, 32, 32)


def test_train_on_points():
    data = TensorData(torch.randn(60, 2), torch.arange(60) % 3, "three heaps")
    run = cgan.train(replace(CONFIG, classes=3, steps=2), data, **QUIET)
    assert run.sample(5, labels=torch.full((5,), 2)).shape == (5, 2)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([0, 10]), r"knows the classes 0 to 9; set Config\(classes=…\) to have more"),
        (torch.tensor([-1, 3]), "run from -1 to 3"),
        (torch.tensor([1, 2, 3]), "must be 2 integers"),
        (torch.tensor([1.0, 2.0]), "torch.float32"),
        (torch.tensor([True, False]), "torch.bool"),
        (torch.eye(10)[:2], r"of shape \(2, 10\)"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        cgan.CGAN(CONFIG).sample(2, labels=labels)


MUTANTS = [
    *mutants(
        "foundations.cgan",
        (
            "the discriminator judges fakes with other labels than they were made for",
            "self.discriminator(real, y), self.discriminator(fake, y)",
            "self.discriminator(real, y), self.discriminator(fake, y.roll(1, 0))",
            "test_fakes_are_judged_with_the_label_they_were_made_for",
        ),
        (
            "fakes get random labels: not as often as the data have them",
            "fake = self.generator(self.noise(len(real)), y).detach()",
            "fake = self.generator(self.noise(len(real)), y[torch.randperm(len(y))]).detach()",
            "test_fakes_are_judged_with_the_label_they_were_made_for",
        ),
        (
            "the discriminator is not told the labels",
            "self.discriminator(real, y), self.discriminator(fake, y)",
            "self.discriminator(real, 0 * y), self.discriminator(fake, 0 * y)",
            "test_the_discriminator_finds_perfect_images_of_the_wrong_class",
        ),
        (
            "the generator's loss is that of the discriminator's fakes",
            "loss = generator_loss(fake_scores)",
            "loss = -discriminator_loss(fake_scores, fake_scores)",
            "test_the_step_plays_for_the_losses_of_the_gan",
        ),
        (
            "fakes and real pairs are exchanged",
            "self.discriminator(real, y), self.discriminator(fake, y)",
            "self.discriminator(fake, y), self.discriminator(real, y)",
            "test_fakes_are_judged_with_the_label_they_were_made_for",
        ),
        (
            "the paper's way with the discriminator of the other one",
            "networks = (HiddenGenerator, HiddenDiscriminator)",
            "networks = (HiddenGenerator, InputDiscriminator)",
            "test_the_networks_are_those_of_the_way",
        ),
    ),
    *mutants(
        "foundations.gan",
        (
            "least squares in place of the logistic loss, and still called CGAN",
            "return softplus(-real_scores).mean() + softplus(fake_scores).mean()",
            "return (real_scores - 1).square().mean() + fake_scores.square().mean()",
            "test_the_discriminator_maximises_the_value",
        ),
        (
            "label smoothing: the best scores are no odds any more",
            "return softplus(-real_scores).mean() + softplus(fake_scores).mean()",
            "return (softplus(-real_scores) + 0.1 * real_scores).mean() "
            "+ softplus(fake_scores).mean()",
            "test_the_best_scores_are_the_odds_of_the_pairs_and_leave_one_divergence_a_class",
        ),
    ),
    *mutants(
        "model",
        (
            "samples of all classes are asked for by one draw",
            "labels = torch.randint(self.config.classes, (len(z),), device=z.device)",
            "labels = torch.randint(self.config.classes, (1,), device=z.device).expand(len(z))",
            "test_without_labels_all_classes_come",
        ),
        (
            "one-hot rows are as long as the labels of a batch happen to need",
            "one_hot(labels, self.config.classes)",
            "one_hot(labels)",
            "test_another_number_of_classes",
        ),
        (
            "the last class is counted from 1",
            "<= int(labels.max()) < classes:",
            "<= int(labels.max()) <= classes:",
            "test_labels_that_do_not_fit_are_refused",
        ),
    ),
]


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)


def test_generated_mistakes_are_caught():
    assert not survivors(__file__, generated(cgan))

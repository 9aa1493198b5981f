"""ACGAN: losses and facts against oracles, and who is asked for which label."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from gan_lessons.data import TensorData
from gan_lessons.latent import acgan
from tests.helpers import images
from tests.mutants import generated, mutants, survivors
from tests.oracles import check, oracle, scores, sigmoid, taken_over

CONFIG = replace(acgan.PRESETS["smoke"], latent_dim=3, width=2, hidden=(16,))
LABELS = np.array([2, 0, 3, 3, 1])

taken_over(
    "ACGAN-S",
    "GAN-D",
    r"S = \mathbb E \operatorname{softplus}(-D(x)) + \mathbb E \operatorname{softplus}(D(G(z, y)))",
)


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def logits(n=5, classes=4, *, seed=7):
    return scores(n * classes, seed=seed).reshape(n, classes)


# --- the losses --------------------------------------------------------------------------------


@oracle(
    "ACGAN-VS",
    r"L_S = \mathbb E \log \sigma(D(x)) + \mathbb E \log\bigl(1 - \sigma(D(G(z, y)))\bigr)",
)
def sources_of_the_paper(real_scores, fake_scores):
    return np.log(sigmoid(real_scores)).mean() + np.log(1 - sigmoid(fake_scores)).mean()


@oracle("ACGAN-VC", r"L_C = \mathbb E \log P(y|x) + \mathbb E \log P(y|G(z, y))")
def classes_of_the_paper(real_logits, fake_logits, y):
    rows = np.arange(len(y))
    return log_softmax(real_logits)[rows, y].mean() + log_softmax(fake_logits)[rows, y].mean()


@oracle("ACGAN-C", r"C(v, y) = \log \sum_{k=1}^{K} e^{\ell_k(v)} - \ell_y(v)")
def class_loss(logits, labels):
    return (np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(labels)), labels]).mean()


@oracle("ACGAN-D", r"L_D = S + \mathbb E\, C(x, y) + \mathbb E\, C(G(z, y), y)")
def discriminator_loss(real_scores, fake_scores, real_logits, fake_logits, y):
    sources = np.logaddexp(0, -real_scores).mean() + np.logaddexp(0, fake_scores).mean()
    return sources + class_loss(real_logits, y) + class_loss(fake_logits, y)


@oracle(
    "ACGAN-G",
    r"L_G = \mathbb E \operatorname{softplus}(-D(G(z, y))) + \mathbb E\, C(G(z, y), y)",
)
def generator_loss(fake_scores, fake_logits, y):
    return np.logaddexp(0, -fake_scores).mean() + class_loss(fake_logits, y)


SCORES = {"real_scores": scores(5), "fake_scores": scores(5, seed=1)}
LOGITS = {"real_logits": logits(), "fake_logits": logits(seed=8)}
RIGHT = 1e4 * torch.eye(4, dtype=torch.float64)[LABELS]  # logits of a class head without a doubt
FOUND = torch.full((5,), 1e4, dtype=torch.float64)  # scores that cost nothing on the real side


def test_losses():
    check("ACGAN-D", acgan.discriminator_loss, **SCORES, **LOGITS, y=LABELS)
    fakes = {"fake_scores": scores(5, seed=2), "fake_logits": logits(seed=9)}
    check("ACGAN-G", acgan.generator_loss, **fakes, y=LABELS)


def test_the_class_loss_is_the_cross_entropy_of_logits():
    check("ACGAN-C", acgan.class_loss, logits=logits(), labels=LABELS)
    right = torch.zeros(1, 10)
    right[0, 4] = 40
    assert acgan.class_loss(right, torch.tensor([4])).item() < 1e-6  # 0 can be reached
    assert acgan.class_loss(right, torch.tensor([5])).item() == pytest.approx(40)  # no ceiling


def test_the_discriminator_maximises_the_sum_of_the_papers_likelihoods():
    """Each is what is left of the loss where the other task is solved."""

    def minus_sources(real_scores, fake_scores):
        y = torch.from_numpy(LABELS)
        return -acgan.discriminator_loss(real_scores, fake_scores, RIGHT, RIGHT, y)

    def minus_classes(real_logits, fake_logits, y):
        return -acgan.discriminator_loss(FOUND, -FOUND, real_logits, fake_logits, y)

    check("ACGAN-VS", minus_sources, **SCORES)
    check("ACGAN-VC", minus_classes, **LOGITS, y=LABELS)


def test_losses_stay_finite_and_keep_their_gradient_for_large_numbers():
    wrong = torch.tensor([[80.0, -80.0]], requires_grad=True)
    loss = acgan.generator_loss(wrong[:, 1], wrong, torch.tensor([1]))
    loss.backward()
    assert loss.item() == pytest.approx(80 + 160)
    np.testing.assert_allclose(wrong.grad, [[1.0, -2.0]])


# --- a softmax before the cross-entropy --------------------------------------------------------


def twice(logits, labels):
    """The mistake: the package's loss of probabilities."""
    return acgan.class_loss(logits.softmax(dim=1), labels)


@oracle(
    "ACGAN-TWICE",
    r"\log\Bigl(1 + \frac{K - 1}{e}\Bigr) \le \tilde C(v, y) \le \log(K - 1 + e)",
)
def limits_of_softmax_twice(classes):
    return np.log(1 + (classes - 1) / np.e), np.log(classes - 1 + np.e)


def test_softmax_twice_has_a_floor_and_a_ceiling():
    low, high = limits_of_softmax_twice(10)
    assert (round(low, 4), round(high, 4)) == (1.4612, 2.4612)
    sure = 1e3 * torch.eye(10, dtype=torch.float64)[:1]
    assert twice(sure, torch.tensor([0])).item() == pytest.approx(low, abs=1e-12)
    assert twice(sure, torch.tensor([5])).item() == pytest.approx(high, abs=1e-12)
    for scale in (0.1, 1, 10, 100):
        many = scale * torch.from_numpy(logits(200, 10))
        each = [twice(row[None], torch.tensor([k % 10])).item() for k, row in enumerate(many)]
        assert low - 1e-12 <= min(each) <= max(each) <= high + 1e-12


@oracle(
    "ACGAN-TENTH",
    r"\nabla_\ell\, \tilde C = \frac1K\, \nabla_\ell\, C = \frac1K \Bigl( \frac1K \mathbf 1 - "
    r"e_y \Bigr) \quad \text{at } \ell_1 = \dots = \ell_K",
)
def gradient_at_equal_logits(classes, label):
    """Of the mistake: that of the right loss, 1/K - e_y, over K."""
    return (np.ones(classes) / classes - np.eye(classes)[label]) / classes


@pytest.mark.parametrize("classes", [2, 10])
def test_softmax_twice_has_a_smaller_gradient(classes):
    equal = torch.zeros(1, classes, dtype=torch.float64, requires_grad=True)
    label = torch.tensor([1])
    (right,) = torch.autograd.grad(acgan.class_loss(equal, label), equal)
    (small,) = torch.autograd.grad(twice(equal, label), equal)
    expected = gradient_at_equal_logits(classes, 1)
    np.testing.assert_allclose(small[0], expected, rtol=1e-12)
    np.testing.assert_allclose(right[0], classes * expected, rtol=1e-12)


# --- what the class loss asks for, on tables of three labels and five images -------------------


REAL = np.array([[4, 3, 1, 1, 1], [1, 1, 4, 2, 2], [1, 2, 1, 3, 3]])  # times each pair comes
FAKE = np.array([[5, 2, 1, 1, 1], [1, 1, 6, 1, 1], [2, 2, 2, 2, 2]])


def every_pair(counts):
    """The image and the label of each sample, as often as the table says, label by label."""
    pairs = [(x, y) for y, x in np.ndindex(counts.shape) for _ in range(counts[y, x])]
    return torch.tensor(pairs).T


def loss_of_the_discriminator(table, real=REAL, fake=FAKE):
    """The package's, with class logits that are looked up by image and scores of 0."""
    (of_real, y), (of_fake, _) = every_pair(real), every_pair(fake)
    zero = torch.zeros(len(y), dtype=torch.float64)
    return acgan.discriminator_loss(zero, zero, table[of_real], table[of_fake], y)


def loss_of_the_generator(table, fake=FAKE):
    """The package's, where the discriminator takes all fakes for real: what is left is C."""
    x, y = every_pair(fake)
    return acgan.generator_loss(torch.full((len(y),), 1e4).double(), table[x], y)


@oracle("ACGAN-OPT", r"P^*(y|v) = \frac{p_r(v, y) + p_g(v, y)}{p_r(v) + p_g(v)}")
def best_posterior(p, q):
    """Tables of p(x, y) and q(x, y), labels in rows: the share of each label, given the image."""
    return ((p + q) / (p + q).sum(axis=0)).T


def test_the_best_class_head_knows_the_labels_of_real_and_fake_together():
    best = torch.from_numpy(np.log(best_posterior(REAL / 30, FAKE / 30))).requires_grad_()
    (slope,) = torch.autograd.grad(loss_of_the_discriminator(best), best)
    assert slope.abs().max() < 1e-12  # and the loss is convex in the logits
    for seed in range(20):
        other = best + 0.3 * torch.from_numpy(logits(5, 3, seed=seed))
        assert loss_of_the_discriminator(other) > loss_of_the_discriminator(best)


@oracle(
    "ACGAN-MI",
    r"\mathbb E\, C(G(z, y), y) = H(y) - I(y;\, G(z, y)) + \mathbb E "
    r"\operatorname{KL}\bigl(p_g(\cdot|v) \parallel P(\cdot|v)\bigr)",
)
def class_loss_by_information(q, posterior):
    """H(y) - I + E KL, for a table q(x, y), labels in rows, and a class head (image, label)."""
    q_y, q_x = q.sum(axis=1), q.sum(axis=0)
    information = (q * np.log(q / np.outer(q_y, q_x))).sum()
    given = q / q_x
    missed = (q * np.log(given / posterior.T)).sum()
    return -(q_y * np.log(q_y)).sum() - information + missed


def test_the_generator_is_paid_for_information_about_the_label():
    of_both, of_fakes = best_posterior(REAL, FAKE), best_posterior(0 * REAL, FAKE)
    losses = []
    for posterior in (of_both, of_fakes):
        losses.append(loss_of_the_generator(torch.from_numpy(np.log(posterior))).item())
        expected = class_loss_by_information(FAKE / 30, posterior)
        assert losses[-1] == pytest.approx(expected, rel=1e-12)
    given = -(FAKE / 30 * np.log(of_fakes.T)).sum()  # H(y | v) = H(y) - I
    assert losses[0] > losses[1] == pytest.approx(given), "their own posterior misses nothing"
    telling = np.diag([10, 10, 10])  # each image has one label: H(y) - I = 0
    sure = torch.from_numpy(np.where(np.eye(3), 0.0, -1e3))
    assert loss_of_the_generator(sure, telling).item() == 0


@oracle("ACGAN-PUSH", r"-\frac{d}{dv}\, C(v, y) = 2 s\, \sigma(-2 s v)")
def push(v, side):
    """Downhill for a sample at v of the class N(side, 1) against N(-side, 1), side 1 or -1."""
    return 2 * side * sigmoid(-2 * side * v)


def test_perfect_samples_of_overlapping_classes_are_pushed_apart():
    """By the generator's loss: the scores are 0 wherever a point lies, the classes known."""
    v = scores(9, scale=3)
    for label, side in enumerate((-1, 1)):
        points = torch.from_numpy(v).requires_grad_()
        posterior = -((points[:, None] - torch.tensor([-1.0, 1.0])) ** 2) / 2
        loss = acgan.generator_loss(torch.zeros(9), posterior, torch.full((9,), label))
        (slope,) = torch.autograd.grad(len(v) * loss, points)
        np.testing.assert_allclose(-slope, push(v, side), rtol=1e-7)
        assert (side * push(v, side) > 0).all()  # away from the other class, wherever it is


# --- the step ----------------------------------------------------------------------------------


class Spy(acgan.ACGAN):
    """Remembers what G was asked for and made, and what D was given and answered."""

    def __init__(self, config):
        super().__init__(config)
        self.made, self.judged = [], []
        self.generator.register_forward_hook(lambda _m, i, out: self.made.append((i[1], out)))
        self.discriminator.register_forward_hook(lambda _m, i, out: self.judged.append((i, *out)))


def spied():
    model, data = Spy(CONFIG), images(8).batch(8)
    return model, data, model.step(data)


def test_fakes_are_asked_for_the_labels_of_the_real_batch():
    model, data, _ = spied()
    y = one_hot(data.y, 10).float()
    assert all(torch.equal(asked, y) for asked, _ in model.made)  # the same marginal


def test_the_discriminator_is_not_told_the_label():
    model, data, _ = spied()
    (real,), (fake,), (fake_again,) = (inputs for inputs, *_ in model.judged)
    assert torch.equal(real, data.x)
    assert torch.equal(fake, model.made[0][1])
    assert torch.equal(fake_again, model.made[1][1])


def test_step_reports_the_losses_of_what_the_discriminator_answered():
    model, data, result = spied()
    y = data.y.numpy()
    answers = [(s.detach().numpy(), c.detach().numpy()) for _, s, c in model.judged]
    (real, real_classes), (fake, fake_classes), again = answers
    expected = {
        "discriminator_loss": discriminator_loss(real, fake, real_classes, fake_classes, y),
        "generator_loss": generator_loss(*again, y),
        "real_score": real.mean(),
        "fake_score": fake.mean(),
        "real_class": class_loss(real_classes, y),
        "fake_class": class_loss(fake_classes, y),
    }
    assert set(result) == set(expected)
    for name, number in expected.items():
        assert result[name].item() == pytest.approx(number, rel=1e-5), name


def test_a_generator_of_points_learns_to_obey():
    labels = torch.arange(400) % 2
    values = 4.0 * labels[:, None] - 2 + 0.5 * torch.randn(400, 1)
    data = TensorData(values, labels, "two classes on a line that hardly overlap")
    config = replace(CONFIG, classes=2, latent_dim=2, hidden=(32,), learning_rate=5e-3)
    config = replace(config, batch_size=64, steps=150, average_decay=0.9)
    run = acgan.train(config, data, device="cpu", progress=False, snapshots=0)
    left, right = (run.sample(200, labels=torch.full((200,), c), seed=0) for c in (0, 1))
    assert left.mean() < -0.5
    assert right.mean() > 0.5
    assert run.history["real_class"][-20:].mean() < 0.2


MUTANTS = mutants(
    "latent.acgan",
    (
        "a softmax before the cross-entropy",
        "return cross_entropy(logits, labels)",
        "return cross_entropy(logits.softmax(dim=1), labels)",
        "test_the_class_loss_is_the_cross_entropy_of_logits",
    ),
    (
        "smoothed labels: the class loss has a floor",
        "return cross_entropy(logits, labels)",
        "return cross_entropy(logits, labels, label_smoothing=0.1)",
        "test_the_class_loss_is_the_cross_entropy_of_logits",
    ),
    (
        "the discriminator names the classes of real samples only",
        "return sources + class_loss(real_logits, y) + class_loss(fake_logits, y)",
        "return sources + class_loss(real_logits, y)",
        "test_the_best_class_head_knows_the_labels_of_real_and_fake_together",
    ),
    (
        "the source and the class each count for a half",
        "return sources + class_loss(real_logits, y) + class_loss(fake_logits, y)",
        "return (sources + class_loss(real_logits, y) + class_loss(fake_logits, y)) / 2",
        "test_the_discriminator_maximises_the_sum_of_the_papers_likelihoods",
    ),
    (
        "the generator is not asked for the class",
        "return gan.generator_loss(fake_scores) + class_loss(fake_logits, y)",
        "return gan.generator_loss(fake_scores)",
        "test_perfect_samples_of_overlapping_classes_are_pushed_apart",
    ),
    (
        "the generator's minimax loss, which saturates",
        "return gan.generator_loss(fake_scores) + class_loss(fake_logits, y)",
        "return gan.saturating_generator_loss(fake_scores) + class_loss(fake_logits, y)",
        "test_losses_stay_finite_and_keep_their_gradient_for_large_numbers",
    ),
    (
        "the players fight about the class, too",
        "return gan.generator_loss(fake_scores) + class_loss(fake_logits, y)",
        "return gan.generator_loss(fake_scores) - class_loss(fake_logits, y)",
        "test_a_generator_of_points_learns_to_obey",
    ),
    (
        "fakes are made for other labels than they are said to have",
        "self.encode(labels)).detach()",
        "self.encode(labels.flip(0))).detach()",
        "test_fakes_are_asked_for_the_labels_of_the_real_batch",
    ),
    (
        "the generator's loss takes other labels than the generator was asked for",
        "generator_loss(fake_scores, fake_logits, labels)",
        "generator_loss(fake_scores, fake_logits, labels.flip(0))",
        "test_step_reports_the_losses_of_what_the_discriminator_answered",
    ),
    (
        "what is logged as the class loss of fakes is that of real samples",
        '"fake_class": class_loss(fake_logits, labels)',
        '"fake_class": class_loss(real_logits, labels)',
        "test_step_reports_the_losses_of_what_the_discriminator_answered",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)


def test_generated_mistakes_are_caught():
    assert not survivors(__file__, generated(acgan))

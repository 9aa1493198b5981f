"""ACGAN: losses and facts against oracles, what each step moves, who sees which label."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from gan_lessons import metrics
from gan_lessons.data import TensorData
from gan_lessons.foundations import cgan
from gan_lessons.latent import acgan
from gan_lessons.training import load_run
from tests.helpers import images, moved, same
from tests.oracles import check, oracle, scores, sigmoid

CONFIG = replace(acgan.PRESETS["smoke"], latent_dim=3, width=2, hidden=(16,))
LABELS = np.array([2, 0, 3, 3, 1])


def short(steps=3, data=None, **options):
    data = images() if data is None else data
    config = replace(CONFIG, steps=steps)
    return acgan.train(config, data, device="cpu", progress=False, **options)


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def logits(n=5, classes=4, *, seed=7):
    return scores(n * classes, seed=seed).reshape(n, classes)


# --- the losses ---


@oracle("ACGAN-VS")
def sources_of_the_paper(real_scores, fake_scores):
    return np.log(sigmoid(real_scores)).mean() + np.log(1 - sigmoid(fake_scores)).mean()


@oracle("ACGAN-VC")
def classes_of_the_paper(real_logits, fake_logits, y):
    rows = np.arange(len(y))
    return log_softmax(real_logits)[rows, y].mean() + log_softmax(fake_logits)[rows, y].mean()


@oracle("ACGAN-S")
def source_loss(real_scores, fake_scores):
    return np.logaddexp(0, -real_scores).mean() + np.logaddexp(0, fake_scores).mean()


@source_loss.gradient
def _(real_scores, fake_scores):
    return {
        "real_scores": -sigmoid(-real_scores) / real_scores.size,
        "fake_scores": sigmoid(fake_scores) / fake_scores.size,
    }


@oracle("ACGAN-C")
def class_loss(logits, labels):
    return (np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(labels)), labels]).mean()


@class_loss.gradient
def class_gradient(logits, labels):
    wanted = np.eye(logits.shape[1])[labels]
    return {"logits": (np.exp(log_softmax(logits)) - wanted) / len(labels)}


@oracle("ACGAN-D")
def discriminator_loss(real_scores, fake_scores, real_logits, fake_logits, y):
    classes = class_loss(real_logits, y) + class_loss(fake_logits, y)
    return source_loss(real_scores, fake_scores) + classes


@oracle("ACGAN-G")
def generator_loss(fake_scores, fake_logits, y):
    return np.logaddexp(0, -fake_scores).mean() + class_loss(fake_logits, y)


SCORES = {"real_scores": scores(5), "fake_scores": scores(5, seed=1)}
LOGITS = {"real_logits": logits(), "fake_logits": logits(seed=8)}


def test_losses():
    check("ACGAN-S", acgan.source_loss, real_scores=scores(6), fake_scores=scores(5, seed=1))
    check("ACGAN-D", acgan.discriminator_loss, **SCORES, **LOGITS, y=LABELS)
    fakes = {"fake_scores": scores(5, seed=2), "fake_logits": logits(seed=9)}
    check("ACGAN-G", acgan.generator_loss, **fakes, y=LABELS)


def test_the_class_loss_is_the_cross_entropy_of_logits():
    check("ACGAN-C", acgan.class_loss, logits=logits(), labels=LABELS)
    right = torch.zeros(1, 10)
    right[0, 4] = 40
    assert acgan.class_loss(right, torch.tensor([4])).item() < 1e-6  # 0 can be reached
    assert acgan.class_loss(right, torch.tensor([5])).item() == pytest.approx(40)  # no ceiling


def test_they_are_the_papers_with_the_opposite_sign():
    def minus_sources(**pair):
        return -acgan.source_loss(**pair)

    def minus_classes(real_logits, fake_logits, y):
        return -acgan.class_loss(real_logits, y) - acgan.class_loss(fake_logits, y)

    check("ACGAN-VS", minus_sources, **SCORES)
    check("ACGAN-VC", minus_classes, **LOGITS, y=LABELS)


def test_losses_stay_finite_and_keep_their_gradient_for_large_numbers():
    wrong = torch.tensor([[80.0, -80.0]], requires_grad=True)
    loss = acgan.generator_loss(wrong[:, 1], wrong, torch.tensor([1]))
    loss.backward()
    assert loss.item() == pytest.approx(80 + 160)
    np.testing.assert_allclose(wrong.grad, [[1.0, -2.0]])


def test_only_differences_of_logits_count():
    one, y = torch.from_numpy(logits()), torch.from_numpy(LABELS)
    torch.testing.assert_close(acgan.class_loss(one + 7.0, y), acgan.class_loss(one, y))


# --- a softmax before the cross-entropy ---


def twice(logits, labels):
    """The mistake: the package's loss of probabilities."""
    return acgan.class_loss(logits.softmax(dim=1), labels)


@oracle("ACGAN-TWICE")
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


@oracle("ACGAN-TENTH")
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


# --- what the class loss asks for, on tables of three labels and five images ---


REAL = np.array([[4, 3, 1, 1, 1], [1, 1, 4, 2, 2], [1, 2, 1, 3, 3]])  # times each pair comes
FAKE = np.array([[5, 2, 1, 1, 1], [1, 1, 6, 1, 1], [2, 2, 2, 2, 2]])


def every_pair(counts):
    """The image and the label of each sample, as often as the table says."""
    pairs = [(x, y) for y, x in np.ndindex(counts.shape) for _ in range(counts[y, x])]
    return torch.tensor(pairs).T


def loss_of(table, counts):
    """The package's class loss of logits that are looked up by image."""
    x, y = every_pair(counts)
    return acgan.class_loss(table[x], y)


@oracle("ACGAN-OPT")
def best_posterior(p, q):
    """Tables of p(x, y) and q(x, y), labels in rows: the share of each label, given the image."""
    return ((p + q) / (p + q).sum(axis=0)).T


def test_the_best_class_head_knows_the_labels_of_real_and_fake_together():
    best = torch.from_numpy(np.log(best_posterior(REAL / 30, FAKE / 30))).requires_grad_()

    def both(table):
        return loss_of(table, REAL) + loss_of(table, FAKE)

    (slope,) = torch.autograd.grad(both(best), best)
    assert slope.abs().max() < 1e-12  # and the loss is convex in the logits
    for seed in range(20):
        other = best + 0.3 * torch.from_numpy(logits(5, 3, seed=seed))
        assert both(other) > both(best)


@oracle("ACGAN-MI")
def class_loss_by_information(q, posterior):
    """H(y) - I + E KL, for a table q(x, y), labels in rows, and a class head (image, label)."""
    q_y, q_x = q.sum(axis=1), q.sum(axis=0)
    information = (q * np.log(q / np.outer(q_y, q_x))).sum()
    given = q / q_x
    missed = (q * np.log(given / posterior.T)).sum()
    return -(q_y * np.log(q_y)).sum() - information + missed


def test_the_class_loss_of_fakes_bounds_their_information_about_the_label():
    q = FAKE / 30
    for posterior in (best_posterior(REAL, FAKE), best_posterior(0 * REAL, FAKE)):
        loss = loss_of(torch.from_numpy(np.log(posterior)), FAKE).item()
        assert loss == pytest.approx(class_loss_by_information(q, posterior), rel=1e-12)
    own = best_posterior(0 * REAL, FAKE)  # the fakes' own posterior: nothing is missed
    table = torch.from_numpy(np.log(own))
    assert loss == pytest.approx(loss_of(table, FAKE).item())
    assert loss_of(torch.from_numpy(np.log(best_posterior(REAL, FAKE))), FAKE).item() > loss


@oracle("ACGAN-PUSH")
def push(v, side):
    """Downhill for a sample at v of the class N(side, 1) against N(-side, 1), side 1 or -1."""
    return 2 * side * sigmoid(-2 * side * v)


def test_perfect_samples_of_overlapping_classes_are_pushed_apart():
    v = scores(9, scale=3)
    for label, side in enumerate((-1, 1)):
        point = torch.from_numpy(v).requires_grad_()
        posterior = -((point[:, None] - torch.tensor([-1.0, 1.0])) ** 2) / 2
        total = len(v) * acgan.class_loss(posterior, torch.full((9,), label))
        (slope,) = torch.autograd.grad(total, point)
        np.testing.assert_allclose(-slope, push(v, side), rtol=1e-7)
        assert (side * push(v, side) > 0).all()  # away from the other class, wherever it is


# --- the networks ---


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 64, 64), (2,), (1,)])
def test_shapes_and_ranges(shape):
    model = acgan.ACGAN(replace(CONFIG, shape=shape))
    fake = model.generator(model.noise(4), torch.eye(10)[:4])
    assert fake.shape == (4, *shape)
    assert len(shape) == 1 or fake.abs().max() <= 1
    found, classes = model.discriminator(fake)
    assert found.shape == (4,)
    assert classes.shape == (4, 10)


@pytest.mark.parametrize("shape", [(1, 32, 32), (2,)])
def test_score_and_classes_are_eleven_different_numbers(shape):
    network = acgan.Discriminator(replace(CONFIG, shape=shape))
    last = network.layers[-1]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(100 + torch.arange(11.0))
    score, classes = network(torch.randn(2, *shape))
    assert score.tolist() == [100, 100]  # a score, not a probability
    assert classes.tolist() == [list(range(101, 111))] * 2  # logits, not probabilities


def test_the_generator_listens_to_the_label():
    model = acgan.ACGAN(CONFIG)
    drawn = model.sample(z=torch.randn(1, 3).expand(10, -1), labels=torch.arange(10))
    assert all(not torch.equal(drawn[a], drawn[b]) for a in range(10) for b in range(a))


# --- the steps ---


def test_each_step_moves_one_player():
    model, data = acgan.ACGAN(CONFIG), images(8).batch(8)
    assert moved(model, lambda: model.discriminator_step(*data)) == {"discriminator"}
    assert moved(model, lambda: model.generator_step(data.y)) == {"generator"}
    assert moved(model, lambda: model.step(data)) == {"generator", "discriminator"}


def test_the_generator_step_leaves_no_gradients_on_the_discriminator():
    model = acgan.ACGAN(CONFIG)
    model.generator_step(torch.arange(4))
    assert all(p.grad is None and p.requires_grad for p in model.discriminator.parameters())


class Spy(acgan.ACGAN):
    """Remembers every noise, what G was asked for and made, and what D was given and answered."""

    def __init__(self, config):
        super().__init__(config)
        self.noises, self.made, self.judged = [], [], []
        self.generator.register_forward_hook(
            lambda _m, inputs, out: self.made.append((inputs[1], out))
        )
        self.discriminator.register_forward_hook(
            lambda _m, inputs, out: self.judged.append((inputs, *out))
        )

    def noise(self, n):
        self.noises.append(super().noise(n))
        return self.noises[-1]


def spied():
    model, data = Spy(CONFIG), images(8).batch(8)
    return model, data, model.step(data)


def test_noise_is_fresh_and_the_discriminator_gets_no_graph():
    model, data, _ = spied()
    assert len(model.noises) == 2
    assert not torch.equal(*model.noises)
    (real,), (fake,), (fake_again,) = (inputs for inputs, *_ in model.judged)  # no label
    assert torch.equal(real, data.x)
    assert torch.equal(fake, model.made[0][1])
    assert not fake.requires_grad  # detached
    assert torch.equal(fake_again, model.made[1][1])
    assert fake_again.requires_grad


def test_fakes_are_asked_for_the_labels_of_the_real_batch():
    model, data, _ = spied()
    y = one_hot(data.y, 10).float()
    assert all(torch.equal(asked, y) for asked, _ in model.made)  # the same marginal


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


def points(n=400):
    """Two classes on a line that hardly overlap."""
    labels = torch.arange(n) % 2
    return TensorData(4.0 * labels[:, None] - 2 + 0.5 * torch.randn(n, 1), labels, "a line")


def test_a_generator_of_points_learns_to_obey():
    torch.manual_seed(0)
    config = replace(CONFIG, classes=2, latent_dim=2, hidden=(32,), learning_rate=5e-3)
    run = acgan.train(
        replace(config, batch_size=64, steps=150, average_decay=0.9),
        points(),
        device="cpu",
        progress=False,
        snapshots=0,
    )
    left, right = (run.sample(200, labels=torch.full((200,), c), seed=0) for c in (0, 1))
    assert left.mean() < -0.5
    assert right.mean() > 0.5
    assert run.history["real_class"][-20:].mean() < 0.2


# --- sampling, saving, measuring ---


def test_samples_of_given_labels():
    run = short()
    z, labels = torch.randn(5, 3), torch.tensor([7, 0, 7, 3, 9])
    drawn = run.sample(5, z=z, labels=labels)
    assert drawn.shape == (5, 1, 32, 32)
    torch.testing.assert_close(drawn[2:3], run.sample(1, z=z[2:3], labels=labels[2:3]))
    assert same(run.sample(5, seed=4, labels=labels), run.sample(5, seed=4, labels=labels))


def test_without_labels_all_classes_come():
    model = Spy(CONFIG)
    model.sample(300)
    asked = model.made[0][0]
    assert (asked.sum(dim=1) == 1).all()
    assert (asked.sum(dim=0) > 10).all()


def test_snapshots_have_a_class_in_each_row_and_a_noise_in_each_column():
    run = short()
    z, labels = run.fixed_inputs["z"].view(10, 7, -1), run.fixed_inputs["labels"].view(10, 7)
    assert (labels == torch.arange(10)[:, None]).all()
    assert same(z, z[:1].expand_as(z).contiguous())
    assert not torch.equal(z[0, 0], z[0, 1])
    assert run.snapshots.shape[1:] == (70, 1, 32, 32)


def test_saved_and_loaded_gives_the_same_samples(tmp_path):
    run, labels = short(), torch.arange(10)
    again = load_run(run.save(tmp_path), device="cpu")
    assert same(run.sample(10, seed=2, labels=labels), again.sample(10, seed=2, labels=labels))


class Copier:
    """In the place of a run: returns the very images whose labels it is asked for."""

    def __init__(self, data):
        self.data = data

    def sample(self, n, *, labels, seed):
        assert n == len(self.data)
        assert torch.equal(labels, self.data.labels)
        return self.data.floats()


def test_measure_asks_for_the_labels_of_the_test_images():
    test = images(120, classes=2)
    result = acgan.measure(Copier(test), test)
    right = metrics.classify(test.floats()) == test.labels
    assert result["conditional_accuracy"] == pytest.approx(right.double().mean().item())
    assert result["diversity"] == pytest.approx(1, abs=1e-9)
    assert result["frechet_distance"] == pytest.approx(0, abs=1e-6)


# --- bad input ---


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([0, 10]), "knows the classes 0 to 9"),
        (torch.tensor([1, 2, 3]), "must be 2 integers"),
        (torch.tensor([1.0, 2.0]), "torch.float32"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        acgan.ACGAN(CONFIG).sample(2, labels=labels)


def test_data_that_do_not_fit_are_refused():
    data = images(12)
    with pytest.raises(ValueError, match="needs labels, and nameless has none"):
        short(data=TensorData(data.values, None, "nameless"))
    with pytest.raises(ValueError, match="Config\\(classes=…\\)"):
        short(data=TensorData(data.values, torch.full((12,), 10), "eleven classes"))
    with pytest.raises(ValueError, match="square images"):
        acgan.ACGAN(replace(CONFIG, shape=(1, 30, 30)))
    with pytest.raises(TypeError, match=r"acgan\.Config"):
        acgan.train(cgan.Config(), data)

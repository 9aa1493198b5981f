"""CGAN: losses and facts against oracles, what each step moves, and both ways of conditioning."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.func import functional_call
from torch.nn.functional import one_hot

from gan_lessons.data import TensorData
from gan_lessons.foundations import cgan, dcgan
from gan_lessons.training import load_run
from tests.helpers import images, moved, same
from tests.oracles import check, oracle, scores, sigmoid

CONFIG = replace(cgan.PRESETS["smoke"], latent_dim=3, width=2, hidden_label=3)
WAYS = pytest.mark.parametrize("way", [cgan.CGAN, cgan.HiddenCGAN])


def short(way=cgan.CGAN, steps=3, data=None, **options):
    config = replace(CONFIG, steps=steps)
    data = images() if data is None else data
    return cgan.train(config, data, model_class=way, device="cpu", progress=False, **options)


def kl(p, q):
    return float((p * np.log(p / q)).sum())


def jsd(p, q):
    return kl(p, (p + q) / 2) / 2 + kl(q, (p + q) / 2) / 2


def joint(seed, labels=(0.5, 0.3, 0.2)):
    """A table p(x, y) of 3 labels and 5 images."""
    given = np.random.default_rng(seed).dirichlet(np.ones(5), size=3)
    return np.asarray(labels)[:, None] * given


# --- the objectives ---


@oracle("CGAN-V")
def value(real_scores, fake_scores):
    return np.log(sigmoid(real_scores)).mean() + np.log(1 - sigmoid(fake_scores)).mean()


@value.gradient
def _(real_scores, fake_scores):
    return {
        "real_scores": sigmoid(-real_scores) / real_scores.size,
        "fake_scores": -sigmoid(fake_scores) / fake_scores.size,
    }


@oracle("CGAN-D")
def discriminator_loss(real_scores, fake_scores):
    return np.logaddexp(0, -real_scores).mean() + np.logaddexp(0, fake_scores).mean()


@discriminator_loss.gradient
def _(real_scores, fake_scores):
    return {
        "real_scores": -sigmoid(-real_scores) / real_scores.size,
        "fake_scores": sigmoid(fake_scores) / fake_scores.size,
    }


@oracle("CGAN-G")
def generator_loss(fake_scores):
    return np.logaddexp(0, -fake_scores).mean()


@generator_loss.gradient
def _(fake_scores):
    return {"fake_scores": -sigmoid(-fake_scores) / fake_scores.size}


def test_losses():
    pair = {"real_scores": scores(6), "fake_scores": scores(5, seed=1)}
    check("CGAN-D", cgan.discriminator_loss, **pair)
    check("CGAN-G", cgan.generator_loss, fake_scores=scores(5, seed=2))


def test_the_discriminator_maximises_the_value():
    def minus_loss(real_scores, fake_scores):
        return -cgan.discriminator_loss(real_scores, fake_scores)

    check("CGAN-V", minus_loss, real_scores=scores(6), fake_scores=scores(6, seed=3))


def test_losses_stay_finite_and_keep_their_gradient_for_large_scores():
    wrong = torch.tensor([80.0], requires_grad=True)
    loss = cgan.discriminator_loss(real_scores=-wrong, fake_scores=wrong)
    loss.backward()
    assert loss.item() == pytest.approx(160)
    assert wrong.grad.item() == pytest.approx(2)


# --- the optimum, on tables of pairs (x, y) ---


@oracle("CGAN-OPT")
def best_probability(p, q):
    return p / (p + q)


@oracle("CGAN-JSD")
def value_by_class(p, q):
    """For tables with the same marginal of the labels (rows)."""
    weights = p.sum(axis=1)
    rows = [jsd(a / a.sum(), b / b.sum()) for a, b in zip(p, q, strict=True)]
    return 2 * weights @ rows - np.log(4)


@oracle("CGAN-LABELS")
def value_of_wrong_labels(p_y, q_y):
    return 2 * jsd(p_y, q_y) - np.log(4)


@oracle("CGAN-BLIND")
def value_without_labels(p, q):
    """For tables p(x, y) and q(x, y), labels in rows; D sees the column only."""
    return 2 * jsd(p.sum(axis=0), q.sum(axis=0)) - np.log(4)


def minus_value(table, p, q):
    """The loss of a discriminator that is a table of scores, on all pairs by their weights.

    One score for every pair, or one for every image if the table has a single row: the package's
    loss is a plain mean, so each pair goes in by itself.
    """
    p, q = torch.from_numpy(p), torch.from_numpy(q)
    table = table.expand_as(p)
    loss = torch.zeros((), dtype=torch.float64)
    for index in np.ndindex(*p.shape):
        nothing = torch.full((1,), -1e9, dtype=torch.float64)  # softplus of it is 0
        loss = loss + p[index] * cgan.discriminator_loss(table[index][None], nothing)
        loss = loss + q[index] * cgan.discriminator_loss(-nothing, table[index][None])
    return loss


def minimum(p, q, rows):
    """The best table of scores by Newton's method, and the value V there."""
    table = torch.zeros(rows, p.shape[1], dtype=torch.float64, requires_grad=True)
    mass = [torch.from_numpy(t.reshape(rows, -1, t.shape[1]).sum(axis=1)) for t in (p, q)]
    for _ in range(30):
        (gradient,) = torch.autograd.grad(minus_value(table, p, q), table)
        curvature = sum(mass) * torch.sigmoid(table) * torch.sigmoid(-table)
        table = (table - gradient / curvature).detach().requires_grad_()
    return table.detach().numpy(), -minus_value(table, p, q).item()


def test_the_best_scores_are_the_log_odds_of_the_pairs():
    p, q = joint(0), joint(1)
    table, _ = minimum(p, q, rows=3)
    np.testing.assert_allclose(sigmoid(table), best_probability(p, q), rtol=1e-8)


def test_value_is_the_mean_divergence_of_the_classes():
    p, q = joint(0), joint(1)
    assert minimum(p, q, rows=3)[1] == pytest.approx(value_by_class(p, q), abs=1e-10)
    assert minimum(p, p, rows=3)[1] == pytest.approx(-np.log(4), abs=1e-12)


def test_other_labels_than_the_data_have_are_a_difference_that_no_image_can_mend():
    p_y, q_y = np.array([0.5, 0.3, 0.2]), np.ones(3) / 3
    table, best = minimum(joint(0, p_y), joint(0, q_y), rows=3)  # perfect images for each label
    assert best == pytest.approx(value_of_wrong_labels(p_y, q_y), abs=1e-10)
    assert best > -np.log(4) + 0.01
    np.testing.assert_allclose(table, np.log(p_y / q_y)[:, None].repeat(5, axis=1), rtol=1e-8)


def test_without_labels_a_generator_that_mixes_them_up_is_perfect():
    p = joint(0, np.ones(3) / 3)
    q = p[[1, 2, 0]]
    assert minimum(p, q, rows=1)[1] == pytest.approx(value_without_labels(p, q), abs=1e-10)
    assert value_without_labels(p, q) == pytest.approx(-np.log(4), abs=1e-12)
    assert minimum(p, q, rows=3)[1] > -np.log(4) + 0.1
    other = joint(1)
    assert minimum(p, other, rows=1)[1] == pytest.approx(value_without_labels(p, other), abs=1e-10)
    assert value_without_labels(p, other) > -np.log(4) + 0.01


# --- the two ways of conditioning ---


@oracle("CGAN-INPUT")
def joined_at_the_input(z, labels, weight):
    """weight (noise + classes, outputs): noise rows, then one row for each label."""
    d = z.shape[1]
    return z @ weight[:d] + weight[d:][labels]


@oracle("CGAN-HIDDEN")
def joined_in_a_hidden_layer(z, labels, w_z, w_y, weight):
    """Feature maps of both, then a transposed convolution: kernel 4, stride 2, padding 1."""

    def phi(t):  # batch normalisation whose statistics and scales are still 0 and 1, then ReLU
        return np.maximum(0, t / np.sqrt(1 + 1e-5))

    from_noise = np.einsum("nz,zchw->nchw", z, w_z)
    joined = np.concatenate([phi(from_noise), phi(w_y[labels])], axis=1)
    n, _, height, width = joined.shape
    padded = np.zeros((n, weight.shape[1], 2 * height + 2, 2 * width + 2))
    for i, j in np.ndindex(height, width):
        patch = np.einsum("nc,cohw->nohw", joined[:, :, i, j], weight)
        padded[:, :, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4] += patch
    return padded[:, :, 1:-1, 1:-1]


NOISE = np.random.default_rng(0).standard_normal((4, CONFIG.latent_dim))
LABELS = np.array([3, 0, 9, 3])


def joint_layer(generator, z, labels, parameters):
    """What the first layer that sees both makes of noise and labels."""
    seen = []
    hook = generator.layers[0].register_forward_hook(lambda _m, _i, out: seen.append(out))
    inputs = (z, one_hot(labels, CONFIG.classes).double())
    functional_call(generator, parameters, inputs)
    hook.remove()
    return seen[0]


def array(tensor):
    return tensor.detach().double().numpy()


def test_a_label_at_the_input_is_a_bias_for_each_class():
    generator = cgan.InputGenerator(CONFIG).double()
    layer = generator.layers[0]

    def joint(z, labels, weight):
        parameters = {"layers.0.weight": weight.view_as(layer.weight)}
        return joint_layer(generator, z, labels, parameters).flatten(1)

    check("CGAN-INPUT", joint, z=NOISE, labels=LABELS, weight=array(layer.weight.flatten(1)))


def test_a_label_in_a_hidden_layer_is_joined_to_features_of_the_noise():
    generator = cgan.HiddenGenerator(CONFIG).double().eval()
    for norm in (generator.from_noise[1], generator.from_label[1]):
        torch.nn.init.ones_(norm.weight)
    names = {
        "w_z": "from_noise.0.weight",
        "w_y": "from_label.0.weight",
        "weight": "layers.0.weight",
    }

    def joint(z, labels, **weights):
        return joint_layer(generator, z, labels, {names[k]: w for k, w in weights.items()})

    weights = {key: array(generator.get_parameter(name)) for key, name in names.items()}
    check("CGAN-HIDDEN", joint, z=NOISE, labels=LABELS, **weights)


def test_a_discriminator_with_the_label_at_the_input_sees_one_plane_of_ones():
    network, seen = cgan.InputDiscriminator(CONFIG), []
    network.features[0].register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0]))
    x, labels = torch.randn(4, 1, 32, 32), torch.from_numpy(LABELS)
    network(x, one_hot(labels, 10).float())
    assert torch.equal(seen[0][:, :1], x)
    assert seen[0].shape == (4, 11, 32, 32)
    for k, label in enumerate(LABELS):
        planes = seen[0][k, 1:]
        assert (planes[label] == 1).all()
        assert planes.sum() == 32 * 32  # all others are 0


def test_a_discriminator_with_a_hidden_label_joins_it_behind_the_first_convolution():
    network, seen = cgan.HiddenDiscriminator(CONFIG), []
    network.features[0].register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0]))
    x = torch.randn(1, 1, 32, 32).expand(10, -1, -1, -1)
    found = network(x, torch.eye(10))
    image, label = seen[0].split([CONFIG.width, CONFIG.hidden_label], dim=1)
    torch.testing.assert_close(image, image[:1].expand_as(image))  # has seen no label
    linear = network.from_label[0]
    features = torch.nn.functional.leaky_relu(linear.weight.T + linear.bias, 0.2)  # of each class
    torch.testing.assert_close(label, features[:, :, None, None].expand_as(label))
    assert found.shape == (10,)


@WAYS
def test_both_players_listen_to_the_label(way):
    model = way(CONFIG)
    z, x = torch.randn(1, CONFIG.latent_dim).expand(10, -1), torch.randn(1, 1, 32, 32)
    drawn = model.sample(z=z, labels=torch.arange(10))
    model.eval()
    judged = model.discriminator(x.expand(10, -1, -1, -1), torch.eye(10))
    pairs = [(a, b) for a in range(10) for b in range(a)]
    assert all(not torch.equal(drawn[a], drawn[b]) for a, b in pairs)
    assert all(judged[a] != judged[b] for a, b in pairs)


# --- shapes and ranges ---


@WAYS
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 64, 64)])
def test_shapes_and_ranges(way, shape):
    model = way(replace(CONFIG, shape=shape))
    x, y = torch.rand(4, *shape) * 2 - 1, torch.eye(10)[:4]
    fake = model.generator(model.noise(4), y)
    assert fake.shape == (4, *shape)
    assert fake.abs().max() <= 1
    found = model.discriminator(x, y)
    assert found.shape == (4,)
    with torch.no_grad():
        model.discriminator.score.bias += 100
    assert (model.discriminator(x, y) > 50).all()  # a score, not a probability


def test_another_number_of_classes():
    data = images(20, classes=3)
    config = replace(CONFIG, classes=3, steps=2)
    run = cgan.train(config, data, device="cpu", progress=False, snapshots=2)
    assert run.snapshots.shape == (2, 66, 1, 32, 32)  # 22 noises for each of 3 classes
    assert run.sample(3, labels=torch.arange(3)).shape == (3, 1, 32, 32)


# --- the steps ---


@WAYS
def test_each_step_moves_one_player(way):
    model, data = way(CONFIG), images(8).batch(8)
    assert moved(model, lambda: model.discriminator_step(*data)) == {"discriminator"}
    assert moved(model, lambda: model.generator_step(data.y)) == {"generator"}
    assert moved(model, lambda: model.step(data)) == {"generator", "discriminator"}


def test_the_generator_step_leaves_no_gradients_on_the_discriminator():
    model = cgan.CGAN(CONFIG)
    model.generator_step(torch.arange(4))
    assert all(p.grad is None and p.requires_grad for p in model.discriminator.parameters())


class Spy(cgan.CGAN):
    """Remembers every noise, and every pair that the discriminator judges."""

    def __init__(self, config):
        super().__init__(config)
        self.noises, self.made, self.judged = [], [], []
        self.generator.register_forward_hook(
            lambda _m, inputs, out: self.made.append((inputs[1], out))
        )
        self.discriminator.register_forward_hook(lambda _m, inputs, _o: self.judged.append(inputs))

    def noise(self, n):
        self.noises.append(super().noise(n))
        return self.noises[-1]


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


def test_noise_is_fresh_and_the_discriminator_gets_no_graph():
    model, data = Spy(CONFIG), images(8).batch(8)
    model.step(data)
    assert len(model.noises) == 2
    assert not torch.equal(*model.noises)
    assert not model.judged[1][0].requires_grad  # detached
    assert model.judged[2][0].requires_grad


def test_step_reports_the_losses_of_its_scores():
    model, data = Spy(CONFIG), images(8).batch(8)
    seen = []
    model.discriminator.register_forward_hook(lambda _m, _i, out: seen.append(out.detach()))
    result = model.step(data)
    real, fake, fake_again = (array(s) for s in seen)
    expected = {
        "discriminator_loss": discriminator_loss(real, fake),
        "generator_loss": generator_loss(fake_again),
        "real_score": real.mean(),
        "fake_score": fake.mean(),
    }
    assert set(result) == set(expected)
    for name, number in expected.items():
        assert result[name].item() == pytest.approx(number, rel=1e-5), name


class Confused(torch.nn.Module):
    """Draws perfect images of the other class: class 1 is white, class 0 black."""

    def forward(self, z, y):
        return (2 * y[:, :1] - 1)[:, :, None, None].expand(-1, 1, 32, 32)


@WAYS
def test_discriminator_finds_perfect_images_of_the_wrong_class(way):
    model = way(replace(CONFIG, classes=2, hidden_label=8, learning_rate=5e-3))
    model.generator = Confused()
    labels = torch.arange(16) % 2
    x = (2.0 * labels - 1)[:, None, None, None].expand(-1, 1, 32, 32)
    losses = [model.discriminator_step(x, labels)["discriminator_loss"].item() for _ in range(120)]
    assert losses[0] > 1.2
    assert losses[-1] < 0.9  # without the label it could not fall below log 4 = 1.39


# --- sampling, saving ---


def test_samples_of_given_labels():
    run = short()
    z, labels = torch.randn(5, CONFIG.latent_dim), torch.tensor([7, 0, 7, 3, 9])
    drawn = run.sample(5, z=z, labels=labels)
    assert drawn.shape == (5, 1, 32, 32)
    one = run.sample(1, z=z[2:3], labels=labels[2:3])
    torch.testing.assert_close(drawn[2:3], one)
    assert same(run.sample(5, seed=4, labels=labels), run.sample(5, seed=4, labels=labels))


def test_without_labels_all_classes_come():
    model, seen = cgan.CGAN(CONFIG), []
    model.generator.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[1]))
    model.sample(300)
    assert (seen[0].sum(dim=1) == 1).all()
    assert (seen[0].sum(dim=0) > 10).all()


def test_snapshots_have_a_class_in_each_row_and_a_noise_in_each_column():
    run = short()
    z, labels = run.fixed_inputs["z"].view(10, 7, -1), run.fixed_inputs["labels"].view(10, 7)
    assert (labels == torch.arange(10)[:, None]).all()
    assert same(z, z[:1].expand_as(z).contiguous())
    assert not torch.equal(z[0, 0], z[0, 1])
    assert run.snapshots.shape[1:] == (70, 1, 32, 32)


@WAYS
def test_saved_and_loaded_gives_the_same_samples(way, tmp_path):
    run = short(way)
    run.save(tmp_path)
    again = load_run(tmp_path, device="cpu")
    assert type(again.model) is way
    labels = torch.arange(10)
    assert same(run.sample(10, seed=2, labels=labels), again.sample(10, seed=2, labels=labels))


# --- bad input ---


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([0, 10]), "knows the classes 0 to 9"),
        (torch.tensor([-1, 3]), "run from -1 to 3"),
        (torch.tensor([1, 2, 3]), "must be 2 integers"),
        (torch.tensor([1.0, 2.0]), "torch.float32"),
        (torch.tensor([True, False]), "torch.bool"),
        (torch.eye(10)[:2], "of shape \\(2, 10\\)"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        cgan.CGAN(CONFIG).sample(2, labels=labels)


def test_data_that_do_not_fit_are_refused():
    data = images(12)
    with pytest.raises(ValueError, match="needs labels, and nameless has none"):
        short(data=TensorData(data.values, None, "nameless"))
    with pytest.raises(ValueError, match="Config\\(classes=…\\)"):
        short(data=TensorData(data.values, torch.full((12,), 10), "eleven classes"))
    with pytest.raises(ValueError, match="square images"):
        cgan.CGAN(replace(CONFIG, shape=(1, 30, 30)))
    with pytest.raises(TypeError, match=r"cgan\.Config"):
        cgan.train(dcgan.Config(), data)
    with pytest.raises(ValueError, match="'smoke', 'cpu', 'gpu'"):
        cgan.train("huge", data)

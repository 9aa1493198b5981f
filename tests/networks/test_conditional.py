"""Networks and labels: both ways to join one, against oracles, and the network that names it."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn.functional import leaky_relu, one_hot

from gan_lessons.networks import convolutions
from gan_lessons.networks.conditional import (
    HiddenDiscriminator,
    HiddenGenerator,
    InputDiscriminator,
    InputGenerator,
    NamingDiscriminator,
)
from tests.mutants import mutants, survivors
from tests.oracles import check, oracle


@dataclass(frozen=True)
class Settings(convolutions.Settings):
    """What the networks for labels need as well."""

    classes: int = 10
    hidden_label: int = 3


IMAGES = Settings(latent_dim=3, width=2, hidden=(16,))
POINTS = replace(IMAGES, shape=(2,))
WAYS = [(InputGenerator, InputDiscriminator), (HiddenGenerator, HiddenDiscriminator)]
SHAPES = [(1, 28, 28), (3, 32, 32), (1, 64, 64)]
CASES = [(way, replace(IMAGES, shape=shape)) for way in WAYS for shape in SHAPES]
EVERYWHERE = pytest.mark.parametrize(("way", "config"), [*CASES, (WAYS[0], POINTS)])
LABELS = np.array([3, 0, 9, 3])


@EVERYWHERE
def test_shapes_and_ranges(way, config):
    generator, discriminator = (network(config) for network in way)
    y = torch.eye(10)[:4]
    samples = generator(torch.randn(4, 3), y)
    assert samples.shape == (4, *config.shape)
    assert samples.abs().max() <= 1 or len(config.shape) == 1
    found = discriminator(samples.detach(), y)
    assert found.shape == (4,)
    last = [p for p in discriminator.parameters() if p.shape == (1,)][-1]
    last.data += 100
    assert (discriminator(samples.detach(), y) > 50).all(), "a score, not a probability"


@EVERYWHERE
def test_both_players_listen_to_the_label(way, config):
    generator, discriminator = (network(config).eval() for network in way)
    z, x = torch.randn(1, 3).expand(10, -1), torch.randn(1, *config.shape)
    drawn = generator(z, torch.eye(10))
    judged = discriminator(x.expand(10, *config.shape), torch.eye(10))
    pairs = [(a, b) for a in range(10) for b in range(a)]
    assert all(not torch.equal(drawn[a], drawn[b]) for a, b in pairs)
    assert all(judged[a] != judged[b] for a, b in pairs)


# --- joined at the input -----------------------------------------------------------------------


@oracle("CGAN-INPUT", r"h = W\,[z;\ e_y] = W_z\, z + w_y")
def joined_at_the_input(z, labels, weight):
    """weight (noise + classes, outputs): noise rows, then one row for each label."""
    d = z.shape[1]
    return z @ weight[:d] + weight[d:][labels]


def joint_layer(generator, z, labels, parameters):
    """What the first layer that sees both makes of noise and labels."""
    seen = []
    hook = generator.layers[0].register_forward_hook(lambda _m, _i, out: seen.append(out))
    functional_call(generator, parameters, (z, one_hot(labels, 10).double()))
    hook.remove()
    return seen[0]


def array(tensor):
    return tensor.detach().double().numpy()


NOISE = np.random.default_rng(0).standard_normal((4, 3))


def test_a_label_at_the_input_is_a_bias_for_each_class():
    generator = InputGenerator(IMAGES).double()
    layer = generator.layers[0]

    def joint(z, labels, weight):
        parameters = {"layers.0.weight": weight.view_as(layer.weight)}
        return joint_layer(generator, z, labels, parameters).flatten(1)

    check("CGAN-INPUT", joint, z=NOISE, labels=LABELS, weight=array(layer.weight.flatten(1)))


def test_a_discriminator_with_the_label_at_the_input_sees_one_plane_of_ones():
    network, seen = InputDiscriminator(IMAGES), []
    network.layers[0].register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0]))
    x = torch.randn(4, 1, 32, 32)
    network(x, one_hot(torch.from_numpy(LABELS), 10).float())
    assert torch.equal(seen[0][:, :1], x)
    assert seen[0].shape == (4, 11, 32, 32)
    for k, label in enumerate(LABELS):
        planes = seen[0][k, 1:]
        assert (planes[label] == 1).all()
        assert planes.sum() == 32 * 32, "all others are 0"


def test_a_discriminator_of_points_sees_the_one_hot_label_beside_them():
    network, seen = InputDiscriminator(POINTS), []
    network.layers[0].register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0]))
    x, y = torch.randn(4, 2), one_hot(torch.from_numpy(LABELS), 10).float()
    network(x, y)
    assert torch.equal(seen[0], torch.cat([x, y], dim=1))


def test_the_discriminator_has_batch_normalisation_as_dcgan_has():
    assert any(isinstance(m, nn.BatchNorm2d) for m in InputDiscriminator(IMAGES).modules())


# --- joined in a hidden layer ------------------------------------------------------------------


@oracle("CGAN-HIDDEN", r"h = W\,\bigl[\phi(W_z\, z);\ \phi(W_y\, e_y)\bigr]")
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


def test_a_label_in_a_hidden_layer_is_joined_to_features_of_the_noise():
    generator = HiddenGenerator(IMAGES).double().eval()
    for norm in (generator.from_noise[1], generator.from_label[1]):
        nn.init.ones_(norm.weight)
    names = {"w_z": "from_noise.0.weight", "w_y": "from_label.0.weight"}
    names["weight"] = "layers.0.weight"

    def joint(z, labels, **weights):
        return joint_layer(generator, z, labels, {names[k]: w for k, w in weights.items()})

    weights = {key: array(generator.get_parameter(name)) for key, name in names.items()}
    check("CGAN-HIDDEN", joint, z=NOISE, labels=LABELS, **weights)


def test_a_discriminator_with_a_hidden_label_joins_it_behind_the_first_convolution():
    network, seen = HiddenDiscriminator(IMAGES), []
    network.features[0].register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0]))
    network(torch.randn(1, 1, 32, 32).expand(10, -1, -1, -1), torch.eye(10))
    image, label = seen[0].split([IMAGES.width, IMAGES.hidden_label], dim=1)
    torch.testing.assert_close(image, image[:1].expand_as(image), msg="has seen no label")
    linear = network.from_label[0]
    features = leaky_relu(linear.weight.T + linear.bias, 0.2)  # of each class
    torch.testing.assert_close(label, features[:, :, None, None].expand_as(label))


def test_a_hidden_label_is_as_loud_as_the_noise():
    """Batch normalisation brings the maps of both to one size; at the input it is a whisper."""
    z, y = torch.randn(2000, 64), one_hot(torch.arange(2000) % 10, 10).float()
    shares = []
    for network in (InputGenerator, HiddenGenerator):
        generator, seen = network(Settings(width=4, hidden_label=8)), []
        generator.layers[0].register_forward_hook(lambda _m, _i, out, seen=seen: seen.append(out))
        generator(z, y)
        of_class = torch.stack([seen[0][k::10].mean(0) for k in range(10)])
        shares.append((of_class.var(0).sum() / seen[0].var(0).sum()).item())
    assert shares[0] < 0.05
    assert shares[1] > 0.2


def test_the_joint_layers_start_like_all_others():
    wide = replace(IMAGES, width=48, hidden_label=48)
    joints = HiddenGenerator(wide).layers[0], HiddenDiscriminator(wide).features[0]
    for layer in (*joints, HiddenGenerator(wide).from_label[0], HiddenDiscriminator(wide).score):
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.1)


# --- the network that names the class ----------------------------------------------------------


@pytest.mark.parametrize("config", [*(c for _, c in CASES[:3]), POINTS], ids=lambda c: str(c.shape))
def test_a_score_and_the_logits_of_all_classes(config):
    network = NamingDiscriminator(replace(config, classes=4))
    score, logits = network(torch.randn(5, *config.shape))
    assert score.shape == (5,)
    assert logits.shape == (5, 4)
    last = [p for p in network.parameters() if p.shape == (5,)][-1]
    last.data = torch.tensor([-90.0, 10, 20, 30, 40])
    score, logits = network(torch.zeros(5, *config.shape))
    assert (score < -50).all(), "a score, not a probability"
    assert (logits.argmax(1) == 3).all()
    assert logits.max() > 20, "logits"


def test_score_and_classes_come_from_the_same_features():
    network, x = NamingDiscriminator(IMAGES), torch.randn(6, 1, 32, 32)
    weights = [p for p in network.parameters() if p.dim() > 1]
    score, logits = network(x)
    for heads in (score, logits[:, 0]):
        found = torch.autograd.grad(heads.sum(), weights, retain_graph=True)
        assert all(gradient.any() for gradient in found)
    assert sum(p.shape[0] == 11 for p in network.parameters()) == 2, "one layer for all heads"


MUTANTS = mutants(
    "networks.conditional",
    (
        "the generator does not look at the label",
        "return super().forward(torch.cat([z, y], dim=1))",
        "return super().forward(torch.cat([z, 0 * y], dim=1))",
        "test_both_players_listen_to_the_label",
    ),
    (
        "the label planes are left out of the discriminator",
        "return super().forward(torch.cat([x, y], dim=1))",
        "return super().forward(torch.cat([x, 0 * y], dim=1))",
        "test_both_players_listen_to_the_label",
    ),
    (
        "the label stands in one pixel of its plane",
        "expand(-1, -1, *x.shape[2:])\n        return super()",
        "expand(-1, -1, *x.shape[2:]) * (torch.arange(x.shape[-1]) == 0)\n        return super()",
        "test_a_discriminator_with_the_label_at_the_input_sees_one_plane_of_ones",
    ),
    (
        "the label multiplies the noise, as in other code: it is no bias any more",
        "return super().forward(torch.cat([z, y], dim=1))",
        "return super().forward(torch.cat([z * (1 + y.argmax(1)[:, None]), y], dim=1))",
        "test_a_label_at_the_input_is_a_bias_for_each_class",
    ),
    (
        "the discriminator with label planes has no batch normalisation",
        "super().__init__(replace(config, shape=shape), batch_norm=True)",
        "super().__init__(replace(config, shape=shape))",
        "test_the_discriminator_has_batch_normalisation_as_dcgan_has",
    ),
    (
        "hidden label: the noise meets no ReLU before it is joined",
        "self.from_noise = layers[:3]",
        "self.from_noise = layers[:2]",
        "test_a_label_in_a_hidden_layer_is_joined_to_features_of_the_noise",
    ),
    (
        "hidden label: the label's maps come without batch normalisation, in a whisper",
        "            nn.BatchNorm2d(n_maps),\n",
        "",
        "test_a_hidden_label_is_as_loud_as_the_noise",
    ),
    (
        "hidden label: the image has met the label before the two are joined",
        "maps = self.from_image(x)",
        "maps = self.from_image(x + y.argmax(1)[:, None, None, None])",
        "test_a_discriminator_with_a_hidden_label_joins_it_behind_the_first_convolution",
    ),
    (
        "hidden label: the joint layer of the discriminator keeps torch's own start",
        "self.features = nn.Sequential(joint.apply(initialise), *layers[3:])",
        "self.features = nn.Sequential(joint, *layers[3:])",
        "test_the_joint_layers_start_like_all_others",
    ),
    (
        "hidden label: the score is squeezed to a probability",
        "return self.score(self.features(torch.cat([maps, planes], dim=1))).flatten()",
        "return self.score(self.features(torch.cat([maps, planes], 1))).flatten().sigmoid()",
        "test_shapes_and_ranges",
    ),
    (
        "ACGAN: the score is taken for the logit of a class, and the last class for the score",
        "return numbers[:, 0], numbers[:, 1:]",
        "return numbers[:, -1], numbers[:, :-1]",
        "test_a_score_and_the_logits_of_all_classes",
    ),
    (
        "ACGAN: probabilities of the classes, below a loss that takes logits",
        "return numbers[:, 0], numbers[:, 1:]",
        "return numbers[:, 0], numbers[:, 1:].softmax(1)",
        "test_a_score_and_the_logits_of_all_classes",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)

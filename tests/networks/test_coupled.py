"""Networks in twos: what is one object, at which end, and what the two may not mix."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn

from gan_lessons.networks import convolutions
from gan_lessons.networks.coupled import Discriminators, Generators, cut
from tests.helpers import same
from tests.mutants import mutants, survivors


@dataclass(frozen=True)
class Settings(convolutions.Settings):
    """What the networks in twos need as well; narrow."""

    width: int = 4
    latent_dim: int = 5
    own_generator_layers: int = 1
    own_discriminator_layers: int = 1


SMALL = Settings()
both = pytest.mark.parametrize("network", [Generators, Discriminators])


def inputs(network, n=6, shape=(1, 32, 32)):
    """Noise, or images of two domains."""
    return torch.randn(n, 5) if network is Generators else torch.randn(2, n, *shape)


def weights(module):
    return [tuple(m.weight.shape) for m in module.modules() if hasattr(m, "kernel_size")]


def with_own(network, own):
    return network(replace(SMALL, own_generator_layers=own, own_discriminator_layers=own))


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 32, 32), (3, 64, 64)])
def test_two_images_from_one_noise_and_two_scores(shape):
    config = replace(SMALL, shape=shape)
    pair = Generators(config)(torch.randn(4, 5))
    assert pair.shape == (2, 4, *shape)
    assert pair.abs().max() <= 1
    assert Discriminators(config)(pair).shape == (2, 4)


def test_the_generators_share_their_first_layers():
    G = Generators(SMALL)
    up = [(5, 16, 4, 4), (16, 8, 4, 4), (8, 4, 4, 4), (4, 2, 4, 4)]
    assert weights(G.shared) == up, "from noise to maps as large as the image"
    assert [weights(own) for own in G.own] == [[(1, 2, 5, 5)]] * 2, "only what paints the image"
    assert G.shared(torch.randn(3, 5, 1, 1)).shape == (3, 2, 32, 32)


def test_the_discriminators_share_their_last_layers():
    D = Discriminators(SMALL)
    assert [weights(own) for own in D.own] == [[(4, 1, 4, 4)]] * 2, "from the image on"
    assert weights(D.shared) == [(8, 4, 4, 4), (16, 8, 4, 4), (1, 16, 4, 4)], "down to the score"


def test_what_is_shared_comes_first_in_one_and_last_in_the_other():
    orders = []
    for kind in (Generators, Discriminators):
        network, order = kind(SMALL), []
        network.shared.register_forward_hook(lambda *_, order=order: order.append("shared"))
        for own in network.own:
            own.register_forward_hook(lambda *_, order=order: order.append("own"))
        network(inputs(kind))
        orders.append(order)
    assert orders == [["shared", "own", "own"], ["own", "shared", "own", "shared"]]


@both
@pytest.mark.parametrize("own", [1, 2, 3, 4])
def test_how_much_is_shared_is_a_choice(network, own):
    made = with_own(network, own)
    assert [len(weights(part)) for part in made.own] == [own, own]
    assert len(weights(made.shared)) == (5 if network is Generators else 4) - own
    assert len(made(inputs(network))) == 2


@both
def test_shared_layers_are_one_object_and_own_layers_are_not(network):
    made = with_own(network, 2)
    held = [id(p) for p in made.parameters()]
    parts = [*made.shared.parameters(), *made.own.parameters()]
    assert len(held) == len(set(held)) == len(parts), "nothing is left over from making them"
    first, second = (list(own.parameters()) for own in made.own)
    assert not any(a is b for a, b in zip(first, second, strict=True))
    assert not same(first[0], second[0]), "nor do they start alike"


@pytest.mark.parametrize(("network", "layers"), [(Generators, 5), (Discriminators, 4)])
def test_nothing_is_shared_where_all_layers_are_own(network, layers):
    made = with_own(network, layers)
    assert list(made.shared.parameters()) == []
    made(inputs(network))[0].sum().backward()
    first, second = (list(own.parameters()) for own in made.own)
    assert all(p.grad.any() for p in first)
    assert not any(p.grad.any() for p in second)


@both
@pytest.mark.parametrize("own", [0, 6, -1])
def test_impossible_cuts_are_refused(network, own):
    with pytest.raises(ValueError, match=r"own layers are not possible.*Choose from 1 to"):
        with_own(network, own)


def test_a_cut_comes_right_before_a_convolution():
    """What follows a layer, normalisation and activation, stays on its side."""
    maker = convolutions.convolutions(4, (1, 32, 32))[0]
    start, rest = cut(maker, 2, at_end=False)
    assert isinstance(rest[0], nn.Conv2d)
    assert len(weights(start)) == 2
    assert isinstance(start[-1], nn.LeakyReLU)
    rest, end = cut(maker, 2, at_end=True)
    assert isinstance(end[0], nn.Conv2d)
    assert len(weights(end)) == 2
    assert [*rest, *end] == [*maker]


def test_they_are_those_of_dcgan_and_the_generator_has_a_layer_more():
    one = convolutions.Discriminator(SMALL, batch_norm=True)
    discriminator = [str(layer) for layer in one.modules() if not [*layer.children()]]
    generator = [str(layer) for layer in convolutions.Generator(SMALL).layers]
    G, D = Generators(SMALL), Discriminators(SMALL)
    for domain in range(2):
        assert [str(layer) for layer in (*D.own[domain], *D.shared)] == discriminator
        drawing = [str(layer) for layer in (*G.shared, *G.own[domain])]
        assert drawing[:9] == generator[:9]
        assert drawing[-1] == generator[-1] == "Tanh()"


def test_all_layers_start_as_dcgans_do():
    config = replace(SMALL, width=48, latent_dim=48)
    made = [*Generators(config).modules(), *Discriminators(config).modules()]
    for layer in (m for m in made if hasattr(m, "kernel_size") and m.weight.numel() > 500):
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.15)


def test_one_noise_goes_to_both_generators():
    G, z = Generators(SMALL).eval(), torch.randn(5, 5)
    meaning = G.shared(z[:, :, None, None])
    first, second = (own(meaning) for own in G.own)
    assert same(G(z), torch.stack([first, second]))
    assert not same(first, second)


def test_each_row_goes_to_its_own_discriminator():
    D, pair, seen = Discriminators(SMALL), inputs(Discriminators), []
    for own in D.own:
        own.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    scores = D(pair)
    assert same(torch.stack(seen), pair)
    separate = [D.shared(own(x)).flatten() for own, x in zip(D.own, pair, strict=True)]
    assert same(scores, torch.stack(separate))


def test_batch_normalisation_never_mixes_the_domains():
    D, pair = Discriminators(SMALL), inputs(Discriminators)
    scores, other = D(pair), torch.stack([pair[0], pair[1] * 0.1])
    torch.testing.assert_close(D(other)[0], scores[0], rtol=1e-5, atol=1e-6)


def test_scores_are_no_probabilities():
    D = Discriminators(SMALL)
    D.shared[-1].bias.data += 100
    assert (D(inputs(Discriminators)) > 50).all()


MUTANTS = mutants(
    "networks.coupled",
    (
        "the discriminators share the layers at the image, and score by layers of their own",
        "        (first, self.shared), (second, _) = (\n"
        "            cut(scoring_layers(config), config.own_discriminator_layers, at_end=False)\n"
        "            for _ in range(2)\n"
        "        )\n"
        "        self.own = nn.ModuleList([first, second])\n\n"
        "    def forward(self, pair: Tensor) -> Tensor:\n"
        "        # One pass a domain, so that batch normalisation never mixes their statistics.\n"
        "        scores = [self.shared(own(x)) for own, x in zip(self.own, pair, strict=True)]",
        "        (self.shared, first), (_, second) = (\n"
        "            cut(scoring_layers(config), config.own_discriminator_layers, at_end=True)\n"
        "            for _ in range(2)\n"
        "        )\n"
        "        self.own = nn.ModuleList([first, second])\n\n"
        "    def forward(self, pair: Tensor) -> Tensor:\n"
        "        scores = [own(self.shared(x)) for own, x in zip(self.own, pair, strict=True)]",
        "test_the_discriminators_share_their_last_layers",
    ),
    (
        "the generators share the layers at the image",
        "config.own_generator_layers, at_end=True) for _ in range(2)\n"
        "        )\n"
        "        self.own = nn.ModuleList([first, second])\n\n"
        "    def forward(self, z: Tensor) -> Tensor:\n"
        "        meaning = self.shared(z[:, :, None, None])"
        "  # once: it is the same for both domains\n"
        "        return torch.stack([own(meaning) for own in self.own])",
        "config.own_generator_layers, at_end=False) for _ in range(2)\n"
        "        )\n"
        "        self.own, self.shared = nn.ModuleList([self.shared, _]), first\n\n"
        "    def forward(self, z: Tensor) -> Tensor:\n"
        "        return torch.stack([self.shared(own(z[:, :, None, None])) for own in self.own])",
        "test_what_is_shared_comes_first_in_one_and_last_in_the_other",
    ),
    (
        "the second copy of the shared layers stays, unused",
        "(first, self.shared), (second, _) = (",
        "(first, self.shared), (second, self.unused) = (",
        "test_shared_layers_are_one_object_and_own_layers_are_not",
    ),
    (
        "the last layer is shared, too, so that both domains get one image",
        "return torch.stack([own(meaning) for own in self.own])",
        "return torch.stack([self.own[0](meaning) for own in self.own])",
        "test_one_noise_goes_to_both_generators",
    ),
    (
        "each generator gets noise of its own",
        "return torch.stack([own(meaning) for own in self.own])",
        "return torch.stack([own(meaning.roll(k, 0)) for k, own in enumerate(self.own)])",
        "test_one_noise_goes_to_both_generators",
    ),
    (
        "the domains are exchanged at the discriminators",
        "for own, x in zip(self.own, pair, strict=True)]",
        "for own, x in zip(self.own, pair.flip(0), strict=True)]",
        "test_each_row_goes_to_its_own_discriminator",
    ),
    (
        "one batch of both domains, so that normalisation mixes their statistics",
        "        scores = [self.shared(own(x)) for own, x in zip(self.own, pair, strict=True)]\n"
        "        return torch.stack(scores).flatten(1)",
        "        scores = torch.cat([own(x) for own, x in zip(self.own, pair, strict=True)])\n"
        "        return self.shared(scores).view(2, -1)",
        "test_batch_normalisation_never_mixes_the_domains",
    ),
    (
        "normalisation and activation are counted as layers, too",
        "if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]",
        "]",
        "test_how_much_is_shared_is_a_choice",
    ),
    (
        "the layers that paint keep torch's own start",
        "paint, nn.Tanh()).apply(initialise)",
        "paint, nn.Tanh())",
        "test_all_layers_start_as_dcgans_do",
    ),
    (
        "images without a tanh leave [-1, 1]",
        "nn.ReLU(), paint, nn.Tanh())",
        "nn.ReLU(), paint)",
        "test_they_are_those_of_dcgan_and_the_generator_has_a_layer_more",
    ),
    (
        "scores are squeezed to probabilities",
        "return torch.stack(scores).flatten(1)",
        "return torch.stack(scores).flatten(1).sigmoid()",
        "test_scores_are_no_probabilities",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)

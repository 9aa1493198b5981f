"""DCGAN's rules, broken one at a time: what each change does, and what the chapter says of them."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from gan_lessons.comparisons import foundations
from gan_lessons.comparisons.foundations import ALL, FADING, PLAIN
from gan_lessons.data import digits
from gan_lessons.foundations import dcgan
from gan_lessons.results import load

DATA = digits("train")
NORM, WEIGHTED = nn.BatchNorm2d, nn.Conv2d | nn.ConvTranspose2d


def built(change):
    torch.manual_seed(0)
    return foundations.Changed(foundations.game(change))


def layers(network, kind):
    return [layer for layer in network.modules() if isinstance(layer, kind)]


@pytest.mark.parametrize("change", foundations.CHANGES)
def test_every_change_can_be_played_and_its_layers_learn(change):
    model = built(change)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    model.step(DATA.batch(8))
    still = [n for n, p in model.named_parameters() if torch.equal(p, before[n])]
    assert not still, "the optimisers do not know these"
    run = foundations.play(foundations.game(change), DATA)
    assert run.sample(3).shape == (3, 1, 32, 32)
    found = foundations.symptoms(run, DATA.floats(slice(400)))
    assert found.keys() == {"frechet_distance", "classes", "gap", "spread"}


def test_only_what_is_named_is_changed():
    own = built(ALL)
    assert [type(m) for m in own.modules()][1:] == [
        type(m) for m in dcgan.DCGAN(foundations.game()).modules()
    ][1:]
    counts = {
        c: [len(layers(n, NORM)) for n in (m.generator, m.discriminator)]
        for c in foundations.CHANGES
        for m in [built(c)]
    }
    assert counts[ALL] == [3, 2]
    assert counts[PLAIN] == counts[FADING] == [3, 0]
    assert counts["2: no batch norm in G"] == [0, 2]
    rest = set(counts) - {ALL, PLAIN, FADING, "2: no batch norm in G"}
    assert all(counts[change] == [3, 2] for change in rest)
    eps = {layer.eps for layer in layers(built("2: eps = 0.8"), NORM)}
    assert eps == {0.8}
    assert not layers(built("5: ReLU in D").discriminator, nn.LeakyReLU)
    assert not layers(built("4: sigmoid for ReLU in G").generator, nn.ReLU)
    pooled = built("1: max pooling in D").discriminator
    assert len(layers(pooled, nn.MaxPool2d)) == 3
    assert {layer.stride for layer in layers(pooled, nn.Conv2d)} == {(1, 1)}
    full = built("3: hidden full connections")
    assert [len(layers(n, nn.Linear)) for n in (full.generator, full.discriminator)] == [2, 2]


def test_a_network_without_batch_normalisation_has_its_proper_start():
    """PyTorch's weights and a bias, as `batch_norm=False` of the package gives them."""

    def start(network):
        inner = layers(network, WEIGHTED)[1:-1]
        return [(layer.weight.std().item(), layer.bias is not None) for layer in inner]

    for std, bias in start(built(PLAIN).discriminator):
        assert std > 0.025
        assert bias
    for std, bias in start(built(FADING).discriminator):
        assert std == pytest.approx(0.02, rel=0.05)
        assert not bias
    assert all(bias for _, bias in start(built("2: no batch norm in G").generator))
    assert all(std > 0.025 for std, _ in start(built("start: PyTorch's own").discriminator))


def test_swap_reaches_layers_at_any_depth():
    network = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Sequential(nn.ReLU())))
    foundations.swap(network, nn.ReLU, lambda _: nn.Tanh())
    assert not layers(network, nn.ReLU)
    assert len(layers(network, nn.Tanh)) == 2


def test_the_spread_of_real_digits_is_one():
    history = {"real_score": torch.full((60,), 3.0), "fake_score": torch.full((60,), 1.0)}

    def sample(n, seed):
        return DATA.floats().repeat(2, 1, 1, 1)[:n]

    found = foundations.symptoms(SimpleNamespace(history=history, sample=sample), DATA.floats())
    assert found["spread"] == pytest.approx(1)
    assert found["gap"] == 2
    assert found["classes"] == 10
    assert found["frechet_distance"] < 5


# --- what the DCGAN chapter says ---------------------------------------------------------------


def games(name, rate=foundations.RATES[1]):
    """The stored games of a change, one for each seed."""
    rows = [r for r in load("foundations")["rules"] if r["name"] == name]
    rows = [r for r in rows if r["settings"]["learning_rate"] == rate]
    assert sorted(r["seed"] for r in rows) == list(foundations.SEEDS)
    return rows


def distances(name):
    return [row["frechet_distance"] for row in games(name)]


LOST = (PLAIN, FADING, "3: hidden full connections")


@pytest.mark.parametrize("change", foundations.CHANGES)
def test_the_games_that_failed_are_those_of_the_page(change):
    """At most seven classes and a spread well below 1, with every seed; or nine and near 1."""
    for row in games(change):
        if change in LOST:
            assert row["classes"] <= 7
            assert row["spread"] < 0.65
        else:
            assert row["classes"] >= 9
            assert row["spread"] > 0.85


def test_what_three_seeds_decide_about_the_distance():
    own = distances(ALL)
    assert all(min(distances(change)) > 3 * max(own) for change in LOST)
    farther = ["2: no batch norm in G", "2: eps = 0.8", "4: sigmoid for ReLU in G"]
    for change in (*farther, "start: PyTorch's own"):
        assert min(distances(change)) > max(own)
    assert max(distances("1: max pooling in D")) < min(own)


def test_what_three_seeds_leave_open():
    for one, other in ((ALL, "5: ReLU in D"), (PLAIN, FADING)):
        assert min(distances(one)) < max(distances(other))
        assert min(distances(other)) < max(distances(one))


def test_the_gap_does_not_tell_a_failed_game():
    lost = [row["gap"] for name in LOST for row in games(name)]
    assert min(lost) < 1 < 4 < min(row["gap"] for row in games("2: no batch norm in G"))


def test_half_the_rate_does_not_save_the_game_without_batch_normalisation():
    low = foundations.RATES[0]
    assert all(row["classes"] == 1 for row in games(PLAIN, low))
    assert all(row["classes"] == 10 for row in games(ALL, low))


def test_the_full_model_needs_batch_normalisation_with_every_seed():
    """The gallery's runs, as the chapter shows them."""
    rows = [r for r in load("objectives")["digits"] if r["name"] == "GAN" and r["updates"] == 600]
    by_norm = {
        norm: [r["frechet_distance"] for r in rows if r["settings"]["batch_norm"] is norm]
        for norm in (True, False)
    }
    assert len(by_norm[True]) == len(by_norm[False]) == 3
    assert min(by_norm[False]) > 3 * max(by_norm[True])

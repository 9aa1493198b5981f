"""Domain adaptation by CoGAN: what the reader shares, what it is taught, and the stored table."""

from dataclasses import replace

import pytest
import torch

from gan_lessons.comparisons import adaptation
from gan_lessons.data import digits_and_usps
from gan_lessons.latent import cogan
from gan_lessons.results import load
from tests.helpers import load_script

SMALL = replace(adaptation.config(), width=4, batch_size=16, steps=30)


@pytest.fixture(scope="module")
def domains():
    return digits_and_usps()


def test_the_reader_stands_on_the_layers_of_the_discriminators():
    model = cogan.CoGAN(replace(SMALL, shape=(1, 32, 32)))
    reader = adaptation.Reader(model.discriminator, (1, 32, 32))
    assert reader(torch.zeros(3, 1, 32, 32), 1).shape == (3, 10)
    shared = {id(p) for p in model.discriminator.parameters()}
    score = {id(p) for p in model.discriminator.shared[-1].parameters()}
    mine = {id(p) for p in reader.parameters()} - {id(p) for p in reader.head.parameters()}
    assert mine == shared - score


@pytest.mark.parametrize(("way", "taught"), [(adaptation.ALONE, 0), (adaptation.WAYS[-1], 1)])
def test_labels_reach_one_domain_only(domains, way, taught):
    """Without the game, the first layer of the domain without labels stays where it began."""
    torch.manual_seed(0)
    config = replace(SMALL, shape=(1, 32, 32))
    start = adaptation.adapt(domains, way, replace(config, steps=0))
    end = adaptation.adapt(domains, way, replace(config, steps=2))
    moved = [
        not torch.equal(before.weight, after.weight)
        for (before, *_), (after, *_) in zip(start.own, end.own, strict=True)
    ]
    assert moved == [taught == 0, taught == 1]


def test_the_game_moves_both_first_layers(domains):
    start = adaptation.adapt(domains, adaptation.GAME, replace(SMALL, steps=0))
    end = adaptation.adapt(domains, adaptation.GAME, replace(SMALL, steps=2))
    for (before, *_), (after, *_) in zip(start.own, end.own, strict=True):
        assert not torch.equal(before.weight, after.weight)


def test_own_layers_that_start_equal(domains):
    equal = {}
    for way in (adaptation.GAME, adaptation.ALIKE):
        first, second = adaptation.adapt(domains, way, replace(SMALL, steps=0)).own
        equal[way] = torch.equal(first[0].weight, second[0].weight)
    assert equal == {adaptation.GAME: False, adaptation.ALIKE: True}


def test_labels_teach_their_own_domain(domains):
    reader = adaptation.adapt(domains, adaptation.ALONE, replace(SMALL, steps=200))
    found = adaptation.measure(reader, digits_and_usps("test"))
    assert found["first"] > 0.6
    assert set(found) == {"first", "second", "other"}


def test_an_unknown_way_is_refused(domains):
    with pytest.raises(ValueError, match="There is no way 'by magic'; choose one of labels alone"):
        adaptation.adapt(domains, "by magic", SMALL)


def test_as_many_images_as_the_paper_takes(domains):
    few = adaptation.few(domains)
    assert len(few.first) == min(2_000, len(domains.first))
    assert len(few.second) == min(1_800, len(domains.second))


def test_the_stored_table_is_complete():
    rows = load("adaptation")["cogan"]
    found = {(row["name"], row["seed"]) for row in rows}
    assert found == {(way, seed) for way in adaptation.WAYS for seed in adaptation.SEEDS}


def test_the_script_needs_mnist_and_usps(monkeypatch):
    script, stand_in = load_script("adaptation_results"), digits_and_usps("test")
    monkeypatch.setattr(script, "digits_and_usps", lambda split: stand_in)
    assert script.domains("test") is stand_in, "under the smoke budget anything will do"
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "cpu")
    with pytest.raises(SystemExit, match="about MNIST, but only"):
        script.domains("test")

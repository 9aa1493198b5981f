"""The toy of DiscoGAN's paper: what is counted, who plays, and the stored runs."""

import pytest
import torch

from gan_lessons.comparisons import discovery
from gan_lessons.results import load
from tests.helpers import moved, same

names = pytest.mark.parametrize("name", discovery.MODELS | discovery.CONTROLS)


class Known:
    """A run whose translators are known functions."""

    device = "cpu"

    def __init__(self, there, back):
        self.there, self.back = there, back

    def sample(self, n, x=None, y=None, **options):
        return self.there(x) if y is None else self.back(y)


def modes():
    data = discovery.clusters()
    return data, data.first.modes.cpu(), data.second.modes.cpu()


def test_five_clusters_and_ten():
    data, first, second = modes()
    assert (len(first), len(second)) == (5, 10)
    assert data.second.std == 2 * data.first.std
    assert torch.allclose(second.norm(dim=1), 2 * first.norm(dim=1).mean().expand(10))


def test_hits_and_collisions_are_counted():
    data, first, second = modes()

    def to(order):
        return lambda x: second[torch.tensor(order)[torch.cdist(x, first).argmin(1)]]

    apart = discovery.measure(Known(to([0, 2, 4, 6, 8]), lambda y: y), data)
    assert (apart["hit"], apart["collisions"]) == (5, 0)
    joined = discovery.measure(Known(to([0, 0, 4, 4, 4]), lambda y: y), data)
    assert (joined["hit"], joined["collisions"]) == (2, 2)


def test_a_cluster_may_be_split():
    data, first, second = modes()

    def split(x):
        own = torch.cdist(x, first).argmin(1)
        return second[2 * own + (x[:, 0] > first[own, 0])]

    found = discovery.measure(Known(split, lambda y: y), data)
    assert (found["hit"], found["collisions"]) == (10, 0)


def test_the_way_back_is_measured_on_the_first_domain():
    data, *_ = modes()
    assert discovery.measure(Known(lambda x: x + 1, lambda y: y - 1), data)["way back"] < 1e-10
    assert discovery.measure(Known(lambda x: x, lambda y: y + 2), data)["way back"] == 4


@names
def test_who_learns_from_what(name):
    """The baseline's way back learns from its one reconstruction, and from no game."""
    run = discovery.train(name)
    x, y = discovery.clusters().batch(50)
    changed = moved(run.model, lambda: run.model.generator_step(x, y))
    assert changed == {"generator_xy", "generator_yx"}


def test_the_baseline_never_looks_at_the_way_from_y():
    torch.manual_seed(0)
    model = discovery.train("one reconstruction").model
    x, y = discovery.clusters().batch(50)
    seen = []
    model.generator_yx.register_forward_hook(lambda _, inputs, out: seen.append(inputs[0]))
    model.generator_step(x, y)
    assert len(seen) == 1
    assert not same(seen[0], y)


@names
def test_the_file_has_every_seed(name):
    rows = [row for row in load("cycles")["discovery"] if row["name"] == name]
    assert sorted(row["seed"] for row in rows) == list(discovery.SEEDS)


def test_what_the_chapter_says():
    """DiscoGAN reaches all ten with every seed, and no baseline does with any."""
    hits = {name: [] for name in discovery.MODELS | discovery.CONTROLS}
    for row in load("cycles")["discovery"]:
        hits[row["name"]].append(row["hit"])
    assert min(hits["DiscoGAN"]) == discovery.TARGETS
    assert max(hits["GAN alone"] + hits["one reconstruction"]) < discovery.TARGETS
    assert max(hits["both games, x comes back"]) < discovery.TARGETS
    assert min(hits["both games, y comes back"]) == discovery.TARGETS

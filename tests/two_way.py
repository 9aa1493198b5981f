"""What the tests of models with a translator each way share: data, known functions, who learns."""

import torch

from gan_lessons.data import Batch, TwoDomains, ring
from tests.helpers import same, two_domains

SHAPE = (3, 32, 32)
GENERATORS = ("generator_xy", "generator_yx")
DISCRIMINATORS = ("discriminator_x", "discriminator_y")


def batch(n: int = 4) -> Batch:
    """Images of both domains, always the same kinds."""
    return two_domains(shape=SHAPE).batch(n)


def points() -> TwoDomains:
    """Four clusters in a ring, and three."""
    return TwoDomains(ring(4, 200), ring(3, 200))


def judged(v, number):
    """A score (n, 1) that tells which judge has seen what."""
    return v.flatten(1).mean(1, keepdim=True) + number


KNOWN = {
    "generator_xy": lambda v: 2 * v,
    "generator_yx": lambda v: v + 3,
    "discriminator_x": lambda v: judged(v, 100),
    "discriminator_y": lambda v: judged(v, 200),
}


def stubbed(monkeypatch, model, module, *losses):
    """`model` with the networks of `KNOWN`, and a dictionary of what the module's losses are given.

    Under "total" stands what would be minimised: nothing is.
    """
    given = {}
    for name, function in KNOWN.items():
        monkeypatch.setattr(getattr(model, name), "forward", function)
    for name in ("generator_loss", "discriminator_loss", *losses):
        function = getattr(module, name)

        def loss(*args, name=name, function=function):
            given.setdefault(name, []).append(args)
            return function(*args)

        monkeypatch.setattr(module, name, loss)
    monkeypatch.setattr(module, "update", lambda optimizer, value: given.update(total=value))
    return model, given


def check_who_translates_and_judges(model, given, round_trip):
    """A step of stubbed translators: each fake has its judge, and each trip its own ends."""
    x, y = batch()
    model.generator_step(x, y)
    of_x, of_y = (scored for (scored,) in given["generator_loss"])
    torch.testing.assert_close(of_x, judged(y + 3, 100))
    torch.testing.assert_close(of_y, judged(2 * x, 200))
    ends = (x, 2 * x + 3, y, 2 * (y + 3))
    assert all(map(same, given[round_trip][0], ends)), "F(G(x)) beside x, and G(F(y)) beside y"
    return x, y


def translators_that_learn(monkeypatch, model, module, round_trip, trip):
    """Which translators a round trip teaches: x's with a `trip` of 1, y's with 3.

    Were the fake detached, the first translator of the trip would learn nothing from it.
    """
    reached = set()

    def one_trip(*ends):
        for name in GENERATORS:
            weights = list(getattr(model, name).parameters())
            slopes = torch.autograd.grad(ends[trip].mean(), weights, retain_graph=True)
            reached.update({name} if any(slope.any() for slope in slopes) else ())
        return ends[1].mean() + ends[3].mean()

    monkeypatch.setattr(module, round_trip, one_trip)
    model.generator_step(*batch())
    return reached

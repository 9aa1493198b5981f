"""CycleGAN: its equations, what the cycle can and cannot see, the pool, the schedule, the steps."""

import inspect
from collections import Counter
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch
from torch import nn

from gan_lessons.data import (
    Batch,
    TensorData,
    TwoDomains,
    digits_in_two_colours,
    folder,
    ring,
    to_first,
    to_grey,
    to_second,
)
from gan_lessons.training import load_run, resume
from gan_lessons.translation import cyclegan
from gan_lessons.translation.cyclegan import ImagePool
from gan_lessons.translation.networks import ResidualGenerator, receptive_field
from tests.helpers import images, moved, pairs, same, two_domains
from tests.oracles import check, oracle, oracles, scores

SMALL = cyclegan.PRESETS["smoke"]
SHAPE = (3, 32, 32)
GENERATORS, DISCRIMINATORS = (
    {"generator_xy", "generator_yx"},
    {"discriminator_x", "discriminator_y"},
)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return cyclegan.CycleGAN(SMALL)


def batch(n=4, shape=SHAPE):
    return two_domains(shape=shape).batch(n)


def fakes(n=4):
    return [torch.rand(n, *SHAPE) * 2 - 1 for _ in range(2)]


# --- equations ---------------------------------------------------------------------------------


@oracle("CYCLEGAN-D")
def cyclegan_d(real_scores, fake_scores):
    return np.square(real_scores - 1).mean() / 2 + np.square(fake_scores).mean() / 2


@cyclegan_d.gradient
def _(real_scores, fake_scores):
    return {
        "real_scores": (real_scores - 1) / real_scores.size,
        "fake_scores": fake_scores / fake_scores.size,
    }


@oracle("CYCLEGAN-G")
def cyclegan_g(fake_scores):
    return np.square(fake_scores - 1).mean()


@cyclegan_g.gradient
def _(fake_scores):
    return {"fake_scores": 2 * (fake_scores - 1) / fake_scores.size}


@oracle("CYCLEGAN-CYCLE")
def cyclegan_cycle(x, x_again, y, y_again):
    return np.abs(x_again - x).sum() / x.size + np.abs(y_again - y).sum() / y.size


@cyclegan_cycle.gradient
def _(x, x_again, y, y_again):
    to_x, to_y = np.sign(x_again - x) / x.size, np.sign(y_again - y) / y.size
    return {"x": -to_x, "x_again": to_x, "y": -to_y, "y_again": to_y}


@oracle("CYCLEGAN-ID")
def cyclegan_id(x, x_by_f, y, y_by_g):
    return np.abs(y_by_g - y).sum() / y.size + np.abs(x_by_f - x).sum() / x.size


@cyclegan_id.gradient
def _(x, x_by_f, y, y_by_g):
    to_x, to_y = np.sign(x_by_f - x) / x.size, np.sign(y_by_g - y) / y.size
    return {"x": -to_x, "x_by_f": to_x, "y": -to_y, "y_by_g": to_y}


@oracle("CYCLEGAN-SUM")
def cyclegan_sum(games, cycle, identity, cycle_weight, identity_weight):
    return sum(games) + cycle_weight * cycle + identity_weight * identity


@oracle("CYCLEGAN-LR")
def schedule(steps, constant):
    """The factors of a whole training: ones, then a straight line that ends in 0 after it."""
    return np.concatenate([np.ones(constant), np.linspace(1, 0, steps - constant + 1)])


@oracle("CYCLEGAN-PERM")
def costs_of_all_bijections(x, y):
    """Between two finite sets of equally likely points, each bijection as G and its inverse as F.

    Returns rows (points of Y that G does not reach, cycle loss, identity loss). The identity loss
    asks what G does to the points of Y where it stands on some of X, too.
    """
    rows = []
    for order in permutations(range(len(x))):
        forward = {tuple(x[i]): y[j] for i, j in enumerate(order)}
        back = {tuple(y[j]): x[i] for i, j in enumerate(order)}
        missed = len(y) - len({tuple(p) for p in forward.values()})
        there = [np.abs(back[tuple(forward[tuple(p)])] - p).mean() for p in x]
        again = [np.abs(forward[tuple(back[tuple(p)])] - p).mean() for p in y]
        own = [np.abs(forward[tuple(p)] - p).mean() for p in y]
        own_back = [np.abs(back[tuple(p)] - p).mean() for p in x]
        cycle, identity = np.mean(there) + np.mean(again), np.mean(own) + np.mean(own_back)
        rows.append([missed, cycle, identity])
    return np.array(rows)


@oracle("CYCLEGAN-LOSSY")
def least_error_of_guesses(values, groups):
    """E |v - median of the group of v|, the least that a guess from the group alone can reach."""
    total = 0.0
    for group in set(groups.tolist()):
        own = np.sort(values[groups == group])
        total += min(np.abs(own - guess).sum() for guess in own)
    return total / len(values)


@oracle("CYCLEGAN-AGE")
def mean_age(size):
    """Each later query has a chance of 1/2 to hit one of `size` places: a geometric wait."""
    p = 0.5 / size
    waits = np.arange(1, 200_000)
    return (waits * p * (1 - p) ** (waits - 1)).sum()


def maps(n, seed=0):
    return scores(n * 9, seed=seed).reshape(n, 3, 3)


def test_discriminator_loss():
    loss = cyclegan.discriminator_loss
    check("CYCLEGAN-D", loss, real_scores=maps(4), fake_scores=maps(5, seed=1))


def test_generator_loss():
    check("CYCLEGAN-G", cyclegan.generator_loss, fake_scores=maps(5))


def test_cycle_loss():
    x, x_again = maps(4), maps(4, seed=1)
    y, y_again = maps(6, seed=2), maps(6, seed=3)
    check("CYCLEGAN-CYCLE", cyclegan.cycle_loss, x=x, x_again=x_again, y=y, y_again=y_again)


def test_identity_loss():
    x, x_by_f = maps(4), maps(4, seed=1)
    y, y_by_g = maps(6, seed=2), maps(6, seed=3)
    check("CYCLEGAN-ID", cyclegan.identity_loss, x=x, x_by_f=x_by_f, y=y, y_by_g=y_by_g)


def test_least_squares_at_equilibrium():
    half = torch.full((4, 3, 3), 0.5)
    assert cyclegan.discriminator_loss(half, half) == 0.25
    assert cyclegan.generator_loss(half) == 0.25


# --- what the cycle sees -----------------------------------------------------------------------

EXACT = {
    "negative": (lambda v: -v, lambda v: -v),
    "channels": (lambda v: v[:, [1, 2, 0]], lambda v: v[:, [2, 0, 1]]),
    "mirror": (lambda v: v.flip(-1), lambda v: v.flip(-1)),
}


@pytest.mark.parametrize("name", EXACT)
def test_exact_inverses_have_no_cycle_loss(name):
    G, F = EXACT[name]
    x, y = batch()
    assert cyclegan.cycle_loss(x, F(G(x)), y, G(F(y))) == 0
    assert cyclegan.cycle_loss(x, G(x), y, F(y)) > 0.1, "but one way changes a lot"


def test_the_true_maps_between_the_colours_are_inverses():
    data = digits_in_two_colours("test")
    x, y = data.first.floats(slice(50)), data.second.floats(slice(50))
    loss = cyclegan.cycle_loss(x, to_first(to_second(x)), y, to_second(to_first(y)))
    assert loss < 0.01, "up to the rounding to bytes"


SQUARE = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])


def test_no_permutation_of_symmetric_points_costs_anything_but_in_the_identity_term():
    points = torch.tensor(SQUARE)
    expected = costs_of_all_bijections(SQUARE, SQUARE)
    assert len(expected) == 24
    assert (expected[:, :2] == 0).all()
    assert (expected[:, 2] == 0).sum() == 1, "only the identity term sees a difference"
    for row, order in zip(expected, permutations(range(4)), strict=True):
        back = torch.tensor(order).argsort()
        G, F = points[list(order)], points[back]  # where each point goes
        cycle = cyclegan.cycle_loss(points, F[list(order)], points, G[back])
        identity = cyclegan.identity_loss(points, F, points, G)
        assert [cycle, identity] == pytest.approx(row[1:], abs=1e-12)


@pytest.mark.parametrize("hidden", ["nothing", "everything"])
def test_a_map_that_loses_something_cannot_be_undone_unless_it_hides_it(hidden):
    rng = np.random.default_rng(0)
    colour, shape = rng.uniform(-1, 1, 4000), rng.integers(0, 4, 4000)
    least = least_error_of_guesses(colour, shape)
    x = torch.tensor(colour)
    if hidden == "everything":  # in the digits that nobody looks at
        code = torch.tensor(shape) + 1e-3 * x
        guess = (code - code.round()) * 1e3
        assert (guess - x).abs().mean() < 1e-9
    else:
        medians = torch.stack([x[torch.tensor(shape) == k].median() for k in range(4)])
        guess = medians[torch.tensor(shape)]
        error = (guess - x).abs().mean().item()
        assert error == pytest.approx(least, rel=1e-3)
        assert error > 0.4


# --- the pool ----------------------------------------------------------------------------------


def numbered(start, n, shape=(1,)):
    """Samples that are their own number."""
    return torch.arange(start, start + n).float().view(-1, *[1] * len(shape)).expand(n, *shape)


def test_the_first_fifty_come_back_as_they_are():
    pool = ImagePool((3, 2, 2))
    for start in range(0, 50, 10):
        fresh = numbered(start, 10, (3, 2, 2))
        assert same(pool(fresh), fresh)
    assert pool.filled == 50
    assert pool.kept[:, 0, 0, 0].tolist() == list(range(50))


@pytest.mark.parametrize("n", [1, 16])
def test_afterwards_half_are_fresh_and_the_others_a_hundred_queries_old(n):
    torch.manual_seed(0)
    pool, ages, fresh = ImagePool((1,)), [], 0
    for start in range(0, 8_000, n):
        asked = numbered(start, n)
        given = pool(asked)[:, 0]
        assert pool.kept.shape == (50, 1), "never more than fifty"
        if start > 1_000:
            fresh += (given == asked[:, 0]).sum().item()
            ages += (asked[:, 0] - given)[given != asked[:, 0]].tolist()
    assert fresh / (fresh + len(ages)) == pytest.approx(0.5, abs=0.03)
    assert np.mean(ages) == pytest.approx(mean_age(50), rel=0.08)
    assert mean_age(50) == pytest.approx(100)


def test_a_sample_is_given_back_or_kept_and_never_both():
    torch.manual_seed(0)
    pool, given = ImagePool((1,), 5), []
    for start in range(0, 120, 3):
        given += pool(numbered(start, 3))[:, 0].tolist()
    counts = Counter(given[5:])  # the first five come back and are kept
    assert max(counts.values()) == 1
    kept = set(pool.kept[:, 0].tolist())
    assert set(given) | kept == set(range(120))
    assert not set(given[5:]) & (kept - set(range(5)))


def test_each_sample_of_a_batch_has_a_coin_of_its_own():
    torch.manual_seed(0)
    pool = ImagePool((1,))
    pool(numbered(0, 50))
    fresh = (pool(numbered(50, 40)) >= 50).sum().item()
    assert 8 <= fresh <= 32


def test_a_batch_larger_than_the_pool():
    torch.manual_seed(0)
    pool = ImagePool((1,), 4)
    given = pool(numbered(0, 11))
    assert given.shape == (11, 1)
    assert given[:4, 0].tolist() == [0, 1, 2, 3]
    assert sorted(given[4:, 0].tolist() + pool.kept[:, 0].tolist()) == list(range(11))
    assert pool.filled == 4


def test_without_a_pool_samples_only_lose_their_gradient():
    pool = ImagePool((1,), 0)
    fresh = numbered(0, 3).clone().requires_grad_()
    assert same(pool(fresh), fresh.detach())
    assert not pool(fresh).requires_grad


def test_nothing_in_the_pool_carries_a_gradient():
    torch.manual_seed(0)
    pool, weight = ImagePool((1,), 4), torch.ones(1, requires_grad=True)
    for start in range(0, 20, 2):
        given = pool(numbered(start, 2) * weight)
        assert not given.requires_grad
    assert not pool.kept.requires_grad
    assert pool.kept.grad_fn is None


def test_the_pool_is_saved_with_the_number_of_its_samples():
    torch.manual_seed(0)
    pool, other = ImagePool((1,), 6), ImagePool((1,), 6)
    pool(numbered(1, 4))
    other.load_state_dict(pool.state_dict())
    assert other.filled == 4
    assert same(other.kept, pool.kept)


# --- the learning rate -------------------------------------------------------------------------


@pytest.mark.parametrize(("steps", "share", "constant"), [(200, 0.5, 100), (10, 0.8, 8), (6, 0, 0)])
def test_the_learning_rate_is_constant_and_then_falls_to_zero(steps, share, constant):
    factors = [cyclegan.learning_rate_factor(t, steps, share) for t in range(steps + 1)]
    np.testing.assert_allclose(factors, schedule(steps, constant), atol=1e-12)
    assert cyclegan.learning_rate_factor(steps + 7, steps, share) == 0


def test_without_decay_the_learning_rate_stays():
    assert [cyclegan.learning_rate_factor(t, 9, 1.0) for t in range(9)] == [1.0] * 9


def rates(model):
    optimizers = (model.generator_optimizer, model.discriminator_optimizer)
    return [group["lr"] for o in optimizers for group in o.param_groups]


def test_all_players_follow_the_schedule():
    model = cyclegan.CycleGAN(replace(SMALL, shape=(2,), steps=8, learning_rate=0.01))
    seen, data = [], points()
    for _ in range(8):
        model.step(data.batch(4))
        seen.append(rates(model))
    expected = 0.01 * schedule(8, 4)[:8]
    np.testing.assert_allclose(seen, np.stack([expected, expected], axis=1))


def config_of(steps=8, **options):
    return replace(SMALL, shape=SHAPE, steps=steps, batch_size=4, pool_size=6, **options)


def points():
    return TwoDomains(ring(4, 200), ring(3, 200))


def test_a_run_goes_on_after_a_save_as_if_nothing_had_happened(tmp_path):
    """Weights, learning rate, pools and random numbers: all of them are kept."""
    config = replace(SMALL, steps=12, batch_size=4, pool_size=18)
    options = {"device": "cpu", "progress": False, "snapshots": 0}
    whole = cyclegan.train(config, points(), **options)

    def stop(run):
        raise KeyboardInterrupt

    for moment in (3, 8):  # while the pools fill at the full rate, and when neither holds
        part = cyclegan.train(config, points(), monitor=stop, monitor_every=moment, **options)
        again = load_run(part.save(tmp_path), device="cpu")
        assert again.model.steps_done == moment
        assert again.model.pool_x.filled == min(4 * moment, 18)
        resume(again, points(), progress=False, snapshots=0)
        state = again.model.state_dict()
        for name, value in whole.model.state_dict().items():
            assert same(state[name], value), name
        assert rates(again.model) == rates(whole.model)


# --- networks ----------------------------------------------------------------------------------


def test_images_keep_their_size_and_points_theirs(model):
    for shape in ((1, 28, 28), (3, 64, 64)):
        net = ResidualGenerator(shape[0], 4, halvings=2, blocks=1)
        out = net(torch.rand(2, *shape) * 2 - 1)
        assert out.shape == (2, *shape)
        assert out.abs().max() <= 1
    assert model.discriminator_y(batch().y).shape == (4, 14, 14), "patches of 16 pixels"
    assert receptive_field(model.discriminator_y) == 16
    points = cyclegan.CycleGAN(replace(SMALL, shape=(2,)))
    assert points.sample(x=torch.randn(5, 2)).shape == (5, 2)
    assert points.discriminator_x(torch.randn(5, 2)).shape == (5, 1)


def test_sides_that_cannot_be_halved_are_refused():
    with pytest.raises(ValueError, match=r"30 x 30 pixels cannot be halved.*multiples of 4"):
        ResidualGenerator(3, 4, halvings=2, blocks=1)(torch.zeros(1, 3, 30, 30))


def test_a_residual_block_adds_to_its_input():
    block = next(
        m for m in ResidualGenerator(3, 4).modules() if type(m).__name__ == "ResidualBlock"
    )
    x = torch.randn(2, 8, 8, 8)
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    assert same(block(x), x), "not even a ReLU stands after the sum"


def test_each_image_is_translated_and_judged_by_itself(model):
    x, other = batch(6).x, batch(6).y
    for network in (model.generator_xy, model.discriminator_x):
        alone = network(x[:1])
        together = network(torch.cat([x[:1], other]))[:1]
        torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-5)


def test_the_discriminator_sees_colours(model):
    """Normalised in the first layer, an image and its brighter copy would be one and the same."""
    x = torch.rand(4, *SHAPE) - 0.5
    difference = model.discriminator_x(x) - model.discriminator_x(0.5 * x + 0.3)
    assert difference.abs().max() > 1e-3


# --- steps -------------------------------------------------------------------------------------


def test_each_step_moves_one_kind_of_player(model):
    x, y = batch()
    assert moved(model, lambda: model.generator_step(x, y)) == GENERATORS
    assert moved(model, lambda: model.discriminator_step(x, y, *fakes())) == DISCRIMINATORS
    assert moved(model, lambda: model.step(batch())) == GENERATORS | DISCRIMINATORS


def test_no_loss_leaves_a_gradient_at_the_other_networks(model):
    x, y = batch()
    model.generator_step(x, y)
    for network in (model.discriminator_x, model.discriminator_y):
        assert all(p.grad is None for p in network.parameters()), "D is not frozen"
        assert all(p.requires_grad for p in network.parameters()), "D stays frozen"
    before = [p.grad.clone() for p in model.generator_xy.parameters()]
    fake_x, fake_y = model.generator_yx(y), model.generator_xy(x)
    model.discriminator_step(x, y, fake_x, fake_y)
    after = [p.grad for p in model.generator_xy.parameters()]
    assert all(same(a, b) for a, b in zip(after, before, strict=True)), "detach is missing"


def touched(model, loss):
    """The networks that a loss has a gradient for."""
    names = [n for n, _ in model.named_children() if not n.startswith("pool")]
    found = set()
    for name in names:
        parameters = list(getattr(model, name).parameters())
        slopes = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
        if any(s is not None and s.any() for s in slopes):
            found.add(name)
    return found


def watched(model, monkeypatch, *losses):
    """Run one step of the generators, and see which networks each loss reaches."""
    found = {}
    for name in losses:
        function = getattr(cyclegan, name)

        def loss(*args, name=name, function=function):
            value = function(*args)
            found.setdefault(name, []).append(touched(model, value))
            return value

        monkeypatch.setattr(cyclegan, name, loss)
    model.generator_step(*batch())
    return found


def test_which_networks_each_loss_reaches(monkeypatch):
    torch.manual_seed(0)
    model = cyclegan.CycleGAN(replace(SMALL, identity_weight=5.0))
    names = ("generator_loss", "cycle_loss", "identity_loss")
    found = watched(model, monkeypatch, *names)
    assert found["generator_loss"] == [{"generator_yx"}, {"generator_xy"}], "each its own game"
    assert found["cycle_loss"] == [GENERATORS], "both translators, in both round trips"
    assert found["identity_loss"] == [GENERATORS]


@pytest.mark.parametrize("trip", ["x", "y"])
def test_each_round_trip_moves_both_translators(trip, model, monkeypatch):
    """Were the fake detached, the first translator of the trip would learn nothing from it."""
    nothing = torch.zeros(1)

    def one_trip(x, x_again, y, y_again):
        seen.append(touched(model, (x_again if trip == "x" else y_again).mean()))
        return x_again.mean() + y_again.mean() + nothing.sum()

    seen = []
    monkeypatch.setattr(cyclegan, "cycle_loss", one_trip)
    model.generator_step(*batch())
    assert seen == [GENERATORS]


@pytest.fixture
def stub(monkeypatch):
    """A model whose networks are known functions, and what its losses are given."""
    torch.manual_seed(0)
    model = cyclegan.CycleGAN(replace(SMALL, identity_weight=5.0, pool_size=0))
    functions = {
        "generator_xy": lambda v: 2 * v,
        "generator_yx": lambda v: v + 3,
        "discriminator_x": lambda v: v.flatten(1).mean(1) + 100,
        "discriminator_y": lambda v: v.flatten(1).mean(1) + 200,
    }
    for name, function in functions.items():
        monkeypatch.setattr(getattr(model, name), "forward", function)
    given = {}
    for name in ("cycle_loss", "identity_loss", "generator_loss", "discriminator_loss"):
        function = getattr(cyclegan, name)

        def loss(*args, name=name, function=function):
            given.setdefault(name, []).append(args)
            return function(*args)

        monkeypatch.setattr(cyclegan, name, loss)
    monkeypatch.setattr(cyclegan, "update", lambda optimizer, value: given.update(total=value))
    return model, given


def test_who_translates_what_and_who_judges_whom(stub):
    model, given = stub
    x, y = batch()
    losses, fake_x, fake_y = model.generator_step(x, y)
    assert same(fake_y, 2 * x), "G: X -> Y"
    assert same(fake_x, y + 3), "F: Y -> X"
    for value, expected in zip(given["cycle_loss"][0], (x, 2 * x + 3, y, 2 * (y + 3)), strict=True):
        assert same(value, expected)
    for value, expected in zip(given["identity_loss"][0], (x, x + 3, y, 2 * y), strict=True):
        assert same(value, expected), "G gets y and F gets x: else it would train the identity"
    judged = [args[0] for args in given["generator_loss"]]
    torch.testing.assert_close(judged[0], (y + 3).flatten(1).mean(1) + 100)
    torch.testing.assert_close(judged[1], (2 * x).flatten(1).mean(1) + 200)
    games = [cyclegan_g(v.double().numpy()) for v in judged]
    cycle = cyclegan_cycle(*(v.double().numpy() for v in given["cycle_loss"][0]))
    identity = cyclegan_id(*(v.double().numpy() for v in given["identity_loss"][0]))
    expected = oracles("CYCLEGAN-SUM")(games, cycle, identity, 10.0, 5.0)
    assert given["total"].item() == pytest.approx(expected, rel=1e-5)
    assert losses["generator_loss"].item() == pytest.approx(sum(games), rel=1e-5)
    assert losses["cycle_loss"].item() == pytest.approx(cycle, rel=1e-5)
    assert losses["identity_loss"].item() == pytest.approx(identity, rel=1e-5)


def test_each_discriminator_sees_its_own_domain(stub):
    model, given = stub
    x, y = batch()
    fake_x, fake_y = fakes()
    result = model.discriminator_step(x, y, fake_x, fake_y)
    expected = [
        (x.flatten(1).mean(1) + 100, fake_x.flatten(1).mean(1) + 100),
        (y.flatten(1).mean(1) + 200, fake_y.flatten(1).mean(1) + 200),
    ]
    for (real, fake), (wanted_real, wanted_fake) in zip(
        given["discriminator_loss"], expected, strict=True
    ):
        torch.testing.assert_close(real, wanted_real)
        torch.testing.assert_close(fake, wanted_fake)
    both = sum(cyclegan_d(*(v.double().numpy() for v in pair)) for pair in expected)
    assert result["discriminator_loss"].item() == pytest.approx(both, rel=1e-5)
    assert given["total"].item() == pytest.approx(both, rel=1e-5)


def test_generators_play_with_fresh_fakes_and_discriminators_with_the_pool(model, monkeypatch):
    old = [torch.full((4, *SHAPE), value) for value in (0.25, 0.75)]
    for pool, value in zip((model.pool_x, model.pool_y), old, strict=True):
        monkeypatch.setattr(pool, "forward", lambda fresh, value=value: value)
    seen = {"discriminator_x": [], "discriminator_y": []}
    for name, inputs in seen.items():
        getattr(model, name).register_forward_pre_hook(
            lambda _, args, inputs=inputs: inputs.append(args[0].detach())
        )
    x, y = batch()
    fake_x, fake_y = model.generator_yx(y).detach(), model.generator_xy(x).detach()
    model.step(Batch(x, y))
    torch.testing.assert_close(seen["discriminator_x"][0], fake_x)
    torch.testing.assert_close(seen["discriminator_y"][0], fake_y)
    assert same(seen["discriminator_x"][1], x)
    assert same(seen["discriminator_y"][1], y)
    assert same(seen["discriminator_x"][2], old[0])
    assert same(seen["discriminator_y"][2], old[1])


def test_a_weight_of_zero_leaves_the_term_out():
    calls = Counter()

    def count(model):
        for name in sorted(GENERATORS):
            getattr(model, name).register_forward_hook(lambda *_: calls.update(["passes"]))
        return model

    for weights, passes, terms in (
        ((0.0, 0.0), 2, {"generator_loss"}),
        ((10.0, 0.0), 4, {"generator_loss", "cycle_loss"}),
        ((0.0, 5.0), 4, {"generator_loss", "identity_loss"}),
        ((10.0, 5.0), 6, {"generator_loss", "cycle_loss", "identity_loss"}),
    ):
        config = replace(SMALL, cycle_weight=weights[0], identity_weight=weights[1])
        calls.clear()
        losses, *_ = count(cyclegan.CycleGAN(config)).generator_step(*batch())
        assert set(losses) == terms
        assert calls["passes"] == passes


def test_the_optimisers_hold_both_networks_once(model):
    for optimizer, names in (
        (model.generator_optimizer, GENERATORS),
        (model.discriminator_optimizer, DISCRIMINATORS),
    ):
        held = [id(p) for group in optimizer.param_groups for p in group["params"]]
        wanted = [id(p) for name in names for p in getattr(model, name).parameters()]
        assert len(held) == len(set(held))
        assert sorted(held) == sorted(wanted)


# --- samples and data --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run():
    data = two_domains(shape=SHAPE)
    return cyclegan.train(config_of(4), data, device="cpu", progress=False, snapshots=2)


def test_translations_by_averaged_weights_both_ways(run):
    x, y = two_domains(shape=SHAPE).batch(7)
    run.averaged.eval()
    with torch.no_grad():
        there, back = run.averaged.generator_xy(x), run.averaged.generator_yx(y)
    torch.testing.assert_close(cyclegan.translate(run, x, chunk=3), there)
    torch.testing.assert_close(cyclegan.translate(run, y, back=True), back)
    assert not there.isclose(run.model.generator_xy(x)).all(), "averaged, not the last ones"


@pytest.mark.parametrize("inputs", [{}, {"x": 1, "y": 1}])
def test_one_direction_must_be_chosen(model, inputs):
    with pytest.raises(ValueError, match="first domain as x=…, or those of the second as y=…"):
        model.sample(2, **{name: torch.zeros(2, *SHAPE) for name in inputs})


def test_snapshots_translate_fixed_images(run):
    x = run.fixed_inputs["x"]
    assert x.shape == (64, *SHAPE)
    assert run.snapshots.shape[1:] == (64, *SHAPE)
    last = ((run.sample(64, x=x) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    assert same(run.snapshots[-1], last)


@pytest.mark.parametrize("data", [images(), pairs()], ids=["one", "pairs"])
def test_data_that_are_no_two_domains_are_refused(data):
    with pytest.raises(TypeError, match=r"two domains without pairs, not \w+: TwoDomains\("):
        cyclegan.train(SMALL, data)


def test_paired_data_cannot_leak_into_the_training(monkeypatch):
    """Row i of one domain comes with any row of the other, also where row i would be its pair."""
    n = 40
    values = torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1).expand(n, *SHAPE).clone()
    twins = TwoDomains(TensorData(values, None, "numbers"), TensorData(values, None, "again"))
    seen = []

    def step(self, batch):
        seen.append(batch)
        return {"loss": torch.zeros(())}

    monkeypatch.setattr(cyclegan.CycleGAN, "step", step)
    config = config_of(30)
    cyclegan.train(config, twins, device="cpu", progress=False, snapshots=0)
    x, y = (torch.cat(list(parts))[:, 0, 0, 0] for parts in zip(*seen, strict=True))
    assert (x == y).double().mean() < 0.15, "one in forty by chance"
    assert "label" not in inspect.getsource(cyclegan.CycleGAN), "and no class is looked at"


def test_the_two_colourings_share_no_digit():
    data = digits_in_two_colours("train")
    x, y = to_grey(data.first.floats(), "first"), to_grey(data.second.floats(), "second")
    rows = [{row.tobytes() for row in v.mul(20).round().numpy()} for v in (x, y)]
    shared = len(rows[0] & rows[1])
    assert shared <= 2, f"{shared} digits are in both"


def test_two_folders_of_ones_own(tmp_path):
    from PIL import Image

    for k, name in enumerate("ab"):
        (tmp_path / name).mkdir()
        for i in range(5):
            Image.new("RGB", (50, 40 + i), (90 * k, 20 * i, 200)).save(tmp_path / name / f"{i}.png")
    data = TwoDomains(folder(tmp_path / "a", 32), folder(tmp_path / "b", 32))
    run = cyclegan.train(config_of(1), data, device="cpu", progress=False, snapshots=0)
    assert cyclegan.translate(run, data.first.floats()).shape == (5, *SHAPE)


def test_points_are_translated_too():
    data = points()
    config = replace(SMALL, steps=3, batch_size=64, identity_weight=1.0)
    run = cyclegan.train(config, data, device="cpu", progress=False, snapshots=2)
    assert cyclegan.translate(run, data.first.floats()).shape == (200, 2)
    assert run.snapshots.shape[1:] == (64, 2)


# --- the measurement ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def colours():
    return digits_in_two_colours(), digits_in_two_colours("test")


def test_the_true_map_has_nothing_to_improve(colours):
    train, test = colours
    rows = cyclegan.baselines(train, test, 60)
    truth, copy, mean = (rows[k] for k in ("true map", "copy of the input", "mean image"))
    for way in "GF":
        assert truth[f"L1, {way}"] == 0
        assert copy[f"L1, {way}"] > 0.8
        assert 0 < mean[f"L1, {way}"] < copy[f"L1, {way}"]
        assert truth[f"kept, {way}"] > 0.8
        assert max(copy[f"kept, {way}"], mean[f"kept, {way}"]) < 0.4
    assert truth["cycle error"] == copy["cycle error"] == 0
    expected = [
        (one.floats(slice(5000)).mean(0) - other.floats(slice(60))).abs().mean().item()
        for one, other in ((train.first, test.first), (train.second, test.second))
    ]
    assert mean["cycle error"] == pytest.approx(np.mean(expected), rel=1e-4)


def replaced(run, monkeypatch, there, back):
    monkeypatch.setattr(run.averaged.generator_xy, "forward", there)
    monkeypatch.setattr(run.averaged.generator_yx, "forward", back)
    return run


def test_measure_of_a_perfect_translator(colours, run, monkeypatch):
    perfect = replaced(run, monkeypatch, to_second, to_first)
    result = cyclegan.measure(perfect, colours[1], 40)
    truth = cyclegan.baselines(*colours, 40)["true map"]
    for name in ("L1, G", "L1, F", "kept, G", "kept, F"):
        assert result[name] == pytest.approx(truth[name], abs=1e-6)
    assert result["cycle error"] < 0.005
    assert result["ratio"] == pytest.approx(result["with noise"] / result["cycle error"])


def test_measure_tells_both_directions_apart(colours, run, monkeypatch):
    half = replaced(run, monkeypatch, to_second, lambda v: v)  # F does nothing
    result = cyclegan.measure(half, colours[1], 40)
    assert result["L1, G"] == 0
    assert result["L1, F"] > 0.8
    assert result["kept, G"] > 0.8 > result["kept, F"]
    half = replaced(run, monkeypatch, lambda v: v, to_first)  # G does nothing
    result = cyclegan.measure(half, colours[1], 40)
    assert result["L1, F"] == 0
    assert result["L1, G"] > 0.8
    assert result["kept, F"] > 0.8 > result["kept, G"]


@pytest.mark.parametrize("gain", [1.0, 50.0])
def test_noise_between_the_translations(run, monkeypatch, gain):
    """F that amplifies what G has made small has a hidden channel, and noise jams it."""
    way = replaced(run, monkeypatch, lambda v: v / gain, lambda v: v * gain)
    x, y = two_domains(shape=SHAPE).batch(30)
    result = cyclegan.round_trips(way, x, y, noise=0.02)
    assert result["cycle error"] < 1e-6
    mean_of_noise = 0.02 * np.sqrt(2 / np.pi)
    expected = mean_of_noise * (gain + 1 / gain) / 2
    assert result["with noise"] == pytest.approx(expected, rel=0.02)
    assert cyclegan.round_trips(way, x, y, noise=0.0)["with noise"] == result["cycle error"]
    assert cyclegan.round_trips(way, x, y, noise=0.02) == result, "the same noise every time"

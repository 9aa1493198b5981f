"""CycleGAN: its equations, what the cycle can and cannot see, the pool, the rate, who does what."""

from collections import Counter
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch
from torch import nn

from gan_lessons.data import Batch, coloured, to_first, to_second
from gan_lessons.training import load_run, resume
from gan_lessons.translation import cyclegan
from gan_lessons.translation.cyclegan import ImagePool
from tests.helpers import same
from tests.mutants import generated, mutants, survivors
from tests.oracles import check, oracle, scores, taken_over
from tests.two_way import (
    DISCRIMINATORS,
    GENERATORS,
    SHAPE,
    batch,
    check_who_translates_and_judges,
    judged,
    points,
    stubbed,
    translators_that_learn,
)

SMALL = cyclegan.PRESETS["smoke"]
POINTS = replace(SMALL, shape=(2,))


@pytest.fixture
def model():
    return cyclegan.CycleGAN(SMALL)


# --- equations ---------------------------------------------------------------------------------

taken_over(
    "CYCLEGAN-D",
    "LSGAN-D",
    r"L_{D_Y} = \tfrac12\, \mathbb E_y \bigl(D_Y(y) - 1\bigr)^2 + \tfrac12\, \mathbb E_x\, "
    r"D_Y\bigl(\operatorname{pool}(G(x))\bigr)^2",
)


@oracle("CYCLEGAN-G", r"L_G = \mathbb E_x \bigl(D_Y(G(x)) - 1\bigr)^2")
def cyclegan_g(fake_scores):
    return np.square(fake_scores - 1).mean()


@oracle(
    "CYCLEGAN-CYCLE",
    r"L_{\text{cyc}} = \mathbb E_x \bigl|F(G(x)) - x\bigr| + \mathbb E_y \bigl|G(F(y)) - "
    r"y\bigr|",
)
def cyclegan_cycle(x, x_again, y, y_again):
    return np.abs(x_again - x).sum() / x.size + np.abs(y_again - y).sum() / y.size


@oracle(
    "CYCLEGAN-ID",
    r"L_{\text{id}} = \mathbb E_y \bigl|G(y) - y\bigr| + \mathbb E_x \bigl|F(x) - x\bigr|",
)
def cyclegan_id(x, x_by_f, y, y_by_g):
    return np.abs(y_by_g - y).sum() / y.size + np.abs(x_by_f - x).sum() / x.size


@oracle(
    "CYCLEGAN-SUM",
    r"L = L_G + L_F + \lambda L_{\text{cyc}} + \lambda_{\text{id}} L_{\text{id}}",
)
def cyclegan_sum(games, cycle, identity, cycle_weight, identity_weight):
    return games[0] + games[1] + cycle_weight * cycle + identity_weight * identity


def maps(n, seed=0):
    return scores(n * 9, seed=seed).reshape(n, 3, 3)


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
    assert cyclegan.discriminator_loss(half, half) == cyclegan.generator_loss(half) == 0.25


def test_the_translators_step_is_on_the_sum(monkeypatch):
    """What reaches their optimiser when the four terms are known numbers."""

    def total(games, cycle, identity, cycle_weight, identity_weight):
        config = replace(POINTS, cycle_weight=cycle_weight, identity_weight=identity_weight)
        model, queue, losses = cyclegan.CycleGAN(config), iter(games), []
        monkeypatch.setattr(cyclegan, "generator_loss", lambda scores: next(queue))
        monkeypatch.setattr(cyclegan, "cycle_loss", lambda *parts: cycle)
        monkeypatch.setattr(cyclegan, "identity_loss", lambda *parts: identity)
        monkeypatch.setattr(cyclegan, "update", lambda optimizer, loss: losses.append(loss))
        logged, *_ = model.generator_step(*points().batch(4))
        assert logged["generator_loss"] == games.sum()
        assert (logged["cycle_loss"], logged["identity_loss"]) == (cycle, identity)
        return losses[0]

    terms = {"games": scores(2), "cycle": np.array(0.7), "identity": np.array(0.3)}
    check("CYCLEGAN-SUM", total, **terms, cycle_weight=10.0, identity_weight=5.0)


# --- what the cycle sees -----------------------------------------------------------------------


@pytest.mark.parametrize("back", [1, 2])
def test_the_cycle_loss_is_0_where_each_undoes_the_other(back):
    """Three channels in a circle: one step back undoes one step forth, two do not."""
    x, y = batch()
    G, F = (lambda v: v.roll(1, 1)), (lambda v: v.roll(-back, 1))
    loss = cyclegan.cycle_loss(x, F(G(x)), y, G(F(y)))
    assert loss == 0 if back == 1 else loss > 0.1


def test_the_true_maps_between_the_colours_are_inverses():
    shades = 2 * torch.rand(4, 1, 8, 8, dtype=torch.float64) - 1
    x, y = coloured(shades, "first"), coloured(shades.flip(0), "second")
    assert cyclegan.cycle_loss(x, to_first(to_second(x)), y, to_second(to_first(y))) < 1e-12


@oracle(
    "CYCLEGAN-PERM",
    r"p_{G(x)} = p_Y, \qquad p_{F(y)} = p_X, \qquad L_{\text{cyc}}(\pi, \pi^{-1}) = 0 \qquad "
    r"\text{for every } \pi",
)
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


def test_no_permutation_of_symmetric_points_costs_anything_but_in_the_identity_term():
    square = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    corners, expected = torch.tensor(square), costs_of_all_bijections(square, square)
    assert len(expected) == 24
    assert (expected[:, :2] == 0).all()
    assert (expected[:, 2] == 0).sum() == 1, "only the identity term sees a difference"
    for row, order in zip(expected, permutations(range(4)), strict=True):
        back = torch.tensor(order).argsort()
        G, F = corners[list(order)], corners[back]  # where each corner goes
        cycle = cyclegan.cycle_loss(corners, F[list(order)], corners, G[back])
        identity = cyclegan.identity_loss(corners, F, corners, G)
        assert [cycle, identity] == pytest.approx(row[1:], abs=1e-12)


@oracle(
    "CYCLEGAN-LOSSY",
    r"\min_F\, \mathbb E_x \bigl|F(G(x)) - x\bigr| = \mathbb E_x \bigl|x - "
    r"\operatorname{med}(x \mid G(x))\bigr|",
)
def least_error_of_guesses(values, groups):
    """E |v - median of the group of v|, the least that a guess from the group alone can reach."""
    total = 0.0
    for group in set(groups.tolist()):
        own = np.sort(values[groups == group])
        total += min(np.abs(own - guess).sum() for guess in own)
    return total / len(values)


LOST, KEPT = np.random.default_rng(0).uniform(-1, 1, 403), np.arange(403) % 4


def cycle_error(there, back):
    """The cycle loss of a step with these translators between points (kept, lost) and (kept, 0)."""
    model = cyclegan.CycleGAN(POINTS).double()
    model.generator_xy.forward, model.generator_yx.forward = there, back
    x = torch.tensor(np.stack([KEPT, LOST], axis=1), requires_grad=True)
    logged, *_ = model.generator_step(x, x * torch.tensor([1.0, 0.0]))
    return logged["cycle_loss"].item()


def test_a_map_that_loses_something_is_undone_best_by_the_median():
    def error(guesses):
        def guess(v):
            return torch.stack([v[:, 0], guesses[v[:, 0].long()]], dim=1)

        return 2 * cycle_error(lambda v: v * torch.tensor([1.0, 0.0]), guess)  # of the lost one

    medians = torch.tensor([np.median(LOST[k == KEPT]) for k in range(4)])
    least = least_error_of_guesses(LOST, KEPT)
    assert error(medians) == pytest.approx(least, rel=1e-12)
    assert least > 0.4
    for nudge in [*torch.eye(4), *-torch.eye(4)]:
        assert error(medians + 0.1 * nudge) > least + 1e-4


def test_what_a_map_hides_costs_nothing():
    """In the digits of its target that nobody looks at."""

    def hide(v):
        return torch.stack([v[:, 0] + 1e-3 * v[:, 1], 0 * v[:, 1]], dim=1)

    def find(v):
        return torch.stack([v[:, 0].round(), (v[:, 0] - v[:, 0].round()) * 1e3], dim=1)

    assert cycle_error(hide, find) < 1e-9


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


def test_a_sample_is_given_back_or_kept_and_never_both():
    pool, given = ImagePool((1,), 5), []
    for start in range(0, 120, 3):
        given += pool(numbered(start, 3))[:, 0].tolist()
    counts = Counter(given[5:])  # the first five come back and are kept
    assert max(counts.values()) == 1
    kept = set(pool.kept[:, 0].tolist())
    assert set(given) | kept == set(range(120))
    assert not set(given[5:]) & (kept - set(range(5)))


def test_each_sample_of_a_batch_has_a_coin_of_its_own():
    pool = ImagePool((1,))
    pool(numbered(0, 50))
    assert 8 <= (pool(numbered(50, 40)) >= 50).sum() <= 32


def test_a_batch_larger_than_the_pool():
    pool = ImagePool((1,), 4)
    given = pool(numbered(0, 11))
    assert given.shape == (11, 1)
    assert given[:4, 0].tolist() == [0, 1, 2, 3]
    assert sorted(given[4:, 0].tolist() + pool.kept[:, 0].tolist()) == list(range(11))
    assert pool.filled == 4


@pytest.mark.parametrize("size", [0, 4])
def test_nothing_that_comes_back_or_is_kept_carries_a_gradient(size):
    pool, weight = ImagePool((1,), size), torch.ones(1, requires_grad=True)
    for start in range(0, 20, 2):
        given = pool(numbered(start, 2) * weight)
        assert not given.requires_grad
        assert size or same(given, numbered(start, 2)), "without places, all come back"
    assert not pool.kept.requires_grad
    assert pool.kept.grad_fn is None


def test_the_pool_is_saved_with_the_number_of_its_samples():
    pool, other = ImagePool((1,), 6), ImagePool((1,), 6)
    pool(numbered(1, 4))
    other.load_state_dict(pool.state_dict())
    assert other.filled == 4
    assert same(other.kept, pool.kept)


# --- the learning rate -------------------------------------------------------------------------


@oracle("CYCLEGAN-LR", r"\eta_t = \eta \cdot \min\Bigl(1, \frac{T - t}{T - t_0}\Bigr)")
def schedule(steps, constant):
    """The factors of a whole training: ones, then a straight line that ends in 0 after it."""
    return np.concatenate([np.ones(constant), np.linspace(1, 0, steps - constant + 1)])


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
    model = cyclegan.CycleGAN(replace(POINTS, steps=8, learning_rate=0.01))
    seen, data = [], points()
    for _ in range(8):
        model.step(data.batch(4))
        model.steps_done += 1
        seen.append(rates(model))
    expected = 0.01 * schedule(8, 4)[:8]
    np.testing.assert_allclose(seen, np.stack([expected, expected], axis=1))


# --- a step ------------------------------------------------------------------------------------


@pytest.fixture
def stub(monkeypatch):
    """A model whose networks are known functions, and what its losses are given."""
    model = cyclegan.CycleGAN(replace(SMALL, identity_weight=5.0, pool_size=0))
    return stubbed(monkeypatch, model, cyclegan, "cycle_loss", "identity_loss")


def test_who_translates_what_and_who_judges_whom(stub):
    model, given = stub
    x, y = check_who_translates_and_judges(model, given, "cycle_loss")
    for value, expected in zip(given["identity_loss"][0], (x, x + 3, y, 2 * y), strict=True):
        assert same(value, expected), "G gets y and F gets x: else it would train the identity"


def test_the_step_hands_on_the_fakes_of_both_domains(stub):
    x, y = batch()
    _, fake_x, fake_y = stub[0].generator_step(x, y)
    assert same(fake_y, 2 * x), "G: X -> Y"
    assert same(fake_x, y + 3), "F: Y -> X"


def test_each_discriminator_sees_its_own_domain(stub):
    model, given = stub
    x, y = batch()
    fake_x, fake_y = x.flip(0) / 2, y.flip(0) / 2
    result = model.discriminator_step(x, y, fake_x, fake_y)
    expected = [(judged(x, 100), judged(fake_x, 100)), (judged(y, 200), judged(fake_y, 200))]
    for pair, wanted in zip(given["discriminator_loss"], expected, strict=True):
        torch.testing.assert_close(pair, wanted)
    both = sum(((real - 1) ** 2).mean() / 2 + (fake**2).mean() / 2 for real, fake in expected)
    assert (
        given["total"].item() == result["discriminator_loss"].item() == pytest.approx(both.item())
    )
    for name, k in (("real_score", 0), ("fake_score", 1)):
        assert result[name].item() == pytest.approx(np.mean([p[k].mean() for p in expected]))


def test_generators_play_with_fresh_fakes_and_discriminators_with_the_pool(model, monkeypatch):
    old = [torch.full((4, *SHAPE), value) for value in (0.25, 0.75)]
    for pool, value in zip((model.pool_x, model.pool_y), old, strict=True):
        monkeypatch.setattr(pool, "forward", lambda fresh, value=value: value)
    seen = {name: [] for name in DISCRIMINATORS}
    for name, inputs in seen.items():
        getattr(model, name).register_forward_pre_hook(
            lambda _, args, inputs=inputs: inputs.append(args[0].detach())
        )
    x, y = batch()
    fake_x, fake_y = model.generator_yx(y).detach(), model.generator_xy(x).detach()
    model.step(Batch(x, y))
    of_x, of_y = seen.values()
    torch.testing.assert_close((of_x[0], of_y[0]), (fake_x, fake_y))
    assert same(of_x[1], x)
    assert same(of_y[1], y)
    assert same(of_x[2], old[0])
    assert same(of_y[2], old[1])


@pytest.mark.parametrize("trip", [1, 3])
def test_each_round_trip_moves_both_translators(trip, model, monkeypatch):
    learning = translators_that_learn(monkeypatch, model, cyclegan, "cycle_loss", trip)
    assert learning == set(GENERATORS)


@pytest.mark.parametrize("weights", [(0.0, 0.0), (10.0, 0.0), (0.0, 5.0), (10.0, 5.0)])
def test_a_weight_of_zero_leaves_the_term_out(weights):
    """And its two passes."""
    config = replace(POINTS, cycle_weight=weights[0], identity_weight=weights[1])
    model, passes = cyclegan.CycleGAN(config), []
    for name in GENERATORS:
        getattr(model, name).register_forward_hook(lambda *_: passes.append(1))
    losses, *_ = model.generator_step(*points().batch(4))
    optional = zip(("cycle_loss", "identity_loss"), weights, strict=True)
    assert set(losses) == {"generator_loss"} | {name for name, weight in optional if weight}
    assert len(passes) == 2 * len(losses)


# --- samples and settings ----------------------------------------------------------------------


def test_points_are_translated_too():
    config = replace(SMALL, steps=3, batch_size=64, identity_weight=1.0)
    run = cyclegan.train(config, points(), device="cpu", progress=False, snapshots=2)
    assert run.snapshots.shape == (2, 64, 2)
    assert run.model.discriminator_x(torch.randn(5, 2)).shape == (5, 1)


def test_the_numbers_of_the_paper():
    config = cyclegan.Config()
    assert (config.cycle_weight, config.pool_size, config.decay_from) == (10, 50, 0.5)
    assert config.betas == (0.5, 0.999)
    assert ImagePool((1,)).size == 50
    assert nn.InstanceNorm2d in {type(m) for m in cyclegan.CycleGAN(SMALL).modules()}


# --- what takes longer ----------------------------------------------------------------------


@oracle(
    "CYCLEGAN-AGE",
    r"\mathbb E[\text{age}] = \sum_{k \ge 1} k\, p\, (1 - p)^{k - 1} = \frac1p = 2 \cdot 50",
)
def mean_age(size):
    """Each later query has a chance of 1/2 to hit one of `size` places: a geometric wait."""
    p = 0.5 / size
    waits = np.arange(1, 200_000)
    return (waits * p * (1 - p) ** (waits - 1)).sum()


@pytest.mark.parametrize("n", [5, 16])
def test_afterwards_half_are_fresh_and_the_others_a_hundred_queries_old(n):
    pool, ages, fresh = ImagePool((1,)), [], 0
    for start in range(0, 8_000, n):
        asked = numbered(start, n)
        given = pool(asked)[:, 0]
        if start > 1_000:
            fresh += (given == asked[:, 0]).sum().item()
            ages += (asked[:, 0] - given)[given != asked[:, 0]].tolist()
    assert pool.kept.shape == (50, 1), "never more than fifty"
    assert fresh / (fresh + len(ages)) == pytest.approx(0.5, abs=0.03)
    assert np.mean(ages) == pytest.approx(mean_age(50), rel=0.08)
    assert mean_age(50) == pytest.approx(100)


def test_a_run_goes_on_after_a_save_as_if_nothing_had_happened(tmp_path):
    """While the pools fill, and the learning rate falls already."""
    config = replace(SMALL, steps=12, batch_size=4, pool_size=40)
    options = {"device": "cpu", "progress": False, "snapshots": 0}
    whole = cyclegan.train(config, points(), **options)

    def stop(run):
        raise KeyboardInterrupt

    part = cyclegan.train(config, points(), monitor=stop, monitor_every=8, **options)
    again = load_run(part.save(tmp_path), device="cpu")
    assert again.model.steps_done == 8
    assert again.model.pool_x.filled == 32
    resume(again, points(), progress=False, snapshots=0)
    state = again.model.state_dict()
    assert all(same(state[name], value) for name, value in whole.model.state_dict().items())
    assert rates(again.model) == rates(whole.model)


# --- planted mistakes --------------------------------------------------------------------------

MUTANTS = [
    *mutants(
        "translation.cyclegan",
        (
            "CycleGAN: the identity term takes each translator's own input, and trains the copy",
            "x_by_f, y_by_g = self.generator_yx(x), self.generator_xy(y)",
            "x_by_f, y_by_g = self.generator_xy(x), self.generator_yx(y)",
            "test_who_translates_what_and_who_judges_whom",
        ),
        (
            "CycleGAN: the judge of the source domain judges the translation",
            "scores_x, scores_y = self.discriminator_x(fake_x), self.discriminator_y(fake_y)",
            "scores_x, scores_y = self.discriminator_x(fake_y), self.discriminator_y(fake_x)",
            "test_who_translates_what_and_who_judges_whom",
        ),
        (
            "CycleGAN: the round trip starts from a detached fake: half of it learns nothing",
            "self.generator_yx(fake_y), self.generator_xy(fake_x)",
            "self.generator_yx(fake_y.detach()), self.generator_xy(fake_x.detach())",
            "test_each_round_trip_moves_both_translators",
        ),
        (
            "CycleGAN: only one of the two round trips counts",
            "return (x_again - x).abs().mean() + (y_again - y).abs().mean()",
            "return (x_again - x).abs().mean() + 0 * (y_again - y).abs().mean()",
            "test_cycle_loss",
        ),
        (
            "CycleGAN: the round trip is compared with squares",
            "return (x_again - x).abs().mean() + (y_again - y).abs().mean()",
            "return (x_again - x).square().mean() + (y_again - y).square().mean()",
            "test_a_map_that_loses_something_is_undone_best_by_the_median",
        ),
        (
            "CycleGAN: the round trip is compared with the wrong end",
            "cycle_loss(x, x_again, y, y_again)\n            total",
            "cycle_loss(x, y_again, y, x_again)\n            total",
            "test_who_translates_what_and_who_judges_whom",
        ),
        (
            "CycleGAN: one translator makes both trips there",
            "fake_x, fake_y = self.generator_yx(y), self.generator_xy(x)",
            "fake_x, fake_y = self.generator_xy(y), self.generator_xy(x)",
            "test_who_translates_what_and_who_judges_whom",
        ),
        (
            "CycleGAN: the weight of the cycle is forgotten",
            'self.config.cycle_weight * logged["cycle_loss"]',
            'logged["cycle_loss"]',
            "test_the_translators_step_is_on_the_sum",
        ),
        (
            "CycleGAN: the identity term has the weight of the cycle",
            'self.config.identity_weight * logged["identity_loss"]',
            'self.config.cycle_weight * logged["identity_loss"]',
            "test_the_translators_step_is_on_the_sum",
        ),
        (
            "CycleGAN: a weight of 0 still costs the passes",
            "if self.config.cycle_weight:",
            "if True:",
            "test_a_weight_of_zero_leaves_the_term_out",
        ),
        (
            "CycleGAN: one discriminator for both domains",
            "real_scores = self.discriminator_x(x), self.discriminator_y(y)",
            "real_scores = self.discriminator_y(x), self.discriminator_y(y)",
            "test_each_discriminator_sees_its_own_domain",
        ),
        (
            "CycleGAN: the pools are exchanged",
            "fake_x, fake_y = self.pool_x(fake_x), self.pool_y(fake_y)",
            "fake_x, fake_y = self.pool_y(fake_x), self.pool_x(fake_y)",
            "test_generators_play_with_fresh_fakes_and_discriminators_with_the_pool",
        ),
        (
            "CycleGAN: the discriminators never see the pool",
            "fake_x, fake_y = self.pool_x(fake_x), self.pool_y(fake_y)",
            "fake_x, fake_y = fake_x.detach(), fake_y.detach()",
            "test_generators_play_with_fresh_fakes_and_discriminators_with_the_pool",
        ),
        (
            "CycleGAN: the pool keeps the graphs of its images",
            "fresh = fresh.detach()",
            "fresh = fresh.view_as(fresh)",
            "test_nothing_that_comes_back_or_is_kept_carries_a_gradient",
        ),
        (
            "CycleGAN: the pool hands out a sample and keeps it",
            "self.kept[places] = torch.where(swapped, fresh, old)",
            "self.kept[places] = torch.where(swapped, old, old)",
            "test_a_sample_is_given_back_or_kept_and_never_both",
        ),
        (
            "CycleGAN: the pool always hands out old samples",
            '* (fresh.dim() - 1), device="cpu") < 0.5',
            '* (fresh.dim() - 1), device="cpu") < 1.5',
            "test_each_sample_of_a_batch_has_a_coin_of_its_own",
        ),
        (
            "CycleGAN: one coin for the whole batch",
            "swapped = torch.rand(len(fresh), *[1]",
            "swapped = torch.rand(1, *[1]",
            "test_each_sample_of_a_batch_has_a_coin_of_its_own",
        ),
        (
            "CycleGAN: every exchange hits the same places: what lies elsewhere is kept for ever",
            "torch.randperm(self.size,",
            "torch.arange(self.size,",
            "test_afterwards_half_are_fresh_and_the_others_a_hundred_queries_old",
        ),
        (
            "CycleGAN: the pool starts to exchange before it is full",
            "fresh[: self.size - start], fresh[self.size - start :]",
            "fresh[: (self.size - start) // 2], fresh[(self.size - start) // 2 :]",
            "test_the_first_fifty_come_back_as_they_are",
        ),
        (
            "CycleGAN: the pool forgets how many samples it has when it is loaded",
            'dtype=torch.int64, device="cpu"))',
            'dtype=torch.int64, device="cpu"), persistent=False)',
            "test_the_pool_is_saved_with_the_number_of_its_samples",
        ),
        (
            "CycleGAN: the schedule begins anew where a run is resumed",
            "config, done = self.config, int(self.steps_done)",
            'config, done = self.config, getattr(self, "n", -1) + 1\n        self.n = done',
            "test_a_run_goes_on_after_a_save_as_if_nothing_had_happened",
        ),
        (
            "CycleGAN: the settings of the decay are there, and nothing reads them",
            'group["lr"] = factor * config.learning_rate',
            'group["lr"] = config.learning_rate',
            "test_all_players_follow_the_schedule",
        ),
        (
            "CycleGAN: the learning rate falls from the first step on",
            "left = (steps - step) / max(1.0, steps - decay_from * steps)",
            "left = (steps - step) / steps",
            "test_the_learning_rate_is_constant_and_then_falls_to_zero",
        ),
        (
            "CycleGAN: the learning rate turns negative after the last step",
            "return min(1.0, max(0.0, left))",
            "return min(1.0, left)",
            "test_the_learning_rate_is_constant_and_then_falls_to_zero",
        ),
        (
            "CycleGAN: the factors of the learning rate pile up",
            'group["lr"] = factor * config.learning_rate',
            'group["lr"] *= factor',
            "test_all_players_follow_the_schedule",
        ),
        (
            "CycleGAN: the cycle counts as little as a game",
            "cycle_weight: float = 10.0",
            "cycle_weight: float = 1.0",
            "test_the_numbers_of_the_paper",
        ),
    ),
    *mutants(
        "objectives.lsgan",
        (
            "CycleGAN: fakes of the discriminator are asked to be real",
            "((fake_scores - a) ** 2).mean() / 2",
            "((fake_scores - b) ** 2).mean() / 2",
            "test_each_discriminator_sees_its_own_domain",
        ),
    ),
]


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)


def test_generated_mistakes_are_caught():
    assert not survivors(__file__, generated(cyclegan))

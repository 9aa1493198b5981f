"""Floor and ceiling of a table: what they are made of, and what is measured of them."""

from dataclasses import replace

import pytest
import torch

from gan_lessons import metrics
from gan_lessons.data import TensorData, digits
from gan_lessons.evaluation.levels import CEILING, FLOOR, drawn, untrained, with_levels
from gan_lessons.foundations import cgan, dcgan
from gan_lessons.training import fit
from tests.helpers import images, same
from tests.mutants import mutants, survivors

TRAIN, TEST = digits("train").subset(slice(300)), digits("test").subset(slice(120))
SETTINGS = {"batch_size": 8, "steps": 2}


def trained(module=dcgan, model=dcgan.DCGAN, data=None):
    config = replace(module.PRESETS["smoke"], **SETTINGS)
    data = images() if data is None else data
    return fit(model, config, data, seed=3, device="cpu", progress=False, snapshots=0)


def numbers(samples, labels=None, train=None, scale=1):
    """What a table may be asked for, in place of `metrics.report`; it remembers all."""
    numbers.seen.append((samples, labels, train))
    level = scale * samples.float().mean().item()
    return {"level": level, "n": len(samples), "call": len(numbers.seen) - 1}


def seen(rows):
    """What was measured for each row, in the order of the rows."""
    return [numbers.seen[row["call"]] for row in rows.values() if "call" in row]


@pytest.fixture(autouse=True)
def _forget():
    numbers.seen = []


# --- what they are made of ---------------------------------------------------------------------


def test_the_ceiling_is_the_same_model_before_its_first_step():
    run = trained()
    ceiling = untrained(run)
    assert type(ceiling.model) is type(run.model)
    assert (ceiling.config, ceiling.device) == (run.config, run.device)
    assert ceiling.steps == 0
    torch.manual_seed(0)
    fresh = dcgan.DCGAN(run.config)
    for name, value in fresh.generator.state_dict().items():
        assert same(value, ceiling.averaged.generator.state_dict()[name]), name
        assert same(value, ceiling.model.generator.state_dict()[name]), name
    assert not same(ceiling.sample(5, seed=0), run.sample(5, seed=0))


def test_the_ceiling_comes_from_its_seed_and_leaves_the_stream_alone():
    run, state = trained(), torch.get_rng_state()
    one, again, other = (untrained(run, seed).sample(4, seed=0) for seed in (0, 0, 1))
    assert same(one, again)
    assert not same(one, other)
    assert same(state, torch.get_rng_state())


def test_the_floor_is_drawn_without_replacement():
    data = TensorData(torch.arange(50.0)[:, None].repeat(1, 2), torch.arange(50) % 10, "numbers")
    state = torch.get_rng_state()
    some = drawn(data, 20)
    assert same(state, torch.get_rng_state())
    assert len(some) == len(some.floats()[:, 0].unique()) == 20
    assert not same(some.floats()[:, 0].sort().values, torch.arange(20.0)), "not just the first"
    assert same(some.labels, some.floats()[:, 0].long() % 10)
    assert same(some.values, drawn(data, 20).values)
    assert not same(some.values, drawn(data, 20, seed=1).values)
    everything = drawn(data, 80).floats()[:, 0]
    assert same(everything.sort().values, torch.arange(50.0)), "there are no more"


# --- the table ---------------------------------------------------------------------------------


def test_rows_stand_between_floor_and_ceiling():
    run = trained(data=TRAIN)
    samples = run.sample(len(TEST), seed=0)
    known = {"level": 5.0}
    rows = with_levels({"GAN": samples, "known": known}, run, TRAIN, TEST, measure=numbers)
    assert list(rows) == [FLOOR, "GAN", "known", CEILING]
    assert rows["known"] is known, "it is measured already"
    floor, own, ceiling = (samples for samples, *_ in seen(rows))
    assert same(floor, drawn(TRAIN, len(TEST)).floats())
    assert same(own, samples)
    assert same(ceiling, untrained(run).sample(len(TEST), seed=0))
    assert rows[FLOOR]["level"] == floor.mean().item()
    assert FLOOR in repr(metrics.table(rows))


def test_how_many_and_from_which_seed():
    run = trained(data=TRAIN)
    rows = with_levels({}, run, TRAIN, TEST, n=30, seed=2, measure=numbers)
    assert [row["n"] for row in rows.values()] == [30, 30]
    (floor, *_), (ceiling, *_) = seen(rows)
    assert same(floor, drawn(TRAIN, 30, seed=2).floats())
    assert same(ceiling, untrained(run, 2).sample(30, seed=2))


def test_columns_go_to_all_rows_but_copies_not_to_the_floor():
    """The floor is taken from the training images: all of it would be copies."""
    run = trained(data=TRAIN)
    images = TRAIN.floats()
    rows = with_levels(
        {"GAN": run.sample(9)}, run, TRAIN, TEST, n=9, measure=numbers, train=images, scale=7
    )
    assert [train is images for _, _, train in seen(rows)] == [False, True, True]
    for row, (samples, _, _) in zip(rows.values(), seen(rows), strict=True):
        assert row["level"] == pytest.approx(7 * samples.mean().item())


def test_of_labels_that_were_asked_for():
    """The ceiling is asked for the same ones, the floor has its own."""
    run = trained(cgan, cgan.CGAN, TRAIN)
    labels = torch.arange(40) % 10
    samples = run.sample(40, labels=labels)
    rows = with_levels({"CGAN": samples}, run, TRAIN, TEST, n=40, labels=labels, measure=numbers)
    floor, own, ceiling = seen(rows)
    assert same(floor[1], drawn(TRAIN, 40).labels)
    assert same(own[1], labels)
    assert same(ceiling[1], labels)
    assert same(ceiling[0], untrained(run).sample(40, seed=0, labels=labels))


def test_without_a_measure_it_is_the_report_of_the_book():
    run = trained(data=TRAIN)
    samples = run.sample(len(TEST), seed=0)
    rows = with_levels({"GAN": samples}, run, TRAIN, TEST, train=TRAIN.floats())
    assert rows["GAN"] == metrics.report(samples, TEST, train=TRAIN.floats())
    assert "copies" in rows[CEILING]
    assert "copies" not in rows[FLOOR]
    assert rows[FLOOR]["frechet_distance"] < 0.2 * rows[CEILING]["frechet_distance"]


MUTANTS = mutants(
    "evaluation.levels",
    (
        "the ceiling is the trained model",
        "return Run(model, averaged, run.config",
        "return Run(run.model, run.averaged, run.config",
        "test_the_ceiling_is_the_same_model_before_its_first_step",
    ),
    (
        "the ceiling is another one every time",
        "with own_randomness(device, seed):",
        "with own_randomness(device, torch.seed() % 99):",
        "test_the_ceiling_comes_from_its_seed_and_leaves_the_stream_alone",
    ),
    (
        "the floor is drawn with replacement",
        "torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))",
        "torch.randint(len(data), (n,), generator=torch.Generator().manual_seed(seed))",
        "test_the_floor_is_drawn_without_replacement",
    ),
    (
        "the floor are the first samples, which may be sorted",
        "order[:n].to(data.device)",
        "torch.arange(min(n, len(data))).to(data.device)",
        "test_the_floor_is_drawn_without_replacement",
    ),
    (
        "the floor is drawn from the test data, which it is compared with",
        "drawn(data, n, seed)",
        "drawn(test, n, seed)",
        "test_rows_stand_between_floor_and_ceiling",
    ),
    (
        "as many rows as there are training samples",
        "n = len(test) if n is None else n",
        "n = len(data) if n is None else n",
        "test_rows_stand_between_floor_and_ceiling",
    ),
    (
        "the floor stands last",
        "return floor | {name: row(samples) for name, samples in rows.items()} | ceiling",
        "return {name: row(samples) for name, samples in rows.items()} | ceiling | floor",
        "test_rows_stand_between_floor_and_ceiling",
    ),
    (
        "the seed of the weights is always 0",
        "untrained(run, seed).sample",
        "untrained(run).sample",
        "test_how_many_and_from_which_seed",
    ),
    (
        "the floor is searched for copies of itself",
        'of_reals["train"] = None',
        "pass",
        "test_columns_go_to_all_rows_but_copies_not_to_the_floor",
    ),
    (
        "the columns are forgotten",
        "measure = partial(measure or partial(metrics.report, reference=test), **columns)",
        "measure = measure or partial(metrics.report, reference=test)",
        "test_columns_go_to_all_rows_but_copies_not_to_the_floor",
    ),
    (
        "the floor has the labels that the model was asked for",
        '{"labels": reals.labels.cpu()}',
        '{"labels": labels}',
        "test_of_labels_that_were_asked_for",
    ),
    (
        "the ceiling is asked for no labels",
        "sample(n, seed=seed, **asked)",
        "sample(n, seed=seed)",
        "test_of_labels_that_were_asked_for",
    ),
    (
        "the rows are compared with training data",
        "partial(metrics.report, reference=test)",
        "partial(metrics.report, reference=data)",
        "test_without_a_measure_it_is_the_report_of_the_book",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)

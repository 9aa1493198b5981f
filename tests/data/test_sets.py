"""Pairs, two domains and few labels: what belongs together stays so, what does not is apart."""

import dataclasses
import re

import pytest
import torch

import gan_lessons.data
from gan_lessons.data import FewLabels, Pairs, TensorData, TwoDomains, few_labels, ring
from tests.helpers import images, pairs, same, two_domains
from tests.mutants import mutants, survivors

# --- two domains -------------------------------------------------------------------------------


def numbered(n, start=0):
    """Images that say which they are: all pixels of image i have the value start + i."""
    values = (start + torch.arange(n, dtype=torch.uint8)).view(-1, 1, 1, 1).expand(-1, 1, 2, 2)
    return TensorData(values.clone(), name=f"{n} from {start}")


def test_a_batch_has_the_first_domain_as_x_and_the_second_as_y():
    data = TwoDomains(numbered(100), numbered(50, start=150))
    x, y = data.batch(64)
    assert x.shape == y.shape == (64, 1, 2, 2)
    assert x.max() < 0.0 < y.min()
    assert (len(data), data.shape, data.is_images) == (50, (1, 2, 2), True)
    assert data.device == torch.device("cpu")
    assert data.name == "100 from 0 / 50 from 150"
    assert repr(data).startswith("TwoDomains('100 from 0 / 50 from 150', shape=(1, 2, 2)")


def test_the_domains_are_drawn_independently():
    data = TwoDomains(numbered(100), numbered(100))
    x, y = data.batch(4000)
    pairs = torch.stack([x[:, 0, 0, 0], y[:, 0, 0, 0]])
    assert abs(torch.corrcoef(pairs)[0, 1]) < 0.06
    assert (pairs[0] == pairs[1]).double().mean() < 0.03


def test_a_generator_makes_batches_repeatable():
    data = two_domains()
    first, second = (data.batch(9, torch.Generator().manual_seed(4)) for _ in range(2))
    assert same(first.x, second.x)
    assert same(first.y, second.y)


def test_moving_moves_both():
    moved = TwoDomains(numbered(3), numbered(2)).to("meta")
    assert moved.first.device.type == moved.second.device.type == moved.device.type == "meta"


def test_each_image_of_each_domain_has_its_own_coin_and_place():
    ramp = torch.arange(64, dtype=torch.uint8).view(1, 1, 8, 8)
    data = TwoDomains(TensorData(ramp), TensorData(ramp + 100)).augmented(crop=6)
    assert data.shape == (1, 6, 6)
    x, y = data.batch(3000, torch.Generator().manual_seed(0))
    assert x.shape == y.shape == (3000, 1, 6, 6)
    flips = torch.stack([v[:, 0, 0, 0] > v[:, 0, 0, 1] for v in (x, y)]).double()
    corners = torch.stack([x.amin((1, 2, 3)), y.amin((1, 2, 3))])
    assert (flips.mean(1) - 0.5).abs().max() < 0.05
    assert abs(torch.corrcoef(flips)[0, 1]) < 0.08
    assert abs(torch.corrcoef(corners)[0, 1]) < 0.08


def test_without_flips_the_batches_are_what_they_were():
    """Nothing more is drawn, so that the other chapters keep their numbers."""
    data, generator = two_domains(), torch.Generator().manual_seed(4)
    x, y = data.batch(9, torch.Generator().manual_seed(4))
    first, second = (torch.randint(40, (9,), generator=generator) for _ in range(2))
    assert same(x, data.first.floats(first))
    assert same(y, data.second.floats(second))


def test_settings_survive_a_move_and_are_checked():
    data = TwoDomains(numbered(3), numbered(2), flip=True, crop=1).to("meta")
    assert (data.flip, data.crop, data.shape) == (True, 1, (1, 1, 1))
    with pytest.raises(ValueError, match="crop is 3, and the images are 2 x 2"):
        TwoDomains(numbered(3), numbered(2), crop=3)
    with pytest.raises(ValueError, match="flip and crop are for images"):
        TwoDomains(ring(8, n=80), ring(4, n=40)).augmented()


def test_points_may_be_two_domains():
    data = TwoDomains(ring(8, n=80), ring(4, n=40))
    assert data.batch(5).y.shape == (5, 2)
    assert not data.is_images


def test_domains_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"shape \(1, 32, 32\), those of the second \(3, 28, 28\)"):
        TwoDomains(images(), images(4, (3, 28, 28)))
    with pytest.raises(TypeError, match="second must be a TensorData, not Tensor"):
        TwoDomains(images(), images().values)
    with pytest.raises(ValueError, match="on cpu, the second on meta"):
        TwoDomains(numbered(3), numbered(3).to("meta"))


# --- pairs -------------------------------------------------------------------------------------


def colours(n=100, side=4):
    """Pairs of which both images say which they are: i as input, 255 - i as target."""
    values = torch.arange(n, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, side, side).clone()
    return Pairs(TensorData(values, None, "up"), TensorData(255 - values, None, "down"))


def test_pairs_describe_themselves():
    data = pairs()
    assert (len(data), data.shape, data.is_images) == (40, (1, 32, 32), True)
    assert data.device == torch.device("cpu")
    assert data.name == "random images to their negatives"
    assert repr(data).startswith("Pairs('random images to their negatives', shape=(1, 32, 32)")
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.flip = True


def test_a_row_of_a_batch_is_a_pair():
    x, y = colours().batch(500)
    assert x.shape == y.shape == (500, 3, 4, 4)
    assert torch.allclose(x, -y)
    assert len(x[:, 0, 0, 0].unique()) > 80, "drawn from all of them"


@pytest.mark.parametrize(("flip", "crop"), [(True, None), (False, 24), (True, 24)])
def test_input_and_target_share_coin_and_place(flip, crop):
    data = pairs().augmented(flip=flip, crop=crop)
    x, y = data.batch(64)
    assert x.shape[1:] == data.shape == ((1, 24, 24) if crop else (1, 32, 32))
    assert torch.allclose(x, -y, atol=1e-6)
    plain = pairs()
    assert not same(x, plain.batch(64, torch.Generator().manual_seed(0)).x[..., : x.shape[-1]])


def test_flips_and_crops_really_happen():
    one = pairs(1)
    whole, mirrored = one.inputs.floats(), one.inputs.floats().flip(-1)
    x = one.augmented().batch(400).x
    kinds = [(x == kind).flatten(1).all(1) for kind in (whole, mirrored)]
    assert (kinds[0] | kinds[1]).all()
    assert 150 < kinds[1].sum() < 250
    assert len(one.augmented(flip=False, crop=31).batch(400).x.flatten(1).unique(dim=0)) == 4


def test_nothing_is_flipped_unless_asked_for():
    x = pairs(1).batch(50).x
    assert same(x, pairs(1).inputs.floats().expand(50, -1, -1, -1))
    assert not pairs().flip


def test_a_generator_makes_pairs_repeatable():
    data = pairs().augmented(crop=30)
    a, b = (data.batch(9, torch.Generator().manual_seed(4)) for _ in range(2))
    assert same(a.x, b.x)
    assert same(a.y, b.y)


def test_a_subset_keeps_pairs_together_and_its_settings():
    part = colours().augmented(crop=3).subset([3, 50])
    assert len(part) == 2
    assert part.shape == (3, 3, 3)
    assert part.inputs.values[:, 0, 0, 0].tolist() == [3, 50]
    assert part.targets.values[:, 0, 0, 0].tolist() == [252, 205]
    assert part.name == "2 of: up to 2 of: down"


def test_moving_moves_both_and_keeps_the_settings():
    moved = colours().augmented(crop=2).to("meta")
    assert moved.inputs.device.type == moved.targets.device.type == moved.device.type == "meta"
    assert (moved.flip, moved.crop) == (True, 2)


def test_what_is_no_pair_is_refused():
    with pytest.raises(TypeError, match="targets must be a TensorData, not Tensor: side_by_side"):
        Pairs(images(), images().values)
    with pytest.raises(ValueError, match=r"40 inputs and 39 targets: give one target for each"):
        Pairs(images(), images(39))
    with pytest.raises(ValueError, match=r"shape \(1, 32, 32\), targets \(3, 32, 32\): load both"):
        Pairs(images(), images(40, (3, 32, 32)))
    with pytest.raises(ValueError, match="inputs are on cpu, the targets on meta"):
        Pairs(colours().inputs, colours().targets.to("meta"))
    with pytest.raises(ValueError, match=r"crop is 33, and the images are 32 x 32"):
        Pairs(images(), images(), crop=33)
    with pytest.raises(ValueError, match="flip and crop are for images"):
        Pairs(ring(n=10), ring(n=10), flip=True)


def test_points_may_be_pairs():
    assert Pairs(ring(n=10), ring(n=10)).batch(3).y.shape == (3, 2)


# --- nothing of it reaches what learns without pairs ---------------------------------------------


@pytest.mark.parametrize("which", ["first", "second"])
def test_pairs_are_no_domain(which):
    both = {"first": images(), "second": images()} | {which: pairs()}
    with pytest.raises(TypeError, match=f"{which} is a Pairs, whose rows belong together"):
        TwoDomains(**both)


def test_pairs_alone_are_no_two_domains():
    with pytest.raises(TypeError, match="first is a Pairs, whose rows belong together"):
        TwoDomains(pairs())
    with pytest.raises(TypeError, match="second must be a TensorData, not NoneType"):
        TwoDomains(images())


def test_the_way_out_that_the_error_names_works_and_shares_no_row():
    data, k = colours(), 50
    two = TwoDomains(data.subset(slice(0, k)).inputs, data.subset(slice(k, None)).targets)
    first = {v.item() for v in two.first.values[:, 0, 0, 0]}
    second = {255 - v.item() for v in two.second.values[:, 0, 0, 0]}
    assert not first & second
    assert first | second == set(range(100))


# --- few labels --------------------------------------------------------------------------------

DATA = images(400)


def test_the_first_rows_of_a_batch_are_labelled():
    data = few_labels(DATA, 10).to("cpu")
    x, y = data.batch(32)
    assert x.shape == (8 + 32, 1, 32, 32)
    assert y.shape == (8,)
    known = data.labelled.floats()
    for image, label in zip(x[:8], y, strict=True):
        place = (known == image).flatten(1).all(1).nonzero()[0, 0]
        assert data.labels[place] == label
    rest = {bytes(v.numpy()) for v in DATA.floats()}
    assert all(bytes(v.numpy()) in rest for v in x[8:])
    assert len({bytes(v.numpy()) for v in x[8:]}) > 15, "from all images, not from the few"


def test_the_other_rows_are_drawn_evenly_from_all_samples():
    """The labelled ones are among them, and come as often as any other: the paper's unlabelled."""
    data = FewLabels(TensorData(numbered(10).values, torch.arange(10)), numbered(200))
    x, y = data.batch(20_000, torch.Generator().manual_seed(0))
    assert len(y) == 5_000
    which = ((x[len(y) :, 0, 0, 0] + 1) * 127.5).round().long()
    counts = which.bincount(minlength=200).double()
    assert len(counts) == 200
    assert ((counts - 100) ** 2 / 100).sum() < 267, "99.9 % quantile with 199 degrees of freedom"


def test_both_draws_are_independent_and_a_generator_repeats_them():
    data = FewLabels(TensorData(numbered(100).values, torch.arange(100)), numbered(100))
    x, y = data.batch(8_000, torch.Generator().manual_seed(1))
    labelled, others = x[: len(y), 0, 0, 0], x[len(y) :][: len(y), 0, 0, 0]
    assert abs(torch.corrcoef(torch.stack([labelled, others]))[0, 1]) < 0.08
    assert same(data.batch(8_000, torch.Generator().manual_seed(1)).x, x)


@pytest.mark.parametrize(("n", "known"), [(1, 1), (3, 1), (4, 1), (7, 1), (8, 2), (33, 8)])
def test_a_small_batch_has_a_label_too(n, known):
    x, y = few_labels(DATA, 10).batch(n)
    assert (len(x), len(y)) == (known + n, known)


def test_few_labels_describe_themselves_and_move():
    data = few_labels(DATA, 10)
    assert (len(data), data.shape, data.is_images) == (400, (1, 32, 32), True)
    assert data.device == torch.device("cpu")
    assert repr(data).startswith(
        "FewLabels('random images, 10 of them labelled', shape=(1, 32, 32)"
    )
    moved = data.to("cpu")
    assert type(moved) is FewLabels
    assert same(moved.labels, data.labels)


# --- all of them -------------------------------------------------------------------------------


def test_each_says_how_to_make_one_and_what_it_says_exists():
    """Errors name these; none may send a reader to what is not there."""
    kinds = {TensorData: images(), Pairs: pairs(), TwoDomains: two_domains()}
    kinds[FewLabels] = few_labels(DATA, 10)
    for kind, example in kinds.items():
        assert example.made_by == kind.made_by
        names = re.findall(r"(\w+)\(", kind.made_by)
        assert names
        assert all(callable(getattr(gan_lessons.data, name)) for name in names), kind
    assert len({kind.made_by for kind in kinds}) == 4


def test_labels_are_those_that_come_with_a_batch():
    assert pairs().labels is None
    assert two_domains().labels is None, "y of its batches is the other domain"
    assert same(few_labels(DATA, 10).labels, few_labels(DATA, 10).labelled.labels)
    assert images().labels is not None


MUTANTS = [
    *mutants(
        "data.sets",
        (
            "few labels: the images without a label come from the few, too",
            "self.others.batch(n, generator).x",
            "self.labelled.batch(n, generator).x",
            "test_the_first_rows_of_a_batch_are_labelled",
        ),
        (
            "few labels: a small batch has none, and the loss of no labels is not a number",
            "max(1, n // 4)",
            "n // 4",
            "test_a_small_batch_has_a_label_too",
        ),
        (
            "two domains: one index for both, so that a batch is made of pairs",
            "        x, y = self.first.batch(n, generator).x, self.second.batch(n, generator).x",
            "        index = torch.randint(len(self), (n,), generator=generator)\n"
            "        x, y = self.first.floats(index), self.second.floats(index)",
            "test_the_domains_are_drawn_independently",
        ),
        (
            "data, pairs: a coin for the input and another one for the target",
            "return Batch(*both.chunk(2, dim=1))",
            "return Batch(*(flip_and_crop(v, self.flip, self.crop, generator) for v in (x, y)))",
            "test_input_and_target_share_coin_and_place",
        ),
        (
            "data, two domains: index i of one with index i of the other",
            "x, y = self.first.batch(n, generator).x, self.second.batch(n, generator).x",
            "index = torch.randint(len(self), (n,))\n"
            "        x, y = self.first.floats(index), self.second.floats(index)",
            "test_the_domains_are_drawn_independently",
        ),
    ),
]


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)

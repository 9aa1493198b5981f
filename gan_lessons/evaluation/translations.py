"""How good is a translation? Three sets of questions, by what is known of the true one.

Pairs are known: `compare_with_targets` looks at each target. The map is known, as between digits in
two colours: `compare_with_map` looks at what it makes of the same input. Nothing is known: all that
is left is whether the way back leads home, `round_trips`. For the first two, `measure_…` asks a
run, and `baselines_…` asks translations that need no training.
"""

import math

import torch
from torch import Tensor

from gan_lessons.data import Pairs, TwoDomains, to_first, to_grey, to_second
from gan_lessons.devices import own_randomness
from gan_lessons.metrics import conditional_accuracy, nearest_neighbours
from gan_lessons.metrics.pictures import sharpness, told_apart
from gan_lessons.training import Run

Numbers = dict[str, float]


def translate(
    run: Run, samples: Tensor, *, back: bool = False, seed: int = 0, chunk: int = 250
) -> Tensor:
    """Samples (n, *shape) of the first kind as ones of the second, by averaged weights, on the CPU.

    With `back` the other way; a model that has only one raises `TypeError`. Images are in [-1, 1].
    Where a model has noise, it comes from `seed`: another seed gives another picture.
    """
    return run.sample(len(samples), seed=seed, chunk=chunk, **{"y" if back else "x": samples})


# --- pairs are known ---------------------------------------------------------------------------


def compare_with_targets(
    fake: Tensor, inputs: Tensor, targets: Tensor, *, looks: int = 150
) -> Numbers:
    """How near pictures come to their targets, how sharp they are, and whether they are found out.

    All are images (n, *shape) in [-1, 1], row by row from one input. "L1" is the mean absolute
    difference, "sharpness" as in `metrics.pictures`; "told apart" is the share of pairs of input
    and picture that a fresh discriminator sorts into real and fake correctly, after `looks` steps
    of training.
    """
    return {
        "L1": _difference(targets, fake).item(),
        "sharpness": sharpness(fake, targets),
        "told apart": told_apart(fake, targets, inputs, steps=looks),
    }


def measure_with_targets(run: Run, test: Pairs, *, looks: int = 150) -> Numbers:
    """What `compare_with_targets` finds on `test`, pairs held out of training, and "noise".

    "noise" is the mean absolute difference of two samples from one input.
    """
    x, y = test.inputs.floats().cpu(), test.targets.floats().cpu()
    first, second = translate(run, x), translate(run, x, seed=1)
    noise = _difference(second, first).item()
    return compare_with_targets(first, x, y, looks=looks) | {"noise": noise}


def baselines_with_targets(train: Pairs, test: Pairs, *, looks: int = 150) -> dict[str, Numbers]:
    """What `compare_with_targets` finds on `test` for pictures that need no learning.

    The input itself; the mean of all training targets; and, for each input, the target of the
    training input nearest to it. The last row are the true targets.
    """
    x, y = test.inputs.floats().cpu(), test.targets.floats().cpu()
    index, _ = nearest_neighbours(x, train.inputs.floats())
    targets = train.targets.floats().cpu()
    pictures = {
        "copy the input": x,
        "mean image": targets.mean(0).expand_as(y),
        "nearest training pair": targets[index],
        "truth": y,
    }
    return {name: compare_with_targets(v, x, y, looks=looks) for name, v in pictures.items()}


# --- the map is known: digits in two colours ---------------------------------------------------


def compare_with_map(fake_x: Tensor, fake_y: Tensor, test: TwoDomains) -> Numbers:
    """How near translations come to the true ones; for digits in two colours.

    Row i of `fake_y` is made from row i of the first domain of `test`, and `fake_x` likewise from
    the second. "L1" is the mean absolute difference to the known map, "kept" the share that the
    judge reads as the digit that was given; each for G, from X to Y, and for F, back.
    """
    n = len(fake_x)
    x, y = test.first.floats(slice(n)).cpu(), test.second.floats(slice(n)).cpu()
    labels_x, labels_y = test.first.labels[:n], test.second.labels[:n]
    return {
        "L1, G": _difference(fake_y, to_second(x)).item(),
        "L1, F": _difference(fake_x, to_first(y)).item(),
        "kept, G": conditional_accuracy(to_grey(fake_y, "second"), labels_x),
        "kept, F": conditional_accuracy(to_grey(fake_x, "first"), labels_y),
    }


def measure_with_map(run: Run, test: TwoDomains, n: int = 1000) -> Numbers:
    """What `compare_with_map` and `round_trips` find for the first `n` samples of both domains.

    `test` are digits in two colours that were held out of training.
    """
    n = min(n, len(test))
    x, y = test.first.floats(slice(n)), test.second.floats(slice(n))
    fake_x, fake_y = translate(run, y, back=True), translate(run, x)
    return compare_with_map(fake_x, fake_y, test) | round_trips(run, x, y)


def baselines_with_map(train: TwoDomains, test: TwoDomains, n: int = 1000) -> dict[str, Numbers]:
    """The numbers of `measure_with_map`, up to the noise, for translations that need no training.

    The true map, the input itself, and the mean of training images of the other domain.
    """
    n = min(n, len(test))
    x, y = test.first.floats(slice(n)).cpu(), test.second.floats(slice(n)).cpu()
    means = (data.floats(slice(5000)).mean(0).cpu() for data in (train.first, train.second))
    mean_x, mean_y = (mean.expand_as(x) for mean in means)
    fakes = {  # of X and of Y, and what comes back of x and of y
        "true map": ((to_first(y), to_second(x)), (x, y)),
        "copy of the input": ((y, x), (x, y)),
        "mean image": ((mean_x, mean_y), (mean_x, mean_y)),
    }
    return {
        name: compare_with_map(fake_x, fake_y, test)
        | {"cycle error": cycle_error(x, y, x_again, y_again)}
        for name, ((fake_x, fake_y), (x_again, y_again)) in fakes.items()
    }


# --- nothing is known --------------------------------------------------------------------------


def cycle_error(x: Tensor, y: Tensor, x_again: Tensor, y_again: Tensor) -> float:
    """How far samples of both domains are from themselves after both translations.

    The mean absolute difference, and the mean of both domains: half of [CYCLEGAN-CYCLE].
    """
    return (_difference(x_again, x) + _difference(y_again, y)).item() / 2


def round_trips(run: Run, x: Tensor, y: Tensor, noise: float = 0.02, seed: int = 0) -> Numbers:
    """Whether samples `x` of X and `y` of Y come back from both translations, and how.

    "cycle error" is how far they are from themselves. "with noise" is the same where Gaussian noise
    of standard deviation `noise` is added between the two translations, and "ratio" is how many
    times larger that is. Source of the test: Chu, Zhmoginov, Sandler 2017,
    https://arxiv.org/abs/1712.02950.
    """
    fakes = translate(run, x), translate(run, y, back=True)
    with own_randomness(torch.device("cpu"), seed):
        disturbed = tuple(fake + noise * torch.randn_like(fake) for fake in fakes)
    x, y = x.cpu(), y.cpu()

    def error(fake_y: Tensor, fake_x: Tensor) -> float:
        return cycle_error(x, y, translate(run, fake_y, back=True), translate(run, fake_x))

    before, after = error(*fakes), error(*disturbed)
    ratio = after / before if before else math.inf
    return {"cycle error": before, "with noise": after, "ratio": ratio}


def _difference(a: Tensor, b: Tensor) -> Tensor:
    """E |a - b|, the mean over samples and elements, summed in the memory order of `a`."""
    return (a - b).abs().mean()

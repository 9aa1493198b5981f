"""Does a picture show what its label map asks for? For the generated facades of pix2pix.

The paper asks a network that was trained on true pictures to read the label map back. Two readers
do so here. `MapReader` is such a network: it looks at shapes, and forgives a colour that is a
little off. `read_colours` knows what the houses are made of and forgives nothing.

Source of the measure: Isola, Zhu, Zhou, Efros, CVPR 2017, https://arxiv.org/abs/1611.07004.
"""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from gan_lessons.data import Pairs, toy_facades
from gan_lessons.data.houses import LABELS, MATERIALS, WALL
from gan_lessons.devices import own_randomness
from gan_lessons.evaluation.translations import Numbers, translate
from gan_lessons.metrics import nearest_neighbours
from gan_lessons.metrics.judge import check_images
from gan_lessons.metrics.pictures import sharpness
from gan_lessons.steps import adam, update
from gan_lessons.training import Run

Reader = Callable[[Tensor], Tensor]  # pictures (n, 3, H, W) to labels (n, H, W)
NAMES = list(LABELS)
HUES, BOARDS = 0.12, (0.20, 0.22, 0.24, 0.26, 0.28)  # how far the colours of a wall reach
MARGIN = 0.05  # by so much a colour must be nearer to another material than to a wall's


def labels_of(maps: Tensor) -> Tensor:
    """Label maps (n, 3, H, W) in [-1, 1] to the numbers of their labels (n, H, W)."""
    check_images(maps, "maps")
    colours = torch.tensor(list(LABELS.values())).to(maps) / 127.5 - 1
    return (maps[:, None] - colours[:, :, None, None]).square().sum(2).argmin(1)


def read_colours(pictures: Tensor) -> Tensor:
    """For each pixel of houses (n, 3, H, W) in [-1, 1] the label of the material with its colour.

    A wall has a range of colours, every other material one. Returns numbers (n, H, W), as
    `labels_of` does.
    """
    check_images(pictures)
    shades = (pictures + 1) / 2
    names, colours = zip(*list(MATERIALS.values())[1:], strict=True)
    colours = torch.tensor(colours).to(shades)[:, :, None, None]
    distances = (shades[:, None] - colours).square().sum(2).sqrt()
    beside_mean = shades - torch.tensor(WALL).to(shades)[:, None, None]
    walls = torch.stack(
        [
            (beside_mean - sign * board).abs().sub(HUES).clamp_min(0).square().sum(1).sqrt()
            for sign in (-1, 1)
            for board in BOARDS
        ],
        dim=1,
    )
    nearest, which = distances.min(1)
    labels = torch.tensor([NAMES.index(name) for name in names], device=shades.device)
    wall = torch.full_like(which, NAMES.index("wall"))
    return torch.where(nearest < walls.min(1).values + MARGIN, labels[which], wall)


class MapReader:
    """A network that has learned from true houses to say which label each pixel has.

    Called with pictures (n, 3, H, W) in [-1, 1] it returns numbers (n, H, W), as `labels_of` does.
    It is trained on houses of its own, by default 2,000 that no generator has seen, with some noise
    on each, so that it does not depend on exact colours. Same seed, same reader.
    """

    def __init__(self, data: Pairs | None = None, *, steps: int = 400, seed: int = 0):
        data = toy_facades(2000, seed=1) if data is None else data
        with own_randomness(torch.device("cpu"), seed):
            layers, channels = [], 3
            for width in (24, 24, 24):
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            self.network = nn.Sequential(*layers, nn.Conv2d(channels, len(NAMES), 1))
            optimizer = adam(self.network, 2e-3, (0.9, 0.999))
            for _ in range(steps):
                x, y = data.batch(16)
                noise = 0.3 * torch.rand(len(y), 1, 1, 1) * torch.randn(y.shape)
                scores = self.network((y.cpu() + noise).clamp(-1, 1))
                update(optimizer, cross_entropy(scores, labels_of(x.cpu())))

    @torch.no_grad()
    def __call__(self, pictures: Tensor) -> Tensor:
        check_images(pictures)
        return torch.cat([self.network(p).argmax(1) for p in pictures.cpu().split(500)])


def faithfulness(fake: Tensor, inputs: Tensor, reader: Reader) -> Numbers:
    """How much of each label map can be read off the picture that was made from it.

    `fake` and `inputs` are images (n, 3, H, W) in [-1, 1], row by row. "map read" is the share of
    pixels at which `reader` finds the label of the map; "by colour" is the same for `read_colours`.
    """
    truth = labels_of(inputs.cpu())
    return {
        "map read": (reader(fake.cpu()) == truth).double().mean().item(),
        "by colour": (read_colours(fake.cpu()) == truth).double().mean().item(),
    }


def compare_houses(fake: Tensor, inputs: Tensor, targets: Tensor, reader: Reader) -> Numbers:
    """`faithfulness`, "L1", the mean absolute difference to the targets, and "sharpness".

    All are images (n, 3, H, W) in [-1, 1], row by row from one input; sharpness is as in
    `metrics.pictures`.
    """
    return faithfulness(fake, inputs, reader) | {
        "L1": (targets - fake).abs().mean().item(),
        "sharpness": sharpness(fake, targets),
    }


def measure_houses(run: Run, test: Pairs, reader: Reader | None = None) -> Numbers:
    """What `compare_houses` finds on `test`, pairs held out; without a `reader` one is trained."""
    x, y = test.inputs.floats().cpu(), test.targets.floats().cpu()
    return compare_houses(translate(run, x), x, y, reader or usual_reader())


def baselines_of_houses(
    train: Pairs, test: Pairs, reader: Reader | None = None
) -> dict[str, Numbers]:
    """What `compare_houses` finds on `test` for pictures that need no learning.

    The input itself; the mean of all training targets; true houses of the test set, each given to
    the next map, which is the floor of faithfulness; for each input, the target of the training
    input nearest to it; and the true targets.
    """
    x, y = test.inputs.floats().cpu(), test.targets.floats().cpu()
    targets = train.targets.floats().cpu()
    index, _ = nearest_neighbours(x, train.inputs.floats())
    pictures = {
        "copy the input": x,
        "mean image": targets.mean(0).expand_as(y),
        "house of another map": y.roll(1, 0),
        "nearest training pair": targets[index],
        "truth": y,
    }
    reader = reader or usual_reader()
    return {name: compare_houses(fake, x, y, reader) for name, fake in pictures.items()}


@cache
def usual_reader() -> MapReader:
    """A reader with the usual settings, trained once."""
    return MapReader()

"""Do two images belong together? Agreement of pairs from two domains, beside what chance gives.

Used by the chapters whose models draw pairs. A pair agrees in its pixels, [COGAN-PIXEL], once the
known map between the domains has been applied, or in its class, [COGAN-CLASS]. Both are high for
unrelated images, too, if there is little variety: compare with [COGAN-CHANCE] and with pairs that
were shuffled.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from gan_lessons.data import TensorData, negative
from gan_lessons.devices import own_randomness
from gan_lessons.metrics.images import frechet_distance
from gan_lessons.metrics.judge import classify, features
from gan_lessons.networks.convolutions import convolutions, layer_sizes
from gan_lessons.steps import adam, evaluating, update


def pixel_agreement(first: Tensor, second: Tensor) -> Tensor:
    """The share of pixels that lie on the same side of grey, 0, in both.  [COGAN-PIXEL]

    Takes two batches of images of one shape, in one style; returns a scalar from 0 to 1.
    """
    return ((first > 0) == (second > 0)).double().mean()


def class_agreement(first: Tensor, second: Tensor) -> Tensor:
    """The share of pairs of one class.  [COGAN-CLASS]

    Takes the classes of both images of each pair, int64 (n,); returns a scalar from 0 to 1.
    """
    return (first == second).double().mean()


def chance_agreement(first: Tensor, second: Tensor, classes: int = 10) -> Tensor:
    """sum_c p_c q_c, how often unrelated pairs agree.  [COGAN-CHANCE]

    p and q are the shares of the classes in both batches, int64 (n,). For a single class it is 1.
    """
    p, q = (torch.bincount(c, minlength=classes).double() / len(c) for c in (first, second))
    return (p * q).sum()


def train_reader(
    data: TensorData, steps: int = 400, width: int = 16, seed: int = 0
) -> Callable[[Tensor], Tensor]:
    """A small classifier for images that the book's judge cannot read, such as edges.

    Trained on the labelled images of `data`, on their device. The function it returns takes images
    (n, *shape) and gives their classes, int64 (n,), on the CPU.
    """
    with own_randomness(data.device, seed):
        layers, n_maps = convolutions(width, data.shape)
        head = nn.Conv2d(n_maps, int(data.labels.max()) + 1, layer_sizes(data.shape)[0])
        network = nn.Sequential(*layers, head, nn.Flatten()).to(data.device)
        optimizer = adam(network, 2e-3, (0.9, 0.999))
        for _ in range(steps):
            x, y = data.batch(64)
            update(optimizer, cross_entropy(network(x), y))

    def read(images: Tensor) -> Tensor:
        with evaluating(network):
            parts = [network(part.to(data.device)).argmax(1).cpu() for part in images.split(500)]
        return torch.cat(parts)

    return read


def compare_pairs(
    first: Tensor,
    second: Tensor,
    reference: Tensor,
    *,
    restyle: Callable[[Tensor], Tensor] = negative,
    undo: Callable[[Tensor], Tensor] | None = negative,
    read: Callable[[Tensor], Tensor] | None = None,
) -> dict[str, float]:
    """How well the rows of `first` and `second` belong together, and how good they are; digits.

    `restyle` is the known map from the first domain to the second, and `undo` the way back to
    images that the judge can read; where there is none, `read` gives the classes in the second
    domain. Distances are Fréchet distances (judge features) to `reference`, real images of the
    first domain or their features.
    """
    seen, undone = features(first), undo and features(undo(second))
    classes, others = classify(seen), read(second) if read else classify(undone)
    numbers = {"distance": frechet_distance(seen, reference)}
    if undo:
        numbers["second distance"] = frechet_distance(undone, reference)
    expected = restyle(first)
    return numbers | {
        "pixel agreement": pixel_agreement(expected, second).item(),
        "pixels, shuffled": pixel_agreement(expected, second.roll(1, 0)).item(),
        "class agreement": class_agreement(classes, others).item(),
        "classes, by chance": chance_agreement(classes, others).item(),
    }

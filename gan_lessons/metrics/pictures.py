"""Is a picture as sharp as real ones, and can it be told from them? For pictures of any kind.

The judge knows digits only. What follows knows nothing: a mean of differences between neighbours,
and a small network that is trained afresh for every question.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from gan_lessons.devices import own_randomness
from gan_lessons.metrics.judge import check_images
from gan_lessons.networks.convolutions import convolutions, layer_sizes
from gan_lessons.steps import adam, evaluating, update


def gradient_energy(images: Tensor) -> Tensor:
    """1/2 E |x[i + 1, j] - x[i, j]| + 1/2 E |x[i, j + 1] - x[i, j]|.  [METRIC-ENERGY]

    How much neighbouring pixels differ, over all images (N, C, H, W), channels and places; a scalar
    from 0, for flat images, to 2.
    """
    down, right = images.diff(dim=-2).abs().mean(), images.diff(dim=-1).abs().mean()
    return (down + right) / 2


def sharpness(samples: Tensor, reference: Tensor) -> float:
    """Gradient energy of the samples / that of the reference.  [METRIC-SHARP]

    Takes images (N, C, H, W) in [-1, 1]. 1 is ideal, less is blurred. Noise on the picture counts
    as well and gives more than 1, and it may make up for blur: read it beside a picture, or beside
    `told_apart`. Raises ValueError for a reference of flat images.
    """
    samples, reference = check_images(samples), check_images(reference, "reference")
    energy = gradient_energy(reference)
    if energy == 0:
        raise ValueError("The reference is flat, so nothing can be as sharp: pass real pictures.")
    return (gradient_energy(samples) / energy).item()


def told_apart(
    samples: Tensor,
    reference: Tensor,
    given: Tensor | None = None,
    *,
    steps: int = 150,
    width: int = 16,
    seed: int = 0,
) -> float:
    """How often a fresh discriminator is right about samples and real ones that it has not seen.

    0.5 is chance: it cannot tell them apart. A new network is trained on one half of both sets and
    asked about the other half, so that the generator has never played against it. Both are images
    (N, C, H, W) in [-1, 1], of which row i belongs to one input; the two halves share no row. With
    `given`, those inputs, the network sees them, too, and can notice a picture that does not fit.
    Without normalisation, because the statistics of a batch would tell. Raises ValueError for two
    shapes, or for less than four images.
    """
    samples, reference = check_images(samples), check_images(reference, "reference")
    if samples.shape != reference.shape or len(samples) < 4:
        raise ValueError(
            f"samples have shape {tuple(samples.shape)} and the reference "
            f"{tuple(reference.shape)}: pass four or more of each, row by row from one input."
        )
    both = torch.stack([samples, reference]).float()
    if given is not None:
        both = torch.cat([both, given.to(both).expand_as(both)], dim=2)
    device, shape = both.device, tuple(both.shape[2:])
    with own_randomness(device, seed), torch.device(device):
        layers, n_maps = convolutions(width, shape, norm=None)
        network = nn.Sequential(*layers, nn.Conv2d(n_maps, 1, layer_sizes(shape)[0]), nn.Flatten())
        optimizer = adam(network, 2e-3, (0.9, 0.999))
        train, test = torch.randperm(both.shape[1]).chunk(2)
        for _ in range(steps):
            fake, real = both[:, train[torch.randint(len(train), (32,))]]
            update(optimizer, softplus(network(fake)).mean() + softplus(-network(real)).mean())
    with evaluating(network):
        fake, real = (torch.cat([network(p) for p in half[test].split(500)]) for half in both)
    return ((fake < 0).double().mean() + (real > 0).double().mean()).item() / 2

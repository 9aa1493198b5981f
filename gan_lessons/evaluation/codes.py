"""What are the codes of an encoder worth? For every run whose model has `encode`.

Its codes are what `sample(z=…)` takes. Two questions: do encoder and generator invert each other,
`measure_inverse`, and do the codes follow the distribution that samples are drawn from,
`measure_codes`.
"""

import torch
from torch import Tensor

from gan_lessons import metrics
from gan_lessons.arguments import of_kind
from gan_lessons.data import TensorData
from gan_lessons.devices import own_randomness
from gan_lessons.training import Run


def encode(run: Run, x: Tensor, chunk: int = 500) -> Tensor:
    """The codes of samples (n, *shape), by averaged weights, on the CPU; rows of numbers (n, d).

    An encoder that draws its codes takes the caller's random numbers.
    """
    of_kind("x", x, Tensor)
    if x.dim() == 0:
        raise ValueError("x is a single number: give samples (n, *shape).")
    return torch.cat([run.averaged.encode(part.to(run.device)).cpu() for part in x.split(chunk)])


def reconstruct(run: Run, x: Tensor) -> Tensor:
    """G(E(x)) of samples (n, *shape), by averaged weights, of the same shape, on the CPU."""
    return run.sample(len(x), z=encode(run, x))


def error_ratio(x: Tensor, redrawn: Tensor, others: Tensor) -> Tensor:
    """E |x - G(E(x))| / E |x' - G(E(x))|, norms of whole samples.  [BIGAN-RATIO]

    Takes samples x, what came back for each, and other samples x' to compare it with, each of shape
    (n, *shape). Returns a scalar: 0 for exact inverses, 1 if x is no nearer than x'.
    """
    own, random = ((v - redrawn).flatten(1).norm(dim=1).mean() for v in (x, others))
    return own / random


def shuffled(x: Tensor, seed: int = 0) -> Tensor:
    """The rows of `x` in random order, the same for the same seed."""
    return x[torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))]


def measure_inverse(run: Run, train: TensorData, test: TensorData) -> dict[str, float]:
    """Whether encoder and generator invert each other; all `test` digits and 10,000 of `train`.

    - `ratio`: own over random error of reconstruction, [BIGAN-RATIO]; 1 means failure.
    - `code_ratio`: the same the other way round, for z and E(G(z)).
    - `class_kept`: share of reconstructions in which the judge sees the image's true class.
    - `neighbour_accuracy`: share of images of the same class as the nearest training code.
    """
    x, labels = test.floats().cpu(), test.labels.cpu()
    with own_randomness(torch.device(run.device), seed=0):
        z = run.averaged.noise(len(x)).cpu()
    some = train.subset(shuffled(torch.arange(len(train)))[:10_000])
    of_test, of_train = encode(run, x), encode(run, some.floats())
    redrawn = run.sample(len(x), z=of_test)
    back = encode(run, run.sample(len(z), z=z))
    nearest = metrics.nearest_neighbours(of_test, of_train)[0]
    return {
        "ratio": error_ratio(x, redrawn, shuffled(x)).item(),
        "code_ratio": error_ratio(z, back, shuffled(z)).item(),
        "class_kept": metrics.conditional_accuracy(redrawn, labels),
        "neighbour_accuracy": (some.labels.cpu()[nearest] == labels).double().mean().item(),
    }


def measure_codes(run: Run, test: TensorData, seed: int = 1, few: int = 2000) -> dict[str, float]:
    """Reconstructions of held-out digits `test`, and how near their codes are to the noise.

    - `test_error`: mean squared difference of a pixel, in [0, 1].
    - `class_kept`: share of reconstructions in which the judge sees the image's true class.
    - `code_distance`: kernel distance of the codes of the first `few` images to as much noise.
    - `prior_distance`: the same for two sets of noise, the mean size over ten pairs: what sampling
      alone makes of it.
    """
    apart, model, x = metrics.gaussian_kernel_distance, run.averaged, test.floats().cpu()
    with own_randomness(torch.device(run.device), seed):
        codes = encode(run, x)
        again = run.sample(len(x), z=codes, seed=seed)
        noise = [apart(model.noise(few), model.noise(few)).abs() for _ in range(10)]
        distance = apart(codes[:few].to(run.device), model.noise(few))
    return {
        "test_error": ((again - x) / 2).square().mean().item(),
        "class_kept": metrics.conditional_accuracy(again, test.labels.cpu()),
        "code_distance": distance.item(),
        "prior_distance": torch.stack(noise).mean().item(),
    }

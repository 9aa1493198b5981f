"""How well are holes filled? For every run whose model takes pictures `x` and masks `m`.

`measure_restored` asks a run, `baselines_restored` asks what needs no training: one colour, the
mean picture, and the training picture that fits the context best. Errors are those of the hole
alone. A mask is 1 on the context and 0 in the hole.
"""

import torch
from torch import Tensor

from gan_lessons.data import TensorData
from gan_lessons.data.masks import check_masks, composite, masks, mean_colour
from gan_lessons.metrics import conditional_accuracy
from gan_lessons.metrics.holes import hole_errors, hole_sharpness
from gan_lessons.training import Run

Numbers = dict[str, float]


def holes(
    test: TensorData, n: int = 1000, kind: str = "centre", share: float = 0.5, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """The first `n` pictures of `test` and a mask of a kind for each, (x, m), on the CPU.

    The masks are drawn with `seed`: all models get the same.
    """
    x = test.floats(slice(n)).cpu()
    generator = torch.Generator().manual_seed(seed)
    return x, masks(kind, len(x), x.shape[-1], share, generator=generator)


def restore(run: Run, x: Tensor, m: Tensor, seed: int = 0) -> Tensor:
    """The pictures `x` with what is hidden by the masks `m` filled in, on the CPU."""
    return run.sample(len(x), seed=seed, x=x, m=m)


def compare_restored(filled: Tensor, x: Tensor, m: Tensor, labels: Tensor | None = None) -> Numbers:
    """How near filled pictures come to the truth `x`, and how sharp they are, in the holes alone.

    All are images (n, *shape) in [-1, 1]. "L1", "L2", "PSNR" as in `hole_errors`, "sharpness" and
    "seam" as in `hole_sharpness`. With the `labels` of digits, "read" is the share of pictures in
    which the judge still sees the right digit. A context that was touched raises ValueError.
    """
    m = check_masks(m, x)
    if not torch.equal(m * filled, m * x):
        raise ValueError(
            "The context was changed: put the pictures together by composite(x, …, m)."
        )
    found = hole_errors(filled, x, m) | hole_sharpness(filled, x, m)
    return found if labels is None else found | {"read": conditional_accuracy(filled, labels)}


def measure_restored(
    run: Run, test: TensorData, *, n: int = 1000, kind: str = "centre", share: float = 0.5
) -> Numbers:
    """What `compare_restored` finds for `n` held-out pictures with holes of a `kind`."""
    x, m = holes(test, n, kind, share)
    return compare_restored(restore(run, x, m), x, m, _digits(test, n))


def baselines_restored(
    train: TensorData, test: TensorData, *, n: int = 1000, kind: str = "centre", share: float = 0.5
) -> dict[str, Numbers]:
    """The same for fillings that need no training, and for the truth.

    The mean colour of all training pictures; their mean, pixel by pixel; the hole of the training
    picture that is nearest on the context.
    """
    x, m = holes(test, n, kind, share)
    colour = torch.tensor(mean_colour(train))[:, None, None]
    fillings = {
        "mean colour": colour.expand_as(x),
        "mean picture": _mean_picture(train).expand_as(x),
        "nearest neighbour": train.floats(nearest_context(x, m, train).to(train.device)).cpu(),
        "truth": x,
    }
    labels = _digits(test, n)
    rows = {k: compare_restored(composite(x, y, m), x, m, labels) for k, y in fillings.items()}
    del rows["truth"]["PSNR"]  # infinite
    return rows


def nearest_context(x: Tensor, m: Tensor, train: TensorData, chunk: int = 100) -> Tensor:
    """For each picture the index of the training picture t with the least sum of m (x - t)^2."""
    m, others = m.expand_as(x).flatten(1), train.floats().cpu().flatten(1)
    x, squares = x.flatten(1), others.square()
    found = []
    for known, pixels in zip(m.split(chunk), (m * x).split(chunk), strict=True):
        found.append((known @ squares.T - 2 * pixels @ others.T).argmin(1))
    return torch.cat(found)


def _mean_picture(data: TensorData) -> Tensor:
    return (data.values.sum(0) / len(data) / 127.5 - 1).cpu()


def _digits(test: TensorData, n: int) -> Tensor | None:
    """The labels of the first `n` pictures, if these are digits, which the judge can read."""
    if test.labels is None or test.shape[0] != 1:
        return None
    return test.labels[:n].cpu()

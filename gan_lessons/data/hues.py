"""Grey digits and the same digits tinted: one input, several right answers, all of them known."""

import colorsys

import torch
from torch import Tensor

from gan_lessons.arguments import of_kind, whole
from gan_lessons.data.digits import digits
from gan_lessons.data.sets import Pairs
from gan_lessons.data.tensors import TensorData, to_bytes


def hues(n: int = 4) -> Tensor:
    """`n` colours evenly around the wheel, (n, 3) in [0, 1], the first one red."""
    whole("n", n)
    return torch.tensor([colorsys.hsv_to_rgb(k / n, 1.0, 1.0) for k in range(n)])


def tinted(images: Tensor, which: Tensor, n: int = 4) -> Tensor:
    """Grey floats (N, 1, H, W) in [-1, 1] in the hue `which`, (N,) from 0 to n - 1: (N, 3, H, W).

    Black stays black, and white becomes the hue.
    """
    of_kind("images", images, Tensor, hint="floats() of a data set makes some.")
    colours = hues(n).to(images)[which.to(images.device)][:, :, None, None]
    return (images + 1) * colours - 1


def nearest_hue(pictures: Tensor, n: int = 4) -> Tensor:
    """Which of `n` hues the ink of each picture (N, 3, H, W) has, int64 (N,).

    The mean over all pixels, brighter ones counting more, points to the hue nearest in angle.
    """
    of_kind("pictures", pictures, Tensor, hint="sample(x=…) of a run makes some.")
    ink = ((pictures + 1) / 2).mean((2, 3))
    palette = hues(n).to(pictures)
    return (ink @ (palette / palette.norm(dim=1, keepdim=True)).T).argmax(1)


def digits_in_hues(
    split: str = "train", size: int = 32, n: int = 4, seed: int = 0, **options
) -> Pairs:
    """Grey digits as inputs, and as targets the same in one of `n` hues, drawn with `seed`.

    The hue has nothing to do with the digit: given an input, each of the hues is right with
    probability 1 / n. Inputs have three equal channels. `options` are those of `digits`.
    """
    grey = digits(split, size, **options)
    generator = torch.Generator().manual_seed(whole("seed", seed, least=0))
    which = torch.randint(n, (len(grey),), generator=generator).to(grey.device)
    inputs, targets = [], []
    for index in torch.arange(len(grey), device=grey.device).split(5000):
        images = grey.floats(index)
        inputs.append(to_bytes(images.expand(-1, 3, -1, -1)))
        targets.append(to_bytes(tinted(images, which[index], n)))
    names = tuple(f"hue {k}" for k in range(n))
    return Pairs(
        TensorData(torch.cat(inputs), grey.labels, f"{grey.name}, grey", grey.classes),
        TensorData(torch.cat(targets), which, f"in {n} hues", names),
    )

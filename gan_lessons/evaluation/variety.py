"""How many pictures of one input a translator makes, and whether they are the right ones."""

import torch
from torch import Tensor

from gan_lessons.data.hues import nearest_hue, tinted
from gan_lessons.devices import own_randomness
from gan_lessons.evaluation.translations import Numbers
from gan_lessons.training import Run


def many(run: Run, x: Tensor, n: int = 64, seed: int = 0) -> Tensor:
    """`n` pictures of each input in `x`, each with fresh noise: (len(x), n, *shape)."""
    x = x.to(run.device)
    with own_randomness(torch.device(run.device), seed):
        return torch.stack([run.averaged.sample(x=one.expand(n, -1, -1, -1)) for one in x])


def compare_hues(pictures: Tensor, x: Tensor, hues: int = 4) -> Numbers:
    """Pictures (inputs, n, 3, H, W) of the grey inputs `x` beside what is known of them.

    `hues hit` are the hues that an input gets at least once, of `hues`; `distance to uniform` is
    the total variation of their shares, 0 where all are equally frequent. `diversity` is the mean
    difference of two pictures of one input, and `error` that of a picture and the input in its hue.
    """
    n = pictures.shape[1]
    found = torch.stack([nearest_hue(of_one, hues) for of_one in pictures])
    shares = torch.stack([(found == k).float().mean(1) for k in range(hues)], dim=1)
    grey = x[:, :1].repeat_interleave(n, 0)
    right = tinted(grey, found.flatten(), hues).view_as(pictures)
    others = pictures.roll(1, dims=1)
    return {
        "hues hit": (shares > 0).sum(1).float().mean().item(),
        "distance to uniform": ((shares - 1 / hues).abs().sum(1) / 2).mean().item(),
        "diversity": (pictures - others).abs().mean().item(),
        "error": (pictures - right).abs().mean().item(),
    }


def measure_hues(run: Run, x: Tensor, n: int = 64, hues: int = 4, seed: int = 0) -> Numbers:
    """`compare_hues` of `n` pictures of each input."""
    return compare_hues(many(run, x, n, seed), x.to(run.device), hues)


def code_error(run: Run, x: Tensor, seed: int = 0) -> float:
    """E |z - mu(G(x, z))|: .80 or more says that z is ignored."""
    model, x = run.averaged, x.to(run.device)
    with own_randomness(torch.device(run.device), seed):
        z = model.noise(len(x))
    return (z - model.encode(model.sample(x=x, z=z))).abs().mean().item()


def reconstruction_error(run: Run, x: Tensor, y: Tensor) -> float:
    """E |y - G(x, mu(y))|: how much of a target passes through its code."""
    model, x, y = run.averaged, x.to(run.device), y.to(run.device)
    return (y - model.sample(x=x, z=model.encode(y))).abs().mean().item()

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


def paint(run: Run, x: Tensor, z: Tensor) -> Tensor:
    """A picture of each input in `x` with the codes `z`, one a row or one for all; on the CPU."""
    codes = z.expand(len(x), z.shape[-1])
    return run.averaged.sample(x=x.to(run.device), z=codes.to(run.device)).cpu()


def energy_distance(pictures: Tensor, answers: Tensor) -> Tensor:
    """2 E|a - b| - E|a - a'| - E|b - b'| of drawn a and right b, for one input.  [BICYCLE-ENERGY]

    |·| is the root of the mean squared difference. `pictures` (n, …) are samples, of which none is
    compared with itself; `answers` (m, …) are all that is right, each with probability 1 / m. 0 in
    the mean if and only if the samples have that distribution: Székely, Rizzo 2013.
    """
    a, b = pictures.flatten(1).double(), answers.flatten(1).double()
    scale = a.shape[1] ** 0.5
    n = len(a)
    own = torch.cdist(a, a).sum() / (n * (n - 1))
    return (2 * torch.cdist(a, b).mean() - own - torch.cdist(b, b).mean()) / scale


def right_answers(x: Tensor, hues: int = 4) -> Tensor:
    """What is right for the grey inputs `x`: each in every hue, (len(x), hues, 3, H, W)."""
    which = torch.arange(hues)
    return torch.stack([tinted(one[None, :1].expand(hues, -1, -1, -1), which) for one in x])


def compare_hues(pictures: Tensor, x: Tensor, hues: int = 4) -> Numbers:
    """Pictures (inputs, n, 3, H, W) of the grey inputs `x` beside what is known of them.

    `distance` is the mean `energy_distance` to the right answers. `hues hit` are the hues that an
    input gets at least once, of `hues`; `distance to uniform` is the total variation of their
    shares, 0 where all are equally frequent. `diversity` is the mean difference of two pictures of
    one input, and `error` that of a picture and the input in its hue.
    """
    found = torch.stack([nearest_hue(of_one, hues) for of_one in pictures])
    shares = torch.stack([(found == k).float().mean(1) for k in range(hues)], dim=1)
    answers = right_answers(x, hues)
    nearest = torch.stack([of_one[which] for of_one, which in zip(answers, found, strict=True)])
    distances = [energy_distance(*of_one) for of_one in zip(pictures, answers, strict=True)]
    others = pictures.roll(1, dims=1)
    return {
        "distance": torch.stack(distances).mean().item(),
        "hues hit": (shares > 0).sum(1).float().mean().item(),
        "distance to uniform": ((shares - 1 / hues).abs().sum(1) / 2).mean().item(),
        "diversity": (pictures - others).abs().mean().item(),
        "error": (pictures - nearest).abs().mean().item(),
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


def in_flat_colour(pictures: Tensor, x: Tensor) -> Tensor:
    """Each picture (n, 3, H, W) as its grey input in one colour, that of its ink on average.

    A hue and a shade pass through it; what is hidden in the detail does not.
    """
    ink, grey = (pictures + 1) / 2, (x[:, :1] + 1) / 2
    colour = ink.sum((2, 3)) / grey.sum((2, 3))
    return (grey * colour[:, :, None, None]).clamp(0, 1) * 2 - 1


def hidden_codes(run: Run, x: Tensor, hues: int = 4, seed: int = 0) -> Numbers:
    """How well E reads a drawn code: from pictures as painted, in flat colour, and in pure hues.

    `a hue allows` is the least error of anybody who is told the hue of each picture alone.
    """
    x = x.cpu()
    with own_randomness(torch.device("cpu"), seed):
        z = torch.randn(len(x), run.config.latent_dim)
    painted = paint(run, x, z)
    which = nearest_hue(painted, hues)
    shown = {
        "as painted": painted,
        "in flat colour": in_flat_colour(painted, x),
        "in pure hues": tinted(x[:, :1], which, hues),
    }
    errors = {
        name: (z - run.averaged.encode(pictures.to(run.device)).cpu()).abs().mean().item()
        for name, pictures in shown.items()
    }
    best = torch.zeros_like(z)
    for k in which.unique():
        best[which == k] = z[which == k].median(0).values
    return errors | {"a hue allows": (z - best).abs().mean().item()}


def reconstruction_error(run: Run, x: Tensor, y: Tensor) -> float:
    """E |y - G(x, mu(y))|: how much of a target passes through its code."""
    model, x, y = run.averaged, x.to(run.device), y.to(run.device)
    return (y - model.sample(x=x, z=model.encode(y))).abs().mean().item()


def baselines_of_hues(x: Tensor, n: int = 64, hues: int = 4, seed: int = 0) -> dict[str, Numbers]:
    """`compare_hues` without any training: one answer for all, their mean, and all at random."""
    answers = right_answers(x.cpu(), hues)
    drawn = torch.randint(hues, (len(x), n), generator=torch.Generator().manual_seed(seed))
    pictures = {
        "always one hue": answers[:, :1].expand(-1, n, -1, -1, -1),
        "always the mean": answers.mean(1, keepdim=True).expand(-1, n, -1, -1, -1),
        "right answers": torch.stack(
            [of_one[which] for of_one, which in zip(answers, drawn, strict=True)]
        ),
    }
    return {name: compare_hues(of_all, x.cpu(), hues) for name, of_all in pictures.items()}

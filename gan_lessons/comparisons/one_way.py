"""CycleGAN with both round trips, with only one of them, or with neither, on clusters of points.

The paper calls them forward cycle, x -> G(x) -> F(G(x)), and backward cycle, y -> F(y) -> G(F(y)).
Source: Zhu, Park, Isola, Efros, ICCV 2017, https://arxiv.org/abs/1703.10593.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gan_lessons import metrics
from gan_lessons.data import TwoDomains
from gan_lessons.evaluation.translations import Numbers, translate
from gan_lessons.steps import frozen, update
from gan_lessons.training import Run, fit
from gan_lessons.translation.cyclegan import Config, CycleGAN, generator_loss


class ForwardCycle(CycleGAN):
    """CycleGAN with E |F(G(x)) - x| alone in place of [CYCLEGAN-CYCLE]; no identity term."""

    def generator_step(self, x: Tensor, y: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        fake_x, fake_y = self.generator_yx(y), self.generator_xy(x)
        with frozen(self.discriminator_x), frozen(self.discriminator_y):
            scores_x, scores_y = self.discriminator_x(fake_x), self.discriminator_y(fake_y)
        games = generator_loss(scores_x) + generator_loss(scores_y)
        cycle = self.way_home(x, y, fake_x, fake_y)
        update(self.generator_optimizer, games + self.config.cycle_weight * cycle)
        return {"generator_loss": games, "cycle_loss": cycle}, fake_x, fake_y

    def way_home(self, x: Tensor, y: Tensor, fake_x: Tensor, fake_y: Tensor) -> Tensor:
        """How far x is from where it comes back."""
        return (self.generator_yx(fake_y) - x).abs().mean()


class BackwardCycle(ForwardCycle):
    """CycleGAN with E |G(F(y)) - y| alone."""

    def way_home(self, x: Tensor, y: Tensor, fake_x: Tensor, fake_y: Tensor) -> Tensor:
        return (self.generator_xy(fake_x) - y).abs().mean()


MODELS = {
    "both trips": CycleGAN,
    "forward only": ForwardCycle,
    "backward only": BackwardCycle,
    "neither": CycleGAN,
}


def train(name: str, config: Config, data: TwoDomains, **options: Any) -> Run:
    """Train with the trips of `name`, one of `MODELS`; all else is as in `cyclegan.train`.

    Another name raises `ValueError`.
    """
    if name not in MODELS:
        raise ValueError(f"There are no trips {name!r}: choose from {', '.join(MODELS)}.")
    weight = 0.0 if name == "neither" else config.cycle_weight
    return fit(MODELS[name], replace(config, cycle_weight=weight), data, **options)


def journey(run: Run, data: TwoDomains, n: int = 2000, std: float = 0.05) -> Numbers:
    """Where a run takes the first `n` points of both domains, which are clusters of spread `std`.

    "reached" is the number of clusters that G and F reach, both together, and "near" the share of
    their points that lie near one; "home" is the share that both translations bring back to the
    cluster where it started.
    """
    reached, near, home = 0, [], []
    sides = [(data.first, data.second, False), (data.second, data.first, True)]
    for start, goal, back in sides:
        points, own = start.floats(slice(n)).cpu(), start.labels[:n].cpu()
        there = translate(run, points, back=back)
        again = translate(run, there, back=not back)
        found = metrics.mode_coverage(there, goal.modes.cpu(), std)
        place = torch.cdist(again, start.modes.cpu()).argmin(1)
        reached += found.covered
        near.append(found.high_quality)
        home.append((place == own).double().mean().item())
    return {"reached": reached, "near": sum(near) / 2, "home": sum(home) / 2}

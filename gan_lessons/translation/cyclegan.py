"""CycleGAN: two translators between two sets of images that nobody has paired.

Zhu, Park, Isola, Efros, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
Networks", ICCV 2017, https://arxiv.org/abs/1703.10593.

Equations: [CYCLEGAN-D] is [LSGAN-D] with the targets 0 and 1, once for each domain, [CYCLEGAN-G]
twice [LSGAN-G]. The translators minimise [CYCLEGAN-SUM]: both games, the round trips
[CYCLEGAN-CYCLE] and the identity term [CYCLEGAN-ID]. The learning rate follows [CYCLEGAN-LR].
In the names, x is the first domain and y the second: `generator_xy` is the paper's G: X -> Y,
`generator_yx` its F, and `discriminator_y` judges images of Y, real ones and those that
`generator_xy` has made. The networks are in `gan_lessons.networks`, `translators` and `patches`.
Deviations from the paper: smaller images, narrower networks with fewer blocks, smaller patches,
batches of more than one image, fewer steps, a higher learning rate, no identity term, samples from
averaged weights; points in the plane, too, with perceptrons.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from gan_lessons.data import Batch, TwoDomains, digits_in_two_colours
from gan_lessons.networks.patches import patch_discriminator
from gan_lessons.networks.translators import GPU, SMOKE, ResidualSettings, residual_translator
from gan_lessons.objectives.lsgan import discriminator_loss
from gan_lessons.steps import adam, frozen, update
from gan_lessons.training import Run, fit, preset
from gan_lessons.two_way import TwoWayModel


@dataclass(frozen=True)
class Config(ResidualSettings):
    """Settings of a CycleGAN; the defaults are the `cpu` preset."""

    cycle_weight: float = 10.0  # of the round trips, against 1 for the games; 0 leaves them out
    identity_weight: float = 0.0  # of the identity term; 0 leaves it out
    pool_size: int = field(default=50, metadata={"least": 0})  # past fakes to see again; 0: none
    learning_rate: float = 5e-4  # of Adam at the start, for all players
    decay_from: float = 0.5  # share of the steps after which the learning rate falls to 0; 1: never
    betas: tuple[float, float] = (0.5, 0.999)  # of Adam, for all players
    steps: int = 300  # updates of each player
    average_decay: float = 0.98  # of the averaged weights that translate


PRESETS = {
    "smoke": Config(**SMOKE, blocks=1, discriminator_width=4, hidden=(16,), pool_size=8, steps=8),
    "cpu": Config(),
    "gpu": Config(**GPU | {"width": 48}, discriminator_width=48, steps=3_800),
}


def generator_loss(fake_scores: Tensor) -> Tensor:
    """E (D_Y(G(x)) - 1)^2, and so for F and D_X.  [CYCLEGAN-G]"""
    return ((fake_scores - 1) ** 2).mean()


def cycle_loss(x: Tensor, x_again: Tensor, y: Tensor, y_again: Tensor) -> Tensor:
    """E |F(G(x)) - x| + E |G(F(y)) - y|, means over samples and elements.  [CYCLEGAN-CYCLE]"""
    return (x_again - x).abs().mean() + (y_again - y).abs().mean()


def identity_loss(x: Tensor, x_by_f: Tensor, y: Tensor, y_by_g: Tensor) -> Tensor:
    """E |G(y) - y| + E |F(x) - x|: what is there already is to stay.  [CYCLEGAN-ID]"""
    return (y_by_g - y).abs().mean() + (x_by_f - x).abs().mean()


def learning_rate_factor(step: int, steps: int, decay_from: float) -> float:
    """min(1, (T - t) / (T - t_0)) with t_0 = decay_from T, and 0 from T on.  [CYCLEGAN-LR]

    `step` is t, how many steps have been made, and `steps` is T, all of them.
    """
    left = (steps - step) / max(1.0, steps - decay_from * steps)
    return min(1.0, max(0.0, left))


class ImagePool(nn.Module):
    """The last fakes of a generator, so that the discriminator does not forget its older tricks.

    The first `size` samples are kept and come back as they are. Afterwards each comes back as it is
    with probability 1/2. Else it takes the place of a kept sample, which comes back instead. What
    comes back carries no gradient. The samples and their number are buffers, so that both are saved
    with a run. With a `size` of 0, samples only lose their gradient.
    """

    def __init__(self, shape: tuple[int, ...], size: int = 50):
        super().__init__()
        self.size = size
        self.register_buffer("kept", torch.zeros(size, *shape))
        # On the CPU, so that it can be read without waiting for a device.
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64, device="cpu"))

    def forward(self, fresh: Tensor) -> Tensor:
        fresh = fresh.detach()  # the past is data: no graph is kept, no generator moves
        if not self.size:
            return fresh
        start = int(self.filled)
        first, rest = fresh[: self.size - start], fresh[self.size - start :]
        self.kept[start : start + len(first)] = first
        self.filled += len(first)
        return torch.cat([first, *map(self.exchange, rest.split(self.size))])

    def exchange(self, fresh: Tensor) -> Tensor:
        """At most `size` samples, each with a place of its own, half of them for older ones."""
        # Drawn on the CPU, so that the loop does not wait for the device.
        swapped = torch.rand(len(fresh), *[1] * (fresh.dim() - 1), device="cpu") < 0.5
        places = torch.randperm(self.size, device="cpu")[: len(fresh)]
        swapped, places = swapped.to(fresh.device), places.to(fresh.device)
        old = self.kept[places].to(fresh)
        self.kept[places] = torch.where(swapped, fresh, old).to(self.kept)
        return torch.where(swapped, old, fresh)


class CycleGAN(TwoWayModel):
    """Two translators, two discriminators, and one step of both games."""

    optimizers = ("generator_optimizer", "discriminator_optimizer")

    def __init__(self, config: Config):
        super().__init__(config)
        self.generator_xy, self.generator_yx = (residual_translator(config) for _ in range(2))
        self.discriminator_x, self.discriminator_y = (patch_discriminator(config) for _ in range(2))
        self.pool_x, self.pool_y = (ImagePool(config.shape, config.pool_size) for _ in range(2))
        # One optimiser for both translators, since one loss moves them, and one for both judges.
        generators = nn.ModuleList([self.generator_xy, self.generator_yx])
        discriminators = nn.ModuleList([self.discriminator_x, self.discriminator_y])
        self.generator_optimizer = adam(generators, config.learning_rate, config.betas)
        self.discriminator_optimizer = adam(discriminators, config.learning_rate, config.betas)

    def generator_step(self, x: Tensor, y: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """One update on both games and, weighted, round trips and identity.  [CYCLEGAN-SUM]

        Returns the losses and the fakes, those of X and those of Y.
        """
        fake_x, fake_y = self.generator_yx(y), self.generator_xy(x)
        with frozen(self.discriminator_x), frozen(self.discriminator_y):  # they are not to move
            scores_x, scores_y = self.discriminator_x(fake_x), self.discriminator_y(fake_y)
        total = generator_loss(scores_x) + generator_loss(scores_y)
        logged = {"generator_loss": total}
        if self.config.cycle_weight:  # with the graph of the fakes: both translators must learn
            x_again, y_again = self.generator_yx(fake_y), self.generator_xy(fake_x)
            logged["cycle_loss"] = cycle_loss(x, x_again, y, y_again)
            total = total + self.config.cycle_weight * logged["cycle_loss"]
        if self.config.identity_weight:
            x_by_f, y_by_g = self.generator_yx(x), self.generator_xy(y)
            logged["identity_loss"] = identity_loss(x, x_by_f, y, y_by_g)
            total = total + self.config.identity_weight * logged["identity_loss"]
        update(self.generator_optimizer, total)
        return logged, fake_x, fake_y

    def discriminator_step(
        self, x: Tensor, y: Tensor, fake_x: Tensor, fake_y: Tensor
    ) -> dict[str, Tensor]:
        """One update on [CYCLEGAN-D] of both domains, with fakes from their pools."""
        fake_x, fake_y = self.pool_x(fake_x), self.pool_y(fake_y)  # detached there
        real_scores = self.discriminator_x(x), self.discriminator_y(y)
        fake_scores = self.discriminator_x(fake_x), self.discriminator_y(fake_y)
        loss = sum(map(discriminator_loss, real_scores, fake_scores))
        update(self.discriminator_optimizer, loss)
        return {
            "discriminator_loss": loss,
            "real_score": torch.stack(real_scores).mean(),
            "fake_score": torch.stack(fake_scores).mean(),
        }

    def step(self, batch: Batch) -> dict[str, Tensor]:
        config, done = self.config, int(self.steps_done)  # the loop counts the steps
        factor = learning_rate_factor(done, config.steps, config.decay_from)
        for optimizer in (self.generator_optimizer, self.discriminator_optimizer):
            for group in optimizer.param_groups:
                group["lr"] = factor * config.learning_rate
        logged, fake_x, fake_y = self.generator_step(batch.x, batch.y)
        return logged | self.discriminator_step(batch.x, batch.y, fake_x, fake_y)


def train(
    config: Config | str | None = None, data: TwoDomains | None = None, **options: Any
) -> Run:
    """Train on two domains (default: digits in two colours); all else is as in `fit`."""
    data = digits_in_two_colours() if data is None else data
    return fit(CycleGAN, preset(config, PRESETS), data, **options)

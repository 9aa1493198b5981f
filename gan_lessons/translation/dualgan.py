"""DualGAN: two translators that check each other, with Wasserstein critics and dropout as noise.

Yi, Zhang, Tan, Gong, "DualGAN: Unsupervised Dual Learning for Image-to-Image Translation",
ICCV 2017, https://arxiv.org/abs/1704.02510.

Equations: [DUAL-D] is [WGAN-D], once for each domain, [DUAL-CLIP] is [WGAN-CLIP] for both critics,
and [DUAL-REC] is [CYCLEGAN-CYCLE]. The translators minimise [DUAL-G]: twice [WGAN-G], and with the
weight lambda the reconstructions. The authors' later code takes [DUAL-GP], a penalty on the slope
of a critic's mean score, in place of the clipping: `DualGANGP`.
In the names, x is the first domain, the paper's U, and y the second, its V: `generator_xy` is its
G_A, and `discriminator_y`, which judges what comes from there, its D_A. The networks are pix2pix's:
`gan_lessons.networks`, `translators` and `patches`.
Deviations from the paper: smaller images, networks and patches, one weight for both
reconstructions, larger batches, a higher learning rate, samples from averaged weights.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gan_lessons.data import Batch, TwoDomains, digits_in_two_colours
from gan_lessons.gradients import between, gradients
from gan_lessons.networks.patches import PatchDiscriminator
from gan_lessons.networks.translators import GPU, SMOKE, UNet, UNetSettings, noise_on
from gan_lessons.objectives.wgan import clip_weights, discriminator_loss, generator_loss
from gan_lessons.objectives.wgan_gp import gradient_penalty
from gan_lessons.steps import frozen, rmsprop, update
from gan_lessons.training import Run, fit, preset
from gan_lessons.translation.cyclegan import cycle_loss
from gan_lessons.two_way import TwoWayModel


@dataclass(frozen=True)
class Config(UNetSettings):
    """Settings of a DualGAN; the defaults are the `cpu` preset."""

    width: int = 16
    cycle_weight: float = 100.0  # lambda, of both reconstructions; 0 leaves them out
    clip: float = 0.05  # the limit c of the critics' weights
    penalty_weight: float = 10.0  # of the gradient penalty, where it takes the place of clipping
    critic_steps: int = 3  # updates of the critics for one of the translators
    learning_rate: float = 5e-4  # of RMSProp, for all players
    steps: int = 500  # updates of the translators
    average_decay: float = 0.98  # of the averaged weights that translate


PRESETS = {
    "smoke": Config(**SMOKE, critic_steps=2, learning_rate=2e-4, steps=8),
    "cpu": Config(),
    "gpu": Config(**GPU | {"width": 32}, steps=12_000),
}


class DualGAN(TwoWayModel):
    """Two translators, two critics, and one step of both games."""

    def __init__(self, config: Config):
        super().__init__(config)
        self.samples_per_step = config.critic_steps * config.batch_size
        settings = config.shape, config.width, config.dropout, config.skips
        self.generator_xy, self.generator_yx = (UNet(*settings) for _ in range(2))
        channels, *_ = config.shape
        self.discriminator_x, self.discriminator_y = (
            # Without normalisation: clipping does not bound it, and a score is of one image alone.
            PatchDiscriminator(channels, config.width, config.halvings, norm=None)
            for _ in range(2)
        )
        critics = nn.ModuleList([self.discriminator_x, self.discriminator_y])
        generators = nn.ModuleList([self.generator_xy, self.generator_yx])
        self.discriminator_optimizer = rmsprop(critics, config.learning_rate)
        self.generator_optimizer = rmsprop(generators, config.learning_rate)

    def discriminator_step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """One update on [DUAL-D] of both domains, then clipping."""
        fake_x, fake_y = self.generator_yx(y).detach(), self.generator_xy(x).detach()  # G stays
        loss_x = discriminator_loss(self.discriminator_x(x), self.discriminator_x(fake_x))
        loss_y = discriminator_loss(self.discriminator_y(y), self.discriminator_y(fake_y))
        update(self.discriminator_optimizer, loss_x + loss_y)
        for critic in (self.discriminator_x, self.discriminator_y):
            clip_weights(critic, self.config.clip)  # so that G faces clipped critics
        return {"discriminator_loss": loss_x + loss_y, "estimate": -(loss_x + loss_y) / 2}

    def generator_step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """One update on both games and, weighted, both reconstructions.  [DUAL-G]"""
        fake_x, fake_y = self.generator_yx(y), self.generator_xy(x)
        with frozen(self.discriminator_x), frozen(self.discriminator_y):  # they are not to move
            scores_x, scores_y = self.discriminator_x(fake_x), self.discriminator_y(fake_y)
        total = generator_loss(scores_x) + generator_loss(scores_y)
        logged = {"generator_loss": total}
        if self.config.cycle_weight:  # with the graph of the fakes: both translators must learn
            x_again, y_again = self.generator_yx(fake_y), self.generator_xy(fake_x)
            logged["cycle_loss"] = cycle_loss(x, x_again, y, y_again)
            total = total + self.config.cycle_weight * logged["cycle_loss"]
        update(self.generator_optimizer, total)
        return logged

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """`critic_steps` updates of both critics, each on other samples, then one of the rest."""
        size = self.config.batch_size
        for x, y in zip(batch.x.split(size), batch.y.split(size), strict=True):
            logged = self.discriminator_step(x, y)
        return logged | self.generator_step(x, y)

    def translate(self, generator: nn.Module, samples: Tensor) -> Tensor:
        """With noise, so that no two translations are the same."""
        noise_on(generator)  # dropout is z, and stays on
        return generator(samples)


class DualGANGP(DualGAN):
    """DualGAN with the gradient penalty of the authors' later code, for comparison."""

    def discriminator_step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """One update on [DUAL-D] plus lambda_gp [DUAL-GP], of both domains."""
        fake_x, fake_y = self.generator_yx(y).detach(), self.generator_xy(x).detach()  # G stays
        games = (self.discriminator_x, x, fake_x), (self.discriminator_y, y, fake_y)
        gap = sum(discriminator_loss(critic(real), critic(fake)) for critic, real, fake in games)
        norms = torch.cat([slopes(*game) for game in games])
        penalty = 2 * gradient_penalty(norms)  # the sum of both critics'
        update(self.discriminator_optimizer, gap + self.config.penalty_weight * penalty)
        return {"discriminator_loss": gap, "estimate": -gap / 2, "gradient_norm": norms.mean()}


def slopes(critic: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """||grad of the mean score of all patches||, (n,), at points between; for [DUAL-GP]."""
    points = between(real, fake)
    return gradients(lambda images: critic(images).flatten(1).mean(1), points).norm(dim=1)


def train(
    config: Config | str | None = None, data: TwoDomains | None = None, **options: Any
) -> Run:
    """Train on two domains (default: digits in two colours); all else is as in `fit`."""
    data = digits_in_two_colours() if data is None else data
    return fit(DualGAN, preset(config, PRESETS), data, **options)

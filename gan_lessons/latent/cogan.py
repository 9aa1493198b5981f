"""CoGAN: two GANs that share layers, so that one noise draws the same thing in two styles.

Liu, Tuzel, "Coupled Generative Adversarial Networks", NIPS 2016, https://arxiv.org/abs/1606.07536.

Equations: [COGAN-D] and [COGAN-G] are the sums of [GAN-D] and of [GAN-G] over two games, the
non-saturating form of [COGAN-V]. The contribution is what the networks share, [COGAN-TIE], in
`gan_lessons.networks.coupled`. How well two images belong together is measured in
`gan_lessons.metrics.agreement`.
Deviations from the paper: DCGAN's layers, narrower, for its own; Gaussian noise for uniform noise,
32 pixels for 28, a higher learning rate, no weight decay, samples from averaged weights.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from gan_lessons.data import Batch, TwoDomains, digits_in_two_styles
from gan_lessons.messages import shown
from gan_lessons.model import Model
from gan_lessons.networks.convolutions import GPU, SMOKE, Settings
from gan_lessons.networks.coupled import Discriminators, Generators
from gan_lessons.steps import adam, evaluating, frozen, update
from gan_lessons.training import Run, fit, preset


@dataclass(frozen=True)
class Config(Settings):
    """Settings of a CoGAN; the defaults are the `cpu` preset."""

    own_generator_layers: int = 1  # convolutions next to the image that each generator has alone
    own_discriminator_layers: int = 1  # the same for the discriminators; all others are shared
    steps: int = 1200  # updates of each player


PRESETS = {
    "smoke": Config(**SMOKE, steps=30),
    "cpu": Config(),
    "gpu": Config(**GPU, steps=5_400),
}


def discriminator_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """sum_i E softplus(-D_i(x_i)) + E softplus(D_i(G_i(z))), scores (2, n).  [COGAN-D]"""
    return (softplus(-real_scores).mean(-1) + softplus(fake_scores).mean(-1)).sum()


def generator_loss(fake_scores: Tensor) -> Tensor:
    """sum_i E softplus(-D_i(G_i(z))), scores (2, n), the non-saturating form.  [COGAN-G]"""
    return softplus(-fake_scores).mean(-1).sum()


class CoGAN(Model):
    """All four players, and one step of both games."""

    takes = (TwoDomains,)

    def __init__(self, config: Config):
        super().__init__(config)
        self.generator = Generators(config)
        self.discriminator = Discriminators(config)
        self.generator_optimizer = adam(self.generator, config.learning_rate, config.betas)
        self.discriminator_optimizer = adam(self.discriminator, config.learning_rate, config.betas)

    def discriminator_step(self, real: Tensor) -> dict[str, Tensor]:
        fake = self.generator(self.noise(real.shape[1])).detach()  # this loss must not move G
        # Two passes, so that batch normalisation never mixes real and fake statistics.
        real_scores, fake_scores = self.discriminator(real), self.discriminator(fake)
        loss = discriminator_loss(real_scores, fake_scores)
        update(self.discriminator_optimizer, loss)
        return {
            "discriminator_loss": loss,
            "real_score": real_scores.mean(),
            "fake_score": fake_scores.mean(),
        }

    def generator_step(self, n: int) -> dict[str, Tensor]:
        with frozen(self.discriminator):  # D passes the gradient on, but is not to move
            fake_scores = self.discriminator(self.generator(self.noise(n)))
        loss = generator_loss(fake_scores)
        update(self.generator_optimizer, loss)
        return {"generator_loss": loss}

    def step(self, batch: Batch) -> dict[str, Tensor]:
        real = torch.stack([batch.x, batch.y])  # (2, n, *shape): no pairs, only two rows
        return self.discriminator_step(real) | self.generator_step(len(batch.x))

    def sample(
        self, n: int | None = None, *, z: Tensor | None = None, domains: Tensor | None = None
    ) -> Tensor:
        """`n` images, or one for each row of `z`, of the first domain, or of those in `domains`.

        `domains`, int64 (n,), has 0 for the first and 1 for the second; else `ValueError`.
        """
        z = self.noise_or(z, n)
        with evaluating(self):
            both = self.generator(z)
        if domains is None:
            return both[0]
        if not isinstance(domains, Tensor) or domains.dtype != torch.int64:
            raise TypeError(f"domains must be torch.int64 (n,), not {shown(domains)}.")
        domains = domains.to(z.device)
        if domains.shape != (len(z),) or not torch.isin(domains, torch.arange(2).to(domains)).all():
            raise ValueError(
                f"domains must be {len(z):,} integers, 0 or 1, not {tuple(domains.shape)} with "
                f"values {domains.unique().tolist()[:5]}; torch.tensor([0, 1]) makes some."
            )
        return both[domains, torch.arange(len(z), device=z.device)]

    def fixed_inputs(self, n: int, data: TwoDomains, columns: int = 8) -> dict[str, Tensor]:
        """What snapshots are made from: a row of the first domain, then the same noise in both."""
        rows = n // columns
        z = self.noise(columns * (-(-rows // 2))).view(-1, columns, self.config.latent_dim)
        domains = torch.arange(rows, device=z.device) % 2
        return {
            "z": z.repeat_interleave(2, dim=0)[:rows].flatten(0, 1),
            "domains": domains.repeat_interleave(columns),
        }


def train(
    config: Config | str | None = None, data: TwoDomains | None = None, **options: Any
) -> Run:
    """Train on `data` (default: digits and negatives); presets, `seed` and all else as in `fit`."""
    data = digits_in_two_styles("negative") if data is None else data
    return fit(CoGAN, preset(config, PRESETS), data, **options)

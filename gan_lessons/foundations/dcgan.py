"""DCGAN: the GAN's game, played by convolutional networks that follow five rules.

Radford, Metz, Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative
Adversarial Networks", ICLR 2016, https://arxiv.org/abs/1511.06434.

Equations: the GAN's. [DCGAN-D] is [GAN-D], [DCGAN-G] is [GAN-G]; the contribution is the
architecture, in `gan_lessons.networks.convolutions`.
Deviations from the paper: 28 to 64 pixels for 64, narrower networks, Gaussian noise for uniform
noise, a higher learning rate with a smaller batch, samples from averaged weights.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gan_lessons.data import Batch, TensorData, digits
from gan_lessons.foundations.gan import discriminator_loss, generator_loss
from gan_lessons.model import Model
from gan_lessons.networks.convolutions import GPU, SMOKE, Discriminator, Generator, Settings
from gan_lessons.steps import adam, frozen, update
from gan_lessons.training import Run, fit, preset


@dataclass(frozen=True)
class Config(Settings):
    """Settings of a DCGAN; the defaults are the `cpu` preset."""

    batch_norm: bool = True  # batch normalisation in the discriminator, too
    steps: int = 1800  # updates of each player


PRESETS = {
    "smoke": Config(**SMOKE, steps=30),
    "cpu": Config(),
    "gpu": Config(**GPU, steps=10_000),
}


class DCGAN(Model):
    """Both players, and one step of the game."""

    def __init__(self, config: Config):
        super().__init__(config)
        self.generator = Generator(config)
        self.discriminator = Discriminator(config, config.batch_norm)
        self.generator_optimizer = adam(self.generator, config.learning_rate, config.betas)
        self.discriminator_optimizer = adam(self.discriminator, config.learning_rate, config.betas)

    def discriminator_step(self, real: Tensor) -> dict[str, Tensor]:
        fake = self.generator(self.noise(len(real))).detach()  # this loss must not move G
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
        return self.discriminator_step(batch.x) | self.generator_step(len(batch.x))


def train(
    config: Config | str | None = None, data: TensorData | None = None, **options: Any
) -> Run:
    """Train on `data` (default: digits); presets, `seed`, `device` and all else as in `fit`."""
    return fit(DCGAN, preset(config, PRESETS), digits() if data is None else data, **options)

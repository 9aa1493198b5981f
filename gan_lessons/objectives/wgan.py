"""WGAN: a critic estimates how far the fakes have to move; clipped weights bound its slope.

Arjovsky, Chintala, Bottou, "Wasserstein GAN", ICML 2017, https://arxiv.org/abs/1701.07875.

Equations: [WGAN-D], [WGAN-G], and the clipping [WGAN-CLIP] after every step of the critic.
Deviations from the paper: DCGAN's small networks, no normalisation in the critic, larger learning
rates for a shorter run, two of them, clipping after the update, samples from averaged weights.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gan_lessons.data import Batch, TensorData, digits
from gan_lessons.model import Model
from gan_lessons.networks.convolutions import GPU, SMOKE, Discriminator, Generator, Settings
from gan_lessons.steps import frozen, rmsprop, update
from gan_lessons.training import Run, fit, preset


@dataclass(frozen=True)
class Config(Settings):
    """Settings of a WGAN; the defaults are the `cpu` preset."""

    clip: float = 0.01  # the limit c of the critic's weights
    critic_steps: int = 5  # updates of the critic for one of the generator
    learning_rate: float = 2e-4  # of RMSProp, for the critic
    generator_learning_rate: float = 1e-3  # of RMSProp, for the generator
    steps: int = 800  # updates of the generator


PRESETS = {
    "smoke": Config(**SMOKE, critic_steps=2, steps=20),
    "cpu": Config(),
    "gpu": Config(**GPU | {"learning_rate": 1e-4}, generator_learning_rate=5e-4, steps=3_000),
}


def discriminator_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """E D(G(z)) - E D(x); its negative is the estimate of the distance.  [WGAN-D]"""
    return fake_scores.mean() - real_scores.mean()


def generator_loss(fake_scores: Tensor) -> Tensor:
    """-E D(G(z)).  [WGAN-G]"""
    return -fake_scores.mean()


@torch.no_grad()
def clip_weights(module: nn.Module, limit: float) -> None:
    """w <- min(max(w, -c), c) for every weight and bias, in place.  [WGAN-CLIP]

    Buffers, such as the statistics of batch normalisation, are no parameters and stay as they are:
    a network that has them is not bounded by this. A limit that is not positive raises
    `ValueError`.
    """
    if limit <= 0:
        raise ValueError(f"The limit of the weights must be positive, not {limit}.")
    for parameter in module.parameters():
        parameter.clamp_(-limit, limit)


class WGAN(Model):
    """Generator and critic, and one step of the game."""

    def __init__(self, config: Config):
        super().__init__(config)
        self.samples_per_step = config.critic_steps * config.batch_size
        self.generator = Generator(config)
        self.discriminator = Discriminator(config)
        self.generator_optimizer = rmsprop(self.generator, config.generator_learning_rate)
        self.discriminator_optimizer = rmsprop(self.discriminator, config.learning_rate)

    def discriminator_step(self, real: Tensor) -> dict[str, Tensor]:
        fake = self.generator(self.noise(len(real))).detach()  # this loss must not move G
        real_scores, fake_scores = self.discriminator(real), self.discriminator(fake)
        loss = discriminator_loss(real_scores, fake_scores)
        update(self.discriminator_optimizer, loss)
        clip_weights(self.discriminator, self.config.clip)  # so that G faces a clipped critic
        return {"discriminator_loss": loss, "estimate": -loss}

    def generator_step(self, n: int) -> dict[str, Tensor]:
        with frozen(self.discriminator):  # D passes the gradient on, but is not to move
            fake_scores = self.discriminator(self.generator(self.noise(n)))
        loss = generator_loss(fake_scores)
        update(self.generator_optimizer, loss)
        return {"generator_loss": loss}

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """`critic_steps` updates of D, each on samples of its own, then one of G."""
        for real in batch.x.split(self.config.batch_size):
            logged = self.discriminator_step(real)
        return logged | self.generator_step(self.config.batch_size)


def train(
    config: Config | str | None = None, data: TensorData | None = None, **options: Any
) -> Run:
    """Train on `data` (default: digits); presets, `seed`, `device` and all else as in `fit`."""
    return fit(WGAN, preset(config, PRESETS), digits() if data is None else data, **options)

"""WGAN-GP: a penalty on the critic's slope in place of clipped weights.

Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville, "Improved Training of Wasserstein GANs", NIPS 2017,
https://arxiv.org/abs/1704.00028.

Equations: [WGANGP-D] is [WGANGP-W] plus `penalty_weight` times [WGANGP-P] at the points [WGANGP-X],
which are in `gan_lessons.gradients`. [WGANGP-W] is [WGAN-D], [WGANGP-G] is [WGAN-G].
Deviations from the paper: DCGAN's small networks, no normalisation at all in the critic, a larger
learning rate for a shorter run, samples from averaged weights.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gan_lessons.data import Batch, TensorData, digits
from gan_lessons.gradients import between, gradients
from gan_lessons.model import Model
from gan_lessons.networks.convolutions import GPU, SMOKE, Discriminator, Generator, Settings
from gan_lessons.objectives.wgan import discriminator_loss, generator_loss
from gan_lessons.steps import adam, frozen, update
from gan_lessons.training import Run, fit, preset


@dataclass(frozen=True)
class Config(Settings):
    """Settings of a WGAN-GP; the defaults are the `cpu` preset."""

    penalty_weight: float = 10.0  # lambda, the weight of the gradient penalty
    critic_steps: int = 5  # updates of the critic for one of the generator
    betas: tuple[float, float] = (0.0, 0.9)  # of Adam, for both players
    batch_size: int = 48  # samples in one update; fewer than the siblings', for more updates
    steps: int = 725  # updates of the generator


PRESETS = {
    "smoke": Config(**SMOKE, critic_steps=2, steps=20),
    "cpu": Config(),
    "gpu": Config(**GPU, steps=1_700),
}


def gradient_penalty(norms: Tensor) -> Tensor:
    """E (||grad D(x^)|| - 1)^2, without its weight.  [WGANGP-P]"""
    return ((norms - 1) ** 2).mean()


class WGANGP(Model):
    """Generator and critic, and one step of the game."""

    def __init__(self, config: Config):
        super().__init__(config)
        self.samples_per_step = config.critic_steps * config.batch_size
        self.generator = Generator(config)
        self.discriminator = Discriminator(config)
        self.generator_optimizer = adam(self.generator, config.learning_rate, config.betas)
        self.discriminator_optimizer = adam(self.discriminator, config.learning_rate, config.betas)

    def discriminator_step(self, real: Tensor) -> dict[str, Tensor]:
        """One update on E D(G(z)) - E D(x) + lambda E (||grad D(x^)|| - 1)^2.  [WGANGP-D]"""
        fake = self.generator(self.noise(len(real))).detach()  # this loss must not move G
        real_scores, fake_scores = self.discriminator(real), self.discriminator(fake)
        distance = discriminator_loss(real_scores, fake_scores)
        norms = gradients(self.discriminator, between(real, fake)).norm(dim=1)
        loss = distance + self.config.penalty_weight * gradient_penalty(norms)
        update(self.discriminator_optimizer, loss)
        return {"discriminator_loss": loss, "estimate": -distance, "gradient_norm": norms.mean()}

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
    return fit(WGANGP, preset(config, PRESETS), digits() if data is None else data, **options)

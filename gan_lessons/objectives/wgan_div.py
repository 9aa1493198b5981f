"""WGAN-div: the Wasserstein divergence, which needs no bound on the critic's slope.

Wu, Huang, Thoma, Acharya, Van Gool, "Wasserstein Divergence for GANs", ECCV 2018,
https://arxiv.org/abs/1712.01026.

Equations: [WGANDIV-D] is [WGANDIV-W] plus `penalty_weight`, the paper's k, times [WGANDIV-P] with
the paper's p as `power`. [WGANDIV-W] is [WGAN-D], [WGANDIV-G] is [WGAN-G], [WGANDIV-X] is
[WGANGP-X].
Deviations from the paper: DCGAN's small networks, no normalisation at all in the critic, the critic
is high on real samples, a larger learning rate for a shorter run, samples from averaged weights.
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
    """Settings of a WGAN-div; the defaults are the `cpu` preset."""

    penalty_weight: float = 2.0  # k, the weight of the gradient penalty
    power: float = 6.0  # p, the power of the slope in the penalty
    critic_steps: int = 3  # updates of the critic for one of the generator
    betas: tuple[float, float] = (0.0, 0.9)  # of Adam, for both players
    steps: int = 600  # updates of the generator


PRESETS = {
    "smoke": Config(**SMOKE, critic_steps=2, steps=20),
    "cpu": Config(),
    "gpu": Config(**GPU, steps=2_700),
}


def slope_penalty(squared: Tensor, power: float = 6.0) -> Tensor:
    """E ||grad D(x^)||^p from squared slopes, without its weight.  [WGANDIV-P]"""
    return (squared ** (power / 2)).mean()


class WGANDiv(Model):
    """Generator and critic, and one step of the game."""

    def __init__(self, config: Config):
        super().__init__(config)
        self.samples_per_step = config.critic_steps * config.batch_size
        self.generator = Generator(config)
        self.discriminator = Discriminator(config)
        self.generator_optimizer = adam(self.generator, config.learning_rate, config.betas)
        self.discriminator_optimizer = adam(self.discriminator, config.learning_rate, config.betas)

    def discriminator_step(self, real: Tensor) -> dict[str, Tensor]:
        """One update on E D(G(z)) - E D(x) + k E ||grad D(x^)||^p.  [WGANDIV-D]"""
        fake = self.generator(self.noise(len(real))).detach()  # this loss must not move G
        real_scores, fake_scores = self.discriminator(real), self.discriminator(fake)
        distance = discriminator_loss(real_scores, fake_scores)
        # Left squared, because a root has no gradient at 0.
        squared = gradients(self.discriminator, between(real, fake)).square().sum(1)
        penalty = slope_penalty(squared, self.config.power)
        loss = distance + self.config.penalty_weight * penalty
        update(self.discriminator_optimizer, loss)
        norms = squared.sqrt()
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
    return fit(WGANDiv, preset(config, PRESETS), digits() if data is None else data, **options)

"""CGAN: the game under a condition; both players see the label, in one of two ways.

Mirza and Osindero, "Conditional Generative Adversarial Nets", 2014,
https://arxiv.org/abs/1411.1784.

Equations: [CGAN-D] is [GAN-D] and [CGAN-G] is [GAN-G] with the label beside every sample, the
non-saturating form of the conditional minimax [CGAN-V].
Two ways to show a network the label: `CGAN` joins it to the input, [CGAN-INPUT], the usual way in
code; `HiddenCGAN` maps both to hidden layers and joins those, [CGAN-HIDDEN], the paper's way. Both
are in `gan_lessons.networks.conditional`.
Deviations from the paper: convolutions for multilayer perceptrons, ReLU for maxout, batch
normalisation for dropout, Adam for SGD with momentum, Gaussian noise for uniform noise, samples
from averaged weights.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from gan_lessons.data import Batch, TensorData, digits
from gan_lessons.foundations.gan import discriminator_loss, generator_loss
from gan_lessons.model import LabelledModel
from gan_lessons.networks.conditional import (
    HiddenDiscriminator,
    HiddenGenerator,
    InputDiscriminator,
    InputGenerator,
)
from gan_lessons.networks.convolutions import GPU, SMOKE, Settings
from gan_lessons.steps import adam, frozen, update
from gan_lessons.training import Run, fit, preset


@dataclass(frozen=True)
class Config(Settings):
    """Settings of both CGANs; the defaults are the `cpu` preset."""

    classes: int = 10  # number of different labels
    hidden_label: int = 32  # HiddenCGAN: feature maps that the label becomes, in both players
    steps: int = 1800  # updates of each player


PRESETS = {
    "smoke": Config(**SMOKE, steps=30),
    "cpu": Config(),
    "gpu": Config(**GPU, steps=9_000),
}


class CGAN(LabelledModel):
    """Both players with the label at their input, and one step of the game."""

    networks: tuple[type[nn.Module], type[nn.Module]] = (InputGenerator, InputDiscriminator)

    def __init__(self, config: Config):
        super().__init__(config)
        self.generator, self.discriminator = (network(config) for network in self.networks)
        self.generator_optimizer = adam(self.generator, config.learning_rate, config.betas)
        self.discriminator_optimizer = adam(self.discriminator, config.learning_rate, config.betas)

    def discriminator_step(self, real: Tensor, labels: Tensor) -> dict[str, Tensor]:
        y = self.encode(labels)  # fakes take the labels of the real batch: the same marginal
        fake = self.generator(self.noise(len(real)), y).detach()  # this loss must not move G
        # D judges pairs: it gets each fake with the very label that G was asked for.
        real_scores, fake_scores = self.discriminator(real, y), self.discriminator(fake, y)
        loss = discriminator_loss(real_scores, fake_scores)
        update(self.discriminator_optimizer, loss)
        return {
            "discriminator_loss": loss,
            "real_score": real_scores.mean(),
            "fake_score": fake_scores.mean(),
        }

    def generator_step(self, labels: Tensor) -> dict[str, Tensor]:
        y = self.encode(labels)
        with frozen(self.discriminator):  # D passes the gradient on, but is not to move
            fake_scores = self.discriminator(self.generator(self.noise(len(y)), y), y)
        loss = generator_loss(fake_scores)
        update(self.generator_optimizer, loss)
        return {"generator_loss": loss}

    def step(self, batch: Batch) -> dict[str, Tensor]:
        return self.discriminator_step(batch.x, batch.y) | self.generator_step(batch.y)


class HiddenCGAN(CGAN):
    """The same game and steps; the label joins in hidden layers, as in the paper."""

    networks = (HiddenGenerator, HiddenDiscriminator)


def train(
    config: Config | str | None = None,
    data: TensorData | None = None,
    *,
    model_class: type[CGAN] = CGAN,
    **options: Any,
) -> Run:
    """Train on labelled `data` (default: digits); presets, `seed` and all else as in `fit`.

    `model_class` is `CGAN` or `HiddenCGAN`.
    """
    config = preset(config, PRESETS)
    return fit(model_class, config, digits() if data is None else data, **options)

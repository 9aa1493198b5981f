"""ACGAN: the discriminator does not see the label, it has to name it.

Odena, Olah, Shlens, "Conditional Image Synthesis with Auxiliary Classifier GANs", ICML 2017,
https://arxiv.org/abs/1610.09585.

Equations: [ACGAN-S] is [GAN-D], the loss of the source, [ACGAN-C] that of the class; [ACGAN-D] and
[ACGAN-G] are what the players minimise: the paper's L_S and L_C with the opposite sign, and for the
generator the non-saturating form. All of them take scores and logits; no network ends in a sigmoid
or a softmax.
Deviations from the paper: 28 to 64 pixels for up to 128, narrower networks, all classes in one
model for ten a model, no dropout, a higher learning rate, samples from averaged weights.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn.functional import cross_entropy

from gan_lessons.data import Batch, TensorData, digits
from gan_lessons.foundations import gan
from gan_lessons.model import LabelledModel
from gan_lessons.networks.conditional import InputGenerator, NamingDiscriminator
from gan_lessons.networks.convolutions import GPU, SMOKE, Settings
from gan_lessons.steps import adam, frozen, update
from gan_lessons.training import Run, fit, preset


@dataclass(frozen=True)
class Config(Settings):
    """Settings of an ACGAN; the defaults are the `cpu` preset."""

    classes: int = 10  # number of different labels
    steps: int = 1800  # updates of each player


PRESETS = {
    "smoke": Config(**SMOKE, steps=30),
    "cpu": Config(),
    "gpu": Config(**GPU, steps=10_000),
}


def class_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """E [log sum_k exp l_k(v) - l_y(v)], the cross-entropy of logits (n, K).  [ACGAN-C]"""
    return cross_entropy(logits, labels)  # it takes the softmax itself: never put one before


def discriminator_loss(
    real_scores: Tensor, fake_scores: Tensor, real_logits: Tensor, fake_logits: Tensor, y: Tensor
) -> Tensor:
    """[ACGAN-S] + E C(x, y) + E C(G(z, y), y), C the class loss.  [ACGAN-D]"""
    sources = gan.discriminator_loss(real_scores, fake_scores)
    return sources + class_loss(real_logits, y) + class_loss(fake_logits, y)


def generator_loss(fake_scores: Tensor, fake_logits: Tensor, y: Tensor) -> Tensor:
    """E softplus(-D(G(z, y))) + E C(G(z, y), y), the non-saturating form.  [ACGAN-G]"""
    return gan.generator_loss(fake_scores) + class_loss(fake_logits, y)


class ACGAN(LabelledModel):
    """Both players, and one step of the game."""

    def __init__(self, config: Config):
        super().__init__(config)
        self.generator = InputGenerator(config)
        self.discriminator = NamingDiscriminator(config)
        self.generator_optimizer = adam(self.generator, config.learning_rate, config.betas)
        self.discriminator_optimizer = adam(self.discriminator, config.learning_rate, config.betas)

    def discriminator_step(self, real: Tensor, labels: Tensor) -> dict[str, Tensor]:
        # Fakes take the labels of the real batch: the same marginal. This loss must not move G.
        fake = self.generator(self.noise(len(real)), self.encode(labels)).detach()
        real_scores, real_logits = self.discriminator(real)  # D is not told the label
        fake_scores, fake_logits = self.discriminator(fake)
        loss = discriminator_loss(real_scores, fake_scores, real_logits, fake_logits, labels)
        update(self.discriminator_optimizer, loss)
        return {
            "discriminator_loss": loss,
            "real_score": real_scores.mean(),
            "fake_score": fake_scores.mean(),
            "real_class": class_loss(real_logits, labels),
            "fake_class": class_loss(fake_logits, labels),
        }

    def generator_step(self, labels: Tensor) -> dict[str, Tensor]:
        fake = self.generator(self.noise(len(labels)), self.encode(labels))
        with frozen(self.discriminator):  # D passes the gradient on, but is not to move
            fake_scores, fake_logits = self.discriminator(fake)
        loss = generator_loss(fake_scores, fake_logits, labels)
        update(self.generator_optimizer, loss)
        return {"generator_loss": loss}

    def step(self, batch: Batch) -> dict[str, Tensor]:
        return self.discriminator_step(batch.x, batch.y) | self.generator_step(batch.y)


def train(
    config: Config | str | None = None, data: TensorData | None = None, **options: Any
) -> Run:
    """Train on labelled `data` (default: digits); presets, `seed` and all else as in `fit`."""
    return fit(ACGAN, preset(config, PRESETS), digits() if data is None else data, **options)

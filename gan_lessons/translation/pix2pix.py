"""pix2pix: a conditional GAN from image to image, with pairs to learn from.

Isola, Zhu, Zhou, Efros, "Image-to-Image Translation with Conditional Adversarial Networks",
CVPR 2017, https://arxiv.org/abs/1611.07004.

Equations: [PIX2PIX-D] is half of [GAN-D] and [PIX2PIX-G] is [GAN-G], with the input beside every
picture, in the mean over all patches. The generator minimises [PIX2PIX-TOTAL], which adds
`l1_weight` times [PIX2PIX-L1].
The generator is a U-Net whose noise is dropout, in `gan_lessons.networks.translators`; the
discriminator scores patches, as large as [PIX2PIX-RF] says, in `gan_lessons.networks.patches`.
Deviations from the paper: 32 to 64 pixels for 256, narrower networks, a smaller patch, larger
batches and a higher learning rate; in samples, batch normalisation has the averages of the training
for the statistics of the batch, and the weights are averaged.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gan_lessons.data import Batch, Pairs, toy_facades
from gan_lessons.foundations import gan
from gan_lessons.foundations.gan import generator_loss
from gan_lessons.model import Model
from gan_lessons.networks.patches import PatchDiscriminator
from gan_lessons.networks.translators import GPU, SMOKE, UNet, UNetSettings, noise_on
from gan_lessons.steps import adam, evaluating, frozen, update
from gan_lessons.training import Run, fit, preset


@dataclass(frozen=True)
class Config(UNetSettings):
    """Settings of a pix2pix; the defaults are the `cpu` preset."""

    l1_weight: float = 100.0  # lambda, of the distance to the target
    adversarial_weight: float = 1.0  # of the discriminator's opinion; 0 leaves it out
    steps: int = 2500  # updates of each player


PRESETS = {
    "smoke": Config(**SMOKE | {"batch_size": 8}, steps=20),
    "cpu": Config(),
    "gpu": Config(**GPU, steps=20_000),
}


def discriminator_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """1/2 E softplus(-D(x, y)) + 1/2 E softplus(D(x, G(x, z))).  [PIX2PIX-D]"""
    return gan.discriminator_loss(real_scores, fake_scores) / 2


def l1_loss(fake: Tensor, target: Tensor) -> Tensor:
    """E |y - G(x, z)|, the mean over pixels and channels; `target` is y.  [PIX2PIX-L1]"""
    return (target - fake).abs().mean()


class Pix2Pix(Model):
    """Both players, and one step of the game; two weights of 0 raise `ValueError`."""

    takes = (Pairs,)

    def __init__(self, config: Config):
        super().__init__(config)
        if not config.l1_weight and not config.adversarial_weight:
            raise ValueError("Both weights are 0, so there is nothing to learn: set one of them.")
        self.generator = UNet(config.shape, config.width, config.dropout, config.skips)
        channels = 2 * config.shape[0]  # of an input and a picture
        self.discriminator = PatchDiscriminator(channels, config.width, config.halvings)
        self.generator_optimizer = adam(self.generator, config.learning_rate, config.betas)
        self.discriminator_optimizer = adam(self.discriminator, config.learning_rate, config.betas)

    def discriminator_step(self, x: Tensor, y: Tensor, fake: Tensor) -> dict[str, Tensor]:
        # It judges pairs, always the input first: a fake comes with the input it was made from.
        real_scores = self.discriminator(x, y)
        fake_scores = self.discriminator(x, fake.detach())  # this loss must not move G
        loss = discriminator_loss(real_scores, fake_scores)
        update(self.discriminator_optimizer, loss)
        return {
            "discriminator_loss": loss,
            "real_score": real_scores.mean(),
            "fake_score": fake_scores.mean(),
        }

    def generator_step(self, x: Tensor, y: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """One update on E softplus(-D(x, G(x, z))) + lambda E |y - G(x, z)|.  [PIX2PIX-TOTAL]"""
        l1 = l1_loss(fake, y)
        loss, logged = self.config.l1_weight * l1, {"l1_loss": l1}
        if self.config.adversarial_weight:
            with frozen(self.discriminator):  # D passes the gradient on, but is not to move
                adversarial = generator_loss(self.discriminator(x, fake))
            loss = loss + self.config.adversarial_weight * adversarial
            logged["generator_loss"] = adversarial
        update(self.generator_optimizer, loss)
        return logged

    def step(self, batch: Batch) -> dict[str, Tensor]:
        x, y = batch
        fake = self.generator(x)  # once, with one noise: D and G look at the same pictures
        played = self.discriminator_step(x, y, fake) if self.config.adversarial_weight else {}
        return played | self.generator_step(x, y, fake)

    def sample(self, n: int | None = None, *, x: Tensor | None = None) -> Tensor:
        """A picture for each input in `x`, (n, *shape) in [-1, 1]; with the noise, so never twice.

        Without `x` there is nothing to translate, and other channels than in the training cannot
        be: `ValueError`.
        """
        if x is None:
            raise ValueError("pix2pix translates images: pass the inputs as x=…, (n, *shape).")
        with evaluating(self):
            noise_on(self.generator)  # dropout is z, and stays on
            return self.generator(self.checked(x, any_size=True))

    def fixed_inputs(self, n: int, data: Pairs) -> dict[str, Tensor]:
        """What snapshots are made from: some inputs of the training data."""
        return {"x": data.batch(n).x}


def train(config: Config | str | None = None, data: Pairs | None = None, **options: Any) -> Run:
    """Train on pairs (default: toy facades); presets, `seed`, `device` and all else as in `fit`."""
    return fit(Pix2Pix, preset(config, PRESETS), toy_facades() if data is None else data, **options)

"""BiGAN: an encoder joins the game, and fooling a judge of pairs makes it invert the generator.

Donahue, Krähenbühl, Darrell, "Adversarial Feature Learning", ICLR 2017,
https://arxiv.org/abs/1605.09782. The same game, found independently: Dumoulin et al.,
"Adversarially Learned Inference", ICLR 2017, https://arxiv.org/abs/1606.00704.

Equations: [BIGAN-D] is [GAN-D] and [BIGAN-G] is [GAN-G], on pairs of a sample and its code;
[BIGAN-E] is new. They are the form with swapped labels of the game [BIGAN-V]. No term compares an
image with its reconstruction; [BIGAN-RATIO] does, in `gan_lessons.evaluation.codes`. Encoder and
discriminator are in `gan_lessons.networks.encoders`.
Deviations from the paper: convolutions for multilayer perceptrons, a shorter code with a normal
prior for 50 uniform numbers, image and code joined with their products, no batch normalisation in
the discriminator, a higher and constant learning rate, samples from averaged weights.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn.functional import softplus

from gan_lessons.data import Batch, TensorData, digits
from gan_lessons.foundations.gan import discriminator_loss, generator_loss
from gan_lessons.model import Model
from gan_lessons.networks.convolutions import GPU, SMOKE, Generator, Settings
from gan_lessons.networks.encoders import Encoder, PairDiscriminator
from gan_lessons.steps import adam, evaluating, frozen, update
from gan_lessons.training import Run, fit, preset


@dataclass(frozen=True)
class Config(Settings):
    """Settings of a BiGAN; the defaults are the `cpu` preset."""

    latent_dim: int = 16  # length of the noise z and of the code E(x)
    width: int = 16  # images: channels of the layer next to the image; doubles with every halving
    hidden: tuple[int, ...] = (128, 128)  # points: widths of the hidden layers
    pair_width: int = 256  # of what sample and code each become before they are joined
    steps: int = 2400  # updates of each network


PRESETS = {
    "smoke": Config(**SMOKE | {"hidden": (32,)}, pair_width=32, steps=30),
    "cpu": Config(),
    "gpu": Config(**GPU | {"width": 32}, latent_dim=32, pair_width=512, steps=12_000),
}


def encoder_loss(real_scores: Tensor) -> Tensor:
    """E softplus(D(x, E(x))): the encoder's pairs are to pass for the generator's.  [BIGAN-E]"""
    return softplus(real_scores).mean()


class BiGAN(Model):
    """Generator, encoder and the judge of their pairs, and one step of the game."""

    sampled = ("generator", "encoder")
    optimizers = ("discriminator_optimizer", "encoder_optimizer", "generator_optimizer")

    def __init__(self, config: Config):
        super().__init__(config)
        self.generator = Generator(config)
        self.encoder = Encoder(config)
        self.discriminator = PairDiscriminator(config)
        self.generator_optimizer = adam(self.generator, config.learning_rate, config.betas)
        self.encoder_optimizer = adam(self.encoder, config.learning_rate, config.betas)
        self.discriminator_optimizer = adam(self.discriminator, config.learning_rate, config.betas)

    def discriminator_step(self, real: Tensor) -> dict[str, Tensor]:
        z = self.noise(len(real))
        # This loss must move neither G nor E.
        fake, code = self.generator(z).detach(), self.encoder(real).detach()
        real_scores, fake_scores = self.discriminator(real, code), self.discriminator(fake, z)
        loss = discriminator_loss(real_scores, fake_scores)
        update(self.discriminator_optimizer, loss)
        return {
            "discriminator_loss": loss,
            "real_score": real_scores.mean(),
            "fake_score": fake_scores.mean(),
        }

    def encoder_step(self, real: Tensor) -> dict[str, Tensor]:
        with frozen(self.discriminator):  # D passes the gradient on, but is not to move
            real_scores = self.discriminator(real, self.encoder(real))
        loss = encoder_loss(real_scores)
        update(self.encoder_optimizer, loss)
        return {"encoder_loss": loss}

    def generator_step(self, n: int) -> dict[str, Tensor]:
        z = self.noise(n)
        with frozen(self.discriminator):  # D passes the gradient on, but is not to move
            fake_scores = self.discriminator(self.generator(z), z)
        loss = generator_loss(fake_scores)
        update(self.generator_optimizer, loss)
        return {"generator_loss": loss}

    def step(self, batch: Batch) -> dict[str, Tensor]:
        logged = self.discriminator_step(batch.x) | self.encoder_step(batch.x)
        return logged | self.generator_step(len(batch.x))

    def encode(self, x: Tensor) -> Tensor:
        """The codes E(x) of samples, shape (n, latent_dim), which `sample(z=…)` takes."""
        with evaluating(self):
            return self.encoder(self.checked(x))


def train(
    config: Config | str | None = None, data: TensorData | None = None, **options: Any
) -> Run:
    """Train on `data` (default: digits); presets, `seed`, `device` and all else as in `fit`."""
    return fit(BiGAN, preset(config, PRESETS), digits() if data is None else data, **options)

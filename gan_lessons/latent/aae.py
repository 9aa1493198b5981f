"""AAE: an autoencoder whose codes a discriminator makes follow a chosen distribution.

Makhzani, Shlens, Jaitly, Goodfellow, Frey, "Adversarial Autoencoders", 2015,
https://arxiv.org/abs/1511.05644.

Equations: [AAE-R] is the reconstruction phase. The two regularisation phases are the GAN's game on
codes: [AAE-D] is [GAN-D], with samples of the prior as the real side, and [AAE-E] is [GAN-G], with
the encoder in the generator's place. For the phase of the few labels, [AAE-C] is [ACGAN-C]. The
code of a Gaussian encoder is [AAE-Z], in `gan_lessons.networks.autoencoders` with all networks.
Deviations from the paper: narrower networks, Adam for SGD with momentum, the squared error for
outputs in [-1, 1], codes and samples from averaged weights.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from gan_lessons.data import Batch, FewLabels, TensorData, digits
from gan_lessons.foundations.gan import discriminator_loss, generator_loss
from gan_lessons.latent.acgan import class_loss
from gan_lessons.model import Model
from gan_lessons.networks.autoencoders import (
    GPU,
    SMOKE,
    ClassEncoder,
    ClassStyleDiscriminator,
    CodeDiscriminator,
    CodeEncoder,
    Decoder,
    GaussianEncoder,
    Settings,
)
from gan_lessons.steps import adam, evaluating, frozen, update
from gan_lessons.training import Run, fit, preset


@dataclass(frozen=True)
class Config(Settings):
    """Settings of an AAE; the defaults are the `cpu` preset."""

    modes: int = 1  # of the prior: 1 for N(0, I), or so many petals around the origin of the plane
    classes: int = 10  # SemiSupervisedAAE: length of the discrete part of the code
    adversarial_rate: float = 5e-4  # of Adam, for the two regularisation phases
    steps: int = 3000  # rounds of all phases


PRESETS = {
    "smoke": Config(**SMOKE, steps=40),
    "cpu": Config(),
    "gpu": Config(**GPU, adversarial_rate=2e-4, steps=20_000),
}


def reconstruction_loss(x: Tensor, reconstructions: Tensor) -> Tensor:
    """E |x - Dec(E(x))|^2 / d, d the numbers of one sample.  [AAE-R]"""
    return (x - reconstructions).square().mean()


def petals(n: int, modes: int, device: torch.device | None = None) -> Tensor:
    """`n` points (n, 2) from Gaussians on a circle of radius 2, drawn out along the radius."""
    angle = torch.randint(modes, (n,), device=device) * (2 * math.pi / modes)
    along, across = torch.randn(2, n, device=device) * torch.tensor([[0.5], [0.2]], device=device)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(n, 2, 2)
    return (turn @ torch.stack([2 + along, across], 1)[..., None])[..., 0]


class AAE(Model):
    """Encoder, decoder and discriminator of codes, and one round of the three phases."""

    sampled = ("encoder", "decoder")
    optimizers = ("reconstruction_optimizer", "discriminator_optimizer", "encoder_optimizer")
    encoder_class: type[CodeEncoder] = CodeEncoder
    discriminator_class: type[nn.Module] = CodeDiscriminator

    def __init__(self, config: Config):
        super().__init__(config)
        if config.modes > 1 and config.latent_dim != 2:
            raise ValueError(
                f"A prior of {config.modes} petals lies in the plane, but latent_dim is "
                f"{config.latent_dim}; set latent_dim=2, or modes=1 for N(0, I)."
            )
        code_dim = self.noise(1).shape[1]
        self.encoder = self.encoder_class(config)
        self.decoder = Decoder(config, code_dim)
        self.discriminator = self.discriminator_class(config, code_dim)
        autoencoder = nn.ModuleList([self.encoder, self.decoder])
        self.reconstruction_optimizer = adam(autoencoder, config.learning_rate, config.betas)
        rate, betas = config.adversarial_rate, config.betas
        self.discriminator_optimizer = adam(self.discriminator, rate, betas)
        self.encoder_optimizer = adam(self.encoder, rate, betas)

    def noise(self, n: int) -> Tensor:
        """z ~ p(z), the prior, shape (n, latent_dim): N(0, I), or petals in the plane."""
        device = next(self.parameters(), torch.empty(0)).device
        if self.config.modes > 1:
            return petals(n, self.config.modes, device)
        return torch.randn(n, self.config.latent_dim, device=device)

    def reconstruction_step(self, x: Tensor) -> dict[str, Tensor]:
        loss = reconstruction_loss(x, self.decoder(self.encoder(x)))
        update(self.reconstruction_optimizer, loss)
        return {"reconstruction_loss": loss}

    def discriminator_step(self, x: Tensor) -> dict[str, Tensor]:
        real = self.noise(len(x))  # what codes are to look like: the prior is the real side
        fake = self.encoder(x).detach()  # this loss must not move E
        real_scores, fake_scores = self.discriminator(real), self.discriminator(fake)
        loss = discriminator_loss(real_scores, fake_scores)
        update(self.discriminator_optimizer, loss)
        return {
            "discriminator_loss": loss,
            "prior_score": real_scores.mean(),
            "code_score": fake_scores.mean(),
        }

    def encoder_step(self, x: Tensor) -> dict[str, Tensor]:
        with frozen(self.discriminator):  # D passes the gradient on, but is not to move
            loss = generator_loss(self.discriminator(self.encoder(x)))
        update(self.encoder_optimizer, loss)
        return {"encoder_loss": loss}

    def step(self, batch: Batch) -> dict[str, Tensor]:
        logged = self.reconstruction_step(batch.x) | self.discriminator_step(batch.x)
        return logged | self.encoder_step(batch.x)

    def encode(self, x: Tensor) -> Tensor:
        """The codes of samples, which `sample(z=…)` decodes; a Gaussian encoder draws them."""
        with evaluating(self):
            return self.encoder(self.checked(x))

    def sample(self, n: int | None = None, *, z: Tensor | None = None) -> Tensor:
        """`n` decoded samples of the prior, or one sample for each code in `z` (n, code_dim)."""
        with evaluating(self):
            return self.decoder(self.noise_or(z, n))


class GaussianAAE(AAE):
    """The same phases; the encoder gives a Gaussian to each sample, and draws the code from it."""

    encoder_class = GaussianEncoder


class SemiSupervisedAAE(AAE):
    """The code is a class and a style, and a fourth phase teaches the class with few labels."""

    takes = (TensorData, FewLabels)
    needs_labels = True
    encoder_class = ClassEncoder
    discriminator_class = ClassStyleDiscriminator

    def noise(self, n: int) -> Tensor:
        """A one-hot class, all equally likely, beside a style from the prior of `AAE`."""
        style = super().noise(n)
        labels = torch.randint(self.config.classes, (n,), device=style.device)
        return torch.cat([one_hot(labels, self.config.classes).float(), style], dim=1)

    def classification_step(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
        loss = class_loss(self.encoder.logits(x), labels)
        update(self.encoder_optimizer, loss)
        return {"classification_loss": loss}

    def step(self, batch: Batch) -> dict[str, Tensor]:
        labelled = batch.x[: len(batch.y)]  # only the first images come with a label
        others = batch.x[len(batch.y) :]  # without these few, which every batch repeats
        if not len(others):  # every image has a label
            others = batch.x
        return super().step(Batch(others, None)) | self.classification_step(labelled, batch.y)

    def classify(self, x: Tensor) -> Tensor:
        """The likeliest class of each sample, int64 (n,)."""
        with evaluating(self):
            return self.encoder.logits(x).argmax(1)


def train(
    config: Config | str | None = None,
    data: TensorData | FewLabels | None = None,
    *,
    model_class: type[AAE] = AAE,
    **options: Any,
) -> Run:
    """Train on `data` (default: digits); presets, `seed`, `device` and all else as in `fit`.

    `model_class` is `AAE`, `GaussianAAE` or `SemiSupervisedAAE`. The last one needs labels, such as
    those of `few_labels(data)`.
    """
    config = preset(config, PRESETS)
    return fit(model_class, config, digits() if data is None else data, **options)

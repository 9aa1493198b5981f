"""ClusterGAN: a code that is partly discrete, and an encoder that finds it again in an image.

Mukherjee, Asnani, Lin, Kannan, "ClusterGAN: Latent Space Clustering in Generative Adversarial
Networks", AAAI 2019, https://arxiv.org/abs/1809.03627.

Equations: [CLUSTERGAN-Z] is the code. [CLUSTERGAN-D] is [GAN-D], [CLUSTERGAN-G] is [GAN-G]; with
[CLUSTERGAN-N] and [CLUSTERGAN-C] it makes [CLUSTERGAN-GE], the one loss of generator and encoder.
The encoder, and the distortion T before it, are in `gan_lessons.networks.encoders`.
Deviations from the paper: its formula with q = log, non-saturating, for the Wasserstein critic of
its experiments; DCGAN's networks; the class is read from distorted copies; for a short run a larger
learning rate, a noise scale of 0.5 for 0.1, a class weight of 1 for 10; averaged weights.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from gan_lessons.data import Batch, TensorData, digits
from gan_lessons.foundations.gan import discriminator_loss, generator_loss
from gan_lessons.model import Model, check_labels
from gan_lessons.networks.convolutions import GPU, SMOKE, Discriminator, Generator, Settings
from gan_lessons.networks.encoders import ClusterEncoder, distorted
from gan_lessons.steps import adam, evaluating, frozen, update
from gan_lessons.training import Run, fit, preset


@dataclass(frozen=True)
class Config(Settings):
    """Settings of a ClusterGAN; the defaults are the `cpu` preset."""

    classes: int = 10  # K, number of clusters: values of the discrete part of the code
    latent_dim: int = 30  # d_n, length of its continuous part z_n
    noise_scale: float = 0.5  # sigma, standard deviation of z_n
    noise_weight: float = 1 / 3  # beta_n; the loss is a sum over d_n: 10 for a mean over 30 numbers
    class_weight: float = 1.0  # beta_c, weight of the class loss
    bend: float = 0.3  # of the copies that the class is read from: change of each entry of a map
    stroke: float = 1.0  # the same: lines up to so many pixels thicker or thinner; 0 and 0: paper
    steps: int = 2000  # updates of each network


PRESETS = {
    "smoke": Config(**SMOKE, steps=30),
    "cpu": Config(),
    "gpu": Config(**GPU, steps=6_500),
}


def noise_loss(noise: Tensor, recovered: Tensor) -> Tensor:
    """E ||z_n - E_1(G(z))||^2; an E_1 that knows nothing has d_n sigma^2.  [CLUSTERGAN-N]"""
    return (noise - recovered).square().sum(dim=-1).mean()


def class_loss(classes: Tensor, logits: Tensor) -> Tensor:
    """E cross-entropy(z_c, E_2(T(G(z)))), from one-hot rows and logits.  [CLUSTERGAN-C]"""
    return -(classes * logits.log_softmax(dim=-1)).sum(dim=-1).mean()


class ClusterGAN(Model):
    """Generator, encoder and discriminator, and one step of the game."""

    sampled = ("generator", "encoder")
    optimizers = ("discriminator_optimizer", "generator_encoder_optimizer")

    def __init__(self, config: Config):
        super().__init__(config)
        self.generator = Generator(replace(config, latent_dim=config.latent_dim + config.classes))
        self.encoder = ClusterEncoder(config)
        self.discriminator = Discriminator(config, batch_norm=True)
        both = nn.ModuleList([self.generator, self.encoder])  # one loss, one optimiser
        self.generator_encoder_optimizer = adam(both, config.learning_rate, config.betas)
        self.discriminator_optimizer = adam(self.discriminator, config.learning_rate, config.betas)

    def noise(self, n: int, clusters: Tensor | None = None) -> Tensor:
        """z = (z_n, z_c): N(0, sigma^2 I) and a one-hot vector, random or given.  [CLUSTERGAN-Z]

        Shape (n, latent_dim + classes); `clusters`, int64 (n,), are the places of the ones.
        """
        z_n = self.config.noise_scale * super().noise(n)
        if clusters is None:
            clusters = torch.randint(self.config.classes, (n,), device=z_n.device)
        return torch.cat([z_n, one_hot(clusters, self.config.classes).float()], dim=1)

    def discriminator_step(self, real: Tensor) -> dict[str, Tensor]:
        fake = self.generator(self.noise(len(real))).detach()  # this loss must not move G
        real_scores, fake_scores = self.discriminator(real), self.discriminator(fake)
        loss = discriminator_loss(real_scores, fake_scores)
        update(self.discriminator_optimizer, loss)
        return {"discriminator_loss": loss}

    def generator_encoder_step(self, n: int) -> dict[str, Tensor]:
        """L_G + beta_n L_N + beta_c L_C, one loss for generator and encoder.  [CLUSTERGAN-GE]"""
        z = self.noise(n)
        z_n, z_c = z.split(self.encoder.sizes, dim=1)
        fake = self.generator(z)
        recovered, _ = self.encoder(fake)  # not detached: G shall draw what E can read
        _, logits = self.encoder(distorted(fake, self.config.bend, self.config.stroke))
        with frozen(self.discriminator):  # D passes the gradient on, but is not to move
            fooled = generator_loss(self.discriminator(fake))
        found, named = noise_loss(z_n, recovered), class_loss(z_c, logits)
        loss = fooled + self.config.noise_weight * found + self.config.class_weight * named
        update(self.generator_encoder_optimizer, loss)
        return {"generator_loss": fooled, "noise_loss": found, "class_loss": named}

    def step(self, batch: Batch) -> dict[str, Tensor]:
        return self.discriminator_step(batch.x) | self.generator_encoder_step(len(batch.x))

    def sample(
        self, n: int | None = None, *, z: Tensor | None = None, clusters: Tensor | None = None
    ) -> Tensor:
        """`n` samples of random clusters, or of those in `clusters`, or one for each code in `z`.

        `clusters` are `n` integers, int64 (n,), from 0 to classes - 1, else `ValueError`.
        """
        if clusters is not None:
            check_labels(clusters, n, self.config.classes)
            z = self.noise(n, clusters.to(next(self.parameters()).device))
        return super().sample(n, z=z)

    def encode(self, x: Tensor) -> Tensor:
        """Codes as `sample` takes them: the noise beside the probabilities of the clusters."""
        with evaluating(self):
            noise, logits = self.encoder(self.checked(x))
            return torch.cat([noise, logits.softmax(dim=1)], dim=1)

    def fixed_inputs(self, n: int, data: TensorData) -> dict[str, Tensor]:
        """What snapshots are made from: each row a cluster, each column a noise."""
        rows, columns = self.config.classes, -(-n // self.config.classes)
        clusters = torch.arange(rows, device=data.device).repeat_interleave(columns)
        z_n, z_c = self.noise(len(clusters), clusters).split(self.encoder.sizes, dim=1)
        return {"z": torch.cat([z_n[:columns].repeat(rows, 1), z_c], dim=1)}


def train(
    config: Config | str | None = None, data: TensorData | None = None, **options: Any
) -> Run:
    """Train on `data` (default: digits), whose labels are not looked at; all else as in `fit`."""
    return fit(ClusterGAN, preset(config, PRESETS), digits() if data is None else data, **options)

"""ClusterGAN: a code that is partly discrete, and an encoder that finds it again in an image.

Mukherjee, Asnani, Lin, Kannan, "ClusterGAN: Latent Space Clustering in Generative Adversarial
Networks", AAAI 2019, https://arxiv.org/abs/1809.03627.

Equations: the code is [CLUSTERGAN-Z]. The discriminator's loss is [CLUSTERGAN-D]. Generator and
encoder share [CLUSTERGAN-GE], the sum of [CLUSTERGAN-G], [CLUSTERGAN-N] and [CLUSTERGAN-C].
Deviations from the paper: its formula with q = log, non-saturating, for the Wasserstein critic of
its experiments; DCGAN's networks; the encoder reads the class of images from distorted copies;
for a short run a larger learning rate, a noise scale of 0.5 for 0.1 and a class weight of 1 for 10;
codes and samples from averaged weights.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample, max_pool2d, one_hot, pad, softplus

from gan_lessons.data import Batch, TensorData, digits
from gan_lessons.foundations.cgan import check_labels
from gan_lessons.foundations.dcgan import convolutions, layer_sizes
from gan_lessons.foundations.gan import perceptron
from gan_lessons.metrics import cluster_agreement, k_means
from gan_lessons.networks import Discriminator, Generator
from gan_lessons.steps import adam, evaluating, frozen, update
from gan_lessons.training import Run, fit, preset


@dataclass(frozen=True)
class Config:
    """Settings of a ClusterGAN; the defaults are the `cpu` preset."""

    shape: tuple[int, ...] = (1, 32, 32)  # of one sample; taken from the data
    classes: int = 10  # K, number of clusters: values of the discrete part of the code
    noise_dim: int = 30  # d_n, length of the continuous part z_n
    noise_scale: float = 0.5  # sigma, standard deviation of z_n
    width: int = 24  # images: channels next to the image; doubles with every halving
    hidden: tuple[int, ...] = (128, 128, 128)  # points: widths of the hidden layers
    noise_weight: float = 1 / 3  # beta_n; the loss is a sum over d_n: 10 for a mean over 30 numbers
    class_weight: float = 1.0  # beta_c, weight of the class loss
    bend: float = 0.3  # of the copies that the class is read from: change of each entry of a map
    stroke: float = 1.0  # the same: lines up to so many pixels thicker or thinner; 0 and 0: paper
    learning_rate: float = 1e-3  # of Adam, for all networks
    betas: tuple[float, float] = (0.5, 0.99)  # of Adam, for all networks
    batch_size: int = 64  # samples in one step
    steps: int = 2000  # updates of each network
    average_decay: float = 0.995  # of the averaged weights that samples and codes come from

    @property
    def latent_dim(self) -> int:
        """Length of the whole code z: noise and one-hot vector."""
        return self.noise_dim + self.classes


PRESETS = {
    "smoke": Config(width=4, hidden=(32, 32), batch_size=16, steps=30),
    "cpu": Config(),
    "gpu": Config(
        width=64,
        learning_rate=2e-4,
        betas=(0.5, 0.999),
        batch_size=128,
        steps=15_000,
        average_decay=0.999,
    ),
}


def discriminator_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """E softplus(-D(x)) + E softplus(D(G(z))).  [CLUSTERGAN-D]

    Both scores are logits of any shape; returns a scalar >= 0.
    """
    return softplus(-real_scores).mean() + softplus(fake_scores).mean()


def generator_loss(fake_scores: Tensor) -> Tensor:
    """E softplus(-D(G(z))), the non-saturating form.  [CLUSTERGAN-G]

    Takes logits of any shape; returns a scalar >= 0.
    """
    return softplus(-fake_scores).mean()


def noise_loss(noise: Tensor, recovered: Tensor) -> Tensor:
    """E ||z_n - E_1(G(z))||^2.  [CLUSTERGAN-N]

    Both are (n, noise_dim): a sum over the dimensions, a mean over the samples. An encoder that
    always answers 0 has noise_dim * noise_scale^2; only below that has it found anything.
    """
    return (noise - recovered).square().sum(dim=-1).mean()


def class_loss(classes: Tensor, logits: Tensor) -> Tensor:
    """E cross-entropy(z_c, E_2(T(G(z)))), from logits.  [CLUSTERGAN-C]

    One-hot rows and logits, both (n, classes); a mean over the samples. Returns a scalar >= 0; a
    guess has log(classes).
    """
    return -(classes * logits.log_softmax(dim=-1)).sum(dim=-1).mean()


def distorted(x: Tensor, bend: float, stroke: float) -> Tensor:
    """T: each image with thicker or thinner lines, and turned, sheared, scaled and shifted.

    What is done to each of the images (n, C, H, W) is drawn at random: lines of a bright drawing
    on a dark ground get up to `stroke` <= 1 pixels thicker or thinner, each entry of an affine map
    differs from the identity's by up to `bend`, and the shift is up to a sixth of that, in sides.
    """
    n, device = len(x), x.device
    thicker = max_pool2d(pad(x, (0, 1, 0, 1), mode="replicate"), 2, stride=1)
    thinner = -max_pool2d(pad(-x, (0, 1, 0, 1), mode="replicate"), 2, stride=1)
    towards = torch.where(torch.rand(n, 1, 1, 1, device=device) < 0.5, thicker, thinner)
    x = x.lerp(towards, stroke * torch.rand(n, 1, 1, 1, device=device))
    limits = bend * torch.tensor([1.0, 1.0, 1 / 3], device=device)  # of an image whose side is 2
    maps = torch.eye(2, 3, device=device) + limits * (2 * torch.rand(n, 2, 3, device=device) - 1)
    places = affine_grid(maps, x.shape, align_corners=False)
    return grid_sample(x, places, padding_mode="border", align_corners=False)


class Encoder(nn.Module):
    """E: samples (n, *shape) -> noise (n, noise_dim) and logits of the class (n, classes).

    Built as the discriminator, but without normalisation: a code depends on its sample alone.
    """

    def __init__(self, config: Config):
        super().__init__()
        self.sizes = [config.noise_dim, config.classes]
        if len(config.shape) == 3:
            features, maps = convolutions(config.width, config.shape, None)
            code = nn.Conv2d(maps, config.latent_dim, layer_sizes(config.shape)[0])
            self.layers = nn.Sequential(*features, code, nn.Flatten())
        else:
            sizes = [*config.shape, *config.hidden, config.latent_dim]
            self.layers = perceptron(sizes, nn.LeakyReLU(0.2))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        noise, logits = self.layers(x).split(self.sizes, dim=1)
        return noise, logits


class ClusterGAN(nn.Module):
    """Generator, encoder and discriminator, and one step of the game."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.generator = Generator(config)
        self.encoder = Encoder(config)
        self.discriminator = Discriminator(config, batch_norm=True)
        both = nn.ModuleList([self.generator, self.encoder])  # one loss, one optimiser
        self.generator_encoder_optimizer = adam(both, config.learning_rate, config.betas)
        self.discriminator_optimizer = adam(self.discriminator, config.learning_rate, config.betas)

    def code(self, n: int, clusters: Tensor | None = None) -> Tensor:
        """z = (z_n, z_c): N(0, sigma^2 I) and a random one-hot vector.  [CLUSTERGAN-Z]

        Shape (n, latent_dim). With `clusters`, int64 (n,), these are the places of the ones.
        """
        device, c = next(self.parameters()).device, self.config
        noise = c.noise_scale * torch.randn(n, c.noise_dim, device=device)
        if clusters is None:
            clusters = torch.randint(c.classes, (n,), device=device)
        return torch.cat([noise, one_hot(clusters, c.classes).float()], dim=1)

    def distort(self, x: Tensor) -> Tensor:
        """The copies from which E reads the class: images distorted, points as they are."""
        images = len(self.config.shape) == 3
        return distorted(x, self.config.bend, self.config.stroke) if images else x

    def discriminator_step(self, real: Tensor) -> dict[str, Tensor]:
        fake = self.generator(self.code(len(real))).detach()  # this loss must not move G
        real_scores, fake_scores = self.discriminator(real), self.discriminator(fake)
        loss = discriminator_loss(real_scores, fake_scores)
        update(self.discriminator_optimizer, loss)
        return {"discriminator_loss": loss}

    def generator_encoder_step(self, n: int) -> dict[str, Tensor]:
        """L_G + beta_n L_N + beta_c L_C, one loss for generator and encoder.  [CLUSTERGAN-GE]"""
        z = self.code(n)
        noise, classes = z.split(self.encoder.sizes, dim=1)
        fake = self.generator(z)
        recovered, _ = self.encoder(fake)  # not detached: G shall draw what E can read
        _, logits = self.encoder(self.distort(fake))
        with frozen(self.discriminator):  # D passes the gradient on, but is not to move
            fooled = generator_loss(self.discriminator(fake))
        found, named = noise_loss(noise, recovered), class_loss(classes, logits)
        loss = fooled + self.config.noise_weight * found + self.config.class_weight * named
        update(self.generator_encoder_optimizer, loss)
        return {"generator_loss": fooled, "noise_loss": found, "class_loss": named}

    def step(self, batch: Batch) -> dict[str, Tensor]:
        return self.discriminator_step(batch.x) | self.generator_encoder_step(len(batch.x))

    def sample(
        self, n: int | None = None, *, z: Tensor | None = None, clusters: Tensor | None = None
    ) -> Tensor:
        """`n` samples, of the given `clusters`, int64 (n,), or of random ones without them.

        Or one for each row of the code `z`, shape (n, latent_dim). Clusters that are not `n`
        integers from 0 to classes - 1 raise `ValueError`.
        """
        if clusters is not None:
            clusters = clusters.to(next(self.parameters()).device)
            check_labels(clusters, n, self.config.classes)
        with evaluating(self):
            return self.generator(self.code(n, clusters) if z is None else z)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Noise (n, noise_dim) and probabilities of the clusters (n, classes) of samples `x`."""
        with evaluating(self):
            noise, logits = self.encoder(x)
            return noise, logits.softmax(dim=1)

    def fixed_inputs(self, n: int, data: TensorData) -> dict[str, Tensor]:
        """What snapshots are made from: each row a cluster, each column a noise."""
        c, columns = self.config, -(-n // self.config.classes)
        clusters = torch.arange(c.classes, device=data.device).repeat_interleave(columns)
        z = self.code(len(clusters), clusters)
        z[:, : c.noise_dim] = z[:columns, : c.noise_dim].repeat(c.classes, 1)
        return {"z": z}


def encode(run: Run, x: Tensor, chunk: int = 500) -> tuple[Tensor, Tensor]:
    """Noise and cluster probabilities of samples `x` (n, *shape), by averaged weights, on the CPU.

    The cluster of a sample is the largest of its probabilities: `probabilities.argmax(dim=1)`.
    """
    parts = [run.averaged.encode(part.to(run.device)) for part in x.split(chunk)]
    noise, probabilities = (torch.cat(codes).cpu() for codes in zip(*parts, strict=True))
    return noise, probabilities


def measure(run: Run, data: TensorData) -> dict[str, float]:
    """How well the clusters agree with the labels of `data`, which should be held out.

    Accuracy, NMI and ARI (see `metrics.cluster_agreement`) of the encoder's own answer, and of
    k-means on its codes [E_1; softmax E_2], as in the paper. Labels are used to score and for
    nothing else.
    """
    noise, probabilities = encode(run, data.floats())
    own = cluster_agreement(probabilities.argmax(dim=1), data.labels.cpu())
    codes = torch.cat([noise, probabilities], dim=1)
    means = cluster_agreement(k_means(codes, run.config.classes), data.labels.cpu())
    return own._asdict() | {f"k_means_{name}": v for name, v in means._asdict().items()}


def train(
    config: Config | str | None = None,
    data: TensorData | None = None,
    *,
    seed: int = 0,
    device: str | torch.device | None = None,
    **options: Any,
) -> Run:
    """Train a ClusterGAN on `data` (default: digits); `options` as in `gan_lessons.training.fit`.

    `config` is a `Config`, the name of a preset, or None for the preset of the session's budget.
    Labels of the data are not looked at.
    """
    config = preset(config, PRESETS)
    data = digits() if data is None else data
    return fit(ClusterGAN, config, data, seed=seed, device=device, **options)

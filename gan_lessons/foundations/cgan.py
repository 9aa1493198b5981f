"""CGAN: the game under a condition; both players see the label, in one of two ways.

Mirza and Osindero, "Conditional Generative Adversarial Nets", 2014,
https://arxiv.org/abs/1411.1784.

Equations: [CGAN-D] and [CGAN-G], the non-saturating form of the conditional minimax [CGAN-V].
Two ways to show a network the label: `CGAN` joins it to the input, [CGAN-INPUT], the usual way in
code; `HiddenCGAN` maps both to hidden layers and joins those, [CGAN-HIDDEN], the paper's way.
Deviations from the paper: convolutions for multilayer perceptrons, ReLU for maxout, batch
normalisation for dropout, Adam for SGD with momentum, Gaussian noise for uniform noise, samples
from averaged weights.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, softplus

from gan_lessons.data import Batch, TensorData, digits
from gan_lessons.foundations.dcgan import (
    convolutions,
    initialise,
    layer_sizes,
    transposed_convolutions,
)
from gan_lessons.steps import adam, evaluating, frozen, update
from gan_lessons.training import Run, fit, preset


@dataclass(frozen=True)
class Config:
    """Settings of both CGANs; the defaults are the `cpu` preset."""

    shape: tuple[int, ...] = (1, 32, 32)  # of one image: channels, height, width; from the data
    classes: int = 10  # number of different labels
    latent_dim: int = 64  # length of the noise vector z
    hidden_label: int = 32  # HiddenCGAN: feature maps that the label becomes, in both players
    width: int = 24  # channels of the layer next to the image; doubles with every halving
    learning_rate: float = 1e-3  # of Adam, for both players
    betas: tuple[float, float] = (0.5, 0.99)  # of Adam, for both players
    batch_size: int = 64  # images in one step
    steps: int = 1800  # updates of each player
    average_decay: float = 0.995  # of the averaged weights that samples are drawn from


PRESETS = {
    "smoke": Config(width=4, batch_size=16, steps=30),
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
    """E softplus(-D(x, y)) + E softplus(D(G(z, y), y)).  [CGAN-D]

    Both scores are logits of any shape; returns a scalar >= 0.
    """
    return softplus(-real_scores).mean() + softplus(fake_scores).mean()


def generator_loss(fake_scores: Tensor) -> Tensor:
    """E softplus(-D(G(z, y), y)), the non-saturating form.  [CGAN-G]

    Takes logits of any shape; returns a scalar >= 0.
    """
    return softplus(-fake_scores).mean()


class InputGenerator(nn.Module):
    """G: noise (n, latent_dim), one-hot y (n, classes) -> images (n, *shape) in [-1, 1]."""

    def __init__(self, config: Config):
        super().__init__()
        self.layers = transposed_convolutions(
            config.latent_dim + config.classes, config.width, config.shape
        )

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return self.layers(torch.cat([z, y], dim=1)[:, :, None, None])


class InputDiscriminator(nn.Module):
    """D: images, one-hot y -> scores (n,). Each class is one more channel, filled with 0 or 1."""

    def __init__(self, config: Config):
        super().__init__()
        channels, *sides = config.shape
        shape = (channels + config.classes, *sides)
        self.features, n_features = convolutions(config.width, shape)
        self.score = nn.Conv2d(n_features, 1, layer_sizes(shape)[0]).apply(initialise)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        planes = y[:, :, None, None].expand(-1, -1, *x.shape[2:])
        return self.score(self.features(torch.cat([x, planes], dim=1))).flatten()


class HiddenGenerator(nn.Module):
    """G: noise and one-hot y become feature maps, each by a layer of its own, and are joined."""

    def __init__(self, config: Config):
        super().__init__()
        layers = transposed_convolutions(config.latent_dim, config.width, config.shape)
        first, joint, n_maps = layers[0], layers[3], config.hidden_label
        self.from_noise = layers[:3]  # transposed convolution, batch normalisation, ReLU
        self.from_label = nn.Sequential(
            nn.ConvTranspose2d(config.classes, n_maps, first.kernel_size, bias=False),
            nn.BatchNorm2d(n_maps),
            nn.ReLU(),
        ).apply(initialise)
        joint = nn.ConvTranspose2d(
            joint.in_channels + n_maps, joint.out_channels, 4, stride=2, padding=1, bias=False
        )
        self.layers = nn.Sequential(joint.apply(initialise), *layers[4:])

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        z, y = z[:, :, None, None], y[:, :, None, None]
        return self.layers(torch.cat([self.from_noise(z), self.from_label(y)], dim=1))


class HiddenDiscriminator(nn.Module):
    """D: image and one-hot y become feature maps, each by a layer of its own, and are joined."""

    def __init__(self, config: Config):
        super().__init__()
        layers, n_features = convolutions(config.width, config.shape)
        joint, n_maps = layers[2], config.hidden_label
        self.from_image = layers[:2]  # convolution, leaky ReLU
        self.from_label = nn.Sequential(nn.Linear(config.classes, n_maps), nn.LeakyReLU(0.2))
        joint = nn.Conv2d(
            joint.in_channels + n_maps, joint.out_channels, 4, stride=2, padding=1, bias=False
        )
        self.features = nn.Sequential(joint.apply(initialise), *layers[3:])
        self.score = nn.Conv2d(n_features, 1, layer_sizes(config.shape)[0]).apply(initialise)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        maps = self.from_image(x)
        planes = self.from_label(y)[:, :, None, None].expand(-1, -1, *maps.shape[2:])
        return self.score(self.features(torch.cat([maps, planes], dim=1))).flatten()


class CGAN(nn.Module):
    """Both players with the label at their input, and one step of the game."""

    networks: tuple[type[nn.Module], type[nn.Module]] = (InputGenerator, InputDiscriminator)

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.generator, self.discriminator = (network(config) for network in self.networks)
        self.generator_optimizer = adam(self.generator, config.learning_rate, config.betas)
        self.discriminator_optimizer = adam(self.discriminator, config.learning_rate, config.betas)

    def noise(self, n: int) -> Tensor:
        """z ~ N(0, I), shape (n, latent_dim)."""
        device = next(self.parameters()).device
        return torch.randn(n, self.config.latent_dim, device=device)

    def encode(self, labels: Tensor) -> Tensor:
        """Labels (n,) as one-hot rows (n, classes)."""
        return one_hot(labels, self.config.classes).float()

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

    def sample(
        self, n: int | None = None, *, z: Tensor | None = None, labels: Tensor | None = None
    ) -> Tensor:
        """`n` images of the classes `labels`, int64 (n,), or of random classes without them.

        One image for each row of `z`, if given. Labels that are not `n` integers from 0 to
        classes - 1 raise `ValueError`.
        """
        z = self.noise(n) if z is None else z
        if labels is None:
            labels = torch.randint(self.config.classes, (len(z),), device=z.device)
        labels = labels.to(z.device)
        check_labels(labels, len(z), self.config.classes)
        with evaluating(self):
            return self.generator(z, self.encode(labels))

    def fixed_inputs(self, n: int, data: TensorData) -> dict[str, Tensor]:
        """What snapshots are made from: each row a class, each column a noise."""
        columns = -(-n // self.config.classes)
        z = self.noise(columns).repeat(self.config.classes, 1)
        labels = torch.arange(self.config.classes, device=z.device).repeat_interleave(columns)
        return {"z": z, "labels": labels}


class HiddenCGAN(CGAN):
    """The same game and steps; the label joins in hidden layers, as in the paper."""

    networks = (HiddenGenerator, HiddenDiscriminator)


def check_labels(labels: Tensor, n: int, classes: int) -> None:
    """Raise `ValueError` unless `labels` are `n` integers, int64, from 0 to `classes` - 1."""
    if labels.shape != (n,) or labels.dtype != torch.int64:
        raise ValueError(
            f"labels must be {n:,} integers, torch.int64 of shape ({n},), not {labels.dtype} of "
            f"shape {tuple(labels.shape)}; torch.tensor([3, 1, 4]) makes some."
        )
    if n and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ValueError(
            f"labels run from {int(labels.min())} to {int(labels.max())}, but this model knows the "
            f"classes 0 to {classes - 1}; set Config(classes=…) to have more."
        )


def train(
    config: Config | str | None = None,
    data: TensorData | None = None,
    *,
    seed: int = 0,
    device: str | torch.device | None = None,
    model_class: type[CGAN] = CGAN,
    **options: Any,
) -> Run:
    """Train a CGAN on labelled `data` (default: digits); `options` are those of `training.fit`.

    `config` is a `Config`, the name of a preset, or None for the preset of the session's budget;
    `model_class` is `CGAN` or `HiddenCGAN`. Data without labels raises `ValueError`.
    """
    config = preset(config, PRESETS)
    data = digits() if data is None else data
    if data.labels is None:
        raise ValueError(
            f"CGAN needs labels, and {data.name} has none; sort the images into one folder a class."
        )
    check_labels(data.labels, len(data), config.classes)
    return fit(model_class, config, data, seed=seed, device=device, **options)

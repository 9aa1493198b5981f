"""DCGAN: the GAN's game, played by convolutional networks that follow five rules.

Radford, Metz, Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative
Adversarial Networks", ICLR 2016, https://arxiv.org/abs/1511.06434.

Equations: the GAN's, [DCGAN-D] and [DCGAN-G]; the contribution is the architecture.
Deviations from the paper: 28 to 64 pixels for 64, narrower networks, Gaussian noise for uniform
noise, a higher learning rate with a smaller batch, samples from averaged weights.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from gan_lessons.data import Batch, TensorData, digits
from gan_lessons.steps import adam, evaluating, frozen, update
from gan_lessons.training import Run, fit, preset


@dataclass(frozen=True)
class Config:
    """Settings of a DCGAN; the defaults are the `cpu` preset."""

    shape: tuple[int, ...] = (1, 32, 32)  # of one image: channels, height, width; from the data
    latent_dim: int = 64  # length of the noise vector z
    width: int = 24  # channels of the layer next to the image; doubles with every halving
    batch_norm: bool = True  # batch normalisation in the discriminator, too
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
    """E softplus(-D(x)) + E softplus(D(G(z))).  [DCGAN-D]

    Both scores are logits of any shape; returns a scalar >= 0.
    """
    return softplus(-real_scores).mean() + softplus(fake_scores).mean()


def generator_loss(fake_scores: Tensor) -> Tensor:
    """E softplus(-D(G(z))), the non-saturating form.  [DCGAN-G]

    Takes logits of any shape; returns a scalar >= 0.
    """
    return softplus(-fake_scores).mean()


def layer_sizes(shape: tuple[int, ...]) -> list[int]:
    """The sides of the feature maps from the smallest up to the image, such as [4, 8, 16, 32].

    Each is half the next, down to an odd side or 4 pixels. A shape other than square images with a
    side from 28 to 64 that is a multiple of 4 raises `ValueError`.
    """
    side = shape[-1]
    if len(shape) != 3 or shape[1] != side or side % 4 or not 28 <= side <= 64:
        raise ValueError(
            f"DCGAN takes square images whose side is a multiple of 4 from 28 to 64, not {shape}; "
            "load them with another size=…."
        )
    sizes = [side]
    while sizes[0] % 2 == 0 and sizes[0] >= 8:
        sizes.insert(0, sizes[0] // 2)
    return sizes


def initialise(module: nn.Module) -> None:
    """The paper's start: convolution weights from N(0, 0.02), batch-norm scales from N(1, 0.02).

    Only for networks with batch normalisation: without it, a signal fades behind such weights.
    """
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


Norm = Callable[[int], nn.Module]  # makes the normalisation of so many channels


def transposed_convolutions(
    n_inputs: int, width: int, shape: tuple[int, ...], norm: Norm | None = nn.BatchNorm2d
) -> nn.Sequential:
    """From (n, n_inputs, 1, 1) to images (n, *shape); each layer doubles the side.

    `norm` and ReLU everywhere but at the output, which is a tanh.
    """
    sizes = layer_sizes(shape)
    channels = [width * 2**i for i in reversed(range(len(sizes) - 1))]
    bias = norm is None  # a shift that normalisation would take away again
    layers: list[nn.Module] = [nn.ConvTranspose2d(n_inputs, channels[0], sizes[0], bias=bias)]
    for n_in, n_out in zip(channels, [*channels[1:], shape[0]], strict=True):
        layers += [norm(n_in)] if norm else []
        layers += [nn.ReLU(), nn.ConvTranspose2d(n_in, n_out, 4, 2, 1, bias=bias)]
    network = nn.Sequential(*layers, nn.Tanh())
    return network.apply(initialise) if norm else network


def convolutions(
    width: int, shape: tuple[int, ...], norm: Norm | None = nn.BatchNorm2d
) -> tuple[nn.Sequential, int]:
    """From images (n, *shape) to the smallest feature maps, and the number of those maps.

    Leaky ReLU everywhere; `norm` everywhere but at the input layer.
    """
    channels = [width * 2**i for i in range(len(layer_sizes(shape)) - 1)]
    layers = [nn.Conv2d(shape[0], width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    for n_in, n_out in pairwise(channels):
        layers += [nn.Conv2d(n_in, n_out, 4, stride=2, padding=1, bias=norm is None)]
        layers += [norm(n_out)] if norm else []
        layers += [nn.LeakyReLU(0.2)]
    network = nn.Sequential(*layers)
    return network.apply(initialise) if norm else network, channels[-1]


class Generator(nn.Module):
    """G: noise (n, latent_dim) -> images (n, *shape) in [-1, 1]."""

    def __init__(self, config: Config):
        super().__init__()
        self.layers = transposed_convolutions(config.latent_dim, config.width, config.shape)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z[:, :, None, None])


class Discriminator(nn.Module):
    """D: images (n, *shape) -> one score (n,), a logit: higher means more real."""

    def __init__(self, config: Config):
        super().__init__()
        norm = nn.BatchNorm2d if config.batch_norm else None
        self.features, n_maps = convolutions(config.width, config.shape, norm)
        self.score = nn.Conv2d(n_maps, 1, layer_sizes(config.shape)[0])
        if config.batch_norm:
            self.score.apply(initialise)

    def forward(self, x: Tensor) -> Tensor:
        return self.score(self.features(x)).flatten()


class DCGAN(nn.Module):
    """Both players, and one step of the game."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.generator = Generator(config)
        self.discriminator = Discriminator(config)
        self.generator_optimizer = adam(self.generator, config.learning_rate, config.betas)
        self.discriminator_optimizer = adam(self.discriminator, config.learning_rate, config.betas)

    def noise(self, n: int) -> Tensor:
        """z ~ N(0, I), shape (n, latent_dim)."""
        device = next(self.parameters()).device
        return torch.randn(n, self.config.latent_dim, device=device)

    def discriminator_step(self, real: Tensor) -> dict[str, Tensor]:
        fake = self.generator(self.noise(len(real))).detach()  # this loss must not move G
        # Two passes, so that batch normalisation never mixes real and fake statistics.
        real_scores, fake_scores = self.discriminator(real), self.discriminator(fake)
        loss = discriminator_loss(real_scores, fake_scores)
        update(self.discriminator_optimizer, loss)
        return {
            "discriminator_loss": loss,
            "real_score": real_scores.mean(),
            "fake_score": fake_scores.mean(),
        }

    def generator_step(self, n: int) -> dict[str, Tensor]:
        with frozen(self.discriminator):  # D passes the gradient on, but is not to move
            fake_scores = self.discriminator(self.generator(self.noise(n)))
        loss = generator_loss(fake_scores)
        update(self.generator_optimizer, loss)
        return {"generator_loss": loss}

    def step(self, batch: Batch) -> dict[str, Tensor]:
        return self.discriminator_step(batch.x) | self.generator_step(len(batch.x))

    def sample(self, n: int | None = None, *, z: Tensor | None = None) -> Tensor:
        """`n` images, or one for each row of the noise `z`, shape (n, latent_dim)."""
        with evaluating(self):
            return self.generator(self.noise(n) if z is None else z)


def train(
    config: Config | str | None = None,
    data: TensorData | None = None,
    *,
    seed: int = 0,
    device: str | torch.device | None = None,
    **options: Any,
) -> Run:
    """Train a DCGAN on `data` (default: digits); `options` are those of `gan_lessons.training.fit`.

    `config` is a `Config`, the name of a preset, or None for the preset of the session's budget.
    """
    config = preset(config, PRESETS)
    data = digits() if data is None else data
    return fit(DCGAN, config, data, seed=seed, device=device, **options)

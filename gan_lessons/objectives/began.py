"""BEGAN: the discriminator is an autoencoder, and a controller keeps the balance.

Berthelot, Schumm, Metz, "BEGAN: Boundary Equilibrium Generative Adversarial Networks", 2017,
https://arxiv.org/abs/1703.10717.

Equations: [BEGAN-L] is the error of the autoencoder, [BEGAN-D] and [BEGAN-G] the losses, [BEGAN-K]
the controller, [BEGAN-M] the measure of convergence.
Deviations from the paper: strided convolutions with DCGAN's generator for convolutions with
resampling, Gaussian noise for uniform noise, a constant and higher learning rate, a faster
controller for a shorter run, layer normalisation in the autoencoder for none, samples from averaged
weights.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gan_lessons.data import Batch, TensorData, digits
from gan_lessons.foundations.dcgan import (
    convolutions,
    layer_sizes,
    transposed_convolutions,
)
from gan_lessons.foundations.gan import perceptron
from gan_lessons.networks import Generator
from gan_lessons.steps import adam, evaluating, frozen, update
from gan_lessons.training import Run, fit, preset


@dataclass(frozen=True)
class Config:
    """Settings of a BEGAN; the defaults are the `cpu` preset."""

    shape: tuple[int, ...] = (1, 32, 32)  # of one sample; taken from the data
    latent_dim: int = 64  # length of the noise vector z
    width: int = 24  # images: channels next to the image; doubles with every halving
    hidden: tuple[int, ...] = (128, 128, 128)  # points: widths of the hidden layers
    code_dim: int = 16  # length of the autoencoder's code
    gamma: float = 0.9  # the wanted ratio of the errors, fakes over real samples
    gain: float = 0.5  # lambda_k, how fast the controller moves k
    learning_rate: float = 1e-3  # of Adam, for both players
    betas: tuple[float, float] = (0.5, 0.99)  # of Adam, for both players
    batch_size: int = 64  # samples in one step
    steps: int = 1200  # updates of each player
    average_decay: float = 0.995  # of the averaged weights that samples are drawn from


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


def errors(samples: Tensor, reconstructions: Tensor) -> Tensor:
    """mean |v - D(v)| over the numbers of each sample.  [BEGAN-L]

    Takes two tensors (n, *shape); returns one error >= 0 for each sample, shape (n,). Gradients
    pass through both arguments.
    """
    return (samples - reconstructions).abs().flatten(1).mean(1)


def discriminator_loss(real_errors: Tensor, fake_errors: Tensor, k: Tensor | float) -> Tensor:
    """E L(x) - k E L(G(z)).  [BEGAN-D]

    Takes errors of any shape and the control k in [0, 1]; returns a scalar.
    """
    return real_errors.mean() - k * fake_errors.mean()


def generator_loss(fake_errors: Tensor) -> Tensor:
    """E L(G(z)).  [BEGAN-G]

    Takes errors of any shape; returns a scalar >= 0.
    """
    return fake_errors.mean()


def balance(real_error: Tensor, fake_error: Tensor, gamma: float) -> Tensor:
    """gamma E L(x) - E L(G(z)): 0 at the equilibrium, positive where fakes are too easy."""
    return gamma * real_error - fake_error


def next_k(k: Tensor, off_balance: Tensor, gain: float) -> Tensor:
    """min(max(k + lambda_k (gamma E L(x) - E L(G(z))), 0), 1).  [BEGAN-K]

    No gradient passes through it.
    """
    return (k + gain * off_balance).detach().clamp(0, 1)


def convergence(real_error: Tensor, off_balance: Tensor) -> Tensor:
    """E L(x) + |gamma E L(x) - E L(G(z))|, the paper's global measure.  [BEGAN-M]"""
    return real_error + off_balance.abs()


def layer_norm(channels: int) -> nn.Module:
    """Normalisation over all channels and pixels of one sample."""
    return nn.GroupNorm(1, channels)


class Autoencoder(nn.Module):
    """D: samples (n, *shape) -> reconstructions (n, *shape), through a code (n, code_dim).

    The encoder is the discriminator of the sibling chapters, the decoder is shaped as the
    generator. Its normalisation is over the channels and pixels of one sample, so that the error
    of a sample depends on that sample alone.
    """

    def __init__(self, config: Config):
        super().__init__()
        if len(config.shape) == 3:
            encoder, maps = convolutions(config.width, config.shape, layer_norm)
            code = nn.Conv2d(maps, config.code_dim, layer_sizes(config.shape)[0])
            self.encoder = nn.Sequential(*encoder, code)
            decoder = transposed_convolutions(
                config.code_dim, config.width, config.shape, layer_norm
            )
            # No tanh: where it saturates, as on a black background, the error has no gradient.
            self.decoder = decoder[:-1]
        else:
            outside = [*config.shape, *config.hidden]
            self.encoder = perceptron([*outside, config.code_dim], nn.ReLU())
            self.decoder = perceptron([config.code_dim, *reversed(outside)], nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


class BEGAN(nn.Module):
    """Generator, autoencoder and controller, and one step of the game."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.generator = Generator(config)
        self.discriminator = Autoencoder(config)
        self.register_buffer("k", torch.tensor(0.0))  # a buffer, so that it is saved with the run
        self.generator_optimizer = adam(self.generator, config.learning_rate, config.betas)
        self.discriminator_optimizer = adam(self.discriminator, config.learning_rate, config.betas)

    def noise(self, n: int) -> Tensor:
        """z ~ N(0, I), shape (n, latent_dim)."""
        device = next(self.parameters()).device
        return torch.randn(n, self.config.latent_dim, device=device)

    def discriminator_step(self, real: Tensor) -> dict[str, Tensor]:
        fake = self.generator(self.noise(len(real))).detach()  # this loss must not move G
        real_errors = errors(real, self.discriminator(real))
        fake_errors = errors(fake, self.discriminator(fake))
        loss = discriminator_loss(real_errors, fake_errors, self.k)
        update(self.discriminator_optimizer, loss)
        return {"discriminator_loss": loss, "real_error": real_errors.mean()}

    def generator_step(self, n: int) -> dict[str, Tensor]:
        fake = self.generator(self.noise(n))
        with frozen(self.discriminator):  # D passes the gradient on, but is not to move
            loss = generator_loss(errors(fake, self.discriminator(fake)))
        update(self.generator_optimizer, loss)
        return {"generator_loss": loss}

    def control_step(self, real_error: Tensor, fake_error: Tensor) -> dict[str, Tensor]:
        off_balance = balance(real_error.detach(), fake_error.detach(), self.config.gamma)
        self.k.copy_(next_k(self.k, off_balance, self.config.gain))
        return {"k": self.k.clone(), "convergence": convergence(real_error, off_balance)}

    def step(self, batch: Batch) -> dict[str, Tensor]:
        logged = self.discriminator_step(batch.x) | self.generator_step(len(batch.x))
        return logged | self.control_step(logged["real_error"], logged["generator_loss"])

    def sample(self, n: int | None = None, *, z: Tensor | None = None) -> Tensor:
        """`n` samples, or one for each row of the noise `z`, shape (n, latent_dim)."""
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
    """Train a BEGAN on `data` (default: digits); `options` as in `gan_lessons.training.fit`.

    `config` is a `Config`, the name of a preset, or None for the preset of the session's budget.
    """
    config = preset(config, PRESETS)
    data = digits() if data is None else data
    return fit(BEGAN, config, data, seed=seed, device=device, **options)

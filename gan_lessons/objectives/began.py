"""BEGAN: the discriminator is an autoencoder, and a controller keeps the balance.

Berthelot, Schumm, Metz, "BEGAN: Boundary Equilibrium Generative Adversarial Networks", 2017,
https://arxiv.org/abs/1703.10717.

Equations: [BEGAN-L] is the error of the autoencoder, [BEGAN-D] and [BEGAN-G] the losses, [BEGAN-K]
the controller, [BEGAN-M] the measure of convergence. [BEGAN-INK] is not in the paper: an error in
proportion to the ink of a drawing, without which the generator saves ink instead of drawing well.
Deviations from the paper: strided convolutions with DCGAN's generator for convolutions with
resampling, Gaussian noise for uniform noise, a constant and higher learning rate, a faster
controller for a shorter run, layer normalisation in the autoencoder for none, samples from averaged
weights.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gan_lessons.data import Batch, TensorData, digits
from gan_lessons.model import Model
from gan_lessons.networks.autoencoders import Autoencoder
from gan_lessons.networks.convolutions import GPU, SMOKE, Generator, Settings
from gan_lessons.steps import adam, frozen, update
from gan_lessons.training import Run, fit, preset


@dataclass(frozen=True)
class Config(Settings):
    """Settings of a BEGAN; the defaults are the `cpu` preset."""

    width: int = 12  # narrower than its siblings, because what helps this game is many steps
    batch_size: int = 32
    code_dim: int = 16  # length of the autoencoder's code
    gamma: float = 1.0  # the wanted ratio of the errors, fakes over real samples
    gain: float = 0.5  # lambda_k, how fast the controller moves k
    steps: int = 4500  # updates of each player


PRESETS = {
    "smoke": Config(**SMOKE, steps=30),
    "cpu": Config(),
    "gpu": Config(**GPU, steps=6_000),
}


def errors(samples: Tensor, reconstructions: Tensor) -> Tensor:
    """mean |v - D(v)| over the numbers of each sample.  [BEGAN-L]

    Takes two tensors (n, *shape); returns one error >= 0 for each sample, shape (n,). Gradients
    pass through both arguments.
    """
    return (samples - reconstructions).abs().flatten(1).mean(1)


def relative_errors(samples: Tensor, reconstructions: Tensor, paper: float = 0.05) -> Tensor:
    """L(v) / (eps + mean (v + 1)), for bright strokes on a background of -1.  [BEGAN-INK]

    Takes and returns what `errors` does; `paper` is eps, so that an empty sheet has an error, too.
    """
    ink = (samples + 1).flatten(1).mean(1)
    return errors(samples, reconstructions) / (ink + paper)


def discriminator_loss(real_errors: Tensor, fake_errors: Tensor, k: Tensor | float) -> Tensor:
    """E L(x) - k E L(G(z)).  [BEGAN-D]"""
    return real_errors.mean() - k * fake_errors.mean()


def generator_loss(fake_errors: Tensor) -> Tensor:
    """E L(G(z)).  [BEGAN-G]"""
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


class BEGAN(Model):
    """Generator, autoencoder and controller, and one step of the game."""

    def __init__(self, config: Config):
        super().__init__(config)
        self.generator = Generator(config)
        self.discriminator = Autoencoder(config)
        self.register_buffer("k", torch.tensor(0.0))  # a buffer, so that it is saved with the run
        self.generator_optimizer = adam(self.generator, config.learning_rate, config.betas)
        self.discriminator_optimizer = adam(self.discriminator, config.learning_rate, config.betas)

    def errors(self, samples: Tensor) -> Tensor:
        """How badly D redraws each of the samples (n, *shape), shape (n,)."""
        return errors(samples, self.discriminator(samples))

    def discriminator_step(self, real: Tensor) -> dict[str, Tensor]:
        fake = self.generator(self.noise(len(real))).detach()  # this loss must not move G
        real_errors, fake_errors = self.errors(real), self.errors(fake)
        loss = discriminator_loss(real_errors, fake_errors, self.k)
        update(self.discriminator_optimizer, loss)
        return {"discriminator_loss": loss, "real_error": real_errors.mean()}

    def generator_step(self, n: int) -> dict[str, Tensor]:
        fake = self.generator(self.noise(n))
        with frozen(self.discriminator):  # D passes the gradient on, but is not to move
            loss = generator_loss(self.errors(fake))
        update(self.generator_optimizer, loss)
        return {"generator_loss": loss}

    def control_step(self, real_error: Tensor, fake_error: Tensor) -> dict[str, Tensor]:
        off_balance = balance(real_error.detach(), fake_error.detach(), self.config.gamma)
        self.k.copy_(next_k(self.k, off_balance, self.config.gain))
        return {"k": self.k.clone(), "convergence": convergence(real_error, off_balance)}

    def step(self, batch: Batch) -> dict[str, Tensor]:
        logged = self.discriminator_step(batch.x) | self.generator_step(len(batch.x))
        return logged | self.control_step(logged["real_error"], logged["generator_loss"])


class DrawingBEGAN(BEGAN):
    """BEGAN for drawings: every error counts in proportion to the ink of its image."""

    def errors(self, samples: Tensor) -> Tensor:
        return relative_errors(samples, self.discriminator(samples))


def train(
    config: Config | str | None = None,
    data: TensorData | None = None,
    model_class: type[BEGAN] = DrawingBEGAN,
    **options: Any,
) -> Run:
    """Train on `data` (default: digits); presets, `seed`, `device` and all else as in `fit`.

    `model_class` may be `BEGAN`, with the paper's error, which also takes points.
    """
    data = digits() if data is None else data
    return fit(model_class, preset(config, PRESETS), data, **options)

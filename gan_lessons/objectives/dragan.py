"""DRAGAN: the GAN's game, with a penalty on the discriminator's slope around the data only.

Kodali, Abernethy, Hays, Kira, "On Convergence and Stability of GANs", 2017,
https://arxiv.org/abs/1705.07215.

Equations: [DRAGAN-D] is [DRAGAN-A] plus `penalty_weight` times [DRAGAN-P] at the points [DRAGAN-X];
the generator's loss is [DRAGAN-G].
Deviations from the paper: DCGAN's small networks, no normalisation in the discriminator, larger
learning rates, samples from averaged weights. The noise is the paper's centred Gaussian, scaled by
the spread of the data; the authors' code has a one-sided uniform noise.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from gan_lessons.data import Batch, TensorData, digits
from gan_lessons.networks import Discriminator, Generator
from gan_lessons.steps import adam, evaluating, frozen, update
from gan_lessons.training import Run, fit, preset


@dataclass(frozen=True)
class Config:
    """Settings of a DRAGAN; the defaults are the `cpu` preset."""

    shape: tuple[int, ...] = (1, 32, 32)  # of one sample; taken from the data
    latent_dim: int = 64  # length of the noise vector z
    width: int = 24  # images: channels next to the image; doubles with every halving
    hidden: tuple[int, ...] = (128, 128, 128)  # points: widths of the hidden layers
    penalty_weight: float = 10.0  # lambda, the weight of the gradient penalty
    slope: float = 1.0  # k, the slope that the penalty asks for
    noise_scale: float = 0.5  # size of the noise around the data, in units of the data's spread
    learning_rate: float = 1e-3  # of Adam, for both players
    betas: tuple[float, float] = (0.5, 0.99)  # of Adam, for both players
    batch_size: int = 64  # samples in one step
    steps: int = 1500  # updates of each player
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


def discriminator_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """E softplus(-D(x)) + E softplus(D(G(z))), without the penalty.  [DRAGAN-A]

    Both scores are logits of any shape; returns a scalar >= 0.
    """
    return softplus(-real_scores).mean() + softplus(fake_scores).mean()


def generator_loss(fake_scores: Tensor) -> Tensor:
    """E softplus(-D(G(z))), the non-saturating form.  [DRAGAN-G]

    Takes logits of any shape; returns a scalar >= 0.
    """
    return softplus(-fake_scores).mean()


def around(real: Tensor, scale: float) -> Tensor:
    """x + d with d ~ N(0, (scale s)^2 I), s the spread of all numbers of the batch.  [DRAGAN-X]

    `real` has shape (n, *shape), and so has the result.
    """
    return real + scale * real.std() * torch.randn_like(real)


def gradient_norms(discriminator: nn.Module, points: Tensor) -> Tensor:
    """||grad D(x)||, one norm for each of the points (n, *shape), over all of its dimensions.

    The result (n,) can be differentiated with respect to the discriminator's weights.
    """
    points = points.detach().requires_grad_()
    # The sum has the gradient of every score at its own point, if no score depends on other points.
    (gradients,) = torch.autograd.grad(discriminator(points).sum(), points, create_graph=True)
    return gradients.flatten(1).norm(2, dim=1)


def gradient_penalty(norms: Tensor, slope: float = 1.0) -> Tensor:
    """E (||grad D(x + d)|| - k)^2, without its weight.  [DRAGAN-P]

    Takes one norm for each point, shape (n,); returns a scalar >= 0.
    """
    return ((norms - slope) ** 2).mean()


class DRAGAN(nn.Module):
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
        """One update on [DRAGAN-A] + lambda [DRAGAN-P] at the points [DRAGAN-X].  [DRAGAN-D]"""
        fake = self.generator(self.noise(len(real))).detach()  # this loss must not move G
        real_scores, fake_scores = self.discriminator(real), self.discriminator(fake)
        norms = gradient_norms(self.discriminator, around(real, self.config.noise_scale))
        loss = discriminator_loss(real_scores, fake_scores)
        loss = loss + self.config.penalty_weight * gradient_penalty(norms, self.config.slope)
        update(self.discriminator_optimizer, loss)
        return {
            "discriminator_loss": loss,
            "real_score": real_scores.mean(),
            "fake_score": fake_scores.mean(),
            "gradient_norm": norms.mean(),
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
    """Train a DRAGAN on `data` (default: digits); `options` as in `gan_lessons.training.fit`.

    `config` is a `Config`, the name of a preset, or None for the preset of the session's budget.
    """
    config = preset(config, PRESETS)
    data = digits() if data is None else data
    return fit(DRAGAN, config, data, seed=seed, device=device, **options)

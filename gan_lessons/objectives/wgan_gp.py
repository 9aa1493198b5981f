"""WGAN-GP: a penalty on the critic's slope in place of clipped weights.

Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville, "Improved Training of Wasserstein GANs", NIPS 2017,
https://arxiv.org/abs/1704.00028.

Equations: [WGANGP-D] is [WGANGP-W] plus `penalty_weight` times [WGANGP-P] at the points [WGANGP-X];
the generator's loss is [WGANGP-G].
Deviations from the paper: DCGAN's small networks, no normalisation at all in the critic, a larger
learning rate for a shorter run, samples from averaged weights.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gan_lessons.data import Batch, TensorData, digits
from gan_lessons.networks import Discriminator, Generator
from gan_lessons.steps import adam, evaluating, frozen, update
from gan_lessons.training import Run, fit, preset


@dataclass(frozen=True)
class Config:
    """Settings of a WGAN-GP; the defaults are the `cpu` preset."""

    shape: tuple[int, ...] = (1, 32, 32)  # of one sample; taken from the data
    latent_dim: int = 64  # length of the noise vector z
    width: int = 24  # images: channels next to the image; doubles with every halving
    hidden: tuple[int, ...] = (128, 128, 128)  # points: widths of the hidden layers
    penalty_weight: float = 10.0  # lambda, the weight of the gradient penalty
    critic_steps: int = 5  # updates of the critic for one of the generator
    learning_rate: float = 1e-3  # of Adam, for both players
    betas: tuple[float, float] = (0.0, 0.9)  # of Adam, for both players
    batch_size: int = 64  # samples in one update
    steps: int = 600  # updates of the generator
    average_decay: float = 0.995  # of the averaged weights that samples are drawn from


PRESETS = {
    "smoke": Config(width=4, hidden=(32, 32), critic_steps=2, batch_size=16, steps=20),
    "cpu": Config(),
    "gpu": Config(width=64, learning_rate=1e-4, steps=10_000, average_decay=0.999),
}


def critic_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """E D(G(z)) - E D(x), without the penalty.  [WGANGP-W]

    Takes scores of any shape; returns a scalar of either sign.
    """
    return fake_scores.mean() - real_scores.mean()


def generator_loss(fake_scores: Tensor) -> Tensor:
    """-E D(G(z)).  [WGANGP-G]

    Takes scores of any shape; returns a scalar of either sign.
    """
    return -fake_scores.mean()


def between(real: Tensor, fake: Tensor) -> Tensor:
    """e x + (1 - e) G(z) with one e ~ U[0, 1] for each sample.  [WGANGP-X]

    `real` and `fake` have the same shape (n, *shape), and so has the result.
    """
    e = torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device)
    return e * real + (1 - e) * fake


def gradient_norms(critic: nn.Module, points: Tensor) -> Tensor:
    """||grad D(x)||, one norm for each of the points (n, *shape), over all of its dimensions.

    The result (n,) can be differentiated with respect to the critic's weights.
    """
    points = points.detach().requires_grad_()
    # The sum has the gradient of every score at its own point, if no score depends on other points.
    (gradients,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
    return gradients.flatten(1).norm(2, dim=1)


def gradient_penalty(norms: Tensor) -> Tensor:
    """E (||grad D(x^)|| - 1)^2, without its weight.  [WGANGP-P]

    Takes one norm for each point, shape (n,); returns a scalar >= 0.
    """
    return ((norms - 1) ** 2).mean()


class WGANGP(nn.Module):
    """Generator and critic, and one step of the game."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.samples_per_step = config.critic_steps * config.batch_size
        self.generator = Generator(config)
        self.critic = Discriminator(config)
        self.generator_optimizer = adam(self.generator, config.learning_rate, config.betas)
        self.critic_optimizer = adam(self.critic, config.learning_rate, config.betas)

    def noise(self, n: int) -> Tensor:
        """z ~ N(0, I), shape (n, latent_dim)."""
        device = next(self.parameters()).device
        return torch.randn(n, self.config.latent_dim, device=device)

    def critic_step(self, real: Tensor) -> dict[str, Tensor]:
        """One update on E D(G(z)) - E D(x) + lambda E (||grad D(x^)|| - 1)^2.  [WGANGP-D]"""
        fake = self.generator(self.noise(len(real))).detach()  # this loss must not move G
        distance = critic_loss(self.critic(real), self.critic(fake))
        norms = gradient_norms(self.critic, between(real, fake))
        loss = distance + self.config.penalty_weight * gradient_penalty(norms)
        update(self.critic_optimizer, loss)
        return {"critic_loss": loss, "estimate": -distance, "gradient_norm": norms.mean()}

    def generator_step(self, n: int) -> dict[str, Tensor]:
        with frozen(self.critic):  # the critic passes the gradient on, but is not to move
            fake_scores = self.critic(self.generator(self.noise(n)))
        loss = generator_loss(fake_scores)
        update(self.generator_optimizer, loss)
        return {"generator_loss": loss}

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """`critic_steps` updates of the critic, each on samples of its own, then one of G."""
        for real in batch.x.split(self.config.batch_size):
            logged = self.critic_step(real)
        return logged | self.generator_step(self.config.batch_size)

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
    """Train a WGAN-GP on `data` (default: digits); `options` as in `gan_lessons.training.fit`.

    `config` is a `Config`, the name of a preset, or None for the preset of the session's budget.
    """
    config = preset(config, PRESETS)
    data = digits() if data is None else data
    return fit(WGANGP, config, data, seed=seed, device=device, **options)

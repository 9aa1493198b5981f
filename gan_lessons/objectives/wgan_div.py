"""WGAN-div: the Wasserstein divergence, which needs no bound on the critic's slope.

Wu, Huang, Thoma, Acharya, Van Gool, "Wasserstein Divergence for GANs", ECCV 2018,
https://arxiv.org/abs/1712.01026.

Equations: [WGANDIV-D] is [WGANDIV-W] plus `penalty_weight`, the paper's k, times [WGANDIV-P] with
the paper's p as `power`; the generator's loss is [WGANDIV-G].
Deviations from the paper: DCGAN's small networks, no normalisation at all in the critic, the critic
is high on real samples, a larger learning rate for a shorter run, samples from averaged weights.
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
    """Settings of a WGAN-div; the defaults are the `cpu` preset."""

    shape: tuple[int, ...] = (1, 32, 32)  # of one sample; taken from the data
    latent_dim: int = 64  # length of the noise vector z
    width: int = 24  # images: channels next to the image; doubles with every halving
    hidden: tuple[int, ...] = (128, 128, 128)  # points: widths of the hidden layers
    penalty_weight: float = 2.0  # k, the weight of the gradient penalty
    power: float = 6.0  # p, the power of the slope in the penalty
    critic_steps: int = 3  # updates of the critic for one of the generator
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
    """E D(G(z)) - E D(x), without the penalty.  [WGANDIV-W]

    Takes scores of any shape; returns a scalar of either sign.
    """
    return fake_scores.mean() - real_scores.mean()


def generator_loss(fake_scores: Tensor) -> Tensor:
    """-E D(G(z)).  [WGANDIV-G]

    Takes scores of any shape; returns a scalar of either sign.
    """
    return -fake_scores.mean()


def between(real: Tensor, fake: Tensor) -> Tensor:
    """e x + (1 - e) G(z) with one e ~ U[0, 1] for each sample.  [WGANDIV-X]

    `real` and `fake` have the same shape (n, *shape), and so has the result.
    """
    e = torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device)
    return e * real + (1 - e) * fake


def squared_gradients(critic: nn.Module, points: Tensor) -> Tensor:
    """||grad D(x)||^2, one number for each of the points (n, *shape), over all of its dimensions.

    The result (n,) can be differentiated with respect to the critic's weights. It is left squared,
    because a root has no gradient at 0.
    """
    points = points.detach().requires_grad_()
    # The sum has the gradient of every score at its own point, if no score depends on other points.
    (gradients,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
    return gradients.flatten(1).square().sum(1)


def slope_penalty(squared: Tensor, power: float = 6.0) -> Tensor:
    """E ||grad D(x^)||^p, without its weight.  [WGANDIV-P]

    Takes one squared slope for each point, shape (n,); returns a scalar >= 0.
    """
    return (squared ** (power / 2)).mean()


class WGANDiv(nn.Module):
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
        """One update on E D(G(z)) - E D(x) + k E ||grad D(x^)||^p.  [WGANDIV-D]"""
        fake = self.generator(self.noise(len(real))).detach()  # this loss must not move G
        distance = critic_loss(self.critic(real), self.critic(fake))
        squared = squared_gradients(self.critic, between(real, fake))
        penalty = slope_penalty(squared, self.config.power)
        loss = distance + self.config.penalty_weight * penalty
        update(self.critic_optimizer, loss)
        return {"critic_loss": loss, "estimate": -distance, "gradient_norm": squared.sqrt().mean()}

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
    """Train a WGAN-div on `data` (default: digits); `options` as in `gan_lessons.training.fit`.

    `config` is a `Config`, the name of a preset, or None for the preset of the session's budget.
    """
    config = preset(config, PRESETS)
    data = digits() if data is None else data
    return fit(WGANDiv, config, data, seed=seed, device=device, **options)

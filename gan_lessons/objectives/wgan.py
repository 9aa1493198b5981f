"""WGAN: a critic estimates how far the fakes have to move; clipped weights bound its slope.

Arjovsky, Chintala, Bottou, "Wasserstein GAN", ICML 2017, https://arxiv.org/abs/1701.07875.

Equations: [WGAN-D], [WGAN-G], and the clipping [WGAN-CLIP] after every step of the critic.
Deviations from the paper: DCGAN's small networks, no normalisation in the critic, larger learning
rates and a larger limit for a shorter run, samples from averaged weights.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gan_lessons.data import Batch, TensorData, digits
from gan_lessons.networks import Discriminator, Generator
from gan_lessons.steps import evaluating, frozen, rmsprop, update
from gan_lessons.training import Run, fit, preset


@dataclass(frozen=True)
class Config:
    """Settings of a WGAN; the defaults are the `cpu` preset."""

    shape: tuple[int, ...] = (1, 32, 32)  # of one sample; taken from the data
    latent_dim: int = 64  # length of the noise vector z
    width: int = 24  # images: channels next to the image; doubles with every halving
    hidden: tuple[int, ...] = (128, 128, 128)  # points: widths of the hidden layers
    clip: float = 0.01  # the limit c of the critic's weights
    critic_steps: int = 5  # updates of the critic for one of the generator
    learning_rate: float = 2e-4  # of RMSProp, for the critic
    generator_learning_rate: float = 1e-3  # of RMSProp, for the generator
    batch_size: int = 64  # samples in one update
    steps: int = 800  # updates of the generator
    average_decay: float = 0.995  # of the averaged weights that samples are drawn from


PRESETS = {
    "smoke": Config(width=4, hidden=(32, 32), critic_steps=2, batch_size=16, steps=20),
    "cpu": Config(),
    "gpu": Config(
        width=64,
        learning_rate=5e-5,
        generator_learning_rate=5e-4,
        steps=20_000,
        average_decay=0.999,
    ),
}


def critic_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """E D(G(z)) - E D(x); its negative is the estimate of the distance.  [WGAN-D]

    Takes scores of any shape; returns a scalar of either sign.
    """
    return fake_scores.mean() - real_scores.mean()


def generator_loss(fake_scores: Tensor) -> Tensor:
    """-E D(G(z)).  [WGAN-G]

    Takes scores of any shape; returns a scalar of either sign.
    """
    return -fake_scores.mean()


@torch.no_grad()
def clip_weights(module: nn.Module, limit: float) -> None:
    """w <- min(max(w, -c), c) for every weight and bias, in place.  [WGAN-CLIP]

    Buffers, such as the statistics of batch normalisation, are no parameters and stay as they are:
    a network that has them is not bounded by this. A limit that is not positive raises
    `ValueError`.
    """
    if limit <= 0:
        raise ValueError(f"The limit of the weights must be positive, not {limit}.")
    for parameter in module.parameters():
        parameter.clamp_(-limit, limit)


class WGAN(nn.Module):
    """Generator and critic, and one step of the game."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.samples_per_step = config.critic_steps * config.batch_size
        self.generator = Generator(config)
        self.critic = Discriminator(config)
        self.generator_optimizer = rmsprop(self.generator, config.generator_learning_rate)
        self.critic_optimizer = rmsprop(self.critic, config.learning_rate)

    def noise(self, n: int) -> Tensor:
        """z ~ N(0, I), shape (n, latent_dim)."""
        device = next(self.parameters()).device
        return torch.randn(n, self.config.latent_dim, device=device)

    def critic_step(self, real: Tensor) -> dict[str, Tensor]:
        fake = self.generator(self.noise(len(real))).detach()  # this loss must not move G
        loss = critic_loss(self.critic(real), self.critic(fake))
        update(self.critic_optimizer, loss)
        clip_weights(self.critic, self.config.clip)  # after the update: G faces a clipped critic
        return {"critic_loss": loss, "estimate": -loss}

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
    """Train a WGAN on `data` (default: digits); `options` as in `gan_lessons.training.fit`.

    `config` is a `Config`, the name of a preset, or None for the preset of the session's budget.
    """
    config = preset(config, PRESETS)
    data = digits() if data is None else data
    return fit(WGAN, config, data, seed=seed, device=device, **options)

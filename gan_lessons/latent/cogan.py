"""CoGAN: two GANs that share layers, so that one noise draws the same thing in two styles.

Liu, Tuzel, "Coupled Generative Adversarial Networks", NIPS 2016, https://arxiv.org/abs/1606.07536.

Equations: [COGAN-D] and [COGAN-G], the non-saturating form of the sum of two games [COGAN-V]; the
contribution is what the networks share, [COGAN-TIE]. How well two images belong together is
measured in `gan_lessons.metrics.agreement`.
Deviations from the paper: DCGAN's layers, narrower, for its own; Gaussian noise for uniform noise,
32 pixels for 28, a higher learning rate, no weight decay, samples from averaged weights.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from gan_lessons import metrics
from gan_lessons.data import Batch, TensorData, TwoDomains, digits_in_two_styles
from gan_lessons.foundations.dcgan import (
    convolutions,
    initialise,
    layer_sizes,
    transposed_convolutions,
)
from gan_lessons.metrics.agreement import compare_pairs
from gan_lessons.steps import adam, evaluating, frozen, update
from gan_lessons.training import Run, fit, preset


@dataclass(frozen=True)
class Config:
    """Settings of a CoGAN; the defaults are the `cpu` preset."""

    shape: tuple[int, ...] = (1, 32, 32)  # of one image, in both domains; from the data
    latent_dim: int = 64  # length of the noise vector z, one for both generators
    width: int = 24  # channels of the layer next to the image; doubles with every halving
    own_generator_layers: int = 1  # convolutions next to the image that each generator has alone
    own_discriminator_layers: int = 1  # the same for the discriminators; all others are shared
    learning_rate: float = 1e-3  # of Adam, for all players
    betas: tuple[float, float] = (0.5, 0.99)  # of Adam, for all players
    batch_size: int = 64  # images of each domain in one step
    steps: int = 1200  # updates of each player
    average_decay: float = 0.995  # of the averaged weights that samples are drawn from


PRESETS = {
    "smoke": Config(width=4, batch_size=16, steps=30),
    "cpu": Config(),
    "gpu": Config(
        width=64,
        learning_rate=2e-4,
        betas=(0.5, 0.999),
        batch_size=128,
        steps=10_000,
        average_decay=0.999,
    ),
}


def discriminator_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """sum_i E softplus(-D_i(x_i)) + E softplus(D_i(G_i(z))).  [COGAN-D]

    Both are logits, (2, n): one row a domain. The mean goes over each row, the sum over both.
    """
    return (softplus(-real_scores).mean(-1) + softplus(fake_scores).mean(-1)).sum()


def generator_loss(fake_scores: Tensor) -> Tensor:
    """sum_i E softplus(-D_i(G_i(z))), the non-saturating form.  [COGAN-G]

    Takes logits (2, n), one row a domain; the mean goes over each row, the sum over both.
    """
    return softplus(-fake_scores).mean(-1).sum()


def cut(layers: nn.Sequential, own: int, at_end: bool) -> tuple[nn.Sequential, nn.Sequential]:
    """`layers` in two, so that one part has `own` convolutions: the last ones, or the first.

    `own` outside 1 to the number of convolutions raises `ValueError`.
    """
    starts = [i for i, m in enumerate(layers) if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    if not 1 <= own <= len(starts):
        raise ValueError(
            f"{own} own layers are not possible: this network has {len(starts)} convolutions. "
            f"Choose from 1 to {len(starts)}, with which nothing is shared."
        )
    place = [*starts, len(layers)][-1 - own if at_end else own]
    return layers[:place], layers[place:]


def _drawing_layers(config: Config) -> nn.Sequential:
    """DCGAN's generator up to maps as large as the image, and one convolution that paints them."""
    channels, *sides = config.shape
    n_maps = config.width // 2
    maps = transposed_convolutions(config.latent_dim, config.width, (n_maps, *sides))[:-1]
    paint = nn.Conv2d(n_maps, channels, 5, padding=2)
    tail = nn.Sequential(nn.BatchNorm2d(n_maps), nn.ReLU(), paint, nn.Tanh()).apply(initialise)
    return nn.Sequential(*maps, *tail)


def _scoring_layers(config: Config) -> nn.Sequential:
    """DCGAN's discriminator."""
    features, n_maps = convolutions(config.width, config.shape)
    score = nn.Conv2d(n_maps, 1, layer_sizes(config.shape)[0])
    return nn.Sequential(*features, score.apply(initialise))


class Generators(nn.Module):
    """G_1 and G_2: noise (n, latent_dim) -> images (2, n, *shape) in [-1, 1], one row a domain.

    The first layers, which decide what is drawn, are the same module for both.
    """

    def __init__(self, config: Config):
        super().__init__()
        (self.shared, first), (_, second) = (
            cut(_drawing_layers(config), config.own_generator_layers, at_end=True) for _ in range(2)
        )
        self.own = nn.ModuleList([first, second])

    def forward(self, z: Tensor) -> Tensor:
        meaning = self.shared(z[:, :, None, None])  # once: it is the same for both domains
        return torch.stack([own(meaning) for own in self.own])


class Discriminators(nn.Module):
    """D_1 and D_2: images (2, n, *shape) -> logits (2, n), one row a domain, higher is more real.

    The last layers, which judge what is drawn, are the same module for both.
    """

    def __init__(self, config: Config):
        super().__init__()
        (first, self.shared), (second, _) = (
            cut(_scoring_layers(config), config.own_discriminator_layers, at_end=False)
            for _ in range(2)
        )
        self.own = nn.ModuleList([first, second])

    def forward(self, pair: Tensor) -> Tensor:
        # One pass a domain, so that batch normalisation never mixes their statistics.
        scores = [self.shared(own(x)) for own, x in zip(self.own, pair, strict=True)]
        return torch.stack(scores).flatten(1)


class CoGAN(nn.Module):
    """All four players, and one step of both games."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.generator = Generators(config)
        self.discriminator = Discriminators(config)
        self.generator_optimizer = adam(self.generator, config.learning_rate, config.betas)
        self.discriminator_optimizer = adam(self.discriminator, config.learning_rate, config.betas)

    def noise(self, n: int) -> Tensor:
        """z ~ N(0, I), shape (n, latent_dim)."""
        device = next(self.parameters()).device
        return torch.randn(n, self.config.latent_dim, device=device)

    def discriminator_step(self, real: Tensor) -> dict[str, Tensor]:
        fake = self.generator(self.noise(real.shape[1])).detach()  # this loss must not move G
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
        real = torch.stack([batch.x, batch.y])  # (2, n, *shape): no pairs, only two rows
        return self.discriminator_step(real) | self.generator_step(len(batch.x))

    def sample(
        self, n: int | None = None, *, z: Tensor | None = None, domains: Tensor | None = None
    ) -> Tensor:
        """`n` images, or one for each row of `z`, of the first domain, or of those in `domains`.

        `domains`, int64 (n,), has 0 for the first and 1 for the second; else `ValueError`.
        """
        z = self.noise(n) if z is None else z
        with evaluating(self):
            both = self.generator(z)
        if domains is None:
            return both[0]
        domains = domains.to(z.device)
        if domains.shape != (len(z),) or not torch.isin(domains, torch.arange(2).to(domains)).all():
            raise ValueError(
                f"domains must be {len(z):,} integers, 0 or 1, not {tuple(domains.shape)} with "
                f"values {domains.unique().tolist()[:5]}; torch.tensor([0, 1]) makes some."
            )
        return both[domains, torch.arange(len(z), device=z.device)]

    def fixed_inputs(self, n: int, data: TwoDomains, columns: int = 8) -> dict[str, Tensor]:
        """What snapshots are made from: a row of the first domain, then the same noise in both."""
        rows = n // columns
        z = self.noise(columns * (-(-rows // 2))).view(-1, columns, self.config.latent_dim)
        domains = torch.arange(rows, device=z.device) % 2
        return {
            "z": z.repeat_interleave(2, dim=0)[:rows].flatten(0, 1),
            "domains": domains.repeat_interleave(columns),
        }


def train(
    config: Config | str | None = None,
    data: TwoDomains | None = None,
    *,
    seed: int = 0,
    device: str | torch.device | None = None,
    **options: Any,
) -> Run:
    """Train a CoGAN on `data` (default: digits and negatives); `options` as in `training.fit`.

    `config` is a `Config`, the name of a preset, or None for the preset of the session's budget.
    Data that are not `TwoDomains` raise `TypeError`.
    """
    config = preset(config, PRESETS)
    data = digits_in_two_styles("negative") if data is None else data
    if not isinstance(data, TwoDomains):
        raise TypeError(
            f"CoGAN needs two domains, not {type(data).__name__}: TwoDomains(first, second), or "
            "digits_in_two_styles()."
        )
    return fit(CoGAN, config, data, seed=seed, device=device, **options)


def pairs(run: Run, n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """`n` images of each domain, on the CPU: row i of both is drawn from one noise."""
    second = torch.ones(n, dtype=torch.int64)
    return run.sample(n, seed=seed), run.sample(n, seed=seed, domains=second)


def measure(
    run: Run, test: TensorData, *, n: int = 10_000, seed: int = 0, **how: Callable | None
) -> dict[str, float]:
    """What `compare_pairs` finds for `n` pairs that a run has generated; `how` are its options.

    `test` are digits of the first domain that were held out of training.
    """
    return compare_pairs(*pairs(run, n, seed), metrics.features(test.floats()), **how)

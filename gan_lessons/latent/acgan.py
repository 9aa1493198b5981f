"""ACGAN: the discriminator does not see the label, it has to name it.

Odena, Olah, Shlens, "Conditional Image Synthesis with Auxiliary Classifier GANs", ICML 2017,
https://arxiv.org/abs/1610.09585.

Equations: [ACGAN-S] and [ACGAN-C] are the losses of source and class, [ACGAN-D] and [ACGAN-G] what
the players minimise: the paper's L_S and L_C with the opposite sign, and for the generator the
non-saturating form. All of them take scores and logits; no network ends in a sigmoid or a softmax.
Deviations from the paper: 28 to 64 pixels for up to 128, narrower networks, all classes in one
model for ten a model, no dropout, a higher learning rate, samples from averaged weights.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot, softplus

from gan_lessons import metrics, networks
from gan_lessons.data import Batch, TensorData, digits
from gan_lessons.foundations.cgan import check_labels
from gan_lessons.foundations.dcgan import convolutions, initialise, layer_sizes
from gan_lessons.foundations.gan import perceptron
from gan_lessons.steps import adam, evaluating, frozen, update
from gan_lessons.training import Run, fit, preset


@dataclass(frozen=True)
class Config:
    """Settings of an ACGAN; the defaults are the `cpu` preset."""

    shape: tuple[int, ...] = (1, 32, 32)  # of one sample; taken from the data
    classes: int = 10  # number of different labels
    latent_dim: int = 64  # length of the noise vector z
    width: int = 24  # images: channels next to the image; doubles with every halving
    hidden: tuple[int, ...] = (128, 128, 128)  # points: widths of the hidden layers
    learning_rate: float = 1e-3  # of Adam, for both players
    betas: tuple[float, float] = (0.5, 0.99)  # of Adam, for both players
    batch_size: int = 64  # samples in one step
    steps: int = 1800  # updates of each player
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


def source_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """E softplus(-D(x)) + E softplus(D(G(z, y))), the paper's -L_S.  [ACGAN-S]

    Both scores are logits of any shape; returns a scalar >= 0.
    """
    return softplus(-real_scores).mean() + softplus(fake_scores).mean()


def class_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """E [log sum_k exp l_k(v) - l_y(v)], the cross-entropy.  [ACGAN-C]

    `logits` (n, K) are any real numbers; never put a softmax before. `labels` (n,) are int64, from
    0 to K - 1. Returns the mean over the n samples, a scalar >= 0.
    """
    return cross_entropy(logits, labels)


def discriminator_loss(
    real_scores: Tensor, fake_scores: Tensor, real_logits: Tensor, fake_logits: Tensor, y: Tensor
) -> Tensor:
    """source_loss + E C(x, y) + E C(G(z, y), y), C the class loss.  [ACGAN-D]

    Scores (n,), logits (n, K) and labels y (n,) int64, which real samples and fakes share.
    """
    sources = source_loss(real_scores, fake_scores)
    return sources + class_loss(real_logits, y) + class_loss(fake_logits, y)


def generator_loss(fake_scores: Tensor, fake_logits: Tensor, y: Tensor) -> Tensor:
    """E softplus(-D(G(z, y))) + E C(G(z, y), y), the non-saturating form.  [ACGAN-G]

    Scores (n,), logits (n, K) and labels y (n,) int64.
    """
    return softplus(-fake_scores).mean() + class_loss(fake_logits, y)


class Generator(networks.Generator):
    """G: noise (n, latent_dim), one-hot y (n, classes) -> samples; images in [-1, 1]."""

    def __init__(self, config: Config):
        super().__init__(replace(config, latent_dim=config.latent_dim + config.classes))

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return super().forward(torch.cat([z, y], dim=1))


class Discriminator(nn.Module):
    """D: samples alone -> scores (n,) and class logits (n, classes), from the same features."""

    def __init__(self, config: Config):
        super().__init__()
        heads = 1 + config.classes
        if len(config.shape) == 3:
            features, maps = convolutions(config.width, config.shape)
            last = nn.Conv2d(maps, heads, layer_sizes(config.shape)[0]).apply(initialise)
            self.layers = nn.Sequential(*features, last)
        else:
            self.layers = perceptron([*config.shape, *config.hidden, heads], nn.LeakyReLU(0.2))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        numbers = self.layers(x).flatten(1)
        return numbers[:, 0], numbers[:, 1:]


class ACGAN(nn.Module):
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

    def encode(self, labels: Tensor) -> Tensor:
        """Labels (n,) as one-hot rows (n, classes)."""
        return one_hot(labels, self.config.classes).float()

    def discriminator_step(self, real: Tensor, labels: Tensor) -> dict[str, Tensor]:
        # Fakes take the labels of the real batch: the same marginal. This loss must not move G.
        fake = self.generator(self.noise(len(real)), self.encode(labels)).detach()
        real_scores, real_logits = self.discriminator(real)  # D is not told the label
        fake_scores, fake_logits = self.discriminator(fake)
        loss = discriminator_loss(real_scores, fake_scores, real_logits, fake_logits, labels)
        update(self.discriminator_optimizer, loss)
        return {
            "discriminator_loss": loss,
            "real_score": real_scores.mean(),
            "fake_score": fake_scores.mean(),
            "real_class": class_loss(real_logits, labels),
            "fake_class": class_loss(fake_logits, labels),
        }

    def generator_step(self, labels: Tensor) -> dict[str, Tensor]:
        fake = self.generator(self.noise(len(labels)), self.encode(labels))
        with frozen(self.discriminator):  # D passes the gradient on, but is not to move
            fake_scores, fake_logits = self.discriminator(fake)
        loss = generator_loss(fake_scores, fake_logits, labels)
        update(self.generator_optimizer, loss)
        return {"generator_loss": loss}

    def step(self, batch: Batch) -> dict[str, Tensor]:
        return self.discriminator_step(batch.x, batch.y) | self.generator_step(batch.y)

    def sample(
        self, n: int | None = None, *, z: Tensor | None = None, labels: Tensor | None = None
    ) -> Tensor:
        """`n` samples of the classes `labels`, int64 (n,), or of random classes without them.

        One sample for each row of `z`, if given. Labels that are not `n` integers from 0 to
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


def measure(run: Run, test: TensorData, seed: int = 1) -> dict[str, float]:
    """Accuracy and diversity by class, and the distance to real digits, by the book's judge.

    One sample for each image of `test` (digits held out from training), asked to be of its class.
    """
    samples = run.sample(len(test), labels=test.labels, seed=seed)
    real, fake_features = test.floats(), metrics.features(samples)
    return {
        "conditional_accuracy": metrics.conditional_accuracy(fake_features, test.labels),
        "diversity": metrics.within_class_diversity(samples, test.labels, real, test.labels),
        "frechet_distance": metrics.frechet_distance(fake_features, metrics.features(real)),
    }


def train(
    config: Config | str | None = None,
    data: TensorData | None = None,
    *,
    seed: int = 0,
    device: str | torch.device | None = None,
    **options: Any,
) -> Run:
    """Train an ACGAN on labelled `data` (default: digits); `options` are those of `training.fit`.

    `config` is a `Config`, the name of a preset, or None for the preset of the session's budget.
    Data without labels raises `ValueError`.
    """
    config = preset(config, PRESETS)
    data = digits() if data is None else data
    if data.labels is None:
        raise ValueError(
            f"ACGAN needs labels, and {data.name} has none; sort the images into one folder a "
            "class."
        )
    check_labels(data.labels, len(data), config.classes)
    return fit(ACGAN, config, data, seed=seed, device=device, **options)

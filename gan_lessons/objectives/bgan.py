"""BGAN: fakes are drawn to the decision boundary, and pixels may be discrete.

Hjelm, Jacob, Che, Trischler, Cho, Bengio, "Boundary-Seeking Generative Adversarial Networks", ICLR
2018, https://arxiv.org/abs/1702.08431.

Equations: [BGAN-D] is [GAN-D]; [BGAN-G] is the generator's loss for continuous pixels, [BGAN-DG]
the one for discrete pixels with the weights [BGAN-W], [BGAN-R] its rival from reinforcement
learning; [BGAN-LOGP] is the log-probability of a binary image, [BGAN-ESS] its effective samples.
Deviations from the paper: DCGAN's small networks, but a perceptron as discriminator of drawn
pixels; no estimate of the partition function, weights without their mean 1/M, the mean score as
baseline of REINFORCE, larger learning rates, samples from averaged weights.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from gan_lessons.data import Batch, TensorData, digits
from gan_lessons.foundations.gan import discriminator_loss
from gan_lessons.model import Model
from gan_lessons.networks.convolutions import GPU, SMOKE, Discriminator, Generator, Settings
from gan_lessons.networks.perceptrons import perceptron
from gan_lessons.steps import adam, evaluating, frozen, update
from gan_lessons.training import Run, fit, preset


@dataclass(frozen=True)
class Config(Settings):
    """Settings of a BGAN; the defaults are the `cpu` preset."""

    batch_norm: bool = True  # images: batch normalisation in the discriminator, too
    draws: int = 16  # discrete: M, the images drawn from one z
    discrete_hidden: tuple[int, ...] = (256, 128)  # discrete: the discriminator's hidden layers
    discrete_learning_rate: float = 2e-3  # of Adam, discrete: for the generator
    steps: int = 1200  # updates of each player


PRESETS = {
    "smoke": Config(**SMOKE, draws=4, steps=30),
    "cpu": Config(),
    "gpu": Config(**GPU, discrete_learning_rate=1e-3, steps=10_000),
}
DISCRETE_PRESETS = {
    "smoke": replace(PRESETS["smoke"], discrete_hidden=(32,), learning_rate=3e-4, steps=10),
    "cpu": replace(PRESETS["cpu"], learning_rate=3e-4, steps=2000),
    "gpu": replace(PRESETS["gpu"], learning_rate=1e-4),
}


def generator_loss(fake_scores: Tensor) -> Tensor:
    """1/2 E D(G(z))^2, least at the decision boundary D = 0.  [BGAN-G]"""
    return (fake_scores**2).mean() / 2


def importance_weights(fake_scores: Tensor) -> Tensor:
    """exp D(x_m) / sum_j exp D(x_j), over the draws of one z.  [BGAN-W]

    Takes logits (draws, n); returns weights of the same shape, each column with the sum 1, through
    which no gradient passes.
    """
    return fake_scores.detach().softmax(0)


def effective_draws(weights: Tensor) -> Tensor:
    """E 1 / sum_m w_m^2, from 1 (one draw has all the weight) to the number of draws.  [BGAN-ESS]

    Takes weights (draws, n), each column with the sum 1; returns a scalar.
    """
    return (1 / weights.square().sum(0)).mean()


def discrete_generator_loss(fake_scores: Tensor, log_probabilities: Tensor) -> Tensor:
    """-E sum_m (w_m - 1/M) log g(x_m | z), with the weights [BGAN-W].  [BGAN-DG]

    Takes logits and log-probabilities of the same draws, both (draws, n); returns a scalar. Only
    the log-probabilities get a gradient. The paper has w_m alone; without their mean 1/M the
    gradient is the same on average and far less noisy.
    """
    weights = importance_weights(fake_scores)
    return -((weights - 1 / len(weights)) * log_probabilities).sum(0).mean()


def reinforce_generator_loss(fake_scores: Tensor, log_probabilities: Tensor) -> Tensor:
    """-E (D(x) - b) log g(x | z), with the mean score as the baseline b.  [BGAN-R]

    Takes logits and log-probabilities of the same draws, of any shape; returns a scalar. Only the
    log-probabilities get a gradient.
    """
    rewards = (fake_scores - fake_scores.mean()).detach()
    return -(rewards * log_probabilities).mean()


def log_probability(pixels: Tensor, logits: Tensor) -> Tensor:
    """sum over pixels of x a - softplus(a), for x in {0, 1} and logits a.  [BGAN-LOGP]

    `pixels` (draws, n, *shape) and `logits` (n, *shape) give (draws, n). It is a sum, not a mean:
    the probability of an image is the product over its pixels.
    """
    return (pixels * logits - softplus(logits)).flatten(2).sum(2)


def binarise(images: Tensor) -> Tensor:
    """Images in [-1, 1] as -1 and 1, split at 0; any shape."""
    return torch.where(images > 0, 1.0, -1.0)


class BGAN(Model):
    """Both players, and one step of the game, with continuous pixels."""

    def __init__(self, config: Config):
        super().__init__(config)
        self.generator = Generator(config)
        self.discriminator = Discriminator(config, config.batch_norm)
        self.generator_optimizer = adam(self.generator, config.learning_rate, config.betas)
        self.discriminator_optimizer = adam(self.discriminator, config.learning_rate, config.betas)

    def discriminator_step(self, real: Tensor) -> dict[str, Tensor]:
        fake = self.generator(self.noise(len(real))).detach()  # this loss must not move G
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


class DiscreteBGAN(Model):
    """The game with pixels that are -1 or 1: G gives probabilities, the images are drawn.

    No gradient passes through a drawn pixel. Real images are binarised. Points raise `ValueError`.
    """

    def __init__(self, config: Config):
        super().__init__(config)
        if len(config.shape) != 3:
            raise ValueError(f"Discrete pixels need images, not samples of shape {config.shape}.")
        self.generator = Generator(config, tanh=False)  # one logit for each pixel
        # A perceptron: convolutions see every stray pixel at once, and D gets too far ahead.
        sizes = [math.prod(config.shape), *config.discrete_hidden, 1]
        layers = perceptron(sizes, nn.LeakyReLU(0.2))
        self.discriminator = nn.Sequential(nn.Flatten(), *layers, nn.Flatten(0))
        rate = config.discrete_learning_rate
        self.generator_optimizer = adam(self.generator, rate, config.betas)
        self.discriminator_optimizer = adam(self.discriminator, config.learning_rate, config.betas)

    def draw(self, logits: Tensor, draws: int) -> Tensor:
        """Pixels in {0, 1}, shape (draws, n, *shape), from logits (n, *shape); no gradient."""
        return logits.detach().sigmoid().expand(draws, *logits.shape).bernoulli()

    def discriminator_step(self, real: Tensor) -> dict[str, Tensor]:
        fake = 2 * self.draw(self.generator(self.noise(len(real))), 1)[0] - 1
        real_scores, fake_scores = self.discriminator(binarise(real)), self.discriminator(fake)
        loss = discriminator_loss(real_scores, fake_scores)
        update(self.discriminator_optimizer, loss)
        return {
            "discriminator_loss": loss,
            "real_score": real_scores.mean(),
            "fake_score": fake_scores.mean(),
        }

    @torch.no_grad()
    def scores(self, pixels: Tensor) -> Tensor:
        """D of pixels in {0, 1}, shape (draws, n, *shape); returns (draws, n)."""
        return self.discriminator((2 * pixels - 1).flatten(0, 1)).unflatten(0, pixels.shape[:2])

    def generator_step(self, n: int) -> dict[str, Tensor]:
        logits = self.generator(self.noise(n))
        pixels = self.draw(logits, self.config.draws)
        scores = self.scores(pixels)
        loss = discrete_generator_loss(scores, log_probability(pixels, logits))
        update(self.generator_optimizer, loss)
        return {
            "generator_loss": loss,
            "effective_draws": effective_draws(importance_weights(scores)),
        }

    def step(self, batch: Batch) -> dict[str, Tensor]:
        return self.discriminator_step(batch.x) | self.generator_step(len(batch.x))

    def sample(self, n: int | None = None, *, z: Tensor | None = None) -> Tensor:
        """`n` images of -1 and 1, or one for each row of the noise `z`, shape (n, latent_dim)."""
        with evaluating(self):
            return 2 * self.draw(self.generator(self.noise_or(z, n)), 1)[0] - 1


class ReinforceGAN(DiscreteBGAN):
    """The same discrete game with REINFORCE, for comparison only: only G's loss differs."""

    def generator_step(self, n: int) -> dict[str, Tensor]:
        logits = self.generator(self.noise(n))
        pixels = self.draw(logits, self.config.draws)
        scores = self.scores(pixels)
        loss = reinforce_generator_loss(scores, log_probability(pixels, logits))
        update(self.generator_optimizer, loss)
        return {
            "generator_loss": loss,
            "effective_draws": effective_draws(importance_weights(scores)),
        }


def train(
    config: Config | str | None = None,
    data: TensorData | None = None,
    *,
    model_class: type[Model] = BGAN,
    **options: Any,
) -> Run:
    """Train on `data` (default: digits); presets, `seed`, `device` and all else as in `fit`.

    `model_class` is `BGAN`, `DiscreteBGAN` or `ReinforceGAN`. The last two have `DISCRETE_PRESETS`.
    """
    config = preset(config, PRESETS if model_class is BGAN else DISCRETE_PRESETS)
    return fit(model_class, config, digits() if data is None else data, **options)

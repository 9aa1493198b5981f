"""BiGAN: an encoder joins the game, and fooling a judge of pairs makes it invert the generator.

Donahue, Krähenbühl, Darrell, "Adversarial Feature Learning", ICLR 2017,
https://arxiv.org/abs/1605.09782. The same game, found independently: Dumoulin et al.,
"Adversarially Learned Inference", ICLR 2017, https://arxiv.org/abs/1606.00704.

Equations: [BIGAN-D], [BIGAN-E] and [BIGAN-G], the form with swapped labels of the game [BIGAN-V].
No term compares an image with its reconstruction.
Deviations from the paper: convolutions for multilayer perceptrons, a shorter code with a normal
prior for 50 uniform numbers, image and code joined with their products, no batch normalisation in
the discriminator, a higher and constant learning rate, samples from averaged weights.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from gan_lessons import metrics
from gan_lessons.data import Batch, TensorData, digits
from gan_lessons.foundations.dcgan import convolutions, layer_sizes
from gan_lessons.foundations.gan import perceptron
from gan_lessons.networks import Generator
from gan_lessons.steps import adam, evaluating, frozen, update
from gan_lessons.training import Run, fit, preset


@dataclass(frozen=True)
class Config:
    """Settings of a BiGAN; the defaults are the `cpu` preset."""

    shape: tuple[int, ...] = (1, 32, 32)  # of one sample; taken from the data
    latent_dim: int = 16  # length of the noise z and of the code E(x)
    width: int = 16  # images: channels next to the image; doubles with every halving
    hidden: tuple[int, ...] = (128, 128)  # points: widths of the hidden layers
    pair_width: int = 256  # of what sample and code each become before they are joined
    learning_rate: float = 1e-3  # of Adam, for all three networks
    betas: tuple[float, float] = (0.5, 0.99)  # of Adam, for all three networks
    batch_size: int = 64  # pairs of each kind in one step
    steps: int = 2400  # updates of each network
    average_decay: float = 0.995  # of the averaged weights that samples are drawn from


PRESETS = {
    "smoke": Config(width=4, hidden=(32,), pair_width=32, batch_size=16, steps=30),
    "cpu": Config(),
    "gpu": Config(
        latent_dim=32,
        width=64,
        pair_width=512,
        learning_rate=2e-4,
        betas=(0.5, 0.999),
        batch_size=128,
        steps=30_000,
        average_decay=0.999,
    ),
}


def discriminator_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """E softplus(-D(x, E(x))) + E softplus(D(G(z), z)).  [BIGAN-D]

    Both scores are logits of any shape, one for each pair; returns a scalar >= 0.
    """
    return softplus(-real_scores).mean() + softplus(fake_scores).mean()


def encoder_loss(real_scores: Tensor) -> Tensor:
    """E softplus(D(x, E(x))): the encoder wants its pairs to pass for the generator's.  [BIGAN-E]

    Takes logits of any shape, one for each real sample and its code; returns a scalar >= 0.
    """
    return softplus(real_scores).mean()


def generator_loss(fake_scores: Tensor) -> Tensor:
    """E softplus(-D(G(z), z)): the generator wants its pairs to pass for the encoder's.  [BIGAN-G]

    Takes logits of any shape, one for each noise and its sample; returns a scalar >= 0.
    """
    return softplus(-fake_scores).mean()


class Encoder(nn.Module):
    """E: samples (n, *shape) -> codes (n, latent_dim), unbounded as the normal prior is."""

    def __init__(self, config: Config):
        super().__init__()
        if len(config.shape) == 3:
            features, maps = convolutions(config.width, config.shape)
            code = nn.Conv2d(maps, config.latent_dim, layer_sizes(config.shape)[0])
            self.layers = nn.Sequential(*features, code, nn.Flatten())
        else:
            sizes = [*config.shape, *config.hidden, config.latent_dim]
            self.layers = perceptron(sizes, nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Discriminator(nn.Module):
    """D: pairs of a sample (n, *shape) and a code (n, latent_dim) -> one score (n,), a logit.

    Higher means more like (x, E(x)) than (G(z), z). Sample and code pass through layers of their
    own, and then, with the products of what comes out, through common ones: only there can a pair
    be judged as a pair.
    """

    def __init__(self, config: Config):
        super().__init__()
        width = config.pair_width
        if len(config.shape) == 3:
            features, maps = convolutions(config.width, config.shape, norm=None)
            joined = nn.Conv2d(maps, width, layer_sizes(config.shape)[0])
            self.from_sample = nn.Sequential(*features, joined, nn.Flatten())
        else:
            sizes = [*config.shape, *config.hidden, width]
            self.from_sample = perceptron(sizes, nn.LeakyReLU(0.2))
        self.from_code = perceptron([config.latent_dim, width, width], nn.LeakyReLU(0.2))
        common = perceptron([3 * width, width, width, 1], nn.LeakyReLU(0.2))
        self.common = nn.Sequential(nn.LeakyReLU(0.2), *common)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        sample, code = self.from_sample(x), self.from_code(z)
        pair = torch.cat([sample, code, sample * code], dim=1)
        return self.common(pair).squeeze(1)


class BiGAN(nn.Module):
    """Generator, encoder and the judge of their pairs, and one step of the game."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.generator = Generator(config)
        self.encoder = Encoder(config)
        self.discriminator = Discriminator(config)
        self.generator_optimizer = adam(self.generator, config.learning_rate, config.betas)
        self.encoder_optimizer = adam(self.encoder, config.learning_rate, config.betas)
        self.discriminator_optimizer = adam(self.discriminator, config.learning_rate, config.betas)

    def noise(self, n: int) -> Tensor:
        """z ~ N(0, I), shape (n, latent_dim)."""
        device = next(self.parameters()).device
        return torch.randn(n, self.config.latent_dim, device=device)

    def discriminator_step(self, real: Tensor) -> dict[str, Tensor]:
        z = self.noise(len(real))
        fake, code = self.generator(z).detach(), self.encoder(real).detach()  # move neither
        real_scores, fake_scores = self.discriminator(real, code), self.discriminator(fake, z)
        loss = discriminator_loss(real_scores, fake_scores)
        update(self.discriminator_optimizer, loss)
        return {
            "discriminator_loss": loss,
            "real_score": real_scores.mean(),
            "fake_score": fake_scores.mean(),
        }

    def encoder_step(self, real: Tensor) -> dict[str, Tensor]:
        with frozen(self.discriminator):  # D passes the gradient on, but is not to move
            real_scores = self.discriminator(real, self.encoder(real))
        loss = encoder_loss(real_scores)
        update(self.encoder_optimizer, loss)
        return {"encoder_loss": loss}

    def generator_step(self, n: int) -> dict[str, Tensor]:
        z = self.noise(n)
        with frozen(self.discriminator):  # D passes the gradient on, but is not to move
            fake_scores = self.discriminator(self.generator(z), z)
        loss = generator_loss(fake_scores)
        update(self.generator_optimizer, loss)
        return {"generator_loss": loss}

    def step(self, batch: Batch) -> dict[str, Tensor]:
        logged = self.discriminator_step(batch.x) | self.encoder_step(batch.x)
        return logged | self.generator_step(len(batch.x))

    def encode(self, x: Tensor) -> Tensor:
        """The codes E(x) of samples (n, *shape), shape (n, latent_dim)."""
        with evaluating(self):
            return self.encoder(x)

    def sample(self, n: int | None = None, *, z: Tensor | None = None) -> Tensor:
        """`n` samples, or one for each row of the noise or code `z`, shape (n, latent_dim)."""
        with evaluating(self):
            return self.generator(self.noise(n) if z is None else z)


def codes(run: Run, x: Tensor, chunk: int = 500) -> Tensor:
    """E(x) of samples (n, *shape) by the averaged encoder, (n, latent_dim), on the CPU."""
    return torch.cat([run.averaged.encode(part.to(run.device)).cpu() for part in x.split(chunk)])


def reconstruct(run: Run, x: Tensor) -> Tensor:
    """G(E(x)) of samples (n, *shape) by the averaged networks, of the same shape, on the CPU."""
    return run.sample(len(x), z=codes(run, x))


def error_ratio(x: Tensor, redrawn: Tensor, others: Tensor) -> Tensor:
    """E |x - G(E(x))| / E |x' - G(E(x))|, norms of whole samples.  [BIGAN-RATIO]

    Takes samples x, what came back for each, and other samples x' to compare it with, each of shape
    (n, *shape). Returns a scalar: 0 for exact inverses, 1 if x is no nearer than x'.
    """
    own, random = ((v - redrawn).flatten(1).norm(dim=1).mean() for v in (x, others))
    return own / random


def shuffled(x: Tensor, seed: int = 0) -> Tensor:
    """The rows of `x` in random order, the same for the same seed."""
    return x[torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))]


def measure(run: Run, train: TensorData, test: TensorData) -> dict[str, float]:
    """What the codes of held-out digits are worth, all `test` images and 10,000 of `train`.

    - `ratio`: own over random error of reconstruction, [BIGAN-RATIO]; 1 means failure.
    - `code_ratio`: the same the other way round, for z and E(G(z)).
    - `class_kept`: share of reconstructions in which the judge sees the image's true class.
    - `neighbour_accuracy`: share of images of the same class as the nearest training code.
    """
    x = test.floats().cpu()
    z = torch.randn(len(x), run.config.latent_dim, generator=torch.Generator().manual_seed(0))
    some = train.subset(shuffled(torch.arange(len(train)))[:10_000])
    of_test, of_train = codes(run, x), codes(run, some.floats())
    redrawn = run.sample(len(x), z=of_test)
    back = codes(run, run.sample(len(z), z=z))
    nearest = metrics.nearest_neighbours(of_test, of_train)[0]
    return {
        "ratio": error_ratio(x, redrawn, shuffled(x)).item(),
        "code_ratio": error_ratio(z, back, shuffled(z)).item(),
        "class_kept": metrics.conditional_accuracy(redrawn, test.labels.cpu()),
        "neighbour_accuracy": (some.labels.cpu()[nearest] == test.labels.cpu())
        .double()
        .mean()
        .item(),
    }


def train(
    config: Config | str | None = None,
    data: TensorData | None = None,
    *,
    seed: int = 0,
    device: str | torch.device | None = None,
    **options: Any,
) -> Run:
    """Train a BiGAN on `data` (default: digits); `options` as in `gan_lessons.training.fit`.

    `config` is a `Config`, the name of a preset, or None for the preset of the session's budget.
    """
    config = preset(config, PRESETS)
    data = digits() if data is None else data
    return fit(BiGAN, config, data, seed=seed, device=device, **options)

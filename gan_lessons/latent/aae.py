"""AAE: an autoencoder whose codes a discriminator makes follow a chosen distribution.

Makhzani, Shlens, Jaitly, Goodfellow, Frey, "Adversarial Autoencoders", 2015,
https://arxiv.org/abs/1511.05644.

Equations: [AAE-R] is the reconstruction phase, [AAE-D] and [AAE-E] the two regularisation phases,
[AAE-C] the phase of the few labels, [AAE-Z] the code of a Gaussian encoder. The discriminator sees
codes, never images, and samples of the prior are its real samples.
Deviations from the paper: narrower networks, Adam for SGD with momentum, the squared error for
outputs in [-1, 1], codes and samples from averaged weights.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot, softplus

from gan_lessons import metrics
from gan_lessons.data import Batch, FewLabels, TensorData, digits
from gan_lessons.foundations.cgan import check_labels
from gan_lessons.foundations.gan import perceptron
from gan_lessons.steps import adam, evaluating, frozen, update
from gan_lessons.training import Run, fit, preset


@dataclass(frozen=True)
class Config:
    """Settings of an AAE; the defaults are the `cpu` preset."""

    shape: tuple[int, ...] = (1, 32, 32)  # of one image; taken from the data
    latent_dim: int = 8  # length of the code z, or of its continuous part
    modes: int = 1  # of the prior: 1 for N(0, I), or so many petals around the origin of the plane
    classes: int = 10  # SemiSupervisedAAE: length of the discrete part of the code
    hidden: tuple[int, ...] = (512, 256)  # widths of the encoder's layers; the decoder's, reversed
    discriminator_hidden: tuple[int, ...] = (256, 256)  # widths of its hidden layers
    learning_rate: float = 1e-3  # of Adam, for the reconstruction
    adversarial_rate: float = 5e-4  # of Adam, for the two regularisation phases
    betas: tuple[float, float] = (0.5, 0.99)  # of Adam, in all phases
    batch_size: int = 128  # images in one step
    steps: int = 3000  # rounds of all phases
    average_decay: float = 0.995  # of the averaged weights that codes and samples come from


PRESETS = {
    "smoke": Config(hidden=(32,), discriminator_hidden=(32,), batch_size=32, steps=40),
    "cpu": Config(),
    "gpu": Config(
        hidden=(1000, 1000),
        discriminator_hidden=(1000, 1000),
        learning_rate=5e-4,
        adversarial_rate=2e-4,
        batch_size=256,
        steps=20_000,
        average_decay=0.999,
    ),
}


def reconstruction_loss(x: Tensor, reconstructions: Tensor) -> Tensor:
    """E |x - Dec(E(x))|^2 / d, d the numbers of one image.  [AAE-R]

    Two tensors of one shape (n, *shape); the mean over samples and numbers, a scalar >= 0.
    """
    return (x - reconstructions).square().mean()


def discriminator_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """E softplus(-D(z)) + E softplus(D(E(x))), z from the prior.  [AAE-D]

    Logits of any shape: real are samples of the prior, fake are codes. Returns a scalar >= 0.
    """
    return softplus(-real_scores).mean() + softplus(fake_scores).mean()


def encoder_loss(fake_scores: Tensor) -> Tensor:
    """E softplus(-D(E(x))), the non-saturating form.  [AAE-E]

    Takes the logits of codes, of any shape; returns a scalar >= 0.
    """
    return softplus(-fake_scores).mean()


def classification_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """E [log sum_k exp l_k(x) - l_y(x)], the cross-entropy.  [AAE-C]

    `logits` (n, K) before any softmax, `labels` (n,) int64; the mean over the n labelled images.
    """
    return cross_entropy(logits, labels)


def reparametrise(mean: Tensor, log_variance: Tensor) -> Tensor:
    """mu + exp(lambda / 2) eps, eps ~ N(0, I), lambda the log-variance.  [AAE-Z]

    Both inputs and the result have one shape; every number gets noise of its own.
    """
    return mean + (log_variance / 2).exp() * torch.randn_like(mean)


def petals(n: int, modes: int, device: torch.device | None = None) -> Tensor:
    """`n` points (n, 2) from Gaussians on a circle of radius 2, drawn out along the radius."""
    angle = torch.randint(modes, (n,), device=device) * (2 * math.pi / modes)
    along, across = torch.randn(2, n, device=device) * torch.tensor([[0.5], [0.2]], device=device)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(n, 2, 2)
    return (turn @ torch.stack([2 + along, across], 1)[..., None])[..., 0]


class Encoder(nn.Module):
    """E: images (n, *shape) -> codes (n, latent_dim), any real numbers."""

    def __init__(self, config: Config, outputs: int | None = None):
        super().__init__()
        outputs = outputs or config.latent_dim
        self.layers = perceptron([math.prod(config.shape), *config.hidden, outputs], nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.flatten(1))


class GaussianEncoder(Encoder):
    """E: images -> codes drawn from a Gaussian of each image's own."""

    def __init__(self, config: Config):
        super().__init__(config, 2 * config.latent_dim)

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance, each (n, latent_dim)."""
        return self.layers(x.flatten(1)).chunk(2, dim=1)

    def forward(self, x: Tensor) -> Tensor:
        return reparametrise(*self.moments(x))


class ClassEncoder(Encoder):
    """E: images -> class probabilities and style, side by side (n, classes + latent_dim)."""

    def __init__(self, config: Config):
        super().__init__(config, config.classes + config.latent_dim)
        self.classes = config.classes

    def logits(self, x: Tensor) -> Tensor:
        """What the class probabilities are the softmax of, (n, classes)."""
        return self.layers(x.flatten(1))[:, : self.classes]

    def forward(self, x: Tensor) -> Tensor:
        numbers = self.layers(x.flatten(1))
        return torch.cat([numbers[:, : self.classes].softmax(1), numbers[:, self.classes :]], dim=1)


class Decoder(nn.Module):
    """Dec: codes (n, code_dim) -> images (n, *shape) in [-1, 1]."""

    def __init__(self, config: Config, code_dim: int):
        super().__init__()
        self.shape = config.shape
        sizes = [code_dim, *reversed(config.hidden), math.prod(config.shape)]
        self.layers = perceptron(sizes, nn.ReLU())

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z).unflatten(1, self.shape).tanh()


class Discriminator(nn.Module):
    """D: codes (n, code_dim) -> scores (n,), logits: higher means more like the prior."""

    def __init__(self, config: Config, code_dim: int):
        super().__init__()
        self.layers = perceptron([code_dim, *config.discriminator_hidden, 1], nn.LeakyReLU(0.2))

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z).flatten()


class ClassStyleDiscriminator(nn.Module):
    """D: a class and a style are judged apart -> the scores of both, one after the other (2 n,)."""

    def __init__(self, config: Config, code_dim: int):
        super().__init__()
        self.classes = config.classes
        self.of_class = Discriminator(config, config.classes)
        self.of_style = Discriminator(config, code_dim - config.classes)

    def forward(self, z: Tensor) -> Tensor:
        y, style = z[:, : self.classes], z[:, self.classes :]
        return torch.cat([self.of_class(y), self.of_style(style)])


class AAE(nn.Module):
    """Encoder, decoder and discriminator, and one round of the three phases."""

    encoder_class: type[Encoder] = Encoder
    discriminator_class: type[nn.Module] = Discriminator

    def __init__(self, config: Config):
        super().__init__()
        if config.modes > 1 and config.latent_dim != 2:
            raise ValueError(
                f"A prior of {config.modes} petals lies in the plane, but latent_dim is "
                f"{config.latent_dim}; set latent_dim=2, or modes=1 for N(0, I)."
            )
        self.config = config
        code_dim = self.prior(1).shape[1]
        self.encoder = self.encoder_class(config)
        self.decoder = Decoder(config, code_dim)
        self.discriminator = self.discriminator_class(config, code_dim)
        autoencoder = nn.ModuleList([self.encoder, self.decoder])
        self.reconstruction_optimizer = adam(autoencoder, config.learning_rate, config.betas)
        rate, betas = config.adversarial_rate, config.betas
        self.discriminator_optimizer = adam(self.discriminator, rate, betas)
        self.encoder_optimizer = adam(self.encoder, rate, betas)

    def prior(self, n: int) -> Tensor:
        """z ~ p(z), shape (n, latent_dim): N(0, I), or petals in the plane."""
        device = next(self.parameters(), torch.empty(0)).device
        if self.config.modes > 1:
            return petals(n, self.config.modes, device)
        return torch.randn(n, self.config.latent_dim, device=device)

    def reconstruction_step(self, x: Tensor) -> dict[str, Tensor]:
        loss = reconstruction_loss(x, self.decoder(self.encoder(x)))
        update(self.reconstruction_optimizer, loss)
        return {"reconstruction_loss": loss}

    def discriminator_step(self, x: Tensor) -> dict[str, Tensor]:
        real = self.prior(len(x))  # what codes are to look like: the prior is the real side
        fake = self.encoder(x).detach()  # this loss must not move E
        real_scores, fake_scores = self.discriminator(real), self.discriminator(fake)
        loss = discriminator_loss(real_scores, fake_scores)
        update(self.discriminator_optimizer, loss)
        return {
            "discriminator_loss": loss,
            "prior_score": real_scores.mean(),
            "code_score": fake_scores.mean(),
        }

    def encoder_step(self, x: Tensor) -> dict[str, Tensor]:
        with frozen(self.discriminator):  # D passes the gradient on, but is not to move
            loss = encoder_loss(self.discriminator(self.encoder(x)))
        update(self.encoder_optimizer, loss)
        return {"encoder_loss": loss}

    def step(self, batch: Batch) -> dict[str, Tensor]:
        logged = self.reconstruction_step(batch.x) | self.discriminator_step(batch.x)
        return logged | self.encoder_step(batch.x)

    def encode(self, x: Tensor) -> Tensor:
        """The codes of images, without a graph; a Gaussian encoder draws them."""
        with evaluating(self):
            return self.encoder(x)

    def sample(self, n: int | None = None, *, z: Tensor | None = None) -> Tensor:
        """`n` decoded samples of the prior, or one image for each code in `z` (n, code_dim)."""
        with evaluating(self):
            return self.decoder(self.prior(n) if z is None else z)

    def fixed_inputs(self, n: int, data: Any) -> dict[str, Tensor]:
        """What snapshots are made from: samples of the prior."""
        return {"z": self.prior(n)}


class GaussianAAE(AAE):
    """The same phases; the encoder gives a Gaussian to each image, and draws the code from it."""

    encoder_class = GaussianEncoder


class SemiSupervisedAAE(AAE):
    """The code is a class and a style, and a fourth phase teaches the class with few labels."""

    encoder_class = ClassEncoder
    discriminator_class = ClassStyleDiscriminator

    def prior(self, n: int) -> Tensor:
        """A one-hot class, all equally likely, beside a style from the prior of `AAE`."""
        style = super().prior(n)
        labels = torch.randint(self.config.classes, (n,), device=style.device)
        return torch.cat([one_hot(labels, self.config.classes).float(), style], dim=1)

    def classification_step(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
        loss = classification_loss(self.encoder.logits(x), labels)
        update(self.encoder_optimizer, loss)
        return {"classification_loss": loss}

    def step(self, batch: Batch) -> dict[str, Tensor]:
        labelled = batch.x[: len(batch.y)]  # only the first images come with a label
        return super().step(batch) | self.classification_step(labelled, batch.y)

    def classify(self, x: Tensor) -> Tensor:
        """The likeliest class of each image, int64 (n,)."""
        with evaluating(self):
            return self.encoder.logits(x).argmax(1)


def measure(run: Run, test: TensorData, seed: int = 1, few: int = 2000) -> dict[str, float]:
    """Reconstruction and codes of held-out digits `test`, with the averaged weights of an AAE.

    `test_error` is the mean squared difference of a pixel, in [0, 1]; `same_class` the share of
    reconstructions whose class by the book's judge is the image's label. `code_distance` compares
    the codes of the first `few` images with as many samples of the prior, `prior_distance` two
    sets of the prior: the mean size of it over ten pairs, which is sampling noise.
    """
    model, x, apart = run.averaged, test.floats(), metrics.gaussian_kernel_distance
    device = torch.device(run.device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        codes = model.encode(x.to(device))
        again = model.sample(z=codes).cpu()
        noise = [apart(model.prior(few), model.prior(few)).abs() for _ in range(10)]
        distance = apart(codes[:few], model.prior(few))
    return {
        "test_error": ((again - x.cpu()) / 2).square().mean().item(),
        "same_class": metrics.conditional_accuracy(again, test.labels.cpu()),
        "code_distance": distance.item(),
        "prior_distance": torch.stack(noise).mean().item(),
    }


def train(
    config: Config | str | None = None,
    data: TensorData | FewLabels | None = None,
    *,
    seed: int = 0,
    device: str | torch.device | None = None,
    model_class: type[AAE] = AAE,
    **options: Any,
) -> Run:
    """Train an AAE on `data` (default: digits); `options` are those of `training.fit`.

    `config` is a `Config`, the name of a preset, or None for the preset of the session's budget;
    `model_class` is `AAE`, `GaussianAAE` or `SemiSupervisedAAE`. The last one needs labels, such as
    those of `few_labels(data)`, else it raises `ValueError`.
    """
    config = preset(config, PRESETS)
    data = digits() if data is None else data
    if issubclass(model_class, SemiSupervisedAAE):
        if data.labels is None:
            raise ValueError(f"SemiSupervisedAAE needs a few labels, and {data.name} has none.")
        check_labels(data.labels, len(data.labels), config.classes)
    return fit(model_class, config, data, seed=seed, device=device, **options)

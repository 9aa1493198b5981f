"""Two other ways to train BiGAN's encoder, with the same networks and the same number of updates.

A latent regressor learns from generated images alone, and an autoencoder from real ones alone. Both
are baselines of the BiGAN paper: Donahue, Krähenbühl, Darrell, ICLR 2017,
https://arxiv.org/abs/1605.09782. ClusterGAN's encoder is a latent regressor, too, one whose loss
reaches the generator.
"""

import copy
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gan_lessons.arguments import whole
from gan_lessons.data import Batch, TensorData
from gan_lessons.devices import own_randomness
from gan_lessons.evaluation.codes import encode
from gan_lessons.foundations.gan import discriminator_loss, generator_loss
from gan_lessons.latent import bigan
from gan_lessons.metrics.pictures import sharpness
from gan_lessons.model import Model
from gan_lessons.networks.convolutions import Discriminator, Generator
from gan_lessons.networks.encoders import Encoder
from gan_lessons.steps import adam, evaluating, frozen, update
from gan_lessons.training import Run, fit, preset


def regression_loss(z: Tensor, recovered: Tensor) -> Tensor:
    """E |z - E(G(z))|^2 / d: what was drawn, and what is read; both (n, d). A scalar."""
    return (z - recovered).square().mean()


class EncodingModel(Model):
    """Generator and encoder of BiGAN's chapter, from `bigan.Config`."""

    sampled = ("generator", "encoder")

    def __init__(self, config: bigan.Config):
        super().__init__(config)
        self.generator = Generator(config)
        self.encoder = Encoder(config)
        self.generator_optimizer = adam(self.generator, config.learning_rate, config.betas)
        self.encoder_optimizer = adam(self.encoder, config.learning_rate, config.betas)

    def encode(self, x: Tensor) -> Tensor:
        """The codes E(x) of samples, shape (n, latent_dim), which `sample(z=…)` takes."""
        with evaluating(self):
            return self.encoder(self.checked(x))


class LatentRegressor(EncodingModel):
    """A DCGAN, and beside the game an encoder that is to return the noise of its images."""

    optimizers = ("discriminator_optimizer", "encoder_optimizer", "generator_optimizer")

    def __init__(self, config: bigan.Config):
        super().__init__(config)
        self.discriminator = Discriminator(config, batch_norm=True)
        self.discriminator_optimizer = adam(self.discriminator, config.learning_rate, config.betas)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """The game's two updates, and one of the encoder, which never sees a real sample."""
        fake = self.generator(self.noise(len(batch.x))).detach()  # this loss must not move G
        judged = discriminator_loss(self.discriminator(batch.x), self.discriminator(fake))
        update(self.discriminator_optimizer, judged)
        z = self.noise(len(batch.x))
        fake = self.generator(z)
        with frozen(self.discriminator):  # D passes the gradient on, but is not to move
            fooled = generator_loss(self.discriminator(fake))
        update(self.generator_optimizer, fooled)
        missed = regression_loss(z, self.encoder(fake.detach()))  # G takes no notice of E
        update(self.encoder_optimizer, missed)
        return {
            "discriminator_loss": judged,
            "generator_loss": fooled,
            "regression_loss": missed,
        }


class Autoencoder(EncodingModel):
    """The same two networks, trained to redraw real samples, E |x - G(E(x))|^2 / d, and no game."""

    optimizers = ("encoder_optimizer", "generator_optimizer")

    def step(self, batch: Batch) -> dict[str, Tensor]:
        loss = (batch.x - self.generator(self.encoder(batch.x))).square().mean()
        self.generator_optimizer.zero_grad()
        update(self.encoder_optimizer, loss)  # gradients of both are there now
        self.generator_optimizer.step()
        return {"reconstruction_loss": loss}


WAYS = {"latent regressor": LatentRegressor, "autoencoder": Autoencoder}


def train(name: str, data: TensorData, seed: int = 0, config: Any = None) -> Run:
    """Train one of `WAYS` with BiGAN's preset of the session's budget, or `config`."""
    config = preset(config, bigan.PRESETS)
    return fit(WAYS[name], config, data, seed=seed, progress=False, snapshots=0)


def regress(run: Run, steps: int, seed: int = 0) -> Run:
    """A run with the generator of `run`, and a fresh encoder trained on its images for `steps`.

    `run` has `generator` and `encoder`, as BiGAN's. Its averaged generator draws the images and
    stays as it is; the encoder starts at random, and learns by `regression_loss` with the rate, the
    batch and the average of the run. `run` itself is left alone.
    """
    whole("steps", steps)
    config, device = run.config, torch.device(run.device)
    new = copy.copy(run)
    new.averaged = copy.deepcopy(run.averaged)
    with own_randomness(device, seed), torch.device(device):
        encoder = Encoder(config)
        optimizer = adam(encoder, config.learning_rate, config.betas)
        decay = get_ema_multi_avg_fn(config.average_decay)
        mean = AveragedModel(encoder, multi_avg_fn=decay, use_buffers=True)
        for _ in range(steps):
            z = run.averaged.noise(config.batch_size)
            update(optimizer, regression_loss(z, encoder(run.averaged.sample(z=z))))
            mean.update_parameters(encoder)
    new.averaged.encoder = mean.module.eval()
    return new


def measure_sharpness(run: Run, test: TensorData) -> dict[str, float]:
    """Sharpness of reconstructions of the digits `test`, and of as many samples; 1 is real."""
    x = test.floats().cpu()
    redrawn = run.sample(len(x), z=encode(run, x))
    return {
        "redrawn_sharpness": sharpness(redrawn, x),
        "drawn_sharpness": sharpness(run.sample(len(x), seed=0), x),
    }

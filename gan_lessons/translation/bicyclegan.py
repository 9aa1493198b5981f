"""BicycleGAN: many pictures of one input, and a code that says which.

Zhu, Zhang, Pathak, Darrell, Efros, Wang, Shechtman, "Toward Multimodal Image-to-Image Translation",
NIPS 2017, https://arxiv.org/abs/1711.11586.

Equations: [BICYCLE-D] is [LSGAN-D] with the targets 0 and 1, once for each branch, and [BICYCLE-G]
is [CYCLEGAN-G]. [BICYCLE-L1] is [PIX2PIX-L1], for pictures from encoded codes only, and
[BICYCLE-Z] is [AAE-Z]. New are the divergence of the codes from the prior [BICYCLE-KL] and the code
read again [BICYCLE-LAT]. G and E minimise [BICYCLE-SUM], in which [BICYCLE-LAT] moves G alone;
`CVAEGAN` is its encoded branch alone, [BICYCLE-VAE], and `CLRGAN` its random one, [BICYCLE-LR],
where [BICYCLE-LAT] moves E, too, since nothing else would.
In the names, `encoded` is G(x, E(y)) and `random` G(x, z). The networks are in
`gan_lessons.networks`, `codes` and `patches`.
Deviations from the paper: 32 to 64 pixels, narrower networks, an encoder without residual blocks or
normalisation, one size of patches for two, batches of more than one pair, a higher learning rate
without decay, samples from averaged weights. Discriminators see the input, as in the paper's
equations and not by default in its code, which also moves G and E first.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from gan_lessons.data import Batch, Pairs
from gan_lessons.data.hues import digits_in_hues
from gan_lessons.model import Model
from gan_lessons.networks.autoencoders import reparametrise
from gan_lessons.networks.codes import CodeUNet, PictureEncoder
from gan_lessons.networks.patches import PatchDiscriminator
from gan_lessons.networks.translators import GPU, SMOKE, Settings
from gan_lessons.objectives.lsgan import discriminator_loss
from gan_lessons.steps import adam, evaluating, frozen, update
from gan_lessons.training import Run, fit, preset
from gan_lessons.translation.cyclegan import generator_loss
from gan_lessons.translation.pix2pix import l1_loss


@dataclass(frozen=True)
class Config(Settings):
    """Settings of a BicycleGAN; the defaults are the `cpu` preset."""

    latent_dim: int = 2  # length of the code z; the paper has 8
    halvings: int = 1  # of the discriminators: 1, 2 or 3 for patches of 16, 34 or 70 pixels
    l1_weight: float = 10.0  # lambda, of the distance to the target
    latent_weight: float = 0.5  # lambda_lat, of the code that is read again
    kl_weight: float = 0.01  # lambda_KL, of the divergence from the prior
    steps: int = 1500  # updates of all players


PRESETS = {
    "smoke": Config(**SMOKE, steps=8),
    "cpu": Config(),
    "gpu": Config(**GPU, steps=6_000),
}


def kl_loss(mean: Tensor, log_variance: Tensor) -> Tensor:
    """E sum_d (mu_d^2 + sigma_d^2 - log sigma_d^2 - 1) / 2: a sum over the code.  [BICYCLE-KL]"""
    return ((mean**2 + log_variance.exp() - log_variance - 1) / 2).sum(-1).mean()


def latent_loss(z: Tensor, mean: Tensor) -> Tensor:
    """E |z - mu(G(x, z))|, the mean over samples and entries of the code.  [BICYCLE-LAT]"""
    return (z - mean).abs().mean()


class BicycleGAN(Model):
    """G, E and a discriminator for each branch, and one step of both games."""

    takes = (Pairs,)
    sampled = ("generator", "encoder")
    branches = ("encoded", "random")

    def __init__(self, config: Config):
        super().__init__(config)
        self.generator = CodeUNet(config.shape, config.width, config.latent_dim)
        self.encoder = PictureEncoder(config)
        channels = 2 * config.shape[0]  # of an input and a picture
        for branch in self.branches:
            judge = PatchDiscriminator(channels, config.width, config.halvings)
            setattr(self, f"discriminator_{branch}", judge)
        discriminators = [getattr(self, f"discriminator_{branch}") for branch in self.branches]
        players = nn.ModuleList([self.generator, self.encoder]), nn.ModuleList(discriminators)
        self.generator_optimizer, self.discriminator_optimizer = (
            adam(networks, config.learning_rate, config.betas) for networks in players
        )
        self.samples_per_step = config.batch_size * len(self.branches)

    def discriminator_step(self, *games: tuple[nn.Module, Batch, Batch]) -> dict[str, Tensor]:
        """One update on [BICYCLE-D] of each game: who judges, a real pair, and a fake one."""
        loss = sum(
            discriminator_loss(judge(*real), judge(fake.x, fake.y.detach()))  # G is not to move
            for judge, real, fake in games
        )
        update(self.discriminator_optimizer, loss)
        return {"discriminator_loss": loss}

    def encode_and_draw(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """G(x, mu + sigma epsilon) with the mu and log sigma^2 of y."""
        mean, log_variance = self.encoder(y)
        code = reparametrise(mean, log_variance)
        return self.generator(x, code), mean, log_variance

    def encoded_step(
        self, x: Tensor, y: Tensor, encoded: Tensor, mean: Tensor, log_variance: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What G and E minimise in the encoded branch.  [BICYCLE-VAE]"""
        with frozen(self.discriminator_encoded):  # it passes the gradient on, but is not to move
            game = generator_loss(self.discriminator_encoded(x, encoded))
        l1, divergence = l1_loss(encoded, y), kl_loss(mean, log_variance)
        total = game + self.config.l1_weight * l1 + self.config.kl_weight * divergence
        return total, {"encoded_loss": game, "l1_loss": l1, "kl_loss": divergence}

    def random_step(self, x: Tensor, z: Tensor, random: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """What G minimises in the random branch; the target has no part in it.  [BICYCLE-LR]"""
        with frozen(self.discriminator_random):  # it passes the gradient on, but is not to move
            game = generator_loss(self.discriminator_random(x, random))
        again = latent_loss(z, self.read_again(random))
        total = game + self.config.latent_weight * again
        return total, {"random_loss": game, "latent_loss": again}

    def read_again(self, random: Tensor) -> Tensor:
        """mu of a picture with its graph, so that G learns to show z, and E no secret sign."""
        with frozen(self.encoder):
            return self.encoder(random)[0]

    def step(self, batch: Batch) -> dict[str, Tensor]:
        # Both branches draw for the inputs of one half; the other half has the reals of D_random.
        (x, other_x), (y, other_y) = batch.x.chunk(2), batch.y.chunk(2)
        encoded, mean, log_variance = self.encode_and_draw(x, y)
        z = self.noise(len(x))
        random = self.generator(x, z)
        logged = self.discriminator_step(
            (self.discriminator_encoded, Batch(x, y), Batch(x, encoded)),
            (self.discriminator_random, Batch(other_x, other_y), Batch(x, random)),
        )
        first, of_encoded = self.encoded_step(x, y, encoded, mean, log_variance)
        second, of_random = self.random_step(x, z, random)
        update(self.generator_optimizer, first + second)  # [BICYCLE-SUM]
        return logged | of_encoded | of_random

    def sample(
        self, n: int | None = None, *, x: Tensor | None = None, z: Tensor | None = None
    ) -> Tensor:
        """A picture for each input in `x`, from the codes `z`, one a row, or from fresh ones.

        Without `x` there is nothing to translate, and other rows of `z` than inputs cannot be:
        `ValueError`.
        """
        if x is None:
            raise ValueError("BicycleGAN translates images: pass the inputs as x=…, (n, *shape).")
        x = self.checked(x)
        with evaluating(self):
            return self.generator(x, self.noise_or(z, len(x)))

    def encode(self, y: Tensor) -> Tensor:
        """mu of each picture in `y`, its code, (n, latent_dim)."""
        with evaluating(self):
            return self.encoder(self.checked(y, "y"))[0]

    def fixed_inputs(self, n: int, data: Pairs, columns: int = 8) -> dict[str, Tensor]:
        """What snapshots are made from: each row an input of the data, each column a code."""
        rows = -(-n // columns)
        x, z = data.batch(rows).x, self.noise(columns)
        return {"x": x.repeat_interleave(columns, 0)[:n], "z": z.repeat(rows, 1)[:n]}


class CVAEGAN(BicycleGAN):
    """The encoded branch alone: its codes come from pictures, and in samples from the prior."""

    branches = ("encoded",)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        x, y = batch.x, batch.y
        encoded, mean, log_variance = self.encode_and_draw(x, y)
        game = self.discriminator_encoded, Batch(x, y), Batch(x, encoded)
        logged = self.discriminator_step(game)
        loss, of_encoded = self.encoded_step(x, y, encoded, mean, log_variance)
        update(self.generator_optimizer, loss)
        return logged | of_encoded


class CLRGAN(BicycleGAN):
    """The random branch alone, in which the code that is read again must teach E, too."""

    branches = ("random",)

    def read_again(self, random: Tensor) -> Tensor:
        return self.encoder(random)[0]

    def step(self, batch: Batch) -> dict[str, Tensor]:
        x, z = batch.x, self.noise(len(batch.x))
        random = self.generator(x, z)
        game = self.discriminator_random, Batch(x, batch.y), Batch(x, random)
        logged = self.discriminator_step(game)
        loss, of_random = self.random_step(x, z, random)
        update(self.generator_optimizer, loss)
        return logged | of_random


def train(
    config: Config | str | None = None,
    data: Pairs | None = None,
    *,
    model_class: type[BicycleGAN] = BicycleGAN,
    **options: Any,
) -> Run:
    """Train on pairs (default: grey digits to four hues); all else is as in `fit`."""
    data = digits_in_hues() if data is None else data
    return fit(model_class, preset(config, PRESETS), data, **options)

"""ClusterGAN as its paper's experiments play it: Wasserstein's critic, little noise, no distortion.

Mukherjee, Asnani, Lin, Kannan, AAAI 2019, https://arxiv.org/abs/1809.03627. The chapter plays the
game with q = log; here q(t) = t, with the penalty of WGAN-GP. What still differs from the paper:
the chapter's networks and its rate of 0.001 for 0.0001, averaged weights, and far fewer updates.
Each of the generator has five of the critic before it, with second derivatives, so that a run of as
many updates as the chapter's takes a quarter of an hour on one core.
"""

from dataclasses import dataclass

from torch import Tensor

from gan_lessons.data import Batch, TensorData
from gan_lessons.latent import clustergan
from gan_lessons.networks.convolutions import Discriminator
from gan_lessons.objectives.wgan import generator_loss
from gan_lessons.objectives.wgan_gp import WGANGP
from gan_lessons.steps import adam, frozen, update
from gan_lessons.training import Run, fit


@dataclass(frozen=True)
class Config(clustergan.Config):
    """The settings of the paper where they differ from the chapter's."""

    noise_scale: float = 0.1  # sigma
    class_weight: float = 10.0  # beta_c; beta_n is the chapter's, 10 for a mean over 30 numbers
    bend: float = 0.0  # T(x) = x
    stroke: float = 0.0
    penalty_weight: float = 10.0  # lambda of WGAN-GP
    critic_steps: int = 5  # updates of the critic for one of generator and encoder
    betas: tuple[float, float] = (0.5, 0.9)
    steps: int = 2000  # updates of generator and encoder, as in the chapter


class Published(clustergan.ClusterGAN):
    """ClusterGAN's code, generator and encoder, with a critic and its penalty."""

    discriminator_step = WGANGP.discriminator_step

    def __init__(self, config: Config):
        super().__init__(config)
        self.samples_per_step = config.critic_steps * config.batch_size
        self.discriminator = Discriminator(config)  # no batch normalisation beside a penalty
        self.discriminator_optimizer = adam(self.discriminator, config.learning_rate, config.betas)

    def generator_encoder_step(self, n: int) -> dict[str, Tensor]:
        """[CLUSTERGAN-GE] with [WGAN-G] for L_G; the encoder reads the images as they are."""
        z = self.noise(n)
        z_n, z_c = z.split(self.encoder.sizes, dim=1)
        fake = self.generator(z)
        recovered, logits = self.encoder(fake)
        with frozen(self.discriminator):  # D passes the gradient on, but is not to move
            fooled = generator_loss(self.discriminator(fake))
        found, named = clustergan.noise_loss(z_n, recovered), clustergan.class_loss(z_c, logits)
        loss = fooled + self.config.noise_weight * found + self.config.class_weight * named
        update(self.generator_encoder_optimizer, loss)
        return {"generator_loss": fooled, "noise_loss": found, "class_loss": named}

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """`critic_steps` updates of D, each on samples of its own, then one of G and E."""
        for real in batch.x.split(self.config.batch_size):
            logged = self.discriminator_step(real)
        return logged | self.generator_encoder_step(self.config.batch_size)


def train(data: TensorData, seed: int = 0, config: Config | None = None) -> Run:
    """Train on `data`, whose labels are not looked at, with the paper's settings or `config`."""
    return fit(Published, config or Config(), data, seed=seed, progress=False, snapshots=0)

"""DiscoGAN: two coupled games find which half of one set belongs to which half of the other.

Kim, Cha, Kim, Lee, Kim, "Learning to Discover Cross-Domain Relations with Generative Adversarial
Networks", ICML 2017, https://arxiv.org/abs/1703.05192.

Equations: [DISCO-D] is [GAN-D] and [DISCO-G] is [GAN-G], once for each domain. The translators
minimise [DISCO-SUM]: both games and the reconstructions [DISCO-CONST]. The authors' code minimises
another loss, [DISCO-CODE], with feature matching [DISCO-FM] and a rate that jumps, [DISCO-RATE],
and its discriminators learn in every third iteration only: `CodeDiscoGAN`.
In the names, x is the first domain, the paper's A, and y the second, its B: `generator_xy` is its
G_AB, and `discriminator_y` judges what comes from there. The translators are pix2pix's U-Net
without its skip connections and its noise, in `gan_lessons.networks.translators`.
Deviations from the paper: smaller images and networks, fewer steps, smaller batches, a higher
learning rate, samples from averaged weights; points in the plane, too, with perceptrons. Samples
are drawn in evaluation, those of the authors' code in training mode.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from gan_lessons.data import Batch, TwoDomains, digits_in_two_colours
from gan_lessons.foundations.gan import discriminator_loss, generator_loss
from gan_lessons.networks.convolutions import Discriminator
from gan_lessons.networks.perceptrons import perceptron
from gan_lessons.networks.translators import GPU, SMOKE, Settings, UNet
from gan_lessons.steps import adam, frozen, update
from gan_lessons.training import Run, fit, preset
from gan_lessons.two_way import TwoWayModel


@dataclass(frozen=True)
class Config(Settings):
    """Settings of a DiscoGAN; the defaults are the `cpu` preset."""

    hidden: tuple[int, ...] = (64, 64)  # points: widths of the hidden layers of all networks
    reconstruction_weight: float = 1.0  # of both reconstructions, against 1 for the games
    matching_share: float = 0.9  # authors' code: of feature matching in what is not reconstruction
    early_rate: float = 0.01  # authors' code: r, the share of the reconstructions, at first
    late_rate: float = 0.5  # authors' code: the same later
    switch: int = 500  # authors' code: the step in which the rate jumps
    steps: int = 1_500  # updates of the discriminators, and of the translators
    average_decay: float = 0.98  # of the averaged weights that translate


PRESETS = {
    "smoke": Config(**SMOKE, hidden=(16,), switch=4, steps=8),
    "cpu": Config(),
    "gpu": Config(**GPU, switch=6_000, steps=12_000),
}


def reconstruction_loss(x: Tensor, x_again: Tensor, y: Tensor, y_again: Tensor) -> Tensor:
    """E (F(G(x)) - x)^2 + E (G(F(y)) - y)^2, means over samples and elements.  [DISCO-CONST]"""
    return (x_again - x).square().mean() + (y_again - y).square().mean()


def feature_matching(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """sum_l E (E f_l(y) - E f_l(G(x)))^2, of the features (n, …) of each layer l.  [DISCO-FM]"""
    gaps = (r.mean(0) - f.mean(0) for r, f in zip(real, fake, strict=True))
    return sum(gap.square().mean() for gap in gaps)


def blend(game: Tensor, matching: Tensor, again: Tensor, rate: float, share: float) -> Tensor:
    """(1 - r) ((1 - a) L_GAN + a L_FM) + r L_CONST; `rate` is r, `share` is a.  [DISCO-CODE]"""
    return (1 - rate) * ((1 - share) * game + share * matching) + rate * again


def rate_at(step: int, config: Config) -> float:
    """r = .01 for the first steps and .5 afterwards, by default.  [DISCO-RATE]"""
    return config.early_rate if step < config.switch else config.late_rate


def features(discriminator: nn.Module, samples: Tensor) -> tuple[list[Tensor], Tensor]:
    """What each LeakyReLU of a discriminator gives for samples, and their scores."""
    found: list[Tensor] = []
    layers = [m for m in discriminator.modules() if isinstance(m, nn.LeakyReLU)]
    hooks = [m.register_forward_hook(lambda *inputs: found.append(inputs[2])) for m in layers]
    try:
        return found, discriminator(samples)
    finally:
        for hook in hooks:
            hook.remove()


def translator(config: Config) -> nn.Module:
    """An encoder and a decoder for images, with nothing around the bottleneck; a perceptron."""
    if len(config.shape) == 3:
        return UNet(config.shape, config.width, dropout=0.0, skips=False)
    return perceptron([*config.shape, *config.hidden, *config.shape], nn.ReLU())


class DiscoGAN(TwoWayModel):
    """Two translators, two discriminators, and one step of both games."""

    def __init__(self, config: Config):
        super().__init__(config)
        self.generator_xy, self.generator_yx = (translator(config) for _ in range(2))
        self.discriminator_x, self.discriminator_y = (
            Discriminator(config, batch_norm=len(config.shape) == 3) for _ in range(2)
        )
        generators = nn.ModuleList([self.generator_xy, self.generator_yx])
        discriminators = nn.ModuleList([self.discriminator_x, self.discriminator_y])
        self.discriminator_optimizer = adam(discriminators, config.learning_rate, config.betas)
        self.generator_optimizer = adam(generators, config.learning_rate, config.betas)

    def discriminator_step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """One update on [DISCO-D] of both domains."""
        fake_x, fake_y = self.generator_yx(y).detach(), self.generator_xy(x).detach()  # G stays
        loss_x = discriminator_loss(self.discriminator_x(x), self.discriminator_x(fake_x))
        loss_y = discriminator_loss(self.discriminator_y(y), self.discriminator_y(fake_y))
        update(self.discriminator_optimizer, loss_x + loss_y)
        return {"discriminator_loss": loss_x + loss_y}

    def generator_step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """One update on both games and both reconstructions.  [DISCO-SUM]"""
        fake_x, fake_y = self.generator_yx(y), self.generator_xy(x)
        with frozen(self.discriminator_x), frozen(self.discriminator_y):  # they are not to move
            scores_x, scores_y = self.discriminator_x(fake_x), self.discriminator_y(fake_y)
        games = generator_loss(scores_x) + generator_loss(scores_y)
        # With the graph of the fakes: both translators must learn.
        again = reconstruction_loss(x, self.generator_yx(fake_y), y, self.generator_xy(fake_x))
        update(self.generator_optimizer, games + self.config.reconstruction_weight * again)
        return {"generator_loss": games, "reconstruction_loss": again}

    def step(self, batch: Batch) -> dict[str, Tensor]:
        return self.discriminator_step(batch.x, batch.y) | self.generator_step(batch.x, batch.y)


class CodeDiscoGAN(DiscoGAN):
    """DiscoGAN as the authors' code has it; a step is three of its iterations."""

    def __init__(self, config: Config):
        super().__init__(config)
        self.samples_per_step = 3 * config.batch_size

    def generator_step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """One update on [DISCO-CODE] of both directions."""
        fake_x, fake_y = self.generator_yx(y), self.generator_xy(x)
        games, matching = 0.0, 0.0
        sides = (self.discriminator_x, x, fake_x), (self.discriminator_y, y, fake_y)
        for discriminator, real, fake in sides:
            with frozen(discriminator):  # it passes the gradient on, but is not to move
                of_real, _ = features(discriminator, real)
                of_fake, scores = features(discriminator, fake)
            games = games + generator_loss(scores)
            matching = matching + feature_matching(of_real, of_fake)
        again = reconstruction_loss(x, self.generator_yx(fake_y), y, self.generator_xy(fake_x))
        rate = rate_at(int(self.steps_done), self.config)
        total = blend(games, matching, again, rate, self.config.matching_share)
        update(self.generator_optimizer, total)
        return {"generator_loss": games, "reconstruction_loss": again, "matching_loss": matching}

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """The discriminators learn from the first batch, the translators from the two others."""
        size = self.config.batch_size
        (x, y), *others = zip(batch.x.split(size), batch.y.split(size), strict=True)
        logged = self.discriminator_step(x, y)
        for pair in others:
            logged |= self.generator_step(*pair)
        return logged


def train(
    config: Config | str | None = None,
    data: TwoDomains | None = None,
    *,
    model_class: type[DiscoGAN] = DiscoGAN,
    **options: Any,
) -> Run:
    """Train on two domains (default: digits in two colours); all else is as in `fit`."""
    data = digits_in_two_colours() if data is None else data
    return fit(model_class, preset(config, PRESETS), data, **options)

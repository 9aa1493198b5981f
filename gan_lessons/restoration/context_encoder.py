"""Context Encoder: a network that predicts a hole in a picture from what surrounds it.

Pathak, Krähenbühl, Donahue, Darrell, Efros, "Context Encoders: Feature Learning by Inpainting",
CVPR 2016, https://arxiv.org/abs/1604.07379.

Equations: [CE-D] is [GAN-D] and [CE-G] is [GAN-G], of holes alone. The generator minimises
[CE-TOTAL]: the reconstruction [CE-REC], weighted by [CE-WEIGHT], and a thousandth of the game.
Masks m are 1 on the context, 0 in the hole, the paper's the opposite; `data.masks` has [CE-COMP].
Deviations from the paper: smaller pictures and networks, higher learning rates, fewer steps,
samples from averaged weights; one network for all masks, built as the paper's for features; the
border of higher weight lies around the hole, and the discriminator does not see it.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from gan_lessons.data import Batch, TensorData, digits
from gan_lessons.data.masks import border, check_masks, colour, composite, masks, mean_colour
from gan_lessons.foundations.gan import discriminator_loss, generator_loss
from gan_lessons.model import Model
from gan_lessons.networks.convolutions import Discriminator
from gan_lessons.networks.inpainting import GPU, SMOKE, Inpainter, Settings
from gan_lessons.steps import adam, evaluating, frozen, update
from gan_lessons.training import Run, fit, preset


@dataclass(frozen=True)
class Config(Settings):
    """Settings of a Context Encoder; the defaults are the `cpu` preset."""

    masks: str = "centre"  # the holes of the training: "centre", "blocks" or "regions"
    hole: float = 0.5  # side of the hole in the centre, as a share of the picture's
    fill: tuple[float, ...] = ()  # what is in the hole, a number a channel; the data's mean if ()
    adversarial_weight: float = 0.001  # lambda, of the discriminator's opinion; 0 leaves it out
    overlap: int = field(default=2, metadata={"least": 0})  # width of a border of known pixels
    overlap_weight: float = 10.0  # of that border in the reconstruction; 1 in the hole
    rate_ratio: float = 10.0  # the generator's learning rate by the discriminator's
    steps: int = 1500  # updates of each player


PRESETS = {
    "smoke": Config(**SMOKE, steps=20),
    "cpu": Config(),
    "gpu": Config(**GPU, steps=10_000),
}


def pixel_weights(m: Tensor, overlap: int, overlap_weight: float) -> Tensor:
    """w = 1 in the hole, `overlap_weight` on the border around it, else 0.  [CE-WEIGHT]"""
    return (1 - m) + overlap_weight * border(m, overlap)


def reconstruction_loss(fake: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """sum_i w_i (x_i - G(x)_i)^2 / the number of i with w_i > 0.  [CE-REC]"""
    weights = weights.expand_as(target)
    return (weights * (target - fake).square()).sum() / (weights > 0).sum()


class ContextEncoder(Model):
    """Both players, and one step of the game."""

    def __init__(self, config: Config):
        super().__init__(config)
        if config.adversarial_weight > 1 or config.rate_ratio <= 0:
            raise ValueError("adversarial_weight lies from 0 to 1, and rate_ratio above 0.")
        self.generator = Inpainter(config)
        self.discriminator = Discriminator(config, batch_norm=True)
        slow = config.learning_rate / config.rate_ratio
        self.generator_optimizer = adam(self.generator, config.learning_rate, config.betas)
        self.discriminator_optimizer = adam(self.discriminator, slow, config.betas)
        self.register_buffer("fill", colour(config.fill, config.shape[0]))

    def masks(self, n: int) -> Tensor:
        """Fresh masks of the kind in the settings, (n, 1, H, W)."""
        c, device = self.config, self.fill.device
        return masks(c.masks, n, c.shape[-1], c.hole, device=device).to(self.fill)

    def hole_alone(self, x: Tensor, m: Tensor) -> Tensor:
        """What D sees: the hole of a picture, and the fill in place of the context."""
        return composite(self.fill, x, m)

    def discriminator_step(self, x: Tensor, fake: Tensor, m: Tensor) -> dict[str, Tensor]:
        """One update on [CE-D]."""
        real_scores = self.discriminator(self.hole_alone(x, m))
        fake_scores = self.discriminator(self.hole_alone(fake.detach(), m))  # G is not to move
        loss = discriminator_loss(real_scores, fake_scores)
        update(self.discriminator_optimizer, loss)
        return {"discriminator_loss": loss}

    def generator_step(self, x: Tensor, fake: Tensor, m: Tensor) -> dict[str, Tensor]:
        """One update on (1 - lambda) [CE-REC] + lambda [CE-G].  [CE-TOTAL]"""
        share = self.config.adversarial_weight
        weights = pixel_weights(m, self.config.overlap, self.config.overlap_weight)
        again = reconstruction_loss(fake, x, weights)
        loss, logged = (1 - share) * again, {"reconstruction_loss": again}
        if share:
            with frozen(self.discriminator):  # D passes the gradient on, but is not to move
                game = generator_loss(self.discriminator(self.hole_alone(fake, m)))
            loss = loss + share * game
            logged["generator_loss"] = game
        update(self.generator_optimizer, loss)
        return logged

    def step(self, batch: Batch) -> dict[str, Tensor]:
        x = batch.x
        m = self.masks(len(x))
        fake = self.generator(composite(x, self.fill, m))  # once: D and G look at the same ones
        played = self.discriminator_step(x, fake, m) if self.config.adversarial_weight else {}
        return played | self.generator_step(x, fake, m)

    def sample(
        self, n: int | None = None, *, x: Tensor | None = None, m: Tensor | None = None
    ) -> Tensor:
        """The pictures `x` (n, *shape) with their holes filled; the context stays as it is.

        `m` is 1 on the context and 0 in the hole, (n, 1, H, W); if None, as in the training. Masks
        that do not fit, and no `x`, raise `ValueError`.
        """
        if x is None:
            raise ValueError("A Context Encoder fills holes: pass pictures as x=…, (n, *shape).")
        x = self.checked(x)
        m = self.masks(len(x)) if m is None else check_masks(m, x)
        with evaluating(self):
            return composite(x, self.generator(composite(x, self.fill, m)), m)

    def fixed_inputs(self, n: int, data: TensorData) -> dict[str, Tensor]:
        """What snapshots are made from: some pictures of the training data, with holes."""
        return {"x": data.batch(n).x, "m": self.masks(n)}


def train(
    config: Config | str | None = None, data: TensorData | None = None, **options: Any
) -> Run:
    """Train on pictures (default: digits); presets, `seed`, `device` and all else as in `fit`."""
    config, data = preset(config, PRESETS), digits() if data is None else data
    config = replace(config, fill=config.fill or mean_colour(data))
    return fit(ContextEncoder, config, data, **options)

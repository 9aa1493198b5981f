"""pix2pix: a conditional GAN from image to image, with pairs to learn from.

Isola, Zhu, Zhou, Efros, "Image-to-Image Translation with Conditional Adversarial Networks",
CVPR 2017, https://arxiv.org/abs/1611.07004.

Equations: [PIX2PIX-D], [PIX2PIX-G] and [PIX2PIX-L1], and their weighted sum [PIX2PIX-TOTAL]. The
generator is a U-Net whose noise is dropout; the discriminator scores patches of pairs, as large as
[PIX2PIX-RF] says.
Deviations from the paper: 32 to 64 pixels for 256, narrower networks, a smaller patch, larger
batches and a higher learning rate; in samples, batch normalisation has the averages of the training
for the statistics of the batch, and the weights are averaged.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from gan_lessons.data import Batch, Pairs, toy_facades
from gan_lessons.metrics import nearest_neighbours
from gan_lessons.metrics.pictures import sharpness, told_apart
from gan_lessons.steps import adam, evaluating, frozen, update
from gan_lessons.training import Run, fit, preset
from gan_lessons.translation.networks import PatchDiscriminator, UNet, noise_on


@dataclass(frozen=True)
class Config:
    """Settings of a pix2pix; the defaults are the `cpu` preset."""

    shape: tuple[int, ...] = (3, 32, 32)  # of an input, and of a target; from the data
    width: int = 24  # channels of the layer next to the image, in both players; doubles
    halvings: int = 1  # of the discriminator: 1, 2 or 3 for patches of 16, 34 or 70 pixels
    dropout: float = 0.5  # the noise: how many features are set to 0 in the innermost doublings
    skips: bool = True  # connections around the bottleneck
    l1_weight: float = 100.0  # lambda, of the distance to the target
    adversarial_weight: float = 1.0  # of the discriminator's opinion; 0 leaves it out
    learning_rate: float = 1e-3  # of Adam, for both players
    betas: tuple[float, float] = (0.5, 0.99)  # of Adam, for both players
    batch_size: int = 16  # pairs in one step
    steps: int = 2500  # updates of each player
    average_decay: float = 0.995  # of the averaged weights that samples are drawn from


PRESETS = {
    "smoke": Config(width=4, batch_size=8, steps=20),
    "cpu": Config(),
    "gpu": Config(
        width=64,
        learning_rate=2e-4,
        betas=(0.5, 0.999),
        steps=20_000,
        average_decay=0.999,
    ),
}


def discriminator_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """1/2 E softplus(-D(x, y)) + 1/2 E softplus(D(x, G(x, z))).  [PIX2PIX-D]

    Both are logits of any shape, here one for each patch of each pair; the mean goes over all.
    """
    return softplus(-real_scores).mean() / 2 + softplus(fake_scores).mean() / 2


def generator_loss(fake_scores: Tensor) -> Tensor:
    """E softplus(-D(x, G(x, z))), the non-saturating form.  [PIX2PIX-G]

    Takes logits of any shape, one for each patch of each pair; the mean goes over all.
    """
    return softplus(-fake_scores).mean()


def l1_loss(fake: Tensor, target: Tensor) -> Tensor:
    """E |y - G(x, z)|, the mean over pixels and channels.  [PIX2PIX-L1]

    Takes two batches of one shape; `target` is y, row by row the pair of the input.
    """
    return (target - fake).abs().mean()


class Pix2Pix(nn.Module):
    """Both players, and one step of the game."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        channels = config.shape[0]
        self.generator = UNet(config.shape, config.width, config.dropout, config.skips)
        self.discriminator = PatchDiscriminator(2 * channels, config.width, config.halvings)
        self.generator_optimizer = adam(self.generator, config.learning_rate, config.betas)
        self.discriminator_optimizer = adam(self.discriminator, config.learning_rate, config.betas)

    def discriminator_step(self, x: Tensor, y: Tensor, fake: Tensor) -> dict[str, Tensor]:
        # It judges pairs, always the input first: a fake comes with the input it was made from.
        real_scores = self.discriminator(x, y)
        fake_scores = self.discriminator(x, fake.detach())  # this loss must not move G
        loss = discriminator_loss(real_scores, fake_scores)
        update(self.discriminator_optimizer, loss)
        return {
            "discriminator_loss": loss,
            "real_score": real_scores.mean(),
            "fake_score": fake_scores.mean(),
        }

    def generator_step(self, x: Tensor, y: Tensor, fake: Tensor) -> dict[str, Tensor]:
        l1 = l1_loss(fake, y)
        loss, parts = self.config.l1_weight * l1, {"l1_loss": l1}
        if self.config.adversarial_weight:
            with frozen(self.discriminator):  # D passes the gradient on, but is not to move
                adversarial = generator_loss(self.discriminator(x, fake))
            loss = loss + self.config.adversarial_weight * adversarial
            parts["generator_loss"] = adversarial
        update(self.generator_optimizer, loss)
        return parts

    def step(self, batch: Batch) -> dict[str, Tensor]:
        x, y = batch
        fake = self.generator(x)  # once, with one noise: D and G look at the same pictures
        result = {}
        if self.config.adversarial_weight:
            result = self.discriminator_step(x, y, fake)
        return result | self.generator_step(x, y, fake)

    def sample(self, n: int | None = None, *, x: Tensor | None = None) -> Tensor:
        """A picture for each input in `x`, (n, *shape) in [-1, 1]; with the noise, so never twice.

        Without `x` there is nothing to translate, and other channels than in the training cannot
        be: `ValueError`.
        """
        if x is None:
            raise ValueError("pix2pix translates images: pass the inputs as x=…, (n, *shape).")
        if x.dim() != 4 or x.shape[1] != self.config.shape[0]:
            raise ValueError(
                f"x has shape {tuple(x.shape)}; pass inputs like those of the training, "
                f"(n, {', '.join(map(str, self.config.shape))})."
            )
        with evaluating(self):
            noise_on(self.generator)  # dropout is z, and stays on
            return self.generator(x)

    def fixed_inputs(self, n: int, data: Pairs) -> dict[str, Tensor]:
        """What snapshots are made from: some inputs of the training data."""
        return {"x": data.batch(n).x}


def train(
    config: Config | str | None = None,
    data: Pairs | None = None,
    *,
    seed: int = 0,
    device: str | torch.device | None = None,
    **options: Any,
) -> Run:
    """Train a pix2pix on `data` (default: toy facades); `options` as in `training.fit`.

    `config` is a `Config`, the name of a preset, or None for the preset of the session's budget.
    Data that are not `Pairs` raise `TypeError`, two weights of 0 `ValueError`.
    """
    config = preset(config, PRESETS)
    data = toy_facades() if data is None else data
    if not isinstance(data, Pairs):
        raise TypeError(
            f"pix2pix needs pairs, not {type(data).__name__}: toy_facades(), side_by_side(…) and "
            "facades() make some. For images that nobody has paired there is CycleGAN."
        )
    if not config.l1_weight and not config.adversarial_weight:
        raise ValueError("Both weights are 0, so there is nothing to learn: set one of them.")
    return fit(Pix2Pix, config, data, seed=seed, device=device, **options)


def translate(run: Run, x: Tensor, *, seed: int = 0, chunk: int = 250) -> Tensor:
    """A picture for each input in `x`, (n, *shape), from averaged weights, on the CPU.

    The noise comes from `seed`: another seed gives another picture.
    """
    return run.sample(len(x), x=x, seed=seed, chunk=chunk)


def compare(fake: Tensor, inputs: Tensor, targets: Tensor, *, looks: int = 150) -> dict[str, float]:
    """How near pictures come to their targets, how sharp they are, and whether they are found out.

    All are images (n, *shape) in [-1, 1], row by row from one input. "L1" is the mean absolute
    difference, "sharpness" as in `metrics.pictures`; "told apart" is the share of pairs of input
    and picture that a fresh discriminator sorts into real and fake correctly, after `looks` steps
    of training.
    """
    return {
        "L1": l1_loss(fake, targets).item(),
        "sharpness": sharpness(fake, targets),
        "told apart": told_apart(fake, targets, inputs, steps=looks),
    }


def measure(run: Run, test: Pairs, *, looks: int = 150) -> dict[str, float]:
    """What `compare` finds on `test`, pairs held out of training, and "noise".

    "noise" is the mean absolute difference of two samples from one input.
    """
    x, y = test.inputs.floats().cpu(), test.targets.floats().cpu()
    first, second = translate(run, x), translate(run, x, seed=1)
    return compare(first, x, y, looks=looks) | {"noise": l1_loss(first, second).item()}


def baselines(train: Pairs, test: Pairs, *, looks: int = 150) -> dict[str, dict[str, float]]:
    """What `compare` finds on `test` for pictures that need no learning.

    The input itself; the mean of all training targets; and, for each input, the target of the
    training input nearest to it. The last row are the true targets.
    """
    x, y = test.inputs.floats().cpu(), test.targets.floats().cpu()
    index, _ = nearest_neighbours(x, train.inputs.floats())
    targets = train.targets.floats().cpu()
    pictures = {
        "copy the input": x,
        "mean image": targets.mean(0).expand_as(y),
        "nearest training pair": targets[index],
        "truth": y,
    }
    return {name: compare(picture, x, y, looks=looks) for name, picture in pictures.items()}

"""CycleGAN: two translators between two sets of images that nobody has paired.

Zhu, Park, Isola, Efros, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
Networks", ICCV 2017, https://arxiv.org/abs/1703.10593.

Equations: least squares for both games, [CYCLEGAN-D] and [CYCLEGAN-G], the round trip
[CYCLEGAN-CYCLE] and the identity term [CYCLEGAN-ID]; their weighted sum is [CYCLEGAN-SUM]. The
learning rate follows [CYCLEGAN-LR]. In the names, x is the first domain and y the second:
`generator_xy` is the paper's G: X -> Y, `generator_yx` its F, and `discriminator_y` judges images
of Y, real ones and those that `generator_xy` has made.
Deviations from the paper: smaller images, narrower networks with fewer blocks, smaller patches,
batches of more than one image, fewer steps, a higher learning rate, no identity term, samples from
averaged weights; points in the plane, too, with perceptrons.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gan_lessons import metrics
from gan_lessons.data import (
    Batch,
    TwoDomains,
    digits_in_two_colours,
    to_first,
    to_grey,
    to_second,
)
from gan_lessons.foundations.gan import perceptron
from gan_lessons.runs import own_randomness
from gan_lessons.steps import adam, evaluating, frozen, update
from gan_lessons.training import Run, fit, preset
from gan_lessons.translation.networks import PatchDiscriminator, ResidualGenerator


@dataclass(frozen=True)
class Config:
    """Settings of a CycleGAN; the defaults are the `cpu` preset."""

    shape: tuple[int, ...] = (3, 32, 32)  # of one sample, in both domains; taken from the data
    width: int = 24  # images: channels of the generators' largest maps
    halvings: int = 1  # images: how often the generators halve the side
    blocks: int = 3  # images: residual blocks of a generator
    discriminator_width: int = 24  # images: channels of the discriminators' largest maps
    discriminator_halvings: int = 1  # images: 1, 2, 3 for patches of 16, 34, 70 pixels
    hidden: tuple[int, ...] = (64, 64)  # points: widths of the hidden layers of all networks
    cycle_weight: float = 10.0  # of the round trips, against 1 for the games; 0 leaves them out
    identity_weight: float = 0.0  # of the identity term; 0 leaves it out
    pool_size: int = 50  # past fakes that a discriminator may see again; 0 for none
    learning_rate: float = 5e-4  # of Adam at the start, for all players
    decay_from: float = 0.5  # share of the steps after which the learning rate falls to 0; 1: never
    betas: tuple[float, float] = (0.5, 0.999)  # of Adam, for all players
    batch_size: int = 16  # samples of each domain in one step
    steps: int = 300  # updates of each player
    average_decay: float = 0.98  # of the averaged weights that translate


PRESETS = {
    "smoke": Config(
        width=4, blocks=1, discriminator_width=4, hidden=(16,), batch_size=4, steps=8, pool_size=8
    ),
    "cpu": Config(),
    "gpu": Config(
        width=64,
        blocks=6,
        discriminator_width=64,
        learning_rate=2e-4,
        batch_size=16,
        steps=6_000,
        average_decay=0.999,
    ),
}


def discriminator_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """1/2 E (D_Y(y) - 1)^2 + 1/2 E D_Y(pool(G(x)))^2, and so for D_X and F.  [CYCLEGAN-D]

    Takes scores of any shape, such as maps of patches; returns a scalar >= 0.
    """
    return ((real_scores - 1) ** 2).mean() / 2 + (fake_scores**2).mean() / 2


def generator_loss(fake_scores: Tensor) -> Tensor:
    """E (D_Y(G(x)) - 1)^2, and so for F and D_X.  [CYCLEGAN-G]

    Takes scores of any shape; returns a scalar >= 0.
    """
    return ((fake_scores - 1) ** 2).mean()


def cycle_loss(x: Tensor, x_again: Tensor, y: Tensor, y_again: Tensor) -> Tensor:
    """E |F(G(x)) - x| + E |G(F(y)) - y|.  [CYCLEGAN-CYCLE]

    Each mean goes over samples and their elements; returns a scalar >= 0.
    """
    return (x_again - x).abs().mean() + (y_again - y).abs().mean()


def identity_loss(x: Tensor, x_by_f: Tensor, y: Tensor, y_by_g: Tensor) -> Tensor:
    """E |G(y) - y| + E |F(x) - x|.  [CYCLEGAN-ID]

    Each translator gets samples of the domain that it leads to, and is to leave them alone.
    """
    return (y_by_g - y).abs().mean() + (x_by_f - x).abs().mean()


def learning_rate_factor(step: int, steps: int, decay_from: float) -> float:
    """min(1, (T - t) / (T - t_0)) with t_0 = decay_from T, and 0 from T on.  [CYCLEGAN-LR]

    `step` is t, how many steps have been made, and `steps` is T, all of them.
    """
    left = (steps - step) / max(1.0, steps - decay_from * steps)
    return min(1.0, max(0.0, left))


class ImagePool(nn.Module):
    """The last fakes of a generator, so that the discriminator does not forget its older tricks.

    The first `size` samples are kept and come back as they are. Afterwards each comes back as it is
    with probability 1/2. Else it takes the place of a kept sample, which comes back instead. What
    comes back carries no gradient. The samples are a buffer, and so is their number, so that both
    are saved with a run. With a `size` of 0, samples only lose their gradient.
    """

    def __init__(self, shape: tuple[int, ...], size: int = 50):
        super().__init__()
        self.size, self.filled = size, 0
        self.register_buffer("kept", torch.zeros(size, *shape))

    def forward(self, fresh: Tensor) -> Tensor:
        fresh = fresh.detach()  # the past is data: no graph is kept, no generator moves
        if not self.size:
            return fresh
        first, rest = fresh[: self.size - self.filled], fresh[self.size - self.filled :]
        self.kept[self.filled : self.filled + len(first)] = first
        self.filled += len(first)
        return torch.cat([first, *map(self.exchange, rest.split(self.size))])

    def exchange(self, fresh: Tensor) -> Tensor:
        """At most `size` samples, each with a place of its own, half of them for older ones."""
        # Drawn on the CPU, so that the loop does not wait for the device.
        swapped = torch.rand(len(fresh), *[1] * (fresh.dim() - 1), device="cpu") < 0.5
        places = torch.randperm(self.size, device="cpu")[: len(fresh)]
        swapped, places = swapped.to(fresh.device), places.to(fresh.device)
        old = self.kept[places].to(fresh)
        self.kept[places] = torch.where(swapped, fresh, old).to(self.kept)
        return torch.where(swapped, old, fresh)

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.filled, device="cpu")

    def set_extra_state(self, state: Tensor) -> None:
        self.filled = int(state)


class CycleGAN(nn.Module):
    """Two translators, two discriminators, and one step of both games."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.generator_xy, self.generator_yx = translator(config), translator(config)
        self.discriminator_x, self.discriminator_y = discriminator(config), discriminator(config)
        self.pool_x, self.pool_y = (ImagePool(config.shape, config.pool_size) for _ in range(2))
        # One optimiser for both translators, since one loss moves them, and one for both judges.
        generators = nn.ModuleList([self.generator_xy, self.generator_yx])
        discriminators = nn.ModuleList([self.discriminator_x, self.discriminator_y])
        self.generator_optimizer = adam(generators, config.learning_rate, config.betas)
        self.discriminator_optimizer = adam(discriminators, config.learning_rate, config.betas)
        self.steps_done = 0

    def generator_step(self, x: Tensor, y: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Move both translators; returns the losses and their fakes, of X and of Y."""
        weights = {"cycle_loss": self.config.cycle_weight}
        weights |= {"identity_loss": self.config.identity_weight}
        fake_x, fake_y = self.generator_yx(y), self.generator_xy(x)
        with frozen(self.discriminator_x), frozen(self.discriminator_y):  # they are not to move
            scores_x, scores_y = self.discriminator_x(fake_x), self.discriminator_y(fake_y)
        losses = {"generator_loss": generator_loss(scores_x) + generator_loss(scores_y)}
        if weights["cycle_loss"]:  # with the graph of the fakes: both translators must learn here
            x_again, y_again = self.generator_yx(fake_y), self.generator_xy(fake_x)
            losses["cycle_loss"] = cycle_loss(x, x_again, y, y_again)
        if weights["identity_loss"]:
            x_by_f, y_by_g = self.generator_yx(x), self.generator_xy(y)
            losses["identity_loss"] = identity_loss(x, x_by_f, y, y_by_g)
        total = sum(weights.get(name, 1.0) * loss for name, loss in losses.items())
        update(self.generator_optimizer, total)
        return losses, fake_x, fake_y

    def discriminator_step(
        self, x: Tensor, y: Tensor, fake_x: Tensor, fake_y: Tensor
    ) -> dict[str, Tensor]:
        """Move both discriminators, on real samples and on fakes from their pools."""
        fake_x, fake_y = self.pool_x(fake_x), self.pool_y(fake_y)  # detached there
        real_scores = self.discriminator_x(x), self.discriminator_y(y)
        fake_scores = self.discriminator_x(fake_x), self.discriminator_y(fake_y)
        loss = sum(map(discriminator_loss, real_scores, fake_scores))
        update(self.discriminator_optimizer, loss)
        return {
            "discriminator_loss": loss,
            "real_score": torch.stack(real_scores).mean(),
            "fake_score": torch.stack(fake_scores).mean(),
        }

    def step(self, batch: Batch) -> dict[str, Tensor]:
        factor = learning_rate_factor(self.steps_done, self.config.steps, self.config.decay_from)
        for optimizer in (self.generator_optimizer, self.discriminator_optimizer):
            for group in optimizer.param_groups:
                group["lr"] = factor * self.config.learning_rate
        x, y = batch
        losses, fake_x, fake_y = self.generator_step(x, y)
        losses |= self.discriminator_step(x, y, fake_x, fake_y)
        self.steps_done += 1
        return losses

    def sample(
        self, n: int | None = None, *, x: Tensor | None = None, y: Tensor | None = None
    ) -> Tensor:
        """Samples `x` of X translated to Y, or samples `y` of Y translated to X.

        Neither or both raise `ValueError`.
        """
        if (x is None) == (y is None):
            raise ValueError(
                "CycleGAN translates samples: pass those of the first domain as x=…, or those of "
                "the second as y=…, one of the two."
            )
        with evaluating(self):
            return self.generator_xy(x) if y is None else self.generator_yx(y)

    def fixed_inputs(self, n: int, data: TwoDomains) -> dict[str, Tensor]:
        """What snapshots are made from: some samples of X."""
        return {"x": data.batch(n).x}

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.steps_done, device="cpu")

    def set_extra_state(self, state: Tensor) -> None:
        self.steps_done = int(state)


def translator(config: Config) -> nn.Module:
    """A generator: images to images, or points to points."""
    if len(config.shape) == 3:
        return ResidualGenerator(config.shape[0], config.width, config.halvings, config.blocks)
    return perceptron([*config.shape, *config.hidden, *config.shape], nn.ReLU())


def discriminator(config: Config) -> nn.Module:
    """A discriminator: one score for each patch of an image, or for each point."""
    if len(config.shape) == 3:
        halvings = config.discriminator_halvings
        # Each image by itself, and never the first layer: it would take the colours away.
        norm = nn.InstanceNorm2d
        return PatchDiscriminator(config.shape[0], config.discriminator_width, halvings, norm)
    return perceptron([*config.shape, *config.hidden, 1], nn.LeakyReLU(0.2))


def train(
    config: Config | str | None = None,
    data: TwoDomains | None = None,
    *,
    seed: int = 0,
    device: str | torch.device | None = None,
    **options: Any,
) -> Run:
    """Train a CycleGAN on `data` (default: digits in two colours); `options` as in `training.fit`.

    `config` is a `Config`, the name of a preset, or None for the preset of the session's budget.
    Data that are not `TwoDomains` raise `TypeError`: with pairs, nothing would be left to learn.
    """
    config = preset(config, PRESETS)
    data = digits_in_two_colours() if data is None else data
    if not isinstance(data, TwoDomains):
        raise TypeError(
            f"CycleGAN needs two domains without pairs, not {type(data).__name__}: "
            "TwoDomains(first, second), two_folders(path), or digits_in_two_colours()."
        )
    return fit(CycleGAN, config, data, seed=seed, device=device, **options)


def translate(
    run: Run, samples: Tensor, *, back: bool = False, chunk: int = 250, seed: int = 0
) -> Tensor:
    """Samples of X as samples of Y, or with `back` those of Y as ones of X, on the CPU.

    Both are (n, *shape), images in [-1, 1]; the weights are averaged ones. There is no noise, so
    the `seed` changes nothing.
    """
    return run.sample(len(samples), seed=seed, chunk=chunk, **{"y" if back else "x": samples})


def round_trips(
    run: Run, x: Tensor, y: Tensor, noise: float = 0.02, seed: int = 0
) -> dict[str, float]:
    """How far samples `x` of X and `y` of Y are from themselves after both translations.

    "cycle error" is half of [CYCLEGAN-CYCLE]: the mean absolute difference. "with noise" is the
    same where Gaussian noise of standard deviation `noise` is added between the two translations,
    and "ratio" is how many times larger that is. Source of the test: Chu, Zhmoginov, Sandler 2017,
    https://arxiv.org/abs/1712.02950.
    """
    fakes = translate(run, x), translate(run, y, back=True)
    with own_randomness(torch.device("cpu"), seed):
        disturbed = tuple(fake + noise * torch.randn_like(fake) for fake in fakes)
    x, y = x.cpu(), y.cpu()

    def error(fake_y: Tensor, fake_x: Tensor) -> float:
        x_again, y_again = translate(run, fake_y, back=True), translate(run, fake_x)
        return cycle_loss(x, x_again, y, y_again).item() / 2

    before, after = error(*fakes), error(*disturbed)
    ratio = after / before if before else math.inf
    return {"cycle error": before, "with noise": after, "ratio": ratio}


def compare(fake_x: Tensor, fake_y: Tensor, test: TwoDomains) -> dict[str, float]:
    """How near translations come to the true ones; for digits in two colours.

    Row i of `fake_y` is made from row i of the first domain of `test`, and `fake_x` likewise from
    the second. "L1" is the mean absolute difference to the known map, "kept" the share that the
    judge reads as the digit that was given; each for G, from X to Y, and for F, back.
    """
    n = len(fake_x)
    x, y = test.first.floats(slice(n)).cpu(), test.second.floats(slice(n)).cpu()
    labels_x, labels_y = test.first.labels[:n], test.second.labels[:n]
    return {
        "L1, G": (fake_y - to_second(x)).abs().mean().item(),
        "L1, F": (fake_x - to_first(y)).abs().mean().item(),
        "kept, G": metrics.conditional_accuracy(to_grey(fake_y, "second"), labels_x),
        "kept, F": metrics.conditional_accuracy(to_grey(fake_x, "first"), labels_y),
    }


def measure(run: Run, test: TwoDomains, n: int = 1000) -> dict[str, float]:
    """What `compare` and `round_trips` find for the first `n` samples of both domains of `test`.

    `test` are digits in two colours that were held out of training.
    """
    n = min(n, len(test))
    x, y = test.first.floats(slice(n)), test.second.floats(slice(n))
    fake_x, fake_y = translate(run, y, back=True), translate(run, x)
    return compare(fake_x, fake_y, test) | round_trips(run, x, y)


def baselines(train: TwoDomains, test: TwoDomains, n: int = 1000) -> dict[str, dict[str, float]]:
    """The numbers of `measure`, up to the noise, for translations that need no training.

    The true map, the input itself, and the mean of training images of the other domain.
    """
    n = min(n, len(test))
    x, y = test.first.floats(slice(n)).cpu(), test.second.floats(slice(n)).cpu()
    means = (data.floats(slice(5000)).mean(0).cpu() for data in (train.first, train.second))
    mean_x, mean_y = (mean.expand_as(x) for mean in means)
    fakes = {  # of X and of Y, and what a second translation makes of them
        "true map": ((to_first(y), to_second(x)), (y, x)),
        "copy of the input": ((y, x), (y, x)),
        "mean image": ((mean_x, mean_y), (mean_y, mean_x)),
    }
    return {
        name: compare(*first, test)
        | {"cycle error": cycle_loss(y, again[0], x, again[1]).item() / 2}
        for name, (first, again) in fakes.items()
    }

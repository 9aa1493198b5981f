"""DiscoGAN with both reconstructions, with one, and with none, on clusters of points.

The toy of the paper's figure 3: five clusters are to be translated into ten. Its baselines are a
GAN alone, and a GAN whose translation must lead back; neither asks anything of the way back itself.
Source: Kim, Cha, Kim, Lee, Kim, ICML 2017, https://arxiv.org/abs/1703.05192.
"""

from dataclasses import replace

import torch
from torch import Tensor

from gan_lessons.data import TwoDomains, ring
from gan_lessons.evaluation.translations import translate
from gan_lessons.steps import frozen, update
from gan_lessons.training import Run, budget, fit
from gan_lessons.translation.discogan import Config, DiscoGAN, generator_loss

SEEDS = (0, 1, 2)
SOURCES, TARGETS, STD = 5, 10, 0.1
LEAST = 0.1  # of a cluster's points: so many go to a target that counts as reached by it


class OneReconstruction(DiscoGAN):
    """One game, for Y, and E (F(G(x)) - x)^2: F learns from that alone."""

    def generator_step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        fake_y = self.generator_xy(x)
        with frozen(self.discriminator_y):
            game = generator_loss(self.discriminator_y(fake_y))
        again = (self.generator_yx(fake_y) - x).square().mean()
        update(self.generator_optimizer, game + self.config.reconstruction_weight * again)
        return {"generator_loss": game, "reconstruction_loss": again}


class BothGames(DiscoGAN):
    """Both games, and one of the two halves of [DISCO-CONST]: that of X."""

    def generator_step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        fake_x, fake_y = self.generator_yx(y), self.generator_xy(x)
        with frozen(self.discriminator_x), frozen(self.discriminator_y):
            scores_x, scores_y = self.discriminator_x(fake_x), self.discriminator_y(fake_y)
        games = generator_loss(scores_x) + generator_loss(scores_y)
        again = self.half(x, y, fake_x, fake_y)
        update(self.generator_optimizer, games + self.config.reconstruction_weight * again)
        return {"generator_loss": games, "reconstruction_loss": again}

    def half(self, x: Tensor, y: Tensor, fake_x: Tensor, fake_y: Tensor) -> Tensor:
        """E (F(G(x)) - x)^2."""
        return (self.generator_yx(fake_y) - x).square().mean()


class BothGamesBack(BothGames):
    """Both games, and the half of Y."""

    def half(self, x: Tensor, y: Tensor, fake_x: Tensor, fake_y: Tensor) -> Tensor:
        """E (G(F(y)) - y)^2."""
        return (self.generator_xy(fake_x) - y).square().mean()


MODELS = {
    "GAN alone": DiscoGAN,  # with a weight of 0
    "one reconstruction": OneReconstruction,
    "DiscoGAN": DiscoGAN,
}
# What in DiscoGAN does it: the second game, or the second reconstruction?
CONTROLS = {
    "both games, x comes back": BothGames,
    "both games, y comes back": BothGamesBack,
}


def clusters() -> TwoDomains:
    """Five clusters around a ring, and ten around a larger one."""
    first = ring(SOURCES, std=STD)
    second = ring(TARGETS, std=STD)
    wider = replace(second, values=2 * second.values, modes=2 * second.modes, std=2 * STD)
    return TwoDomains(first, wider)


def config(name: str) -> Config:
    """Small perceptrons, and a short game under the smoke budget."""
    weight = 0.0 if name == "GAN alone" else 1.0
    steps = 20 if budget() == "smoke" else 3_000
    return Config(
        hidden=(128, 128),
        reconstruction_weight=weight,
        learning_rate=1e-3,
        batch_size=200,
        steps=steps,
        average_decay=0.99,
    )


def train(name: str, seed: int = 0) -> Run:
    """Train one of `MODELS` or `CONTROLS` on the clusters."""
    return fit(
        (MODELS | CONTROLS)[name], config(name), clusters(), seed=seed, progress=False, snapshots=0
    )


def reached(run: Run, data: TwoDomains, n: int = 4_000) -> Tensor:
    """For each cluster of X (rows) the share of its points that G takes to each of Y (columns)."""
    points, own = data.first.floats(slice(n)).cpu(), data.first.labels[:n].cpu()
    there = torch.cdist(translate(run, points), data.second.modes.cpu()).argmin(1)
    table = torch.zeros(len(data.first.modes), len(data.second.modes))
    table.index_put_((own, there), torch.ones(len(own)), accumulate=True)
    return table / table.sum(1, keepdim=True)


def measure(run: Run, data: TwoDomains) -> dict[str, float]:
    """Targets that are hit, and collisions: targets that more than one cluster comes to."""
    hits = (reached(run, data) >= LEAST).sum(0)
    x = data.first.floats(slice(2_000)).cpu()
    again = translate(run, translate(run, x), back=True)
    return {
        "hit": int((hits > 0).sum()),
        "collisions": int((hits > 1).sum()),
        "way back": (again - x).square().mean().item(),
    }

"""DCGAN's rules, broken one at a time, in short games of a small model.

What each change is, and how one game is played and measured. `scripts/foundations_results.py`
plays them with every seed and writes `gan_lessons/results/foundations.json`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gan_lessons import metrics
from gan_lessons.data import TensorData
from gan_lessons.foundations import dcgan
from gan_lessons.networks.convolutions import initialise, transposed_convolutions
from gan_lessons.steps import adam
from gan_lessons.training import Run, budget, fit

SEEDS = (0, 1, 2)
RATES = (5e-4, 1e-3)  # of Adam; the second is the preset's
ALL, PLAIN = "all five rules", "2: no batch norm in D"
FADING = f"{PLAIN}, weights of 0.02"


def swap(network: nn.Module, kind: type, make: Callable[[nn.Module], nn.Module]) -> None:
    """Replace every layer of a kind by `make(layer)`, in place."""
    for name, child in network.named_children():
        if isinstance(child, kind):
            setattr(network, name, make(child))
        else:
            swap(child, kind, make)


def _pooled(layer: nn.Conv2d) -> nn.Module:
    """Instead of a stride: a convolution at full size, then the largest of four pixels."""
    if layer.stride == (1, 1):
        return layer
    convolution = nn.Conv2d(layer.in_channels, layer.out_channels, 3, padding=1)
    return nn.Sequential(convolution, nn.MaxPool2d(2)).apply(initialise)


def _pool(model: dcgan.DCGAN) -> None:
    swap(model.discriminator, nn.Conv2d, _pooled)


def _no_norm_in_d(model: dcgan.DCGAN) -> None:
    """The package's own network without it: PyTorch's start, and a bias in each layer."""
    model.discriminator = dcgan.Discriminator(model.config, batch_norm=False)


def _no_norm_but_small_weights(model: dcgan.DCGAN) -> None:
    """The layer taken out, and all else left as the rules want it: weights of 0.02, no bias."""
    swap(model.discriminator, nn.BatchNorm2d, lambda _: nn.Identity())


def _no_norm_in_g(model: dcgan.DCGAN) -> None:
    config = model.config
    shape = config.latent_dim, config.width, config.shape
    model.generator.layers = transposed_convolutions(*shape, norm=None)


def _large_eps(model: dcgan.DCGAN) -> None:
    swap(model, nn.BatchNorm2d, lambda layer: nn.BatchNorm2d(layer.num_features, 0.8))


def _full_connections(model: dcgan.DCGAN) -> None:
    """A fully connected hidden layer at the noise, and one at the score."""
    maps = 4 * model.config.width
    first = [nn.Flatten(), nn.Linear(model.config.latent_dim, 256), nn.ReLU()]
    first += [nn.Linear(256, maps * 16), nn.Unflatten(1, (maps, 4, 4))]
    model.generator.layers[0] = nn.Sequential(*first)
    last = [nn.Flatten(), nn.Linear(maps * 16, 256), nn.LeakyReLU(0.2), nn.Linear(256, 1)]
    model.discriminator.layers[-1] = nn.Sequential(*last)


def _sigmoid(model: dcgan.DCGAN) -> None:
    swap(model.generator, nn.ReLU, lambda _: nn.Sigmoid())


def _relu(model: dcgan.DCGAN) -> None:
    swap(model.discriminator, nn.LeakyReLU, lambda _: nn.ReLU())


def _torch_start(model: dcgan.DCGAN) -> None:
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            layer.reset_parameters()


# Each changes the layers of a fresh DCGAN for images of 32 x 32 pixels.
CHANGES: dict[str, Callable[[dcgan.DCGAN], None]] = {
    ALL: lambda model: None,
    "1: max pooling in D": _pool,
    PLAIN: _no_norm_in_d,
    FADING: _no_norm_but_small_weights,
    "2: no batch norm in G": _no_norm_in_g,
    "2: eps = 0.8": _large_eps,
    "3: hidden full connections": _full_connections,
    "4: sigmoid for ReLU in G": _sigmoid,
    "5: ReLU in D": _relu,
    "start: PyTorch's own": _torch_start,
}
TUNED = (ALL, PLAIN)  # played at both `RATES`, the others at the preset's


@dataclass(frozen=True)
class Config(dcgan.Config):
    """Settings of a DCGAN, and the name of its change."""

    change: str = ALL


class Changed(dcgan.DCGAN):
    """A DCGAN with one of the `CHANGES`, and optimisers that know the new layers."""

    def __init__(self, config: Config):
        super().__init__(config)
        CHANGES[config.change](self)
        options = config.learning_rate, config.betas
        self.generator_optimizer = adam(self.generator, *options)
        self.discriminator_optimizer = adam(self.discriminator, *options)


def game(change: str = ALL, learning_rate: float = RATES[1]) -> Config:
    """The settings of a short game: the book's DCGAN, half as wide, with half the batch."""
    steps = 5 if budget() == "smoke" else 600
    small = {"width": 12, "batch_size": 32, "average_decay": 0.98, "steps": steps}
    return Config(change=change, learning_rate=learning_rate, **small)


def play(config: Config, data: TensorData, seed: int = 0) -> Run:
    """One short game on digits."""
    return fit(Changed, config, data, seed=seed, progress=False, snapshots=0)


def symptoms(run: Run, test: Tensor) -> dict[str, float]:
    """What tells a failed game from a good one, against real images `test` (n, *shape).

    - `frechet_distance`: of 2,000 samples (judge features), and `classes` of digits among them.
    - `gap`: mean score of real images minus that of fakes, over the last 50 steps.
    - `spread`: mean distance of two samples, as a share of that of two real images, 300 of each.
    """
    samples, scores = run.sample(2000, seed=0), run.history
    features = metrics.features(samples)
    own, real = (torch.pdist(x[:300].flatten(1)).mean().item() for x in (samples, test))
    return {
        "frechet_distance": metrics.frechet_distance(features, metrics.features(test)),
        "classes": metrics.class_coverage(features).covered,
        "gap": float((scores["real_score"] - scores["fake_score"])[-50:].mean()),
        "spread": own / real,
    }

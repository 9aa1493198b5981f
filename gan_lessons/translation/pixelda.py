"""PixelDA: pictures of one domain are repainted in the style of another, and keep their labels.

Bousmalis, Silberman, Dohan, Erhan, Krishnan, "Unsupervised Pixel-Level Domain Adaptation with
Generative Adversarial Networks", CVPR 2017, https://arxiv.org/abs/1612.05424.

Equations: [PIXELDA-D] is [GAN-D] and [PIXELDA-G] is [GAN-G], with G(x, z) for fakes. New are the
task loss [PIXELDA-T], on source and adapted images alike, and the content loss [PIXELDA-PMSE]. D
and T minimise [PIXELDA-DT] together while G stays, then G minimises [PIXELDA-SUM] while they stay.
In the names, `source` has labels and `target` has none, and `adapted` is G(source, z). The networks
are in `gan_lessons.networks.domains`.
Deviations from the paper: narrower networks with fewer blocks, a classifier without a first layer
of its own for the source, the same weight for the game and for the task, no weight decay, no
clipping of gradients, fewer steps, no target labels for choosing settings, samples from averaged
weights.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gan_lessons.data import Adaptation, Batch, mnist_to_mnist_m
from gan_lessons.foundations.gan import discriminator_loss, generator_loss
from gan_lessons.latent.acgan import class_loss
from gan_lessons.model import Model
from gan_lessons.networks.domains import GPU, SMOKE, Classifier, Discriminator, Generator, Settings
from gan_lessons.steps import adam, evaluating, frozen, update
from gan_lessons.training import Run, fit, preset


@dataclass(frozen=True)
class Config(Settings):
    """Settings of a PixelDA; the defaults are the `cpu` preset."""

    task_weight: float = 1.0  # beta, of the classes of adapted images, against 1 for the game
    content_weight: float = 0.0  # gamma, of the content loss; 0 leaves it out
    steps: int = 2_000  # updates of all players


PRESETS = {
    "smoke": Config(**SMOKE, steps=8),
    "cpu": Config(),
    "gpu": Config(**GPU, steps=9_600),
}


def task_loss(source_logits: Tensor, adapted_logits: Tensor, labels: Tensor) -> Tensor:
    """E [C(T(x), y) + C(T(G(x, z)), y)], with C the class loss of logits.  [PIXELDA-T]"""
    return class_loss(source_logits, labels) + class_loss(adapted_logits, labels)


def content_loss(source: Tensor, adapted: Tensor, mask: Tensor) -> Tensor:
    """E [|m d|^2 / k - (m . d)^2 / k^2], with d = x - G(x, z), k = |m|_1.  [PIXELDA-PMSE]"""
    mask = mask.expand_as(source).reshape(len(source), -1)
    masked = mask * (source - adapted).reshape(len(source), -1)
    k = mask.sum(1).clamp(min=1)  # an image without foreground costs nothing
    return (masked.square().sum(1) / k - (masked.sum(1) / k).square()).mean()


def foreground(source: Tensor) -> Tensor:
    """m: 1 where an image (n, c, H, W) is brighter than medium grey, else 0; (n, 1, H, W)."""
    return (source.amax(1, keepdim=True) > 0).to(source)


class PixelDA(Model):
    """G, D and T, and one step of the game."""

    takes = (Adaptation,)
    needs_labels = True
    sampled = ("generator", "classifier")

    def __init__(self, config: Config):
        super().__init__(config)
        self.generator = Generator(config)
        self.discriminator = Discriminator(config)
        self.classifier = Classifier(config)
        both = nn.ModuleList([self.discriminator, self.classifier])
        self.discriminator_optimizer = adam(both, config.learning_rate, config.betas)
        self.generator_optimizer = adam(self.generator, config.learning_rate, config.betas)

    def noise(self, n: int) -> Tensor:
        """z, uniform between -1 and 1, (n, latent_dim)."""
        return 2 * torch.rand(n, self.config.latent_dim, device=next(self.parameters()).device) - 1

    def discriminator_step(self, source: Tensor, labels: Tensor, target: Tensor) -> dict:
        """One update of D and T on [PIXELDA-DT]."""
        adapted = self.generator(source, self.noise(len(source))).detach()  # G is not to move
        real_scores, fake_scores = self.discriminator(target), self.discriminator(adapted)
        game = discriminator_loss(real_scores, fake_scores)
        task = task_loss(self.classifier(source), self.classifier(adapted), labels)
        update(self.discriminator_optimizer, game + task)
        return {
            "discriminator_loss": game,
            "task_loss": task,
            "real_score": real_scores.mean(),
            "fake_score": fake_scores.mean(),
        }

    def generator_step(self, source: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """One update of G on [PIXELDA-SUM]; no target is needed."""
        adapted = self.generator(source, self.noise(len(source)))
        with frozen(self.discriminator), frozen(self.classifier):  # they are not to move
            game = generator_loss(self.discriminator(adapted))
            task = class_loss(self.classifier(adapted), labels)  # G has no part in T(x)
        content = content_loss(source, adapted, foreground(source))
        total = game + self.config.task_weight * task + self.config.content_weight * content
        update(self.generator_optimizer, total)
        return {"generator_loss": game, "adapted_task_loss": task, "content_loss": content}

    def step(self, batch: Batch) -> dict[str, Tensor]:
        source, target = batch.x.split(len(batch.y))
        logged = self.discriminator_step(source, batch.y, target)
        return logged | self.generator_step(source, batch.y)

    def sample(
        self, n: int | None = None, *, x: Tensor | None = None, z: Tensor | None = None
    ) -> Tensor:
        """The source images `x` in the style of the target, with the noise `z` or fresh noise.

        Without `x` there is nothing to adapt, and other rows of `z` than images cannot be:
        `ValueError`.
        """
        if x is None:
            raise ValueError("PixelDA adapts images: pass those of the source as x=…, (n, *shape).")
        x = self.checked(x)
        with evaluating(self):
            return self.generator(x, self.noise_or(z, len(x)))

    def fixed_inputs(self, n: int, data: Adaptation) -> dict[str, Tensor]:
        """What snapshots are made from: some images of the source, each with a noise."""
        return {"x": data.source.batch(n).x, "z": self.noise(n)}


def train(
    config: Config | str | None = None, data: Adaptation | None = None, **options: Any
) -> Run:
    """Train on two domains (default: MNIST to MNIST-M); all else is as in `fit`."""
    data = mnist_to_mnist_m() if data is None else data
    return fit(PixelDA, preset(config, PRESETS), data, **options)

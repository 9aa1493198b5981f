"""What the loop asks of every variant. It knows no loss."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from gan_lessons.data import TensorData
from gan_lessons.steps import evaluating


class Model(nn.Module):
    """The players of a variant with their optimisers; `step(batch)` is one round of the game.

    A variant builds `generator`, `discriminator` and their optimisers from `config`, and its `step`
    returns named scalars. One with other networks, optimisers or data says so in the class
    attributes, and says in `samples_per_step` if a step takes more than one batch.
    """

    takes: tuple[type, ...] = (TensorData,)  # the containers of data that `step` understands
    needs_labels: bool = False  # whether the data must have labels
    sampled: tuple[str, ...] = ("generator",)  # networks that samples come from: they are averaged
    optimizers: tuple[str, ...] = ("discriminator_optimizer", "generator_optimizer")

    def __init__(self, config: Any):
        super().__init__()
        self.config = config
        self.samples_per_step = config.batch_size
        # The loop counts. On the CPU, so that a schedule can read it without waiting for a device.
        self.register_buffer("steps_done", torch.zeros((), dtype=torch.int64, device="cpu"))

    def noise(self, n: int) -> Tensor:
        """z ~ N(0, I), shape (n, latent_dim)."""
        return torch.randn(n, self.config.latent_dim, device=next(self.parameters()).device)

    def sample(self, n: int | None = None, *, z: Tensor | None = None) -> Tensor:
        """`n` samples, or one for each row of the noise `z`, shape (n, latent_dim)."""
        with evaluating(self):
            return self.generator(self.noise(n) if z is None else z)

    def fixed_inputs(self, n: int, data: Any) -> dict[str, Tensor]:
        """What `n` samples of all snapshots are made from: keyword arguments of `sample`."""
        return {"z": self.noise(n)}

    def keep_what_samples_need(self) -> None:
        """Drop the optimisers and the networks that no sample comes from, for good."""
        for name in self.optimizers:
            delattr(self, name)
        for name, _ in list(self.named_children()):
            if name not in self.sampled:
                delattr(self, name)


class LabelledModel(Model):
    """A model that is told labels: int64 (n,), from 0 to `config.classes` - 1."""

    needs_labels = True

    def encode(self, labels: Tensor) -> Tensor:
        """Labels (n,) as one-hot rows (n, classes)."""
        return one_hot(labels, self.config.classes).to(next(self.parameters()).dtype)

    def sample(
        self, n: int | None = None, *, z: Tensor | None = None, labels: Tensor | None = None
    ) -> Tensor:
        """`n` samples of the classes `labels`, int64 (n,), or of random classes without them.

        One sample for each row of `z`, if given. Labels that are not `n` integers from 0 to
        classes - 1 raise `ValueError`.
        """
        z = self.noise(n) if z is None else z
        if labels is None:
            labels = torch.randint(self.config.classes, (len(z),), device=z.device)
        labels = labels.to(z.device)
        check_labels(labels, len(z), self.config.classes)
        with evaluating(self):
            return self.generator(z, self.encode(labels))

    def fixed_inputs(self, n: int, data: Any) -> dict[str, Tensor]:
        """What snapshots are made from: each row a class, each column a noise."""
        columns = -(-n // self.config.classes)
        z = self.noise(columns).repeat(self.config.classes, 1)
        labels = torch.arange(self.config.classes, device=z.device).repeat_interleave(columns)
        return {"z": z, "labels": labels}


def check_labels(labels: Tensor, n: int, classes: int) -> None:
    """Raise `ValueError` unless `labels` are `n` integers, int64, from 0 to `classes` - 1."""
    if labels.shape != (n,) or labels.dtype != torch.int64:
        raise ValueError(
            f"labels must be {n:,} integers, torch.int64 of shape ({n},), not {labels.dtype} of "
            f"shape {tuple(labels.shape)}; torch.tensor([3, 1, 4]) makes some."
        )
    if n and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ValueError(
            f"labels run from {int(labels.min())} to {int(labels.max())}, but this model knows the "
            f"classes 0 to {classes - 1}; set Config(classes=…) to have more."
        )

"""What the loop asks of every variant. It knows no loss."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from gan_lessons.arguments import whole
from gan_lessons.data import TensorData
from gan_lessons.devices import own_randomness
from gan_lessons.messages import shown
from gan_lessons.steps import evaluating

LARGEST = 100  # of the numbers in an image: bytes go up to 255, a noise on an image does not


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

    def noise_or(self, z: Tensor | None, n: int | None) -> Tensor:
        """What `n` samples are made from: `z`, in the shape of `noise`, or fresh noise without it.

        A `z` that no sample can be made from raises `TypeError` or `ValueError`.
        """
        if z is None:
            return self.noise(whole("n", n))
        parameter = next(self.parameters(), torch.empty(0))
        with own_randomness(parameter.device):  # only a shape is wanted
            shape = self.noise(1).shape[1:]
        check_rows("z", z, tuple(shape), parameter.dtype)
        if n is not None and n != len(z):
            raise ValueError(f"z has {len(z)} rows, but n is {n}; give one row a sample.")
        return z

    def checked(self, x: Tensor, name: str = "x", *, any_size: bool = False) -> Tensor:
        """`x`, if these are samples (n, *shape) like the data's; else `TypeError` or `ValueError`.

        With `any_size`, images may be larger or smaller.
        """
        channels, *sides = self.config.shape
        shape = (channels, *(None if any_size else side for side in sides))
        check_rows(name, x, shape, next(self.parameters(), torch.empty(0)).dtype)
        return x

    def sample(self, n: int | None = None, *, z: Tensor | None = None) -> Tensor:
        """`n` samples, or one for each row of the noise `z`, shape (n, latent_dim)."""
        with evaluating(self):
            return self.generator(self.noise_or(z, n))

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
        z = self.noise_or(z, n)
        if labels is None:
            labels = torch.randint(self.config.classes, (len(z),), device=z.device)
        check_labels(labels, len(z), self.config.classes)
        labels = labels.to(z.device)
        with evaluating(self):
            return self.generator(z, self.encode(labels))

    def fixed_inputs(self, n: int, data: Any) -> dict[str, Tensor]:
        """What snapshots are made from: each row a class, each column a noise."""
        columns = -(-n // self.config.classes)
        z = self.noise(columns).repeat(self.config.classes, 1)
        labels = torch.arange(self.config.classes, device=z.device).repeat_interleave(columns)
        return {"z": z, "labels": labels}


def check_rows(name: str, rows: Tensor, shape: tuple[int | None, ...], dtype: torch.dtype) -> None:
    """Raise unless `rows` are finite floats (n, *shape); None in the shape stands for any size.

    `TypeError` for another type, `ValueError` for other shapes and numbers. Images, rows of three
    dimensions, lie in [-1, 1], give or take what a noise adds.
    """
    wanted = f"(n, {', '.join('any' if side is None else str(side) for side in shape)})"
    if not isinstance(rows, Tensor) or rows.dtype != dtype:
        found = rows.dtype if isinstance(rows, Tensor) else type(rows).__name__
        raise TypeError(
            f"{name} must be a tensor {wanted} of {dtype}, not {found}; x.float() makes floats of "
            "numbers, and data.floats() those of images."
        )
    fits = len(rows.shape) == len(shape) + 1 and all(
        wished in (None, side) for wished, side in zip(shape, rows.shape[1:], strict=True)
    )
    if not fits or not len(rows):
        raise ValueError(f"{name} has shape {tuple(rows.shape)}, but must be {wanted}.")
    if not rows.isfinite().all():
        raise ValueError(f"{name} holds NaN or infinity.")
    if len(shape) == 3 and rows.abs().max() > LARGEST:
        low, high = (v.item() for v in rows.aminmax())
        raise ValueError(
            f"{name} runs from {low:.3g} to {high:.3g}, but images lie in [-1, 1]; x / 127.5 - 1 "
            "makes such floats of bytes."
        )


def check_labels(labels: Tensor, n: int, classes: int) -> None:
    """Raise `ValueError` unless `labels` are `n` integers, int64, from 0 to `classes` - 1.

    `TypeError` for what is no tensor.
    """
    if not isinstance(labels, Tensor):
        raise TypeError(
            f"labels must be {n:,} integers, a tensor of torch.int64, not {shown(labels)}; "
            "torch.tensor([3, 1, 4]) makes some."
        )
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

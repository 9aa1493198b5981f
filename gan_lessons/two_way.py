"""What the loop asks of two translators that nobody has given pairs. It knows no loss."""

from torch import Tensor, nn

from gan_lessons.data import TwoDomains
from gan_lessons.model import Model
from gan_lessons.steps import evaluating


class TwoWayModel(Model):
    """A model with a translator each way: `generator_xy` from X to Y, and `generator_yx` back."""

    takes = (TwoDomains,)
    sampled = ("generator_xy", "generator_yx")

    def sample(
        self, n: int | None = None, *, x: Tensor | None = None, y: Tensor | None = None
    ) -> Tensor:
        """Samples `x` of X translated to Y, or samples `y` of Y translated to X.

        Neither or both raise `ValueError`.
        """
        if (x is None) == (y is None):
            raise ValueError(
                f"{type(self).__name__} translates samples: pass those of the first domain as x=…, "
                "or those of the second as y=…, one of the two."
            )
        with evaluating(self):  # batch normalisation has the averages of the training
            if y is None:
                return self.translate(self.generator_xy, self.checked(x, any_size=True))
            return self.translate(self.generator_yx, self.checked(y, "y", any_size=True))

    def translate(self, generator: nn.Module, samples: Tensor) -> Tensor:
        """What one of the translators makes of samples, while the model evaluates."""
        return generator(samples)

    def fixed_inputs(self, n: int, data: TwoDomains) -> dict[str, Tensor]:
        """What snapshots are made from: some samples of X."""
        return {"x": data.batch(n).x}

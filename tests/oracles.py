r"""Oracles: every tagged equation of the book has an independent implementation in the tests.

An oracle knows nothing of the package. It is NumPy, SymPy or a closed form, in float64, written
from the paper, and beside it stands the equation as the page has it. How to write one, and how to
compare the package's function with it::

    import numpy as np
    from gan_lessons.foundations import gan
    from tests.oracles import check, oracle, scores

    @oracle("GAN-D", r"L_D = \mathbb E_x\, \zeta(-D(x)) + \mathbb E_z\, \zeta(D(G(z)))")
    def gan_d(real_scores, fake_scores):                # NumPy arrays in, a number (or array) out
        return np.logaddexp(0, -real_scores).mean() + np.logaddexp(0, fake_scores).mean()

    def test_discriminator_loss():
        check("GAN-D", gan.discriminator_loss, real_scores=scores(6), fake_scores=scores(6, seed=1))

The second argument is what stands before `\tag{GAN-D}` on the page. A test compares the two, up to
white space: so a sign that is changed on the page alone does not pass. The reader of the test sees
both, and can say whether the function is the equation.

`check` calls the package's function on float64 tensors of the same values and compares

1. the **value**, to a relative 1e-10;
2. the **gradient** by autograd, for every input that is an array of floats, with central
   differences of the oracle, to 1e-6.

Inputs that are not arrays of floats (numbers, integer labels, functions, ``None``) go to both sides
as they are: integer arrays as int64 tensors. If the package's function takes something else than
the oracle (a network, say), pass a small adapter::

    check("WGANGP-P", lambda w, x: gradient_penalty(gradients(lambda v: v @ w, x).norm(dim=1)), …)

Arrays as results are fine: all entries are compared, and the gradient of a fixed weighted sum.

A variant that takes a loss over from another one has no copy of it and no second oracle::

    taken_over("DCGAN-D", "GAN-D", r"L_D = …")

says so, with the equation as the variant's own page has it. The module's docstring says the same,
"[DCGAN-D] is [GAN-D]", and a test compares the two.

A tag that states a **fact** and not a loss (an identity, an optimum) has an oracle as well. Use it
in a test of your own, on the package's own function::

    @oracle("GAN-OPT", r"D^*(x) = \ln \frac{p(x)}{q(x)}")
    def optimal_score(p, q):
        return np.log(p / q)

    def test_optimal_discriminator():
        ...  # train or minimise something, compare with optimal_score(p, q)

A test of the book fails if a tag has no oracle, or an oracle is used by no test.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

import numpy as np
import torch

_ORACLES: dict[str, Oracle] = {}


class Oracle:
    """A value function with a tag, and the equation that it states."""

    def __init__(self, tag: str, latex: str, value: Callable):
        self.tag, self.latex, self.value = tag, latex, value
        self.__name__, self.__doc__ = value.__name__, value.__doc__

    def __call__(self, *args, **kwargs):
        return self.value(*args, **kwargs)


def oracle(tag: str, latex: str) -> Callable[[Callable], Oracle]:
    """Decorator: register a function as the oracle of the equation `latex` with this tag."""

    def register(value: Callable) -> Oracle:
        known = _ORACLES.get(tag)
        if known and inspect.getsourcefile(known.value) != inspect.getsourcefile(value):
            raise ValueError(f"The tag {tag} has an oracle already, in {known.value.__module__}.")
        _ORACLES[tag] = Oracle(tag, latex, value)
        return _ORACLES[tag]

    return register


def taken_over(tag: str, owner: str, latex: str) -> None:
    """Say that the equation `latex` with this tag is that of `owner`, whose oracle holds for both.

    It does nothing: the tests of the book read it.
    """


def oracles(tag: str) -> Oracle:
    """The oracle of a tag; the test module that registers it must be imported."""
    if tag not in _ORACLES:
        raise KeyError(f"No oracle for {tag}; registered here: {', '.join(sorted(_ORACLES))}.")
    return _ORACLES[tag]


def scores(n: int = 6, *, seed: int = 0, scale: float = 2.0) -> np.ndarray:
    """n random scores around zero, both signs, as float64."""
    return scale * np.random.default_rng(seed).standard_normal(n)


def sigmoid(t: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-t)), without overflow."""
    return np.exp(-np.logaddexp(0, -np.asarray(t, dtype=np.float64)))


def check(tag: str, function: Callable, *, rtol: float = 1e-10, gradient: bool = True, **inputs):
    """Compare the package's `function` with the oracle of `tag`: value, and gradient unless False.

    Args:
        tag: the equation's tag, registered with `oracle`.
        function: the package's function, or an adapter; takes the inputs by name.
        rtol: relative tolerance of the value.
        gradient: compare gradients too.
        **inputs: float arrays become float64 tensors that require a gradient.

    Raises:
        AssertionError: they differ; the message names the tag and the input.
    """
    known = oracles(tag)
    tensors = {name: _tensor(value, gradient) for name, value in inputs.items()}
    result = function(**tensors)
    assert isinstance(result, torch.Tensor), f"{tag}: the function returned {type(result)}"
    expected = np.asarray(known(**inputs), dtype=np.float64)
    actual = result.detach().numpy()
    assert actual.dtype == np.float64, f"{tag}: float64 in, {actual.dtype} out"
    assert actual.shape == expected.shape, f"{tag}: shape {actual.shape}, oracle {expected.shape}"
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=1e-12, err_msg=f"{tag}: value")
    if not gradient:
        return

    weights = np.cos(np.arange(expected.size)).reshape(expected.shape)  # 1 for a scalar
    (result * torch.from_numpy(weights)).sum().backward()
    differentiable = [
        name for name, t in tensors.items() if isinstance(t, torch.Tensor) and t.requires_grad
    ]
    assert differentiable, f"{tag}: no input is an array of floats; pass gradient=False"
    for name in differentiable:
        own = tensors[name].grad
        own = np.zeros_like(inputs[name]) if own is None else own.numpy()
        numerical = _central_differences(known, inputs, name, weights)
        message = f"{tag}: gradient with respect to {name}"
        np.testing.assert_allclose(own, numerical, rtol=1e-6, atol=1e-8, err_msg=message)


def _tensor(value, requires_grad: bool):
    if not isinstance(value, np.ndarray):
        return value
    if np.issubdtype(value.dtype, np.floating):
        tensor = torch.tensor(value, dtype=torch.float64)
        return tensor.requires_grad_(requires_grad)
    return torch.from_numpy(value.copy())


def _central_differences(known: Oracle, inputs: dict, name: str, weights: np.ndarray) -> np.ndarray:
    point = np.asarray(inputs[name], dtype=np.float64)
    result = np.zeros_like(point)
    for index in np.ndindex(point.shape):
        step = 1e-5 * max(1.0, abs(point[index]))
        sides = []
        for sign in (1, -1):
            moved = point.copy()
            moved[index] += sign * step
            sides.append((np.asarray(known(**{**inputs, name: moved})) * weights).sum())
        result[index] = (sides[0] - sides[1]) / (2 * step)
    return result

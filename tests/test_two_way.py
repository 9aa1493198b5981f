"""Models with a translator each way: which one translates what, and what snapshots show."""

from dataclasses import fields, replace

import pytest
import torch

from gan_lessons.two_way import TwoWayModel
from tests.helpers import same, two_domains
from tests.mutants import mutants, survivors
from tests.two_way import SHAPE, batch
from tests.variants import MODELS, name_of

TWO_WAY = [(module, cls) for module, cls in MODELS if issubclass(cls, TwoWayModel)]
both_ways = pytest.mark.parametrize(
    ("module", "cls"), TWO_WAY, ids=[name_of(cls) for _, cls in TWO_WAY]
)


def quiet(module, cls):
    """A model whose translations have no noise."""
    config = module.PRESETS["smoke"]
    has_noise = "dropout" in {field.name for field in fields(config)}
    return cls(replace(config, dropout=0.0) if has_noise else config)


def test_there_are_such_models():
    assert {"CycleGAN", "DiscoGAN", "DualGAN"} <= {cls.__name__ for _, cls in TWO_WAY}


@both_ways
def test_samples_of_either_domain_are_translated(module, cls):
    """In evaluation: no statistics of a batch take part, or move."""
    model, (x, y) = quiet(module, cls), batch()
    state = {key: value.clone() for key, value in model.state_dict().items()}
    found = model.sample(x=x), model.sample(y=y)
    assert not any(images.requires_grad for images in found)
    assert all(same(state[key], value) for key, value in model.state_dict().items())
    assert model.training
    model.eval()
    with torch.no_grad():
        torch.testing.assert_close(found, (model.generator_xy(x), model.generator_yx(y)))


@both_ways
@pytest.mark.parametrize("inputs", [(), ("x", "y")])
def test_one_direction_must_be_chosen(module, cls, inputs):
    words = f"{cls.__name__} translates .* first domain as x=…, or those of the second as y=…"
    with pytest.raises(ValueError, match=words):
        quiet(module, cls).sample(2, **{name: torch.zeros(2, *SHAPE) for name in inputs})


@pytest.mark.parametrize("name", ["x", "y"])
def test_what_is_no_image_is_refused_by_name(name):
    model = quiet(*TWO_WAY[0])
    with pytest.raises(ValueError, match=f"{name} has shape"):
        model.sample(**{name: torch.zeros(2, 1, 32, 32)})


@both_ways
def test_snapshots_are_made_from_samples_of_the_first_domain(module, cls):
    data = two_domains(12, SHAPE)
    (x,) = quiet(module, cls).fixed_inputs(20, data).values()
    known = {bytes(image.numpy()) for image in data.first.floats()}
    assert len(x) == 20
    assert all(bytes(image.numpy()) in known for image in x)


# --- planted mistakes --------------------------------------------------------------------------

MUTANTS = mutants(
    "two_way",
    (
        "two ways: x is translated by F",
        "return self.translate(self.generator_xy, self.checked(x, any_size=True))",
        "return self.translate(self.generator_yx, self.checked(x, any_size=True))",
        "test_samples_of_either_domain_are_translated",
    ),
    (
        "two ways: samples are drawn in training mode, with the statistics of their batch",
        "with evaluating(self):",
        "with __import__('torch').no_grad():",
        "test_samples_of_either_domain_are_translated",
    ),
    (
        "two ways: without a direction, whatever is there is translated",
        "if (x is None) == (y is None):",
        "if x is None and y is None:",
        "test_one_direction_must_be_chosen",
    ),
    (
        "two ways: samples of Y are called x where they are wrong",
        'self.checked(y, "y", any_size=True)',
        "self.checked(y, any_size=True)",
        "test_what_is_no_image_is_refused_by_name",
    ),
    (
        "two ways: snapshots are translations of the wrong domain",
        'return {"x": data.batch(n).x}',
        'return {"x": data.batch(n).y}',
        "test_snapshots_are_made_from_samples_of_the_first_domain",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)

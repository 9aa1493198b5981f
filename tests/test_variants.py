"""What holds for every variant of the book, found by looking into the package."""

import dataclasses
import importlib
import inspect
import pkgutil
import re

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import gan_lessons
from gan_lessons.training import BUDGETS, Run, fit, load_run
from tests.helpers import images, pairs, same, two_domains


def _modules():
    for info in pkgutil.walk_packages(gan_lessons.__path__, "gan_lessons."):
        module = importlib.import_module(info.name)
        if hasattr(module, "PRESETS"):
            yield module


def _models(module):
    for _, cls in inspect.getmembers(module, inspect.isclass):
        if (
            cls.__module__ == module.__name__
            and issubclass(cls, nn.Module)
            and hasattr(cls, "step")
        ):
            yield cls


MODULES = list(_modules())
MODELS = [(module, cls) for module in MODULES for cls in _models(module)]
modules = pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__.split(".")[-1])
models = pytest.mark.parametrize(("module", "cls"), MODELS, ids=lambda x: x.__name__.split(".")[-1])


def sort_of_data(module):
    """What makes random data of the kind that a variant takes."""
    name = module.__name__.rpartition(".")[2]
    return {"cogan": two_domains, "cyclegan": two_domains, "pix2pix": pairs}.get(name, images)


def tiny(module, steps=3):
    return dataclasses.replace(module.PRESETS["smoke"], steps=steps, batch_size=8)


def quick(module, cls, seed=0, steps=3):
    data = sort_of_data(module)()
    return fit(cls, tiny(module, steps), data, seed=seed, device="cpu", progress=False, snapshots=2)


def sampled(run, n, **options):
    """`n` samples of a run; a variant that translates gets the inputs of its snapshots."""
    inputs = {name: value[:n] for name, value in run.fixed_inputs.items() if name == "x"}
    return run.sample(n, **options, **inputs)


def test_there_are_variants():
    assert {m.__name__.rpartition(".")[2] for m in MODULES} >= {"gan", "dcgan", "cgan"}


@modules
def test_presets_and_config(module):
    assert tuple(module.PRESETS) == BUDGETS
    assert module.PRESETS["cpu"] == module.Config(), "the defaults are the cpu preset"
    with pytest.raises(dataclasses.FrozenInstanceError):
        module.Config().steps = 3
    source = inspect.getsource(module.Config)
    for field in dataclasses.fields(module.Config):
        assert re.search(rf"^    {field.name}: .*  # \w", source, re.M), f"{field.name}: no comment"


@modules
def test_docstring_names_the_paper_and_the_deviations(module):
    text = module.__doc__
    assert re.search(r"https://arxiv\.org/abs/\d{4}\.\d{4,5}", text)
    assert re.search(r"\[[A-Z0-9]+-[A-Z0-9]+\]", text), "names the tags of its equations"
    assert "Deviations from the paper" in text


@modules
def test_one_entry_point(module):
    signature = inspect.signature(module.train)
    assert list(signature.parameters)[:4] == ["config", "data", "seed", "device"]
    for name in ("seed", "device"):
        assert signature.parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
    data = sort_of_data(module)()
    run = module.train(tiny(module), data, seed=1, device="cpu", progress=False)
    assert isinstance(run, Run)
    assert run.seed == 1


@modules
def test_losses_are_small_and_pure(module):
    found = [f for n, f in inspect.getmembers(module, inspect.isfunction) if n.endswith("_loss")]
    assert found
    for function in found:
        body = re.sub(r'"""[\s\S]*?"""', "", inspect.getsource(function))
        assert len([line for line in body.splitlines()[1:] if line.strip()]) <= 6
        parameters = inspect.signature(function).parameters.values()
        scores = {p.name: torch.randn(5) for p in parameters if p.annotation is Tensor}
        numbers = {p.name: 0.5 for p in parameters if p.annotation is not Tensor}
        copies = {name: value.clone() for name, value in scores.items()}
        assert function(**scores, **numbers).shape == ()
        assert all(same(scores[name], copies[name]) for name in scores)


@modules
def test_networks_end_without_a_sigmoid(module):
    for cls in _models(module):
        model = cls(module.PRESETS["smoke"])
        assert not any(isinstance(m, nn.Sigmoid) for m in model.modules())


@models
def test_same_seed_same_numbers(module, cls):
    a, b, c = quick(module, cls), quick(module, cls), quick(module, cls, seed=1)
    for name, values in a.history.items():
        np.testing.assert_array_equal(values, b.history[name])
    assert same(sampled(a, 4, seed=0), sampled(b, 4, seed=0))
    weights = zip(a.model.parameters(), c.model.parameters(), strict=True)
    assert not any(same(one, other) for one, other in weights if one.dim() > 1)


@models
def test_saved_and_loaded_gives_the_same_samples(module, cls, tmp_path):
    run = quick(module, cls)
    again = load_run(run.save(tmp_path), device="cpu")
    assert type(again.model) is cls
    assert same(sampled(again, 6, seed=2), sampled(run, 6, seed=2))


@models
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 64)], ids=["grey28", "colour64"])
def test_every_size_and_colour(module, cls, shape):
    data = sort_of_data(module)(12, shape)
    run = fit(cls, tiny(module, 1), data, device="cpu", progress=False, snapshots=1)
    samples = sampled(run, 3)
    assert samples.shape == (3, *shape)
    assert samples.abs().max() <= 1


@models
def test_a_step_reports_finite_scalars_and_moves_every_network(module, cls):
    run = quick(module, cls, steps=1)
    before = [p.detach().clone() for p in run.model.parameters()]
    losses = run.model.step(sort_of_data(module)().batch(8))
    assert losses
    assert all(v.shape == () and v.isfinite() for v in losses.values())
    assert any(name.endswith("_loss") for name in losses)
    for (name, p), old in zip(run.model.named_parameters(), before, strict=True):
        if name.startswith("critic.") and name.endswith(".bias"):
            continue  # it may shift real and fake scores alike: Wasserstein losses do not see that
        # A clipped weight may be pushed against its limit and stay.
        assert p.grad.any() or not torch.equal(p, old), f"{name} takes no part"


@modules
def test_bad_input_says_what_to_do(module):
    with pytest.raises(ValueError, match="choose one of 'smoke', 'cpu', 'gpu'"):
        module.train("quick", images())
    with pytest.raises(TypeError, match="config must be a"):
        module.train(3, images())

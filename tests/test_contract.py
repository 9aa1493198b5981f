"""The contract: what holds for every model class of the book, so that no variant repeats it.

Further down is what holds for every variant's module.
"""

import dataclasses
import inspect
import re

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gan_lessons.data import TensorData, TwoDomains
from gan_lessons.model import LabelledModel, Model
from gan_lessons.runs import build
from gan_lessons.training import BUDGETS, Run, fit, load_run, resume
from tests.helpers import images, same
from tests.variants import MODELS, MODULES, data_for, models_of, name_of, sampled

models = pytest.mark.parametrize(("module", "cls"), MODELS, ids=[name_of(cls) for _, cls in MODELS])
labelled = pytest.mark.parametrize(
    ("module", "cls"),
    [(module, cls) for module, cls in MODELS if cls.needs_labels],
    ids=[name_of(cls) for _, cls in MODELS if cls.needs_labels],
)
modules = pytest.mark.parametrize("module", MODULES, ids=name_of)
CPU = torch.device("cpu")
ROWS = 8  # samples in a batch


def tiny(module, steps=3):
    config = dataclasses.replace(module.PRESETS["smoke"], steps=steps, batch_size=ROWS)
    if hasattr(config, "decay_from"):  # a schedule over all steps knows how many there will be
        config = dataclasses.replace(config, decay_from=1.0)
    return config


def fresh(module, cls) -> Model:
    config = dataclasses.replace(tiny(module), shape=data_for(cls).shape)
    return build(cls, config, CPU)


def quick(module, cls, seed=0, steps=3, **options):
    options = {"device": "cpu", "progress": False, "snapshots": 2} | options
    return fit(cls, tiny(module, steps), data_for(cls), seed=seed, **options)


class Watched:
    """One step of a model, seen from its optimisers and networks.

    `updates` has for each call of an optimiser its name and the names of the parameters that a
    gradient has reached since the last call. `calls` has for each pass through a network its name,
    the number of updates so far, and a copy of its inputs.
    """

    def __init__(self, model: Model):
        self.model, self.updates, self.calls = model, [], []
        self.grads = dict.fromkeys(name for name, _ in model.named_parameters())
        self.before = {n: p.detach().clone() for n, p in model.named_parameters()}
        self.others_moved: list[str] = []
        model.zero_grad()
        for name in model.optimizers:
            optimizer = getattr(model, name)
            optimizer.step = self._watch(name, optimizer, optimizer.step)
        self.scores: list[float] = []
        for name, network in model.named_children():
            network.register_forward_pre_hook(
                lambda _, inputs, name=name: self.calls.append(
                    (name, len(self.updates), [x.detach().clone() for x in inputs])
                )
            )
            if name.startswith("discriminator"):
                network.register_forward_hook(lambda _, inputs, output: self._score(output))

    def _score(self, output) -> None:
        output = output[0] if isinstance(output, tuple) else output
        self.scores.append(output.detach().mean().item())

    def _watch(self, name, optimizer, step):
        def watched(*args, **kwargs):
            reached = set()
            for key, p in self.model.named_parameters():
                if p.grad is not None and (
                    self.grads[key] is None or not torch.equal(p.grad, self.grads[key])
                ):
                    reached.add(key)
                    self.grads[key] = p.grad.clone()
            self._look(set(), f"before {name}")
            self.updates.append((name, reached))
            result = step(*args, **kwargs)
            self._look(self.own(name), f"after {name}")
            return result

        return watched

    def own(self, optimizer: str) -> set[str]:
        """The names of the parameters that an optimiser holds."""
        held = {id(p) for g in getattr(self.model, optimizer).param_groups for p in g["params"]}
        return {key for key, p in self.model.named_parameters() if id(p) in held}

    def _look(self, may_move: set[str], when: str) -> None:
        for key, p in self.model.named_parameters():
            if not torch.equal(p, self.before[key]):
                clipped = key.startswith("discriminator")  # WGAN clips right after the update
                if key not in may_move and not clipped:
                    self.others_moved.append(f"{key} {when}")
                self.before[key] = p.detach().clone()

    def step(self) -> "Watched":
        self.logged = self.model.step(data_for(type(self.model)).batch(self.model.samples_per_step))
        return self


# --- a step ------------------------------------------------------------------------------------


@models
def test_each_update_has_gradients_for_exactly_its_own_parameters(module, cls):
    """A missing detach or frozen, a wrong optimiser: each reaches too much or too little."""
    watched = Watched(fresh(module, cls)).step()
    for name, reached in watched.updates:
        if len([n for n, _ in watched.updates if n == name]) > 1 and reached < watched.own(name):
            part = {key.split(".")[0] for key in reached}  # a phase that uses a part of a network
            assert reached, f"{name}: no gradient"
            assert part <= {key.split(".")[0] for key in watched.own(name)}
            continue
        assert reached == watched.own(name), (
            f"{name}: too much {sorted(reached - watched.own(name))}, "
            f"too little {sorted(watched.own(name) - reached)}"
        )
    assert not watched.others_moved


@models
def test_updates_come_in_the_order_that_the_class_declares(module, cls):
    """With the discriminator first where there is a choice: G shall face the new one."""
    order = [name for name, _ in Watched(fresh(module, cls)).step().updates]
    assert list(dict.fromkeys(order)) == list(cls.optimizers)
    assert order == sorted(order, key=cls.optimizers.index), "one after the other, not in turns"


@models
def test_every_optimiser_is_declared_and_holds_whole_networks(module, cls):
    model = fresh(module, cls)
    optimizers = {k for k, v in vars(model).items() if isinstance(v, torch.optim.Optimizer)}
    assert optimizers == set(cls.optimizers)
    watched = Watched(model)
    held = set().union(*(watched.own(name) for name in cls.optimizers))
    assert held == {name for name, _ in model.named_parameters()}, "every parameter can learn"
    for name in cls.optimizers:
        networks = {key.split(".")[0] for key in watched.own(name)}
        whole = {k for k, _ in model.named_parameters() if k.split(".")[0] in networks}
        assert watched.own(name) == whole, f"{name} holds parts of networks"


@models
def test_every_parameter_takes_part(module, cls):
    """A branch that is multiplied by zero has gradients, too, but they are zero."""
    watched = Watched(fresh(module, cls))
    before = {name: p.detach().clone() for name, p in watched.model.named_parameters()}
    watched.step()
    for name, p in watched.model.named_parameters():
        if name.startswith("discriminator") and p.shape == (1,):
            continue  # a shift of all scores: a loss of differences does not see it
        assert p.grad.any() or not torch.equal(p, before[name]), f"{name} takes no part"


@models
def test_noise_is_fresh_in_every_update(module, cls):
    """No two updates, and no two steps, see the same noise: G never meets old draws again."""
    if (
        TensorData not in cls.takes and cls.takes != (TwoDomains,)
    ) or "generator_xy" in cls.sampled:
        return  # what its generators get are samples, not noise
    model = fresh(module, cls)
    watched = Watched(model).step().step()
    seen = [(when, x[0]) for name, when, x in watched.calls if name in ("generator", "decoder")]
    assert seen
    for i, (when, z) in enumerate(seen):
        for other, w in seen[i + 1 :]:
            if other != when and z.shape == w.shape:
                assert not torch.equal(z, w), "two updates share their noise"


@models
def test_real_and_generated_samples_pass_the_discriminator_apart(module, cls):
    """One batch at a time: mixed, batch normalisation would play another game."""
    watched = Watched(fresh(module, cls)).step()
    calls = [x[0] for name, _, x in watched.calls if name.startswith("discriminator")]
    assert calls
    rows = {x.shape[1] if x.dim() == 5 and len(x) == 2 else len(x) for x in calls}
    draws = getattr(watched.model.config, "draws", 1)
    assert rows <= {ROWS, ROWS * draws}, f"batches of {rows}"


@models
def test_a_step_reports_finite_scalars_without_a_graph_that_matters(module, cls):
    losses = Watched(fresh(module, cls)).step().logged
    assert all(isinstance(v, Tensor) and v.shape == () and v.isfinite() for v in losses.values())
    assert any(name.endswith("_loss") for name in losses)


@models
def test_logged_scores_are_means_of_what_the_discriminators_said(module, cls):
    watched = Watched(fresh(module, cls)).step()
    said = [*watched.scores, *((a + b) / 2 for a in watched.scores for b in watched.scores)]
    for name, value in watched.logged.items():
        if name.endswith("_score"):
            assert any(value.item() == pytest.approx(score, abs=1e-6) for score in said), name


@models
def test_the_logged_losses_are_those_of_the_same_step_in_float64(module, cls):
    """Nothing in a step is bound to single precision, and it stays in what it is given."""
    torch.manual_seed(3)
    model = fresh(module, cls).double()
    batch = data_for(cls).batch(model.samples_per_step)
    double = [v.double() if v.is_floating_point() else v for v in batch if v is not None]
    draw = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # noise, too
    try:
        losses = model.step(batch._replace(**dict(zip(batch._fields, double, strict=False))))
    finally:
        torch.set_default_dtype(draw)
    kinds = {name: value.dtype for name, value in losses.items() if name.endswith("_loss")}
    assert set(kinds.values()) == {torch.float64}, kinds


@models
def test_bfloat16_runs_and_stays_near(module, cls):
    exact, rough = quick(module, cls), quick(module, cls, precision="bfloat16")
    for name, values in rough.history.items():
        assert np.isfinite(values).all(), name
        assert values.dtype == np.float32
    if hasattr(cls, "draw"):
        return  # a drawn pixel is one or the other
    for name, values in exact.history.items():
        near = 0.1 * max(1.0, abs(values[0]))
        assert abs(values[0] - rough.history[name][0]) < near, name


# --- a run -------------------------------------------------------------------------------------


@models
def test_same_seed_same_numbers(module, cls):
    a, b, c = quick(module, cls), quick(module, cls), quick(module, cls, seed=1)
    for name, values in a.history.items():
        np.testing.assert_array_equal(values, b.history[name])
    assert same(sampled(a, 4, seed=0), sampled(b, 4, seed=0))
    weights = zip(a.model.parameters(), c.model.parameters(), strict=True)
    assert not any(same(one, other) for one, other in weights if one.dim() > 1)


@models
def test_the_averaged_model_can_sample_and_nothing_else(module, cls):
    run = quick(module, cls)
    assert {name for name, _ in run.averaged.named_children()} == set(cls.sampled)
    assert not any(isinstance(v, torch.optim.Optimizer) for v in vars(run.averaged).values())
    assert not sampled(run, 3).requires_grad
    assert not same(sampled(run, 3), sampled(dataclasses.replace(run, averaged=run.model), 3))


@models
def test_samples_do_not_depend_on_their_batch(module, cls):
    """Batch normalisation has the averages of the training: one sample alone is the same sample."""
    run = quick(module, cls)
    inputs = {k: v[:4] for k, v in run.fixed_inputs.items()}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        together = run.averaged.sample(**inputs)
        torch.manual_seed(0)
        first = run.averaged.sample(**{k: v[:1] for k, v in inputs.items()})
    if "Discrete" in cls.__name__ or "Reinforce" in cls.__name__ or "x" in inputs:
        assert first.shape == together[:1].shape  # they draw, or drop out, pixel by pixel
    else:
        torch.testing.assert_close(first, together[:1], atol=1e-5, rtol=1e-5)
    assert run.model.training, "the model is as it was"


@models
def test_saved_loaded_and_resumed_equals_never_interrupted(module, cls, tmp_path):
    whole, half = quick(module, cls, steps=4), quick(module, cls, steps=2)
    again = load_run(half.save(tmp_path), device="cpu")
    assert type(again.model) is cls
    assert same(sampled(again, 6, seed=2), sampled(half, 6, seed=2))
    resume(again, data_for(cls), steps=4, progress=False)
    for name, values in whole.history.items():
        np.testing.assert_array_equal(values, again.history[name])
    assert same(sampled(again, 6, seed=2), sampled(whole, 6, seed=2))


@models
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 64)], ids=["grey28", "colour64"])
def test_every_size_and_colour(module, cls, shape):
    data = data_for(cls, 12, shape)
    run = fit(cls, tiny(module, 1), data, device="cpu", progress=False, snapshots=1)
    samples = sampled(run, 3)
    assert samples.shape == (3, *shape)
    assert samples.abs().max() <= 1


@models
def test_other_kinds_of_data_are_refused_by_name(module, cls):
    for wrong in (torch.zeros(4, 1, 32, 32), "pictures", None, {"x": 1}):
        with pytest.raises(TypeError, match=f"{cls.__name__} takes .*, not {type(wrong).__name__}"):
            fit(cls, tiny(module), wrong, progress=False)
    for other in {c for _, m in MODELS for c in m.takes} - set(cls.takes):
        data = (
            next(data_for(m) for _, m in MODELS if m.takes[0] is other)
            if any(m.takes[0] is other for _, m in MODELS)
            else None
        )
        if data is not None:
            with pytest.raises(TypeError, match=f"not {other.__name__}: try "):
                fit(cls, tiny(module), data, progress=False)


@labelled
def test_labels_are_asked_for_where_they_are_needed(module, cls):
    data = data_for(cls)
    if TensorData in cls.takes:  # other containers have no instance without labels
        unlabelled = dataclasses.replace(images(), labels=None)
        with pytest.raises(ValueError, match=f"{cls.__name__} needs labels"):
            fit(cls, tiny(module), unlabelled, progress=False)
    few = dataclasses.replace(tiny(module), classes=3)
    with pytest.raises(ValueError, match="knows the classes 0 to 2"):
        fit(cls, few, data, progress=False)


@labelled
def test_labelled_samples_are_of_the_classes_asked_for(module, cls):
    if not issubclass(cls, LabelledModel):
        return  # labels teach it, but do not ask for anything
    model = fresh(module, cls)
    z, labels = model.noise(6), torch.arange(6)
    one, other = model.sample(z=z, labels=labels), model.sample(z=z, labels=labels.roll(1))
    assert not same(one, other)
    assert same(one, model.sample(6, z=z, labels=labels))
    assert not same(model.sample(6, labels=labels), model.sample(6, labels=labels)), "fresh noise"
    rows = model.fixed_inputs(64, data_for(cls))
    assert same(rows["labels"].view(10, -1)[:, 0], torch.arange(10))
    assert all(
        same(rows["z"].view(10, -1, z.shape[1])[0], r) for r in rows["z"].view(10, -1, z.shape[1])
    )
    for wrong in (labels[:3], labels.float(), labels + 7, labels - 1):
        with pytest.raises(ValueError, match="labels"):
            model.sample(6, labels=wrong)


@models
def test_networks_end_without_a_sigmoid(module, cls):
    assert not any(isinstance(m, nn.Sigmoid | nn.Softmax) for m in fresh(module, cls).modules())


# --- a module ----------------------------------------------------------------------------------


def test_there_are_variants():
    assert {name_of(m) for m in MODULES} >= {"gan", "dcgan", "cgan", "wgan_gp", "cyclegan"}
    assert len(MODELS) >= len(MODULES) >= 17


@modules
def test_presets_and_config(module):
    assert tuple(module.PRESETS) == BUDGETS
    assert module.PRESETS["cpu"] == module.Config(), "the defaults are the cpu preset"
    with pytest.raises(dataclasses.FrozenInstanceError):
        module.Config().steps = 3
    classes = [c for c in module.Config.__mro__ if dataclasses.is_dataclass(c)]
    source = "\n".join(inspect.getsource(c) for c in classes)
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
    parameters = inspect.signature(module.train).parameters
    assert list(parameters)[:2] == ["config", "data"]
    assert parameters["options"].kind is inspect.Parameter.VAR_KEYWORD
    run = module.train(tiny(module), data_for(module), seed=1, device="cpu", progress=False)
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
def test_the_shape_of_a_variant(module):
    """Few lines, only shared base classes, nobody else's model: what makes siblings comparable."""
    lines = len(inspect.getsource(module).splitlines())
    classes = models_of(module)
    own_parts = [
        c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module.__name__
    ]
    allowed = 140 if len(own_parts) <= 2 else 240  # a config and a model, or more of either
    assert lines <= allowed, f"{lines} lines"
    for cls in classes:
        bases = [b for b in cls.__mro__[1:] if issubclass(b, Model)]
        shared = ("gan_lessons.model", "gan_lessons.two_way", module.__name__)
        foreign = [b for b in bases if b.__module__ not in shared]
        assert not foreign, f"{cls.__name__} inherits from another variant: {foreign}"


@modules
def test_bad_input_says_what_to_do(module):
    with pytest.raises(ValueError, match="choose one of 'smoke', 'cpu', 'gpu'"):
        module.train("quick", data_for(module))
    with pytest.raises(TypeError, match="config must be a"):
        module.train(3, data_for(module))

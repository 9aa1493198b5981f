"""Planted mistakes are planted everywhere and taken back, and what goes unnoticed is reported."""

import ast
import importlib
import importlib.util
import inspect
import re

import pytest
import torch

from gan_lessons.foundations import cgan, dcgan, gan
from gan_lessons.latent import acgan
from gan_lessons.metrics import kernels
from gan_lessons.model import LabelledModel, Model
from tests.mutants import Mutant, generated, mutants, planted, survivors
from tests.variants import MODULES, name_of

SCORES = torch.tensor([1.0, -2.0, 3.0])


# --- planting ----------------------------------------------------------------------------------


def ill(module, old, new):
    (mutant,) = mutants(module, ("a mistake", old, new, ""))
    return planted(mutant)


def test_a_function_is_ill_wherever_it_was_imported_to_and_healthy_afterwards():
    healthy = gan.generator_loss(SCORES)
    with ill("foundations.gan", "return softplus(-fake_scores).mean()", "return 0 * fake_scores"):
        for module in (gan, dcgan, cgan):
            assert not module.generator_loss(SCORES).any()
    assert dcgan.generator_loss(SCORES) == healthy


def test_a_method_is_ill_in_models_that_are_there_already():
    class Own(dcgan.DCGAN):
        pass

    model, n = Own(dcgan.PRESETS["smoke"]), 5
    old = "return self.discriminator_step(batch.x) | self.generator_step(len(batch.x))"
    with ill("foundations.dcgan", old, "return self.config.batch_size"):
        assert model.step(None) == model.config.batch_size
    with ill("model", "return torch.randn(n, self.config.latent_dim", "return torch.ones(n, 2"):
        assert model.noise(n).tolist() == [[1, 1]] * n, "inherited from another module"
    assert model.noise(n).shape == (n, model.config.latent_dim)


def test_defaults_of_a_config_and_what_was_made_of_them():
    steps = gan.Config().steps
    with ill("foundations.gan", "steps: int = 4000", "steps: int = 7"):
        assert gan.Config().steps == gan.PRESETS["cpu"].steps == 7
        assert gan.Config(steps=3).steps == 3
    assert gan.Config().steps == gan.PRESETS["cpu"].steps == steps


def test_presets_stay_the_same_dictionary_of_the_same_class():
    presets, smoke = gan.PRESETS, gan.PRESETS["smoke"]
    with ill("foundations.gan", "Config(**SMOKE, steps=60)", "Config(**SMOKE, steps=1)"):
        assert gan.PRESETS is presets
        assert presets["smoke"].steps == 1
        assert type(presets["smoke"]) is gan.Config
    assert presets["smoke"] is smoke


def test_attributes_of_a_class_and_constants_of_a_module():
    with ill("model", "    needs_labels = True", "    needs_labels = False"):
        assert not acgan.ACGAN.needs_labels
    assert LabelledModel.needs_labels
    with ill("model", 'sampled: tuple[str, ...] = ("generator",)', "sampled: tuple = ()"):
        assert gan.GAN.sampled == Model.sampled == ()
    points, widths = torch.randn(2, 20, 3), kernels.WIDTHS
    before = kernels.gaussian_kernel_distance(*points)
    with ill("metrics.kernels", "WIDTHS = (0.25, 0.5, 1.0)", "WIDTHS = (9.0,)"):
        assert kernels.gaussian_kernel_distance(*points) != before
    assert widths == kernels.WIDTHS


def test_the_package_is_healthy_after_an_error():
    healthy = gan.generator_loss(SCORES)
    with (
        pytest.raises(KeyError),
        ill("foundations.gan", "return softplus(-fake_scores).mean()", "return {}['x']"),
    ):
        gan.generator_loss(SCORES)
    assert gan.generator_loss(SCORES) == healthy


# --- survivors ---------------------------------------------------------------------------------

FILE = """
import pytest
import torch
from gan_lessons.foundations import gan


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_value(score):
    loss = gan.generator_loss(torch.tensor([score]))
    assert loss.item() == pytest.approx({0.0: 0.6931, 1.0: 0.3133}[score], abs=1e-3)


def test_nothing():
    pass


def test_that_always_fails():
    raise AssertionError


def test_planted_mistakes_are_caught():
    raise AssertionError("this one runs the others")
"""
LOSS = "return softplus(-fake_scores).mean()"
WRONG = "return softplus(fake_scores).mean()"


@pytest.fixture
def found(tmp_path):
    """What `survivors` reports for one mistake (old, new, test) and the file of tests above."""
    file = tmp_path / "test_little.py"

    def found(old, new, test):
        file.write_text(FILE, encoding="utf-8")
        return survivors(str(file), [Mutant("a mistake", "foundations.gan", old, new, test)])

    return found


def test_what_its_test_sees_is_caught(found):
    assert found(LOSS, WRONG, "test_value") == []


def test_one_case_of_a_test_is_enough(found):
    assert found(LOSS, "return 0 * fake_scores.mean() + 0.6931", "test_value") == []


def test_what_its_test_does_not_see_survives(found):
    assert found(LOSS, WRONG, "test_nothing") == ["a mistake (foundations.gan)"]


def test_a_mistake_that_changes_nothing_survives(found):
    assert found(LOSS, "return softplus(0 - fake_scores).mean()", "test_value")


def test_a_test_that_does_not_exist_is_reported(found):
    assert found(LOSS, WRONG, "test_of_old") == ["a mistake: there is no test_of_old"]


def test_a_test_that_fails_without_a_mistake_catches_none(found):
    (report,) = found(LOSS, WRONG, "test_that_always_fails")
    assert report.endswith("test_that_always_fails fails without any mistake")


@pytest.mark.parametrize(("old", "times"), [("return hinge(", "0"), ("fake_scores", r"\d+")])
def test_a_text_that_is_not_there_exactly_once_is_reported(found, old, times):
    (report,) = found(old, "x", "test_value")
    assert re.fullmatch(rf"a mistake: '.*' is {times} times in foundations\.gan", report), report


def test_the_package_is_healthy_after_the_search(found):
    found(LOSS, WRONG, "test_value")
    found(LOSS, WRONG, "test_nothing")
    assert gan.generator_loss(torch.zeros(3)).item() == pytest.approx(0.6931, abs=1e-3)


def test_without_a_test_of_its_own_any_test_and_the_contract_may_catch_it(tmp_path):
    file = tmp_path / "test_little.py"
    file.write_text("def test_nothing():\n    pass\n", encoding="utf-8")
    kinds = {m.what.split(": ")[1].split(" in ")[0]: m for m in generated(dcgan)}
    assert survivors(str(file), [kinds["no detach"], kinds["the order exchanged"]]) == []
    swapped = kinds["real_scores and fake_scores exchanged"]
    assert survivors(str(file), [swapped]) == [f"{swapped.what} (foundations.dcgan)"]


# --- generated slips ---------------------------------------------------------------------------

LITTLE = '''
def pair_loss(real, fake, weight):
    """-E real + 2 E fake."""
    return -real.mean() + weight * fake.sum()


class Little:
    def critic_step(self, x):
        fake = self.generator(x).detach()
        for _ in range(5):
            with frozen(self.discriminator):
                loss = pair_loss(x, fake, 2.5)
        return {"name": f"{x}" + "y", "loss": loss, **self.rest(*x, fake)}

    def step(self, batch):
        return self.critic_step(batch) | self.generator_step(batch)


def elsewhere(a, b):
    return -torch.sub(a, b).mean()
'''
SLIPS = {
    "pair_loss: minus left out": "return +real.mean() + weight * fake.sum()",
    "pair_loss: Add becomes Sub": "return -real.mean() - weight * fake.sum()",
    "pair_loss: Mult becomes Div": "return -real.mean() + weight / fake.sum()",
    "pair_loss: mean becomes sum": "return -real.sum() + weight * fake.sum()",
    "pair_loss: sum becomes mean": "return -real.mean() + weight * fake.mean()",
    "critic_step: no detach": "fake = self.generator(x).contiguous()",
    "critic_step: 5 becomes 6": "for _ in range(6):",
    "critic_step: not frozen": "with __import__('contextlib').nullcontext():",
    "critic_step: x and fake exchanged": "loss = pair_loss(fake, x, 2.5)",
    "critic_step: 2.5 becomes 3.5": "loss = pair_loss(x, fake, 3.5)",
    "step: the order exchanged": "return self.generator_step(batch) | self.critic_step(batch)",
}


@pytest.fixture
def little(tmp_path):
    """A module of the source above."""
    (tmp_path / "little.py").write_text(LITTLE, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("gan_lessons.little", tmp_path / "little.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_one_slip_of_each_kind_at_each_place_in_losses_and_steps(little):
    slips = {m.what.split(" in `")[0]: m for m in generated(little)}
    assert slips.keys() == SLIPS.keys()
    healthy = ast.unparse(ast.parse(LITTLE)).splitlines()
    for what, line in SLIPS.items():
        changed = set(slips[what].new.splitlines()) - set(healthy)
        assert {text.strip() for text in changed} == {line}
        assert slips[what].module == "little"


def test_what_changes_nothing_is_left_out_and_must_exist(little):
    (first, *others) = (m.what for m in generated(little))
    assert [m.what for m in generated(little, {first: "a reason"})] == others
    with pytest.raises(AssertionError, match="not among the generated mistakes"):
        generated(little, {"pair_loss: the moon rises": "a reason"})


# --- every variant has its mistakes ------------------------------------------------------------


def file_of(part, name):
    return importlib.import_module(f"tests.{part}.test_{name}")


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_every_variant_has_eight_planted_mistakes_and_looks_for_survivors(module):
    """A variant without a loss of its own may count those of the networks that it plays with."""
    _, part, name = module.__name__.split(".")
    tests, tree = file_of(part, name), ast.parse(inspect.getsource(module))
    count = len(tests.MUTANTS)
    if not any(isinstance(n, ast.FunctionDef) and n.name.endswith("_loss") for n in tree.body):
        imported = [n.module for n in tree.body if isinstance(n, ast.ImportFrom)]
        rooms = [m.rpartition(".")[2] for m in imported if m.startswith("gan_lessons.networks.")]
        count += sum(len(file_of("networks", room).MUTANTS) for room in rooms)
    assert count >= 8, f"{count} planted mistakes"
    for kind in ("planted", "generated"):
        assert hasattr(tests, f"test_{kind}_mistakes_are_caught"), f"no search for {kind} ones"

"""PixelDA: who teaches whom, what the content loss forgives, and which labels nobody may see."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import nn

from gan_lessons.data import Adaptation, Batch, TensorData
from gan_lessons.foundations import gan
from gan_lessons.latent import acgan
from gan_lessons.runs import build
from gan_lessons.steps import adam, update
from gan_lessons.training import fit
from gan_lessons.translation import pixelda
from tests.helpers import adaptation, moved, same
from tests.mutants import generated, mutants, survivors
from tests.oracles import check, oracle, scores, sigmoid, taken_over

SHAPE = (3, 32, 32)
SMALL = replace(pixelda.PRESETS["smoke"], shape=SHAPE)
N = SMALL.batch_size


@pytest.fixture
def model():
    return pixelda.PixelDA(SMALL)


def parts():
    """Source images, their labels, and images of the target."""
    x, y = adaptation(shape=SHAPE).batch(N)
    return x[:N], y, x[N:]


# --- equations ---------------------------------------------------------------------------------

taken_over(
    "PIXELDA-D",
    "GAN-D",
    r"L_D = \mathbb E_{x^t} \operatorname{softplus}(-D(x^t)) + \mathbb E_{x^s, z} "
    r"\operatorname{softplus}(D(G(x^s, z)))",
)
taken_over("PIXELDA-G", "GAN-G", r"L_G = \mathbb E_{x^s, z} \operatorname{softplus}(-D(G(x^s, z)))")


def cross_entropy(logits, labels):
    rows = np.arange(len(labels))
    return (np.log(np.exp(logits).sum(axis=1)) - logits[rows, labels]).mean()


@oracle(
    "PIXELDA-T",
    r"L_T = \mathbb E\, \bigl[ C(T(x^s), y^s) + C(T(G(x^s, z)), y^s) \bigr]",
)
def pixelda_t(source_logits, adapted_logits, labels):
    return cross_entropy(source_logits, labels) + cross_entropy(adapted_logits, labels)


@oracle(
    "PIXELDA-PMSE",
    r"L_C = \mathbb E \Bigl[ \tfrac1k \lVert m \odot d \rVert_2^2 - \tfrac1{k^2} "
    r"(m^\top d)^2 \Bigr], \qquad d = x^s - G(x^s, z), \quad k = \lVert m \rVert_1",
)
def pixelda_pmse(source, adapted, mask):
    """The variance of the differences behind the mask, image by image."""
    inside = [(a - b)[m > 0] for a, b, m in zip(source, adapted, mask, strict=True)]
    return np.mean([((d - d.mean()) ** 2).mean() for d in inside])


@oracle("PIXELDA-DT", r"L_{D,T} = L_D + L_T")
def pixelda_dt(game, task):
    return game + task


@oracle(
    "PIXELDA-SUM",
    r"L = L_G + \beta\, \mathbb E\, C(T(G(x^s, z)), y^s) + \gamma L_C",
)
def pixelda_sum(game, task, content, beta, gamma):
    return game + beta * task + gamma * content


@oracle(
    "PIXELDA-FLOOR",
    r"\inf_t\, C(\operatorname{softmax}(t), y) = \ln (e + K - 1) - 1",
)
def pixelda_floor(classes):
    """By minimising over the logits, of which all but one are equal."""

    def twice(gap):
        right = sigmoid(gap - np.log(classes - 1))  # a softmax of one logit and K - 1 zeros
        wrong = (1 - right) / (classes - 1)
        return np.log(np.exp(right) + (classes - 1) * np.exp(wrong)) - right

    return minimize(lambda v: twice(v[0]), [20.0]).fun


def test_task_loss():
    logits = scores(30).reshape(6, 5), scores(30, seed=1).reshape(6, 5)
    labels = np.array([0, 3, 4, 1, 1, 2])
    check(
        "PIXELDA-T",
        pixelda.task_loss,
        source_logits=logits[0],
        adapted_logits=logits[1],
        labels=labels,
    )


def pictures(n=4, seed=0):
    return scores(n * 12, seed=seed).reshape(n, 3, 2, 2)


def test_content_loss():
    mask = np.random.default_rng(2).integers(0, 2, (4, 3, 2, 2))
    mask[:, 0, 0, 0] = 1

    def loss(source, adapted, mask):
        return pixelda.content_loss(source, adapted, mask.to(source))

    check("PIXELDA-PMSE", loss, source=pictures(), adapted=pictures(seed=1), mask=mask)


def minimised(monkeypatch, step, **losses):
    """What a step minimises when its losses have these values."""
    found = []
    for name, value in losses.items():
        monkeypatch.setattr(pixelda, name, lambda *_, value=value: value)
    monkeypatch.setattr(pixelda, "update", lambda optimizer, loss: found.append(loss))
    step()
    (loss,) = found
    return loss


def test_the_first_step_is_on_the_sum_of_game_and_task(model, monkeypatch):
    def total(game, task):
        step = lambda: model.discriminator_step(*parts())  # noqa: E731
        return minimised(monkeypatch, step, discriminator_loss=game, task_loss=task)

    check("PIXELDA-DT", total, game=np.array(0.7), task=np.array(1.9))


def test_the_second_step_is_on_the_weighted_sum(monkeypatch):
    def total(game, task, content, beta, gamma):
        config = replace(SMALL, task_weight=beta, content_weight=gamma)
        step = lambda: pixelda.PixelDA(config).generator_step(*parts()[:2])  # noqa: E731
        losses = {"generator_loss": game, "class_loss": task, "content_loss": content}
        return minimised(monkeypatch, step, **losses)

    values = {"game": np.array(0.7), "task": np.array(1.9), "content": np.array(0.4)}
    check("PIXELDA-SUM", total, **values, beta=0.5, gamma=3.0)


def test_the_losses_of_others_belong_to_them():
    assert pixelda.discriminator_loss is gan.discriminator_loss
    assert pixelda.generator_loss is gan.generator_loss
    assert pixelda.class_loss is acgan.class_loss


# --- the task ----------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 10])
def test_a_softmax_before_the_loss_leaves_a_floor(classes):
    labels = torch.arange(classes)
    certain = 200.0 * torch.eye(classes, dtype=torch.float64)
    twice = acgan.class_loss(certain.softmax(1), labels)
    expected = pixelda_floor(classes)
    assert twice.item() == pytest.approx(expected, abs=1e-6)
    assert expected == pytest.approx(np.log(np.e + classes - 1) - 1, abs=1e-6)
    if classes == 10:
        assert twice.item() == pytest.approx(1.4612, abs=5e-5)


def test_the_classifier_learns_one_batch_by_heart():
    """A softmax in T, or before the loss, would keep the loss above its floor."""
    torch.manual_seed(0)
    model = build(pixelda.PixelDA, SMALL, torch.device("cpu"))
    source, labels, _ = parts()
    optimizer = adam(model.classifier, 5e-3, (0.9, 0.99))
    for _ in range(150):
        logits = model.classifier(source)
        loss = pixelda.task_loss(logits, logits, labels)
        update(optimizer, loss)
    assert loss < 0.1


def test_the_task_is_worth_as_much_as_the_game_and_the_content_nothing():
    config = pixelda.Config()
    assert config.task_weight == 1
    assert config.content_weight == 0, "as in the authors' settings for MNIST-M"
    assert config.latent_dim == 10
    assert (config.dropout, config.noise_scale) == (0.1, 0.2)


# --- the content -------------------------------------------------------------------------------


def images(n=4, seed=0):
    return torch.rand(n, 3, 8, 8, generator=torch.Generator().manual_seed(seed)).double() * 2 - 1


def test_the_content_loss_forgives_a_shift_of_each_image():
    source, other = images(), images(seed=1)
    mask = pixelda.foreground(source)
    shift = torch.tensor([0.5, -0.3, 0.0, 2.0]).view(4, 1, 1, 1)
    loss = pixelda.content_loss(source, other, mask)
    torch.testing.assert_close(pixelda.content_loss(source, other + shift, mask), loss)
    torch.testing.assert_close(
        pixelda.content_loss(source, source + shift, mask), torch.zeros(()).double()
    )
    assert loss > 0.1
    assert not torch.isclose(((source - other - shift) ** 2).mean(), ((source - other) ** 2).mean())


def test_the_content_loss_sees_nothing_but_the_foreground():
    source, other = images(), images(seed=1)
    mask = pixelda.foreground(source)
    elsewhere = torch.where(mask > 0, other, images(seed=2))
    inside = torch.where(mask > 0, images(seed=2), other)
    loss = pixelda.content_loss(source, other, mask)
    assert same(pixelda.content_loss(source, elsewhere, mask), loss)
    assert not torch.isclose(pixelda.content_loss(source, inside, mask), loss)


def test_the_content_loss_does_not_depend_on_the_size_of_the_foreground():
    """k counts its entries, not the pixels of the image."""
    source, other = images(1), images(1, seed=1)
    wide = [torch.cat([v, torch.zeros_like(v)], dim=3) for v in (source, other)]
    mask = torch.ones(1, 1, 8, 8).double()
    wide_mask = torch.cat([mask, 0 * mask], dim=3)
    loss = pixelda.content_loss(source, other, mask)
    torch.testing.assert_close(pixelda.content_loss(*wide, wide_mask), loss)


def test_an_image_without_foreground_costs_nothing():
    source = -torch.ones(2, 3, 4, 4)
    assert pixelda.content_loss(source, -source, pixelda.foreground(source)) == 0


def test_a_foreground_of_one_entry_costs_nothing_and_of_two_their_variance():
    source = -torch.ones(1, 1, 4, 4)
    mask = torch.zeros_like(source)
    mask[0, 0, 1, 1] = 1
    assert pixelda.content_loss(source, -source, mask) == 0
    mask[0, 0, 1, 2] = 1
    other = source.clone()
    other[0, 0, 1, 1] += 1
    assert pixelda.content_loss(source, other, mask) == 0.25


def test_the_foreground_is_the_ink():
    source = -torch.ones(1, 3, 4, 4)
    source[0, 1, 2, 3] = 0.2
    mask = pixelda.foreground(source)
    assert mask.shape == (1, 1, 4, 4)
    assert mask.nonzero().tolist() == [[0, 0, 2, 3]]


# --- who teaches whom --------------------------------------------------------------------------


def test_each_step_moves_its_players_alone(model):
    source, labels, target = parts()
    first = moved(model, lambda: model.discriminator_step(source, labels, target))
    assert first == {"discriminator", "classifier"}
    assert moved(model, lambda: model.generator_step(source, labels)) == {"generator"}


def test_no_gradient_of_the_second_step_stays_in_d_or_t(model):
    model.zero_grad()
    model.generator_step(*parts()[:2])
    for network in (model.discriminator, model.classifier):
        assert all(p.grad is None for p in network.parameters())
    assert all(p.grad is not None for p in model.generator.parameters())


def watched(model, monkeypatch):
    """What D and T are shown in each step, and the logits and labels of the task."""
    seen = {"discriminator": [], "classifier": [], "task": [], "class": []}
    adapt = lambda x, z: -x / 2  # noqa: E731
    monkeypatch.setattr(model.generator, "forward", adapt)
    for name in ("discriminator", "classifier"):
        network = getattr(model, name)

        def shown(x, name=name, forward=network.forward):
            seen[name].append(x)
            return forward(x)

        monkeypatch.setattr(network, "forward", shown)
    for key, name in (("task", "task_loss"), ("class", "class_loss")):
        loss = getattr(pixelda, name)

        def noted(*args, key=key, loss=loss):
            seen[key].append(args)
            return loss(*args)

        monkeypatch.setattr(pixelda, name, noted)
    monkeypatch.setattr(pixelda, "update", lambda optimizer, loss: None)
    return seen


def test_d_compares_target_with_adapted_and_t_learns_from_source_and_adapted(model, monkeypatch):
    seen = watched(model, monkeypatch)
    source, labels, target = parts()
    scored = []
    monkeypatch.setattr(pixelda, "discriminator_loss", lambda *s: scored.append(s) or s[0].sum())
    model.eval()  # without noise
    model.step(Batch(torch.cat([source, target]), labels))
    judged, read = seen["discriminator"], seen["classifier"]
    assert all(map(same, judged, [target, -source / 2, -source / 2]))
    assert all(map(same, read, [source, -source / 2, -source / 2]))
    for found, images in zip(scored[0], (target, -source / 2), strict=True):
        assert same(found, model.discriminator(images))
    of_source, of_adapted, known = seen["task"][0]
    assert same(of_source, model.classifier(source))
    assert same(of_adapted, model.classifier(-source / 2))
    assert same(known, labels)
    logits, known = seen["class"][-1]
    assert same(logits, model.classifier(-source / 2))
    assert same(known, labels)


def test_permuted_labels_of_the_target_change_no_bit_of_the_training():
    data = adaptation(shape=SHAPE)
    order = torch.randperm(len(data.target), generator=torch.Generator().manual_seed(5))
    permuted = replace(data.target, labels=data.target.labels[order])
    none = replace(data.target, labels=None)
    assert not same(permuted.labels, data.target.labels)
    runs = [
        fit(pixelda.PixelDA, SMALL, Adaptation(data.source, target), device="cpu", progress=False)
        for target in (data.target, permuted, none)
    ]
    for other in runs[1:]:
        for name, values in runs[0].history.items():
            np.testing.assert_array_equal(values, other.history[name])
        pairs = zip(runs[0].model.parameters(), other.model.parameters(), strict=True)
        assert all(same(a, b) for a, b in pairs)
        assert same(runs[0].snapshots, other.snapshots)


def test_labels_of_the_source_do_change_it():
    data = adaptation(shape=SHAPE)
    rolled = replace(data.source, labels=data.source.labels.roll(1))
    one, other = (
        fit(pixelda.PixelDA, SMALL, Adaptation(source, data.target), device="cpu", progress=False)
        for source in (data.source, rolled)
    )
    assert not np.array_equal(one.history["task_loss"], other.history["task_loss"])


def test_adaptation_happens():
    """Bright squares left or right teach what dark ones mean, without any of their labels."""
    values = torch.full((64, 1, 32, 32), 30, dtype=torch.uint8)
    labels = torch.arange(64) % 2
    values[labels == 0, :, 8:24, 4:14], values[labels == 1, :, 8:24, 18:28] = 230, 230
    source, target = TensorData(values, labels), TensorData(255 - values, labels)
    config = replace(SMALL, classes=2, steps=60, learning_rate=3e-3, average_decay=0.9)
    run = fit(pixelda.PixelDA, config, Adaptation(source, target), device="cpu", progress=False)
    repainted = run.sample(64, x=source.floats(), seed=0)
    assert (
        (repainted - target.floats()).abs().mean()
        < 0.5
        < (source.floats() - target.floats()).abs().mean()
    )


# --- the noise ---------------------------------------------------------------------------------


def test_the_noise_is_uniform_between_minus_one_and_one(model):
    z = model.noise(4_000)
    assert z.shape == (4_000, 10)
    assert z.abs().max() <= 1
    assert z.mean().item() == pytest.approx(0, abs=0.01)
    assert z.square().mean().item() == pytest.approx(1 / 3, abs=0.01)


def test_each_step_draws_its_own_noise(model, monkeypatch):
    seen = []
    model.generator.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    source, labels, target = parts()
    model.step(Batch(torch.cat([source, target]), labels))
    first, second = seen
    assert not same(first, second)
    assert len(first) == len(second) == N


def test_another_noise_is_another_picture_of_the_same_image(model):
    source = parts()[0]
    z = model.noise(N)
    assert same(model.sample(x=source, z=z), model.sample(x=source, z=z))
    assert not same(model.sample(x=source, z=z), model.sample(x=source, z=-z))
    assert not same(model.sample(x=source), model.sample(x=source)), "fresh noise"
    assert not same(model.sample(x=source, z=z), model.sample(x=source.flip(0), z=z))


def test_without_images_there_is_nothing_to_adapt(model):
    with pytest.raises(ValueError, match="PixelDA adapts images: pass those of the source as x="):
        model.sample(4)
    with pytest.raises(ValueError, match="rows"):
        model.sample(x=parts()[0], z=model.noise(3))


def test_snapshots_are_of_source_images(model):
    data = adaptation(shape=SHAPE)
    inputs = model.fixed_inputs(6, data)
    rows = data.source.floats().flatten(1)
    assert all((rows == x).all(1).any() for x in inputs["x"].flatten(1))
    assert model.sample(**inputs).shape == (6, *SHAPE)


def test_samples_do_not_move_any_statistics(model):
    state = {k: v.clone() for k, v in model.state_dict().items()}
    model.sample(x=parts()[0])
    assert all(same(state[k], v) for k, v in model.state_dict().items())
    assert model.training
    assert any(isinstance(m, nn.BatchNorm2d) for m in model.generator.modules())


# --- planted mistakes --------------------------------------------------------------------------

MUTANTS = [
    *mutants(
        "translation.pixelda",
        (
            "PixelDA: softmax before a loss that takes it itself",
            "class_loss(source_logits, labels) + class_loss(adapted_logits, labels)",
            "class_loss(source_logits.softmax(-1), labels) + "
            "class_loss(adapted_logits.softmax(-1), labels)",
            "test_the_classifier_learns_one_batch_by_heart",
        ),
        (
            "PixelDA: T learns from adapted images only",
            "task_loss(self.classifier(source), self.classifier(adapted), labels)",
            "2 * class_loss(self.classifier(adapted), labels)",
            "test_d_compares_target_with_adapted_and_t_learns_from_source_and_adapted",
        ),
        (
            "PixelDA: T learns from the source only",
            "task_loss(self.classifier(source), self.classifier(adapted), labels)",
            "task_loss(self.classifier(source), self.classifier(source), labels)",
            "test_d_compares_target_with_adapted_and_t_learns_from_source_and_adapted",
        ),
        (
            "PixelDA: T is shown images of the target, as if they had the labels of the source",
            "task_loss(self.classifier(source), self.classifier(adapted), labels)",
            "task_loss(self.classifier(target), self.classifier(adapted), labels)",
            "test_d_compares_target_with_adapted_and_t_learns_from_source_and_adapted",
        ),
        (
            "PixelDA: T is not frozen while G learns",
            "with frozen(self.discriminator), frozen(self.classifier):",
            "with frozen(self.discriminator):",
            "test_no_gradient_of_the_second_step_stays_in_d_or_t",
        ),
        (
            "PixelDA: T shares an optimiser with G, and D learns alone",
            "both = nn.ModuleList([self.discriminator, self.classifier])",
            "both = nn.ModuleList([self.discriminator])",
            "test_each_step_moves_its_players_alone",
        ),
        (
            "PixelDA: the game moves G in the step of D and T",
            "self.noise(len(source))).detach()",
            "self.noise(len(source)))",
            "",
        ),
        (
            "PixelDA: D compares adapted images with the source",
            "self.discriminator(target), self.discriminator(adapted)",
            "self.discriminator(source), self.discriminator(adapted)",
            "test_d_compares_target_with_adapted_and_t_learns_from_source_and_adapted",
        ),
        (
            "PixelDA: the content loss looks at the background",
            "(source.amax(1, keepdim=True) > 0)",
            "(source.amax(1, keepdim=True) <= 0)",
            "test_the_foreground_is_the_ink",
        ),
        (
            "PixelDA: a plain squared error for the content, which a shift of all pixels changes",
            "(masked.square().sum(1) / k - (masked.sum(1) / k).square()).mean()",
            "(masked.square().sum(1) / k).mean()",
            "test_the_content_loss_forgives_a_shift_of_each_image",
        ),
        (
            "PixelDA: k counts all pixels, not those of the foreground",
            "k = mask.sum(1).clamp(min=1)",
            "k = torch.full_like(mask.sum(1), mask.shape[1])",
            "test_the_content_loss_does_not_depend_on_the_size_of_the_foreground",
        ),
        (
            "PixelDA: the mask is applied after the mean has been taken away",
            "masked = mask * (source - adapted)",
            "masked = (source - adapted)",
            "test_the_content_loss_sees_nothing_but_the_foreground",
        ),
        (
            "PixelDA: the content loss is on for MNIST-M",
            "content_weight: float = 0.0",
            "content_weight: float = 1.0",
            "test_the_task_is_worth_as_much_as_the_game_and_the_content_nothing",
        ),
        (
            "PixelDA: the task is scaled down as if T and G shared it",
            "task_weight: float = 1.0",
            "task_weight: float = 0.1",
            "test_the_task_is_worth_as_much_as_the_game_and_the_content_nothing",
        ),
        (
            "PixelDA: noise from half of its range",
            "return 2 * torch.rand(n, self.config.latent_dim, "
            "device=next(self.parameters()).device) - 1",
            "return torch.rand(n, self.config.latent_dim, device=next(self.parameters()).device)",
            "test_the_noise_is_uniform_between_minus_one_and_one",
        ),
        (
            "PixelDA: source and target exchanged",
            "source, target = batch.x.split(len(batch.y))",
            "target, source = batch.x.split(len(batch.y))",
            "test_d_compares_target_with_adapted_and_t_learns_from_source_and_adapted",
        ),
        (
            "PixelDA: samples are drawn with the statistics of their batch",
            "with evaluating(self):",
            "with torch.no_grad():",
            "test_samples_do_not_move_any_statistics",
        ),
    ),
    *mutants(
        "data.adaptation",
        (
            "PixelDA: the labels of the target leak into its batches",
            "return Batch(torch.cat([source.x, self.target.floats(index)]), source.y)",
            "return Batch(torch.cat([source.x, self.target.floats(index)]), "
            "self.target.labels[index])",
            "test_permuted_labels_of_the_target_change_no_bit_of_the_training",
        ),
        (
            "PixelDA: the target is drawn class by class, as the source is",
            "index = torch.randint(len(self.target), (n,), device=self.device, "
            "generator=generator)",
            "index = torch.stack([(self.target.labels == k).nonzero()[0, 0] for k in source.y])",
            "test_permuted_labels_of_the_target_change_no_bit_of_the_training",
        ),
    ),
]


EQUIVALENT = {
    "generator_step: source and adapted exchanged in "
    "`content = content_loss(source, adapted, foreground(source))`": "the loss is even in x - G(x)",
}


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)


def test_generated_mistakes_are_caught():
    assert not survivors(__file__, generated(pixelda, EQUIVALENT))

"""TensorData: one tensor, batches drawn on its device, clear errors."""

import pytest
import torch

from gan_lessons.data import Batch, TensorData, to_bytes
from tests.mutants import mutants, survivors


def images(n=10, channels=1, size=4):
    return (
        torch.arange(n * channels * size * size)
        .remainder(256)
        .to(torch.uint8)
        .view(n, channels, size, size)
    )


def test_images_describe_themselves():
    data = TensorData(images(10, 3), torch.arange(10), "ten pictures", tuple("abcdefghij"))
    assert len(data) == 10
    assert data.shape == (3, 4, 4)
    assert data.is_images
    assert data.device == torch.device("cpu")
    assert repr(data) == "TensorData('ten pictures', shape=(3, 4, 4), device='cpu')"


def test_bytes_become_floats_from_minus_one_to_one_and_back():
    values = torch.arange(256, dtype=torch.uint8).view(256, 1, 1, 1)
    floats = TensorData(values).floats()
    expected = torch.arange(256, dtype=torch.float64) / 127.5 - 1
    assert floats.dtype == torch.float32
    assert (floats.min(), floats.max()) == (-1, 1)
    torch.testing.assert_close(floats.flatten().double(), expected, atol=1e-6, rtol=0)
    assert torch.equal(to_bytes(floats), values)


def test_to_bytes_cuts_off_what_lies_beyond_and_leaves_points_alone():
    images = torch.tensor([-7.0, -1.001, 0.999, 1.2], requires_grad=True).view(4, 1, 1, 1)
    assert to_bytes(images).flatten().tolist() == [0, 0, 255, 255]
    assert to_bytes(images.bfloat16()).dtype == torch.uint8
    points = torch.randn(4, 2)
    assert torch.equal(to_bytes(points), points)


def test_floats_leave_the_stored_values_alone():
    data = TensorData(images())
    before = data.values.clone()
    data.floats().zero_()
    data.batch(5).x.zero_()
    assert torch.equal(data.values, before)


def test_points_stay_as_they_are():
    points = torch.tensor([[3.0, -7.0], [0.5, 2.0]])
    data = TensorData(points)
    assert not data.is_images
    assert data.shape == (2,)
    assert torch.equal(data.floats(), points)


def test_a_batch_pairs_each_sample_with_its_own_label():
    data = TensorData(torch.arange(50.0).view(50, 1).repeat(1, 2), torch.arange(50))
    batch = data.batch(1_000)
    assert isinstance(batch, Batch)
    assert batch.x.shape == (1_000, 2)
    assert batch.y.dtype == torch.int64
    assert torch.equal(batch.x[:, 0].long(), batch.y)


def test_a_batch_is_uniform_over_the_data():
    data = TensorData(torch.zeros(20, 2), torch.arange(20))
    n = 200_000
    counts = data.batch(n, torch.Generator().manual_seed(1)).y.bincount(minlength=20).double()
    chi_squared = ((counts - n / 20) ** 2 / (n / 20)).sum().item()
    assert chi_squared < 43.8  # 99.9 % quantile with 19 degrees of freedom


def test_a_batch_may_be_larger_than_the_data():
    assert TensorData(images(3)).batch(64).x.shape == (64, 1, 4, 4)


def test_data_without_labels_give_batches_without_labels():
    assert TensorData(images()).batch(2).y is None


def test_the_generator_decides_the_batch_and_spares_the_global_state():
    data = TensorData(images(100), torch.arange(100))
    state = torch.get_rng_state()
    first = data.batch(16, torch.Generator().manual_seed(3))
    again = data.batch(16, torch.Generator().manual_seed(3))
    other = data.batch(16, torch.Generator().manual_seed(4))
    assert torch.equal(first.x, again.x)
    assert not torch.equal(first.y, other.y)
    assert torch.equal(torch.get_rng_state(), state)


def test_without_a_generator_the_global_seed_decides():
    data = TensorData(images(100), torch.arange(100))
    torch.manual_seed(5)
    first = data.batch(16).y
    torch.manual_seed(5)
    assert torch.equal(data.batch(16).y, first)


@pytest.mark.parametrize(
    "index",
    [slice(2, 5), [2, 3, 4], torch.tensor([2, 3, 4]), torch.arange(10).sub(3).abs() <= 1],
    ids=["slice", "list", "indices", "mask"],
)
def test_a_subset_keeps_labels_and_says_that_it_is_one(index):
    part = TensorData(images(), torch.arange(10), "ten", tuple("abcdefghij")).subset(index)
    assert part.labels.tolist() == [2, 3, 4]
    assert torch.equal(part.values, images()[2:5])
    assert part.name == "3 of: ten"
    assert part.classes == tuple("abcdefghij")


def test_to_moves_every_tensor(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, device: asked.append(device) or -tensor)
    data = TensorData(torch.ones(3, 2), torch.zeros(3).long(), "p", modes=torch.ones(1, 2), std=0.1)
    moved = data.to("there")
    assert asked == ["there"] * 3
    assert torch.equal(moved.values, -data.values)
    assert torch.equal(moved.modes, -data.modes)
    assert (moved.name, moved.std) == ("p", 0.1)


@pytest.mark.skipif(not torch.accelerator.is_available(), reason="needs an accelerator")
def test_batches_are_drawn_on_the_device():
    device = torch.accelerator.current_accelerator()
    data = TensorData(images(), torch.arange(10)).to(device)
    batch = data.batch(4, torch.Generator(device).manual_seed(0))
    assert {data.device.type, batch.x.device.type, batch.y.device.type} == {device.type}
    assert data.subset(slice(3)).floats().device.type == device.type


@pytest.mark.parametrize(
    ("values", "labels", "error", "message"),
    [
        ([[1.0]], None, TypeError, "must be a torch tensor, not list"),
        (
            torch.zeros(2, 1, 4, 4),
            None,
            TypeError,
            r"float32 of shape \(2, 1.* become bytes by \(\(",
        ),
        (torch.zeros(2), None, ValueError, r"must be points \(N, D\), but their shape is \(2,\)"),
        (torch.zeros(2, 2).double(), None, TypeError, r"float64 of shape \(2, 2\): give images"),
        (images()[:, 0], None, ValueError, r"must be images \(N, C, H, W\).*\(10, 4, 4\)"),
        (images(0), None, ValueError, "are empty"),
        (torch.tensor([[0.0, float("nan")]]), None, ValueError, "NaN or infinity"),
        (images(), torch.arange(9), ValueError, r"shape \(9,\), but there are 10 samples"),
        (images(), torch.zeros(10, 1).long(), ValueError, r"give one label each, shape \(10,\)"),
        (images(), torch.arange(10.0), TypeError, "torch.int64 tensor, not torch.float32"),
        (images(), list(range(10)), TypeError, "torch.int64 tensor, not list"),
        (images(), torch.arange(10) - 1, ValueError, "labels run from -1 to 8"),
    ],
)
def test_bad_tensors_are_refused(values, labels, error, message):
    with pytest.raises(error, match=message):
        TensorData(values, labels)


def test_labels_beyond_the_class_names_are_refused():
    with pytest.raises(ValueError, match=r"run from 0 to 9, allowed are 0\.\.1"):
        TensorData(images(), torch.arange(10), classes=("a", "b"))


MUTANTS = mutants(
    "data.tensors",
    (
        "images in [0, 1] for a generator that ends in tanh",
        "div_(127.5).sub_(1)",
        "div_(255)",
        "test_bytes_become_floats_from_minus_one_to_one_and_back",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)

"""Domain adaptation: labels of one domain, images of two, and the question who reads the second.

CoGAN's way, Liu, Tuzel 2016, https://arxiv.org/abs/1606.07536, section 5: the discriminators' last
hidden layer also carries a classifier. It learns from labelled images of the first domain, while
the game goes on in both. `scripts/adaptation_results.py` makes all runs and writes
`gan_lessons/results/adaptation.json`.
"""

import copy
from dataclasses import replace

import torch
from torch import Tensor, nn

from gan_lessons.data import TensorData, TwoDomains
from gan_lessons.devices import own_randomness
from gan_lessons.latent import cogan
from gan_lessons.latent.acgan import class_loss
from gan_lessons.networks.convolutions import layer_sizes
from gan_lessons.networks.coupled import Discriminators
from gan_lessons.steps import adam, evaluating, update

SEEDS = (0, 1, 2)
LABELLED, UNLABELLED = 2_000, 1_800  # images of each domain, as in the paper
ALONE, GAME, ALIKE = "labels alone", "CoGAN and labels", "the same, own layers equal at the start"
WAYS = (ALONE, GAME, ALIKE, "labels of the second domain")


class Reader(nn.Module):
    """A classifier on the last hidden layer of CoGAN's discriminators.

    forward(images (n, *shape), domain 0 or 1) -> logits (n, classes), through the first layer of
    that domain and the layers that both share.
    """

    def __init__(self, discriminators: Discriminators, shape: tuple[int, ...], classes: int = 10):
        super().__init__()
        self.own, self.hidden = discriminators.own, discriminators.shared[:-1]
        score = discriminators.shared[-1]
        self.head = nn.Conv2d(score.in_channels, classes, layer_sizes(shape)[0])

    def forward(self, images: Tensor, domain: int) -> Tensor:
        return self.head(self.hidden(self.own[domain](images))).flatten(1)


def config() -> cogan.Config:
    """A narrow CoGAN, so that a run takes a minute or two."""
    return replace(cogan.Config(), width=12, batch_size=32, steps=800, average_decay=0.98)


def adapt(domains: TwoDomains, way: str, config: cogan.Config, seed: int = 0) -> Reader:
    """Train a reader for the second domain in one of the `WAYS`, and return it.

    Each way sees as many labelled images: a batch in each of `config.steps` steps. ValueError for
    another way.
    """
    if way not in WAYS:
        raise ValueError(f"There is no way {way!r}; choose one of {', '.join(WAYS)}.")
    taught = int(way == WAYS[-1])
    with own_randomness(domains.first.device, seed):
        model = cogan.CoGAN(replace(config, shape=domains.first.shape)).to(domains.first.device)
        if way == ALIKE:
            first, second = model.discriminator.own
            second.load_state_dict(first.state_dict())
        reader = Reader(model.discriminator, domains.first.shape).to(domains.first.device)
        optimizer = adam(reader, config.learning_rate, config.betas)
        teacher = (domains.first, domains.second)[taught]
        for _ in range(config.steps):
            if way in (GAME, ALIKE):
                model.step(domains.batch(model.samples_per_step))
            images, labels = teacher.batch(config.batch_size)
            update(optimizer, class_loss(reader(images, taught), labels))
    return reader


def measure(reader: Reader, test: TwoDomains, taught: int = 0) -> dict[str, float]:
    """Accuracy on held-out images of both domains; `other`: of the second by the first's layer."""
    return {
        "first": accuracy(reader, test.first, taught),
        "second": accuracy(reader, test.second, 1),
        "other": accuracy(reader, test.second, 0),
    }


def accuracy(reader: Reader, data: TensorData, domain: int) -> float:
    """Share of the images of `data` whose class the reader sees, as images of that domain.

    Batch normalisation takes the statistics of 500 images at a time, as it does in the game. Its
    running statistics are a mixture of both domains, real and generated, and fit none of them.
    """
    right = 0
    with evaluating(reader):
        reading = copy.deepcopy(reader).train()
        for start in range(0, len(data), 500):
            part = slice(start, start + 500)
            found = reading(data.floats(part), domain).argmax(1)
            right += int((found == data.labels[part]).sum())
    return right / len(data)


def few(domains: TwoDomains) -> TwoDomains:
    """As many images of each domain as the paper takes, drawn with a seed of their own."""
    parts = []
    for data, n in ((domains.first, LABELLED), (domains.second, UNLABELLED)):
        order = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))
        parts.append(data.subset(order[:n]))
    return TwoDomains(*parts)

"""The training loop that a user would write, with nn.Module, torch.optim and torch's own weight_norm."""

from collections.abc import Callable

import torch
from torch import nn

from models.data.digits import Digits, Split

BATCH, N_IN, N_UNITS, N_OUT = 128, 784, 128, 10


def net_of(norm: str) -> nn.Sequential:
    """Return the article's net with one of the norms that torch has."""
    hidden, output = nn.Linear(N_IN, N_UNITS), nn.Linear(N_UNITS, N_OUT)
    if norm == "weight":
        hidden, output = (nn.utils.parametrizations.weight_norm(layer) for layer in (hidden, output))
    between = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}.get(norm)
    return nn.Sequential(hidden, *([between(N_UNITS)] if between else []), nn.ReLU(), output)


def training_step(net: nn.Module, digits: Digits, seed: int = 0) -> Callable[[], tuple[float, float]]:
    """Return a function that trains on one batch and returns its loss and accuracy."""
    optimizer, loss_of = torch.optim.SGD(net.parameters(), lr=0.1), nn.CrossEntropyLoss()
    images, labels = digits.train.images, digits.train.labels
    generator = torch.Generator().manual_seed(seed)

    def step() -> tuple[float, float]:
        rows = torch.randint(0, len(images), (BATCH,), generator=generator)
        x, y = images[rows], labels[rows]
        logits = net(x)
        loss = loss_of(logits, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item(), (logits.argmax(1) == y).float().mean().item()

    return step


def evaluate(net: nn.Module, split: Split) -> tuple[float, float]:
    """Return loss and accuracy on a split."""
    net.eval()
    with torch.no_grad():
        logits = net(split.images)
        loss = nn.functional.cross_entropy(logits, split.labels).item()
    net.train()
    return loss, (logits.argmax(1) == split.labels).float().mean().item()

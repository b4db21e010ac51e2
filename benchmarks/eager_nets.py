"""The training loops that a user would write for the other nets, with torch's own layers and norms."""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from models.specs.facts import NetName, Norm

CHANNELS, CELLS, STEPS = 16, 64, 28


def conv_net(norm: str) -> nn.Module:
    """Return two convolutions with stride 2, each with one of the norms that torch has."""
    layers: list[nn.Module] = [nn.Unflatten(1, (1, STEPS, STEPS))]
    for n_in in (1, CHANNELS):
        conv = nn.Conv2d(n_in, CHANNELS, 5, stride=2, padding=2)
        layers.append(nn.utils.parametrizations.weight_norm(conv) if norm == "weight" else conv)
        own = {"batch": nn.BatchNorm2d(CHANNELS), "layer": nn.GroupNorm(1, CHANNELS)}
        layers += [*([own[norm]] if norm in own else []), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(CHANNELS * 49, 10))


class PlainLstm(nn.Module):
    """torch's LSTM and an output layer, both perhaps with torch's own weight_norm."""

    def __init__(self, norm: str) -> None:
        super().__init__()
        self.lstm, self.output = nn.LSTM(STEPS, CELLS, batch_first=True), nn.Linear(CELLS, 10)
        if norm == "weight":
            for name in ("weight_ih_l0", "weight_hh_l0"):
                nn.utils.parametrizations.weight_norm(self.lstm, name)
            nn.utils.parametrizations.weight_norm(self.output)

    def forward(self, x: Tensor) -> Tensor:
        _, (h, _) = self.lstm(x.view(-1, STEPS, STEPS))
        logits: Tensor = self.output(h[0])
        return logits


class NormedLstm(nn.Module):
    """A loop over the time steps, with normalisation of input, state and cells."""

    def __init__(self, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.of_input, self.of_state = nn.Linear(STEPS, 4 * CELLS), nn.Linear(CELLS, 4 * CELLS, bias=False)
        self.norms = nn.ModuleList([norm(4 * CELLS), norm(4 * CELLS), norm(CELLS)])
        self.output = nn.Linear(CELLS, 10)

    def forward(self, x: Tensor) -> Tensor:
        of_input, of_state, of_cell = self.norms
        h = c = x.new_zeros(len(x), CELLS)
        for step in x.view(-1, STEPS, STEPS).unbind(1):
            gates = of_input(self.of_input(step)) + of_state(self.of_state(h))
            i, f, g, o = gates.chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * of_cell(c).tanh()
        logits: Tensor = self.output(h)
        return logits


EAGER: dict[tuple[NetName, Norm], Callable[[], nn.Module]] = {
    ("conv", "none"): partial(conv_net, "none"),
    ("conv", "weight"): partial(conv_net, "weight"),
    ("conv", "batch"): partial(conv_net, "batch"),
    ("conv", "layer"): partial(conv_net, "layer"),
    ("lstm", "none"): partial(PlainLstm, "none"),
    ("lstm", "weight"): partial(PlainLstm, "weight"),
    ("lstm", "batch"): partial(NormedLstm, nn.BatchNorm1d),
    ("lstm", "layer"): partial(NormedLstm, nn.LayerNorm),
}
"""By net and norm."""

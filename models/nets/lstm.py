"""The long short-term memory, with a norm on its input, its state and its cells; gradients by autograd."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Tensor

from models.nets.layers import Layer, Tape
from models.nets.norm import Scaling
from models.nets.norms import NORM_TYPES
from models.nets.weight_norms import inverse_length
from models.specs.facts import NORMS
from models.specs.facts import Norm as NormName

Tensors = dict[str, Tensor]


class Unrolled(NamedTuple):
    """The forward pass of each run, as autograd recorded it: the last h, and the tensors it depends on."""

    h: list[Tensor]  # (batch, cells)
    leaves: list[Tensors]


class LstmGradients(NamedTuple):
    """The gradient of each trained tensor, the run axis first."""

    tensors: Tensors

    def by_tensor(self, weight: Tensor) -> Tensors:
        """Return the gradient of each trained tensor by name."""
        return {name: gradient.clone() for name, gradient in self.tensors.items()}

    def descend(self, layer: Layer, rates: Tensor, decay: Tensor | None) -> None:
        """Subtract rates · gradient from each trained tensor."""
        for name, tensor in layer.trained().items():
            if decay is not None and name.endswith("weight"):
                tensor.mul_(decay)
            tensor.addcmul_(self.tensors[name], rates, value=-1)


class Step(NamedTuple):
    """A time step: N_h(h W_h), N_c(c) and h."""

    state: Tensor
    cell: Tensor
    h: Tensor


PRODUCTS, PARTS = ("input", "state"), ("input", "state", "cell")
RUNNING = ("running_mean", "running_var")


@dataclass
class Lstm(Layer):
    r"""One layer of cells with forget gates (Gers et al. 2000), read step by step.

        (i, f, g, o) = N_x(x_t W_x) + N_h(h_{t−1} W_h) + b
        c_t = σ(f) c_{t−1} + σ(i) tanh(g);  h_t = σ(o) tanh(N_c(c_t))

    z is the last h. Statistics are those of one time step: of batch norms over the batch, with running values
    for each step, of the others over the units of one example. N_x and N_h have gains, and b is their shift;
    N_c is the identity for the norms of weights (recurrent batch norm: Cooijmans et al. 2016, arXiv
    1603.09025; layer norm: Ba et al. 2016, arXiv 1607.06450). Runs are computed one after another.

    `weight` and `norm` are W_x and N_x, whose shift is b; running statistics are [runs, steps, units].
    """

    others: Tensors
    """The tensors of N_h and N_c by name, such as state.weight and cell.gain."""
    kind: NormName
    groups: int
    """Groups of the cells; input and state have four times as many, so that none crosses a gate."""
    pixels: Tensor
    """The pixel of each input of each step, [steps, inputs]."""

    activates: ClassVar[bool] = False

    def forward(self, x: Tensor, training: bool) -> tuple[Tensor, Tape]:
        """Compute the last h [runs, batch, cells] of images [runs, batch, pixels]."""
        unrolled = Unrolled([], [])
        for run, images in enumerate(x):
            leaves, others = self.of_run(run)
            with torch.set_grad_enabled(training):
                unrolled.h.append(self._unroll({**others, **leaves}, images, training))
            unrolled.leaves.append(leaves)
        return torch.stack([h.detach() for h in unrolled.h]), Tape(x, unrolled)

    def backward(self, dz: Tensor, tape: Tape) -> LstmGradients:
        """Compute the gradients of all tensors from the gradient of the last h [runs, batch, cells]."""
        found = []
        for run, (h, leaves) in enumerate(zip(*tape.saved, strict=True)):
            gradients = torch.autograd.grad(h, [*leaves.values()], dz[run])
            found.append(self._of_weight_norms(run, dict(zip(leaves, gradients, strict=True))))
        return LstmGradients(
            {name: _with_run_axis(found, name, self.tensors()[name]) for name in self.trained()}
        )

    def of_run(self, run: int) -> tuple[Tensors, Tensors]:
        """Return what autograd follows, and the running statistics, of one run; both without the run axis."""
        own = {name: _without_run_axis(tensor[run]) for name, tensor in self.tensors().items()}
        running = {name: own.pop(name) for name in list(own) if "running_" in name}
        if NORMS[self.kind].of_weights:
            for part in PRODUCTS:
                own[f"{part}.weight"] = _effective(self._part(part, run))
                del own[f"{part}.gain"]
        return {name: tensor.detach().requires_grad_() for name, tensor in own.items()}, running

    def _part(self, part: str, run: int) -> "Direction":
        weight, gain = (self.tensors()[f"{part}.{name}"][run : run + 1] for name in ("weight", "gain"))
        return Direction(weight, gain)

    def _of_weight_norms(self, run: int, gradients: Tensors) -> Tensors:
        """Turn gradients of effective weights gain · v / ‖v‖ into those of gain and v (equation 3 of WN)."""
        if not NORMS[self.kind].of_weights:
            return gradients
        found = dict(gradients)
        for part in PRODUCTS:
            v, gain = self._part(part, run)
            inverse, _ = inverse_length(v)
            direction, dw = v * inverse, gradients[f"{part}.weight"]
            dgain = (direction * dw).sum(1, keepdim=True)
            found[f"{part}.gain"] = dgain[0, 0]
            found[f"{part}.weight"] = ((dw - direction * dgain) * (gain * inverse))[0]
        return found

    def _unroll(self, own: Tensors, images: Tensor, training: bool) -> Tensor:
        """Compute the last h [batch, cells] of one run from images [batch, pixels]."""
        x = self._sequence(images)
        if "input.gain" in own or "input.running_mean" in own:
            *_, last = self._steps(own, self._inputs(own, x, training), training)
            return last.h
        return _without_norms(own, x)

    def _sequence(self, images: Tensor) -> Tensor:  # (steps, batch, inputs)
        return images.T[self.pixels].transpose(1, 2)

    def _inputs(self, own: Tensors, x: Tensor, training: bool) -> Tensor:
        """Compute N_x(x W_x) + b [steps, batch, 4 · cells] of all time steps."""
        return self._normalise("input", x @ own["input.weight"], own, 0, training)

    def _steps(self, own: Tensors, inputs: Tensor, training: bool) -> Iterator["Step"]:
        """Yield the time steps."""
        c = h = inputs.new_zeros(inputs.shape[1], inputs.shape[2] // 4)
        for number, of_input in enumerate(inputs.unbind(0)):
            state = self._normalise("state", h @ own["state.weight"], own, number, training)
            gates = of_input + state
            i_and_f, g, o = torch.split(gates, [2 * h.shape[1], h.shape[1], h.shape[1]], -1)
            i, f = i_and_f.sigmoid().chunk(2, -1)
            c = torch.addcmul(f * c, i, g.tanh())
            normalised = self._normalise("cell", c, own, number, training) if "cell.gain" in own else c
            h = o.sigmoid() * normalised.tanh()
            yield Step(state, normalised, h)

    def _normalise(self, part: str, a: Tensor, own: Tensors, step: int, training: bool) -> Tensor:
        """Normalise a [batch, units] of one part at a time step, or [steps, batch, units] at all."""
        steps = slice(None) if a.dim() == 3 else step
        scaling = Scaling(
            own.get(f"{part}.gain"),
            own["shift"] if part == "input" else own.get(f"{part}.shift"),
            self.groups * (1 if part == "cell" else 4),
            training,
            **{name: own[f"{part}.{name}"][steps] for name in RUNNING if f"{part}.{name}" in own},
        )
        return NORM_TYPES[self.kind].at_step(a, scaling)

    def product(self, x: Tensor) -> Tensor:
        """Compute x_t W_x [runs, batch, 4 · cells, steps] of all time steps, before the norm."""
        return torch.stack(
            [self._sequence(images) @ weight for images, weight in zip(x, self.weight, strict=True)]
        ).permute(0, 2, 3, 1)

    def of_inputs(self, x: Tensor) -> Tensor:
        """Compute N_x(x_t W_x) + b [runs, batch, 4 · cells, steps] in training; running statistics move."""
        found = []
        for run, images in enumerate(x):
            leaves, others = self.of_run(run)
            with torch.no_grad():
                found.append(self._inputs({**others, **leaves}, self._sequence(images), training=True))
        return torch.stack(found).permute(0, 2, 3, 1)

    def unscaled(self) -> Self:
        """Return a copy whose N_x has gain 1 and shift 0."""
        copy = self.map(Tensor.clone)
        copy.norm.gain.fill_(1)
        copy.norm.shift.zero_()
        return copy

    def start_of_shift(self) -> Tensor:
        """Return where b starts, [runs, 1, 4 · cells]."""
        bias, cells = torch.zeros_like(self.norm.shift), self.norm.shift.shape[2] // 4
        bias[..., cells : 2 * cells] = 1  # the forget gates
        return bias

    def set_input(self, x: Tensor, gain: Tensor, shift: Tensor) -> None:
        """Set gain and shift of N_x as init has computed them, and its running statistics to those of x."""
        self.norm.set_gain_and_shift(gain, shift, self.weight)
        running = {name: tensor for name, tensor in self.norm.tensors().items() if name in RUNNING}
        if running:
            a = self.product(x)
            if NORMS[self.kind].of_weights:
                self.norm.shift.copy_(self.start_of_shift())
                a = a * (gain * inverse_length(self.weight).value).unsqueeze(-1)
            for name, tensor in running.items():
                found = a.mean(1) if name == "running_mean" else a.var(1)  # (runs, units, steps)
                tensor.copy_(found.transpose(1, 2))

    def trace(self, x: Tensor, training: bool) -> Iterator[tuple[str, str, Tensor]]:
        """Yield what a forward pass computes as part of the layer, quantity and value; the last is z."""
        hs = []
        for run, images in enumerate(x):
            leaves, others = self.of_run(run)
            with torch.no_grad():
                own = {**others, **leaves}
                inputs = self._inputs(own, self._sequence(images), training)
                yield ".input", "pre_activation", inputs
                for step in self._steps(own, inputs, training):
                    yield from (
                        (f".{part}", "pre_activation", getattr(step, part)) for part in ("state", "cell")
                    )
                hs.append(step.h)
        yield "", "pre_activation", torch.stack(hs)

    def tensors(self) -> Tensors:
        """Return every tensor by name."""
        of_norm = self.norm.tensors()
        shift = of_norm.pop("shift")
        of_input = {f"input.{name}": tensor for name, tensor in of_norm.items()}
        return {"input.weight": self.weight, **of_input, **self.others, "shift": shift}

    def map(self, change: Callable[[Tensor], Tensor]) -> Self:
        """Return a copy whose tensors are the results of `change`, for example of fewer runs."""
        others = {name: change(tensor) for name, tensor in self.others.items()}
        return replace(super().map(change), others=others)


class Direction(NamedTuple):
    """The v [1, fan_in, units] and the gain [1, 1, units] of a weight norm."""

    v: Tensor
    gain: Tensor


def _effective(part: Direction) -> Tensor:
    inverse, _ = inverse_length(part.v)
    return (part.v * (part.gain * inverse))[0]


def _without_run_axis(tensor: Tensor) -> Tensor:  # [1, units] -> [units]; others stay as they are
    return tensor[0] if len(tensor) == 1 else tensor


def _with_run_axis(runs: list[Tensors], name: str, like: Tensor) -> Tensor:
    return torch.stack([each[name] for each in runs]).view(len(runs), *like.shape[1:])


def _without_norms(own: Tensors, x: Tensor) -> Tensor:
    """Compute the last h by torch's own LSTM, whose weights are transposed and which has a second bias."""
    cells = own["state.weight"].shape[0]
    start = x.new_zeros(1, x.shape[1], cells)
    matrices = [own[f"{part}.weight"].T.contiguous() for part in PRODUCTS]
    biases = [own["shift"], torch.zeros_like(own["shift"])]
    _, h, _ = torch.lstm(x, (start, start), [*matrices, *biases], True, 1, 0.0, False, False, False)
    return h[0]

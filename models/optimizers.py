"""How gradients become updates, one rule a class."""

from torch import Tensor

from models.layers import Dense, LayerGradients


class SGD:
    """Plain stochastic gradient descent, θ ← θ − learning_rate · dθ, with a rate for each run."""

    def __init__(self, learning_rates: Tensor) -> None:
        self.learning_rates = learning_rates  # (runs, 1, 1)

    def update(self, layer: Dense, gradients: LayerGradients) -> None:
        """Move a layer's trained tensors; the gradient of the weights is never materialised."""
        norm, rates = gradients.norm, self.learning_rates
        if norm.pull is not None:
            layer.weight.mul_(norm.pull * rates + 1)
        layer.weight.baddbmm_(gradients.x.transpose(1, 2), norm.da * rates, alpha=-1)
        if norm.gain is not None:
            layer.norm.gain.addcmul_(norm.gain, rates, value=-1)
        layer.norm.shift.addcmul_(norm.shift, rates, value=-1)

    def select(self, places: Tensor) -> "SGD":
        """Keep the state of the runs in these places only."""
        return SGD(self.learning_rates[places])

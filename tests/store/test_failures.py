"""The words in which a client reads why a job failed."""

import pytest

from service.store.failures import name_quantity


@pytest.mark.parametrize(
    ("quantity", "words"),
    {
        "product": "the inputs times the weights",
        "pre_activation": "the values before the activation function",
        "loss": "the loss",
        "weight_gradient": "the gradient of the weights",
        "running_mean": "the running mean",
        "weight.square": "the square of the weights in the optimizer",
        "test_product": "the inputs times the weights on the test images",
        "validation_loss": "the loss on the validation images",
    }.items(),
)
def test_a_quantity_has_a_name_in_plain_words(quantity: str, words: str) -> None:
    assert name_quantity(quantity) == words

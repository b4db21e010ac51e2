"""The Gaussians that come with the code are those of MNIST's training images."""

import numpy as np
import pytest

from models.data.digits import Digits
from service.serving.intake import likeness


@pytest.mark.slow
def test_the_stored_gaussians_are_those_of_the_training_images(digits: Digits) -> None:
    fitted = likeness.fit(digits.train.images.numpy(), digits.train.labels.numpy())
    images = digits.test.images[:200].numpy()

    stored = likeness.of_mnist().distances(images)

    expected = fitted.distances(images)
    np.testing.assert_allclose(stored[0], expected[0], rtol=0.02, atol=2)
    np.testing.assert_allclose(stored[1], expected[1], rtol=0.02, atol=0.1)


def test_most_digits_are_nearest_to_their_own_gaussian(digits: Digits) -> None:
    distances, _ = likeness.of_mnist().distances(digits.test.images[:1000].numpy())

    assert np.mean(distances.argmin(1) == digits.test.labels[:1000].numpy()) >= 0.95

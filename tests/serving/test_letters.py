"""The net that knows letters from digits: its limit, and the letters of a typeface that it did not learn."""

import numpy as np
import pytest

from models.data.digits import Digits
from service.serving.intake import letters, likeness
from service.serving.intake.digits import normalise
from service.serving.pictures import decode
from tests.serving import no_digits


def test_one_of_a_hundred_digits_of_the_validation_split_is_above_the_limit(mnist: Digits) -> None:
    images = mnist.validation.images.numpy()

    above = letters.of_mnist().suspects(images).mean()

    assert above == pytest.approx(0.01, abs=0.0005)


@pytest.mark.slow
def test_nearly_all_letters_of_an_unseen_typeface_are_suspects() -> None:
    rng = np.random.default_rng(3)
    drawn = [normalise(decode(no_digits.letter(rng, each))).image for each in no_digits.LETTERS]

    suspects = letters.of_mnist().suspects(np.stack(drawn).reshape(-1, 784))

    # Its Q is a 0 with a short tail.
    missed = [each for each, is_found in zip(no_digits.LETTERS, suspects, strict=True) if not is_found]
    assert [*"Q"] == missed


def test_an_image_has_the_same_doubts_alone_and_among_others(digits: Digits) -> None:
    images = digits.test.images[:50].numpy()
    net, distances = letters.of_mnist(), likeness.of_mnist().distances

    alone = [(net.excess(image[None])[0], *distances(image[None])[0][0]) for image in images]

    together = np.column_stack([net.excess(images), distances(images)[0]])
    np.testing.assert_array_equal(together, alone)

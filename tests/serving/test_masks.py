"""Windows over pictures, with scipy's filters as the oracle."""

import numpy as np
import pytest
from scipy import ndimage

from service.serving.intake.masks import extreme_of


@pytest.mark.parametrize("length", [1, 2, 3, 4, 7, 8, 43])
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (31, 20)])
def test_the_extremes_of_windows_are_those_of_scipy(shape: tuple[int, int], length: int) -> None:
    grey = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)

    found = [extreme_of(grey, length, axis, each) for axis in (0, 1) for each in (np.maximum, np.minimum)]

    filters = ndimage.maximum_filter1d, ndimage.minimum_filter1d
    expected = [each(grey, length, axis, mode="nearest") for axis in (0, 1) for each in filters]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)

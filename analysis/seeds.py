"""The number of seeds that a comparison needs before it can show a difference."""

import math

SIGNIFICANCE = 0.05
SEEDS_OF_ONE_ARM = 5
"""Seeds for a single arm, which has no difference to show: the interval of its mean is ± 1.24 sd."""


def seeds_needed(tests: int) -> int:
    """Compute the fewest seeds with which a sign-flip p, corrected for this many tests, can reach 0.05."""
    return math.ceil(math.log2(2 * tests / SIGNIFICANCE))


def seeds_for(n_arms: int) -> int:
    """Compute the fewest seeds that can show a difference between a baseline and the other arms."""
    return seeds_needed(n_arms - 1) if n_arms > 1 else SEEDS_OF_ONE_ARM

"""Whether a trained net does better than one that always names the most frequent class."""

from functools import cache

LEVEL = 0.001


def is_at_chance(accuracy: float, n_images: int, n_most_frequent: int) -> bool:
    """Return whether an accuracy over `n_images` may be that of a net that has learned nothing.

    The best such net names the class that `n_most_frequent` of the images have. An accuracy is above chance
    if a one-sided exact binomial test against their share rejects at the level 0.001.
    """
    return round(accuracy * n_images) < fewest_above_chance(n_images, n_most_frequent)


@cache
def fewest_above_chance(n_images: int, n_most_frequent: int) -> int:
    """Return the fewest right answers r with P(X >= r) <= 0.001, for X binomial with this share."""
    from scipy import stats  # noqa: PLC0415 # it takes half a second

    # isf(q) is the smallest k with P(X > k) <= q.
    return int(stats.binom.isf(LEVEL, n_images, n_most_frequent / n_images)) + 1

"""Matrix products whose bits do not depend on how many are computed together."""

import os


def fix_product_kernels() -> None:
    """Have MKL choose its kernels by the CPU alone; call this before the first product of a process.

    By default MKL also considers how many products it computes together and where they lie in memory.
    On AMD CPUs a run stacked with others then has other bits than alone. MKL reads this setting from the
    environment, once (oneMKL developer guide, "Obtaining Numerically Reproducible Results"); a value that
    is already set stays.
    """
    os.environ.setdefault("MKL_CBWR", "AUTO")

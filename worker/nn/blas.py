"""One thread for numpy's matrix products: sums split over several round differently, and texts must not."""

import ctypes
import sys
from functools import cache

import numpy as np


@cache
def one_thread() -> bool:
    """Limit numpy's OpenBLAS to one thread from now on; return True if that was possible.

    numpy's wheels contain their own OpenBLAS but no function for this; its name is looked up in numpy's extension, as
    threadpoolctl does. Where numpy is built with another library, the caller has to use something else.
    """
    library = ctypes.CDLL(sys.modules["numpy._core._multiarray_umath"].__file__)
    for name in ("scipy_openblas_set_num_threads64_", "scipy_openblas_set_num_threads", "openblas_set_num_threads"):
        if (setter := getattr(library, name, None)) is not None:
            setter(ctypes.c_int(1))
            return bool(np.dot(np.ones(2), np.ones(2)) == 2)
    return False

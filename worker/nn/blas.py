"""One thread for numpy's matrix products: sums split over several round differently; writing must not depend on it."""

import ctypes
import sys
from functools import cache

import numpy as np


@cache
def one_thread() -> bool:
    """Let numpy's OpenBLAS take one thread from now on; tell whether it could be told so.

    numpy's wheels carry an OpenBLAS of their own and no call for this; looking the name up in numpy's extension finds
    it, as threadpoolctl does. Where numpy is built with something else, False: the caller has to take another way.
    """
    library = ctypes.CDLL(sys.modules["numpy._core._multiarray_umath"].__file__)
    for name in ("scipy_openblas_set_num_threads64_", "scipy_openblas_set_num_threads", "openblas_set_num_threads"):
        if (setter := getattr(library, name, None)) is not None:
            setter(ctypes.c_int(1))
            return bool(np.dot(np.ones(2), np.ones(2)) == 2)
    return False

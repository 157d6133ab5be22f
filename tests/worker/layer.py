"""The compiled layer for tests: every processor that belongs to one of its families must have it."""

import pytest

from worker.nn.kernel import Kernel, find
from worker.nn.kernel.compilation import KernelUnavailable, supported


def compiled_layer() -> Kernel:
    """Return the compiled layer; skip the test on a processor for which there is none."""
    try:
        supported()
    except KernelUnavailable as exc:
        pytest.skip(str(exc))
    return find("auto")

"""The LSTM layer, and a training step around it, as compiled functions: finding them, calling them. Knows no models.

`lstm.c` computes the layer, `output.c` the loss with its gradients, `pack.c` what a step does to the layer's weights
before and after, `adam.c` and `muon.c` its steps; `run.c` runs several one after another. `write.c` generates text
(`lanes.py` calls that). They are compiled once for each family of processors (`compilation.py`) by the machine's C
compiler when Charloom is set up, and by a worker that starts without it. Where there is no compiler, or the processor
belongs to no family, `load` returns None and callers take torch's own LSTM: the same mathematics, slower, other last
digits.
"""

import ctypes
import logging
from collections.abc import Callable
from copy import copy
from functools import cache, partial
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shared.settings import kernel_choice
from worker.nn.kernel.compilation import Family, KernelUnavailable, build, supported
from worker.nn.kernel.structures import TASKS, Kind, Task, TaskArguments
from worker.nn.kernel.threads import in_threads

log = logging.getLogger(__name__)

#: The units of a layer must be a multiple of this.
UNITS = 32
_INT, _POINTER = ctypes.c_int64, ctypes.c_void_p
#: A pointer to how often threads of a call have arrived where they wait for one another.
Arrived = Any
#: Families whose products of eight bits aren't faster than others, or aren't there.
NO_EIGHT_BITS = ("amx", "neon")
#: More threads than there are: none waits for another then.
_ALL_ARRIVED = 1 << 62
#: Kind of bfloat16 products of each family that has them.
_BFLOAT16 = {"amx": Kind.BFLOAT16_TILES, "bf16": Kind.BFLOAT16, "neon-bf16": Kind.BFLOAT16}


class Kernel:
    """The compiled functions. Arrays must be contiguous; nothing is checked, so only worker/nn and lanes.py call it.

    Raises KernelUnavailable if it can't be compiled or loaded, or the system refuses the registers that it needs.
    """

    def __init__(self, family: Family) -> None:
        path = build(family)
        try:
            self._library = library = ctypes.CDLL(str(path))
            self._functions = {
                name: ctypes.cast(getattr(library, f"charloom_{name}"), _POINTER).value for name in TASKS
            }
            arrived = ctypes.POINTER(_INT)
            library.charloom_run.argtypes = [ctypes.POINTER(TaskArguments), _INT, arrived, _INT, _INT]
            library.charloom_read.argtypes = [_POINTER, arrived, _INT, _INT, _INT, _POINTER, _POINTER]
            library.charloom_write.argtypes = [_POINTER, arrived, _INT, _INT, _INT, _POINTER, _POINTER]
            #: Columns of weights that are packed side by side.
            self.strip = _INT.in_dll(library, "charloom_strip").value
            if family.name == "amx" and library.charloom_ask_for_tiles():
                raise KernelUnavailable("the system doesn't give the registers of AMX")
        except (OSError, AttributeError, ValueError) as exc:
            raise KernelUnavailable(f"{path.name} can't be loaded: {exc}") from exc
        self.family = family
        self._scratch: dict[str, Tensor] = {}
        #: Threads that share its work; None: as many as torch uses.
        self.own_threads: int | None = None
        #: Kind of bfloat16 products here, or None.
        self.bfloat16 = _BFLOAT16.get(family.name)
        #: Whether it multiplies numbers of eight bits, which is twice as fast.
        self.eight_bits = family.name not in NO_EIGHT_BITS

    @property
    def threads(self) -> int:
        """Threads that share its work."""
        return self.own_threads or torch.get_num_threads()

    def with_threads(self, threads: int) -> Self:
        """Return the same layer computed by so many threads, whatever torch uses."""
        other = copy(self)
        other.__dict__.update(own_threads=threads, _scratch={})
        return other

    def run(self, *tasks: Task) -> None:
        """Run compiled functions, each after the one before it has ended in all threads.

        Their arguments point to arrays, which must stay until the end: `structures.py` says where.
        """
        given = (TaskArguments * len(tasks))(
            *(
                TaskArguments(self._functions[task.function], ctypes.addressof(task.arguments), task.threads)
                for task in tasks
            )
        )

        def run(arrived: Arrived, number: int, all_: int) -> None:
            self._library.charloom_run(given, len(tasks), arrived, number, all_)

        _together(run, max(task.threads for task in tasks))

    def scratch(self, purpose: str, *shape: int) -> Tensor:
        """Return float32 numbers of any value, valid until the next call for this purpose.

        A new array of megabytes would be given by the system, and taken back, page by page.
        """
        found = self._scratch.get(purpose)
        if found is None or found.shape != shape:
            self._scratch[purpose] = found = torch.empty(shape)
        return found

    def read(self, writing: ctypes.Structure, codes: NDArray[np.int32], scratch: Tensor, *, threads: int = 1) -> None:
        """Let a text read more of its prompt, (T,); without a window `scratch` has space for 5 T H numbers."""

        def read(arrived: Arrived, number: int, all_: int) -> None:
            self._library.charloom_read(
                ctypes.byref(writing), arrived, number, all_, len(codes), codes.ctypes.data, scratch.data_ptr()
            )

        _together(read, threads)

    def write(
        self, writing: ctypes.Structure, draws: NDArray[np.float64] | None, codes: NDArray[np.int32], *, threads: int
    ) -> None:
        """Write as many characters of each text as there is space for, (texts, T), by as many numbers in 0..1."""
        count, place = codes.shape[1], None if draws is None else draws.ctypes.data

        def write(arrived: Arrived, number: int, all_: int) -> None:
            self._library.charloom_write(ctypes.byref(writing), arrived, number, all_, count, place, codes.ctypes.data)

        _together(write, threads)


def _together(call: Callable[[Arrived, int, int], object], threads: int) -> None:
    """Call a function that threads share, which wait for one another in it (meet.h)."""
    arrived = _INT()

    def stop() -> None:
        arrived.value = _ALL_ARRIVED

    in_threads(partial(call, ctypes.byref(arrived)), threads, stop=stop)


def find(choice: str | None = None) -> Kernel:
    """Return the compiled layer for this processor, compiled first where it isn't.

    choice: a family's name, "auto" or "none"; the setting `kernel` when not given.

    Raises KernelUnavailable, saying why there is none.
    """
    choice = choice or kernel_choice()
    if choice == "none":
        raise KernelUnavailable("CHARLOOM_KERNEL is none")
    found = [family for family in supported() if choice in ("auto", family.name)]
    if not found:
        raise KernelUnavailable(f"CHARLOOM_KERNEL is {choice}, which this processor doesn't support")
    for slower in found[1:]:
        try:
            return Kernel(found[0])
        except KernelUnavailable as exc:
            log.warning("The LSTM layer for %s isn't used: %s", found[0].title, exc)
            found[0] = slower
    return Kernel(found[0])


@cache
def load() -> Kernel | None:
    """Return the compiled layer, or None where there is none."""
    try:
        return find()
    except KernelUnavailable as exc:
        log.warning("The LSTM layer is torch's own, which is several times slower: %s", exc)
        return None

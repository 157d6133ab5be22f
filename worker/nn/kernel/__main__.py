"""Compile the LSTM layer and say how it went: `python -m worker.nn.kernel`. Exits with 3 if no compiler here could.

`python -m worker.nn.kernel all` compiles it for all processors of this architecture: an image may be built on one and
run on another. `python -m worker.nn.kernel torch` first prints torch's version and the instructions that it uses.
"""

import sys

import torch

from worker.nn.kernel import find
from worker.nn.kernel.compilation import FAMILIES, KernelUnavailable, NoCompiler, build, machine
from worker.nn.kernel.structures import Kind

#: Exit code that `scripts/setup.sh` knows.
NO_COMPILER = 3
_PRODUCTS = {None: "float32", Kind.BFLOAT16: "bfloat16", Kind.BFLOAT16_TILES: "bfloat16 by AMX"}


def main() -> None:
    """Compile it where it isn't yet, and load it."""
    if sys.argv[1:] == ["torch"]:
        print(torch.__version__, torch.backends.cpu.get_cpu_capability(), flush=True)
    try:
        kernel = find()
    except KernelUnavailable as exc:
        print(f"The LSTM layer is torch's own, which is several times slower: {exc}.")
        if isinstance(exc, NoCompiler):
            raise SystemExit(NO_COMPILER) from None
    else:
        products = _PRODUCTS[kernel.bfloat16] + (" and eight bits" if kernel.eight_bits else "")
        print(f"The LSTM layer is compiled for {kernel.family.title}, with products in {products}.")
    for family in FAMILIES if sys.argv[1:] == ["all"] else ():
        if family.machine == machine():
            try:
                print(build(family))
            except KernelUnavailable as exc:
                print(f"Not compiled for {family.title}: {exc}.")


if __name__ == "__main__":
    main()

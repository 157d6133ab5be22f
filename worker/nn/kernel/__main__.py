"""Compile the LSTM layer and say how it went: `python -m worker.nn.kernel`. Succeeds without a compiler, too."""

from worker.nn.kernel import KernelUnavailable, Kind, find

_PRODUCTS = {None: "float32", Kind.BFLOAT16: "bfloat16 by AVX-512", Kind.BFLOAT16_TILES: "bfloat16 by AMX"}


def main() -> None:
    """Compile it where it isn't yet, and load it."""
    try:
        kernel = find()
    except KernelUnavailable as exc:
        print(f"The LSTM layer is torch's own, which is several times slower: {exc}.")
    else:
        print(f"The LSTM layer is compiled, with products in {_PRODUCTS[kernel.bfloat16]}.")


if __name__ == "__main__":
    main()

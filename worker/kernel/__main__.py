"""Compile the LSTM layer, and say how it went: `python -m worker.kernel`. Ends well without, too: it isn't needed."""

from worker.kernel import KernelUnavailable, build


def main() -> None:
    """Compile it where it isn't yet."""
    try:
        build()
    except KernelUnavailable as exc:
        print(f"Training and writing will take torch's own LSTM, which is several times slower: {exc}.")
        print("With gcc installed, run this again: .venv/bin/python -m worker.kernel")
    else:
        print("The LSTM layer is compiled.")


if __name__ == "__main__":
    main()

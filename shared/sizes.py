"""Numbers of bytes as people read them."""

_UNITS = ("bytes", "KiB", "MiB", "GiB")


def size(count: float) -> str:
    """Format a number of bytes in binary units, in which limits and memory are measured: "1.2 MiB", "256 MiB"."""
    power = next((power for power in range(3) if count < 1024 ** (power + 1)), 3)
    return f"{count / 1024**power:.1f}".removesuffix(".0") + f" {_UNITS[power]}"

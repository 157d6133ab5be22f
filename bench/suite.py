"""The benches there are, by name: how each is called and which text it takes. Knows nothing of running them."""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

#: What a bench measures on: nothing that is given, any text, tinyshakespeare, or the wheel of `molsets`.
Text = Literal["none", "any", "shakespeare", "moses"]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One bench of `make bench`."""

    name: str
    #: The module and its options.
    call: tuple[str, ...]
    #: Whose path is its first argument.
    text: Text = "any"
    #: Whether it belongs to `make bench-full`: it takes minutes, or more of the machine than a look is worth.
    long: bool = False


def existing_file(path: str) -> Path:
    """Return the path of a file, as argparse wants its types; a missing one ends a bench with code 2."""
    if not Path(path).is_file():
        raise argparse.ArgumentTypeError(f"there is no file {path!r}")
    return Path(path)


def quick(name: str, *options: str, text: Text = "any") -> Bench:
    """Name a bench that runs by `make bench`, after its module."""
    return Bench(name=name, call=(f"bench.{name}", *options), text=text)


def long(name: str, module: str = "", *options: str, text: Text = "any") -> Bench:
    """Name a bench that runs by `make bench-full`; its module has its name unless it is given."""
    return Bench(name=name, call=(f"bench.{module or name}", *options), text=text, long=True)


#: Options of one epoch that takes two threads of AVX2 an hour.
MOSES = {"hidden_size": 512, "batch_size": 64, "seq_length": 128, "dropout": 0}

#: In the order in which they run.
SUITE = (
    quick("classic"),
    quick("overtake"),
    quick("pace"),
    quick("writing"),
    quick("memory"),
    quick("length"),
    quick("doctor"),
    quick("overlap"),
    quick("growth", "--most", "10000", text="none"),
    quick("roundtrip"),
    long(
        "shakespeare_113",
        "shakespeare",
        "--seconds",
        "113",
        "--peer",
        "1.886",
        "--most",
        "1.53",
        "--mark",
        "1.4697",
        "--within",
        "360",
        text="shakespeare",
    ),
    long(
        "shakespeare_1800", "shakespeare", "--seconds", "1800", "--peer", "1.461", "--most", "1.40", text="shakespeare"
    ),
    long("defaults"),
    long("parity", "classic", "--batches", "47", "--epochs", "3", "--rounds", "1"),
    long("stream_book"),
    long("growth_100000", "growth", text="none"),
    long("memory_slope"),
    long("sharing"),
    long("denormals", text="none"),
    long("streams"),
    long("scrape", text="none"),
    long("promises"),
    long("moses", "", "--epochs", "1", "--options", json.dumps(MOSES), text="moses"),
    long("books"),
    long("chaos", text="none"),
)

"""All random numbers of a training: derived from (seed, purpose, counters), not drawn from one stream.

Because a step's random numbers depend only on its own number, no generator has to be carried from step to step: a
training that continues in another process draws the same numbers. Knows no data and no models.
"""

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray

_ROUNDS = 6


def derive(seed: int, purpose: str, *counters: int) -> int:
    """Return 63 bits that depend on all arguments; equal arguments give equal bits on every machine."""
    text = ":".join([str(seed), purpose, *map(str, counters)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def seed_torch(seed: int, purpose: str, *counters: int) -> None:
    """Seed torch's default generator for one step: dropout and initial weights draw from it and accept no other."""
    torch.default_generator.manual_seed(derive(seed, purpose, *counters))


def rng(seed: int, purpose: str, *counters: int) -> np.random.Generator:
    """Return a numpy generator for one purpose."""
    return np.random.Generator(np.random.PCG64(derive(seed, purpose, *counters)))


class Permutation:
    """A permutation of 0..size-1 that takes no memory, computed on demand.

    A Feistel network over the next even number of bits, walked until it falls below `size` (Black and Rogaway, "Ciphers
    with arbitrary finite domains", 2002). A stored permutation would take 8 bytes a character, and seconds to shuffle.
    """

    def __init__(self, size: int, key: int) -> None:
        self.size = size
        self._half = max(1, ((size - 1).bit_length() + 1) // 2)
        self._keys = [np.uint64(derive(key, "feistel", number)) for number in range(_ROUNDS)]

    def __call__(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the elements at these positions, (n,) int64 each."""
        values = self._cipher(positions.astype(np.uint64))
        while (outside := values >= self.size).any():
            values[outside] = self._cipher(values[outside])
        return values.astype(np.int64)

    def _cipher(self, values: NDArray[np.uint64]) -> NDArray[np.uint64]:
        bits = np.uint64(self._half)
        mask = np.uint64((1 << self._half) - 1)
        left, right = values >> bits, values & mask
        for key in self._keys:
            left, right = right, left ^ (_mix(right ^ key) & mask)
        return left << bits | right


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64 bits: the finaliser of splitmix64 (Steele, Lea and Flood, 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))

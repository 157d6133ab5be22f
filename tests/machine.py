"""How fast this machine trains: tests that stop a training on its way need one of some seconds, wherever they run."""

from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
#: True if the processor has AVX-512; elsewhere a step of a small model takes several times as long.
TRAINS_FAST = _CPUINFO.exists() and "avx512f" in _CPUINFO.read_text()

"""Which numbers a training computes with. Decided once, before the first step, and kept in its state."""

import torch

from shared.requests import estimate
from shared.requests.options import ClassicRequest, StreamRequest


def has_bfloat16() -> bool:
    """Tell whether this processor computes in bfloat16 itself (AVX-512 BF16 or AMX)."""
    # torch has no public name for these yet.
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())  # noqa: SLF001


def takes_bfloat16(request: ClassicRequest | StreamRequest) -> bool:
    """Resolve `precision`. A rule rather than a measurement: the same request and seed then give the same model."""
    return estimate.takes_bfloat16(request, has=has_bfloat16())

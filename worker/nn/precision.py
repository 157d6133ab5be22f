"""The precision of a training. Decided once, before the first step, and kept in its state."""

import logging
from functools import cache

import torch
from torch import nn

from shared.requests import estimate
from shared.requests.options import ClassicRequest, StreamRequest
from worker.nn.kernel import load

log = logging.getLogger(__name__)


def has_bfloat16() -> bool:
    """Return True if the code that computes the steps, ours or torch's, has fast products of bfloat16."""
    kernel = load()
    # torch has no public name for this yet.
    fast = torch.cpu._is_avx512_bf16_supported() if kernel is None else kernel.bfloat16 is not None  # noqa: SLF001
    return bool(fast) and can_compute_bfloat16()


@cache
def can_compute_bfloat16() -> bool:
    """Return True if torch can train an LSTM in bfloat16 here, however fast. It is tried, since flags don't say it.

    oneDNN has no bfloat16 LSTM below AVX-512, nor where ONEDNN_MAX_CPU_ISA forbids it, and raises only when it has to
    compute one.
    """
    try:
        with torch.random.fork_rng(devices=[]), torch.autocast("cpu", torch.bfloat16):
            outputs, _ = nn.LSTM(2, 2)(torch.zeros(1, 1, 2))
            outputs.float().sum().backward()
    except RuntimeError as exc:
        log.info("torch has no bfloat16 LSTM on this processor; trainings use float32: %s", exc)
        return False
    return True


def takes_bfloat16(request: ClassicRequest | StreamRequest) -> bool:
    """Resolve `precision` by a rule, not a measurement: the same request and seed then give the same model.

    A request for bfloat16 is computed in float32 if this processor can't compute in bfloat16.
    """
    return estimate.takes_bfloat16(request, has=has_bfloat16()) and can_compute_bfloat16()


def takes_eight_bits(request: ClassicRequest | StreamRequest) -> bool:
    """Return True if `precision` lets the recurrent products be in eight bits where the compiled layer has these."""
    return request.precision == "auto" and request.hidden_size >= estimate.MIN_BFLOAT16_HIDDEN_SIZE

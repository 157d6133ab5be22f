"""Fitting a training's options to its text and to the memory it will have. Knows numbers only: no torch, no files.

Options left out shrink to fit; options given are kept, or refused with the numbers and what to do.
"""

from collections.abc import Sequence
from typing import TypeVar, cast

from shared.errors import FieldError, InvalidRequest
from shared.requests.defaults import STEPS_AN_EPOCH, chosen
from shared.requests.estimate import Speed
from shared.requests.flops import flops, optimizer_flops, parameters
from shared.requests.options import ClassicRequest, StreamRequest
from shared.requests.validation import validation_part

R = TypeVar("R", bound=ClassicRequest | StreamRequest)

#: The shortest text that `stream` takes.
MIN_STREAM_CHARS = 1000
#: Default of `stream`: texts shorter than this are trained on whole, since the loss of a few hundred characters says
#: little; of longer ones at most this many are validated on, which takes one batch row some 3 seconds after each epoch.
MIN_VALIDATED_CHARS, MAX_VALIDATION_CHARS = 5_000, 200_000
#: Default of `stream`: the text is cut into at least this many chunks, so that the state is carried.
MIN_CHUNKS = 8
#: Longest time of a single step: only between two of them are the lease and a request to cancel checked.
MAX_BATCH_SECONDS = 4.0
#: What a slow host is assumed to do, float32: two AVX-512 cores reach 101 GFLOP/s in the seed document's training step,
#: two cores with vectors half as wide do half of it.
FLOPS_PER_SECOND = 50e9
#: Measured (bench/memory_slope.py): a process with torch loaded, and what its libraries allocate in the first steps.
BASE_BYTES = 380 << 20
#: Copies of the weights: themselves, gradients, two moments of Adam, the best, and a state to be saved (4).
WEIGHT_COPIES = 9
#: Numbers kept per position and unit of each layer, forward and backward: gates, cell, output and their gradients.
NUMBERS_PER_UNIT = 16
#: The same per position and character of the vocabulary, where there are logits.
NUMBERS_PER_LOGIT = 4
#: Needed to read a text in pieces, whatever its length.
READING_BYTES = 16 << 20


def fit(request: R, *, chars: int, vocab_size: int, memory_limit_bytes: int | None, speeds: Sequence[Speed] = ()) -> R:
    """Return the request with the options that were left out fitted to the text.

    Arguments:
        request: as it was sent; its `model_fields_set` says what was left out.
        chars: characters of the text, as the recipe reads it.
        vocab_size: distinct characters of it, lower-cased where `request.lowercase`.
        memory_limit_bytes: what one training may use on the workers, or None where that isn't known.
        speeds: what the workers have measured of themselves: none where that isn't known.

    Raises InvalidRequest where the text is too short, options that were given don't fit it, one batch would take over
    four seconds, or the job is too large for the memory.
    """
    request = _fit_to_text(request, chars, speeds)
    given = request.model_fields_set
    left = MAX_BATCH_SECONDS * FLOPS_PER_SECOND - optimizer_flops(request)
    most = int(left / flops(request, vocab_size, batch_size=1))
    if request.batch_size > most:
        if "batch_size" in given or most < 1:
            _refuse_slow(request, vocab_size, most)
        request = _with(request, batch_size=most)
    if memory_limit_bytes is not None:
        request = _fit_to_memory(request, chars, vocab_size, memory_limit_bytes)
    return request


def memory_bytes(request: ClassicRequest | StreamRequest, chars: int, vocab_size: int) -> int:
    """Return the most memory that a training uses, its process included. Checked by bench/memory_slope.py."""
    positions = request.batch_size * request.seq_length
    units = NUMBERS_PER_UNIT * request.layers * request.hidden_size + 2 * (request.embedding_size or 1)
    predicted = request.kind.targets(batch_size=request.batch_size, seq_length=request.seq_length)
    numbers = positions * units + predicted * NUMBERS_PER_LOGIT * vocab_size
    weights = WEIGHT_COPIES * parameters(request, vocab_size)
    return BASE_BYTES + _text_bytes(chars, vocab_size) + 4 * (numbers + weights)


def _text_bytes(chars: int, vocab_size: int) -> int:
    """Return the memory that a text uses: one index per character, as `worker/training/data.py` encodes it."""
    width = 1 if vocab_size <= 1 << 8 else 2 if vocab_size <= 1 << 16 else 4
    return READING_BYTES + width * chars


def _fit_to_text(request: R, chars: int, speeds: Sequence[Speed]) -> R:
    if isinstance(request, StreamRequest):
        return cast(R, _fit_stream(request, chars, speeds))
    return _fit_classic(request, chars)


def _fit_classic(request: R, chars: int) -> R:
    least = request.seq_length + request.batch_size + 1
    if chars < least:
        detail = (
            f"the text has {chars:,} characters; classic needs more than seq_length {request.seq_length} + "
            f"batch_size {request.batch_size}, {least:,} at least"
        )
        _refuse(request, ("seq_length", "batch_size"), detail + ". Make one of them smaller, or take a longer text")
    return request


def _fit_stream(request: StreamRequest, chars: int, speeds: Sequence[Speed]) -> StreamRequest:
    given = request.model_fields_set
    if chars < MIN_STREAM_CHARS:
        raise InvalidRequest.at(
            "/corpus_id", f"the text has {chars:,} characters; stream needs {MIN_STREAM_CHARS:,}. Take a longer text"
        )
    if "validation_fraction" not in given:
        share = 0.0 if chars < MIN_VALIDATED_CHARS else request.validation_fraction
        request = _with(request, validation_fraction=min(share, MAX_VALIDATION_CHARS / chars))
    request = _with(request, validation=_validation(request))
    trained = validation_part(request, chars).trained
    request = _with(request, **chosen(request, chars=trained, speeds=speeds))
    if "seq_length" not in given:
        rows = request.batch_size if "batch_size" in given else 1
        request = _with(request, seq_length=max(1, min(request.seq_length, trained // (MIN_CHUNKS * rows))))
    if "batch_size" not in given:
        rows = max(1, trained // (STEPS_AN_EPOCH * request.seq_length))
        request = _with(request, batch_size=min(request.batch_size, rows))
    if request.batch_size * request.seq_length > trained:
        _refuse(
            request,
            ("batch_size", "seq_length"),
            f"batch_size {request.batch_size} times seq_length {request.seq_length} is more than the {trained:,} "
            "characters to train on. Make one of them smaller, or take a longer text",
        )
    return request


def _validation(request: StreamRequest) -> str | None:
    """Return how the validation part is taken; None for a list, where it can't be chosen."""
    if request.items is None:
        return request.validation or "spread"
    if request.validation is not None:
        _refuse(
            request,
            ("validation",),
            "validation can't be chosen for a list: whole items are held out, by their hash. Leave it out, or send "
            "items null to train on the list as a text",
        )
    return None


def _fit_to_memory(request: R, chars: int, vocab_size: int, limit: int) -> R:
    needed = memory_bytes(request, chars, vocab_size)
    while needed > limit and "batch_size" not in request.model_fields_set and request.batch_size > 1:
        request = _with(request, batch_size=request.batch_size // 2)
        needed = memory_bytes(request, chars, vocab_size)
    if needed <= limit:
        return request
    detail = f"the training needs about {needed >> 20:,} MiB; a worker has {limit >> 20:,} MiB for one"
    if BASE_BYTES + _text_bytes(chars, vocab_size) > limit:
        raise InvalidRequest.at("/corpus_id", f"{detail}, and the text of {chars:,} characters alone is too large")
    smallest = request.model_copy(update={"batch_size": 1})
    if memory_bytes(smallest, chars, vocab_size) > limit:
        count = parameters(request, vocab_size)
        _refuse(request, ("hidden_size", "layers"), f"{detail}; the model has {count:,} parameters. Make it smaller")
    sizes = f"batch_size {request.batch_size} or seq_length {request.seq_length}"
    _refuse(request, ("batch_size", "seq_length"), f"{detail}. Make {sizes} smaller")
    return request


def _refuse_slow(request: ClassicRequest | StreamRequest, vocab_size: int, most: int) -> None:
    seconds = (flops(request, vocab_size) + optimizer_flops(request)) / FLOPS_PER_SECOND
    detail = (
        f"one batch would take about {seconds:.1f} seconds on a modest host; at most {MAX_BATCH_SECONDS:g} are allowed"
    )
    if most >= 1:
        _refuse(request, ("batch_size",), f"{detail}: with the other options batch_size may be {most} at most")
    _refuse(
        request,
        ("hidden_size", "layers", "seq_length"),
        f"{detail}, even with batch_size 1: make hidden_size {request.hidden_size}, layers {request.layers} or "
        f"seq_length {request.seq_length} smaller",
    )


def _refuse(request: ClassicRequest | StreamRequest, names: tuple[str, ...], detail: str) -> None:
    """Raise InvalidRequest at those of these options that were given, or at the first where none was."""
    at = [name for name in names if name in request.model_fields_set] or names[:1]
    raise InvalidRequest(detail, [FieldError(pointer=f"/{name}", detail=detail) for name in at])


def _with(request: R, **changes: float | str | None) -> R:
    """Return the request with options changed that still count as left out."""
    changed = cast(R, request.model_copy(update=changes))
    object.__setattr__(changed, "__pydantic_fields_set__", set(request.model_fields_set))
    return changed

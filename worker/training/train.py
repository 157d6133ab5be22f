"""Training as a generator of events. Knows no queue, no store and no files; between two events nothing is computed.

This module prepares the first step: text to numbers, weights, precision, threads. The loop is in trainer.py, the
batches of a recipe are in classic.py and stream.py.
"""

import time
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from shared.errors import JobFailed
from shared.host import cores, processor_kind
from shared.requests.estimate import threads_taken
from shared.requests.flops import ROUNDS, takes_muon, warmup_parts
from shared.requests.options import ClassicRequest, StreamRequest
from shared.text.text_stream import normalized_chunks
from shared.text.vocabulary import Vocabulary, name_characters, normalise
from worker.nn.dropout import Dropout
from worker.nn.kernel import load
from worker.nn.model import CharLSTM, faults, shapes
from worker.nn.precision import can_compute_bfloat16, takes_bfloat16, takes_eight_bits
from worker.nn.randomness import derive, seed_torch
from worker.training.baselines import measure_baselines
from worker.training.classic import Classic
from worker.training.data import Codes, Survey, encode, survey
from worker.training.events import TrainEvent
from worker.training.extension import extended
from worker.training.lists import Listing
from worker.training.state import TrainState
from worker.training.stream import Stream
from worker.training.trainer import TrainContext, Trainer


@dataclass(frozen=True, kw_only=True)
class Start:
    """A model to start from (`init_from`): its weights by name, and its vocabulary. `stream` extends both."""

    weights: Mapping[str, Tensor]
    vocabulary: Vocabulary


def train(
    request: ClassicRequest | StreamRequest,
    text: str | Callable[[], Iterable[str]],
    *,
    start: Start | None = None,
    keeps_start: bool = True,
    state: TrainState | None = None,
    threads: int | None = None,
    fused: bool = True,
    clock: Callable[[], float] = time.monotonic,
    note: Callable[[str], None] = lambda _: None,
) -> Generator[TrainEvent, None, None]:
    r"""Train on a text and yield an event after every training batch and every evaluation batch.

    Arguments:
        request: all options concrete, `seed` set (`shared/requests/fit.py` has fitted them to the text).
        text: the corpus as stored, line ends "\n", or a function that reads it from its start in parts of any length:
            it is called twice, and the text is never in memory as a whole. `classic` keeps a U+FEFF at its start,
            `stream` drops it.
        start: a model whose weights to start with.
        keeps_start: whether its own weights are the result if no epoch is better.
        state: an earlier training of the same request and text to continue; it ends with the same weights, bit for bit,
            as if it hadn't been interrupted, on the same kind of processor and the same torch. Its threads, precision
            and vocabulary are kept.
        threads: most threads; the host's `cores` when None. The compiled layer uses one per 16 batch rows.
        fused: compute with the compiled layer where there is one (worker/nn/kernel).
        clock: seconds, for speeds, `max_seconds` and the interval of Progress events.
        note: called before the first step with messages for the training's owner, such as that this host can't compute
            in bfloat16.

    Raises TrainingDiverged (with the last good state), and JobFailed with code "text_too_short", "init_mismatch",
    "unknown_characters" or "state_mismatch" if the arguments don't fit together. torch's threads stay set, and this
    thread keeps flushing denormals to zero.
    """
    if request.seed is None:
        raise ValueError("train() takes a request whose seed is set")
    # Numbers below 1e-38, which vanishing gradients become, take many processors a hundred times as long.
    torch.set_flush_denormal(True)
    facts = state.facts if state is not None else {}
    listing = None
    if isinstance(request, StreamRequest) and request.items is not None:
        listing = Listing(normalise(request.items.separator, lowercase=request.lowercase))
    found = survey(_pieces(request, text, listing))
    sizes = {
        "hidden_size": request.hidden_size,
        "layers": request.layers,
        "embedding_size": request.embedding_size,
    }
    if start is not None:
        if fault := faults(start.weights, shapes(vocab_size=len(start.vocabulary), **sizes)):
            raise JobFailed(f"the model to start from doesn't have this request's sizes: {fault}", code="init_mismatch")
        if request.kind.has_embedding:
            start = _extended(start, found.vocabulary, note)
    vocabulary = Vocabulary(facts["vocabulary"]) if facts else start.vocabulary if start else found.vocabulary
    codes = _encoded(request, _pieces(request, text, listing), found, vocabulary)
    seed_torch(request.seed, "weights")
    dropout = Dropout(units=request.dropout, weights=request.weight_dropout)
    model = CharLSTM(vocab_size=len(vocabulary), **sizes, dropout=dropout)
    if start is not None:
        model.load_state_dict(dict(start.weights))
    bfloat16 = bool(facts.get("bfloat16", takes_bfloat16(request)))
    if (bfloat16 and not can_compute_bfloat16()) or (not facts and not bfloat16 and request.precision == "bfloat16"):
        bfloat16 = False
        note("This host can't compute in bfloat16; float32 is used.")
    # A state from before Muon was used here continues with Adam alone.
    muon = bool(facts.get("muon")) if facts else takes_muon(request)
    model.fuse(load() if fused else None, bfloat16=bfloat16, eight_bits=takes_eight_bits(request))
    if facts and (changed := _changed(facts, model, bfloat16=bfloat16)):
        note(
            f"From step {facts['step']} on, {changed} computes the training: the quality is the same, but the last "
            "digits may differ from those of an uninterrupted training."
        )
    threads = facts.get("threads") or _threads(threads or cores(), request, model)
    parts = warmup_parts(request.seq_length_warmup, 0) if isinstance(request, StreamRequest) else 1
    positions = request.batch_size * request.seq_length // parts
    torch_threads = model.use_threads(threads, positions=positions, bfloat16=bfloat16)
    torch.set_num_threads(torch_threads)
    seed = derive(request.seed, "data")
    recipe: Classic | Stream
    if isinstance(request, ClassicRequest):
        recipe = Classic(request, model, codes, seed=seed, bfloat16=bfloat16)
    else:
        recipe = Stream(request, model, codes, seed=seed, bfloat16=bfloat16, listing=listing)
    context = TrainContext(
        request=request,
        vocabulary=vocabulary,
        codes=codes,
        threads=threads,
        torch_threads=torch_threads,
        bfloat16=bfloat16,
        muon=muon,
        evaluates_first=start is not None and request.kind.has_embedding,
        keeps_start=keeps_start,
        items=None if listing is None else listing.described(),
        baselines=measure_baselines(*recipe.parts, vocabulary.characters),
    )
    yield from Trainer(context, model, recipe, clock=clock, state=state).run()


def _changed(facts: Mapping[str, Any], model: CharLSTM, *, bfloat16: bool) -> str:
    """Say what of that which decides how sums are rounded differs from where a state was saved; "" if nothing does.

    torch chooses the code of its matrix products by the processor's vendor and model.
    """
    same_code = (facts.get("kernel_path", ""), bool(facts.get("bfloat16"))) == (model.computed_by, bfloat16)
    if facts.get("muon"):
        same_code = same_code and facts.get("muon_rounds") == ROUNDS
    torch_version, processor = str(torch.__version__), processor_kind()
    changes = {
        "other code": not same_code,
        "another version of torch": facts.get("torch", torch_version) != torch_version,
        "another kind of processor": facts.get("processor", processor) != processor,
    }
    return " and ".join(what for what, differs in changes.items() if differs)


def _threads(most: int, request: ClassicRequest | StreamRequest, model: CharLSTM) -> int:
    return threads_taken(request.batch_size, most=most) if model.fused else most


def _pieces(
    request: ClassicRequest | StreamRequest, text: str | Callable[[], Iterable[str]], listing: Listing | None
) -> Iterable[str]:
    """Return the text in parts, as the recipe reads it."""
    parts = (text,) if isinstance(text, str) else text()
    pieces = normalized_chunks(parts, lowercase=request.lowercase, drop_bom=request.kind.drops_bom)
    return pieces if listing is None else listing.read(pieces)


def _extended(start: Start, text: Vocabulary, note: Callable[[str], None]) -> Start:
    """Return the model with rows for the text's characters that it doesn't know."""
    if unknown := start.vocabulary.unknown(text.characters):
        count = "1 character" if len(unknown) == 1 else f"{len(unknown)} characters"
        note(f"The model to start from is extended by {count} of the text: {name_characters(unknown)}.")
    weights, vocabulary = extended(start.weights, start.vocabulary, text)
    return Start(weights=weights, vocabulary=vocabulary)


def _encoded(
    request: ClassicRequest | StreamRequest, pieces: Iterable[str], found: Survey, vocabulary: Vocabulary
) -> Codes:
    """Return the text as the recipe reads it, in integers. Raises JobFailed if it doesn't fit."""
    if unknown := vocabulary.unknown(found.vocabulary.characters):
        raise JobFailed(
            f"the model doesn't know these characters: {name_characters(unknown)}", code="unknown_characters"
        )
    needed = request.kind.min_chars(batch_size=request.batch_size, seq_length=request.seq_length)
    if found.chars < needed:
        raise JobFailed(f"the text has {found.chars} characters; these options need {needed}", code="text_too_short")
    return encode(pieces, vocabulary, chars=found.chars)

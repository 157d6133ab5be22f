"""Milliseconds a character: our two ways of writing and the seed document's loop, in turns within one run.

The models are untrained; how long a character takes doesn't depend on what they learnt. One thread each.
"""

import statistics
import time
from collections.abc import Callable

import torch

from bench.common import report, text_argument
from shared.requests import GenerateRequest
from shared.text import Vocabulary
from tests.worker.reference import DocumentModel
from worker.generate import generate
from worker.loaded import LoadedModel, Sizes, assemble
from worker.model import CharLSTM

HIDDEN, WINDOW, ROUNDS = 256, 100, 7


def made(recipe: str, vocabulary: Vocabulary) -> LoadedModel:
    """Make a model of the defaults' size."""
    sizes = Sizes(recipe="classic" if recipe == "classic" else "stream", hidden_size=HIDDEN, layers=1,
                  embedding_size=0 if recipe == "classic" else 64, seq_length=WINDOW, lowercase=True)  # fmt: skip
    module = CharLSTM(vocab_size=len(vocabulary), hidden_size=HIDDEN, embedding_size=sizes.embedding_size)
    return assemble(sizes, vocabulary, module.weights(), {})


def ours(model: LoadedModel, prompt: str, length: int, temperature: float, n: int = 1) -> Callable[[], int]:
    """Return a call that writes and says how many characters."""
    asked = {"model_id": "mod", "prompt": prompt, "length": length, "temperature": temperature, "n": n, "seed": 1}
    request = GenerateRequest.model_validate(asked)

    def write() -> int:
        *_, done = generate(model, request)
        return sum(len(output.text) for output in done.outputs())

    return write


def document(model: LoadedModel, prompt: str, length: int) -> Callable[[], int]:
    """Return a call that writes as the document does."""
    copy = DocumentModel(len(model.vocabulary), HIDDEN)
    copy.load_state_dict(model.module.state_dict())
    copy.eval()

    def write() -> int:
        pattern = model.vocabulary.encode(prompt)
        with torch.no_grad():
            for _ in range(length):
                x = torch.tensor(pattern, dtype=torch.float32).reshape(1, WINDOW, 1) / float(len(model.vocabulary))
                pattern = [*pattern[1:], int(copy(x).argmax())]
        return length

    return write


def main() -> None:
    """Take turns; the median of the rounds counts, the fastest is told too."""
    text, _ = text_argument(__doc__ or "")
    text = text.lower()
    vocabulary = Vocabulary.of(text)
    prompt = text[1000 : 1000 + WINDOW]
    classic, stream = made("classic", vocabulary), made("stream", vocabulary)
    calls = {
        "document_loop": document(classic, prompt, 200),
        "classic_window": ours(classic, prompt, 200, 0.0),
        "stream_greedy": ours(stream, prompt, 4000, 0.0),
        "stream_sampled": ours(stream, prompt, 4000, 0.7),
        "stream_64_variants": ours(stream, prompt, 200, 0.7, 64),
    }
    torch.set_num_threads(1)
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            began = time.perf_counter()
            count = call()
            taken[name].append((time.perf_counter() - began) * 1000 / count)
    for name, times in taken.items():
        print(f"{name:20s} {statistics.median(times):.4f} ms a character, fastest {min(times):.4f}")
    report(bench="writing", ms_per_char={name: round(statistics.median(times), 4) for name, times in taken.items()},
           fastest={name: round(min(times), 4) for name, times in taken.items()})  # fmt: skip


if __name__ == "__main__":
    main()

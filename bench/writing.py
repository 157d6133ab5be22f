"""How long a character takes that is written: our ways of writing and the seed document's loop, in turns.

What: milliseconds a character of models of the default size: one text with its state carried, greedy and sampled; 64
variants side by side; classic's window, whose characters are compared with the document's.
Peer: the document's loop (tests/worker/reference.py), on one thread or on all, whichever is faster.
Bar: one text 120 times as fast, 64 variants 350 times each, classic's window 2.5 times and every character the same;
one text of wider models as fast as `WIDTHS` says.

How long a character takes doesn't depend on what a model has learned, but which characters come does: the classic model
is one of random weights whose last layer is fitted to the text by least squares, and writes varied nonsense.

    python -m bench.writing [TEXT]
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch.nn import functional

from bench.common import Row, in_turns, report, text_argument
from bench.peer import PeerProcess
from shared.host import cores
from shared.requests.recipes import CLASSIC, STREAM, Recipe
from shared.requests.writing import GenerateRequest
from shared.text.vocabulary import Vocabulary
from tests.worker.reference import document_generation
from worker.generation.generate import generate
from worker.generation.loaded import LoadedModel, Sizes, assemble
from worker.nn.model import CharLSTM

HIDDEN, WINDOW, ROUNDS = 256, 100, 5
#: Characters a second of one text, at least, by units.
WIDTHS = {384: 60_000, 512: 25_000, 768: 8_000, 1024: 4_000}
#: Characters of a text of each way: some hundredths of a second to a second.
LENGTHS = {"document": 200, "window": 200, "one": 4000, "many": 200}
VARIANTS = 64
#: Windows that the classic model's last layer is fitted to; how much larger its other weights are than torch's; the
#: weight of the ridge.
WINDOWS, INPUT_SCALE, STATE_SCALE, RIDGE = 2000, 60.0, 2.0, 1e-4


def made(recipe: Recipe, vocabulary: Vocabulary, text: str, *, units: int = HIDDEN) -> LoadedModel:
    """Make a model of so many units."""
    torch.manual_seed(1)
    sizes = Sizes(
        recipe=recipe.name,
        hidden_size=units,
        layers=1,
        embedding_size=64 if recipe.has_embedding else 0,
        seq_length=WINDOW,
        lowercase=True,
    )
    module = CharLSTM(vocab_size=len(vocabulary), hidden_size=units, embedding_size=sizes.embedding_size)
    if recipe is CLASSIC:
        fit_last_layer(module, torch.tensor(vocabulary.encode(text)))
    return assemble(sizes, vocabulary, module.weights(), {})


@torch.no_grad()
def fit_last_layer(module: CharLSTM, codes: torch.Tensor) -> None:
    """Let the last layer of a larger random LSTM predict the text: an echo state network."""
    windows = codes.unfold(0, WINDOW + 1, 1)
    windows = windows[:: max(1, len(windows) // WINDOWS)]  # (N, WINDOW + 1) int64
    scales = {"weight_ih_l0": INPUT_SCALE, "weight_hh_l0": STATE_SCALE}
    for name, value in module.lstm.named_parameters():
        value.mul_(scales.get(name, 1.0))
    outputs, _ = module.lstm(module.read(windows[:, :-1]))
    states = functional.pad(outputs[:, -1], (0, 1), value=1.0)  # (N, H + 1)
    wanted = functional.one_hot(windows[:, -1], module.vocab_size).float()
    ridge = RIDGE * torch.eye(states.shape[1])
    solved = torch.linalg.solve(states.T @ states + ridge, states.T @ wanted)  # (H + 1, V)
    module.linear.weight.copy_(solved[:-1].T)
    module.linear.bias.copy_(solved[-1])


def ours(model: LoadedModel, prompt: str, length: int, temperature: float, n: int = 1) -> str:
    """Write, and return all that was written."""
    asked = {"model_id": "mod", "prompt": prompt, "length": length, "temperature": temperature, "n": n, "seed": 1}
    *_, done = generate(model, GenerateRequest.model_validate(asked))
    return "".join(output.text for output in done.outputs())


def document(threads: int, path: str, prompt: str) -> str:
    """Let the document's loop write."""
    torch.set_num_threads(threads)
    return document_generation(path, prompt, LENGTHS["document"] // 4, HIDDEN)


def main() -> None:
    """Take turns; every turn writes after the same prompts."""
    text, _ = text_argument(__doc__ or "")
    text = text.lower()
    vocabulary = Vocabulary.of(text)
    classic, stream = made(CLASSIC, vocabulary, text), made(STREAM, vocabulary, text)
    wide = {units: made(STREAM, vocabulary, text, units=units) for units in WIDTHS}
    prompts = [text[begin : begin + WINDOW] for begin in range(0, len(text) - WINDOW, len(text) // 4)][:4]
    texts: dict[str, str] = {}

    def one_text(model: LoadedModel, prompt: str) -> str:
        return ours(model, prompt, LENGTHS["one"] // 4, 0.7)

    def writing(name: str, write: Callable[[str], str]) -> Callable[[], int]:
        def act() -> int:
            # With other processes around, the document is fifty times slower on all threads: one prompt will do.
            after = prompts[:1] if name == "document, all threads" else prompts
            texts[name] = "".join(write(prompt) for prompt in after)
            return len(texts[name])

        return act

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "single-char.pth"
        torch.save([classic.module.state_dict(), {c: i for i, c in enumerate(vocabulary.characters)}], path)

        peer_process = PeerProcess()
        peers: dict[str, Callable[[str], str]] = {
            "document, one thread": lambda prompt: peer_process.call(document, 1, str(path), prompt),
            "document, all threads": lambda prompt: peer_process.call(document, cores(), str(path), prompt),
        }
        acts: dict[str, Callable[[str], str]] = {
            **peers,
            "classic's window": lambda prompt: ours(classic, prompt, LENGTHS["window"] // 4, 0.0),
            "one text, greedy": lambda prompt: ours(stream, prompt, LENGTHS["one"] // 4, 0.0),
            "one text": partial(one_text, stream),
            f"{VARIANTS} variants": lambda prompt: ours(stream, prompt, LENGTHS["many"] // 4, 0.7, VARIANTS),
        }
        for units, model in wide.items():
            acts[f"one text, {units} units"] = partial(one_text, model)
        turns = in_turns({name: writing(name, write) for name, write in acts.items()}, rounds=ROUNDS)
    peer = min(peers, key=turns.median)
    wanted = {"one text, greedy": 120.0, "one text": 120.0, f"{VARIANTS} variants": 350.0, "classic's window": 2.5}
    rows = [
        Row(
            what=f"a character, {name}",
            unit="ms",
            ours=turns.median(name) * 1000,
            peer=turns.median(peer) * 1000,
            ratio=turns.ratio(peer, name),
            least_ratio=least,
        )
        for name, least in wanted.items()
    ]
    for units, least in WIDTHS.items():
        name = f"one text, {units} units"
        rows.append(Row(what=f"a character, {name}", unit="ms", ours=turns.median(name) * 1000, most=1000 / least))
    theirs, again = texts["document, one thread"], texts["classic's window"]
    same = sum(a == b for a, b in zip(theirs, again, strict=True))
    rows.append(
        Row(
            what=f"of {len(theirs)} characters unlike the document's",
            unit="",
            most=0,
            must=True,
            ours=len(theirs) - same,
        )
    )
    report(
        bench="writing",
        rows=rows,
        peer=peer,
        same=same,
        distinct=len(set(theirs)),
        ms_per_char={name: round(turns.median(name) * 1000, 5) for name in acts},
        fastest={name: round(min(turns.seconds[name]) * 1000, 5) for name in acts},
    )


if __name__ == "__main__":
    main()

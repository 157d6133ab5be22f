"""The compiled writers write what the plain ones write, in either way of writing, and choose as the sampler does."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared.requests.writing import GenerateRequest
from tests.worker.layer import compiled_layer
from tests.worker.models import small_model
from worker.generation.decoders import Decoder, WindowDecoder, decoder_for, packed
from worker.generation.fallback_decoders import FallbackDecoder, fallback_decoder
from worker.generation.generate import generate
from worker.generation.loaded import LoadedModel
from worker.nn import kernel
from worker.nn.kernel.lanes import Lanes
from worker.nn.model import CharLSTM
from worker.nn.randomness import rng, seed_torch
from worker.nn.sampling import Options, Sampler

GREEDY, FREE = Options(temperature=0), Options(temperature=0.9)


@pytest.fixture(autouse=True)
def compiled() -> kernel.Kernel:
    torch.set_num_threads(1)
    return compiled_layer()


def module(vocab_size: int, **sizes: Any) -> CharLSTM:
    """Make a model of weights so large that its choices are clear."""
    seed_torch(1, "test")
    made = CharLSTM(vocab_size=vocab_size, **{"hidden_size": 64} | sizes).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(4.0)
    return made


def samplers(count: int, options: Options) -> list[Sampler]:
    return [Sampler(options, rng(3, "variant", index)) for index in range(count)]


def prompt(model: CharLSTM, length: int) -> NDArray[np.int64]:
    return rng(2, "prompt").integers(0, model.vocab_size, length)


def both(
    model: CharLSTM, lanes: int, options: Options, *, window: int | None = None, length: int = 100
) -> tuple[Decoder, Decoder]:
    """Return the compiled decoder and the plain one."""
    fast = decoder_for(model, packed(model), samplers(lanes, options), window=window, length=length)
    assert not isinstance(fast, FallbackDecoder)
    return fast, fallback_decoder(model, samplers(lanes, options), window=window)


def written(decoder: Decoder, codes: NDArray[np.int64], *counts: int) -> NDArray[np.int32]:
    """Read a prompt and write so many characters, one call for each count."""
    assert all(pause is None for pause in decoder.read(codes))
    return np.concatenate([decoder.write(count) for count in counts], axis=1)


@pytest.mark.parametrize("window", [None, 20])
@pytest.mark.parametrize(
    ("vocab_size", "sizes"),
    [
        (67, {"hidden_size": 128, "embedding_size": 64}),
        (67, {"hidden_size": 96}),
        (2, {"embedding_size": 4}),
        (64, {"embedding_size": 8, "layers": 2}),
        (1000, {"embedding_size": 16, "layers": 3, "hidden_size": 32}),
    ],
)
@pytest.mark.parametrize("lanes", [1, 3, 8, 16, 37, 70])
def test_they_write_what_the_plain_ones_write(
    vocab_size: int, sizes: dict[str, int], lanes: int, window: int | None
) -> None:
    model = module(vocab_size, **sizes)
    codes = prompt(model, 40)
    for options in (GREEDY, FREE):
        fast, plain = both(model, lanes, options, window=window)
        assert (written(fast, codes, 1, 7, 16) == written(plain, codes, 24)).all()


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("length", [1, 2, 64, 65, 66, 700])
def test_a_prompt_is_read_whole_whatever_its_length(layers: int, length: int) -> None:
    model = module(30, layers=layers, embedding_size=8)
    fast, plain = both(model, 2, FREE)
    assert (written(fast, prompt(model, length), 20) == written(plain, prompt(model, length), 20)).all()


@pytest.mark.parametrize(
    ("read", "window", "length"), [(30, 12, 500), (5, 12, 500), (30, 40, 9), (1, 1, 30), (1, 9, 30)]
)
def test_windows_move_on_over_any_length_and_no_more_are_begun_than_end(read: int, window: int, length: int) -> None:
    model = module(30)
    for options in (GREEDY, FREE):
        fast, plain = both(model, 2, options, window=window, length=length)
        counts = [1] * 3 + [17] * ((length - 3) // 17) + [(length - 3) % 17]
        assert (written(fast, prompt(model, read), *counts) == written(plain, prompt(model, read), length)).all()


@pytest.mark.parametrize(("read", "length"), [(90, 300), (60, 300), (90, 25), (90, 75)])
def test_threads_share_windows_and_choose_what_one_chooses(
    monkeypatch: pytest.MonkeyPatch, read: int, length: int
) -> None:
    model, texts = module(40, layers=2), []
    for threads in (1, 2, 5):  # of at least 16 windows each
        monkeypatch.setattr("worker.nn.kernel.lanes.cores", lambda threads=threads: threads)
        fast, _ = both(model, 2, FREE, window=80, length=length)
        texts.append(written(fast, prompt(model, read), 1, 7, length - 8))
    assert all((text == texts[0]).all() for text in texts)
    assert len(np.unique(texts[0])) > 5


def test_threads_read_a_prompt_in_pieces_of_one_character(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wide model's. Nothing is computed for the first one, so no thread waits there for another that begins later."""
    monkeypatch.setattr("worker.nn.kernel.lanes.cores", lambda: 3)
    model, texts = module(40), []
    for piece in (1, 60):
        monkeypatch.setattr("worker.generation.decoders._MAX_READ", piece)
        fast, _ = both(model, 2, FREE, window=60, length=70)
        texts.append(written(fast, prompt(model, 60), 70))
    assert (texts[0] == texts[1]).all()


@pytest.mark.parametrize("window", [None, 15])
def test_lanes_that_are_kept_go_on_in_their_new_order(window: int | None) -> None:
    model = module(30, layers=2, embedding_size=8)
    ends = []
    for decoder in both(model, 12, FREE, window=window):
        parts = [written(decoder, prompt(model, 20), 10)]
        for kept in ([11, 0, 4, 5, 6, 7, 8, 9, 10], [3, 8, 0], [1]):
            decoder.keep(kept)
            parts.append(decoder.write(10))
        ends.append(np.concatenate(parts))
    assert (ends[0] == ends[1]).all()


@pytest.mark.parametrize("hidden_size", [96, 288])
@pytest.mark.parametrize("lanes", [2, 6, 7, 41])
def test_a_lanes_states_dont_depend_on_the_lanes_beside_it(lanes: int, hidden_size: int) -> None:
    model = module(40, embedding_size=8, hidden_size=hidden_size)
    states = []
    for count in (1, lanes):
        decoder, _ = both(model, count, FREE)
        written(decoder, prompt(model, 10), 50)
        states.append(decoder._lanes._h[:, :, 0])  # type: ignore[attr-defined]
    assert torch.equal(*states)


def in_eight_bits(model: CharLSTM, codes: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return h of each layer, (layers, H), and the logits, (V,), after these characters.

    Computed as wide `stream` models are in generation: weights of the LSTM's products and h are rounded.
    """

    def rounded(weights: torch.Tensor) -> torch.Tensor:
        scale = weights.abs().amax(1, keepdim=True) / 127
        return (weights / scale).round() * scale

    def steps(h: torch.Tensor) -> torch.Tensor:
        return (h * 63).round() / 63

    inputs, last = model.read(torch.tensor(codes)), []
    for layer, (of_inputs, recurrent, *biases) in enumerate(model.lstm.all_weights):
        entering = (steps(inputs) @ rounded(of_inputs).T if layer else inputs @ of_inputs.T) + sum(biases)
        outputs = []
        h = c = torch.zeros(model.hidden_size)
        for sums in entering:
            i, f, g, o = (sums + rounded(recurrent) @ steps(h)).chunk(4)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            outputs.append(h)
        inputs = torch.stack(outputs)
        last.append(h)
    return torch.stack(last), model.linear.weight @ steps(h) + model.linear.bias


@pytest.mark.parametrize("lanes", [1, 3, 16])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_wide_model_is_computed_with_its_weights_in_eight_bits(layers: int, lanes: int) -> None:
    model = module(40, embedding_size=8, hidden_size=288, layers=layers)
    codes = prompt(model, 100)
    decoder, _ = both(model, lanes, GREEDY)
    written(decoder, codes, 1)
    state = decoder._lanes  # type: ignore[attr-defined]
    h, logits = state._h[:, state._writing.read % 2, -1], torch.from_numpy(state.logits(lanes - 1))
    with torch.no_grad():
        exact_logits, (exact, _) = model(torch.tensor(codes[None]))
        rounded, rounded_logits = in_eight_bits(model, codes)
    assert float((h - rounded).norm()) < 0.2 * float((h - exact[:, 0]).norm())
    assert float((logits - rounded_logits).norm()) < 0.2 * float((logits - exact_logits[-1, 0]).norm())


def test_a_wide_classic_model_writes_exactly_what_the_plain_one_writes() -> None:
    model = module(40, hidden_size=288)
    for window in (None, 20):
        fast, plain = both(model, 3, FREE, window=window)
        assert (written(fast, prompt(model, 40), 30) == written(plain, prompt(model, 40), 30)).all()


class Fixed:
    """A model whose logits are given: its LSTM is silent."""

    def __init__(self, logits: list[float]) -> None:
        self.logits = np.array(logits, np.float32)
        model = CharLSTM(vocab_size=len(logits), hidden_size=32)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.zero_()
            model.linear.bias.copy_(torch.from_numpy(self.logits))
        weights = packed(model)
        assert weights is not None
        self.weights = weights

    def choices(self, options: Options, draws: NDArray[np.float64]) -> list[int]:
        lanes = Lanes(self.weights, options)
        lanes.read(np.zeros(1, np.int32))
        chosen: list[int] = lanes.write(len(draws), draws[None] if options.temperature else None)[0].tolist()
        return chosen


class Given(np.random.Generator):
    """Draws the numbers it is given."""

    def __init__(self, draws: NDArray[np.float64]) -> None:
        super().__init__(np.random.PCG64(0))
        self._draws = draws

    def random(self, size: int) -> NDArray[np.float64]:  # type: ignore[override]
        return np.resize(self._draws, size)


LOGITS = st.lists(st.floats(-30, 30, width=32, allow_subnormal=False), min_size=2, max_size=12) | st.lists(
    st.sampled_from([0.0, 1.0, 2.0]), min_size=2, max_size=90
)


@given(
    LOGITS,
    st.sampled_from([0.0, 1e-12, 0.1, 0.7, 1.0, 10.0]),
    st.none() | st.integers(1, 20) | st.just(10**30),
    st.none() | st.floats(1e-9, 1),
    st.lists(st.floats(0, 1, exclude_max=True, allow_subnormal=False), min_size=1, max_size=20),
)
def test_they_choose_as_the_sampler_does(
    logits: list[float], temperature: float, top_k: int | None, top_p: float | None, numbers: list[float]
) -> None:
    options = Options(temperature=temperature, top_k=top_k, top_p=top_p)
    draws = np.array([*numbers, 0.0, np.nextafter(1, 0)])
    sampler, fixed = Sampler(options, Given(draws)), Fixed(logits)
    wanted = [sampler.choose(fixed.logits) for _ in draws]
    assert fixed.choices(options, draws) == wanted


def test_extreme_logits_choose_a_character_that_is_possible() -> None:
    fixed, draws = Fixed([-1e30, 80, -80, 3e38]), np.linspace(0, 1, 50, endpoint=False)
    for temperature in (1e-12, 0.1, 1, 10):
        for top_p in (None, 1e-9, 0.5):
            assert set(fixed.choices(Options(temperature=temperature, top_p=top_p), draws)) == {3}


def test_states_of_more_windows_than_there_is_room_for_are_not_kept() -> None:
    model = module(30)
    many = samplers(64, FREE)
    assert isinstance(decoder_for(model, packed(model), many, window=100, length=10), WindowDecoder)
    assert isinstance(decoder_for(model, packed(model), many, window=200_000, length=10), FallbackDecoder)


def texts(model: LoadedModel, **options: Any) -> list[str]:
    asked = {"model_id": "mod", "prompt": "then he", "seed": 4, "length": 300} | options
    *_, done = generate(model, GenerateRequest.model_validate(asked))
    return [output.text for output in done.outputs()]


@pytest.mark.parametrize("recipe", ["stream", "classic"])
def test_a_variant_is_the_same_among_however_many(recipe: str) -> None:
    model = small_model(recipe)
    many = texts(model, n=20, stop=["qu", "xz"])
    for n in (1, 4, 7):
        assert texts(model, n=n, stop=["qu", "xz"]) == many[:n]


@pytest.mark.parametrize("recipe", ["stream", "classic"])
def test_without_the_kernel_the_same_is_written(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options: list[dict[str, Any]] = [{"temperature": 0}, {"n": 3, "stop": ["e"]}, {"n": 9, "top_k": 3}]
    wanted = [texts(small_model(recipe), **more) for more in options]
    monkeypatch.setattr("worker.generation.decoders.load", lambda: None)
    assert [texts(small_model(recipe), **more) for more in options] == wanted


@pytest.mark.parametrize("recipe", ["stream", "classic"])
def test_a_size_that_the_kernel_doesnt_have_is_written_plainly(recipe: str) -> None:
    model = small_model(recipe, hidden_size=24)
    assert model.packed is None
    assert len(texts(model)[0]) == 300

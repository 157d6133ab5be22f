"""What the losses of the baselines are measured by."""

import lzma
import math
from collections import Counter, defaultdict

import numpy as np
import pytest

from tests.worker.short_trainings import classic, run, sample_text, stream
from worker.training.baselines import measure_baselines, probabilities
from worker.training.data import Codes, encode, survey
from worker.training.train import train

TEXT = sample_text(3000)


def _codes(text: str) -> tuple[Codes, str]:
    found = survey([text])
    return encode([text], found.vocabulary, chars=found.chars), found.vocabulary.characters


class KneserNey:
    """Modified Kneser-Ney as the paper writes it: dictionaries, one n-gram at a time."""

    def __init__(self, text: str, order: int) -> None:
        self.size = len(set(text))
        self.counts = {order: Counter(text[i : i + order] for i in range(len(text) - order + 1))}
        for length in range(order - 1, 0, -1):
            self.counts[length] = Counter(longer[1:] for longer in self.counts[length + 1])
        self.followers: dict[str, dict[str, int]] = defaultdict(dict)
        for counts in self.counts.values():
            for ngram, count in counts.items():
                self.followers[ngram[:-1]][ngram[-1]] = count

    def probability(self, context: str, character: str) -> float:
        shorter = self.probability(context[1:], character) if context else 1 / self.size
        if context not in self.followers:
            return shorter
        counts = self.followers[context]
        discounts = {of: self._discount(len(context) + 1, of) for of in set(counts.values())}
        count = counts.get(character, 0)
        own = count - discounts[count] if count else 0.0
        left = sum(discounts[of] for of in counts.values())
        return (own + left * shorter) / sum(counts.values())

    def _discount(self, length: int, count: int) -> float:
        of_counts = Counter(self.counts[length].values())
        one, two, three, four = (of_counts[n] for n in (1, 2, 3, 4))
        kind = min(count, 3)
        if not (one and two and three and four):
            return (0.5, 1.0, 1.5)[kind - 1]
        share = one / (one + 2 * two)
        discount = {1: 1 - 2 * share * two / one, 2: 2 - 3 * share * three / two, 3: 3 - 4 * share * four / three}[kind]
        return min(float(kind), max(0.1, discount))


@pytest.mark.parametrize(("text", "order"), [(TEXT[:1200], 6), (TEXT, 4), ("ab" * 40 + "ba", 3), ("a" * 50 + "b", 6)])
def test_the_ngram_model_is_kneser_neys_and_its_probabilities_sum_to_one(text: str, order: int) -> None:
    codes, characters = _codes(text)
    size, peer = len(characters), KneserNey(text, order)
    rng = np.random.default_rng(1)
    contexts = [text[:order][: order - 1], *("".join(rng.choice(list(characters), order - 1)) for _ in range(5))]
    contexts += [text[at : at + order - 1] for at in rng.integers(0, len(text) - order, 15)]
    for context in contexts:
        start = 0
        for character in context:
            start = start * size + characters.index(character)
        found = probabilities(codes, start * size + np.arange(size), size=size, order=order)
        assert found.sum() == pytest.approx(1, abs=1e-9)
        assert found == pytest.approx([peer.probability(context, character) for character in characters], abs=1e-12)


def test_each_baseline_is_what_its_name_says() -> None:
    codes, characters = _codes(TEXT)
    slices = codes[2495:2700], codes[2695:]
    found = measure_baselines(codes[:2500], slices, characters)
    assert found is not None
    assert found == measure_baselines(codes[:2500], [codes[2495:]], characters), "a cut changes nothing"
    seen, size = Counter(TEXT[:2500]), len(characters)
    assert found.unigram == pytest.approx(-sum(math.log((seen[c] + 1) / (2500 + size)) for c in TEXT[2500:]) / 500)
    peer = KneserNey(TEXT[:2500], 6)
    peer.size = size
    losses = [-math.log(peer.probability(TEXT[at - 5 : at], TEXT[at])) for at in range(2500, 3000)]
    assert found.ngram.order == 6
    assert found.ngram.loss == pytest.approx(sum(losses) / 500)
    alone, both = (len(lzma.compress(text.encode(), lzma.FORMAT_RAW, filters=_XZ)) for text in (TEXT[:2500], TEXT))
    assert found.xz == pytest.approx((both - alone) * 8 * math.log(2) / 500)


_XZ = [{"id": lzma.FILTER_LZMA2, "preset": 6}]


@pytest.mark.parametrize(("distinct", "order"), [(1, 6), (2, 6), (1448, 6), (1449, 5), (20_000, 4)], ids=str)
def test_ngrams_are_as_long_as_their_characters_allow(distinct: int, order: int) -> None:
    characters = "".join(map(chr, range(0x3400, 0x3400 + distinct)))
    codes = np.resize(np.arange(distinct, dtype=np.int32), max(100, 2 * distinct))
    found = measure_baselines(codes, [codes[:50]], characters)
    assert found is not None
    assert found.ngram.order == order
    assert all(math.isfinite(loss) and loss >= 0 for loss in (found.unigram, found.ngram.loss, found.xz))
    assert found.ngram.loss < 0.5, "what repeats is known"


def test_characters_that_only_the_validation_part_has_cost_much_but_not_everything() -> None:
    codes, characters = _codes("abc" * 100 + "xyz" * 10)
    found = measure_baselines(codes[:300], [codes[295:]], characters)
    assert found is not None
    assert 5 < found.unigram < 7
    assert 2 < found.ngram.loss < 20


@pytest.mark.parametrize(("training", "validation"), [(2000, 0), (5, 100), (0, 0)])
def test_there_are_none_where_nothing_is_kept_back_or_to_learn_from(training: int, validation: int) -> None:
    codes, characters = _codes(TEXT)
    slices = [codes[max(0, training - 5) : training + validation]] if validation else []
    assert measure_baselines(codes[:training], slices, characters) is None


def test_a_training_has_them_again_once_it_is_resumed_and_classic_has_none() -> None:
    _, done = run(stream(), TEXT)
    assert done.losses.baselines is not None
    assert done.losses.baselines.ngram.order == 6
    halfway = next(event for event in train(stream(), TEXT, threads=1) if event.step == 40)
    _, again = run(stream(), TEXT, state=halfway.state())
    assert again.losses.baselines == done.losses.baselines
    assert run(stream(validation_fraction=0, epochs=1), TEXT)[1].losses.baselines is None
    assert run(classic(epochs=1), TEXT[:300])[1].losses.baselines is None

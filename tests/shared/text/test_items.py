"""Items of a list: split in pieces, counted, and distinguished from prose, verse and code."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import shared
from shared.text.items import Items, split, tally
from shared.text.list_recognition import MIN_ITEMS, recognized

SAMPLE = Path(shared.__file__).with_name("sample.txt").read_text(encoding="utf-8")
NAMES = [first + last for first in ("Ada", "Bo", "Cy", "Dee") for last in (*"abcdefgh", " Smith", "-Lee", "ö", "'s")]
VERSE = "Should you ask me, whence these stories?\nWhence these legends and traditions,\nWith the odours of the wood,\n"
CODE = "def total(prices):\n    found = 0\n    for price in prices:\n        found += price\n    return found\n\n\n"
TUNE = "X:{}\nT:The {}\nK:D\n|:dAF DFA|ded cBA:|"


@given(st.text("ab\n%"), st.sampled_from(["\n", "\n\n", "\n%\n", "ab", "%"]), st.integers(1, 5))
def test_a_text_cut_anywhere_has_the_same_items(text: str, separator: str, size: int) -> None:
    parts = [text[begin : begin + size] for begin in range(0, len(text), size)]
    items = list(split(parts, separator))
    assert items == list(split([text], separator))
    assert items == [item for piece in f"\n{text}\n".split(separator) if (item := piece.strip("\n"))]


def test_items_are_counted_and_equal_ones_once() -> None:
    assert tally(["an\nbe", "a\n\nan", "\n"], "\n") == Items(separator="\n", count=3, unique=2, longest=3)
    assert tally(["an item"], "|") == Items(separator="|", count=1, unique=1, longest=7)


def wrapped(words: list[str]) -> str:
    lines, line = [], ""
    for word in words:
        if len(line) + len(word) > 70:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        pytest.param("\n".join(NAMES), "\n", id="names"),
        pytest.param("\n".join(NAMES * 50) + "\n\n", "\n", id="names that repeat, and a blank line at the end"),
        pytest.param("\n".join(f"C{'c1ccc(N)' * (n % 9)}{n}" for n in range(90)), "\n", id="molecules"),
        pytest.param("\n".join(f"{n:06x}" for n in range(90)), "\n", id="codes of one width"),
        pytest.param("\n".join(f"{a} is {b}, isn't {'it ' * len(b)}?" for a in NAMES for b in NAMES), "\n", id="posts"),
        pytest.param("\n%\n".join(f"{name} said:\n\tHello,\n{VERSE}" for name in NAMES), "\n%\n", id="quotations"),
        pytest.param("\n\n".join(TUNE.format(n, name) for n, name in enumerate(NAMES)), "\n\n", id="tunes"),
        pytest.param(SAMPLE, None, id="prose"),
        pytest.param("\n".join(line for line in SAMPLE.split("\n") if line.strip()), None, id="no blank lines"),
        pytest.param("\n".join(" ".join(one.split()) for one in SAMPLE.split("\n\n")), None, id="a paragraph per line"),
        pytest.param(wrapped(SAMPLE.split()), None, id="one paragraph, wrapped"),
        pytest.param("\n".join(f"{n}回。" + "天下大勢。" * (3 + n % 5) for n in range(40)), None, id="Chinese prose"),
        pytest.param("\n".join(f"第{n}號菜" for n in range(90)), "\n", id="Chinese names"),
        pytest.param(VERSE * 30, None, id="verse"),
        pytest.param("\n\n".join(f"{name.upper()}:\n{VERSE}" for name in NAMES), None, id="a play"),
        pytest.param("".join(f"Ge1:{n} And {name} begat {name}:\n" for n, name in enumerate(NAMES)), None, id="verses"),
        pytest.param(CODE * 30, None, id="code"),
        pytest.param("\n".join(["ACGT" * 15] * 90 + ["ACG"]), None, id="a sequence, wrapped"),
        pytest.param("\n".join(NAMES[: MIN_ITEMS - 1]), None, id="too few"),
        pytest.param("equal\n" * 90, None, id="equal items"),
        pytest.param("one item " * 90, None, id="one item"),
    ],
)
def test_a_list_is_distinguished_from_other_texts(text: str, separator: str | None) -> None:
    found = recognized(lambda: [text])
    assert (None if found is None else found.separator) == separator
    assert found is None or found == tally([text], found.separator)


def test_a_long_list_is_judged_by_a_part_of_it() -> None:
    names = random.Random(1).choices(NAMES, k=400_000)
    text = "\n".join(names)
    parts = [text[begin : begin + (1 << 16)] for begin in range(0, len(text), 1 << 16)]
    assert recognized(lambda: parts) == Items(
        separator="\n", count=400_000, unique=len(set(names)), longest=max(map(len, NAMES))
    )

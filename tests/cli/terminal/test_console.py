"""What a server or a text could use to steer a terminal, or to disguise what it shows, isn't printed."""

import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.terminal.console import escape_unsafe, printable

#: Format characters that are drawn or needed to spell; the joiners of emoji are among them.
SPELLING = {
    char
    for char in map(chr, range(sys.maxunicode + 1))
    if unicodedata.category(char) == "Cf"
    and (
        char in "\u200c\u200d"
        or unicodedata.name(char).startswith(("ARABIC", "SYRIAC", "KAITHI", "EGYPTIAN", "SHORTHAND"))
    )
} - {"\u061c"}


def test_no_control_and_no_invisible_format_character_is_printed() -> None:
    for char in map(chr, range(sys.maxunicode + 1)):
        if unicodedata.category(char) in ("Cc", "Cf"):
            assert printable(f"a{char}b") == (f"a{char}b" if char in SPELLING or char in "\n\t" else "ab"), ascii(char)


@pytest.mark.parametrize("char", [*"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"])
def test_no_text_is_reordered(char: str) -> None:
    assert printable(f"gpj.{char}exe") == "gpj.exe"


@given(st.text())
def test_an_escaped_document_means_the_same(text: str) -> None:
    escaped = escape_unsafe(json.dumps(text, ensure_ascii=False))
    assert json.loads(escaped) == text
    assert printable(escaped) == escaped

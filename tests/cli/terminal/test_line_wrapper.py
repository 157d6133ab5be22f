"""Text that comes bit by bit is broken between words, however it comes."""

import pytest

from cli.terminal.line_wrapper import LineWrapper

TEXT = "the loom stood by the river,  and\n\nthe badger stood by the loom. averyveryverylongword end"
WANTED = "the loom stood by\nthe river,  and\n\nthe badger stood\nby the loom.\naveryveryverylongword\nend"


@pytest.mark.parametrize("size", [1, 2, 5, len(TEXT)])
def test_lines_are_broken_between_words(size: int) -> None:
    wrapper = LineWrapper(18)
    shown = "".join(wrapper.add(TEXT[at : at + size]) for at in range(0, len(TEXT), size)) + wrapper.flush()
    assert shown == WANTED

"""Words on the terminal: calm lines, coloured where a person looks, plain in a pipe."""

import sys

from rich.console import Console

#: Control characters but line end and tab: a corpus or a model may hold them, a terminal would obey them.
_CONTROLS = {code: None for code in (*range(32), 127, *range(0x80, 0xA0)) if code not in (9, 10)}


def make_console(*, stderr: bool = False) -> Console:
    """Make the console that is printed to; characters that the output can't show become '?'.

    At a terminal lines are broken between words; in a pipe they stay whole.
    """
    stream = sys.stderr if stderr else sys.stdout
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace", line_buffering=True)
    console = Console(highlight=False, markup=False, emoji=False, stderr=stderr)
    console.soft_wrap = not console.is_terminal
    return console


def printable(text: str) -> str:
    """Take the control characters out of somebody's text, so that it can only be read."""
    return text.translate(_CONTROLS)


def format_item(*parts: object, width: int = 10) -> str:
    """Lay out a name and what is said of it, as one line of a list."""
    name, *rest = (str(part) for part in parts)
    return f"  {name:<{width}}{' '.join(rest)}"

"""Consoles: colored at a terminal, plain in a pipe; characters that could steer a terminal never reach it."""

import json
import re
import sys
from typing import Any

from rich.console import Console

#: Control characters except newline and tab, and invisible ones that reorder, hide or annotate text (Unicode TR 36).
#: Zero-width joiners stay, since scripts and emoji need them.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)


class SafeConsole(Console):
    """A console that removes unsafe characters from the strings it prints; `rich` renderables pass unchanged."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as `rich` does."""
        super().print(*(printable(one) if isinstance(one, str) else one for one in objects), **options)


def make_console(*, stderr: bool = False) -> SafeConsole:
    """Return a console for standard output or standard error.

    At a terminal it breaks lines between words; in a pipe lines stay whole. Characters that the output's encoding lacks
    become "?". NO_COLOR turns off all styles, dim and bold included.
    """
    stream = sys.stderr if stderr else sys.stdout
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace", line_buffering=True)
    console = SafeConsole(
        highlight=False,
        markup=False,
        emoji=False,
        stderr=stderr,
        color_system=None if Console().no_color else "auto",
    )
    console.soft_wrap = not console.is_terminal
    return console


def printable(text: str) -> str:
    """Return a text without the characters that could steer a terminal or disguise what is shown."""
    return _UNSAFE.sub("", text)


def escape_unsafe(document: str) -> str:
    """Return a JSON document with those characters as escapes, which mean the same."""
    return _UNSAFE.sub(lambda found: json.dumps(found[0])[1:-1], document)

"""Server-sent events, parsed from bytes as the HTML standard defines. Knows nothing of jobs."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

#: What ends a line: fewer characters than `splitlines` takes, since a text may contain U+2028 and others.
_END = re.compile(rb"\r\n|\r|\n")


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message of a stream."""

    id: str
    event: str
    data: str


class Parser:
    """Parses one stream that comes in chunks. A message that is incomplete at the end is dropped."""

    def __init__(self) -> None:
        self._rest = b""
        self._last_id = self._event = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> Iterator[Message]:
        """Yield the messages that this chunk completes."""
        self._rest += chunk
        # A CR at the very end may be half of a CR LF.
        usable = len(self._rest) - self._rest.endswith(b"\r")
        begin = 0
        for end in _END.finditer(self._rest, 0, usable):
            yield from self._line(self._rest[begin : end.start()])
            begin = end.end()
        self._rest = self._rest[begin:]

    def _line(self, line: bytes) -> Iterator[Message]:
        if not line:
            if self._data:
                yield Message(id=self._last_id, event=self._event or "message", data="\n".join(self._data))
            self._event, self._data = "", []
            return
        name, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._last_id = value

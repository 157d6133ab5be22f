"""Server-sent events out of bytes, as the HTML standard has them. Knows nothing of jobs."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

#: What ends a line: not what Python's `splitlines` takes for an end, since a text may hold U+2028 and its like.
_END = re.compile(rb"\r\n|\r|\n")


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message of a stream; `data` is "" for one that only pings."""

    id: str
    event: str
    data: str


def messages(chunks: Iterable[bytes]) -> Iterator[Message]:
    """Yield the messages of a stream that comes in chunks. One that isn't whole at the end is dropped."""
    event, data, last_id = "", list[str](), ""
    for line in _lines(chunks):
        if not line:
            if data:
                yield Message(id=last_id, event=event or "message", data="\n".join(data))
            event, data = "", []
            continue
        name, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name == "event":
            event = value
        elif name == "id" and "\0" not in value:
            last_id = value


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    kept = b""
    for chunk in chunks:
        kept += chunk
        # A CR at the very end may be half of a CR LF.
        usable = len(kept) - 1 if kept.endswith(b"\r") else len(kept)
        begun = 0
        for end in _END.finditer(kept, 0, usable):
            yield kept[begun : end.start()]
            begun = end.end()
        kept = kept[begun:]

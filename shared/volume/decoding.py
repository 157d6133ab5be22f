"""Which encoding the bytes of a text are in, when it can be told for certain."""

import codecs
from pathlib import Path

from charset_normalizer import from_bytes

from shared.errors import InvalidRequest

#: Bytes looked at to tell an encoding that isn't a Unicode one.
_SAMPLE_BYTES = 256 * 1024
#: Byte order marks; UTF-32's first, since UTF-16's begins them. UTF-8's stays in the text: the recipe sees it.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: Most disorder and least likeness to a language at which a guess counts as certain (charset-normalizer's measures).
_MAX_CHAOS = 0.1
_MIN_COHERENCE = 0.5


def tell_encoding(path: Path) -> str:
    """Tell the encoding of a text file by its bytes.

    UTF-8 is told by decoding it all, UTF-16 and UTF-32 by their byte order mark, others by charset-normalizer where it
    finds one reading only that is clean and looks like a language.

    Raises:
        InvalidRequest: it is no text, or its encoding can't be told for certain.
    """
    with path.open("rb") as file:
        head = file.read(_SAMPLE_BYTES)
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    if b"\0" in head:
        raise InvalidRequest.at("/file", "The file holds NUL bytes: it is binary. Send plain text in UTF-8.")
    if _is_utf8(path):
        return "utf-8"
    matches = from_bytes(head)
    best = matches.best()
    if best is not None and len(matches) == 1 and best.chaos <= _MAX_CHAOS and best.coherence >= _MIN_COHERENCE:
        return best.encoding
    raise InvalidRequest.at(
        "/file", "The file is not UTF-8, and what it is can't be told for certain. Save it as UTF-8 and send it again."
    )


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True

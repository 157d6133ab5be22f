"""The bytes of a text: which encoding they are in, what they say, and where they are wrong."""

import codecs
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from charset_normalizer import from_bytes

from shared.errors import InvalidRequest, UnknownEncoding
from shared.text import foreign_formats
from shared.text.encodings import ENCODINGS, codec_of, encoding_of
from shared.text.vocabulary import normalise

#: Bytes read at a time.
_CHUNK_BYTES = 1 << 20
#: Bytes from which an encoding that isn't a Unicode one is guessed.
_SAMPLE_BYTES = 256 * 1024
#: Bytes that are read in every encoding, to show what each would say.
_READINGS_BYTES = 64 * 1024
#: Byte order marks; UTF-32's first, since they begin with UTF-16's. UTF-8's stays in the text; recipes treat it.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: Most disorder and least likeness to a language at which a guess counts as certain (charset-normalizer's measures),
#: and most disorder at which it is a guess at all.
_MAX_CHAOS, _MIN_COHERENCE, _MAX_GUESS_CHAOS = 0.1, 0.5, 0.5
#: Characters before and after what a reader is to look at, and places of a guess that are shown.
_BEFORE, _AFTER, _MAX_PLACES = 20, 40, 3
_REPLACEMENT = "\ufffd"
#: Categories of characters that a wrong reading has: control, private use, not assigned.
_NOT_IN_TEXT = ("Cc", "Co", "Cn")
#: Most wrong bytes in what surrounds one that is shown.
_MAX_ILLEGIBLE = 3


class _Undecodable(Exception):
    """A byte is wrong: where, and what surrounds it."""

    def __init__(self, encoding: str, *, line: int, offset: int, byte: int, around: str) -> None:
        place = f"line {line:,}, byte offset {offset:,}: 0x{byte:02X} is not valid {encoding.upper()}"
        legible = around.count(_REPLACEMENT) <= _MAX_ILLEGIBLE and around != _REPLACEMENT
        super().__init__(f"{place}, in “{around.strip()}”" if legible else place)
        self.offset = offset


def detect_encoding(path: Path) -> str:
    """Return the encoding of a text file, detected from its bytes.

    UTF-8 is recognized by decoding it all, UTF-16 and UTF-32 by their byte order mark, others by charset-normalizer
    where it finds one reading only that is clean and looks like a language.

    Raises:
        UnknownEncoding: it is uncertain.
        InvalidRequest: it is no text, or UTF-8 with a wrong byte.
    """
    with path.open("rb") as file:
        head = file.read(_SAMPLE_BYTES)
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    known = foreign_formats.by_bytes(head)
    if b"\0" in head:
        what = f"The file is {known}" if known else "The file holds NUL bytes: it is binary. Send plain text in UTF-8."
        raise InvalidRequest.at("/file", what)
    try:
        for _ in _parts(path, "utf-8"):
            pass
    except _Undecodable as exc:
        if known:
            raise InvalidRequest.at("/file", f"The file is {known}") from exc
        return _guess(_sample(path, head, exc.offset), exc)
    return "utf-8"


def decoded(path: Path, encoding: str) -> Iterator[str]:
    r"""Yield a text in parts, cut anywhere, line ends as "\n".

    Raises:
        InvalidRequest: a byte is wrong; the message shows where.
    """
    try:
        yield from _parts(path, encoding)
    except _Undecodable as exc:
        raise InvalidRequest.at(
            "/file", f"The text can't be decoded: {exc}. Name the right encoding, or save the text as UTF-8."
        ) from exc


def _parts(path: Path, encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(codec_of(encoding))()
    offset, lines, before, held = 0, 1, "", ""
    with path.open("rb") as file:
        while True:
            chunk = file.read(_CHUNK_BYTES)
            pending = len(decoder.getstate()[0])
            try:
                part = held + decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as exc:
                good = normalise(held + exc.object[: exc.start].decode(codec_of(encoding), "replace"), lowercase=False)
                bad = exc.object[exc.start : exc.start + 4 * _AFTER].decode(codec_of(encoding), "replace")
                raise _Undecodable(
                    encoding,
                    line=lines + good.count("\n"),
                    offset=offset - pending + exc.start,
                    byte=exc.object[exc.start],
                    around=(before + good).rpartition("\n")[2][-_BEFORE:] + bad.splitlines()[0][:_AFTER],
                ) from exc
            offset += len(chunk)
            held = "\r" if part.endswith("\r") and chunk else ""  # its "\n" may be in the next chunk
            part = normalise(part.removesuffix(held), lowercase=False)
            lines += part.count("\n")
            before = (before + part)[-_BEFORE:]
            yield part
            if not chunk:
                return


def _sample(path: Path, head: bytes, wrong: int) -> bytes:
    """Return bytes from which to guess: the head, or, where that is ASCII, what surrounds the first byte that isn't."""
    if head.isascii():
        with path.open("rb") as file:
            file.seek(max(0, wrong - 4 * _AFTER))
            head = file.read(_SAMPLE_BYTES)
    return _whole_characters(head, _SAMPLE_BYTES)


def _whole_characters(sample: bytes, limit: int) -> bytes:
    """Cut bytes off at a limit, behind a line or a word: no encoding of several bytes has these within a character."""
    if len(sample) < limit:
        return sample
    return sample[: max(sample.rfind(b"\n", 0, limit), sample.rfind(b" ", 0, limit)) + 1] or sample[:limit]


def _guess(sample: bytes, wrong: _Undecodable) -> str:
    as_utf8 = sample.decode("utf-8", "replace")
    errors = as_utf8.count(_REPLACEMENT)
    if sum(not character.isascii() for character in as_utf8) > 3 * errors:
        raise InvalidRequest.at("/file", f"The file is UTF-8 except at {wrong}. Correct it there and send it again.")
    matches = from_bytes(sample)
    best = matches.best()
    if best is not None and len(matches) == 1 and best.chaos <= _MAX_CHAOS and best.coherence >= _MIN_COHERENCE:
        return encoding_of(best.encoding) or best.encoding
    guesses = _readings(sample)
    likely = " or ".join(name for name, _ in guesses[:3])
    raise UnknownEncoding(
        f"The file is not UTF-8 ({wrong}), and its encoding can't be detected for certain. "
        + (f"Name it (perhaps {likely}), or save the file as UTF-8." if likely else "Save it as UTF-8."),
        guesses,
    )


def _readings(sample: bytes) -> Sequence[tuple[str, str]]:
    """Return the encodings in which the bytes make sense, the likeliest first, with what they would say."""
    names = list(ENCODINGS)
    sample = _whole_characters(sample, _READINGS_BYTES)
    matches = from_bytes(sample, cp_isolation=[codec_of(name) for name in names], threshold=_MAX_GUESS_CHAOS)
    found = []
    for match in matches:
        text = str(match)
        same = {encoding_of(codec) or "" for codec in match.could_be_from_charset} - {""}
        if not any(unicodedata.category(character) in _NOT_IN_TEXT for character in set(text) - set("\t\n\r\f\v")):
            name = min(same, key=names.index)
            rank = (round(match.chaos, 1), match.coherence < _MIN_COHERENCE, names.index(name))
            found.append((rank, name, _places(text)))
    return [(name, places) for _, name, places in sorted(found)]


def _places(text: str) -> str:
    """Return what surrounds the first characters beyond ASCII that differ, in one line."""
    shown: list[str] = []
    seen: set[str] = set()
    end = 0
    for place, character in enumerate(text):
        if character.isascii() or character in seen or place < end:
            continue
        begin, end = max(end, place - _BEFORE), place + _AFTER
        shown.append(" ".join(text[begin:end].split()))
        seen.update(text[begin:end])
        if len(shown) == _MAX_PLACES:
            break
    return " … ".join(shown)

"""Formats that are text themselves: plain text, RTF, Markdown, subtitles."""

import re
from collections.abc import Iterator
from pathlib import Path

import pysubs2
from markdown_it import MarkdownIt
from striprtf.striprtf import rtf_to_text

from shared.errors import BadSourceFile, InvalidRequest
from shared.text.encodings import codec_of
from shared.text.source_formats import HEAD_BYTES
from shared.volume.decoding import decoded, detect_encoding
from worker.extraction.markup import HTML, blocks_of, parse_html
from worker.extraction.unpacking import damaged

_FRONT_MATTER = re.compile(r"\A---\n.*?\n(?:---|\.\.\.)\n", re.DOTALL)
#: A line break within a paragraph, for which striprtf writes the same as for its end.
_RTF_LINE = re.compile(r"\\line(?![a-z]) ?")
#: The beginning of a footnote, which striprtf leaves out, and what opens or closes a group behind it.
_RTF_NOTE, _RTF_BRACE = re.compile(r"\{(?:\\\*)?\\footnote(?![a-z])"), re.compile(r"\\[{}\\]|[{}]")
#: Seconds between two subtitles from which they are paragraphs.
_PAUSE_S = 3


def text_parts(path: Path, name: str, encoding: str | None) -> Iterator[str]:
    """Yield a plain text in parts. Raises BadSourceFile where it isn't one, or not in this encoding."""
    try:
        yield from decoded(path, encoding or detect_encoding(path))
    except InvalidRequest as exc:
        raise BadSourceFile(f"{name}: {exc.detail}", code="not_text") from exc


def html_encoding(path: Path) -> str | None:
    """Return the encoding of a web page that doesn't name one; None if it does, or if it is uncertain."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if b"charset" in head.lower() or b"encoding=" in head:
        return None
    try:
        return codec_of(detect_encoding(path))
    except InvalidRequest:
        return None


def markdown_blocks(path: Path, name: str, encoding: str | None) -> Iterator[str]:
    """Yield the paragraphs of a Markdown text without its marks."""
    text = _FRONT_MATTER.sub("", "".join(text_parts(path, name, encoding)))
    rendered = MarkdownIt("commonmark").enable("table").render(text)
    if rendered.strip():
        yield from blocks_of(parse_html(rendered.encode(), encoding="utf-8", name=name), HTML)


def rtf_blocks(path: Path, name: str) -> Iterator[str]:
    """Yield the paragraphs of an RTF, its footnotes last."""
    try:
        source = _RTF_LINE.sub(r"\\u8232?", path.read_bytes().decode("latin-1"))
        text = rtf_to_text(_with_notes_last(source), errors="replace")  # type: ignore[no-untyped-call]
    except (ValueError, LookupError, IndexError, RecursionError) as exc:
        raise damaged(name, exc) from exc
    for paragraph in text.split("\n"):
        lines = [line.strip(" \t|") for line in paragraph.split("\u2028")]
        if said := "\n".join(lines).strip("\n"):
            yield said


def _with_notes_last(source: str) -> str:
    """Move the footnotes of an RTF behind its text."""
    kept, notes, end = [], [], 0
    for start in _RTF_NOTE.finditer(source):
        if start.start() < end:
            continue
        kept.append(source[end : start.start()])
        depth, end = 1, len(source)
        for brace in _RTF_BRACE.finditer(source, start.end()):
            depth += {"{": 1, "}": -1}.get(brace[0], 0)
            if not depth:
                end = brace.end()
                break
        notes.append(rf"\par {{{source[start.end() : end]}")
    body, closing, rest = "".join([*kept, source[end:]]).rpartition("}")
    return "".join([body, *notes, closing, rest])


def subtitle_blocks(path: Path, name: str, encoding: str | None) -> Iterator[str]:
    """Yield what is said, one line per subtitle, in paragraphs where nothing is said for some seconds."""
    try:
        found = pysubs2.SSAFile.from_string("".join(text_parts(path, name, encoding)))
    except (pysubs2.exceptions.Pysubs2Error, ValueError) as exc:
        raise damaged(name, exc) from exc
    lines: list[str] = []
    last_ms = 0
    for one in found:
        if one.is_comment or not (said := " ".join(one.plaintext.split())):
            continue
        if lines and one.start - last_ms > _PAUSE_S * 1000:
            yield "\n".join(lines)
            lines = []
        if not lines or lines[-1] != said:
            lines.append(said)
        last_ms = one.end
    if lines:
        yield "\n".join(lines)

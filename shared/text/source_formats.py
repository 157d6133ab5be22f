"""Formats that a text can be extracted from, recognized by the first bytes of a file, by its name only for Markdown."""

import codecs
import re
from enum import StrEnum
from pathlib import PurePath

#: Bytes at the beginning of a file that recognition reads.
HEAD_BYTES = 4096


class SourceFormat(StrEnum):
    """What a file is. TEXT is plain text or nothing that is known here."""

    TEXT = "text"
    EPUB = "epub"
    HTML = "html"
    DOCX = "docx"
    ODT = "odt"
    FB2 = "fb2"
    RTF = "rtf"
    PDF = "pdf"
    MARKDOWN = "markdown"
    SUBTITLES = "subtitles"
    GZIP = "gzip"
    #: Any zip file; its entries distinguish an EPUB, a DOCX or an ODT from an archive.
    ZIP = "zip"
    #: The container of old Word files (.doc) and of encrypted new ones.
    OLE = "ole"


#: What a person can send in addition to plain text, in words.
IN_WORDS = "EPUB, HTML, DOCX, ODT, FB2, RTF, PDF, Markdown, subtitles (SRT, VTT), .gz or .zip"

_SIGNATURES = (
    (b"PK\x03\x04", SourceFormat.ZIP),
    (b"PK\x05\x06", SourceFormat.ZIP),  # one without entries
    (b"\x1f\x8b\x08", SourceFormat.GZIP),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", SourceFormat.OLE),
    (b"{\\rtf", SourceFormat.RTF),
    (b"%PDF-", SourceFormat.PDF),
)
_PROLOG = r"\s*(?:<\?xml[^>]*\?>\s*|<!--.*?-->\s*)*"
_MARKUP = (
    (re.compile(_PROLOG + r"(?:<!DOCTYPE\s+html\b|<html[\s>])", re.IGNORECASE | re.DOTALL), SourceFormat.HTML),
    (re.compile(_PROLOG + r"(?:<!DOCTYPE.*?)?<FictionBook[\s>]", re.DOTALL), SourceFormat.FB2),
    (re.compile(r"WEBVTT(?:\s|$)"), SourceFormat.SUBTITLES),
    (re.compile(r"\s*\d+[ \t]*\r?\n\d+:\d\d:\d\d[,.]\d{1,3}[ \t]*-->"), SourceFormat.SUBTITLES),
)
_BY_SUFFIX = {
    ".md": SourceFormat.MARKDOWN,
    ".markdown": SourceFormat.MARKDOWN,
    ".htm": SourceFormat.HTML,
    ".html": SourceFormat.HTML,
    ".xhtml": SourceFormat.HTML,
}


def recognize(head: bytes, filename: str) -> SourceFormat:
    """Return the format of a file.

    Args:
        head: its first bytes, `HEAD_BYTES` of them if it has that many.
        filename: its name, which decides where the content can't: for Markdown, and for HTML without <html>.
    """
    for signature, found in _SIGNATURES:
        if head.startswith(signature):
            return found
    suffix = PurePath(filename).suffix.lower()
    if suffix == ".pdf" and b"%PDF-" in head[:1024]:  # the format allows other bytes before it
        return SourceFormat.PDF
    text = _decoded(head)
    for pattern, found in _MARKUP:
        if pattern.match(text):
            return found
    return SourceFormat.TEXT if "\0" in text else _BY_SUFFIX.get(suffix, SourceFormat.TEXT)


def _decoded(head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return head.decode("utf-16", "replace")
    return head.removeprefix(codecs.BOM_UTF8).decode("latin-1")

"""Formats that no text is taken from, recognized by their bytes, and what to send instead. Words only: no parsing."""

from collections.abc import Iterable

_BOOK = "Convert it to EPUB, with calibre for example, and send that"
_WORD = "Open it in Word or LibreOffice and save it as DOCX"
_SHEET = "Save its sheet as CSV, and name the column to take"
_SLIDES = "Export it as PDF and send that"
_PICTURE = "Have its text recognized first (OCR)"
_SPEECH = "Have what is said transcribed first, or send its subtitles (SRT, VTT)"
_ARCHIVE = "Unpack it and send what it contains, or pack that as .zip"
_APPLE = "Export it as EPUB, Word (DOCX) or PDF, in the program that made it"

#: Bytes of a short mark.
_SHORT = 4
#: Where the bytes are, the bytes, what such a file is, and what to do. Of containers the more exact line is first.
_BY_BYTES: tuple[tuple[int, bytes, str, str], ...] = (
    (60, b"BOOKMOBI", "an e-book for Kindle (MOBI, AZW or AZW3)", _BOOK),
    (60, b"TEXtREAd", "an e-book for Palm (PDB)", _BOOK),
    (0, b"CONT\2\0", "an e-book for Kindle (KFX)", _BOOK),
    (0, b"\xeaDRMION\xee", "an e-book for Kindle that is protected (KFX)", "It can be read on its own devices only"),
    (0, b"ITOLITLS", "an e-book for Microsoft Reader (LIT)", _BOOK),
    (0, b"L\0R\0F\0", "an e-book for Sony's readers (LRF)", _BOOK),
    (0, b"ITSF", "a help file of Windows (CHM)", _BOOK),
    (0, b"AT&TFORM", "a scan (DjVu)", "Save its text layer as plain text, or have its text recognized first (OCR)"),
    (0, b"\xffWPC", "a WordPerfect document", _WORD),
    (0, b"\x89PNG\r\n\x1a\n", "a picture (PNG)", _PICTURE),
    (0, b"\xff\xd8\xff", "a picture (JPEG)", _PICTURE),
    (0, b"GIF8", "a picture (GIF)", _PICTURE),
    (0, b"II*\0", "a picture (TIFF)", _PICTURE),
    (0, b"MM\0*", "a picture (TIFF)", _PICTURE),
    (0, b"BM", "a picture (BMP)", _PICTURE),
    (8, b"WEBP", "a picture (WebP)", _PICTURE),
    (4, b"ftyphei", "a picture (HEIC)", _PICTURE),
    (4, b"ftypmif1", "a picture (HEIC)", _PICTURE),
    (4, b"ftypavif", "a picture (AVIF)", _PICTURE),
    (4, b"ftypM4A", "a sound recording (M4A)", _SPEECH),
    (4, b"ftypM4B", "an audiobook (M4B)", _SPEECH),
    (4, b"ftyp", "a video (MP4)", _SPEECH),
    (0, b"ID3", "a sound recording (MP3)", _SPEECH),
    (0, b"\xff\xfb", "a sound recording (MP3)", _SPEECH),
    (0, b"\xff\xf3", "a sound recording (MP3)", _SPEECH),
    (0, b"OggS", "a sound recording (Ogg)", _SPEECH),
    (0, b"fLaC", "a sound recording (FLAC)", _SPEECH),
    (8, b"WAVE", "a sound recording (WAV)", _SPEECH),
    (8, b"AVI", "a video (AVI)", _SPEECH),
    (0, b"\x1a\x45\xdf\xa3", "a video (MKV or WebM)", _SPEECH),
    (0, b"Rar!\x1a\7", "an archive (RAR)", _ARCHIVE),
    (0, b"7z\xbc\xaf\x27\x1c", "an archive (7z)", _ARCHIVE),
    (257, b"ustar", "an archive (tar)", _ARCHIVE),
    (4, b"1AY&SY", "compressed with bzip2", _ARCHIVE),
    (0, b"\xfd7zXZ\0", "compressed with xz", _ARCHIVE),
    (0, b"\x28\xb5\x2f\xfd", "compressed with zstd", _ARCHIVE),
)
#: The same by a name that a zip file has in it, or that one begins with.
_BY_ENTRY: tuple[tuple[str, str, str], ...] = (
    ("Index/Document.iwa", "a document of Pages, Numbers or Keynote", _APPLE),
    ("Index.zip", "a document of Pages, Numbers or Keynote", _APPLE),
    ("buildVersionHistory.plist", "a document of Pages, Numbers or Keynote", _APPLE),
    ("xl/", "a workbook (Excel)", _SHEET),
    ("ppt/", "a presentation (PowerPoint)", _SLIDES),
    ("visio/", "a drawing (Visio)", _SLIDES),
    ("FixedDoc", "a printout (XPS)", "Save it as PDF and send that"),
)
#: By the end of the media type in an OpenDocument file.
_BY_TYPE: tuple[tuple[str, str, str], ...] = (
    ("spreadsheet", "a spreadsheet (OpenDocument)", _SHEET),
    ("presentation", "a presentation (OpenDocument)", _SLIDES),
    ("graphics", "a drawing (OpenDocument)", _SLIDES),
)
#: By the name of a stream in a container of old Office files, in UTF-16 there.
_BY_STREAM: tuple[tuple[str, str, str], ...] = (
    ("WordDocument", "an old Word document (DOC)", _WORD),
    ("PowerPoint Document", "an old presentation (PPT)", _SLIDES),
    ("Workbook", "an old workbook (XLS)", _SHEET),
    ("__substg1.0_", "a message of Outlook (MSG)", "Save it as text or HTML"),
    ("MatOST", "a document of Microsoft Works (WPS)", _WORD),
)


def by_bytes(head: bytes) -> str | None:
    """Return what a file is, and what to do, by its first bytes; None if it isn't known.

    A text may begin with a short mark that is readable, such as BM: it counts where there are NUL bytes, too.
    """
    for place, mark, what, do in _BY_BYTES:
        readable = len(mark) <= _SHORT and mark.isalnum()
        if head.startswith(mark, place) and (b"\0" in head or not readable):
            return _said(what, do)
    return None


def by_entries(names: Iterable[str], media_type: str) -> str | None:
    """Return the same for a zip file, by the names in it and its media type, "" if it has none."""
    for part, what, do in _BY_TYPE:
        if part in media_type:
            return _said(what, do)
    names = list(names)
    for start, what, do in _BY_ENTRY:
        if any(name.startswith(start) for name in names):
            return _said(what, do)
    return None


def by_streams(content: bytes) -> str:
    """Return the same for a container of old Office files."""
    for name, what, do in _BY_STREAM:
        if name.encode("utf-16-le") in content:
            return _said(what, do)
    return _said("an old document of Office", _WORD)


def _said(what: str, do: str) -> str:
    return f"{what}. {do}."

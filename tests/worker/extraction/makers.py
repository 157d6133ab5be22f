"""Makes small files of each format, all of the same two chapters."""

import ctypes
import gzip
import io
import zipfile
from collections.abc import Mapping, Sequence

import pypdfium2
from pypdfium2 import raw

#: The text of every good file.
BOOK = "The Reeds\n\nThe wind was in the reeds & it sang.\n\nThe river heard it all.\n"
_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_XHTML = '<html xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title></head><body>{}</body></html>'
_BODY = "<h1>The Reeds</h1><p>The wind was in the\n reeds &amp; it <i>sang</i>.</p><p>The river heard it all.</p>"
_CONTAINER = '<container><rootfiles><rootfile full-path="OPS/a.opf"/></rootfiles></container>'
_NO_RELS = "<Relationships/>"


def zipped(files: Mapping[str, str | bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Make a zip file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def epub(bodies: Mapping[str, str], extra: Mapping[str, str] | None = None) -> bytes:
    """Make an EPUB whose manifest lists its documents backwards; only the spine has their order."""
    items = "".join(
        f'<item id="{name}" href="{name}.xhtml" media-type="application/xhtml+xml"/>' for name in reversed([*bodies])
    )
    refs = "".join(f'<itemref idref="{name}"/>' for name in bodies)
    package = (
        '<package xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata><dc:title>Reeds</dc:title><dc:creator>A. B.'
        f'</dc:creator></metadata><manifest><item id="n" href="n.xhtml" properties="nav" '
        f'media-type="application/xhtml+xml"/>{items}</manifest><spine><itemref idref="n"/>{refs}</spine></package>'
    )
    pages = {f"OPS/{name}.xhtml": _XHTML.format(body) for name, body in bodies.items()}
    nav = {"OPS/n.xhtml": _XHTML.format("<nav>Contents</nav>")}
    head = {"mimetype": "application/epub+zip", "META-INF/container.xml": _CONTAINER, "OPS/a.opf": package}
    return zipped({**head, **nav, **pages, **(extra or {})})


def docx(body: str, extra: Mapping[str, str] | None = None) -> bytes:
    """Make a Word document."""
    document = f"<w:document {_W}><w:body>{body}</w:body></w:document>"
    files = {"[Content_Types].xml": "<Types/>", "_rels/.rels": _NO_RELS, "word/document.xml": document}
    return zipped({**files, **(extra or {})})


def odt(body: str) -> bytes:
    """Make an OpenDocument text."""
    content = (
        '<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
        'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:text>'
        f"{body}</office:text></office:body></office:document-content>"
    )
    return zipped({"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": content})


def pdf(pages: Sequence[Sequence[tuple[str, float, float]]], *, small: str = "") -> bytes:
    """Make a PDF of lines at their places; one text may be small."""
    document = pypdfium2.PdfDocument.new()
    font = raw.FPDFText_LoadStandardFont(document.raw, b"Helvetica")
    for lines in pages:
        page = document.new_page(400, 600)
        for text, left, bottom in lines:
            piece = raw.FPDFPageObj_CreateTextObj(document.raw, font, ctypes.c_float(7 if text == small else 12))
            units = ctypes.create_string_buffer(f"{text}\0".encode("utf-16-le"))
            raw.FPDFText_SetText(piece, ctypes.cast(units, ctypes.POINTER(ctypes.c_ushort)))
            raw.FPDFPageObj_Transform(piece, 1, 0, 0, 1, left, bottom)
            raw.FPDFPage_InsertObject(page.raw, piece)
        page.gen_content()
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def ole(stream: str) -> bytes:
    """Make the beginning of a container of old Office files, with the name of a stream in it."""
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 99 + stream.encode("utf-16-le")


def locked(content: bytes) -> bytes:
    """Mark every entry of a zip file as encrypted."""
    changed = bytearray(content)
    for signature, flags in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        place = changed.find(signature)
        while place >= 0:
            changed[place + flags] |= 1
            place = changed.find(signature, place + 1)
    return bytes(changed)


def _paragraphs(*texts: str) -> str:
    return "".join(f"<w:p><w:pPr><w:tabs><w:tab/></w:tabs></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>" for text in texts)


_FB2 = (
    '<?xml version="1.0"?><FictionBook><description><book-title>Reeds</book-title></description><body><title><p>'
    "The Reeds</p></title><p>The wind was in the reeds &amp; it sang.</p><p>The river heard it all.</p></body>"
    "</FictionBook>"
)
_LINES = [("The Reeds", 50, 540), ("The wind was in the", 50, 500), ("reeds & it sang.", 50, 486)]
_SRT = "1\n00:00:01,000 --> 00:00:02,000\nThe Reeds\n\n2\n00:00:08,000 --> 00:00:09,000\n<i>The wind was in the\n"
_SRT += "reeds</i> & it sang.\n\n3\n00:00:20,000 --> 00:00:21,000\nThe river heard it all.\n"

#: Name of a file, and its content; each has the text `BOOK`.
GOOD: dict[str, bytes] = {
    "reeds.epub": epub(
        {
            "one": "<h1>The Reeds</h1><p>The wind was in the reeds &amp; it sang.</p>",
            "two": "<p>The river heard it all.</p>",
        }
    ),
    "reeds.html": b"<!-- a --><!DOCTYPE html>\n"
    + _XHTML.format(f"<nav>Home</nav>{_BODY}<script>x()</script>").encode(),
    "reeds.docx": docx(_paragraphs("The Reeds", "The wind was in the reeds &amp; it sang.", "The river heard it all.")),
    "reeds.odt": odt(
        "<text:h>The Reeds</text:h><text:p>The wind was<text:s/>in the reeds &amp; it sang.</text:p>"
        "<text:p>The river heard it all.</text:p>"
    ),
    "reeds.fb2": _FB2.encode(),
    "reeds.rtf": rb"{\rtf1\ansi The Reeds\par The wind was in the reeds & it {\b sang}.\par The river heard it all.}",
    "reeds.pdf": pdf([_LINES, [("The river heard it all.", 50, 540)]]),
    "reeds.md": b"---\na: x\n---\n# The Reeds\n\nThe wind was in the\nreeds & it *sang*.\n\nThe river heard it all.\n",
    "reeds.srt": _SRT.encode(),
    "reeds.vtt": b"WEBVTT\n\n" + _SRT.replace(",000", ".000").encode(),
    "reeds.txt.gz": gzip.compress(BOOK.encode()),
    "reeds.zip": zipped(
        {
            "part 10.txt": "The river heard it all.",
            "part 9.fb2": _FB2.replace("<p>The river heard it all.</p>", ""),
            "cover.png": b"\x89PNG\r\n\0\0",
            "__MACOSX/._part 9.fb2": b"\0\5\26\7",
        }
    ),
}


def bomb(size: int = 64 << 20) -> bytes:
    """Make a zip file that is a thousandth of what it unpacks to."""
    return zipped({"zeros.txt": b"0" * size})


def entity_bomb(root: str, place: str) -> bytes:
    """Make XML of ten entities that expand to a thousand million characters."""
    entities = '<!ENTITY a0 "lol">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    return f'<?xml version="1.0"?><!DOCTYPE {root} [{entities}]>{place.format("&a9;")}'.encode()

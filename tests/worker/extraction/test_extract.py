"""One text out of each kind of file: chapters and paragraphs as blank lines, in order, nothing from outside."""

import gzip
import socket
import threading
from pathlib import Path

import pytest

from shared.errors import BadSourceFile
from shared.text.source_formats import HEAD_BYTES, SourceFormat, recognize
from tests.worker.extraction import makers
from worker.extraction.extract import Found, extract


def extracted(
    content: bytes, name: str, folder: Path, *, max_bytes: int = 1 << 20, unpacked: int = 1 << 20
) -> tuple[str, Found]:
    """Extract a file's text; see that nothing else is left in the folder."""
    upload, work = folder / "upload", folder / "work"
    upload.write_bytes(content)
    work.mkdir()
    shares: list[float] = []
    found = extract(
        upload, name, work, encoding=None, max_bytes=max_bytes, max_unpacked_bytes=unpacked, report=shares.append
    )
    assert [path.name for path in work.iterdir()] == ["text.txt"]
    assert shares == sorted(shares)
    return (work / "text.txt").read_text(), found


@pytest.mark.parametrize("name", makers.GOOD)
def test_each_format_gives_the_same_text(name: str, tmp_path: Path) -> None:
    text, found = extracted(makers.GOOD[name], name, tmp_path)
    assert text == makers.BOOK
    plain = recognize(makers.GOOD[name][:HEAD_BYTES], name) is SourceFormat.TEXT
    assert not plain
    assert (found.files, found.skipped) == ((2, ["cover.png"]) if name == "reeds.zip" else (1, []))


def test_what_the_file_says_of_itself_is_kept(tmp_path: Path) -> None:
    _, found = extracted(makers.GOOD["reeds.epub"], "reeds.epub", tmp_path)
    assert (found.format, found.title, found.author) == (SourceFormat.EPUB, "Reeds", "A. B.")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"Plain text.", "a.txt"),
        (b"# A comment of a program", "a.py"),
        (b"a,b\n1,2\n", "a.csv"),
        (b"<p>no page</p>", "a.txt"),
        (b"1\n00:00 a list --> of times", "a.txt"),
        (b"%PDF is a word", "a.txt"),
        (b"\0\1\2", "a.md"),
        (b"", "a"),
    ],
)
def test_plain_text_is_recognized_as_such(content: bytes, name: str) -> None:
    assert recognize(content, name) is SourceFormat.TEXT


def test_soft_line_ends_of_a_pdf_are_joined_and_indents_begin_paragraphs(tmp_path: Path) -> None:
    lines = ["The wind went through the reeds and sang a song of won-", "der to the river, which went on for the whole"]
    lines += ["of the long day and was not heard by anybody at all then."]
    placed = [(line, 50.0, 500 - 14.0 * n) for n, line in enumerate(lines)]
    placed += [("Only the heron, who stood there, had heard it.", 65.0, 458.0)]
    text, _ = extracted(makers.pdf([placed]), "a.pdf", tmp_path)
    assert text == (
        "The wind went through the reeds and sang a song of wonder to the river, which went on for the whole of the "
        "long day and was not heard by anybody at all then.\n\nOnly the heron, who stood there, had heard it.\n"
    )


def test_footnotes_deletions_and_fields_of_office_files_are_in_their_places(tmp_path: Path) -> None:
    note = "<text:note-citation>1</text:note-citation><text:note-body><text:p>Or sedge.</text:p></text:note-body>"
    text, _ = extracted(makers.odt(f"<text:p>Reeds<text:note>{note}</text:note> sang.</text:p>"), "a.odt", tmp_path)
    assert text == "Reeds sang.\n\nOr sedge.\n"
    (tmp_path / "docx").mkdir()
    body = (
        "<w:p><w:r><w:t>Reeds</w:t></w:r><w:ins><w:r><w:t> sang</w:t></w:r></w:ins><w:del><w:r><w:delText> fell"
        "</w:delText></w:r></w:del><w:r><w:instrText>PAGE</w:instrText><w:br/><w:t>aloud.</w:t></w:r></w:p>"
    )
    assert extracted(makers.docx(body), "a.docx", tmp_path / "docx")[0] == "Reeds sang\naloud.\n"


def test_a_superior_number_is_a_part_of_its_line_in_a_pdf(tmp_path: Path) -> None:
    placed = [
        ("The wind sang.", 50.0, 500.0),
        ("1", 132.0, 505.0),
        ("The river heard it all and it went on", 143.0, 500.0),
    ]
    text, _ = extracted(makers.pdf([[*placed, ("to the sea.", 50.0, 486.0)]], small="1"), "a.pdf", tmp_path)
    assert text == "The wind sang.¹ The river heard it all and it went on to the sea.\n"


def test_numbers_of_notes_are_marked_and_those_of_printed_pages_are_left_out(tmp_path: Path) -> None:
    body = (
        '<p>Reeds<a href="#n1" role="doc-noteref">1</a> sang<sup><a> 12 </a></sup>, 5 m<sup>2</sup> of the 9<sup>th'
        '</sup>.<span epub:type="pagebreak">7</span> The <span class="x pagenum">[Pg 8]</span>river.</p>'
        '<p id="n1">1. Or sedge.<a role="doc-backlink">↩</a></p><p class="pagenum">A paragraph of its own.</p>'
    )
    expected = "Reeds¹ sang ¹² , 5 m² of the 9th. The river.\n\n1. Or sedge.\n\nA paragraph of its own.\n"
    for name, content in {"a.epub": makers.epub({"one": body}), "a.html": f"<html>{body}".encode()}.items():
        (folder := tmp_path / name).mkdir()
        assert extracted(content, name, folder)[0] == expected


def test_footnotes_of_an_rtf_are_behind_its_text(tmp_path: Path) -> None:
    word = rb"{\super \chftn {\footnote \pard {\super \chftn } Or {\b sedge} \{x\}.}}"
    pandoc = rb"{\super\chftn}{\*\footnote\chftn\~\plain\pard Or rushes.}"
    text, _ = extracted(rb"{\rtf1\ansi Reeds" + word + rb" sang" + pandoc + rb" aloud.\par So.}", "a.rtf", tmp_path)
    assert [" ".join(line.split()) for line in text.split("\n\n")] == [
        "Reeds sang aloud.",
        "So.",
        "Or sedge {x}.",
        "Or rushes.",
    ]


PDF_WITH_PASSWORD = makers.GOOD["reeds.pdf"].replace(
    b"/Root",
    b"/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<%b>/U<%b>>>/ID[<00><00>]/Root" % (b"ab" * 32, b"cd" * 32),
)
ENCRYPTION = (
    '<encryption><EncryptedData><EncryptionMethod Algorithm="aes"/><CipherData><CipherReference URI="OPS/one.xhtml"/>'
    "</CipherData></EncryptedData></encryption>"
)
XHTML_BOMB = makers.entity_bomb("html", "<html><body><p>{}</p></body></html>").decode()

BAD: dict[str, tuple[str, bytes, str, str]] = {
    "a zip bomb": ("a.zip", makers.bomb(), "unpacked_too_large", "more than 1 MiB.*EXTRACT_UNPACKED_BYTES"),
    "a gzip bomb": ("a.gz", gzip.compress(b"0" * (64 << 20)), "unpacked_too_large", "Send the text in parts"),
    "a nested bomb": ("a.zip", makers.zipped({"b.zip": makers.bomb()}), "unpacked_too_large", "more than"),
    "archives in archives": (
        "a.gz",
        gzip.compress(gzip.compress(gzip.compress(gzip.compress(b"text")))),
        "nested_too_deep",
        "within 3 others",
    ),
    "entities in FB2": (
        "a.fb2",
        makers.entity_bomb("FictionBook", "<FictionBook><body><p>{}</p></body></FictionBook>"),
        "bad_source_file",
        "(?i)entity",
    ),
    "entities in an EPUB": ("a.epub", makers.epub({"one": XHTML_BOMB}), "bad_source_file", "a.epub is damaged"),
    "entities in a DOCX": (
        "a.docx",
        makers.docx("", {"word/footnotes.xml": XHTML_BOMB}),
        "bad_source_file",
        "declares a document type",
    ),
    "a PDF with a password": ("a.pdf", PDF_WITH_PASSWORD, "encrypted", "a.pdf is encrypted.*without"),
    "a zip with a password": ("a.zip", makers.locked(makers.GOOD["reeds.zip"]), "encrypted", "needs a password"),
    "a DOCX with a password": (
        "a.docx",
        makers.ole("EncryptedPackage"),
        "encrypted",
        "without a password",
    ),
    "an EPUB with DRM": (
        "a.epub",
        makers.epub({"one": "x"}, {"META-INF/encryption.xml": ENCRYPTION}),
        "encrypted",
        "DRM",
    ),
    "an old Word file": ("a.doc", makers.ole("WordDocument"), "unsupported", "Word document.*save it as DOCX"),
    "an old presentation": ("a.ppt", makers.ole("PowerPoint Document"), "unsupported", "old presentation.*as PDF"),
    "an old workbook": ("a.xls", makers.ole("Workbook"), "unsupported", "old workbook.*as CSV"),
    "another old file": ("a.pub", makers.ole("Quill"), "unsupported", "an old document of Office"),
    "a workbook": ("a.xlsx", makers.zipped({"[Content_Types].xml": "", "xl/a.xml": ""}), "unsupported", "Excel.*CSV"),
    "a presentation": (
        "a.pptx",
        makers.zipped({"[Content_Types].xml": "", "ppt/a": ""}),
        "unsupported",
        "PowerPoint.*PDF",
    ),
    "an unknown package": ("a.3mf", makers.zipped({"[Content_Types].xml": ""}), "unsupported", "isn't read here.*EPUB"),
    "a spreadsheet": (
        "a.ods",
        makers.zipped({"mimetype": "application/vnd.oasis.opendocument.spreadsheet"}),
        "unsupported",
        "a spreadsheet.*CSV",
    ),
    "a document of Pages": (
        "a.pages",
        makers.zipped({"Index/Document.iwa": b"\0", "Metadata/a.plist": "<plist/>", "preview.jpg": b"\xff\xd8\xff"}),
        "unsupported",
        "a document of Pages.*EPUB, Word",
    ),
    "a Kindle book": ("a.zip", makers.zipped({"a.azw3": b"\0" * 60 + b"BOOKMOBI"}), "not_text", "a.azw3.*Kindle.*EPUB"),
    "a packed archive": ("a.tar.gz", gzip.compress(b"a\0" * 128 + b"\0ustar"), "not_text", "archive .tar.*as .zip"),
    "a damaged zip": ("a.zip", makers.GOOD["reeds.zip"][:-9], "bad_source_file", "a.zip is damaged"),
    "a damaged DOCX": ("a.docx", makers.docx("<w:p>"), "bad_source_file", "a.docx is damaged"),
    "a damaged gzip": ("a.gz", makers.GOOD["reeds.txt.gz"][:-9], "bad_source_file", "a.gz is damaged"),
    "a damaged PDF": ("a.pdf", makers.GOOD["reeds.pdf"][:99], "bad_source_file", "a.pdf is damaged"),
    "an empty EPUB": ("a.epub", makers.epub({}), "no_text", "a.epub has no text"),
    "an EPUB of nothing": (
        "a.epub",
        makers.zipped({"mimetype": "application/epub+zip"}),
        "bad_source_file",
        "container",
    ),
    "a DOCX of pictures": ("a.docx", makers.docx("<w:p><w:drawing/></w:p>"), "no_text", "pictures"),
    "a PDF of pictures": ("a.pdf", makers.pdf([[], []]), "no_text", "OCR"),
    "a zip of pictures": ("a.zip", makers.zipped({"a.png": b"\x89PNG\r\n\x1a\n\0"}), "not_text", "a.png.*OCR"),
    "an empty zip": ("a.zip", makers.zipped({}), "no_text", "a.zip has no text"),
    "a text that is too long": ("a.md", b"All work and no play. " * 60_000, "text_too_large", "MAX_CORPUS_BYTES"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_file_without_a_text_to_take_is_refused_in_words(case: str, tmp_path: Path) -> None:
    name, content, code, words = BAD[case]
    with pytest.raises(BadSourceFile, match=words) as caught:
        extracted(content, name, tmp_path)
    assert caught.value.code == code
    left = {path.name for path in (tmp_path / "work").iterdir()}
    assert left <= {"text.txt"}


def test_names_that_lead_elsewhere_lead_nowhere(tmp_path: Path) -> None:
    evil = makers.zipped({"../../evil.txt": "The first.", "/tmp/evil 2.txt": "The second."})  # noqa: S108
    text, _ = extracted(evil, "a.zip", tmp_path)
    assert set(text.split("\n\n")) == {"The first.", "The second.\n"}
    assert {path.name for path in tmp_path.rglob("*")} == {"upload", "work", "text.txt"}


def test_nothing_is_fetched_and_no_other_file_is_read(tmp_path: Path) -> None:
    # Given: files that refer to a server, which counts its visitors, and to a file with a secret.
    (tmp_path / "secret").write_text("a secret")
    visits: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x"
        thread = threading.Thread(target=_count_visits, args=(server, visits), daemon=True)
        thread.start()
        outside = f'[<!ENTITY % d SYSTEM "{url}"> %d; <!ENTITY e SYSTEM "file://{tmp_path}/secret">]'
        page = (
            f'<!DOCTYPE html {{}}><html><link rel="stylesheet" href="{url}"/><img src="{url}"/><p>Here{{}}.</p></html>'
        )
        files = {
            "a.html": page.format(f'SYSTEM "{url}"', "&e;").encode(),
            "a.md": f"Here. ![x]({url})".encode(),
            "a.fb2": f'<!DOCTYPE FictionBook SYSTEM "{url}" {outside}><FictionBook>Here&e;.</FictionBook>'.encode(),
            "a.epub": makers.epub({"one": f'<p>Here.</p><img src="{url}"/><iframe src="{url}"/>'}),
        }
        # When
        for number, (name, content) in enumerate(files.items()):
            (folder := tmp_path / str(number)).mkdir()
            try:
                text, _ = extracted(content, name, folder)
            except BadSourceFile:
                text = ""
            # Then
            assert "secret" not in text
        with socket.create_connection(server.getsockname()):
            thread.join(timeout=10)
    assert len(visits) == 1  # ours


def _count_visits(server: socket.socket, visits: list[object]) -> None:
    connection, _ = server.accept()
    connection.close()
    visits.append(connection)

"""From an uploaded file to one text: recognizes each file, unpacks archives, joins what the files say.

Imported in the child process that extracts, and nowhere else: it loads every parser.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Self

from natsort import natsorted, ns

from shared.errors import BadSourceFile
from shared.settings import PREFIX
from shared.sizes import size
from shared.text import foreign_formats
from shared.text.source_formats import HEAD_BYTES, IN_WORDS, SourceFormat, recognize
from worker.extraction import office, pdf, plain
from worker.extraction.epub import Book
from worker.extraction.markup import FB2, HTML, blocks_of, parse_html, parse_xml, text_of
from worker.extraction.unpacking import Archive, Budget, Scratch, open_gzip

#: Archives within archives that are opened: a .gz in a .zip, an EPUB in a .zip.
MAX_DEPTH = 3
#: Names that a result lists of files that were left out.
MAX_SKIPPED = 20
#: Names in an archive that the system that packed it made for itself.
_CLUTTER = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")
_CHARACTERS_OF_NO_TEXT = dict.fromkeys([0])


@dataclass(kw_only=True)
class Found:
    """What was extracted, and from what."""

    format: SourceFormat
    title: str | None = None
    author: str | None = None
    #: Files that the text consists of, and names of those that are no text.
    files: int = 0
    skipped: list[str] = field(default_factory=list)


class Text:
    """The text that is being written: documents and blocks are separated by one blank line."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._file = path.open("w", encoding="utf-8", errors="replace", newline="")
        self._left, self._max_bytes = max_bytes, max_bytes
        self._ends, self._wanted = 2, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def block(self, text: str) -> None:
        """Write a block as a paragraph of its own."""
        self.separate()
        self.part(text)
        self.separate()

    def part(self, text: str) -> None:
        """Write a part of a text as it is."""
        text = text.translate(_CHARACTERS_OF_NO_TEXT)
        if self._wanted:
            text = text.lstrip("\n\ufeff")
        if not text:
            return
        missing, self._wanted = max(0, self._wanted - self._ends), 0
        text = "\n" * missing + text
        self._left -= len(text.encode("utf-8", "replace"))
        if self._left < 0:
            raise BadSourceFile(
                f"The text has more than {size(self._max_bytes)}, the most that is accepted here "
                f"({PREFIX}MAX_CORPUS_BYTES). Send a part of it.",
                code="text_too_large",
            )
        self._file.write(text)
        stripped = text.rstrip("\n")
        self._ends = len(text) - len(stripped) + (0 if stripped else self._ends)

    def separate(self) -> None:
        """Have the next part begin after a blank line."""
        self._wanted = 2

    def end(self) -> bool:
        """End the last line; return False if nothing was written."""
        empty = self._left == self._max_bytes
        if not empty and not self._ends:
            self._file.write("\n")
        return not empty


class Extractor:
    """Extracts one upload."""

    def __init__(self, text: Text, scratch: Scratch, *, encoding: str | None, report: Callable[[float], None]) -> None:
        self._text = text
        self._scratch = scratch
        self._encoding = encoding
        self._report = report

    def extract(self, path: Path, name: str) -> Found:
        """Write the text of a file. Raises BadSourceFile."""
        return self._file(path, name, depth=0, report=self._report)

    def _file(self, path: Path, name: str, *, depth: int, report: Callable[[float], None]) -> Found:
        kind = format_of(path, name)
        match kind:
            case SourceFormat.OLE:
                raise _ole(path, name)
            case SourceFormat.GZIP:
                with open_gzip(path) as stream, self._scratch.hold(stream, name) as unpacked:
                    _check_depth(name, depth)
                    return self._file(unpacked, name.removesuffix(".gz"), depth=depth + 1, report=report)
            case SourceFormat.ZIP | SourceFormat.EPUB | SourceFormat.DOCX | SourceFormat.ODT:
                with Archive(path, name, self._scratch) as archive:
                    return self._archive(archive, depth, report)
            case SourceFormat.TEXT:
                self._text.separate()
                for part in plain.text_parts(path, name, self._encoding):
                    self._text.part(part)
                self._text.separate()
                return Found(format=kind, files=1)
            case _:
                return self._blocks(kind, path, name, report)

    def _blocks(self, kind: SourceFormat, path: Path, name: str, report: Callable[[float], None]) -> Found:
        found = Found(format=kind, files=1)
        blocks: Iterator[str]
        match kind:
            case SourceFormat.PDF:
                facts = pdf.facts_of(path, name)
                found.title, found.author = facts.get("Title"), facts.get("Author")
                blocks = pdf.paragraphs(pdf.pages_of(path, name, report))
            case SourceFormat.HTML:
                root = parse_html(path.read_bytes(), encoding=self._encoding or plain.html_encoding(path), name=name)
                found.title = text_of(root, "title")
                blocks = blocks_of(root, HTML)
            case SourceFormat.FB2:
                root = parse_xml(path.read_bytes(), name=name)
                found.title, found.author = text_of(root, "book-title"), text_of(root, "author")
                blocks = blocks_of(root, FB2)
            case SourceFormat.RTF:
                blocks = plain.rtf_blocks(path, name)
            case SourceFormat.MARKDOWN:
                blocks = plain.markdown_blocks(path, name, self._encoding)
            case _:
                blocks = plain.subtitle_blocks(path, name, self._encoding)
        self._write(blocks, kind, name)
        return found

    def _write(self, blocks: Iterator[str], kind: SourceFormat, name: str) -> None:
        empty = True
        for block in blocks:
            self._text.block(block)
            empty = False
        if empty:
            raise no_text(kind, name)

    def _archive(self, archive: Archive, depth: int, report: Callable[[float], None]) -> Found:
        kind = kind_of_zip(archive)
        found = Found(format=kind, files=1)
        if kind is SourceFormat.EPUB:
            book = Book(archive)
            found.title, found.author = book.title, book.author
            self._write(book.blocks(report), kind, archive.name)
        elif kind is SourceFormat.DOCX or kind is SourceFormat.ODT:
            found.title, found.author = office.office_facts(archive)
            of = office.docx_blocks if kind is SourceFormat.DOCX else office.odt_blocks
            self._write(of(archive), kind, archive.name)
        else:
            self._members(archive, found, depth, report)
        return found

    def _members(self, archive: Archive, found: Found, depth: int, report: Callable[[float], None]) -> None:
        """Extract the files of an archive in the natural order of their names; those that are no text are left out."""
        _check_depth(archive.name, depth)
        names = natsorted((one for one in archive.entries if not _is_clutter(one)), alg=ns.PATH | ns.IGNORECASE)
        first: BadSourceFile | None = None
        found.files = 0
        for number, entry in enumerate(names, 1):
            with archive.open(entry) as stream, self._scratch.hold(stream, entry) as path:
                try:
                    found.files += self._file(path, entry, depth=depth + 1, report=lambda _: None).files
                except BadSourceFile as exc:
                    if exc.code not in ("not_text", "no_text", "unsupported"):
                        raise
                    first = first or exc
                    found.skipped.append(entry[:200])
            report(number / len(names))
        if not found.files:
            raise first or no_text(SourceFormat.ZIP, archive.name)
        found.skipped = found.skipped[:MAX_SKIPPED]


def extract(
    upload: Path,
    name: str,
    folder: Path,
    *,
    encoding: str | None,
    max_bytes: int,
    max_unpacked_bytes: int,
    report: Callable[[float], None],
) -> Found:
    """Write the text of an uploaded file to `text.txt` in a folder.

    Args:
        upload: the file.
        name: its name at the client.
        folder: exists, and is empty.
        encoding: of plain texts; None: detected from their bytes.
        max_bytes: most bytes of the text.
        max_unpacked_bytes: most bytes that are unpacked on the way.
        report: called with the share that is done.

    Raises:
        BadSourceFile: the file is damaged, encrypted, too large when unpacked, or has no text.
    """
    with Text(folder / "text.txt", max_bytes) as text:
        extractor = Extractor(text, Scratch(folder, Budget(max_unpacked_bytes)), encoding=encoding, report=report)
        found = extractor.extract(upload, name or "The file")
        if not text.end():
            raise no_text(found.format, name)
    return found


def format_of(path: Path, name: str) -> SourceFormat:
    """Return the format of a file."""
    with path.open("rb") as file:
        return recognize(file.read(HEAD_BYTES), name)


def kind_of_zip(archive: Archive) -> SourceFormat:
    """Return what a zip file is, by its entries. Raises BadSourceFile for what is no text."""
    names = archive.entries
    mimetype = archive.read("mimetype")[:100].decode("latin-1").strip() if "mimetype" in names else ""
    if mimetype == "application/epub+zip" or "META-INF/container.xml" in names:
        return SourceFormat.EPUB
    if mimetype.startswith("application/vnd.oasis.opendocument.text"):
        return SourceFormat.ODT
    if any(name.startswith("word/document") for name in names) and "[Content_Types].xml" in names:
        return SourceFormat.DOCX
    known = foreign_formats.by_entries(names, mimetype)
    if known or "[Content_Types].xml" in names or mimetype:
        what = known or f"in a format that isn't read here. Send plain text, {IN_WORDS}."
        raise BadSourceFile(f"{archive.name} is {what}", code="unsupported")
    return SourceFormat.ZIP


def no_text(kind: SourceFormat, name: str) -> BadSourceFile:
    """Return the error for a file without text."""
    if kind is SourceFormat.PDF:
        why = "text layer: its pages are pictures, as of a scan. Have their text recognized first (OCR)"
    else:
        why = "text: it consists of pictures, or is empty"
    return BadSourceFile(f"{name} has no {why}.", code="no_text")


def _ole(path: Path, name: str) -> BadSourceFile:
    """Return the error for a container of old Office files, which holds encrypted new ones, too."""
    content = path.read_bytes()
    if "EncryptedPackage".encode("utf-16-le") in content:
        return BadSourceFile(f"{name} is encrypted. Save it without a password.", code="encrypted")
    return BadSourceFile(f"{name} is {foreign_formats.by_streams(content)}", code="unsupported")


def _check_depth(name: str, depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise BadSourceFile(
            f"{name} is an archive within {depth} others. Unpack it and send what it contains.", code="nested_too_deep"
        )


def _is_clutter(entry: str) -> bool:
    return any(part in _CLUTTER or part.startswith("._") for part in PurePosixPath(entry.replace("\\", "/")).parts)

"""DOCX and OpenDocument text: zip files whose text is XML."""

from collections.abc import Iterator

from lxml import etree

from shared.errors import BadSourceFile
from worker.extraction.markup import DOCX, ODT, blocks_of, local_name, parse_xml, text_of
from worker.extraction.unpacking import Archive

_TEXT_NOTES = ("footnotes.xml", "endnotes.xml")


def docx_blocks(archive: Archive) -> Iterator[str]:
    """Yield the paragraphs of a Word document, its footnotes last. Raises BadSourceFile."""
    main = _main_part(archive)
    folder = main.rpartition("/")[0]
    for part in (main, *(f"{folder}/{name}" for name in _TEXT_NOTES)):
        if part == main or part in archive.entries:
            root = _without_dtd(archive, part)
            for generated in [one for one in root.iter(etree.Element) if _is_contents(one)]:
                if (parent := generated.getparent()) is not None:
                    parent.remove(generated)
            yield from blocks_of(root, DOCX)


def odt_blocks(archive: Archive) -> Iterator[str]:
    """Yield the paragraphs of an OpenDocument text, a footnote after its paragraph. Raises BadSourceFile."""
    if "META-INF/manifest.xml" in archive.entries and b"encryption-data" in archive.read("META-INF/manifest.xml"):
        raise BadSourceFile(f"{archive.name} is encrypted. Save it without a password.", code="encrypted")
    root = _without_dtd(archive, "content.xml")
    for note in [one for one in root.iter(etree.Element) if local_name(one) == "note"]:
        _move_behind_its_paragraph(note)
    for body in (one for one in root.iter(etree.Element) if local_name(one) == "body"):
        yield from blocks_of(body, ODT)


def office_facts(archive: Archive) -> tuple[str | None, str | None]:
    """Return title and author, as the document says."""
    for part in ("docProps/core.xml", "meta.xml"):
        if part in archive.entries:
            root = _without_dtd(archive, part)
            return text_of(root, "title"), text_of(root, "creator", "initial-creator")
    return None, None


def _main_part(archive: Archive) -> str:
    rels = _without_dtd(archive, "_rels/.rels")
    for one in rels.iter(etree.Element):
        if one.get("Type", "").endswith("/officeDocument"):
            return str(one.get("Target", "")).lstrip("/")
    return "word/document.xml"


def _without_dtd(archive: Archive, part: str) -> etree._Element:
    """Parse a part; both formats forbid a DTD, where entities would be declared."""
    content = archive.read(part)
    if b"<!DOCTYPE" in content[:4096]:
        raise BadSourceFile(f"{archive.name} is damaged or made to do harm: {part} declares a document type.")
    return parse_xml(content, name=archive.name)


def _is_contents(element: etree._Element) -> bool:
    """Return True for a table of contents that Word generates."""
    return local_name(element) == "sdt" and any(
        local_name(one) == "docpartgallery" and "Table of Contents" in one.attrib.values()
        for one in element.iter(etree.Element)
    )


def _move_behind_its_paragraph(note: etree._Element) -> None:
    paragraph = next((one for one in note.iterancestors() if local_name(one) in ("p", "h")), None)
    parent = note.getparent()
    if paragraph is None or parent is None:
        return
    tail, before = note.tail or "", note.getprevious()
    note.tail = None
    if before is not None:
        before.tail = (before.tail or "") + tail
    else:
        parent.text = (parent.text or "") + tail
    paragraph.addnext(note)

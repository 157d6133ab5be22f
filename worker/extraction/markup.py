"""The text of a parsed document: blocks are separated by blank lines, everything else runs on.

lxml parses; what is here are tables that say which elements of a format are blocks, line breaks, or no part of the
text. Entities of the document itself are expanded within libxml2's limits; nothing outside of it is loaded.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml import etree, html

from shared.errors import BadSourceFile
from worker.extraction.unpacking import damaged

_SPACE = re.compile(r"[ \t\r\n\f]+")
#: Mark a line break and a space that stay while a block's white space is collapsed.
_BREAK, _KEPT = "\N{INFORMATION SEPARATOR ONE}", "\N{INFORMATION SEPARATOR TWO}"
#: For digits of a superior number: a power or the number of a footnote, not a part of the word before it.
SUPERIOR = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a format names its elements, without namespaces."""

    #: Elements that begin and end a block.
    blocks: frozenset[str]
    #: Elements whose text isn't part of the book.
    skipped: frozenset[str]
    #: Empty elements and the characters that they are.
    characters: dict[str, str] = field(default_factory=dict)
    #: Elements whose white space is kept.
    verbatim: frozenset[str] = frozenset()
    #: Elements that are left out where they are marked as a page number of the printed book, or a link back to it.
    paged: frozenset[str] = frozenset()


def _words(names: str) -> frozenset[str]:
    return frozenset(names.split())


#: Attributes and their values by which EPUB, ARIA and Project Gutenberg mark page numbers, links back from notes, and
#: numbers of notes.
_MARKS = ("role", "class", "epub:type", "{http://www.idpf.org/2007/ops}type")
_PAGED = _words("doc-pagebreak pagebreak pagenum pageno doc-backlink backlink footnote-back")
_NOTE_NUMBERS = _words("doc-noteref noteref footnote-ref")
#: Characters of the longest page number, such as [Pg 1234].
_LONGEST_MARK = 12

HTML = Dialect(
    blocks=_words(
        "address article aside blockquote body caption center dd details div dl dt fieldset figcaption figure footer "
        "form h1 h2 h3 h4 h5 h6 header hr html li main ol p pre section summary table tr ul"
    ),
    skipped=_words(
        "audio button canvas embed head iframe input math nav noscript object rp rt script select style svg template "
        "textarea title video"
    ),
    characters={"br": _BREAK, "td": " ", "th": " "},
    verbatim=frozenset({"pre"}),
    paged=_words("a div p small span"),
)
FB2 = Dialect(
    blocks=_words("body cite epigraph p poem section stanza subtitle table td text-author title tr v date annotation"),
    skipped=_words("description binary stylesheet"),
)
DOCX = Dialect(
    blocks=_words("p tr"),
    skipped=_words("del deltext fallback instrtext movefrom ppr rpr rt"),
    characters={"br": _BREAK, "cr": _BREAK, "tab": "\t", "nobreakhyphen": "-", "tc": " "},
)
ODT = Dialect(
    blocks=_words("h list list-item p section table table-cell table-row text"),
    skipped=_words(
        "alphabetical-index annotation bibliography forms index-title note-citation page-number table-of-content "
        "tracked-changes sequence-decls illustration-index table-index user-index"
    ),
    characters={"line-break": _BREAK, "tab": "\t", "s": _KEPT},
)


def parse_html(content: bytes, *, encoding: str | None, name: str) -> etree._Element:
    """Parse HTML, whatever its faults. Raises BadSourceFile where it has no elements."""
    parser = html.HTMLParser(encoding=encoding, no_network=True, remove_comments=True, remove_pis=True)
    try:
        root = html.document_fromstring(content, parser=parser)
    except (etree.LxmlError, ValueError, LookupError) as exc:
        raise damaged(name, exc) from exc
    return root


def parse_xml(content: bytes, *, name: str) -> etree._Element:
    """Parse XML. Raises BadSourceFile where it isn't well-formed, or its entities expand beyond libxml2's limits."""
    parser = etree.XMLParser(
        resolve_entities="internal",
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        return etree.fromstring(content, parser)
    except (etree.LxmlError, ValueError, LookupError) as exc:
        raise damaged(name, exc) from exc


def parse_xhtml(content: bytes, *, name: str) -> etree._Element:
    """Parse XHTML, as HTML where it isn't well-formed or uses entities of HTML."""
    try:
        return parse_xml(content, name=name)
    except BadSourceFile:
        if b"<!ENTITY" in content:
            raise
        return parse_html(content, encoding="utf-8", name=name)


def blocks_of(root: etree._Element, dialect: Dialect) -> Iterator[str]:
    """Yield the blocks of a document in order, none of them empty."""
    pieces: list[str] = []
    for piece in _pieces(root, dialect):
        if piece is None:
            if block := _tidy(pieces):
                yield block
            pieces.clear()
        else:
            pieces.append(piece)
    if block := _tidy(pieces):
        yield block


def local_name(element: etree._Element) -> str:
    """Return an element's name without its namespace; "" for an entity that wasn't expanded."""
    tag = element.tag
    return tag.rpartition("}")[2].lower() if isinstance(tag, str) else ""


def text_of(root: etree._Element, *names: str) -> str | None:
    """Return the text of the first element with one of these names, in one line; None without any."""
    for element in root.iter(etree.Element):
        if local_name(element) in names and (said := " ".join("".join(element.itertext()).split())):
            return said[:300]
    return None


def _pieces(root: etree._Element, dialect: Dialect) -> Iterator[str | None]:
    """Yield the text of a tree in pieces, None at the bounds of blocks. Depth costs no recursion."""
    skipping = verbatim = superior = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        name = local_name(element)
        start = event == "start"
        step = 1 if start else -1
        if name in dialect.skipped or (name in dialect.paged and _is_page_mark(element)):
            skipping += step
        if name == "sup" or (name == "a" and _is_marked(element, _NOTE_NUMBERS)):
            superior += step * "".join(element.itertext()).strip().isdecimal()
        if not skipping:
            if name in dialect.verbatim:
                verbatim += step
            if name in dialect.blocks:
                yield None
            if start and name in dialect.characters:
                yield dialect.characters[name] * _repeated(element)
            if start and element.text:
                text = element.text.translate(SUPERIOR) if superior else element.text
                yield _as_is(text) if verbatim else _SPACE.sub(" ", text)
        if not start and element is not root and element.tail and not skipping:
            yield _as_is(element.tail) if verbatim else _SPACE.sub(" ", element.tail)


def _is_page_mark(element: etree._Element) -> bool:
    """Return True for a page number of the printed book, and for a link from a note back to its place."""
    return _is_marked(element, _PAGED) and len("".join(element.itertext())) <= _LONGEST_MARK


def _is_marked(element: etree._Element, marks: frozenset[str]) -> bool:
    return any(not marks.isdisjoint(element.get(name, "").split()) for name in _MARKS)


def _repeated(element: etree._Element) -> int:
    """Return how many spaces an ODT's <text:s> is."""
    count = next((value for name, value in element.attrib.items() if name.endswith("}c")), "1")
    return min(int(count), 1000) if count.isdigit() else 1


def _as_is(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\n", _BREAK).replace(" ", _KEPT)


def _tidy(pieces: list[str]) -> str:
    """Return a block's text without doubled spaces, spaces at line ends, and empty lines at its ends."""
    lines = re.sub(" {2,}", " ", "".join(pieces)).split(_BREAK)
    return "\n".join(line.strip(" ").replace(_KEPT, " ").rstrip(" ") for line in lines).strip("\n\t")

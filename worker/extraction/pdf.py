"""The text layer of a PDF, read by PDFium. Lines are joined to paragraphs by what they look like on the page."""

import ctypes
import re
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pypdfium2
from pypdfium2 import raw

from shared.errors import BadSourceFile
from worker.extraction.markup import SUPERIOR
from worker.extraction.unpacking import damaged

#: What follows within this many heights of a line, at its level, belongs to it; a blank is wider than that.
_NEAR, _BLANK = 1.0, 0.12
#: A number directly behind a word, and the share of the line's height from which it isn't small.
_NUMBER_BEHIND, _SMALLER = re.compile(r"[1-9](?<=[^\s\d].)\d{0,2}(?!\w)"), 0.9
#: PDFium's mark for a hyphen and the end of a line behind it.
_SOFT_HYPHEN = "\ufffe"
_LINE = re.compile(rf"[^\n{_SOFT_HYPHEN}]+{_SOFT_HYPHEN}?")
#: A paragraph begins after a gap of this many usual distances between baselines, where a line is indented by this
#: many of its heights, and after a line that ends a sentence this share of the width before the right margin.
_GAP, _INDENT, _SHORT = 1.35, 0.5, 0.08
_ENDS = re.compile(r"[.!?:;…。！？”\"'’»)\]*—-]$")
_SPACELESS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a page; positions in points, y from the bottom up."""

    text: str
    left: float
    right: float
    bottom: float
    height: float


def pages_of(path: Path, name: str, report: Callable[[float], None]) -> Iterator[list[Line]]:
    """Yield the lines of each page. Raises BadSourceFile."""
    with _opened(path, name) as document:
        count = len(document)
        for number in range(count):
            yield list(_whole(_lines(document, number)))
            report((number + 1) / count)


def facts_of(path: Path, name: str) -> dict[str, str]:
    """Return what the document says of itself: "Title" and "Author". Raises BadSourceFile."""
    with _opened(path, name) as document:
        found: dict[str, str] = document.get_metadata_dict(skip_empty=True)
    return found


def paragraphs(pages: Iterator[list[Line]]) -> Iterator[str]:
    """Yield the paragraphs of all pages; one may begin on a page and end on the next."""
    held: list[str] = []
    last: Line | None = None
    for lines in pages:
        if not lines:
            continue
        gap = _usual_gap(lines)
        left, right = _margins(lines)
        for number, line in enumerate(lines):
            if held and last is not None and _begins(line, last, gap if number else None, left, right):
                yield _joined(held)
                held = []
            held.append(line.text)
            last = line
    if held:
        yield _joined(held)


def _opened(path: Path, name: str) -> pypdfium2.PdfDocument:
    try:
        return pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as exc:
        if getattr(exc, "err_code", None) == raw.FPDF_ERR_PASSWORD:
            raise BadSourceFile(
                f"{name} is encrypted: it needs a password to open. Save it without one.", code="encrypted"
            ) from exc
        raise damaged(name, exc) from exc


def _lines(document: pypdfium2.PdfDocument, number: int) -> Iterator[Line]:
    try:
        page = document[number]
        textpage = page.get_textpage()
    except pypdfium2.PdfiumError:  # one page is damaged; the others may be readable
        return
    try:
        text = textpage.get_text_range()
        for line in _LINE.finditer(text):
            if said := line[0].strip():
                first = line.start() + len(line[0]) - len(line[0].lstrip())
                boxes = [_box(textpage, place) for place in (first, first + len(said) - 1)]
                if found := [box for box in boxes if box is not None]:
                    yield Line(
                        text=_with_superior(textpage, said, first, found[0]),
                        left=found[0][0],
                        right=found[-1][1],
                        bottom=found[0][2],
                        height=max(1.0, found[0][3] - found[0][2]),
                    )
    finally:
        textpage.close()
        page.close()


def _whole(lines: Iterator[Line]) -> Iterator[Line]:
    """Join the parts of lines, which PDFium parts at the superior numbers of footnotes."""
    held: Line | None = None
    for line in lines:
        if held is None or not _is_beside(line, held):
            if held is not None:
                yield held
            held = line
            continue
        larger = max(held, line, key=lambda one: one.height)
        text = line.text.translate(SUPERIOR) if line.height < larger.height and line.text.isdecimal() else line.text
        blank = " " if line.left - held.right > _BLANK * larger.height else ""
        held = replace(larger, text=held.text + blank + text, left=held.left, right=line.right)
    if held is not None:
        yield held


def _is_beside(line: Line, before: Line) -> bool:
    """Return True for a part that begins where the one before ends, at its level."""
    middle = line.bottom + line.height / 2
    near = -1 < line.left - before.right < _NEAR * before.height
    return near and before.bottom < middle < before.bottom + before.height


def _with_superior(textpage: pypdfium2.PdfTextPage, text: str, first: int, box: tuple[float, ...]) -> str:
    """Write numbers that are smaller and higher than the beginning of their line as superior ones."""

    def written(match: re.Match[str]) -> str:
        own = _box(textpage, first + match.start())
        if own is None or own[3] - own[2] >= _SMALLER * (box[3] - box[2]) or own[2] <= box[2]:
            return match[0]
        return match[0].translate(SUPERIOR)

    return _NUMBER_BEHIND.sub(written, text)


def _box(textpage: pypdfium2.PdfTextPage, place: int) -> tuple[float, float, float, float] | None:
    """Return left, right, bottom and top of a character's cell, or None."""
    rect = raw.FS_RECTF()
    if not raw.FPDFText_GetLooseCharBox(textpage, place, ctypes.byref(rect)):
        return None
    return rect.left, rect.right, rect.bottom, rect.top


def _usual_gap(lines: list[Line]) -> float:
    gaps = [one.bottom - two.bottom for one, two in pairwise(lines) if one.bottom > two.bottom]
    return statistics.median_low(gaps) if gaps else 0.0


def _margins(lines: list[Line]) -> tuple[float, float]:
    """Return where most lines begin and where the long ones end."""
    lefts = statistics.multimode(round(line.left) for line in lines)
    rights = sorted(line.right for line in lines)
    return min(lefts), rights[len(rights) * 9 // 10 if len(rights) > 1 else 0]


def _begins(line: Line, last: Line, gap: float | None, left: float, right: float) -> bool:
    """Return True if a line begins a paragraph. `gap` is None for the first one of a page."""
    if abs(line.height - last.height) > 0.2 * last.height:
        return True
    short = last.right < right - _SHORT * (right - left)
    if line.left - left > _INDENT * line.height and line.left - last.left > 1:
        return True
    if gap is None:
        return bool(_ENDS.search(last.text)) and short
    if last.bottom - line.bottom > _GAP * gap or line.bottom > last.bottom + line.height:
        return last.bottom > line.bottom or short  # a line further up begins a column
    return short and bool(_ENDS.search(last.text))


def _joined(lines: list[str]) -> str:
    """Join the lines of a paragraph; a hyphen within a word goes with its line end."""
    text = lines[0]
    for line in lines[1:]:
        hyphen = text.endswith((_SOFT_HYPHEN, "\N{SOFT HYPHEN}", "-"))
        if hyphen and len(text) > 1 and text[-2].isalpha() and line[0].islower():
            text = text[:-1] + line
        elif hyphen or (_SPACELESS.match(text[-1]) and _SPACELESS.match(line[0])):
            text += line
        else:
            text = f"{text} {line}"
    return text.replace(_SOFT_HYPHEN, "-")

"""What the doctor finds in a text, and what its remedies make of it."""

import random
import re
import unicodedata
from pathlib import Path

import pytest

from shared.text.text_stream import read
from tests.worker.extraction.makers import pdf
from worker.extraction.extract import extract
from worker.texts.cleaning import AppliedRemedy, clean
from worker.texts.doctor import RULES, examine
from worker.texts.findings import Finding
from worker.texts.windows import WINDOW_CHARS, windows

ALL = {rule.id for rule in RULES if rule.has_remedy}
_RANDOM = random.Random(1)
_WORDS = re.findall(
    r"\w+", "the bear went to his friend and said that honey is better than tea on a rainy day in the forest"
)


def sentence(words: int) -> str:
    return " ".join(_RANDOM.choice(_WORDS) for _ in range(words)).capitalize() + "."


def prose(paragraphs: int) -> str:
    return "\n\n".join(" ".join(sentence(12) for _ in range(4)) for _ in range(paragraphs)) + "\n"


def wrapped(text: str, width: int = 60) -> str:
    lines = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split():
            if line and len(line) + 1 + len(word) > width:
                lines.append(line)
                line = word
            else:
                line = f"{line} {word}".strip()
        lines.append(line)
    return "\n".join(lines)


BOOK = prose(60)
VERSE = "\n".join(["Sing Ho for the life", "of a Bear!"] * 20)
GUTENBERG = f"""The Project Gutenberg eBook of A Bear

*** START OF THE PROJECT GUTENBERG EBOOK A BEAR ***

Produced by A. Reader

{BOOK}
*** END OF THE PROJECT GUTENBERG EBOOK A BEAR ***

START: FULL LICENSE
"""
PAGES = "\n".join(
    f"{paragraph[:100]} and\n\n{number}\nA BEAR OF LITTLE BRAIN\n\nthen {paragraph[100:]}"
    for number, paragraph in enumerate(BOOK.split("\n\n"), 12)
)
DIVIDED = (
    "\n".join(f"He was a beau-\ntiful bear. {sentence(8)} A sing-song." for _ in range(30)) + "\nAh, sing-\nsong.\n"
)
JOINED = DIVIDED.replace("beau-\ntiful ", "beautiful\n").replace("Ah, sing-\nsong.\n", "Ah, sing-song.\n")
PERSIAN = "می\u200cخواهم"
RUSSIAN = "Медведь пошёл в лес и сказал, что мёд лучше чая, когда идёт дождь."
SAMPLE = (Path(__file__).parents[3] / "shared" / "sample.txt").read_text()
#: From the Brothers Grimm's "Der Froschkönig".
GERMAN = """
In den alten Zeiten, wo das Wünschen noch geholfen hat, lebte ein König, dessen Töchter waren alle schön; aber die
jüngste war so schön, daß die Sonne selber, die doch so vieles gesehen hat, sich verwunderte, sooft sie ihr ins Gesicht
schien. Nahe bei dem Schlosse des Königs lag ein großer dunkler Wald, und in dem Walde unter einer alten Linde war ein
Brunnen; wenn nun der Tag recht heiß war, so ging das Königskind hinaus in den Wald und setzte sich an den Rand des
kühlen Brunnens; und wenn sie Langeweile hatte, so nahm sie eine goldene Kugel, warf sie in die Höhe und fing sie
wieder; und das war ihr liebstes Spielwerk.
"""
GOOGLE = """This is a digital copy of a book that was preserved for generations on library shelves.

About this book

You can search through the full text of this book on the web at http://books.google.com/

"""
BARS = "+---+---+---+\n| a | b | c |\n+---+---+---+\n"
TABLE = "name\tage\tfood\nPooh\t7\thoney\nPiglet\t5\tacorns\n"


def file_of(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(text, encoding="utf-8", newline="")
    return path


def found(path: Path) -> dict[str, Finding]:
    return {finding.id: finding for finding in examine(lambda: read(path))}


def fixed(tmp_path: Path, text: str, remedies: set[str]) -> tuple[str, list[AppliedRemedy]]:
    """Return the fixed text. Applying the remedies once more changes nothing."""
    source, target = file_of(tmp_path, text), tmp_path / "fixed.txt"
    done = clean(source, target, remedies)
    result = target if done else source
    assert clean(result, tmp_path / "again.txt", remedies) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted({source.name, result.name})
    return result.read_text(encoding="utf-8"), done


@pytest.mark.parametrize(
    ("rule", "text", "becomes"),
    [
        ("mojibake", "A cafÃ© isnâ€™t a bar.\n", "A café isn’t a bar.\n"),
        ("mojibake", "Кафе «Уют» — это не бар.\n", None),
        ("mojibake", "Un café à Paris, naïve œuvre — “ok”…\n", None),
        ("line-ends", "one\ftwo\u2028three\u2029four\n\ffive_x000D_\nsix\f", "one\ntwo\nthree\n\nfour\nfive\nsix"),
        ("line-ends", "\n\n".join(["it was a bear who went", "to the forest and said", "nothing"] * 20), "doubled"),
        ("line-ends", BOOK, None),
        ("invisible-characters", "\ufeffbe\u00adar\u200b s\x07ay\ue000s", "bear says"),
        ("invisible-characters", f"a\u200d\u200db 👩\u200d👧 {PERSIAN}\u200b", f"ab 👩\u200d👧 {PERSIAN}"),
        ("unicode-forms", "cafe\u0301 café \u212b \u1112\u1161", "café café Å 하"),
        ("licence", GUTENBERG, BOOK + "\n"),
        ("licence", BOOK.replace("bear", "licence"), None),
        ("page-marks", PAGES, "\n".join(f"{p[:100]} and\nthen {p[100:]}" for p in BOOK.split("\n\n"))),
        ("page-marks", "\n\n".join(f"{n}\n\n{p}" for n, p in enumerate(BOOK.split("\n\n"), 1)), None),
        ("page-marks", "\n\n".join(f"{p[:99]}[Pg {n}]{p[99:]}" for n, p in enumerate(BOOK.split("\n\n"), 9)), BOOK),
        ("page-marks", "a bear [Pg 9] and [Page 1]\n[p. 2] friend[Pg 3] of [Pg x]\nhis", "a bear and\nfriend of\nhis"),
        ("page-marks", BOOK.replace("\n\n", "\n\n[Pg 7]\n\n"), BOOK),
        ("hyphens", DIVIDED, JOINED),
        ("hyphens", BOOK + "A sing-\nsong.\n", BOOK + "A sing-song.\n"),
        ("hard-wraps", wrapped(BOOK), BOOK),
        ("hard-wraps", VERSE + "\n\n" + wrapped(BOOK), VERSE + "\n\n" + BOOK),
        ("hard-wraps", VERSE, None),
        ("hard-wraps", BOOK, None),
        ("indexes", BOOK + "".join(f"Chapter {n} ........ {n * 7}\n" for n in range(1, 9)) + BOOK, BOOK + BOOK),
        ("indexes", BOOK + "bear, 12, 14-16\nhoney, 3\npot, 8f.\ntea, 9, 10\n", BOOK),
        ("tables", BOOK + TABLE + "\n" + BOOK, BOOK + "\n" + BOOK),
        ("tables", BOOK + BARS + "\n" + BOOK, BOOK + "\n" + BOOK),
        ("scripts", f"{BOOK}\n{RUSSIAN}\n\n{BOOK}", BOOK + "\n" + BOOK),
        ("punctuation-runs", "a " + "." * 40 + " b " + ". " * 12 + "c " + "-" * 9, "a ... b ... c ---------"),
        ("footnote-numbers", "a bear[1] said,¹ no[2] and² so[3] on³ it[3] goes", "a bear said, no and so on it goes"),
        ("footnote-numbers", "a bear[^1] said[^2] it[^3]", "a bear said it"),
        ("footnote-numbers", "a bear1 went to2 bed,3 as he4 said.5 No", "a bear went to bed, as he said. No"),
        ("footnote-numbers", "x[7] = y[3] + z[9]\n" * 5, None),
        ("footnote-numbers", "print(argv[1])\n" * 5, None),
        ("footnote-numbers", "a wood of 5 m², a field of 7 m², a hill of 8 m²" * 5, None),
        ("footnote-numbers", "see Fig.1 and Fig.2 and Fig.3 and Fig.4 and Fig.5 and Fig.6", None),
        ("repeats", BOOK + "\n" + BOOK, BOOK + "\n"),
        ("rare-characters", BOOK + "éé @ Ω ñ\n", BOOK + "ee  Ω n\n"),
    ],
)  # fmt: skip
def test_a_remedy_changes_what_it_names_alone(tmp_path: Path, rule: str, text: str, becomes: str | None) -> None:
    if becomes == "doubled":
        becomes = text.replace("\n\n", "\n")
    result, done = fixed(tmp_path, text, {rule})
    assert result == (text if becomes is None else becomes)
    finding = found(tmp_path / "text.txt").get(rule)
    if becomes is None:
        assert not done
        assert finding is None
    else:
        assert finding is not None
        assert finding.remedy == rule
        assert [one.remedy for one in done] == [rule]
        assert len(text) - done[0].removed + done[0].added == len(result)
        for example in finding.examples:
            assert text[example.offset :].startswith(example.text)
            assert text[: example.offset].endswith(example.before)


@pytest.mark.parametrize(
    ("before", "behind"),
    [
        ("", "End of Project Gutenberg's A Bear, by A. Reader\n\nSection 1."),
        ("", "***** This file should be named 67098-0.txt *****\n\nUpdated editions."),
        ("*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*\n\n", ""),
        ("", "Colophon\n\nA Bear\nwas published in 1926. This ebook was produced for Standard Ebooks.\n\nA. Reader"),
        ("", "Uncopyright\n\nMay you do good and not evil."),
        ("", "About this digital edition\n\nThis e-book comes from the online library Wikisource."),
        ("", "À propos de cette édition électronique\n\nTexte libre de droits."),
        ("", "底本：「熊のプーさん」岩波書店\n\n入力：A"),
        (GOOGLE, ""),
        ("Copyright © 1926 by A. A. Milne. All rights reserved.\n\nISBN 978-3-16-148410-0\n\n", ""),
        ("Transcriber's Note: spelling was kept.\n\n", "Produced by A. Reader and Distributed Proofreaders"),
    ],
)
def test_what_each_archive_adds_is_known(tmp_path: Path, before: str, behind: str) -> None:
    result, _ = fixed(tmp_path, f"{before}{BOOK}\n{behind}", {"licence"})
    assert result.strip() == BOOK.strip()


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("rare-characters", BOOK + "Ω"),
        ("lost-characters", "what they say\ufffd\ufffd\n"),
        ("unlike-end", prose(150) + "THE FOUNDATION DISCLAIMS WARRANTY, 1.F.3; §§\n" * 90),
        ("unlike-sections", SAMPLE[:17_000] + GERMAN * 7 + SAMPLE[17_000:]),
        ("unlike-sections", prose(100) + "".join(_RANDOM.choices("qxzjkvw ", k=5000)) + prose(100)),
    ],
)
def test_what_no_remedy_mends_is_found_too(tmp_path: Path, rule: str, text: str) -> None:
    finding = found(file_of(tmp_path, text))[rule]
    assert finding.remedy is None
    assert not finding.advised
    assert finding.cost
    assert finding.examples


def test_clean_prose_has_no_findings(tmp_path: Path) -> None:
    assert found(file_of(tmp_path, prose(100))) == {}


@pytest.mark.parametrize(
    "text",
    [
        "a" * 300_000,
        "bear " * 60_000,
        "." * 300_000,
        "👩\u200d👧👍🏽🇩🇪" * 30_000,
        "\u200b" * 5_000 + "a",
        "\n" * 5_000 + "a",
        "e" + "\u0301" * 5_000,
        "word-\n" * 45_000,
        "".join(GUTENBERG + PAGES + wrapped(BOOK) + DIVIDED for _ in range(4)),
    ],
    ids=["one letter", "one line", "dots", "emoji", "zero width", "blank lines", "marks", "hyphens", "all of it"],
)
def test_all_remedies_together_end_and_are_idempotent(tmp_path: Path, text: str) -> None:
    result, _ = fixed(tmp_path, text, ALL)
    assert not {finding.id for finding in found(file_of(tmp_path, result)).values() if finding.advised}


def test_a_book_is_mended_by_what_is_advised(tmp_path: Path) -> None:
    text = "\ufeff" + GUTENBERG.replace(BOOK, wrapped(unicodedata.normalize("NFD", BOOK + "é" * 9)))
    advised = {finding.id for finding in found(file_of(tmp_path, text)).values() if finding.advised}
    assert advised >= {"licence", "unicode-forms", "invisible-characters", "hard-wraps"}
    result, _ = fixed(tmp_path, text, advised)
    assert "gutenberg" not in result.lower()
    assert result.strip() == (BOOK + "é" * 9).strip()


@pytest.mark.parametrize("cut", [1, 1000, WINDOW_CHARS + 1])
def test_windows_cover_a_text_however_it_is_cut(cut: int) -> None:
    for text in (prose(1500), "x" * (2 * WINDOW_CHARS + 5), ""):
        parts = [text[begin : begin + cut] for begin in range(0, len(text), cut)] if cut > 1 else [text]
        found = list(windows(parts))
        assert "".join(window.own for window in found) == text
        assert all(text[w.offset : w.offset + len(w.text)] == w.text for w in found)
        assert all(len(window.own) <= WINDOW_CHARS for window in found)


def test_a_text_in_one_language_has_no_section_unlike_the_rest(tmp_path: Path) -> None:
    assert not found(file_of(tmp_path, SAMPLE)).keys() & {"unlike-sections", "unlike-end"}


def test_heads_and_numbers_of_a_pdfs_pages_are_found_in_its_text(tmp_path: Path) -> None:
    # Given: pages that end within sentences, each with a head and its number
    lines = wrapped(" ".join(SAMPLE[:9_000].split()), 50).split("\n")
    pages = []
    for number, at in enumerate(range(0, len(lines), 20), 1):
        placed = [(line, 50.0, 530.0 - 14 * n) for n, line in enumerate(lines[at : at + 20])]
        pages.append([("A HEAD", 150.0, 560.0), *placed, (str(number), 200.0, 30.0)])
    upload, work = tmp_path / "a.pdf", tmp_path / "work"
    upload.write_bytes(pdf(pages))
    work.mkdir()
    extract(upload, "a.pdf", work, encoding=None, max_bytes=1 << 20, max_unpacked_bytes=1 << 20, report=lambda _: None)
    text = (work / "text.txt").read_text()
    assert text.count("A HEAD") == len(pages)
    # When
    (folder := tmp_path / "fixed").mkdir()
    result, done = fixed(folder, text, {"page-marks"})
    # Then: but for the first head and the last number, which interrupt nothing, they are gone
    assert done[0].changes == len(pages) - 1
    assert " ".join(result.split()) == f"A HEAD {' '.join(lines)} {len(pages)}"


def test_every_rule_has_its_words() -> None:
    assert len({rule.id for rule in RULES}) == len({rule.title for rule in RULES}) == len(RULES)
    assert all(rule.detail.endswith(".") and rule.advice.endswith(".") for rule in RULES)

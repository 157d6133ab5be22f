"""Characters that don't belong in a text or that hardly occur in it."""

import re
import unicodedata
from collections.abc import Iterator

from worker.texts.facts import Facts
from worker.texts.findings import Place, plural
from worker.texts.rules.rule import Rule, char_class, matches
from worker.texts.windows import Window

#: Zero-width joiner and non-joiner: Persian, Indic scripts and emoji need them between two of their characters.
_JOINERS = "\u200c\u200d"
#: Characters of category Cf that are seen, or that flags consist of.
_VISIBLE_FORMATS = {*map(chr, (*range(0x600, 0x606), 0x6DD, 0x70F, 0x8E2, 0x110BD, *range(0xE0020, 0xE0080)))}
#: Line ends of other kinds; a stored text has "\n" for "\r\n" and "\r" already.
_LINE_ENDS = "\v\f\x85\u2028\u2029"
LOST = "\ufffd"
#: Common forms that Unicode doesn't name as such.
_FORMS = dict(zip("–—―−‐‑×æÆœŒøØłŁđðı‘’‚´ʼ“”„«»…\u00a0ß", [
    *"------x", "ae", "Ae", "oe", "Oe", *"oOlLddi", *"'',''", *'"""""', "...", " ", "ss"
], strict=True))  # fmt: skip


def _is_invisible(character: str) -> bool:
    category = unicodedata.category(character)
    if category == "Cn":
        return ord(character) & 0xFFFE == 0xFFFE or "\ufdd0" <= character <= "\ufdef"
    return category in {"Cc", "Cf", "Co"} and character not in _VISIBLE_FORMATS | set("\t\n" + _LINE_ENDS)


class LineEnds(Rule):
    """Line ends other than the stored ones, and line ends that were doubled."""

    id = "line-ends"
    title = "Mixed line ends"
    detail = (
        "Form feeds, Unicode line separators, remnants of other systems' line ends, or a blank line after each line."
    )
    advice = "Puts one line end in the place of each."
    _OTHER = re.compile("[\v\f\x85\u2028\u2029]+|_x000D_\n?|&#1[03];\n?")
    _BLANK = re.compile(r"\n\n+")
    #: A blank line in the middle of a sentence. The look-behind comes after what it is quick to search for.
    _BROKEN = re.compile(r"\n\n(?<=[^\W\d_]\n\n)(?=[^\W\d_])")

    def __init__(self) -> None:
        self._blank = self._broken = self._other = 0
        self._doubled = False

    def survey(self, window: Window) -> None:
        """Count blank lines, and those within sentences."""
        text = window.own
        self._blank += text.count("\n\n")
        self._broken += sum(text[match.end()].islower() for match in self._BROKEN.finditer(text))
        self._other += text.count("_x000D_") + text.count("&#13;") + text.count("&#10;")

    def conclude(self, facts: Facts) -> bool:
        """Decide whether line ends are doubled: hardly a line follows another one, and sentences are interrupted."""
        single = facts.lines - 2 * self._blank
        self._doubled = self._blank >= 20 and single <= 0.1 * self._blank and self._broken >= 0.2 * self._blank
        found = self._doubled or self._other or any(character in facts.counts for character in _LINE_ENDS)
        return super().conclude(facts) and bool(found)

    def places(self, window: Window) -> Iterator[Place]:
        """Yield other line ends, and blank lines where all line ends are doubled."""
        text = window.text
        found = list(matches(self._OTHER, window))
        if self._doubled:
            found += matches(self._BLANK, window)
            found.sort(key=re.Match.start)
        for match in found:
            begin, end = match.span()
            if text[begin] == "\n":
                new = "\n" * ((end - begin) // 2)
            elif "\u2029" in match[0]:
                new = "\n\n"
            else:
                new = "" if text[begin - 1 : begin] == "\n" or text[end : end + 1] in {"", "\n"} else "\n"
            if new != match[0]:
                yield Place(window.offset + begin, window.offset + end, new)


class InvisibleCharacters(Rule):
    """Control characters, zero-width ones, marks of direction, and private ones."""

    id = "invisible-characters"
    title = "Invisible characters"
    detail = "Control characters, zero-width characters, soft hyphens, byte order marks and characters for private use."
    advice = "Removes them; joiners stay where a script or an emoji needs them."

    def conclude(self, facts: Facts) -> bool:
        """Collect those that the text has."""
        self._found = {character for character in facts.counts if _is_invisible(character)}
        if self._found:
            self._runs = re.compile(f"{char_class(self._found)}+")
        return super().conclude(facts) and bool(self._found)

    def places(self, window: Window) -> Iterator[Place]:
        """Yield runs of them; of joiners between two characters beyond ASCII one stays."""
        text = window.text
        for match in matches(self._runs, window):
            joiner = next((character for character in match[0] if character in _JOINERS), "")
            before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
            new = joiner if before > "\x7f" and after > "\x7f" else ""
            if new != match[0]:
                yield Place(window.offset + match.start(), window.offset + match.end(), new)

    def cost(self) -> str:
        """Name how many they are and what they add to the vocabulary."""
        return f"{plural(self.tally.chars, 'invisible character')}; up to {len(self._found)} more in the vocabulary"


class LostCharacters(Rule):
    """U+FFFD: what a decoder wrote for bytes that it couldn't read."""

    id = "lost-characters"
    title = "Lost characters"
    detail = "U+FFFD, which a program wrote in the place of characters that it couldn't decode."
    advice = "Nothing can restore them: get the text from its source again, in its right encoding."
    has_remedy = False

    def conclude(self, facts: Facts) -> bool:
        """Find nothing where there are none."""
        self._pattern = re.compile(f"{LOST}+")
        return super().conclude(facts) and LOST in facts.counts

    def places(self, window: Window) -> Iterator[Place]:
        """Yield runs of them."""
        for match in matches(self._pattern, window):
            yield Place(window.offset + match.start(), window.offset + match.end())


class UnicodeForms(Rule):
    """Letters that aren't in Unicode's normal form C, such as e with a combining accent."""

    id = "unicode-forms"
    title = "Two forms of the same letter"
    detail = "Letters that consist of several code points where one exists (é as e and an accent), mixed or throughout."
    advice = "Brings the text into Unicode's normal form C (NFC), in which people type."

    def conclude(self, facts: Facts) -> bool:
        """Collect the marks of the text, and the characters that normalization replaces."""
        marks = [c for c in facts.counts if unicodedata.category(c)[0] == "M" or "\u1160" <= c <= "\u11ff"]
        single = [c for c in facts.counts if not unicodedata.is_normalized("NFC", c)]
        clusters = [f"[^{char_class(marks)[1:-1]}\n]{char_class(marks)}+"] if marks else []
        self._clusters = re.compile("|".join(clusters + [char_class(single)] * bool(single)))
        return super().conclude(facts) and bool(marks or single)

    def places(self, window: Window) -> Iterator[Place]:
        """Yield the letters that change."""
        if unicodedata.is_normalized("NFC", window.own):
            return
        for match in matches(self._clusters, window):
            if (new := unicodedata.normalize("NFC", match[0])) != match[0]:
                yield Place(window.offset + match.start(), window.offset + match.end(), new)


class RareCharacters(Rule):
    """Characters that occur so seldom that they can't be learned."""

    id = "rare-characters"
    title = "Rare characters"
    detail = "Characters that occur fewer than 5 times: a model can't learn them, and each widens its vocabulary."
    advice = (
        "Puts a more common form in their place where there is one (e for é, a straight quote for a curly one) and "
        "removes other rare marks. Rare letters, digits and symbols without such a form stay."
    )
    #: Occurrences from which a character isn't rare, and characters of a text from which that says something.
    COMMON, LONG_TEXT = 5, 5_000

    def conclude(self, facts: Facts) -> bool:
        """Collect the rare ones and decide about each."""
        self._rare = {c for c, count in facts.counts.items() if count < self.COMMON}
        common = facts.counts.keys() - self._rare
        self._new = {c: new for c in self._rare if (new := self._form(c, common)) is not None}
        if self._rare:
            self._pattern = re.compile(char_class(self._rare))
        return super().conclude(facts) and bool(self._rare) and facts.chars >= self.LONG_TEXT

    def _form(self, character: str, common: set[str]) -> str | None:
        """Return what to put in its place; None: it stays."""
        decomposed = unicodedata.normalize("NFKD", character)
        forms = (
            _FORMS.get(character, ""),
            decomposed,
            "".join(c for c in decomposed if not unicodedata.combining(c)),
        )
        for form in forms:
            if form and form != character and set(form) <= common:
                return form
        return "" if unicodedata.category(character)[0] in "PSZ" else None

    def places(self, window: Window) -> Iterator[Place]:
        """Yield each of them."""
        for match in matches(self._pattern, window):
            new = self._new.get(match[0])
            yield Place(window.offset + match.start(), window.offset + match.end(), new)

    def cost(self) -> str:
        """Name what they add to the vocabulary."""
        return (
            f"widens the vocabulary by {len(self._rare):,} of {len(self.facts.counts):,}, "
            f"{len(self._new):,} of which the remedy fixes"
        )

    def advised(self) -> bool:
        """Advise it where they are a good part of an alphabet's vocabulary."""
        return len(self._new) >= max(4, 0.1 * len(self.facts.counts)) and self.tally.count > 0

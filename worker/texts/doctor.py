"""Examines a text: reads it twice, lets each rule look, and returns the findings."""

from collections.abc import Callable, Iterable

from worker.texts.facts import Facts
from worker.texts.findings import Finding, Tally
from worker.texts.rules.characters import InvisibleCharacters, LineEnds, LostCharacters, RareCharacters, UnicodeForms
from worker.texts.rules.hard_wraps import HardWraps
from worker.texts.rules.hyphens import Hyphens
from worker.texts.rules.licence import Licence
from worker.texts.rules.marks import FootnoteNumbers, PunctuationRuns
from worker.texts.rules.mojibake import Mojibake
from worker.texts.rules.page_marks import PageMarks
from worker.texts.rules.repeats import Repeats
from worker.texts.rules.rule import Rule
from worker.texts.rules.scripts import Scripts
from worker.texts.rules.tables import Indexes, Tables
from worker.texts.rules.unlike import UnlikeEnd, UnlikeSections
from worker.texts.windows import Window, windows

#: In the order in which their remedies are applied: what a later one relies on is fixed before.
RULES: tuple[type[Rule], ...] = (
    Mojibake,
    LostCharacters,
    LineEnds,
    Licence,
    PageMarks,
    Hyphens,
    InvisibleCharacters,
    UnicodeForms,
    Indexes,
    Tables,
    Scripts,
    PunctuationRuns,
    FootnoteNumbers,
    HardWraps,
    Repeats,
    RareCharacters,
    UnlikeSections,
    UnlikeEnd,
)


def surveyed(rules: Iterable[Rule], read: Callable[[], Iterable[str]]) -> list[Rule]:
    """Read a text once; return the rules that may find something in it."""
    rules = list(rules)
    facts = Facts()
    for window in windows(read()):
        facts.add(window)
        for rule in rules:
            rule.survey(window)
    facts.conclude()
    return [rule for rule in rules if rule.conclude(facts)]


def examine(read: Callable[[], Iterable[str]], *, note: Callable[[Window], None] = lambda _: None) -> list[Finding]:
    """Return what is odd in a text, in the order in which it is fixed.

    Args:
        read: returns the text in parts, cut anywhere; called twice.
        note: called for each window of the second reading.
    """
    tallies = [(rule, Tally()) for rule in surveyed((rule() for rule in RULES), read)]
    for window in windows(read()) if tallies else ():
        for rule, tally in tallies:
            tally.add(rule.places(window), window)
        note(window)
    return [finding for rule, tally in tallies if (finding := rule.finding(tally)) is not None]

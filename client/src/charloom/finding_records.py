"""What is odd in a text, and how a text was cleaned, as the server describes them."""

from collections.abc import Sequence

from charloom.record import Record


class Place(Record):
    """A place in a text, with some characters around it."""

    #: Characters of the text before it.
    offset: int
    length: int
    before: str
    text: str
    after: str
    #: What the remedy puts there; None if nothing is changed.
    becomes: str | None


class Finding(Record):
    """Something odd in a text."""

    id: str
    title: str
    detail: str
    #: Places, characters of them, and their share of the text.
    count: int
    chars: int
    share: float
    #: What it costs to leave it.
    cost: str
    #: None if nothing fixes it, or nothing has to.
    remedy: str | None
    advice: str
    advised: bool
    examples: Sequence[Place]


class Findings(Record):
    """What is odd in a text."""

    corpus_id: str
    findings: Sequence[Finding]


class Changes(Record):
    """What a remedy did, with some of its changes."""

    remedy: str
    changes: int
    #: Characters that it took away, and that it put there.
    removed: int
    added: int
    examples: Sequence[Place] = ()


class Cleaning(Record):
    """How a text was made from another one."""

    corpus_id: str
    parent_id: str
    chars_before: int
    chars_after: int
    remedies: Sequence[Changes]

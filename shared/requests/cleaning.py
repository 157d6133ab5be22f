"""What may be asked of a text's findings: the remedies, and the request to apply some of them."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from shared.requests.fields import Name, Request

ADVISED: Literal["advised"] = "advised"


class Remedy(StrEnum):
    """What fixes a finding, in the order in which it is applied. The rules are in `worker/texts`."""

    MOJIBAKE = "mojibake"
    LINE_ENDS = "line-ends"
    LICENCE = "licence"
    PAGE_MARKS = "page-marks"
    HYPHENS = "hyphens"
    INVISIBLE_CHARACTERS = "invisible-characters"
    UNICODE_FORMS = "unicode-forms"
    INDEXES = "indexes"
    TABLES = "tables"
    SCRIPTS = "scripts"
    PUNCTUATION_RUNS = "punctuation-runs"
    FOOTNOTE_NUMBERS = "footnote-numbers"
    HARD_WRAPS = "hard-wraps"
    REPEATS = "repeats"
    RARE_CHARACTERS = "rare-characters"


#: From JSON a remedy is a string, which strict validation takes for no enum.
_Remedy = Annotated[Remedy, Field(strict=False)]


def _kind(value: object) -> str:
    return "[advised]" if isinstance(value, str) else "[some]"


class CleanRequest(Request):
    """Clean a text by some remedies, into a new text."""

    remedies: Annotated[
        Annotated[Literal["advised"], Tag("[advised]")]
        | Annotated[list[_Remedy], Field(min_length=1, max_length=len(Remedy)), Tag("[some]")],
        Discriminator(_kind),
    ] = Field(ADVISED, description='Words of remedies, or "advised": those that the findings advise.')
    name: Name | None = Field(None, description="The new text's name; that of the text with “, cleaned” if omitted.")

"""The types of the API's responses about a text's findings."""

from typing import Literal

from pydantic import Field

from shared.jobs.schemas import View
from shared.jobs.shapes import RemedyResult


class Place(View):
    """A place in a text, with some characters around it. Long texts are cut."""

    offset: int = Field(description="Characters of the text before it.")
    length: int = Field(description="Its characters.")
    before: str
    text: str
    after: str
    becomes: str | None = Field(description="What the remedy puts there; null if nothing is changed.")


class Finding(View):
    """Something odd in a text."""

    id: str = Field(description="Short stable word for programs.")
    title: str
    detail: str = Field(description="What is odd.")
    count: int = Field(description="How many places.")
    chars: int = Field(description="Characters of these places.")
    share: float = Field(description="Their share of the text, 0 to 1.")
    cost: str = Field(description="What it costs to leave it.")
    remedy: str | None = Field(description="What fixes it; null if nothing does, or nothing has to.")
    advice: str = Field(description="What the remedy does, or why there is none.")
    advised: bool = Field(description="Whether the remedy is applied with “advised”.")
    examples: list[Place] = Field(description="The first three places that differ.")


class Findings(View):
    """What is odd in a text."""

    object: Literal["findings"] = "findings"
    corpus_id: str
    findings: list[Finding] = Field(description="In the order in which their remedies are applied.")


class Changes(View, RemedyResult):
    """What a remedy did, with some of its changes."""

    examples: list[Place] = Field(description="Offsets are those of the text as this remedy met it.")


class Cleaning(View):
    """How a text was made from another one."""

    object: Literal["cleaning"] = "cleaning"
    corpus_id: str
    parent_id: str = Field(description="The text that was cleaned. It may be deleted by now.")
    chars_before: int
    chars_after: int
    remedies: list[Changes]

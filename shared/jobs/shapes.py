"""What a job's free-form fields hold, by its type: schemas for the OpenAPI document, which nothing is checked against.

Records are kept for weeks, and versions differ, so a field may hold more, and an older record less.
"""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from shared.requests.options import ClassicRequest, StreamRequest
from shared.requests.writing import GenerateRequest


@dataclass(frozen=True)
class Described:
    """Describes an annotated field by another type's schema; its values aren't checked."""

    by: Any

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the other type's schema."""
        return handler(TypeAdapter(self.by).core_schema)


class ImportParams(BaseModel):
    """What an import was asked for."""

    filename: str = Field(description="The file's name as it was sent, without folders.")
    name: str = Field(description="The model's name.")


class ExtractParams(BaseModel):
    """What an extraction was asked for."""

    filename: str = Field(description="The file's name as it was sent, without folders.")
    name: str = Field(description="The text's name.")
    sha256: str = Field(description="SHA-256 of the file; of several, that of the zip file that they were stored as.")
    encoding: str | None = Field(description="Encoding of plain texts in it; null: detected from their bytes.")


class ExamineParams(BaseModel):
    """Which text is examined."""

    corpus_id: str
    name: str = Field(description="The text's name.")


class CleanParams(BaseModel):
    """Which text is cleaned, and how."""

    corpus_id: str
    remedies: Literal["advised"] | list[str]
    name: str = Field(description="The new text's name.")


class Omitted(BaseModel):
    """Nothing: left out of a webhook's message that would be too long."""

    model_config = ConfigDict(extra="forbid")


class NGram(BaseModel):
    """The loss of an n-gram model."""

    model_config = ConfigDict(from_attributes=True)

    order: int = Field(description="Its longest n-grams: `order` - 1 characters predict the next one.")
    loss: float


class Baselines(BaseModel):
    """Losses on the validation part that need no network, mean nats per character."""

    model_config = ConfigDict(from_attributes=True)

    unigram: float = Field(description="Guessing by the characters' frequencies in the training part.")
    ngram: NGram = Field(description="An interpolated Kneser-Ney model of the training part.")
    xz: float = Field(description="What the validation part adds to the size of the training part under xz.")


class TrainResult(BaseModel):
    """The result of a training."""

    model_id: str
    stop_reason: Literal["completed", "early_stopped", "time_limit"]
    baselines: Baselines | None = Field(None, description="Null without a validation part, so for `classic`.")


class ImportResult(BaseModel):
    """The result of an import."""

    model_id: str


class ExtractResult(BaseModel):
    """The result of an extraction."""

    corpus_id: str
    format: str | None = Field(description="The file's format.")
    chars: int = Field(description="Characters of the text.")
    skipped: list[str] = Field(description="Files of an archive that are no text, the first 20 of them.")


class ExamineResult(BaseModel):
    """The result of an examination; GET /corpora/{corpus_id}/findings has the findings."""

    corpus_id: str
    findings: int = Field(description="How many there are.")
    advised: list[str] = Field(description="The remedies that are advised.")


class RemedyResult(BaseModel):
    """What a remedy did."""

    model_config = ConfigDict(from_attributes=True)

    remedy: str
    changes: int = Field(description="Places that it changed.")
    removed: int = Field(description="Characters that it took away.")
    added: int = Field(description="Characters that it put in their place.")


class CleanResult(BaseModel):
    """The result of a cleaning; GET /corpora/{corpus_id}/cleaning has some of the changes."""

    corpus_id: str = Field(description="The new text; the text itself where nothing had to be changed.")
    changed: bool = Field(description="Whether there is a new text.")
    chars: int
    remedies: list[RemedyResult] = Field(description="What each remedy did; those that changed nothing are left out.")


class Copied(BaseModel):
    """How much of a text occurs word for word in the corpus."""

    longest: int = Field(description="Characters of the longest run.")
    share: float = Field(description="Share of the text that is in long runs, 0 to 1.")
    spans: list[list[int]] = Field(description="Begin and end of each long run in the text.")


class Output(BaseModel):
    """One variant of a generated text."""

    index: int
    text: str
    finish_reason: Literal["length", "stop", "cancelled"]
    runs_cut: int = Field(0, description="How often a run of one character was cut by `max_run` or its default.")
    copied: Copied | None = Field(description="Null if the corpus is gone or couldn't be searched.")


class ItemsResult(BaseModel):
    """How a list was written; GET /jobs/{job_id}/items has its items. Each try is counted in one place at most."""

    written: int = Field(description="Items of the list.")
    tries: int = Field(description="Items that were begun, including those left out.")
    doubled: int = Field(description="Tries that repeated an earlier one.")
    known: int | None = Field(description="Different items that the training text has. Null if the text is gone.")
    short: int = Field(description="Tries that had fewer than min_chars characters.")
    cut: int = Field(description="Tries that hadn't ended after max_chars characters.")
    separator: str
    finish_reason: Literal["count", "exhausted", "cancelled"]
    detail: str = Field(description="Why it ended, in words.")


class GenerateResult(BaseModel):
    """The result of a generate job."""

    prompt: str
    outputs: list[Output] = Field(description="Empty if `items` were requested.")
    items: ItemsResult | None = Field(None, description="Null unless `items` were requested.")
    seed: int


Params = (
    StreamRequest
    | ClassicRequest
    | GenerateRequest
    | ImportParams
    | ExtractParams
    | ExamineParams
    | CleanParams
    | Omitted
)
Result = TrainResult | GenerateResult | ImportResult | ExtractResult | ExamineResult | CleanResult

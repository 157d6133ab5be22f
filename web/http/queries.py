"""The types of the calls' query parameters."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from shared.ids import is_id
from shared.jobs.record import JobType, Status
from shared.requests.fields import Name
from shared.store.events import is_event_id
from shared.store.job_reader import JobReader, Page
from shared.text.encodings import ENCODINGS, encoding_of
from shared.volume import Corpus, Model
from shared.volume.columns import TableFormat


def _split(value: object) -> object:
    if value == "":
        return []
    return value.split(",") if isinstance(value, str) else value


def _id(kind: str) -> AfterValidator:
    def check(text: str) -> str:
        if not is_id(text, kind):
            raise ValueError(f"must be an id that begins with {kind}_")
        return text

    return AfterValidator(check)


def _form(kind: str) -> Any:
    """Put an id's pattern into the document; validation has a message of its own."""
    return Field(json_schema_extra={"pattern": f"^{kind}_[0-9a-hjkmnp-tv-z]{{26}}$"})


_EVENT_ID: Any = Field(json_schema_extra={"pattern": "^[0-9]{1,19}-[0-9]{1,19}$"})


def _check_event_id(text: str) -> str:
    if not is_event_id(text):
        raise ValueError("must be an event's id, such as 1764000000000-0")
    return text


class Query(BaseModel):
    """A query: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class ListQuery(Query):
    """A page of a list."""

    limit: int = Field(20, ge=1, le=100, description="The most items of a page.")
    order: Literal["asc", "desc"] = Field("desc", description="desc: newest first; asc: oldest first.")


CorpusId = Annotated[str, _id("cor"), _form("cor")]


def _check_pair(text: str) -> str:
    if "=" not in text:
        raise ValueError("must be a key and a value, such as language=en")
    return text


class CorporaQuery(ListQuery):
    """A page of the corpora, filtered."""

    name: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        None, description="Only corpora whose name contains this, in any case."
    )
    metadata: Annotated[str, AfterValidator(_check_pair), Field(json_schema_extra={"pattern": "="})] | None = Field(
        None, description="Only corpora with this metadata: key=value."
    )
    kind: Literal["prose", "list"] | None = Field(None, description="Only lists, or only other texts.")
    after: CorpusId | None = Field(None, description="Continue after this id: `last_id` of the page before.")

    def accepts(self, corpus: Corpus) -> bool:
        """Return True if a corpus passes the filters."""
        key, _, value = (self.metadata or "").partition("=")
        return (
            (self.name or "").casefold() in corpus.name.casefold()
            and (self.metadata is None or corpus.metadata.get(key) == value)
            and (self.kind is None or (self.kind == "list") == (corpus.items is not None))
        )


class ModelsQuery(ListQuery):
    """A page of the models, filtered."""

    corpus_id: CorpusId | None = Field(None, description="Only models that were trained on this corpus.")
    after: Annotated[str, _id("mod"), _form("mod")] | None = Field(
        None, description="Continue after this id: `last_id` of the page before."
    )

    def accepts(self, model: Model) -> bool:
        """Return True if a model passes the filter."""
        return self.corpus_id in (None, model.corpus_id)


class JobsQuery(ListQuery):
    """A page of the jobs, filtered."""

    type: Annotated[list[JobType], BeforeValidator(_split)] = Field([], description="Types, comma-separated.")
    status: Annotated[list[Status], BeforeValidator(_split)] = Field([], description="Statuses, comma-separated.")
    model_id: Annotated[str, _id("mod"), _form("mod")] | None = Field(
        None, description="Only jobs that made or use this model."
    )
    corpus_id: CorpusId | None = Field(
        None, description="Only jobs that use this corpus; can't be combined with model_id."
    )
    after: Annotated[str, _id("job"), _form("job")] | None = Field(
        None, description="Continue after this id: `last_id` of the page before."
    )

    @field_validator("corpus_id")
    @classmethod
    def _one_resource(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("model_id") is not None:
            raise ValueError("can't be combined with model_id; leave one of them out")
        return value

    def read(self, jobs: JobReader) -> Page:
        """Return the page of jobs that it asks for."""
        return jobs.page(
            types=self.type,
            statuses=self.status,
            model_id=self.model_id,
            corpus_id=self.corpus_id,
            after=self.after,
            limit=self.limit,
            newest_first=self.order == "desc",
        )


class JobQuery(Query):
    """How long to wait for a job's end."""

    wait: float = Field(0, ge=0, le=30, description="Respond when the job ends, or after this many seconds.")


class ItemsQuery(Query):
    """A page of the items that a job has written, or all of them as a file."""

    after: int | None = Field(None, ge=0, description="Continue after the item with this index: `last_id` of a page.")
    limit: int = Field(100, ge=1, le=1000, description="The most items of a page; CSV and text have all.")
    format: Literal["json", "csv", "text"] | None = Field(None, description="Overrides `Accept`.")


class EventsQuery(Query):
    """A page of events, or where a stream begins."""

    after: Annotated[str, AfterValidator(_check_event_id), _EVENT_ID] | None = Field(
        None, description="Continue after this event."
    )
    limit: int = Field(100, ge=1, le=100, description="The most events of a page; a stream has no limit.")


class DownloadQuery(Query):
    """The format of a download."""

    format: Literal["bundle", "pth"] = Field(
        "bundle", description="bundle, or for classic models pth, the seed document's format."
    )


def _check_encoding(name: str) -> str:
    encoding = encoding_of(name)
    if encoding is None:
        raise ValueError(f"must be one of {', '.join(ENCODINGS)}")
    return encoding


_ENCODING: Any = Field(json_schema_extra={"enum": list(ENCODINGS)})


class NameQuery(Query):
    """The name of an upload."""

    name: Name | None = Field(None, description="Its name; the file's if omitted.")


class CorpusQuery(NameQuery):
    """The name and the encoding of an uploaded text, and the column that it is of a table."""

    encoding: Annotated[str, AfterValidator(_check_encoding), _ENCODING] | None = Field(
        None,
        description="The encoding of the text, by this or another common name (`cp1252`, `latin-1`, `sjis`). If "
        "omitted, it is recognized by the bytes, and the text is refused if they leave a doubt.",
    )
    column: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        None,
        description="Take only this column of a table, one value per line: a list. Line breaks within a value become "
        "a space; empty values are left out.",
    )
    format: TableFormat | None = Field(
        None,
        description="The table's format: csv (separated by commas, or by semicolons where its first line has no "
        "comma), tsv, or jsonl (an object per line). If omitted, it is derived from the file's name or content type.",
    )

"""What stands after the question mark of a list's address."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from shared.ids import is_id
from shared.jobs.record import JobType, Status
from shared.requests.options import Name
from shared.store.events import is_event_id
from shared.text.encodings import ENCODINGS, encoding_of


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
    """Tell the form of an id to the document; the check has words of its own."""
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
    """Which part of a list."""

    limit: int = Field(20, ge=1, le=100, description="Most items of one page.")
    order: Literal["asc", "desc"] = Field("desc", description="desc: newest first.")


class CorporaQuery(ListQuery):
    """Which part of the corpora."""

    after: Annotated[str, _id("cor"), _form("cor")] | None = Field(
        None, description="Go on after this id: the last page's last_id."
    )


class ModelsQuery(ListQuery):
    """Which part of the models."""

    after: Annotated[str, _id("mod"), _form("mod")] | None = Field(
        None, description="Go on after this id: the last page's last_id."
    )


class JobsQuery(ListQuery):
    """Which jobs."""

    type: Annotated[list[JobType], BeforeValidator(_split)] = Field([], description="Types, comma-separated.")
    status: Annotated[list[Status], BeforeValidator(_split)] = Field([], description="Statuses, comma-separated.")
    model_id: Annotated[str, _id("mod"), _form("mod")] | None = Field(
        None, description="Jobs that made or use this model."
    )
    after: Annotated[str, _id("job"), _form("job")] | None = Field(
        None, description="Go on after this id: the last page's last_id."
    )


class JobQuery(Query):
    """How long to wait for a job."""

    wait: float = Field(0, ge=0, le=30, description="Answer when the job ends, or after this many seconds.")


class EventsQuery(Query):
    """Which events."""

    after: Annotated[str, AfterValidator(_check_event_id), _EVENT_ID] | None = Field(
        None, description="Go on after this event."
    )
    limit: int = Field(100, ge=1, le=100, description="Most events of one page; a stream has no limit.")


class DownloadQuery(Query):
    """Which file of a model."""

    format: Literal["bundle", "pth"] = Field("bundle", description="pth is the document's file, of classic models.")


def _check_encoding(name: str) -> str:
    encoding = encoding_of(name)
    if encoding is None:
        raise ValueError(f"must be one of {', '.join(ENCODINGS)}")
    return encoding


_ENCODING: Any = Field(json_schema_extra={"enum": list(ENCODINGS)})


class NameQuery(Query):
    """What to call an uploaded file."""

    name: Name | None = Field(None, description="Its name; the file's when left out.")


class CorpusQuery(NameQuery):
    """What to call an uploaded text, and how to decode it."""

    encoding: Annotated[str, AfterValidator(_check_encoding), _ENCODING] | None = Field(
        None,
        description="The encoding of the text, by this or a common other name (`cp1252`, `latin-1`, `sjis`). Left out, "
        "the bytes tell it, and the text is refused where they don't for certain.",
    )

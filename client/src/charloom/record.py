"""What all of the server's responses have in common."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer


def _format(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


#: A time in UTC; in JSON it has the server's format.
Time = Annotated[datetime, PlainSerializer(_format, return_type=str, when_used="json")]


class Record(BaseModel):
    """Base of all records."""

    model_config = ConfigDict(extra="allow", frozen=True, protected_namespaces=())


class Listing(Record):
    """A page of a list."""

    data: list[dict[str, Any]] = Field(default_factory=list)
    has_more: bool = False
    first_id: str | None = None
    last_id: str | None = None

"""The events of a job. A stream entry's id is also the SSE id."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class EventType(StrEnum):
    """Kinds of events; the first six come from the worker, STATUS and DONE from the store, RESET when they are read."""

    PROGRESS = "progress"
    METRIC = "metric"
    SAMPLE = "sample"
    TEXT = "text"
    ITEMS = "items"
    LOG = "log"
    STATUS = "status"
    DONE = "done"
    RESET = "reset"


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event before it has an id."""

    type: EventType
    data: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class StoredEvent:
    """One event of a job's stream."""

    #: Redis Streams entry id, "<ms>-<n>": what `Last-Event-ID` and `after` name.
    id: str
    type: EventType
    data: Mapping[str, Any]

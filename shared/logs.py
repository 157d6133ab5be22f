"""How every process logs: plain lines, or one JSON object a line that says whose job and whose request it is about."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from shared.settings import Settings

_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_JSON = "%(levelname)s %(name)s %(message)s %(process)d"
_RENAMED = {"levelname": "level", "name": "logger", "exc_info": "exception"}
#: Celery's own extra: the message that it has in its line as well.
_LEFT_OUT = [*RESERVED_ATTRS, "data"]

_context: ContextVar[Mapping[str, object]] = ContextVar("log_context", default=MappingProxyType({}))


def bind(**fields: object) -> None:
    """Add these fields to every line that this thread logs from now on; None takes one away."""
    _context.set({name: value for name, value in {**_context.get(), **fields}.items() if value is not None})


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Add these fields to every line that is logged inside."""
    before = _context.set({**_context.get(), **{name: value for name, value in fields.items() if value is not None}})
    try:
        yield
    finally:
        _context.reset(before)


def set_up(settings: Settings, **fields: object) -> None:
    """Log to standard error in the settings' format and level; `fields` are added to every line of this process."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(settings, **fields))
    logging.basicConfig(level=settings.log_level, handlers=[handler])


def formatter(settings: Settings, **fields: object) -> logging.Formatter:
    """Return what formats a line."""
    if settings.log_format == "text":
        return logging.Formatter(_TEXT)
    return _Json(_JSON, rename_fields=_RENAMED, timestamp="time", static_fields=fields, reserved_attrs=_LEFT_OUT)


class _Json(JsonFormatter):
    def add_fields(
        self, log_data: dict[str, object], record: logging.LogRecord, message_dict: dict[str, object]
    ) -> None:
        super().add_fields(log_data, record, message_dict)
        log_data.update(_context.get())

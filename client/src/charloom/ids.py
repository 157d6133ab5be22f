"""The paths of requests, and the ids in them.

An id is checked before it becomes part of a path: `DELETE /api/v1/models/../corpora/cor_…` would delete a corpus.
"""

import re
from typing import Literal, Protocol
from urllib.parse import quote

from charloom.errors import InvalidId

Kind = Literal["cor", "job", "mod"]

_NAMES = {"cor": "a corpus", "job": "a job", "mod": "a model"}
#: What may follow an id's prefix. Its exact form is the server's affair.
_REST = re.compile(r"[0-9A-Za-z]{1,64}")
_EVENT_ID = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")


class HasId(Protocol):
    """A record with an id."""

    @property
    def id(self) -> str:
        """Its id."""


def api_path(*parts: str) -> str:
    """Return the path of a call, each part quoted."""
    return "/".join(["/api/v1", *(quote(part, safe="") for part in parts)])


def id_of(thing: HasId | str, kind: Kind) -> str:
    """Return the id of a record, or the id itself. Raises InvalidId if it isn't the id of such a record."""
    text = thing if isinstance(thing, str) else thing.id
    prefix, _, rest = text.partition("_")
    if prefix != kind or not _REST.fullmatch(rest):
        raise InvalidId(f"{text!r} is not the id of {_NAMES[kind]}: {kind}_ followed by letters and digits.")
    return text


def check_event_id(text: str) -> str:
    """Return the id of an event, or "". Raises InvalidId if it has another form."""
    if text and not _EVENT_ID.fullmatch(text):
        raise InvalidId(f"{text!r} is not the id of an event, such as 1764000000000-0.")
    return text

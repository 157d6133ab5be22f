"""Lists that come in pages, as iterators: the next page is asked for when it is needed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from charloom.records import Listing, Record
from charloom.transport import Transport

R = TypeVar("R", bound=Record)

#: Most items of one page that the server gives.
MAX_PAGE = 100


def every(
    transport: Transport, kind: type[R], path: str, query: Mapping[str, Any], *, limit: int | None = None
) -> Iterator[R]:
    """Yield the records of a list, `limit` at most.

    Args:
        transport: the server.
        kind: what they are.
        path: the list.
        query: filters; those that are None or empty are left out.
        limit: how many at most; all when None.

    Raises:
        Unreachable, ApiError.
    """
    asked = {name: value for name, value in query.items() if value not in (None, "", [])}
    given = 0
    while limit is None or given < limit:
        asked["limit"] = MAX_PAGE if limit is None else min(MAX_PAGE, limit - given)
        page = transport.record(Listing, "GET", path, params=asked)
        for item in page.data:
            yield transport.read(kind, item)
        given += len(page.data)
        if not page.has_more or not page.last_id:
            return
        asked["after"] = page.last_id


def joined(words: str | Sequence[str] | None) -> str | None:
    """Spell one word or several as a query does: separated by commas."""
    return words if words is None or isinstance(words, str) else ",".join(words)

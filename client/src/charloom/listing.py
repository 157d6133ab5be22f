"""Lists that come in pages, as iterators: the next page is requested when it is needed."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, TypeVar

from charloom.record import Listing, Record
from charloom.transport import Transport

R = TypeVar("R", bound=Record)

#: Items of the largest page that the server sends.
MAX_PAGE = 100


async def items(
    transport: Transport,
    kind: type[R],
    path: str,
    query: Mapping[str, Any],
    *,
    limit: int | None = None,
    page: int = MAX_PAGE,
) -> AsyncGenerator[R, None]:
    """Yield the records of a list.

    Args:
        transport: the server.
        kind: the type of record.
        path: the list.
        query: filters; those that are None or empty are left out.
        limit: how many records at most; all if None.
        page: how many records one request brings at most.

    Raises:
        Unreachable, ApiError.
    """
    params = {name: value for name, value in query.items() if value not in (None, "", [])}
    count = 0
    while limit is None or count < limit:
        params["limit"] = page if limit is None else min(page, limit - count)
        found = await transport.record(Listing, "GET", path, params=params)
        for item in found.data:
            yield transport.read(kind, item)
        count += len(found.data)
        if not found.has_more or not found.last_id:
            return
        params["after"] = found.last_id


def joined(values: str | Sequence[str] | None) -> str | None:
    """Return one value or several as a query has them: separated by commas."""
    return values if values is None or isinstance(values, str) else ",".join(values)

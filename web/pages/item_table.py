"""The items that a generate job has written, as a table that links sort; while it runs, those that its events show."""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from shared.errors import NotFound
from shared.jobs.events import EventType, StoredEvent
from shared.jobs.record import Job
from shared.volume.item_lists import Item, read_items
from web.services import Services

#: Rows of a page, and rows that can be reached in each order; downloads have all.
PAGE_ROWS, MAX_ROWS = 100, 1000
#: Name in the address -> heading, and what rows are sorted by.
_COLUMNS: Mapping[str, tuple[str, Callable[[Item], Any]]] = {
    "index": ("No.", lambda item: item.index),
    "text": ("Item", lambda item: item.text.casefold()),
    "chars": ("Characters", lambda item: len(item.text)),
    "logprob": ("Log-probability", lambda item: item.logprob),
    "known": ("In the training text", lambda item: not item.known),
}


@dataclass(frozen=True, kw_only=True)
class Heading:
    """A column's heading, and the address of the table sorted by it."""

    name: str
    label: str
    address: str
    #: "ascending" or "descending" if the table is sorted by it, else "".
    order: str


@dataclass(frozen=True, kw_only=True)
class ItemTable:
    """One page of the table."""

    headings: Sequence[Heading]
    rows: Sequence[Item]
    #: How the list was written, as `ItemsResult` has it.
    result: Mapping[str, Any]
    previous_page: str | None
    next_page: str | None
    #: Rows of this order that can be reached.
    reachable: int


def table_of(here: Services, job: Job, asked: Mapping[str, str]) -> ItemTable | None:
    """Return the table of a job, sorted as the address asks; None if the job has written no items."""
    result = (job.result or {}).get("items")
    if not result:
        return None
    sort = asked.get("sort", "index")
    sort = sort if sort in _COLUMNS else "index"
    descending = asked.get("order") == "desc"
    reachable = min(int(result["written"]), MAX_ROWS)
    page = asked.get("page", "")
    begin = int(page) * PAGE_ROWS if page.isdecimal() and len(page) < 4 else 0
    begin = begin if begin < reachable else 0
    end = min(begin + PAGE_ROWS, reachable)
    try:
        rows = _sorted(read_items(here.volume.jobs.items(job.id)), sort, end, descending=descending)[begin:]
    except NotFound:
        return None

    def address(number: int) -> str:
        return _address(job, sort, descending=descending, page=number)

    return ItemTable(
        headings=[
            Heading(
                name=name,
                label=label,
                address=_address(job, name, descending=name == sort and not descending, page=0),
                order="" if name != sort else "descending" if descending else "ascending",
            )
            for name, (label, _) in _COLUMNS.items()
        ],
        rows=rows,
        result=result,
        previous_page=address(begin // PAGE_ROWS - 1) if begin else None,
        next_page=address(end // PAGE_ROWS) if end < reachable else None,
        reachable=reachable,
    )


def newest_items(events: Iterable[StoredEvent]) -> list[str]:
    """Return the items of a running job's events, newest event first."""
    items = [item for event in events if event.type is EventType.ITEMS for item in event.data["items"][::-1]]
    return items[:PAGE_ROWS]


def _sorted(items: Iterable[Item], sort: str, count: int, *, descending: bool) -> list[Item]:
    """Return the first `count` items in this order. Keeps no more of them in memory."""
    if sort == "index" and not descending:
        return list(islice(items, count))
    key = _COLUMNS[sort][1]
    return (heapq.nlargest if descending else heapq.nsmallest)(count, items, key)


def _address(job: Job, sort: str, *, descending: bool, page: int) -> str:
    asked = {"sort": sort, **({"order": "desc"} if descending else {}), **({"page": str(page)} if page else {})}
    return f"/jobs/{job.id}?{urlencode(asked)}#items-title"

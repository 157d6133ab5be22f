"""The items that a generate job has written."""

from itertools import islice

from flask import Response, request

from shared.errors import Conflict, NotFound
from shared.jobs.record import Job
from shared.volume.item_lists import read_items
from web.http.endpoints import API, ResponseSpec
from web.http.item_files import reply_csv, reply_text
from web.http.queries import ItemsQuery
from web.http.responses import JSON, reply
from web.http.schemas import ListItem, Page, page_of
from web.services import services

#: Media types of the formats, the default first.
_TYPES = {"json": JSON, "csv": "text/csv", "text": "text/plain"}

api = API("items")


@api.call(
    "GET",
    "/jobs/<job_id>/items",
    query=ItemsQuery,
    headers={"Accept": "text/csv or text/plain for a file."},
    responses={
        200: ResponseSpec(
            description="A page of items, or all of them as a file.",
            content={JSON: Page[ListItem], "text/csv": str, "text/plain": str},
        )
    },
    problems=(404, 409, 422),
)
def list_items(job_id: str, query: ItemsQuery) -> Response:
    """List the items that a generate job has written.

    In the order of writing, once the job has ended: pages of JSON, all as CSV, or all as text, in which each is
    followed by its separator. 409 while the job is live.
    """
    here = services()
    job = here.store.jobs.get(job_id)
    separator = separator_of(job)
    path = here.volume.jobs.items(job_id)
    wanted = query.format or _accepted()
    if wanted == "json":
        found = list(islice(read_items(path, after=-1 if query.after is None else query.after), query.limit + 1))
        some = [ListItem.model_validate(item) for item in found[: query.limit]]
        response = reply(page_of(some, has_more=len(found) > query.limit, key="index"))
    else:
        items = read_items(path)
        response = reply_csv(items, job_id) if wanted == "csv" else reply_text(items, job_id, separator=separator)
    response.vary.add("Accept")
    return response


def separator_of(job: Job) -> str:
    """Return the separator of the items that a job has written. Raises NotFound, and Conflict while it is live."""
    if not job.params.get("items"):
        raise NotFound(f"{job.id} writes no items; only a generate job that was asked for `items` does.")
    if not job.ended:
        raise Conflict(f"{job.id} is {job.shown_status}; its items can be read once it has ended.")
    if job.result is None:
        raise NotFound(f"{job.id} {job.status} before it had written any items.")
    return str(job.result["items"]["separator"])


def _accepted() -> str:
    best = request.accept_mimetypes.best_match(tuple(_TYPES.values()))
    return next((name for name, kind in _TYPES.items() if kind == best), "json")

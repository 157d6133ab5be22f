"""The workers seen lately, and draining them."""

from flask import Response

from shared.errors import NotFound
from web.http.endpoints import API
from web.http.responses import json_response, reply
from web.http.schemas import Page, Worker, page_of
from web.services import Services, services

api = API("workers")


@api.call("GET", "/workers", responses={200: json_response("The workers.", Page[Worker])})
def list_workers() -> Response:
    """List the workers seen lately.

    Each with its host, cores, versions and the jobs that it runs.
    """
    return reply(page_of([Worker.of(info) for info in services().store.workers.seen()], key="name"))


@api.call("POST", "/workers/<name>/drain", responses={200: json_response("The worker.", Worker)}, problems=(404,))
def drain_worker(name: str) -> Response:
    """Have a worker release its jobs and take none.

    It saves its trainings and releases them within seconds; other workers continue them. The request holds until it is
    withdrawn, or the worker's process ends. Repeating it changes nothing.
    """
    return reply(drained(services(), name, on=True))


@api.call("POST", "/workers/<name>/undrain", responses={200: json_response("The worker.", Worker)}, problems=(404,))
def undrain_worker(name: str) -> Response:
    """Have a worker that drains take jobs again.

    It takes them within some seconds; for one that doesn't drain nothing changes.
    """
    return reply(drained(services(), name, on=False))


def drained(here: Services, name: str, *, on: bool) -> Worker:
    """Request a worker to drain, or withdraw that, and return its representation. Raises NotFound."""
    here.store.workers.drain(name, on=on)
    found = next((info for info in here.store.workers.seen() if info.name == name), None)
    if found is None:
        raise NotFound(f"No worker {name} is seen. GET /api/v1/workers lists those that are.")
    return Worker.of(found)

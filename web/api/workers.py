"""The workers seen lately."""

from flask import Response

from web.http.endpoints import API
from web.http.responses import json_answer, reply
from web.http.schemas import Page, Worker, page_of
from web.services import services

api = API("workers")


@api.call("GET", "/workers", answers={200: json_answer("The workers.", Page[Worker])})
def list_workers() -> Response:
    """List the workers seen lately.

    Each with its host, cores, versions and the jobs that it runs.
    """
    return reply(page_of([Worker.of(info) for info in services().store.workers.seen()], key="name"))
